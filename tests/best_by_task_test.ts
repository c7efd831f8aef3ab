import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  adam,
  bestByTask,
  binary,
  compile,
  define,
  dense,
  evaluate,
  type Evaluation,
  issuesOf,
  load,
  type Model,
  product,
  reference,
  type Rows,
  rows,
  save,
  SpecError,
  train,
  type TrainOptions,
} from "../mod.ts";
import { watcher } from "../lib/train/stopping.ts";
import { bitsOf, dataOf, type Kinds, modelOf, optionsOf } from "./runs.ts";
import { withTemp } from "./temp.ts";

type Tasks = "click" | "spend";

const kinds: Kinds = {
  engine: "reference",
  table: "embedded",
  data: "rows",
  optimiser: "adam",
  vectors: "rowwiseAdagrad",
  weighting: "none",
  validation: "each",
  shuffle: true,
  steps: "plain",
};
const long: TrainOptions<Tasks> = {
  epochs: 12,
  optimiser: adam(0.1),
  evaluate: { every: { steps: 3 } },
  stopping: { task: { click: 1, spend: 1 }, patience: 6, best: "each" },
};

/** Returns a model after a training, and its evaluations. */
async function trained(given: Kinds, more: TrainOptions<Tasks>): Promise<[Model<Tasks>, Evaluation<Tasks>[]]> {
  const model = await modelOf(given);
  const seen: Evaluation<Tasks>[] = [];
  for await (const at of train(model, await dataOf(given), { ...optionsOf(given), ...more })) {
    if (at.validation !== undefined) seen.push(at.validation);
  }
  return [model, seen];
}

const least = (seen: readonly Evaluation<Tasks>[], of: (evaluation: Evaluation<Tasks>) => number) =>
  Math.min(...seen.map(of));

for (const engine of ["reference", "wasm", "onnx"]) {
  for (const [table, steps] of [["noisy", "plain"], ["embedded", "plain"], ["embedded", "averaged"]]) {
    Deno.test(`bestByTask() has the best evaluation of each task: ${table}, ${steps}, on ${engine}`, async () => {
      const given = { ...kinds, engine, table, steps };
      const validation = optionsOf(given).validation as Rows;
      const [model, seen] = await trained(given, long);
      const [click, spend] = [least(seen, ({ loss }) => loss.click), least(seen, ({ loss }) => loss.spend)];
      const best = await bestByTask(model);
      const { loss } = await evaluate(best, validation);
      assertAlmostEquals(loss.click, click, 1e-5 * (1 + click));
      assertAlmostEquals(loss.spend, spend, 1e-5 * (1 + spend));
      const sum = await evaluate(model, validation);
      assertEquals(sum.loss.click + sum.loss.spend, least(seen, ({ loss }) => loss.click + loss.spend));
      await withTemp(async (dir) => {
        await save(best, `${dir}/best`);
        const loaded = await load(`${dir}/best`, { engine: best.engine });
        assertEquals(await loaded.parameters(), await best.parameters());
      });
      const again = await bestByTask(model);
      assertEquals(await again.parameters(), await best.parameters());
    });
  }
}

Deno.test("tasks that are at their best together share the parameters, and one that is not watched has those of the sum", async () => {
  const stopping = { task: "spend", best: "each", patience: 3 } as const;
  const [model] = await trained(kinds, { ...long, stopping });
  const best = await bestByTask(model);
  assertEquals(best.spec, model.spec);
  assertEquals(await best.parameters(), await model.parameters());
});

Deno.test("a training for each task stops once neither the sum nor a task has improved for a while", () => {
  const loss = (click: number, spend: number) => ({ loss: { click, spend }, metrics: {}, auxiliary: {} }) as never;
  const spec = define({ input: 1, tasks: { click: binary(), spend: binary() } });
  const some = rows([[1], [2]], { labels: { click: [0, 1], spend: [0, 1] } });
  const stopping = { task: { click: 1, spend: 1 }, patience: 2, best: "each" } as const;
  const watch = watcher(stopping, spec, some);
  const judged = [[5, 5], [6, 3], [4, 9], [7, 7], [7, 2]].map(([a, b]) => [watch.see(loss(a, b)), watch.stops()]);
  assertEquals(judged, [
    [["", "click", "spend"], false],
    [["", "spend"], false],
    [["click"], false],
    [[], false],
    [["spend"], false], // the sum is 9, as at its best
  ]);
  const other = watcher(stopping, spec, some);
  other.begin(JSON.parse(JSON.stringify(watch.saved())));
  assertEquals(other.saved(), watch.saved());
  assertEquals([...other.bests()], [["", 2], ["click", 3], ["spend", 5]]);
  for (const one of [watch, other]) {
    assertEquals([one.see(loss(9, 9)), one.see(loss(9, 9)), one.stops()], [[], [], true]);
  }
});

