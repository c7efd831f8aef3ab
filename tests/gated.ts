import { graphOf } from "../lib/graph/graph.ts";
import { gradients } from "../lib/graph/differentiate.ts";
import { noiseTensors } from "../lib/model/feed.ts";
import { inOrder } from "../lib/graph/walk.ts";
import { constant, mul, sum } from "../lib/ops/functions.ts";
import { bank, define, dense, type Gate, level, mix, reference, regression } from "../mod.ts";
import { add } from "../lib/ops.ts";
import { parametersOf } from "../lib/graph.ts";
import type { Bank, Rows, Spec } from "../mod.ts";
import type { Value } from "../lib/ops.ts";
import { type Tensor, trace } from "../lib/graph.ts";
import { random } from "../lib/data/random.ts";

/** A model of one gate, or several, over one bank of linear experts: the stream and task of each gate have its name. */
export function gated(
  gates: Readonly<Record<string, Gate>>,
  experts: number,
  losses: Bank["losses"] = {},
  input = 3,
): Spec {
  return define({
    input,
    levels: [
      level(
        { shared: bank(experts, dense(2), { losses }) },
        Object.fromEntries(Object.entries(gates).map(([name, gate]) => [name, mix("shared", gate)])),
      ),
    ],
    tasks: Object.fromEntries(Object.keys(gates).map((name) => [name, regression()])),
  });
}

/** Normal numbers for every parameter of a model. */
export function drawn(spec: Spec, seed: string): Record<string, Tensor> {
  const { normal } = random(seed);
  return Object.fromEntries(
    parametersOf(spec).map(({ path, shape }) => {
      const size = shape.reduce((product, length) => product * length, 1);
      return [path, { shape, data: Float64Array.from({ length: size }, normal) }];
    }),
  );
}

/** The gates of a model for some rows: weights, losses, shares dropped, and the noise that was drawn. */
export interface Seen {
  readonly gates: Readonly<Record<string, number[][]>>;
  readonly auxiliary: Readonly<Record<string, number>>;
  readonly dropped: Readonly<Record<string, number>>;
  readonly noise: Readonly<Record<string, Tensor>>;
}

/** Runs the gates and the losses of gates and banks on the reference engine. */
export async function seen(
  spec: Spec,
  data: Rows,
  parameters: Readonly<Record<string, Tensor>>,
  { training = true, noise: given }: { readonly training?: boolean; readonly noise?: Seen["noise"] } = {},
): Promise<Seen> {
  const { gates, auxiliary, predictions, dropped } = trace(spec, training);
  const shares = Object.fromEntries(Object.entries(dropped).map(([name, share]) => [`dropped/${name}`, share]));
  const graph = graphOf({ ...gates, ...auxiliary, ...shares, ...predictions }); // what is predicted reads the rows, if no gate does
  const noise = given ?? noiseTensors(graph, data.count, "noise");
  const engine = reference();
  const input = { shape: [data.count, data.inputs.input.length / data.count], data: data.inputs.input };
  const found = await engine.load(graph, engine.store(parameters)).run({ input, ...noise });
  const lists = ({ shape: [rows, width], data }: Tensor) =>
    Array.from({ length: rows }, (_, row) => [...data.subarray(row * width, row * width + width)]);
  return {
    gates: Object.fromEntries(Object.keys(gates).map((name) => [name, lists(found[name])])),
    auxiliary: Object.fromEntries(Object.keys(auxiliary).map((name) => [name, found[name].data[0]])),
    dropped: Object.fromEntries(Object.keys(dropped).map((name) => [name, found[`dropped/${name}`].data[0]])),
    noise,
  };
}

/** The largest difference between gradients and central finite differences of all that gates and their losses compute. */
export async function slopeError(
  spec: Spec,
  data: Rows,
  parameters: Readonly<Record<string, Tensor>>,
): Promise<number> {
  const { gates, auxiliary, predictions } = trace(spec, true);
  const contracted = Object.values(gates).map((weights) => {
    const factors = Array.from({ length: weights.shape[1] as number }, (_, at) => Math.sin(3 * at + 1));
    return sum(mul(weights, constant(factors)), { axes: [0, 1] });
  });
  const nothing = mul(sum(Object.values(predictions)[0], { axes: [0] }), 0); // but it reads the rows, if no gate does
  const loss = [nothing, ...contracted, ...Object.values(auxiliary)].reduce((sum, value) => add(sum, value));
  const leaves = inOrder([loss]).filter(({ op }) => op === "parameter");
  const slopes = gradients(loss, leaves).map((gradient, i) => [leaves[i].attrs.name as string, gradient] as const);
  const engine = reference();
  const run = async (outputs: Readonly<Record<string, Value>>, parameters: Readonly<Record<string, Tensor>>) => {
    const graph = graphOf(outputs);
    const noise = noiseTensors(graph, data.count, "noise");
    const input = { shape: [data.count, data.inputs.input.length / data.count], data: data.inputs.input };
    return await engine.load(graph, engine.store(parameters)).run({ input, ...noise });
  };
  const exact = await run(Object.fromEntries(slopes), parameters);
  const step = 1e-5;
  let error = 0;
  for (const [path] of slopes) {
    for (let i = 0; i < parameters[path].data.length; i += Math.ceil(parameters[path].data.length / 8)) {
      const [above, below] = await Promise.all([step, -step].map(async (by) => {
        const moved = Float64Array.from(parameters[path].data, (number, at) => at === i ? number + by : number);
        return (await run({ loss }, { ...parameters, [path]: { shape: parameters[path].shape, data: moved } })).loss
          .data[0];
      }));
      const wanted = (above - below) / (2 * step);
      error = Math.max(error, Math.abs(exact[path].data[i] - wanted) / Math.max(1, Math.abs(wanted)));
    }
  }
  return error;
}

/** `x W` for a row, W `[width, units]` row-major. */
export function product(x: ArrayLike<number>, { shape: [width, units], data }: Tensor): number[] {
  return Array.from({ length: units }, (_, unit) => {
    let total = 0;
    for (let at = 0; at < width; at++) total += x[at] * data[at * units + unit];
    return total;
  });
}

export function softmaxOf(logits: readonly number[]): number[] {
  const powers = logits.map(Math.exp);
  const total = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / total);
}
