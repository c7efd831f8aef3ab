import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import {
  binary,
  compile,
  define,
  dense,
  describe,
  type Engine,
  ensemble,
  evaluate,
  featuresOf,
  fit,
  gateReport,
  grow,
  load,
  mmoe,
  type Model,
  product,
  reference,
  regression,
  type Rows,
  save,
  saveGraphModel,
  type Spec,
  train,
} from "../mod.ts";
import { cpu, wasm } from "../lib/engines/tfjs/tfjs.ts";
import { graphOf } from "../lib/graph.ts";
import { insidesOf } from "../lib/model/insides.ts";
import { inputTensors } from "../lib/model/feed.ts";
import { onnx, saveOnnx } from "../lib/onnx.ts";
import { architectures, base, everyHead, expert, sample, sampleFor, tower } from "./models.ts";
import { columnKinds, columnsOf, dataOf, features, type Kinds, modelOf, optionsOf } from "./runs.ts";
import { graphModelOutputs, onnxOutputs } from "./served.ts";
import { withTemp } from "./temp.ts";

/** Returns the logits of a model by task, computed from the values that files of a graph hold. */
async function logitsOf<Tasks extends string>(model: Model<Tasks>, rows: Rows): Promise<Record<string, number[]>> {
  const { plan } = insidesOf(model, "test");
  const engine = reference();
  const store = engine.store(await model.parameters());
  const graph = graphOf(plan.exported.logits);
  const read = new Set(graph.nodes.flatMap(({ op, attrs }) => op === "input" ? [attrs.name] : []));
  const inputs = Object.entries(inputTensors(rows, model.spec.input)).filter(([name]) => read.has(name));
  const outputs = await engine.load(graph, store).run(Object.fromEntries(inputs));
  store.dispose();
  return Object.fromEntries(Object.entries(outputs).map(([task, { data }]) => [task, [...data]]));
}

/** Returns models of a spec that differ in their seed, after a few steps. */
async function models<Tasks extends string>(spec: Spec<Tasks>, count: number, engine: Engine, data: Rows) {
  const all: Model<Tasks>[] = [];
  for (let seed = 1; seed <= count; seed++) {
    const model = await compile(spec, { engine, seed });
    await Array.fromAsync(train(model, data, { steps: 2, batch: 10 }));
    all.push(model);
  }
  return all;
}

function assertNear(found: readonly number[], wanted: readonly number[], name: string): void {
  assertEquals(found.length, wanted.length, name);
  found.forEach((number, at) => assertAlmostEquals(number, wanted[at], 1e-5 * (1 + Math.abs(wanted[at])), name));
}

for (const [name, spec] of Object.entries({ ...architectures, "every head": everyHead })) {
  Deno.test(`ensemble() has the mean of the logits of its models, and the weighted sum: ${name}`, async () => {
    const data = name === "every head" ? sampleFor(spec, 40) : sample(40);
    const all = await models<string>(spec, 3, reference(), data);
    const logits = await Promise.all(all.map((model) => logitsOf(model, data)));
    const tasks = Object.keys(spec.tasks).filter((task) => (spec as Spec).tasks[task].of === undefined);
    const mean = await logitsOf(await ensemble(all), data);
    for (const task of tasks) {
      const wanted = logits[0][task].map((_, at) => logits.reduce((sum, one) => sum + one[task][at] / 3, 0));
      assertNear(mean[task], wanted, task);
    }
    const weights = Object.fromEntries(tasks.map((task, at) => [task, [[0, 1, 0], [0.5, 0, -2]][at % 2]]));
    const some = await ensemble(all, { weights });
    const found = await logitsOf(some, data);
    for (const task of tasks) {
      const wanted = logits[0][task].map((_, at) => {
        return weights[task].reduce((sum, weight, part) => sum + weight * logits[part][task][at], 0);
      });
      assertNear(found[task], wanted, task);
    }
    const predictions = await some.predict(data);
    assertNear([...predictions[tasks[0]]], [...(await all[1].predict(data))[tasks[0]]], "a task of one model");
  });
}

for (const [name, engine] of Object.entries({ cpu, wasm, onnx: () => onnx({ threads: 1 }) })) {
  Deno.test(`an ensemble predicts, evaluates and is saved like any model, on ${name}`, async () => {
    const data = sample(60);
    const [on, exact] = [await engine(), reference()];
    const all = await models(architectures.mmoe, 3, on, data);
    const model = await ensemble(all);
    const same = await compile(model.spec, { engine: exact, parameters: await model.parameters() });
    const [found, wanted] = [await model.predict(data), await same.predict(data)];
    for (const task of ["income", "marital"] as const) assertNear([...found[task]], [...wanted[task]], task);
    const [a, b] = [await evaluate(model, data), await evaluate(same, data)];
    assertAlmostEquals(a.metrics.income.auc, b.metrics.income.auc, 1e-6);
    await withTemp(async (dir) => {
      await save(model, `${dir}/both`);
      const loaded = await load(`${dir}/both`, { engine: on });
      assertEquals(await loaded.parameters(), await model.parameters());
      assertEquals(await loaded.predict(data), found);
      loaded.dispose();
    });
    [...all, model, same].forEach((one) => one.dispose());
  });
}

