import { assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import {
  bag,
  binary,
  category,
  type Columns,
  compile,
  csvParts,
  type CsvPartsOptions,
  dataset,
  define,
  encode,
  fit,
  join,
  labels,
  type MalformedRow,
  numeric,
  readCsv,
  recordParts,
  reference,
  rows,
  sgd,
  type TableParts,
  take,
  train,
} from "../mod.ts";
import { csvFrom } from "../lib/data/csv.ts";
import { csvApart } from "../lib/data/csv_apart.ts";
import type { Position } from "../lib/data/dataset.ts";
import { parquetParts } from "../lib/parquet.ts";
import { feedsOf } from "../lib/train/feeds.ts";
import { stepsOf } from "../lib/train/steps.ts";
import { withTemp } from "./temp.ts";

const columns = { id: "number", job: "text", tags: "text", click: ["no", "yes"] } as const;
const header = "id,job,tags,click\n";
const jobs = ["clerk", "smith", "baker", "cook", "sailor"];

/** The line of a row. */
function line(id: number): string {
  const job = jobs[(id * 7) % jobs.length];
  return `${id},${job},${Array(id % 4).fill(job[0]).join("|")},${id % 3 === 0 ? "yes" : "no"}\n`;
}

/** A file of some rows. */
function file(first: number, count: number): Blob {
  return new Blob([header, ...Array.from({ length: count }, (_, at) => line(first + at))]);
}

async function gzipped(blob: Blob): Promise<Blob> {
  return await new Response(blob.stream().pipeThrough(new CompressionStream("gzip"))).blob();
}

/** Files of 0 to 46 with 47 rows, one empty but for its header. */
const files = [file(0, 13), file(13, 21), await gzipped(file(34, 1)), file(0, 0), file(35, 12)];
const all = Array.from({ length: 47 }, (_, id) => id);

/** All rows of a table in one piece, words in the order of their first appearance. */
function whole(pieces: readonly Columns[]): Record<string, readonly (number | string | undefined)[]> {
  const found: Record<string, (number | string | undefined)[]> = {};
  for (const { columns } of pieces) {
    for (const [name, column] of Object.entries(columns)) {
      const values = column.kind === "number" ? column.values : Array.from(column.codes, (code) => column.words[code]);
      (found[name] ??= []).push(...values);
    }
  }
  return found;
}

Deno.test("csvParts() reads plain and gzip files as one table, whatever the rows at a time", async () => {
  const plain = new Blob([header, ...all.map(line)]);
  const wanted = whole([await readCsv(plain, { columns })]);
  for (const rows of [1, 5, 8192]) {
    assertEquals(whole(await Array.fromAsync(await csvParts(files, { columns, rows }))), wanted);
  }
  const { identity } = await csvParts(files, { columns, missing: ["?"], rows: 5 });
  assertEquals(JSON.parse(JSON.stringify(identity)), {
    kind: "csv",
    files: files.map(({ size }) => ["blob", size]),
    columns,
    missing: ["?"],
  });
});

Deno.test("csvParts() begins at any row of a file, as if it had read those before", async () => {
  const text = [
    'a,b\n1,x\n\n2,"y"\r\n3,"two\nlines, and a ""quote"""\n',
    '4,w\n5,""\n\n\n6,z\nbad,x\n7,7\n',
  ].join("");
  const skipping: CsvPartsOptions = { columns: { a: "number", b: "text" }, malformed: () => {} };
  const failing: CsvPartsOptions = { columns: { a: "text", b: "text" } };
  for (const [options, count] of [[skipping, 7], [failing, 8]] as const) {
    for (const blob of [new Blob([text]), await gzipped(new Blob([text]))]) {
      for (const rows of [1, 2, 100]) {
        const [part] = await (await csvParts(blob, { ...options, rows })).parts();
        const from = async (row: number) => whole(await Array.fromAsync(part.read(row)));
        const { a, b } = await from(0);
        assertEquals(a.length, count);
        for (let row = 0; row < count; row++) assertEquals(await from(row), { a: a.slice(row), b: b.slice(row) });
        assertEquals((await Array.fromAsync(part.read(count + 5))).map(({ count }) => count), [0]);
      }
    }
  }
});

Deno.test("csvApart() reads in a thread of its own what csvFrom() reads, and fails as it does", async () => {
  await withTemp(async (dir) => {
    const path = `${dir}/log.csv`;
    await Deno.writeTextFile(path, header + all.map(line).join(""));
    for (const first of [0, 20, 60]) {
      for (const mostWords of [2, Infinity]) {
        const read = async (
          by: typeof csvFrom,
        ) => (await Array.fromAsync(by(path, { columns, rows: 5 }, first, mostWords), (table) => whole([table])));
        assertEquals(await read(csvApart as typeof csvFrom), await read(csvFrom));
      }
    }
    await Deno.writeTextFile(path, "id,job,tags,click\n1,a,,no\nx,b,,no\n3,c,,yes\n4,d\n");
    const skipped: MalformedRow[] = [];
    const options = { columns, name: "log.csv", malformed: (row: MalformedRow) => void skipped.push(row) };
    const [table] = await Array.fromAsync(csvApart(path, options, 1, Infinity));
    assertEquals([whole([table]), table.skipped], [{ id: [3], job: ["c"], tags: [""], click: ["yes"] }, 2]);
    assertEquals(skipped.map(({ line }) => line), [3, 5]);
    const failing = () => Array.fromAsync(csvApart(path, { columns, name: "log.csv" }, 0, Infinity));
    await assertRejects(failing, SyntaxError, 'Cannot read log.csv\n  at line 3, column "id": found "x"');
    await assertRejects(() => Array.fromAsync(csvApart(`${dir}/none.csv`, { columns }, 0, 1)), Error, "Cannot read");
    await Deno.writeTextFile(path, header + Array.from({ length: 1000 }, (_, id) => line(id)).join(""));
    const controller = new AbortController();
    const reading = csvApart(path, { columns, rows: 2, signal: controller.signal }, 0, Infinity);
    await reading.next();
    controller.abort(new RangeError("enough"));
    await assertRejects(() => Array.fromAsync(reading), RangeError, "enough");
    for await (const _ of csvApart(path, { columns, rows: 2 }, 0, Infinity)) break;
  });
});

Deno.test("csvParts() opens the files of a pattern in the order of their paths, numbers as numbers", async () => {
  await withTemp(async (dir) => {
    const named = [
      "day-10/part-1.csv",
      "day-9/part-10.csv",
      "day-9/part-2.csv",
      "day-9/part-02.csv",
      "day-9/other.csv",
    ];
    for (const [at, name] of named.entries()) {
      await Deno.mkdir(`${dir}/${name.split("/")[0]}`, { recursive: true });
      await Deno.writeTextFile(`${dir}/${name}`, `id\n${at}\n`);
    }
    const ids = async (pattern: string) =>
      whole(await Array.fromAsync(await csvParts(`${dir}/${pattern}`, { columns: { id: "number" } }))).id;
    assertEquals(await ids("day-*/part-*.csv"), [3, 2, 1, 0]);
    assertEquals(await ids("day-9/*.csv"), [4, 3, 2, 1]);
    await Deno.writeTextFile(`${dir}/day-0`, ""); // neither a file beside the folders nor a folder without the file fits
    assertEquals(await ids("day-*/other.csv"), [4]);
    const { identity } = await csvParts(`${dir}/day-*/part-1*.csv`, { columns: { id: "number" } });
    assertEquals(identity, { kind: "csv", files: [["part-10.csv", 5], ["part-1.csv", 5]], columns: { id: "number" } });
    const opened = (path: string) => csvParts(`${dir}/${path}`, { columns: { id: "number" } });
    await assertRejects(() => opened("day-9/log-*.csv"), Deno.errors.NotFound, `no file fits "${dir}/day-9/log-*.csv"`);
    await assertRejects(() => opened("none.csv"), Deno.errors.NotFound, `Cannot open CSV\n  at ${dir}/none.csv: `);
    await assertRejects(
      () => opened("day-9"),
      TypeError,
      `found a folder, wanted a file, or a pattern such as "${dir}/day-9/*.csv"`,
    );
    await assertRejects(
      () => parquetParts(`${dir}/day-9`),
      TypeError,
      `Cannot open Parquet\n  at ${dir}/day-9: found a folder, wanted a file, or a pattern such as "${dir}/day-9/*.parquet"`,
    );
  });
});

Deno.test("csvParts() refuses files that are unlike the first, by name", async () => {
  const named = (name: string, text: string) => new File([text], name);
  const first = named("a.csv", "id,age\n1,2\n");
  const columns = { id: "number" } as const;
  const refused = async (name: string, text: string, what: string) => {
    await assertRejects(() => csvParts([first, named(name, text)], { columns }), SyntaxError, what);
  };
  await refused(
    "b.csv",
    "id,job\n",
    'Cannot read b.csv\n  at line 1: found "job" as column 2, wanted "age" as in a.csv',
  );
  await refused("b.csv", "id\n", 'found the end of the line as column 2, wanted "age" as in a.csv');
  await refused("b.csv", "age,job\n", 'Cannot read b.csv\n  at line 1: no column is named "id"');
  await refused("b.csv", "", "Cannot read b.csv\n  at line 1: found the end of the file");
  await assertRejects(() => csvParts([], { columns }), TypeError, "found an empty list");
  const stream = new Blob(["id\n"]).stream() as unknown as Blob;
  await assertRejects(() => csvParts(stream, { columns }), TypeError, "which can be read at every epoch");
  const wrong = { columns, sha256: "a" } as CsvPartsOptions;
  await assertRejects(() => csvParts(first, wrong), TypeError, 'found option "sha256", which is about one reading');
  const parts = await csvParts([first, named("b.csv", "id,age\n1,2\nx,2\n")], { columns });
  await assertRejects(
    () => Array.fromAsync(parts),
    SyntaxError,
    'Cannot read b.csv\n  at line 3, column "id": found "x"',
  );
});

const made = { id: numeric(), job: category({ minCount: 2 }), tags: bag({ pooling: "mean", separator: "|" }) };
const { features, parts } = await (async () => {
  const parts = await csvParts(files, { columns, rows: 5 });
  return { parts, features: await fit({ id: numeric({ standardise: false }), tags: made.tags }, parts) };
})();
const encoded = (table: Columns) => rows(encode(features, table), { labels: labels(table, { click: "click" }) });
const spec = define({ input: features, tasks: { click: binary() } });

/** The ids of an epoch's rows, batch by batch, and the position after each batch. */
async function batchesOf(
  parts: TableParts,
  { buffer = 10, start, epoch = 1, shuffle = true }: {
    readonly buffer?: number;
    readonly start?: Position;
    readonly epoch?: number;
    readonly shuffle?: boolean;
  },
): Promise<readonly { readonly ids: readonly number[]; readonly after: Position }[]> {
  const model = await compile(spec, { engine: reference(), seed: 7 });
  const { graph } = stepsOf(model, { optimiser: sgd(0.1), vectors: sgd(0.1) });
  const order = { batch: 4, shuffle, epoch, start, signal: undefined, enough: () => false };
  const found = [];
  for await (
    const { batches: [tensors], after } of feedsOf(model, graph, dataset(parts, encoded, { buffer }), order, 0)
  ) {
    const ids = [...tensors.numeric.data];
    assertEquals([...tensors["labels/click"].data], ids.map((id) => id % 3 === 0 ? 1 : 0));
    const lengths = ids.map((_, row) => {
      const [width, { data }] = [tensors.bag.shape[1], tensors.bag];
      return data.subarray(row * width, (row + 1) * width).filter((code) => code !== 0).length;
    });
    assertEquals(lengths, ids.map((id) => id % 4));
    found.push({ ids, after });
  }
  model.dispose();
  return found;
}

Deno.test("dataset() yields each row once an epoch, in an order of seed and epoch alone, from any position on", async () => {
  const orders: Record<string, readonly number[]> = {};
  for (const shuffle of [true, false]) {
    for (const buffer of [1, 10, 16, 1000]) {
      for (const epoch of [1, 2]) {
        const found = await batchesOf(parts, { buffer, epoch, shuffle });
        const ids = found.flatMap(({ ids }) => ids);
        assertEquals(ids.toSorted((a, b) => a - b), all);
        if (!shuffle) assertEquals(ids, all);
        orders[`${shuffle}, ${buffer}, ${epoch}`] = ids;
        for (const rows of [1, 3, 8192]) {
          const others = await csvParts(files, { columns, rows });
          assertEquals(await batchesOf(others, { buffer, epoch, shuffle }), found);
        }
        for (const [at, { after }] of found.entries()) {
          const start = JSON.parse(JSON.stringify(after));
          assertEquals(await batchesOf(parts, { buffer, epoch, shuffle, start }), found.slice(at + 1));
        }
      }
    }
  }
  assertNotEquals(orders["true, 10, 1"], orders["true, 10, 2"]);
  assertNotEquals(orders["true, 10, 1"], orders["true, 1000, 1"]);
});

Deno.test("dataset() refuses data that has changed, and rows that make does not make", async () => {
  const place = { window: 1, part: 1, row: 40 };
  const start = { place, batch: 0 };
  await assertRejects(() => batchesOf(parts, { start }), RangeError, "row 40, counted from 0: found its end");
  const beyond = { place: { window: 1, part: 9, row: 0 }, batch: 0 };
  await assertRejects(() => batchesOf(parts, { start: beyond }), RangeError, "data must repeat its rows");
  const model = await compile(spec, { engine: reference(), seed: 7 });
  const failed = async (make: (table: Columns) => ReturnType<typeof rows>, what: string) => {
    const training = train(model, dataset(parts, make, { buffer: 8 }), { batch: 8, shuffle: false });
    await assertRejects(() => Array.fromAsync(training), Error, what);
  };
  await failed((table) => encoded(take(table, [0])), "found 1 rows of 5");
  await failed(() => undefined!, "make must return a row for each row of the table, found nothing");
  await failed((table) => {
    if (table.columns.id.kind === "number" && table.columns.id.values[0] === 10) throw new RangeError("too old");
    return encoded(table);
  }, "Cannot read blob\n  at the rows from 10 on, in which they are counted from 0: too old");
  await failed((table) => {
    const odd = table.columns.id.kind === "number" && table.columns.id.values[0] === 5;
    return odd ? encode(features, table) : encoded(table);
  }, "wanted rows of");
  await assertRejects(
    () => Array.fromAsync(train(model, parts as never)),
    TypeError,
    "found a table in parts: dataset(table, make) makes rows of it",
  );
  assertThrows(
    () => encode(fit({ id: numeric() }, parts) as never, { id: [1] }),
    TypeError,
    "Cannot encode rows: wanted features by name: await fit(...)",
  );
  model.dispose();
  assertThrows(
    () => dataset(csvParts(files, { columns }) as unknown as TableParts, encoded),
    TypeError,
    "await csvParts",
  );
});

Deno.test("dataset() closes its files when it is left, and reads no more than a window ahead", async () => {
  const log: string[] = [];
  const counted: TableParts = {
    ...parts,
    parts: () =>
      Promise.resolve([0, 1, 2, 3].map((part) => ({
        name: `part ${part}`,
        async *read() {
          try {
            for (let row = 0; row < 8; row++) {
              log.push(`${part}.${row}`);
              yield await readCsv(file(8 * part + row, 1), { columns });
            }
          } finally {
            log.push(`${part} closed`);
          }
        },
      }))),
  };
  const model = await compile(spec, { engine: reference(), seed: 7 });
  for await (const _ of train(model, dataset(counted, encoded, { buffer: 4 }), { batch: 4, shuffle: false })) break;
  assertEquals(log.at(-1), "1 closed");
  const read = log.length;
  await new Promise((resolve) => setTimeout(resolve, 10));
  assertEquals(log.length, read);
  model.dispose();
});

Deno.test("fit() over parts, and over a join, is fit() over the whole table, to the last bit", async () => {
  const table = await readCsv(new Blob([header, ...all.map(line)]), { columns });
  const users = await readCsv(
    new Blob(["job,pay,town\n", ...jobs.slice(1).map((job, at) => `${job},${(at + 1) / 3},${job[0]}\n`)]),
    { columns: { job: "text", pay: "number", town: "text" } },
  );
  const unfitted = { ...made, id: numeric({ quantiles: 4 }) };
  assertEquals(await fit(unfitted, parts), fit(unfitted, table));
  const options = { missing: "missing", prefix: "user_" } as const;
  const joined = join(parts, users, "job", options);
  const others = { ...made, user_pay: numeric({ missing: "mean" }), user_town: category() };
  const place = new Map(jobs.slice(1).map((job, at) => [job, at]));
  const { job, tags, id } = whole([table]);
  const plain = {
    job: job as string[],
    tags: tags as string[],
    id: id as number[],
    user_pay: job.map((job) => place.has(`${job}`) ? (place.get(`${job}`)! + 1) / 3 : null),
    user_town: job.map((job) => place.has(`${job}`) ? `${job}`[0] : null),
  };
  assertEquals(await fit(others, joined), fit(others, plain));
  for (const part of await joined.parts()) {
    const { job: jobs, user_pay } = whole(await Array.fromAsync(part.read(0)));
    const after = whole(await Array.fromAsync(part.read(3)));
    if (jobs !== undefined && jobs.length > 3) {
      assertEquals([after.job, after.user_pay], [jobs.slice(3), user_pay.slice(3)]);
    }
  }
});

Deno.test("join() refuses keys that are missing, double or of another kind, and names that clash", async () => {
  const log = await csvParts(new File(["id,job\n2,smith\n1,?\n3,clerk\n"], "log.csv"), {
    columns: { id: "number", job: "text" },
    missing: ["?"],
  });
  const number = (...values: number[]) => ({ kind: "number", values: Float64Array.from(values) }) as const;
  const people: Columns = { count: 2, columns: { id: number(1, 2), age: number(40, 50), job: number(0, 0) } };
  const read = async (table: Columns, key: string, options = {}) =>
    await Array.fromAsync(join(log, table, key, options));
  const [{ columns: { age } }] = await read(people, "id", { missing: "missing", columns: ["age"] });
  assertEquals(age, number(50, 40, NaN));
  await assertRejects(
    () => read(people, "id", { columns: ["age"] }),
    RangeError,
    'Cannot join tables\n  at log.csv, row 2, column "id": found 3, which the table lacks; missing: "missing" makes',
  );
  await assertRejects(() => read(people, "id"), TypeError, 'both tables have a column "job": prefix');
  await assertRejects(() => read(people, "job"), RangeError, 'row 1 of the table: key 0 of "job" stands twice');
  const once: Columns = { count: 1, columns: { job: number(0), age: number(1) } };
  await assertRejects(() => read(once, "job"), TypeError, 'column "job": found text, wanted numbers as in the table');
  const gap: Columns = { count: 1, columns: { id: number(NaN) } };
  assertThrows(() => join(log, gap, "id"), RangeError, 'row 0 of the table: "id" is missing');
  assertThrows(() => join(log, people, "ID"), TypeError, 'no column of the table is named "ID": did you mean "id"?');
  const worded: Columns = {
    count: 2,
    columns: { job: { kind: "text", codes: Int32Array.of(0, 1), words: ["clerk", "smith"] }, pay: number(1, 2) },
  };
  await assertRejects(() => read(worded, "job"), RangeError, 'row 1, column "job": found a missing key');
  assertEquals(whole(await read(worded, "job", { missing: "missing" })).pay, [2, NaN, 1]);
  assertNotEquals(
    join(log, people, "id").identity,
    join(log, { ...people, count: 2, columns: { ...people.columns, age: number(1, 1) } }, "id").identity,
  );
});

Deno.test("recordParts() makes a table of records, which is skipped to a position and must repeat", async () => {
  const columns = { id: "number", job: "text", tags: "text", click: ["no", "yes"] } as const;
  async function* begin() {
    for (const id of all) {
      const [, job, tags, click] = line(id).trim().split(",");
      yield await Promise.resolve({ id, job, tags, click, other: {} });
    }
  }
  const records = recordParts(begin, { columns, rows: 7 });
  const csv = await csvParts(new Blob([header, ...all.map(line)]), { columns });
  assertEquals(whole(await Array.fromAsync(records)), whole(await Array.fromAsync(csv)));
  const found = await batchesOf(records, {});
  assertEquals(found, await batchesOf(csv, {}));
  for (const at of [0, 3, 8]) assertEquals(await batchesOf(records, { start: found[at].after }), found.slice(at + 1));
  const shorter = recordParts(() => [{ id: 1, job: "a", tags: "", click: "no" }], { columns });
  await assertRejects(
    () => batchesOf(shorter, { start: found[8].after }),
    RangeError,
    "Cannot read records\n  at row 24, counted from 0: found its end: data must repeat its rows at every epoch",
  );
  const refused = async (record: unknown, what: string) => {
    const parts = recordParts(() => [{}, record] as Record<string, unknown>[], { columns, name: "people" });
    await assertRejects(() => Array.fromAsync(parts), TypeError, `Cannot read records\n  at people, record 1${what}`);
  };
  await refused(3, ": found 3, wanted an object");
  await refused({ id: "x" }, ', column "id": found "x", wanted a number, true, false or null');
  await refused({ job: 1.5 }, ', column "job": found 1.5, wanted a text, a whole number or null');
  await refused({ click: "yess" }, ', column "click": found "yess", wanted one of its words: did you mean "yes"?');
});

Deno.test("join() of tables in memory is that of parts, and its errors name row and table", async () => {
  const table = await readCsv(new Blob(["id,job\n2,smith\n1,?\n3,clerk\n"]), {
    columns: { id: "number", job: "text" },
    missing: ["?"],
  });
  const number = (...values: number[]) => ({ kind: "number", values: Float64Array.from(values) }) as const;
  const people: Columns = { count: 2, columns: { id: number(1, 2), age: number(40, 50), job: number(0, 0) } };
  const options = { missing: "missing", columns: ["age", "job"], prefix: "his_" } as const;
  const parts = await csvParts(new File(["id,job\n2,smith\n1,?\n3,clerk\n"], "log.csv"), {
    columns: { id: "number", job: "text" },
    missing: ["?"],
  });
  const joined = join(table, people, "id", options);
  assertEquals(whole([joined]), whole(await Array.fromAsync(join(parts, people, "id", options))));
  assertEquals([joined.count, joined.columns.his_age], [3, number(50, 40, NaN)]);
  const lists = { ...table, lists: { seen: [["a"], [], null] } };
  assertEquals(join(lists, people, "id", options).lists, lists.lists);
  assertThrows(
    () => join(table, people, "id", { columns: ["age"] }),
    RangeError,
    'Cannot join tables\n  at the first table, row 2, column "id": found 3, which the table lacks; missing: "missing" makes',
  );
  assertThrows(
    () => join(table, people, "id"),
    TypeError,
    'at the first table: both tables have a column "job": prefix',
  );
  assertThrows(() => join({ ...table, count: 4 }, people, "id"), RangeError, "rows");
});