Deno.test("the best of each task is in checkpoints: a training that goes on ends with the same", async () => {
  for (const [table, steps] of [["embedded", "plain"], ["embedded", "averaged"], ["noisy", "plain"]]) {
    const given = { ...kinds, table, steps };
    const options = { ...long, epochs: 4 };
    const [whole] = await trained(given, options);
    const wanted = await (await bestByTask(whole)).parameters();
    await withTemp(async (dir) => {
      const keeping = { checkpoint: { folder: `${dir}/run`, every: { steps: 1 } }, resume: `${dir}/run` };
      for (const steps of [5, 14, 20]) {
        const model = await modelOf(given);
        for await (const at of train(model, await dataOf(given), { ...optionsOf(given), ...options, ...keeping })) {
          if (at.step === steps) break;
        }
      }
      const [model] = await trained(given, { ...options, ...keeping });
      assertEquals(await bitsOf(model), await bitsOf(whole));
      assertEquals(await (await bestByTask(model)).parameters(), wanted);
      const [over] = await trained(given, { ...options, ...keeping }); // there is nothing left to do
      assertEquals(await (await bestByTask(over)).parameters(), wanted);
    });
  }
});

Deno.test("bestByTask() refuses a model that holds no best parameters", async () => {
  const message = "Cannot take the best by task: the model holds none: wanted a training that has come to its end";
  await assertRejects(async () => await bestByTask(await modelOf(kinds)), TypeError, message);
  const [plain] = await trained(kinds, { ...long, stopping: { task: "spend" } });
  await assertRejects(() => bestByTask(plain), TypeError, message);
  const [model] = await trained(kinds, { ...long, epochs: 2 });
  await bestByTask(model);
  for await (const _ of train(model, await dataOf(kinds), { ...optionsOf(kinds), ...long })) break;
  await assertRejects(() => bestByTask(model), TypeError, message);
  model.dispose();
  await assertRejects(() => bestByTask(model), TypeError, "the model is disposed");
});

Deno.test("the best of each task is for tasks that are made of streams, and of products of them", async () => {
  const all = { a: binary(dense(2)), b: binary(dense(2)), both: product(["a", "b"]) };
  const spec = define({ input: 1, tasks: all });
  const data = rows([[-1], [1], [2]], { labels: { a: [0, 1, 1], b: [1, 0, 1], both: [0, 0, 1] } });
  const options = { epochs: 5, validation: data, stopping: { task: { a: 1, b: 1 }, best: "each" } } as const;
  const model = await compile(spec, { engine: reference() });
  await Array.fromAsync(train(model, data, options));
  const best = await bestByTask(model);
  const { a, b, both } = await best.predict(data);
  both.forEach((number, row) => assertAlmostEquals(number, a[row] * b[row], 1e-6));
  assert(best.spec.tasks.both.of !== undefined);
  const { tower } = define({ input: 2, tasks: { a: binary(dense(2)) } }).tasks.a;
  const kernel = { ...spec.tasks.both, of: ["a", "b"], tower, head: { ...spec.tasks.a.head } };
  const found = issuesOf({ ...spec, tasks: { ...spec.tasks, both: kernel } });
  assertEquals(found.issues, []);
  const wrong = await compile(found.spec!, { engine: reference() });
  const first = () => train(wrong, data, { ...options, stopping: { task: "a", best: "each" } }).next();
  await assertRejects(first, SpecError, "tasks.both.of: it reads logits of others with parameters of its own");
  const none = () => watcher({ task: "a", best: "all" } as never, spec, data);
  assertThrows(none, TypeError, 'Cannot stop early: best must be "sum" or "each", found "all"');
});
