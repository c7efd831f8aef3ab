import { assert, assertAlmostEquals, assertEquals, assertNotEquals } from "@std/assert";
import {
  bank,
  compile,
  define,
  dense,
  dropout,
  gelu,
  inits,
  layer,
  layerNorm,
  leakyRelu,
  level,
  mix,
  mlp,
  type Net,
  noise,
  pipe,
  reference,
  regression,
  relu,
  residual,
  rows,
  softmax,
  swish,
  tanh,
} from "../mod.ts";
import { add, type Init, inTraining, sum } from "../lib/ops.ts";
import { initialise, parametersOf, type Tensor } from "../lib/graph.ts";
import { random } from "../lib/data/random.ts";
import { graphOf } from "../lib/graph/graph.ts";
import { trace } from "../lib/trace/trace.ts";
import { noiseTensors } from "../lib/model/feed.ts";

const source = random("nets");
const x = [
  [0, 0, 0, 0],
  [3, 3, 3, 3],
  ...Array.from({ length: 5 }, () => Array.from({ length: 4 }, () => Math.fround(2 * source.normal()))),
];
const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));

/** A net on rows of 4 numbers, and what it makes of a row; `p` are its parameters. */
const formulas: Readonly<Record<string, [net: Net, formula: (x: number[], p: Record<string, Tensor>) => number[]]>> = {
  pipe: [pipe(), (x) => x],
  relu: [relu, (x) => x.map((z) => z > 0 ? z : 0)],
  leakyRelu: [leakyRelu, (x) => x.map((z) => z > 0 ? z : 0.01 * z)],
  gelu: [gelu, (x) => x.map((z) => z * sigmoid(1.702 * z))],
  swish: [swish, (x) => x.map((z) => z * sigmoid(z))],
  tanh: [tanh, (x) => x.map(Math.tanh)],
  dense: [dense(3), (x, p) => affine(x, p, "0")],
  "dense without bias": [dense(3, { bias: false }), (x, p) => affine(x, p, "0")],
  residual: [residual(dense(4)), (x, p) => affine(x, p, "0").map((z, i) => z + x[i])],
  mlp: [
    mlp([3, 2], { activation: tanh }),
    (x, p) => affine(affine(x, p, "0").map(Math.tanh), p, "1").map(Math.tanh),
  ],
  "mlp of no layer": [mlp([]), (x) => x],
  "mlp with dropout": [mlp([3], { dropout: 0.9 }), (x, p) => affine(x, p, "0").map((z) => Math.max(z, 0))],
  layerNorm: [layerNorm(), (x, p) => normed(x, p, 1e-5)],
  "layerNorm with another epsilon": [layerNorm({ epsilon: 0.5 }), (x, p) => normed(x, p, 0.5)],
  "tied layers": [
    ((layer) => pipe(layer, relu, layer))(dense(4)),
    (x, p) => affine(affine(x, p, "0").map((z) => Math.max(z, 0)), p, "0"),
  ],
};

Deno.test("nets compute their formulas", async () => {
  for (const [name, [net, formula]] of Object.entries(formulas)) {
    const spec = define({ input: 4, tasks: { y: regression(net) } });
    const parameters = filled(parametersOf(spec));
    const model = await compile(spec, { engine: reference(), parameters });
    const { y } = await model.predict(rows(x));
    model.dispose();
    x.forEach((row, at) => {
      const wanted = affine(formula(row, under(parameters, "tasks/y/tower/")), under(parameters, "tasks/y/head/"), "0");
      assertAlmostEquals(y[at], wanted[0], 1e-5 * Math.max(1, Math.abs(wanted[0])), `${name}, row ${at}`);
    });
  }
});

Deno.test("nets own the parameters that they document", () => {
  const table: [net: Net, shapes: Record<string, number[]>][] = [
    [pipe(), {}],
    [dense(3), { "0/kernel": [4, 3], "0/bias": [3] }],
    [dense(1, { bias: false }), { "0/kernel": [4, 1] }],
    [layerNorm(), { "0/gain": [4], "0/bias": [4] }],
    [mlp([3, 2]), { "0/kernel": [4, 3], "0/bias": [3], "1/kernel": [3, 2], "1/bias": [2] }],
    [residual(pipe(dense(5), dense(4))), {
      "0/kernel": [4, 5],
      "0/bias": [5],
      "1/kernel": [5, 4],
      "1/bias": [4],
    }],
    [inBoth(dense(2), dense(2)), { "0/kernel": [4, 2], "0/bias": [2], "1/kernel": [4, 2], "1/bias": [2] }],
    [dropout(0.5), {}],
  ];
  for (const [net, shapes] of table) {
    const found = parametersOf(define({ input: 4, tasks: { y: regression(net) } }));
    const own = found.filter(({ path }) => path.includes("/tower/"));
    assertEquals(
      Object.fromEntries(own.map(({ path, shape }) => [path.slice("tasks/y/tower/".length), shape])),
      shapes,
    );
  }
});

