import { assert, assertEquals } from "@std/assert";
import {
  adam,
  bank,
  binary,
  compile,
  define,
  dense,
  dropout,
  layerNorm,
  level,
  mix,
  mlp,
  mmoe,
  pipe,
  reference,
  relu,
  residual,
  type Rows,
  softmax,
  type Spec,
  tanh,
  train,
} from "../mod.ts";
import { add, mul } from "../lib/ops.ts";
import { initialise, parametersOf } from "../lib/graph.ts";
import { fuse } from "../lib/graph/fuse.ts";
import { trace } from "../lib/trace/trace.ts";
import { plan, prediction, trainingStep } from "../lib/graph.ts";
import { architectures, base, expert, sample, tasks, tower } from "./models.ts";

const specs: Readonly<Record<string, Spec>> = {
  ...architectures,
  deep: define(mmoe({ ...base, experts: 4, expert: mlp([6, 5, 4]) })),
  normed: define(mmoe({ ...base, experts: 3, expert: pipe(dense(6), layerNorm(), relu, dense(4)) })),
  dropped: define(mmoe({ ...base, experts: 3, expert: pipe(dense(6), relu, dropout(0.3), dense(4)) })),
  residual: define(mmoe({ ...base, experts: 3, expert: pipe(dense(5), residual(pipe(relu, dense(5)))) })),
  cross: define(mmoe({ ...base, experts: 3, expert: (x) => add(mul(x, dense(1)(x)), x) })),
  tied: define(mmoe({ ...base, experts: 3, expert: tiedNet() })),
  "three tasks": define(mmoe({ ...base, experts: 2, tasks: { ...tasks, age: binary(tower) } })),
  uneven: define({
    input: 5,
    levels: [level({ a: bank(3, expert), b: bank(3, pipe(dense(6), tanh, dense(4))), c: bank(1, dense(4)) }, {
      income: mix(["a", "b", "c"], softmax),
      marital: mix(["b", "a"], softmax),
    })],
    tasks,
  }),
  "wide gates": define({
    input: 40,
    levels: [level({ a: bank(5, dense(6)) }, { income: mix("a", softmax), marital: mix("a", softmax) })],
    tasks,
  }),
};

Deno.test("compile() fused predicts and trains as looped, parameter by parameter", async () => {
  for (const [name, spec] of Object.entries(specs)) {
    const data = labelled(spec, "width" in spec.input ? spec.input.width : 0);
    const [fused, looped] = [await learnt(spec, data, true), await learnt(spec, data, false)];
    assertEquals(Object.keys(fused.parameters), Object.keys(looped.parameters), name);
    for (const [path, { data, shape }] of Object.entries(fused.parameters)) {
      assertEquals(shape, looped.parameters[path].shape, path);
      data.forEach((number, at) => near(number, looped.parameters[path].data[at], `${name} ${path} ${at}`));
    }
    fused.losses.forEach((loss, step) => near(loss, looped.losses[step], `${name} at step ${step}`));
    for (const [task, numbers] of Object.entries(fused.found)) {
      numbers.forEach((number, at) => near(number, looped.found[task][at], `${name} ${task} ${at}`));
    }
  }
});

Deno.test("compile() fused begins with the initial values of each parameter", async () => {
  for (const [name, spec] of Object.entries(specs)) {
    const model = await compile(spec, { engine: reference(), seed: 3 });
    const found = await model.parameters();
    const wanted = initialise(spec, 3);
    for (const { path } of parametersOf(spec)) {
      assertEquals([...found[path].data], [...wanted[path].data], `${name} ${path}`);
    }
    model.dispose();
  }
});

Deno.test("fuse() makes one product each of the layers of a bank, the gates of one stream, their mixtures and the towers of one shape", () => {
  const spec = define(mmoe({ ...base, input: 40, experts: 8, expert: mlp([6, 4]) }));
  const { stacks } = fuse(trace(spec, true).logits);
  assertEquals(
    stacks.map(({ paths, arranged }) => [paths.length, paths[0], arranged]).sort(),
    [
      [2, "levels/0/gates/income/0/kernel", "side"],
      [8, "levels/0/experts/shared/0/0/bias", "depth"],
      [8, "levels/0/experts/shared/0/0/kernel", "side"],
      [8, "levels/0/experts/shared/0/1/bias", "depth"],
      [8, "levels/0/experts/shared/0/1/kernel", "depth"],
      [2, "tasks/income/tower/0/kernel", "depth"],
      [2, "tasks/income/tower/0/bias", "depth"],
      [2, "tasks/income/head/0/kernel", "depth"],
      [2, "tasks/income/head/0/bias", "depth"],
    ].sort(),
  );
  const products = (fused: boolean) =>
    prediction(plan(spec, { fuse: fused })).nodes.filter(({ op }) => op === "matmul").length;
  assertEquals([products(true), products(false)], [3 + 1 + 2, 18 + 4]); // one for both mixtures, then towers and heads
});

Deno.test("fuse() makes a training step whose size does not grow with the number of experts", () => {
  const size = (experts: number) => {
    const spec = define(mmoe({ ...base, input: 40, experts, expert: mlp([6, 4]) }));
    return trainingStep(plan(spec), adam()).nodes.length;
  };
  assertEquals(size(16), size(4));
});

Deno.test("fuse() takes expressions of any depth", () => {
  const deep = pipe(dense(2), ...Array.from({ length: 20_000 }, () => tanh), dense(3));
  const spec = define({
    input: 2,
    levels: [level({ shared: bank(2, deep) }, { click: mix("shared", softmax) })],
    tasks: { click: binary(deep) },
  });
  const { stacks } = fuse(trace(spec, true).logits);
  assertEquals(stacks.map(({ paths }) => paths.length), [2, 2, 2, 2]);
});

async function learnt(spec: Spec, data: Rows, fuse: boolean) {
  const model = await compile(spec, { engine: reference(), seed: 5, fuse });
  const losses: number[] = [];
  const optimiser = adam(0.01, { weightDecay: 0.1, clipNorm: 0.5 });
  for await (const { total } of train(model, data, { steps: 8, batch: 16, optimiser })) losses.push(total);
  const found = await model.predict(data);
  const parameters = await model.parameters();
  model.dispose();
  return { losses, found, parameters };
}

function labelled(spec: Spec, width: number): Rows {
  const data = sample(40, width);
  const labels = Object.keys(spec.tasks).map((task, at) => [task, Object.values(data.labels!)[at % 2]] as const);
  return { ...data, labels: Object.fromEntries(labels) };
}

function near(found: number, wanted: number, where: string): void {
  assert(Math.abs(found - wanted) <= 1e-6 * Math.max(1, Math.abs(wanted)), `${where}: ${found}, wanted ${wanted}`);
}

function tiedNet() {
  const layer = dense(5);
  return pipe(layer, relu, layer, relu, dense(4));
}
