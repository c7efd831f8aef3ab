import type { Engine } from "../../mod.ts";
import { engineOf as onnxOf } from "../../lib/engines/onnx/onnx.ts";
import { binding } from "../../lib/engines/onnx/binding.ts";
import { engineOf as tfjsOf } from "../../lib/engines/tfjs/tfjs.ts";
import { type Call, start } from "../../lib/engines/tfjs/backend.ts";
import { type CaseName, load, type Loaded } from "./cases.ts";
import { engineOf } from "./engines.ts";
import { against, type Bench, own } from "./lines.ts";
import { spread } from "./measure.ts";
import { ours } from "./ours.ts";
import type { Peers } from "./python.ts";

type Run = "train" | "predict";

/** A large product, or all ops of a kind. */
export interface Part {
  /** The op and, of a product, its factors and what it makes. */
  readonly name: string;
  /** The number of them in a run. */
  readonly count: number;
  /** The milliseconds of a run that they take, as the engine reports. */
  readonly ms: number;
  /** The speed of a product, in 10^9 floating-point operations a second. */
  readonly gflops?: number;
  /** The lengths of a product of two matrices. */
  readonly lengths?: Product;
}

/** An op as it was timed in every run. */
interface Timed {
  readonly op: string;
  readonly factors: readonly Shape[];
  readonly result: Shape;
  readonly times: readonly number[];
}

type Shape = readonly number[];

/** The cases to profile: those with bars that may not be met. */
const wanted: readonly (readonly [CaseName, "onnx" | "wasm", Run])[] = [
  ["W1", "onnx", "predict"],
  ["W2", "onnx", "train"],
  ["W2", "onnx", "predict"],
  ["W2", "wasm", "predict"],
  ["W3", "onnx", "train"],
  ["W3", "onnx", "predict"],
  ["W4", "onnx", "train"],
  ["W4", "onnx", "predict"],
  ["W6", "onnx", "train"],
  ["W6", "onnx", "predict"],
  ["W7", "onnx", "train"],
  ["W8", "onnx", "train"],
];

/** A product is shown on its own, and a kind of op, where it takes such a share of all. */
const shown = 0.02;

/**
 * Profiles of training steps and predictions, op by op; large products next to PyTorch's, where it is. The metrics are
 * `<run>_op_ms, <op>` with `whole` for a run that nothing watches, `<run>_op_count, <op>` and `<run>_op_gflops, <op>`.
 */
export async function profiles(peers: Peers | undefined, bench: Bench): Promise<void> {
  for (const [name, engine, run] of wanted) {
    bench.note(`${name}: profile of ${run} on ${engine}`);
    const of = await load(name);
    const write = (metric: string, part: string, values: readonly number[]) =>
      bench.write(own(name, engine, `${run}_op_${metric}, ${part}`, values));
    write("ms", "whole", await timesOf(of, await engineOf(engine), run, bench.seed));
    for (const part of partsOf(await (engine === "onnx" ? onnxTimes : wasmTimes)(of, run, bench.seed))) {
      write("ms", part.name, [part.ms]);
      write("count", part.name, [part.count]);
      if (part.gflops !== undefined) write("gflops", part.name, [part.gflops]);
      if (part.lengths === undefined || peers === undefined) continue;
      const times = await peers.product(part.lengths);
      bench.write(against(name, engine, `${run}_op_ms, ${part.name}`, "torch, this product", times, [part.ms]));
    }
  }
}

/** Warms up, runs, and returns the milliseconds of every run, of which there are enough for half a second or more. */
async function timesOf(of: Loaded, engine: Engine, run: Run, seed: number): Promise<readonly number[]> {
  const model = await ours(of, engine, seed);
  const [first] = (await model[run](10)).slice(-1);
  const runs = Math.min(1000, Math.max(30, Math.ceil(500 / first)));
  await model[run](runs);
  const times = await model[run](runs);
  await model.close();
  return times;
}

/** The times of every node, by ONNX Runtime's own profile, which the package's binding gives. */
async function onnxTimes(of: Loaded, run: Run, seed: number): Promise<readonly Timed[]> {
  const prefix = `out/profile_${of.name}_${run}`;
  const open = await binding(navigator.hardwareConcurrency, { enableProfiling: true, profileFilePrefix: prefix });
  Deno.mkdirSync("out", { recursive: true });
  await timesOf(of, onnxOf(open), run, seed);
  const files = [...Deno.readDirSync("out")].map(({ name }) => `out/${name}`).filter((path) => path.startsWith(prefix));
  const found = files.flatMap((path) => nodesOf(JSON.parse(Deno.readTextFileSync(path))));
  files.forEach((path) => Deno.removeSync(path));
  return found;
}

/** An entry of the profile that ONNX Runtime writes, `dur` in microseconds. */
interface Entry {
  readonly cat: string;
  readonly name: string;
  readonly dur: number;
  readonly args: {
    readonly op_name: string;
    readonly input_type_shape: readonly Readonly<Record<string, Shape>>[];
    readonly output_type_shape: readonly Readonly<Record<string, Shape>>[];
  };
}

