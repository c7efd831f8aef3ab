import { assertAlmostEquals, assertEquals } from "@std/assert";
import { reference, wasm } from "../mod.ts";
import { fillNormal, random } from "../lib/data/random.ts";
import type { Heap } from "../lib/engines/heap.ts";
import { runsOf } from "../lib/engines/tfjs/runs.ts";
import { start } from "../lib/engines/tfjs/backend.ts";
import { chainLoops, type Link } from "../lib/engines/tfjs/wasm_chains.ts";
import { stretched } from "../lib/engines/tfjs/walk.ts";
import { type Graph, graphOf } from "../lib/graph/graph.ts";
import { sizeOf } from "../lib/ops/shape.ts";
import * as f from "../lib/ops/functions.ts";
import { apply } from "../lib/ops/table.ts";

/** What each op makes of two numbers. */
const plain = {
  add: (a: number, b: number) => a + b,
  sub: (a: number, b: number) => a - b,
  mul: (a: number, b: number) => a * b,
  div: (a: number, b: number) => a / b,
  neg: (a: number) => -a,
  sqrt: (a: number) => Math.sqrt(a),
  relu: (a: number) => Math.max(a, 0),
  greater: (a: number) => a > 0 ? 1 : 0,
};
const pairs = ["add", "sub", "mul", "div"] as const;
const singles = ["neg", "sqrt", "relu", "greater"] as const;
const ops = [...pairs, ...singles];

/** Shapes of results, each with those of arrays that are stretched to it. */
const shapes = [
  ...[[[4], [1]], [[5], [1]], [[7, 9], [1, 1]], [[3, 43]], [[1, 64], [64], [1]], [[1024], [1]]],
  ...[[[9, 12], [12], [9, 1], [1], [1, 1]], [[13, 64], [64], [13, 1]], [[70, 20], [20], [70, 1]]],
  ...[[[5, 17, 16], [5, 1, 16], [17, 16], [5, 17, 1], [16], [1, 17, 1], [5, 1, 1]]],
  ...[[[2, 3, 40, 4], [2, 1, 40, 1], [3, 1, 4], [4], [2, 3, 1, 1]], [[33, 1, 4], [1, 4], [33, 1, 1]]],
];

Deno.test("chainLoops() makes the numbers of plain loops to the bit, rounded after each op, and writes nowhere else", () => {
  const { heap, clear } = heapOf(8);
  const chains = chainLoops(heap)!;
  const source = random("chains");
  const one = <T>(of: readonly T[]): T => of[Math.floor(source.uniform() * of.length)];
  let computed = 0;
  for (const [shape, ...others] of shapes) {
    for (let round = 0; round < 40; round++) {
      const links = Array.from({ length: 1 + Math.floor(source.uniform() * 5) }, (_, nth): Link => {
        const op = one(ops);
        const joint = nth === 0 ? undefined : pairs.some((pair) => pair === op) ? one([0, 1]) : 0;
        const own = op === "greater" ? [shape, [1]] : pairs.some((pair) => pair === op) ? [shape, shape] : [shape];
        const of = own.map((given, at) =>
          at !== joint && pairs.some((p) => p === op) ? one([shape, ...others]) : given
        );
        return { op, joint, place: { attrs: {}, shape, of, zeros: of.map((_, at) => op === "greater" && at === 1) } };
      });
      if (!chains.fits(links)) continue;
      computed++;
      const read = links.flatMap(({ place: { of }, joint }) => of.filter((_, at) => at !== joint));
      const arrays = read.map((of) => floats(heap, normal(sizeOf(of), source)));
      const size = sizeOf(shape);
      const around = floats(heap, new Float32Array(size + 8).fill(7));
      chains.loop(links)(around.subarray(4, 4 + size), arrays);
      const name = `[${shape}] of ${read.map((of) => `[${of}]`)}: ${links.map(({ op, joint }) => `${op} ${joint}`)}`;
      assertEquals(around.subarray(4, 4 + size), wantedOf(links, arrays), name);
      assertEquals([...around.subarray(0, 4), ...around.subarray(4 + size)], Array(8).fill(7), name);
      clear();
    }
  }
  assertEquals(computed > 250, true, `${computed} chains`);
});

Deno.test("chainLoops() leaves what it does not compute: other ops and shapes, many arrays, rows of any width", () => {
  const chains = chainLoops(heapOf(1).heap)!;
  const link = (op: Link["op"], shape: number[], ...of: number[][]): Link => {
    return { op, place: { attrs: {}, shape, of, zeros: of.map(() => false) } };
  };
  assertEquals(chains.fits([link("add", [8, 8], [8, 8], [8])]), true);
  assertEquals(chains.fits([link("exp", [8, 8], [8, 8])]), false);
  assertEquals(chains.fits([link("greater", [8, 8], [8, 8], [])]), false); // with another number than 0
  assertEquals(chains.fits([link("add", [30, 10], [30, 10], [10])]), false);
  assertEquals(chains.fits([link("add", [3], [3], [3])]), false);
  assertEquals(
    chains.fits([link("relu", [8, 8], [8, 8]), { ...link("add", [2, 8, 8], [8, 8], [2, 8, 8]), joint: 0 }]),
    false,
  );
  const adds = (count: number) =>
    Array.from({ length: count }, (_, at): Link => {
      return { ...link("add", [64], [64], [64]), ...at > 0 && { joint: 0 } };
    });
  assertEquals([5, 6].map((count) => chains.fits(adds(count))), [true, false]);
});