Deno.test("an ensemble of other architectures shows the gates of each, and learns on", async () => {
  const data = sample(50);
  const engine = reference();
  const one = await compile(architectures.mmoe, { engine, seed: 1 });
  const two = await compile(architectures["two levels"], { engine, seed: 2 });
  const three = await compile(architectures.linear, { engine, seed: 3 });
  const all = await ensemble([one, two, three]);
  const { gates } = await gateReport(all, data);
  const own = (await gateReport(two, data)).gates.map(({ mean }) => mean);
  assertEquals(gates.map(({ gate }) => gate).sort(), [
    "0/income@1",
    "0/income@2",
    "0/marital@1",
    "0/shared@2",
    "1/income@2",
    "1/marital@2",
  ]);
  assertEquals(gates.filter(({ gate }) => gate.endsWith("@2")).map(({ mean }) => mean), own);
  assert(describe(all.spec).includes("shared@2"));
  const before = await evaluate(all, data);
  await Array.fromAsync(train(all, data, { epochs: 20, batch: 10 }));
  assert((await evaluate(all, data)).loss.income < before.loss.income);
});

const kinds: Kinds = {
  engine: "reference",
  table: "embedded",
  data: "rows",
  optimiser: "adam",
  vectors: "rowwiseAdagrad",
  weighting: "none",
  validation: "rows",
  shuffle: true,
  steps: "plain",
};

Deno.test("an ensemble of models with vectors has a table for each, which grows", async () => {
  const data = await dataOf(kinds) as Rows;
  const all: Model<"click" | "spend">[] = [];
  for (const seed of [1, 2]) {
    const model = await modelOf(kinds, { seed });
    await Array.fromAsync(train(model, data, { ...optionsOf(kinds), epochs: 1 }));
    all.push(model);
  }
  const both = await ensemble(all);
  const [a, b] = await Promise.all(all.map((model) => logitsOf(model, data)));
  const found = await logitsOf(both, data);
  assertNear(found.spend, a.spend.map((number, at) => (number + b.spend[at]) / 2), "spend");
  const tables = Object.keys(await both.parameters()).filter((path) => path.endsWith("/user"));
  assertEquals(tables, ["levels/0/experts/ids@1/0/0/user", "levels/0/experts/ids@2/0/0/user"]);
  await withTemp(async (dir) => {
    const { click } = await both.predict(data);
    const served = [`${dir}/served`, `${dir}/served.onnx`];
    await saveGraphModel(both, served[0], { tasks: ["click"] });
    await saveOnnx(both, served[1], { tasks: ["click"] });
    const inputs = data.inputs as Record<string, Float32Array>;
    const outputs = [
      await graphModelOutputs(served[0], inputs, data.count),
      await onnxOutputs(served[1], inputs, data.count),
    ];
    for (const found of outputs) assertNear(Array.from(found), [...click], "exports");
  });
  const more = {
    ...columnsOf("train"),
    user: columnsOf("train").user.map((user, row) => row < 3 ? `new ${row}` : user),
  };
  const grown = await grow(both, fit(columnKinds, more, { after: featuresOf(both.spec) }));
  assertEquals((await grown.parameters())[tables[1]].shape[0], (await both.parameters())[tables[1]].shape[0] + 3);
  assertEquals(features, featuresOf(both.spec));
});

Deno.test("ensemble() refuses what is no ensemble", async () => {
  const engine = reference();
  const model = await compile(architectures.mmoe, { engine });
  const other = async (spec: Spec) => await compile(spec, { engine }) as Model;
  const refused = async (models: readonly Model[], message: string, options = {}) =>
    await assertRejects(() => ensemble(models, options), Error, message);
  const one = model as Model;
  await refused([], "Cannot make ensemble: there are no models, wanted at least one");
  await refused([one, await other(define(mmoe({ ...base, input: 6, expert })))], "at model 2: it reads another input");
  const tasks = { income: binary(tower), marital: regression(tower) };
  await refused([one, await other(define(mmoe({ ...base, tasks })))], 'at model 2: task "marital" has another head');
  const fewer = define(mmoe({ ...base, tasks: { income: binary(tower) } }));
  await refused([one, await other(fewer)], 'task "marital" is in one of it and the first alone');
  await refused([one, one], 'weights: the models have no task "incom": did you mean "income"?', {
    weights: { incom: [1, 0] },
  });
  await refused([one, one], 'weights of "income": found 1, wanted 2, one a model', { weights: { income: [1] } });
  await refused([one, one], 'weights of "income" must be finite numbers', { weights: { income: [1, NaN] } });
  await refused([one, one], 'all weights of "income" are 0', { weights: { income: [0, 0] } });
  const spec = define({ input: 5, tasks: { a: binary(dense(2)), b: binary(dense(2)), both: product(["a", "b"]) } });
  assertEquals((await ensemble([await other(spec), await other(spec)])).spec.tasks.both.of, ["a", "b"]);
  const disposed = await other(spec);
  disposed.dispose();
  await refused([disposed], "the model is disposed");
});