/** The nodes of a profile that ONNX Runtime has written. */
export function nodesOf(entries: readonly Entry[]): readonly Timed[] {
  const nodes = new Map<string, { op: string; factors: Shape[]; result: Shape; times: number[] }>();
  for (const { cat, name, dur, args } of entries) {
    if (cat !== "Node" || !name.endsWith("_kernel_time")) continue;
    const [factors, [result = []]] = [args.input_type_shape, args.output_type_shape].map((shapes) =>
      shapes.map((shape) => Object.values(shape)[0])
    );
    const node = nodes.get(name) ?? { op: args.op_name, factors, result, times: [] };
    nodes.set(name, node);
    node.times.push(dur / 1000);
  }
  return [...nodes.values()];
}

/** The times of every call of a kernel, of loops over the backend's memory, and of copies into and out of it. */
async function wasmTimes(of: Loaded, run: Run, seed: number): Promise<readonly Timed[]> {
  const backend = await start("wasm");
  const calls: { op: string; factors: readonly Shape[]; result: Shape; time: number }[] = [];
  const timed = <R>(op: string, act: () => R, factors: readonly Shape[] = [], resultOf?: (found: R) => Shape): R => {
    const start = performance.now();
    const found = act();
    calls.push({ op, factors, result: resultOf?.(found) ?? [], time: performance.now() - start });
    return found;
  };
  const watched: typeof backend = {
    ...backend,
    kernel: (name) => {
      const call = backend.kernel(name);
      return ((inputs, attrs) => {
        const factors = Object.values(inputs).map((array) => array!.shape);
        return timed(name, () => call(inputs, attrs), factors, ({ shape }) => shape);
      }) as Call;
    },
    fill: (shape, of, loop) => timed("own loop", () => backend.fill!(shape, of, loop)),
    multiply: backend.multiply &&
      ((left, right, one) =>
        timed(
          "own MatMul",
          () => backend.multiply!(left, right, one),
          [left.shape, right.shape],
          ({ shape }) => shape,
        )),
    write: (data, shape) => timed("write", () => backend.write(data, shape)),
    read: (array) => timed("read", () => backend.read(array)),
  };
  const engine = tfjsOf(watched);
  const marks: number[] = [];
  const load: Engine["load"] = (graph, store) => {
    const program = engine.load(graph, store);
    return { ...program, run: (inputs) => (marks.push(calls.length), program.run(inputs)) };
  };
  await timesOf(of, { ...engine, load }, run, seed);
  const runs = marks.slice(1, -1).map((from, at) => calls.slice(from, marks[at + 2])); // the first one settles
  return runs[0].map((call, at) => ({ ...call, times: runs.map((run) => run[at].time) }));
}

/** Large products, then all others by what they are, the largest first, and the rest in one. */
export function partsOf(timed: readonly Timed[]): readonly Part[] {
  const all = timed.map((each) => ({ ...each, ms: spread(each.times.slice(each.times.length >> 1)).median }));
  const least = shown * all.reduce((sum, { ms }) => sum + ms, 0);
  const single = all.filter(({ op, ms }) => isProduct(op) && ms >= least).map(({ op, factors, result, ms }) => {
    const { batch, lengths, gflops } = rate(factors, result, ms);
    const [left, right] = factors.map(text);
    const name = `${op} of ${left} and ${right} to ${text(result)}`;
    return { name, count: 1, ms, gflops, ...batch === 1 ? { lengths } : {} };
  });
  const kinds = new Map<string, Part>();
  for (const each of all.filter(({ op, ms }) => !isProduct(op) || ms < least)) {
    const name = kindOf(each);
    const { count, ms } = kinds.get(name) ?? { count: 0, ms: 0 };
    kinds.set(name, { name, count: count + 1, ms: ms + each.ms });
  }
  const [large, small] = [true, false].map((is) => [...kinds.values()].filter(({ ms }) => ms >= least === is));
  const sum = (key: "count" | "ms") => small.reduce((sum, part) => sum + part[key], 0);
  const rest = small.length === 0 ? [] : [{ name: "others", count: sum("count"), ms: sum("ms") }];
  return [...[...single, ...large].toSorted((a, b) => b.ms - a.ms), ...rest];
}

/** Returns the name under which an op is counted. */
function kindOf({ op, factors, result }: Timed): string {
  if (isProduct(op)) return "smaller products";
  const whole = [...factors, result].some((shape) => shape.length === 1 && shape[0] > manyParameters);
  return whole ? "passes over all parameters" : op;
}

/** More elements than any axis of an activation has. */
const manyParameters = 10_000;

function text(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** The lengths of a product: `[rows, inner] x [inner, columns]`. */
export type Product = readonly [rows: number, inner: number, columns: number];

/** Returns the name of a product, whichever of its factors is transposed, and its speed. */
function rate(
  [left, right]: readonly Shape[],
  result: Shape,
  ms: number,
): { readonly batch: number; readonly lengths: Product; readonly gflops: number } {
  const [a, b, c] = [left, right, result].map((shape) => shape.reduce((product, length) => product * length, 1));
  const [rows, columns] = result.slice(-2);
  const batch = c / (rows * columns);
  const inner = Math.round(Math.sqrt(a * b / (c * batch)));
  return { batch, lengths: [rows, inner, columns], gflops: 2 * c * inner / ms / 1e6 };
}

function isProduct(op: string): boolean {
  return /MatMul|Gemm/.test(op);
}
