import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import {
  bank,
  binary,
  categorical,
  compile,
  define,
  dense,
  level,
  mix,
  mlp,
  mmoe,
  omoe,
  reference,
  regression,
  rows,
  sharedBottom,
  singleTask,
  softmax,
  type Spec,
  type Task,
  temperature,
} from "../mod.ts";
import { parametersOf, type Tensor } from "../lib/graph.ts";
import { type Random, random } from "../lib/data/random.ts";

/** A model of the paper: its architecture and its sizes. */
interface Sizes {
  readonly architecture: "single-task" | "shared-bottom" | "omoe" | "mmoe";
  readonly batch: number;
  readonly width: number;
  readonly experts: number;
  readonly expert: readonly number[];
  readonly tower: readonly number[];
  readonly tasks: number;
}

const one: Sizes = { architecture: "mmoe", batch: 1, width: 1, experts: 1, expert: [1], tower: [1], tasks: 1 };
const some: Sizes = { architecture: "mmoe", batch: 5, width: 4, experts: 3, expert: [6, 2], tower: [3], tasks: 2 };

const sampled: readonly Sizes[] = (["single-task", "shared-bottom", "omoe", "mmoe"] as const).flatMap((
  architecture,
) => [
  { ...one, architecture },
  { ...some, architecture },
  { ...some, architecture, batch: 1 },
  { ...some, architecture, width: 1 },
  { ...some, architecture, experts: 1 },
  { ...some, architecture, tasks: 1 },
  { ...some, architecture, tasks: 3, experts: 8 },
  { ...some, architecture, expert: [1], tower: [] },
  { ...some, architecture, expert: [], tower: [2, 2] },
  ...Array.from({ length: 6 }, (_, i) => sizesFrom(architecture, random(`sizes:${architecture}:${i}`))),
]);

Deno.test("compile() predicts by equations 1 and 5 to 8 of the paper", async () => {
  for (const sizes of sampled) {
    const name = JSON.stringify(sizes);
    const source = random(name);
    const spec = specOf(sizes);
    const parameters = filled(spec, source);
    const inputs = Array.from({ length: sizes.batch }, () => normals(sizes.width, source));
    const model = await compile(spec, { engine: reference(), parameters });
    const found = await model.inspect(rows(inputs));
    model.dispose();
    inputs.forEach((x, row) => {
      const wanted = equations(sizes, x, parameters);
      for (const [task, numbers] of Object.entries(wanted.predictions)) {
        numbers.forEach((number, at) => {
          near(found.predictions[task][row * numbers.length + at], number, `${name}: ${task}, row ${row}`);
        });
      }
      assertEquals(Object.keys(found.gates), Object.keys(wanted.gates), name);
      for (const [gate, numbers] of Object.entries(wanted.gates)) {
        const weights = [...found.gates[gate].subarray(row * numbers.length, (row + 1) * numbers.length)];
        numbers.forEach((number, expert) => near(weights[expert], number, `${name}: gate ${gate}, row ${row}`));
        near(weights.reduce((sum, weight) => sum + weight, 0), 1, `${name}: gate ${gate} sums to 1`);
      }
    });
  }
});

Deno.test("mix() weighs the experts of several banks in the order in which it names them", async () => {
  const spec = define({
    input: 3,
    levels: [
      level({ deep: bank(2, mlp([4, 2])), plain: bank(1, dense(2)) }, { shared: mix(["plain", "deep"], softmax) }),
      level({ shared: bank(2, dense(2)) }, { shared: mix("shared", softmax), time: mix("shared", softmax) }),
    ],
    tasks: { time: regression(), price: regression() },
  });
  const source = random("banks");
  const parameters = filled(spec, source);
  const x = normals(3, source);
  const model = await compile(spec, { engine: reference(), parameters });
  const found = await model.predict(rows([x]));
  model.dispose();
  const mixed = (weights: readonly number[], experts: readonly (readonly number[])[]) =>
    experts[0].map((_, unit) => experts.reduce((sum, expert, i) => sum + weights[i] * expert[unit], 0));
  const positive = (x: readonly number[]) => x.map((number) => Math.max(number, 0));
  const lower = mixed(normalised(product(x, parameters["levels/0/gates/shared/0/kernel"])), [
    affine(x, "levels/0/experts/plain/0/0", parameters),
    ...[0, 1].map((expert) => {
      const path = `levels/0/experts/deep/${expert}`;
      return positive(affine(positive(affine(x, `${path}/0`, parameters)), `${path}/1`, parameters));
    }),
  ]);
  const experts = [0, 1].map((expert) => affine(lower, `levels/1/experts/shared/${expert}/0`, parameters));
  for (const [task, stream] of [["time", "time"], ["price", "shared"]] as const) {
    const weights = normalised(product(lower, parameters[`levels/1/gates/${stream}/0/kernel`]));
    near(found[task][0], affine(mixed(weights, experts), `tasks/${task}/head/0`, parameters)[0], task);
  }
});

