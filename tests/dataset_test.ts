import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import {
  compile,
  csvParts,
  type Data,
  type Dataset,
  dataset,
  define,
  encode,
  labels,
  mmoe,
  ranking,
  reference,
  regression,
  type Rows,
  rows,
  sgd,
  type TableParts,
  take,
  train,
} from "../mod.ts";
import type { NumberColumn } from "../lib/data/columns.ts";
import type { Position } from "../lib/data/dataset.ts";
import { sliceRows } from "../lib/data/rows.ts";
import { feedsOf } from "../lib/train/feeds.ts";
import { stepsOf } from "../lib/train/steps.ts";
import { stopwatch } from "../lib/train/stopwatch.ts";
import { base } from "./models.ts";

const spec = define({ input: 1, tasks: { place: ranking(undefined, { within: "search" }) } });
const noisy = define(mmoe({ ...base, input: 1, tasks: { place: ranking(undefined, { within: "search" }) } }));

/** Rows that hold their own numbers. */
function numbered(first: number, count: number): Rows {
  const numbers = Array.from({ length: count }, (_, row) => first + row);
  return rows(numbers.map((number) => [number]), {
    labels: { place: numbers, search: numbers.map((number) => Math.floor(number / 3)) },
  });
}

/** A dataset of windows in memory. */
function inWindows(windows: readonly Rows[]): Dataset {
  return {
    identity: windows.length,
    async *pass({ from }) {
      for (const [window, rows] of windows.entries()) {
        if (window < (from?.window ?? 0)) continue;
        await Promise.resolve();
        yield { rows, place: { window, part: window, row: 0 } };
      }
    },
  };
}

/** All forms of the same data. */
const forms: Readonly<Record<string, Data>> = {
  "rows in memory": numbered(0, 37),
  "a function": async function* () {
    for (const at of [0, 20, 30]) {
      yield await Promise.resolve(sliceRows(numbered(0, 37), at, at === 0 ? 20 : at === 20 ? 10 : 7));
    }
  },
  "a dataset": inWindows([numbered(0, 16), numbered(16, 16), numbered(32, 5)]),
};

/** The rows of an epoch, batch by batch, with the position after each. */
async function epochOf(
  data: Data,
  { start, shuffle, epoch = 1, enough = () => false }: {
    readonly start?: Position;
    readonly shuffle: boolean;
    readonly epoch?: number;
    readonly enough?: () => boolean;
  },
): Promise<readonly { readonly rows: readonly number[]; readonly after: Position }[]> {
  const model = await compile(spec, { engine: reference(), seed: 7 });
  const { graph } = stepsOf(model, { optimiser: sgd(0.1), vectors: sgd(0.1) });
  const order = { batch: 4, shuffle, epoch, start, signal: undefined, enough };
  const found = [];
  for await (const { batches: [tensors], after } of feedsOf(model, graph, data, order, 0)) {
    found.push({ rows: [...tensors.input.data], after });
  }
  model.dispose();
  return found;
}

Deno.test("feedsOf() begins an epoch at any position as it goes on from there, whatever the data", async () => {
  for (const [name, data] of Object.entries(forms)) {
    for (const shuffle of [true, false]) {
      const all = await epochOf(data, { shuffle });
      assertEquals(all.flatMap(({ rows }) => rows).toSorted((a, b) => a - b), Array.from({ length: 37 }, (_, i) => i));
      for (const [at, { after }] of all.entries()) {
        assertEquals(JSON.parse(JSON.stringify(after)), after);
        assertEquals(await epochOf(data, { shuffle, start: after }), all.slice(at + 1), `${name}, batch ${at}`);
      }
    }
  }
});

Deno.test("feedsOf() shuffles each window and epoch in another order", async () => {
  const rows = numbered(0, 8);
  const orderOf = async (epoch: number) =>
    (await epochOf(inWindows([rows, rows]), { shuffle: true, epoch })).map(({ rows }) => rows);
  const [one, other] = [(await orderOf(1)).flat(), (await orderOf(2)).flat()];
  assertNotEquals(one.slice(0, 8), one.slice(8));
  assertNotEquals(one, other);
  const inMemory = (await epochOf(rows, { shuffle: true })).flatMap(({ rows }) => rows);
  assertEquals(one.slice(0, 8), inMemory); // rows in memory are one window
});

Deno.test("feedsOf() refuses a position that the data has not", async () => {
  const place = { window: 3, part: 0, row: 0 };
  await assertRejects(
    () => epochOf(forms["a function"], { shuffle: true, start: { place, batch: 0 } }),
    RangeError,
    "Cannot train\n  at epoch 1: found 3 pieces, wanted at least 4: data must repeat its rows",
  );
  await assertRejects(
    () => epochOf(forms["rows in memory"], { shuffle: true, start: { place: { ...place, window: 0 }, batch: 11 } }),
    RangeError,
    "Cannot train\n  at epoch 1: found 10 batches in window 0, wanted at least 11",
  );
});

