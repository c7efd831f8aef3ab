import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { initialise } from "../lib/graph.ts";
import {
  balance,
  binary,
  categorical,
  compile,
  define,
  evaluate,
  load,
  mlp,
  product,
  reference,
  rows,
  save,
  startAtBaseRates,
  train,
} from "../mod.ts";
import { withTemp } from "./temp.ts";

const x = Array.from({ length: 40 }, (_, row) => [row % 5, row % 3]);
const labels = {
  click: x.map((_, row) => row % 4 === 0 ? 1 : 0), // a rate of 1/4
  like: x.map((_, row) => row % 4 !== 0 ? null : row === 0 ? 1 : 0), // of the 10 clicks 1
  kind: x.map((_, row) => row % 3),
};
const data = rows(x, { labels });
const table = {
  input: 2,
  tasks: {
    click: binary(mlp([4])),
    like: binary(undefined, { only: "click" }),
    both: product(["click", "like"]),
    kind: categorical(3),
  },
};
const spec = define(table);
const logit = (rate: number) => Math.log(rate / (1 - rate));
const biasOf = (from: typeof spec, task: string) => initialise(from, 7)[`tasks/${task}/head/0/bias`].data[0];

Deno.test("startAtBaseRates() begins at the log odds of the rows that count, and changes nothing else", () => {
  const begun = startAtBaseRates(spec, data);
  assertAlmostEquals(biasOf(begun, "click"), logit(1 / 4), 1e-6);
  assertAlmostEquals(biasOf(begun, "like"), logit(1 / 10), 1e-6);
  const [before, after] = [initialise(spec, 7), initialise(begun, 7)];
  const changed = Object.keys(before).filter((path) => String(before[path].data) !== String(after[path].data));
  assertEquals(changed.sort(), ["tasks/click/head/0/bias", "tasks/like/head/0/bias"]);
  assertEquals([biasOf(begun, "kind"), begun.tasks.both], [0, spec.tasks.both]);
  const weights = { click: x.map((_, row) => row % 4 === 0 ? 3 : 1) };
  assertAlmostEquals(biasOf(startAtBaseRates(spec, rows(x, { labels, weights })), "click"), 0, 1e-6);
});

Deno.test("startAtBaseRates() takes given rates, and the odds of weighted rows", () => {
  const begun = startAtBaseRates(spec, { like: 0.02 });
  assertAlmostEquals(biasOf(begun, "like"), logit(0.02), 1e-6);
  assertEquals(biasOf(begun, "click"), 0);
  const of = (positive: number | "balanced") => define({ input: 2, tasks: { click: binary(undefined, { positive }) } });
  const start = (some: ReturnType<typeof of>) => {
    return initialise(
      startAtBaseRates(some, rows(x, { labels: { click: labels.click } })),
      7,
    )["tasks/click/head/0/bias"];
  };
  assertAlmostEquals(start(of(3)).data[0], 0, 1e-6);
  assertEquals(start(of("balanced")).data[0], 0);
  assertAlmostEquals(start(balance(of("balanced"), rows(x, { labels: { click: labels.click } }))).data[0], 0, 1e-6);
});

Deno.test("a model that starts at base rates loses less, and is saved as it is", async () => {
  const begun = startAtBaseRates(spec, data);
  const model = await compile(begun, { engine: reference(), seed: 7 });
  const plain = await compile(spec, { engine: reference(), seed: 7 });
  const [a, b] = [await evaluate(model, data), await evaluate(plain, data)];
  assertEquals(a.loss.click < b.loss.click, true);
  for await (const _ of train(model, data, { epochs: 2, batch: 8 }));
  await withTemp(async (dir) => {
    await save(model, `${dir}/model`);
    const again = await load(`${dir}/model`, { engine: reference() });
    assertEquals(again.spec, begun);
    const [{ like }, before] = [await again.predict(data), await model.predict(data)];
    like.forEach((p, row) => assertAlmostEquals(p, before.like[row], 1e-5));
    again.dispose();
  });
  model.dispose();
  plain.dispose();
});

Deno.test("startAtBaseRates() refuses rates and rows that have none, by task", () => {
  const same = rows(x, { labels: { ...labels, click: x.map(() => 0) } });
  assertThrows(() => startAtBaseRates(spec, same), RangeError, 'at task "click": found rows of weight 0 that are');
  assertThrows(() => startAtBaseRates(spec, { like: 1 }), RangeError, 'at task "like": found 1, wanted a rate');
  assertThrows(() => startAtBaseRates(spec, { lik: 0.5 } as never), TypeError, 'no such task: did you mean "like"?');
  assertThrows(() => startAtBaseRates(spec, { kind: 0.5 }), TypeError, 'at task "kind": it has no rate');
  assertThrows(() => startAtBaseRates(spec, { both: 0.5 }), TypeError, 'at task "both": it has no rate');
  assertThrows(() => startAtBaseRates(spec, [0.5] as never), TypeError, "wanted rows in memory, or rates");
});