Deno.test("temperature() divides the logits of equation 8", async () => {
  const base = { input: 3, experts: 4, expert: dense(2), tasks: { click: regression() }, gate: temperature(2.5) };
  for (const [spec, stream] of [[define(mmoe(base)), "click"], [define(omoe(base)), "shared"]] as const) {
    const source = random("temperature");
    const parameters = filled(spec, source);
    const x = normals(3, source);
    const model = await compile(spec, { engine: reference(), parameters });
    const { gates } = await model.inspect(rows([x]));
    model.dispose();
    const logits = product(x, parameters[`levels/0/gates/${stream}/0/kernel`]).map((logit) => logit / 2.5);
    normalised(logits).forEach((weight, expert) => near(gates[`0/${stream}`][expert], weight, stream));
  }
});

Deno.test("mmoe() has the parameters of section 5.1", () => {
  const tasks = { first: regression(mlp([8])), second: regression(mlp([8])) };
  const spec = define(mmoe({ input: 100, experts: 8, expert: mlp([16]), tasks }));
  assertEquals(kernels(spec, "experts") + kernels(spec, "tower"), 100 * 16 * 8 + 16 * 8 * 2);
  assertEquals(kernels(spec, "experts") + kernels(spec, "tower"), 13056);
  assertEquals(kernels(spec, "gates"), 2 * 100 * 8);
  assertEquals(kernels(define(omoe({ input: 100, experts: 8, expert: mlp([16]), tasks })), "gates"), 100 * 8);
  const count = parametersOf(spec).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0);
  const biases = 8 * 16 + 2 * 8 + 2; // of the experts, the towers and the heads
  const heads = 2 * 8;
  assertEquals(count, 13056 + 1600 + biases + heads);
});

Deno.test("sharedBottom() matches the parameters of section 5.1 best with 113 units", () => {
  const tasks = { first: regression(mlp([8])), second: regression(mlp([8])) };
  const misses = Array.from({ length: 200 }, (_, at) => {
    const spec = define(sharedBottom({ input: 100, expert: mlp([at + 1]), tasks }));
    return Math.abs(kernels(spec, "experts") + kernels(spec, "tower") - 13056);
  });
  assertEquals(misses.indexOf(Math.min(...misses)) + 1, 113);
  assertEquals(Math.min(...misses), 52); // 100 x 113 + 113 x 8 x 2 = 13108
});

Deno.test("softmax() owns one kernel [input x experts] and no bias, equation 8", () => {
  for (const sizes of sampled) {
    const gates = parametersOf(specOf(sizes)).filter(({ path }) => path.includes("/gates/"));
    const writers = sizes.architecture === "omoe"
      ? ["shared"]
      : sizes.architecture === "mmoe"
      ? names(sizes.tasks)
      : [];
    const wanted = sizes.experts === 1 ? [] : writers.map((writer) => `levels/0/gates/${writer}/0/kernel`);
    assertEquals(gates.map(({ path }) => path), wanted);
    for (const { shape } of gates) assertEquals(shape, [sizes.width, sizes.experts]);
  }
});

// The paper's formulas over plain numbers.

