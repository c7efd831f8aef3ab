import { assert, assertEquals, assertRejects } from "@std/assert";
import { permutation, random } from "../lib/data/random.ts";
import { pickRows, sliceRows } from "../lib/data/rows.ts";
import { sorter } from "../lib/files/sorter.ts";
import {
  adam,
  binary,
  categorical,
  compile,
  count,
  type Dataset,
  define,
  dense,
  evaluate,
  huber,
  mmoe,
  ranking,
  reference,
  regression,
  type Rows,
  rows,
  train,
  wasm,
} from "../mod.ts";
import { loadBalance } from "../lib/author/bank_losses.ts";
import { bank, level, mix } from "../lib/author/table.ts";
import { softmax } from "../lib/author/gates.ts";
import { withTemp } from "./temp.ts";

Deno.test("sorter() yields records by their keys, as they came where these are alike, in memory and in files", async () => {
  await withTemp(async (folder) => {
    const source = random("sorter");
    for (
      const [count, most, keys] of [[0, 5, 1], [1, 1, 1], [5000, 7, 1], [9000, 1, 1], [30_000, 4000, 2], [
        9999,
        Infinity,
        2,
      ]]
    ) {
      const records = Array.from({ length: count }, (_, at) => [
        source.bits() % 50 - 25,
        source.bits() % 3 === 0 ? -0 : source.bits() / 2 ** 32,
        at,
      ]);
      const sort = sorter(3, keys, { most, folder }, "sort");
      for (let start = 0, end = 0; start < count; start = end) {
        end = Math.min(count, start + 1 + source.bits() % 5);
        await sort.add(Float64Array.from(records.slice(start, end).flat()));
      }
      assertEquals([...Deno.readDirSync(folder)].length, count > most ? 1 : 0);
      const found: number[] = [];
      for await (const some of sort.sorted()) found.push(...some);
      const wanted = records.toSorted((a, b) => a[0] - b[0] || (keys > 1 ? a[1] - b[1] : 0) || a[2] - b[2]);
      assertEquals(Float64Array.from(found), Float64Array.from(wanted.flat()), `${count} by ${most}`);
      await sort.dispose();
      assertEquals([...Deno.readDirSync(folder)], []);
    }
  });
});

const tasks = {
  click: binary(),
  price: regression(),
  near: regression(dense(1), { loss: huber(0.5) }),
  kind: categorical(3),
  visits: count(),
  order: ranking(dense(1), { within: "search" }),
  all: ranking(),
};
const spec = define({
  input: 3,
  tasks,
  levels: [
    level(
      { shared: bank(2, dense(4), { losses: { even: loadBalance(0.1) } }) },
      Object.fromEntries(Object.keys(tasks).map((name) => [name, mix("shared", softmax)])),
    ),
  ],
});

const source = random("evaluate");
const uniform = () => source.bits() / 2 ** 32;
const size = 3003;
const some = (of: () => number) => Array.from({ length: size }, () => uniform() < 0.2 ? NaN : of());
const data = rows(Array.from({ length: size }, () => [uniform(), Math.round(4 * uniform()) / 4, uniform() - 0.5]), {
  labels: {
    click: some(() => source.bits() % 2),
    price: some(() => 1e3 + uniform()),
    near: some(uniform),
    kind: some(() => source.bits() % 3),
    visits: some(() => source.bits() % 5),
    order: some(() => source.bits() % 4),
    all: some(() => source.bits() % 2),
    search: some(() => source.bits() % 700),
  },
  weights: {
    click: Array.from({ length: size }, () => 3e-3 * (source.bits() % 4)),
    price: some(uniform).map((x) => x || 0),
  },
});

/** The same rows as a dataset: windows of whole batches. */
const dataset = (all: Rows, batches: number): Dataset => ({
  identity: null,
  pass: async function* ({ batch, shuffle }) {
    assert(!shuffle);
    for (let window = 0, row = 0; row < all.count; window++, row += batch * batches) {
      yield {
        rows: sliceRows(all, row, Math.min(batch * batches, all.count - row)),
        place: { window, part: 0, row },
      };
    }
  },
});

const pieces = (all: Rows, most: number) =>
  async function* () {
    for (let row = 0; row < all.count; row += most) yield sliceRows(all, row, Math.min(most, all.count - row));
  };

