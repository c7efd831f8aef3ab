import {
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  binary,
  check,
  compile,
  cpu,
  define,
  dense,
  describe,
  type Engine,
  evaluate,
  huber,
  load,
  mmoe,
  quantile,
  reference,
  regression,
  rows,
  save,
  type Spec,
  standardise,
  train,
  wasm,
} from "../mod.ts";
import { forward, plan } from "../lib/graph.ts";
import { random } from "../lib/data/random.ts";
import { onnx } from "../lib/onnx.ts";
import { withTemp } from "./temp.ts";

const source = random("labels in units");
const x = Array.from({ length: 300 }, () => [source.normal(), source.normal()]);
const watched = x.map(([a, b], row) => row % 7 === 0 ? NaN : 40_000 + 9000 * a - 3000 * b + 500 * source.normal());
const click = x.map(([a]) => a > 0 ? 1 : 0);
const weights = x.map((_, row) => row % 5 === 0 ? 0 : 1 + row % 3);
const data = rows(x, { labels: { watched, click }, weights: { watched: weights } });

type Options = Parameters<typeof regression>[1];
const specOf = (options: Options) =>
  define(mmoe({
    input: 2,
    experts: 2,
    expert: dense(3),
    tasks: { watched: regression(dense(2), options), click: binary() },
  }));
const spec = standardise(specOf({ standardise: true }), data);
const scale = spec.tasks.watched.head.standardise as { mean: number; scale: number };
const byHand = (task: number[]) => task.map((label) => (label - scale.mean) / scale.scale);
const scaled = rows(x, { labels: { watched: byHand(watched), click }, weights: { watched: weights } });

async function trained(spec: Spec<"watched" | "click">, engine: Engine | Promise<Engine>, some = data) {
  const model = await compile(spec, { engine, seed: 3 });
  for await (const _ of train(model, some, { epochs: 2, batch: 50 })); // to its end
  return model;
}

Deno.test("standardise() takes the weighted mean and deviation of the labels that count", () => {
  let [total, sum, squares] = [0, 0, 0];
  watched.forEach((label, row) => {
    if (Number.isNaN(label)) return;
    total += weights[row];
    sum += weights[row] * label;
  });
  watched.forEach((label, row) => {
    if (!Number.isNaN(label)) squares += weights[row] * (label - sum / total) ** 2;
  });
  assertAlmostEquals(scale.mean, sum / total, 1e-6);
  assertAlmostEquals(scale.scale, Math.sqrt(squares / total), 1e-6);
  const equal = rows([[1, 1], [2, 2]], { labels: { watched: [7, 7] } });
  assertEquals(standardise(specOf({ standardise: true }), equal).tasks.watched.head.standardise, { mean: 7, scale: 1 });
});

for (const [name, engine] of Object.entries({ reference, cpu, wasm, onnx })) {
  Deno.test(`labels scaled by the model or by hand give the same parameters, bit for bit: ${name}`, async () => {
    for (const options of [{}, { loss: huber(0.5) }, { loss: quantile(0.8) }]) {
      const whole = standardise(specOf({ ...options, standardise: true }), data);
      const [own, hand] = [await trained(whole, engine()), await trained(specOf(options), engine(), scaled)];
      assertEquals(await own.parameters(), await hand.parameters());
      const [found, plain] = [await own.predict(data), await hand.predict(data)];
      found.watched.forEach((p, row) => {
        assertAlmostEquals(p, plain.watched[row] * scale.scale + scale.mean, 0.02); // of 40,000
      });
      assertEquals(found.click, plain.click);
      const [inUnits, inScale] = [await evaluate(own, data), await evaluate(hand, scaled)];
      assertAlmostEquals(inUnits.loss.watched, inScale.loss.watched, 1e-6);
      const [a, b] = [inUnits.metrics.watched, inScale.metrics.watched];
      const near = (found: number, wanted: number) => assertAlmostEquals(found / wanted, 1, 1e-4);
      near(a.mse, b.mse * scale.scale ** 2);
      near(a.mae, b.mae * scale.scale);
      near(a.r2, b.r2);
      if ("huber" in a) near(a.huber, b.huber * scale.scale ** 2);
      if ("pinball" in a) near(a.pinball, b.pinball * scale.scale);
      [own, hand].forEach((model) => model.dispose());
    }
  });
}

Deno.test("saved models and forward graphs predict in the label's units", async () => {
  const model = await trained(spec, cpu());
  const { watched } = await model.predict(data);
  await withTemp(async (dir) => {
    await save(model, `${dir}/model`);
    const loaded = await load(`${dir}/model`, { engine: cpu() });
    assertEquals((await loaded.predict(data)).watched, watched);
    loaded.dispose();
  });
  const engine = reference();
  const store = engine.store(await model.parameters());
  const input = { shape: [300, 2], data: data.inputs.input };
  const outputs = await engine.load(forward(plan(spec)), store).run({ input });
  outputs.watched.data.forEach((p, row) => assertAlmostEquals(p, watched[row], 1e-2));
  model.dispose();
});

Deno.test("a spec holds the mean and the scale of labels, and specs without them stay as they are", () => {
  assertEquals(check(JSON.parse(JSON.stringify(spec))), spec);
  assertEquals("standardise" in specOf({}).tasks.watched.head, false);
  assertEquals(standardise(specOf({}), data), specOf({}));
  const given = specOf({ standardise: { mean: 4, scale: 2 } });
  assertEquals(standardise(given, data), given);
  assertNotEquals(given, specOf({}));
  assertStringIncludes(describe(spec), "regression of standardised labels");
});

Deno.test("standardise() and compile() say what is wrong with labels and their scale", async () => {
  const unfitted = specOf({ standardise: true });
  await assertRejects(
    () => compile(unfitted, { engine: reference() }),
    TypeError,
    'at task "watched": standardise is true, and not fitted yet: wanted what standardise(spec, training rows) returns',
  );
  assertThrows(() => standardise(unfitted, (() => data) as never), TypeError, "Cannot standardise: found a function");
  const none = rows([[1, 2]], { labels: { watched: [null] } });
  assertThrows(() => standardise(unfitted, none), RangeError, 'at task "watched": no row counts for it');
  const close = rows([[1, 2], [3, 4]], { labels: { watched: [1e9, 1e9 + 1] } });
  assertThrows(() => standardise(unfitted, close), RangeError, "subtract an offset first");
  assertThrows(
    () => specOf({ standardise: { mean: 0, scale: 0 } }),
    Error,
    "at tasks.watched.standardise.scale: wanted",
  );
  const task = { ...binary(), standardise: true } as const;
  assertThrows(() => define({ input: 1, tasks: { a: task } }), Error, "labels of a binary head have no scale");
});