Deno.test("inits have the size that they document", () => {
  const [width, units] = [300, 200];
  const table: [init: Init, deviation: number, limit: number][] = [
    [inits.zeros, 0, 0],
    [inits.ones, 0, 1],
    [inits.value(-0.5), 0, 0.5],
    [inits.normal(0.3), 0.3, Infinity],
    [inits.uniform(0.3), 0.3 / Math.sqrt(3), 0.3],
    [inits.glorotUniform, Math.sqrt(2 / (width + units)), Math.sqrt(6 / (width + units))],
    [inits.glorotNormal, Math.sqrt(2 / (width + units)), Infinity],
    [inits.heUniform, Math.sqrt(2 / width), Math.sqrt(6 / width)],
    [inits.heNormal, Math.sqrt(2 / width), Infinity],
    [inits.lecunNormal, Math.sqrt(1 / width), Infinity],
  ];
  for (const [init, deviation, limit] of table) {
    const spec = define({ input: width, tasks: { y: regression(dense(units, { init, biasInit: inits.value(2) })) } });
    const { "tasks/y/tower/0/kernel": kernel, "tasks/y/tower/0/bias": bias } = initialise(spec, 1);
    const numbers = Float64Array.from(kernel.data);
    const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
    const found = Math.sqrt(numbers.reduce((sum, number) => sum + (number - mean) ** 2, 0) / numbers.length);
    assertAlmostEquals(found, deviation, 0.01 * deviation + 1e-12, init.kind);
    const largest = numbers.reduce((most, number) => Math.max(most, Math.abs(number)), 0);
    assertAlmostEquals(largest, Math.min(limit, largest), 1e-7, init.kind);
    if (limit < Infinity) assertAlmostEquals(largest, limit, 0.001 * limit, init.kind);
    else assert(largest > 3.5 * deviation, init.kind);
    assert(bias.data.every((number) => number === 2));
  }
});

Deno.test("inits of a stack have the sizes of each of its matrices", () => {
  const [stack, width, units] = [20, 30, 50];
  for (const [init, variance] of [[inits.heNormal, 2 / width], [inits.glorotNormal, 2 / (width + units)]] as const) {
    const net = layer((parameter, x) =>
      add(x, sum(parameter("kernels", [stack, width, units], init), { axes: [0, 1, 2] }))
    );
    const spec = define({ input: 1, tasks: { y: regression(net) } });
    const { "tasks/y/tower/0/kernels": { data } } = initialise(spec, 1);
    const found = Math.sqrt(Float64Array.from(data).reduce((total, number) => total + number ** 2, 0) / data.length);
    assertAlmostEquals(found, Math.sqrt(variance), 0.02 * Math.sqrt(variance), init.kind);
  }
});

Deno.test("layerNorm() begins as the identity of normalised rows", () => {
  const spec = define({ input: 4, tasks: { y: regression(layerNorm()) } });
  const parameters = initialise(spec, 1);
  assertEquals([...parameters["tasks/y/tower/0/gain"].data], [1, 1, 1, 1]);
  assertEquals([...parameters["tasks/y/tower/0/bias"].data], [0, 0, 0, 0]);
});

Deno.test("dropout() drops a share of the units in training and keeps their mean", async () => {
  const count = 20_000;
  for (const rate of [0.1, 0.5, 0.9]) {
    const numbers = await inPhase(dropout(rate), count, true, "7:1");
    const kept = numbers.filter((number) => number !== 0);
    const spread = Math.sqrt(rate * (1 - rate) / numbers.length);
    assertAlmostEquals(kept.length / numbers.length, 1 - rate, 4 * spread, `${rate}`);
    for (const number of kept) assertAlmostEquals(number, 1 / (1 - rate), 1e-12);
    const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
    assertAlmostEquals(mean, 1, 4 * spread / (1 - rate), `${rate}`);
  }
});

Deno.test("dropout() is the identity in evaluation, and draws by the seed in training", async () => {
  assertEquals(await inPhase(dropout(0.5), 9, false, "7:1"), Array(18).fill(1));
  assertEquals(await inPhase(dropout(0), 9, true, "7:1"), Array(18).fill(1));
  const one = await inPhase(dropout(0.5), 50, true, "7:1");
  assertEquals(await inPhase(dropout(0.5), 50, true, "7:1"), one);
  assertNotEquals(await inPhase(dropout(0.5), 50, true, "7:2"), one);
  assertNotEquals(await inPhase(dropout(0.5), 50, true, "8:1"), one);
});