Deno.test("runs are of ops one after the other, whose results nothing else reads", async () => {
  const backend = await start("wasm");
  const x = apply("input", [], { name: "x", shape: ["batch", 64], type: "float" });
  const runs = (graph: Graph) => {
    const mine = new Set(graph.nodes.flatMap(({ op }, at) => op === "constant" ? [] : [at]));
    const shapes = graph.nodes.map(({ shape }) => shape.map((length) => length === "batch" ? 30 : length));
    return runsOf(graph.nodes, mine, new Set(Object.values(graph.outputs)), (at) => {
      const { attrs, of } = graph.nodes[at];
      return { attrs, shape: shapes[at], of: of.map((argument) => shapes[argument]), zeros: of.map(() => false) };
    }, backend).map(({ positions }) => positions.map((at) => graph.nodes[at].op).join(" "));
  };
  const sum = f.add(f.mul(x, x), x);
  assertEquals(runs(graphOf({ y: f.relu(sum) })), ["input", "mul add relu"]);
  assertEquals(runs(graphOf({ y: f.relu(sum), sum })), ["input", "mul add", "relu"]);
  assertEquals(runs(graphOf({ y: f.mul(sum, sum) })), ["input", "mul add", "mul"]);
  assertEquals(runs(graphOf({ y: f.neg(f.exp(f.relu(sum))) })), ["input", "mul add relu", "exp", "neg"]);
});

Deno.test("arrays on wasm begin with a cache line, written or made, and what is freed is allocated again", async () => {
  const { started, memory, write, free } = await start("wasm");
  const { wasm: program } = started as { readonly wasm: Record<"_malloc" | "_free", (number: number) => number> };
  const arrays = [1, 2, 3, 5, 63, 1000].flatMap((
    length,
  ) => [write(new Float32Array(length), [length]), memory!.make([length])]);
  assertEquals(arrays.map((array) => memory!.view(array).byteOffset % 64), arrays.map(() => 0));
  arrays.forEach(free);
  for (let round = 0; round < 64; round++) {
    const found = program._malloc(2 ** 26); // 4 GiB in all
    assertEquals([found > 0, found % 64], [true, 0]);
    program._free(found);
  }
});

Deno.test("a graph of chains is computed as on the reference engine, however its values are shared", async () => {
  const input = (name: string, ...shape: number[]) =>
    apply("input", [], { name, shape: ["batch", ...shape], type: "float" });
  const [x, y, wide] = [input("x", 64), input("y", 64), input("z", 4, 64)];
  const row = apply("parameter", [], { name: "row", shape: [64], init: { kind: "constant", value: 0 } });
  const bias = f.relu(f.add(f.sub(x, y), row));
  const square = f.mul(bias, bias);
  const root = f.div(x, f.add(f.sqrt(f.relu(square)), 1));
  const each = f.neg(f.sub(row, f.mul(wide, f.reshape(root, ["batch", 1, 64]))));
  const graph = graphOf({ root, each, sum: f.add(square, f.neg(bias)), again: f.relu(f.sub(bias, root)) });
  const source = random("a graph of chains");
  const data = (...shape: number[]) => ({ shape, data: normal(sizeOf(shape), source) });
  const stored = { row: data(64) };
  const inputs = { x: data(301, 64), y: data(301, 64), z: data(301, 4, 64) };
  const [found, wanted] = await Promise.all([await wasm({ threads: 1 }), reference()].map(async (engine) => {
    const program = engine.load(graph, engine.store(stored));
    return await program.run(inputs);
  }));
  for (const [name, { shape, data }] of Object.entries(wanted)) {
    assertEquals(found[name].shape, shape);
    data.forEach((number, at) =>
      assertAlmostEquals(found[name].data[at], number, 1e-5 * Math.max(1, Math.abs(number)))
    );
  }
});

/** The numbers of a chain, each op by itself. */
function wantedOf(links: readonly Link[], arrays: readonly Float32Array[]): Float32Array {
  let next = 0;
  let before = new Float32Array();
  for (const { op, place: { shape, of }, joint } of links) {
    const given = of.map((from, at) => at === joint ? { x: before, from: shape } : { x: arrays[next++], from });
    const own = given.map(({ from }) => stretched(from, shape));
    const steps = stretched(shape, shape);
    before = Float32Array.from({ length: sizeOf(shape) }, (_, at) => {
      const index = shape.map((length, axis) => Math.floor(at / (steps[axis] || 1)) % length);
      const numbers = given.map(({ x }, nth) => x[index.reduce((sum, place, axis) => sum + place * own[nth][axis], 0)]);
      return plain[op as keyof typeof plain](numbers[0], numbers[1]);
    });
  }
  return before;
}

function normal(length: number, source: ReturnType<typeof random>): Float32Array {
  const numbers = new Float32Array(length);
  fillNormal(numbers, source);
  return numbers;
}

function floats({ memory, take }: Heap, numbers: Float32Array): Float32Array {
  const view = new Float32Array(memory.buffer, take(4 * numbers.length), numbers.length);
  view.set(numbers);
  return view;
}

/** A heap of so many pages, and what empties it. */
function heapOf(initial: number): { readonly heap: Heap; readonly clear: () => void } {
  const memory = new WebAssembly.Memory({ initial });
  let end = 1024;
  const take = (bytes: number) => (end += 8 * Math.ceil(bytes / 8)) - 8 * Math.ceil(bytes / 8);
  return { heap: { memory, take, free: () => {} }, clear: () => end = 1024 };
}