Deno.test("evaluate() of a dataset has the bits of its rows in memory, whatever is sorted in files", async () => {
  await withTemp(async (folder) => {
    const model = await compile(spec, { engine: wasm(), seed: 3 });
    const wanted = await evaluate(model, data);
    assert(Object.values(wanted.loss).every((loss) => loss > 0));
    for (const [most, batches] of [[100, 1], [1500, 3], [undefined, 2]]) {
      assertEquals(await evaluate(model, dataset(data, batches!), { sorting: { most, folder } }), wanted);
    }
    assertEquals(await evaluate(model, pieces(data, 2048), { sorting: { most: 300, folder } }), wanted);
    assertEquals([...Deno.readDirSync(folder)], []);
    model.dispose();
  });
});

Deno.test("evaluate() of pieces of any size is the same but for rounding of losses", async () => {
  const model = await compile(spec, { engine: wasm(), seed: 3 });
  const [wanted, found] = [await evaluate(model, data), await evaluate(model, pieces(data, 77))];
  assertEquals(found.metrics.click.auc, wanted.metrics.click.auc);
  assertEquals(found.metrics.price, wanted.metrics.price);
  assertEquals([found.loss.order, found.loss.all], [wanted.loss.order, wanted.loss.all]);
  for (const task of Object.keys(tasks) as (keyof typeof tasks)[]) {
    assert(Math.abs(found.loss[task] / wanted.loss[task] - 1) < 1e-5, task);
  }
  model.dispose();
});

Deno.test("evaluate() removes its files if it fails, and names the way where none can be made", async () => {
  await withTemp(async (folder) => {
    const model = await compile(spec, { engine: wasm(), seed: 3 });
    const failing = async function* () {
      yield* pieces(data, 1024)();
      assertEquals([...Deno.readDirSync(folder)].length > 0, true);
      throw new Error("the disk is gone");
    };
    await assertRejects(() => evaluate(model, failing, { sorting: { most: 10, folder } }), Error, "the disk is gone");
    const bad = { ...data, inputs: { input: data.inputs.input.map(() => NaN) as Float32Array } };
    const late = async function* () {
      yield data;
      yield bad;
    };
    await assertRejects(() => evaluate(model, late, { sorting: { most: 10, folder } }), RangeError, "Cannot evaluate");
    assertEquals([...Deno.readDirSync(folder)], []);
    await assertRejects(
      () => evaluate(model, pieces(data, 1024), { sorting: { most: 10, folder: `${folder}/missing` } }),
      Error,
      "Cannot evaluate: more than 10 rows are sorted in files, and none can be made in " + folder,
    );
    await assertRejects(
      () => evaluate(model, data, { sorting: { most: 0 } }),
      RangeError,
      "Cannot evaluate: sorting.most must be a whole number of at least 1, found 0",
    );
    // deno-lint-ignore no-explicit-any
    const wrong: any = () => 3;
    await assertRejects(() => evaluate(model, wrong), TypeError, "the data function must return an async iterable");
    model.dispose();
  });
});

Deno.test("train() validates and stops by a dataset as by its rows in memory", async () => {
  const small = define(mmoe({ input: 3, experts: 2, expert: dense(3), tasks: { click: binary() } }));
  const label = (all: Rows) => ({ ...all, labels: { click: all.labels!.click }, weights: undefined });
  const training = label(sliceRows(data, 0, 2000));
  const held = label(pickRows(data, permutation(size, random(1)).subarray(0, 1500)));
  const runs = [held, dataset(held, 1), pieces(held, 1024)].map(async (validation) => {
    const model = await compile(small, { engine: wasm(), seed: 3 });
    const stopping = { task: "click", metric: "auc", patience: 2 } as const;
    const options = { epochs: 6, batch: 500, optimiser: adam(0.1), validation, stopping, sorting: { most: 5000 } };
    const records = await Array.fromAsync(train(model, training, options));
    const parameters = await model.parameters();
    model.dispose();
    return [records.map(({ rate: _, seconds: _seconds, ...rest }) => rest), parameters];
  });
  const [wanted, ...others] = await Promise.all(runs);
  for (const found of others) assertEquals(found, wanted);
});

Deno.test("train() says after the first epoch that a dataset's labels make no number to stop by", async () => {
  const model = await compile(define({ input: 1, tasks: { click: binary() } }), { engine: reference() });
  const alike = rows([[1], [2]], { labels: { click: [1, 1] } });
  const options = { epochs: 3, validation: dataset(alike, 1), stopping: { task: "click", metric: "auc" } } as const;
  let steps = 0;
  const { message } = await assertRejects(async () => {
    for await (const _ of train(model, alike, options)) steps++;
  }, RangeError);
  assertEquals(steps, 0);
  assert(message.startsWith('Cannot stop early: the auc of task "click" is NaN: no validation row counts'), message);
  model.dispose();
});