Deno.test("dropout() drops other units in every place and every expert", () => {
  const spec = define({
    input: 2,
    levels: [level({ shared: bank(3, pipe(dropout(0.5), dropout(0.5))) }, { shared: mix("shared", softmax) })],
    tasks: { y: regression() },
  });
  const graph = graphOf(trace(spec, true).logits);
  const noises = noiseTensors(graph, 40, "1:1");
  const names = [0, 1, 2].flatMap((expert) => [0, 1].map((at) => `levels/0/experts/shared/${expert}/noise/${at}`));
  assertEquals(Object.keys(noises).sort(), names);
  assertEquals(new Set(Object.values(noises).map(({ data }) => String(data))).size, 6);
  assertEquals(Object.values(noises)[0].shape, [40, 2]);
});

Deno.test("noise() is uniform or normal, fresh for every run", async () => {
  const count = 20_000;
  const moments = async (kind: "uniform" | "normal") => {
    const jitter: Net = (x) => inTraining(noise(x.shape, kind), x);
    const numbers = await inPhase(jitter, count, true, "1:1");
    const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
    return [mean, numbers.reduce((sum, number) => sum + (number - mean) ** 2, 0) / numbers.length];
  };
  const [[half, twelfth], [zero, one]] = [await moments("uniform"), await moments("normal")];
  assertAlmostEquals(half, 1 / 2, 0.006);
  assertAlmostEquals(twelfth, 1 / 12, 0.003);
  assertAlmostEquals(zero, 0, 0.02);
  assertAlmostEquals(one, 1, 0.03);
});

/** Returns the output of a net for rows of two 1s, in one of the phases. */
async function inPhase(net: Net, count: number, training: boolean, seed: string): Promise<number[]> {
  const spec = define({
    input: 2,
    levels: [level({ only: bank(1, net) }, { only: mix("only") })],
    tasks: {
      y: regression((x) => x, { reads: "only" }),
    },
  });
  const { logits } = trace(spec, training);
  const result = logits.y.of[0].of[0]; // below the head's product and sum
  const graph = graphOf({ result });
  assert(training || graph.nodes.every(({ op }) => op !== "noise"));
  const engine = reference();
  const input = { shape: [count, 2], data: new Float32Array(2 * count).fill(1) };
  const given = {
    ...noiseTensors(graph, count, seed),
    ...(graph.nodes.some(({ op }) => op === "input") ? { input } : {}),
  };
  const found = await engine.load(graph, engine.store({})).run(given);
  return [...found.result.data];
}

/** One net in training and another in evaluation. */
function inBoth(training: Net, evaluation: Net): Net {
  return (x) => inTraining(training(x), evaluation(x));
}

function filled(parameters: ReturnType<typeof parametersOf>): Record<string, Tensor> {
  return Object.fromEntries(parameters.map(({ path, shape }) => {
    const size = shape.reduce((product, length) => product * length, 1);
    return [path, { shape, data: Float32Array.from({ length: size }, () => source.normal()) }];
  }));
}

function under(parameters: Readonly<Record<string, Tensor>>, prefix: string): Record<string, Tensor> {
  const found = Object.entries(parameters).filter(([path]) => path.startsWith(prefix));
  return Object.fromEntries(found.map(([path, tensor]) => [path.slice(prefix.length), tensor]));
}

function affine(x: readonly number[], parameters: Readonly<Record<string, Tensor>>, layer: string): number[] {
  const { shape: [, units], data } = parameters[`${layer}/kernel`];
  const bias = parameters[`${layer}/bias`]?.data ?? new Float32Array(units);
  return Array.from({ length: units }, (_, j) => {
    let y = bias[j];
    for (let i = 0; i < x.length; i++) y += x[i] * data[i * units + j];
    return y;
  });
}

function normed(x: readonly number[], parameters: Readonly<Record<string, Tensor>>, epsilon: number): number[] {
  let [mean, variance] = [0, 0];
  for (const z of x) mean += z / x.length;
  for (const z of x) variance += (z - mean) ** 2 / x.length;
  const [gain, bias] = [parameters["0/gain"].data, parameters["0/bias"].data];
  return x.map((z, i) => (z - mean) / Math.sqrt(variance + epsilon) * gain[i] + bias[i]);
}