Deno.test("train() takes a dataset, and the signal of its pass is aborted when the loop is left", async () => {
  const model = await compile(noisy, { engine: reference(), seed: 7 });
  let seen = 0;
  for await (const at of train(model, forms["a dataset"], { epochs: 2, batch: 4 })) {
    assertEquals(at.steps, undefined);
    seen = at.rows;
  }
  assertEquals(seen, 74);

  const ends: boolean[] = [];
  const stuck: Dataset = {
    identity: null,
    async *pass({ signal }) {
      try {
        yield { rows: numbered(0, 4), place: { window: 0, part: 0, row: 0 } };
        await new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
      } finally {
        ends.push(signal!.aborted);
      }
    },
  };
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 20); // the second window never comes
  for await (const _ of train(model, stuck, { batch: 4, signal: controller.signal }));
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(ends, [true]);
  const order = { batch: 4, shuffle: true, epoch: 1, signal: undefined, enough: () => false };
  const feeds = feedsOf(model, stepsOf(model, { optimiser: sgd(0.1), vectors: sgd(0.1) }).graph, stuck, order, 0);
  await feeds.next();
  feeds.next().catch((e) => {
    console.log(e);
  }).then(console.log);
  await feeds.return();
  assertEquals(ends, [true, true]);
  model.dispose();
});

Deno.test("train() refuses a dataset whose rows do not fit the model, or have no labels", async () => {
  const model = await compile(spec, { engine: reference() });
  const wide = inWindows([rows([[1, 2]], { labels: { place: [1] } })]);
  await assertRejects(() => train(model, wide).next(), RangeError, "Cannot train");
  const unlabelled = inWindows([rows([[1]], { labels: { place: [null], search: [1] } })]);
  const all = train(model, unlabelled);
  await assertRejects(() => Array.fromAsync(all), RangeError, "no row of epoch 1 has a label of any task");
  await assertRejects(() => train(model, inWindows([])).next(), RangeError, "epoch 1 of the data has no rows");
  model.dispose();
});

Deno.test("dataset() reads a file of its own thread while steps are computed", async () => {
  const path = "out/thread.csv";
  await Deno.writeTextFile(path, `x\n${"123456789012345\n".repeat(2 ** 18)}`); // from 4 MB on a thread reads it
  let made = 0;
  const data = dataset(await csvParts(path, { columns: { x: "number" } }), (table) => {
    made++;
    return rows(encode({ x: { kind: "numeric", transform: "none", mean: 0, scale: 1 } }, table));
  }, { buffer: 2 ** 16 });
  const windows = data.pass({ seed: 7, epoch: 1, shuffle: true, batch: 2 ** 10 })[Symbol.asyncIterator]();
  await windows.next();
  const { breathe } = stopwatch();
  for (let step = 0; made < 16 && step < 50; step++) { // until the next window is whole, which is not waited for
    for (const start = performance.now(); performance.now() - start < 10;);
    await breathe();
  }
  assertEquals(made, 16);
  await windows.return?.();
  await Deno.remove(path);
});

Deno.test("train() reads the first window of the next epoch while the last one of an epoch is in use", async () => {
  const begun: string[] = [];
  const log: string[] = [];
  const parts: TableParts = {
    identity: null,
    parts: () => {
      begun.push("pass");
      const tables = [0, 8].map((first) => ({ count: 8, columns: { x: numbersFrom(first, 8) } }));
      return Promise.resolve(tables.map((table, at) => ({
        name: `part ${at}`,
        read: async function* (from: number) {
          log.push(`pass ${begun.length} part ${at}`);
          yield await Promise.resolve(take(table, Array.from({ length: 8 - from }, (_, row) => from + row)));
        },
      })));
    },
    async *[Symbol.asyncIterator]() {},
  };
  const features = { x: { kind: "numeric", transform: "none", mean: 0, scale: 1 } } as const;
  const data = dataset(parts, (table) => rows(encode(features, table), { labels: labels(table, { up: "x" }) }), {
    buffer: 8,
  });
  const model = await compile(define({ input: features, tasks: { up: regression() } }), {
    engine: reference(),
    seed: 7,
  });
  const options = { epochs: 3, batch: 4, shuffle: false, optimiser: sgd(1e-3) };
  for await (const at of train(model, data, options)) {
    log.push(`step ${at.step}`);
    await new Promise((resolve) => setTimeout(resolve)); // in which all is read that is asked for
  }
  const stepBefore = (what: string) => log.slice(0, log.indexOf(what)).filter((line) => line.startsWith("step")).length;
  assertEquals(stepBefore("pass 1 part 0"), 0);
  assert(stepBefore("pass 2 part 0") < 4, log.join());
  assert(stepBefore("pass 3 part 0") < 8, log.join());
  assertEquals(begun.length, 3); // and none after the last epoch
  begun.length = 0;
  for await (const { step } of train(model, data, { ...options, signal: AbortSignal.timeout(60_000) })) {
    if (step === 3) break;
  }
  assertEquals(begun.length, 2); // the second of which is closed
  model.dispose();
});

/** A column of whole numbers from one on. */
function numbersFrom(first: number, count: number): NumberColumn {
  return { kind: "number", values: Float64Array.from({ length: count }, (_, row) => first + row) };
}