/** Returns the predictions of one row, and the gate weights by level and stream. */
function equations(
  { architecture, experts, expert, tower, tasks }: Sizes,
  x: readonly number[],
  parameters: Readonly<Record<string, Tensor>>,
): { predictions: Record<string, number[]>; gates: Record<string, number[]> } {
  const layers = (y: readonly number[], path: string, units: readonly number[]) => {
    for (let at = 0; at < units.length; at++) {
      y = affine(y, `${path}/${at}`, parameters).map((number) => number > 0 ? number : 0);
    }
    return y;
  };
  const f = (bank: string, i: number) => layers(x, `levels/0/experts/${bank}/${i}`, expert);
  const predictions: Record<string, number[]> = {};
  const gates: Record<string, number[]> = {};
  names(tasks).forEach((task, k) => {
    const stream = architecture === "omoe" ? "shared" : task;
    let bottom: readonly number[];
    if (architecture === "single-task") bottom = f(task, 0);
    else if (architecture === "shared-bottom" || experts === 1) bottom = f("shared", 0);
    else {
      const g = normalised(product(x, parameters[`levels/0/gates/${stream}/0/kernel`])); // 8
      gates[`0/${stream}`] = g;
      bottom = g.map((weight, i) => f("shared", i).map((number) => weight * number))
        .reduce((total, part) => total.map((number, at) => number + part[at])); // 5, 7
    }
    const logits = affine(layers(bottom, `tasks/${task}/tower`, tower), `tasks/${task}/head/0`, parameters); // 1, 6
    const heads = [([z]: number[]) => [1 / (1 + Math.exp(-z))], (z: number[]) => z, normalised];
    predictions[task] = heads[k](logits);
  });
  return { predictions, gates };
}

function affine(x: readonly number[], path: string, parameters: Readonly<Record<string, Tensor>>): number[] {
  const bias = parameters[`${path}/bias`].data;
  return product(x, parameters[`${path}/kernel`]).map((number, unit) => number + bias[unit]);
}

/** `y_j = sum_i x_i W_ij`. */
function product(x: readonly number[], { shape: [width, units], data }: Tensor): number[] {
  assertEquals(x.length, width);
  const y: number[] = [];
  for (let j = 0; j < units; j++) {
    y[j] = 0;
    for (let i = 0; i < width; i++) y[j] += x[i] * data[i * units + j];
  }
  return y;
}

function normalised(logits: readonly number[]): number[] {
  const powers = logits.map((logit) => Math.exp(logit));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

// Models to compare with.

function specOf({ architecture, width, experts, expert, tower, tasks }: Sizes): Spec {
  const heads = [binary(mlp(tower)), regression(mlp(tower)), categorical(3, mlp(tower))];
  const preset = {
    input: width,
    expert: mlp(expert),
    tasks: Object.fromEntries(names(tasks).map((task, k): [string, Task] => [task, heads[k]])),
  };
  switch (architecture) {
    case "single-task":
      return define(singleTask(preset));
    case "shared-bottom":
      return define(sharedBottom(preset));
    case "omoe":
      return define(omoe({ ...preset, experts }));
    case "mmoe":
      return define(mmoe({ ...preset, experts }));
  }
}

function sizesFrom(architecture: Sizes["architecture"], source: Random): Sizes {
  const whole = (least: number, most: number) => least + Math.floor(source.uniform() * (most - least + 1));
  const units = (layers: number) => Array.from({ length: layers }, () => whole(1, 5));
  return {
    architecture,
    batch: whole(1, 6),
    width: whole(1, 7),
    experts: whole(1, 5),
    expert: units(whole(1, 2)),
    tower: units(whole(0, 2)),
    tasks: whole(1, 3),
  };
}

function names(tasks: number): string[] {
  return ["click", "time", "kind"].slice(0, tasks);
}

/** Random numbers for every parameter, the biases too. */
function filled(spec: Spec, source: Random): Record<string, Tensor> {
  return Object.fromEntries(
    parametersOf(spec).map(({ path, shape }) => {
      return [path, { shape, data: Float32Array.from(normals(shape.reduce((a, b) => a * b), source)) }];
    }),
  );
}

function normals(count: number, source: Random): number[] {
  return Array.from({ length: count }, () => Math.fround(source.normal()));
}

/** The number of elements of the kernels of all experts, gates, towers or heads. */
function kernels(spec: Spec, part: string): number {
  const found = parametersOf(spec).filter(({ path }) => path.split("/").includes(part) && path.endsWith("/kernel"));
  assert(found.length > 0, part);
  return found.reduce((sum, { shape }) => sum + shape[0] * shape[1], 0);
}

function near(found: number, wanted: number, message: string): void {
  assertAlmostEquals(found, wanted, 1e-6 * Math.max(1, Math.abs(wanted)), message);
}
