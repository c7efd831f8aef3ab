import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  bag,
  binary,
  category,
  type Columns,
  dataset,
  define,
  encode,
  fit,
  labels,
  numeric,
  rows,
  take,
} from "../mod.ts";
import { parquetDataset, parquetParts } from "../lib/parquet.ts";
import { piecesOf } from "../lib/model/pieces.ts";
import { deltas } from "../lib/data/parquet/deltas.ts";
import { unpack } from "../lib/data/parquet/levels.ts";
import { assertSame, csvTexts, type Kinds, parquetTexts } from "./parquet/compare.ts";
import { withTemp } from "./temp.ts";

const folder = "tests/parquet";
const kinds: Kinds = JSON.parse(Deno.readTextFileSync(`${folder}/kinds.json`));
const { f16: _, ...narrow } = kinds; // which DuckDB does not write
const file = (name: string) => Deno.readFileSync(`${folder}/${name}`);

/** Reads all rows of a table in one piece. */
async function all(source: Parameters<typeof parquetParts>[0], options?: Parameters<typeof parquetParts>[1]) {
  const tables: Columns[] = [];
  for await (const table of await parquetParts(source, options)) tables.push(table);
  return tables;
}

Deno.test("a file of pyarrow and one of DuckDB read equal to the CSV of their rows, from any row on", async () => {
  const wanted = await csvTexts(`${folder}/types.csv`, kinds);
  await assertSame(`${folder}/types.parquet`, wanted, kinds);
  await assertSame(`${folder}/duckdb.parquet`, wanted, narrow);
});

Deno.test("parquetParts() reads all columns by default, each of its kind", async () => {
  const [first, second] = await all(`${folder}/clicks.parquet`, { columns: ["age", "click", "tags"] });
  assertEquals(first, {
    count: 3,
    columns: {
      age: { kind: "number", values: Float64Array.of(73, 58, 18) },
      click: { kind: "text", codes: Int32Array.of(0, 1, 1), words: ["yes", "no"] },
    },
    lists: { tags: [["a", "b"], [], ["b"]] },
  });
  assertEquals(second.lists, { tags: [null, ["c", "a"]] });
  assertEquals(second.columns.age, { kind: "number", values: Float64Array.of(NaN, 31) });
  const { identity } = await parquetParts(`${folder}/types.parquet`);
  const { columns, ...rest } = identity as { columns: Record<string, string> };
  assertEquals(rest as unknown, {
    kind: "parquet",
    files: [["types.parquet", file("types.parquet").length, [40, 20]]],
  });
  assertEquals(
    [columns.i8, columns.id, columns.flag, columns.day, columns.word, columns.coded, columns.scores, columns.tags],
    ["number", "number", "number", "number", "text", "text", "numbers", "texts"],
  );
});

Deno.test("parquetParts() reads one file, a list, a pattern, bytes and Blobs, in order", () =>
  withTemp(async (dir) => {
    for (const name of ["part-10", "part-2"]) await Deno.copyFile(`${folder}/clicks.parquet`, `${dir}/${name}.parquet`);
    const counts = async (source: Parameters<typeof parquetParts>[0]) =>
      (await all(source, { columns: { age: "number" } })).map(({ count }) => count);
    assertEquals(await counts(`${dir}/part-*.parquet`), [3, 2, 3, 2]);
    assertEquals(await counts([`${dir}/part-2.parquet`, file("clicks.parquet")]), [3, 2, 3, 2]);
    assertEquals(await counts(new Blob([file("clicks.parquet")])), [3, 2]);
    assertEquals(await counts([`${folder}/empty.parquet`, `${folder}/no_groups.parquet`]), []);
    const { parts, identity } = await parquetParts(`${dir}/part-*.parquet`, { columns: ["age"] });
    assertEquals((await parts()).map(({ name }) => name.slice(dir.length + 1)), [
      "part-2.parquet, row group 0",
      "part-2.parquet, row group 1",
      "part-10.parquet, row group 0",
      "part-10.parquet, row group 1",
    ]);
    const size = file("clicks.parquet").length;
    assertEquals(identity, {
      kind: "parquet",
      files: [["part-2.parquet", size, [3, 2]], ["part-10.parquet", size, [3, 2]]],
      columns: { age: "number" },
    });
  }));

Deno.test("features and labels read what parquetParts() reads, lists too", async () => {
  const table = await parquetParts(`${folder}/clicks.parquet`, {
    columns: { user: "text", age: "number", click: ["no", "yes"], tags: "texts" },
  });
  const features = await fit({
    user: category(),
    age: numeric({ missing: "mean" }),
    tags: bag({ pooling: "sum" }),
  }, table);
  assertEquals(features.user, { kind: "category", words: ["1152921504606846977", "7", "8"] });
  const { mean, scale } = features.age as { readonly mean: number; readonly scale: number };
  assertEquals([mean, scale], [45, Math.sqrt(469.5)]);
  const [first, second] = await all(`${folder}/clicks.parquet`, {
    columns: { user: "text", age: "number", click: ["no", "yes"], tags: "texts" },
  });
  assertEquals(encode(features, first).inputs.category, Int32Array.of(2, 3, 3));
  assertEquals(encode(features, second).lists!.tags, { starts: Int32Array.of(0, 0, 2), codes: Int32Array.of(4, 2) });
  assertEquals(labels(second, { click: "click" }), { click: Float64Array.of(1, 0) });
  assertEquals(take(second, [1]).lists, { tags: [["c", "a"]] });
  await assertRejects(
    async () => labels((await all(`${folder}/clicks.parquet`, { columns: ["tags"] }))[0], { click: "tags" }),
    TypeError,
    'column "tags" holds lists, wanted numbers or text',
  );
  const [scores] = await all(`${folder}/types.parquet`, { columns: ["counts"] });
  const lists = scores.lists!.counts;
  const width = lists.find((list) => list instanceof Float64Array && list.length > 1)!.length;
  const rows = lists.flatMap((list, row) => list instanceof Float64Array && list.length === width ? [row] : []);
  const some = take(scores, rows);
  assertEquals(
    encode(fit({ counts: numeric({ width, standardise: false }) }, some), some).inputs.vector,
    Float32Array.from(rows.flatMap((row) => [...lists[row] as Float64Array])),
  );
});

Deno.test("parquetDataset() is what dataset() makes of the columns that a model reads", async () => {
  await withTemp(async (dir) => {
    for (const part of [1, 2]) await Deno.copyFile(`${folder}/clicks.parquet`, `${dir}/part-${part}.parquet`);
    const columns = { user: "text", age: "number", tags: "texts", click: ["no", "yes"] } as const;
    const table = await parquetParts(`${dir}/*.parquet`, { columns });
    const kinds = { user: category(), age: numeric({ missing: "mean" }), tags: bag({ pooling: "sum" }) };
    const features = await fit(kinds, table);
    const by = (click: string) => define({ input: features, tasks: { [click]: binary() } });
    const wanted = dataset(table, (some) => rows(encode(features, some), { labels: labels(some, { click: "click" }) }));
    const given = { columns: { click: columns.click } };
    const url = new URL(`file://${await Deno.realPath(dir)}`);
    const files = [1, 2].map((part) => `${dir}/part-${part}.parquet`);
    for (const source of [dir, `${dir}/`, `${dir}/part-*`, files, url, `${url}/`]) {
      const found = await parquetDataset(by("click"), source, given);
      assertEquals(found.identity, wanted.identity);
      assertEquals(await Array.fromAsync(piecesOf(found, "read")), await Array.fromAsync(piecesOf(wanted, "read")));
    }
    const wrong = async (spec: ReturnType<typeof by>, more: object, text: string) => {
      await assertRejects(() => parquetDataset(spec, `${dir}/part-1.parquet`, more), TypeError, text);
    };
    await wrong(by("click"), {}, 'column "click": found text, which cannot be read as "number"');
    await wrong(by("click"), { columns: { cilck: "text" } }, 'reads no column "cilck": did you mean "click"?');
    await wrong(define({ input: 2, tasks: { click: binary() } }), {}, "the model reads 2 numbers a row");
    const other = define({ input: fit({ aeg: numeric() }, { aeg: [1, 2] }), tasks: { clik: binary() } });
    const file = `${dir}/part-1.parquet`;
    const error = await assertRejects(() => parquetDataset(other, file), TypeError);
    assertEquals(error.message.split("\n"), [
      "Cannot open rows of Parquet",
      `  at ${file}: there is no column "aeg", which is of the feature "aeg": did you mean "age"?`,
      `  at ${file}: there is no column "clik", which is of the labels "clik": did you mean "click"?`,
    ]);
  });
});

/** What cannot be read: a source, options, the class of the error and its words. */
const refused: readonly [
  source: Parameters<typeof parquetParts>[0],
  options: Parameters<typeof parquetParts>[1],
  error: ErrorConstructor,
  words: string,
][] = [
  [
    `${folder}/clicks.parquet`,
    { columns: ["aeg"] },
    TypeError,
    'clicks.parquet\n  at column "aeg": there is no such column: did you mean "age"?',
  ],
  [
    `${folder}/clicks.parquet`,
    { columns: { click: "number" } },
    TypeError,
    'at column "click": found text, which cannot be read as "number": wanted to be read as "text"',
  ],
  [`${folder}/types.parquet`, { columns: { f64: "text" } }, TypeError, 'found float64, which cannot be read as "text"'],
  [
    `${folder}/types.parquet`,
    { columns: { tags: "text" } },
    TypeError,
    'found lists of text, which cannot be read as "t',
  ],
  [
    `${folder}/clicks.parquet`,
    { columns: { user: "number" } },
    RangeError,
    'clicks.parquet\n  at row group 0, column "user", row 0 of the file: found 1152921504606846977, wanted at most 2 ** ' +
    '53: as "text" it keeps all digits',
  ],
  [
    `${folder}/clicks.parquet`,
    { columns: { click: ["yes"] } },
    RangeError,
    'at row group 0, column "click", row 1 of the file: found "no", wanted one of "yes"',
  ],
  [`${folder}/refused.parquet`, { columns: ["struct"] }, TypeError, 'column "struct": found a struct, wanted numbers'],
  [`${folder}/refused.parquet`, { columns: ["map"] }, TypeError, 'column "map": found a map, wanted numbers'],
  [`${folder}/refused.parquet`, { columns: ["lists"] }, TypeError, 'column "lists": found a list of lists, wanted'],
  [
    `${folder}/refused.parquet`,
    { columns: ["structs"] },
    TypeError,
    "found a list of structs, wanted numbers, text or",
  ],
  [`${folder}/refused.parquet`, { columns: ["bytes"] }, TypeError, 'column "bytes": found bytes, wanted numbers, text'],
  [`${folder}/refused.parquet`, { columns: ["fixed"] }, TypeError, "found bytes of a fixed length, wanted numbers"],
  [`${folder}/refused.parquet`, {}, TypeError, "name the columns to read without it, columns: [...]"],
  [`${folder}/not_utf8.parquet`, {}, RangeError, 'column "text", row 1 of the file: found bytes that are not UTF-8'],
  [
    [`${folder}/clicks.parquet`, `${folder}/types.parquet`],
    { columns: ["age"] },
    TypeError,
    'types.parquet\n  at column "age": there is no such column',
  ],
  [
    [`${folder}/clicks.parquet`, `${folder}/not_utf8.parquet`],
    {},
    TypeError,
    'not_utf8.parquet\n  at column "text": there is no such column in tests/parquet/clicks.parquet: name the columns',
  ],
  [`${folder}/none.parquet`, {}, Error, "none.parquet"],
  [`${folder}/none-*.parquet`, {}, Error, "none-*.parquet"],
  [`${folder}/types.csv`, {}, SyntaxError, "types.csv: found no Parquet file"],
  [new Uint8Array(3), {}, SyntaxError, "Cannot read bytes: found 3 bytes, wanted a Parquet file"],
  [
    file("clicks.parquet").subarray(0, 500),
    {},
    SyntaxError,
    "Cannot read bytes: the file is cut short: its end is missing",
  ],
  [[], {}, TypeError, "found an empty list"],
  [`${folder}/clicks.parquet`, { columns: ["age", "age"] }, TypeError, 'at columns[1]: found "age" twice'],
  [
    `${folder}/clicks.parquet`,
    { columns: { age: "list" as "number" } },
    TypeError,
    'at columns["age"]: found "list", wa',
  ],
  [`${folder}/clicks.parquet`, { columns: { click: ["a", "a"] } }, TypeError, "a word stands twice"],
  [`${folder}/clicks.parquet`, { colums: [] } as never, TypeError, 'did you mean "columns"?'],
];

Deno.test("what parquetParts() cannot read is an error that names file, row group, column and row", async () => {
  for (const [source, options, error, words] of refused) await assertRejects(() => all(source, options), error, words);
});

Deno.test("a file that is the same column in another type is an error that names file and column", async () => {
  const other = new File([file("types.parquet")], "other.parquet");
  await assertRejects(
    () => all([`${folder}/duckdb.parquet`, `${folder}/clicks.parquet`], { columns: ["tags", "i8"] }),
    TypeError,
    'clicks.parquet\n  at column "i8": there is no such column',
  );
  const rows = await all([`${folder}/duckdb.parquet`, other], { columns: ["i8"] });
  assertEquals(rows.map(({ count }) => count), [60, 40, 20]);
});

Deno.test("every damage of a file with checksums is an error with file and row group, or changes no value", async () => {
  const bytes = file("types.parquet");
  const wanted = await parquetTexts(bytes, kinds);
  for (let at = 0; at < bytes.length; at += 97) {
    const flipped = bytes.slice();
    flipped[at] ^= 1 << at % 8;
    for (const damaged of [bytes.slice(0, at), flipped]) {
      const found = await parquetTexts(damaged, kinds).catch((error: Error) => {
        assert(/^Cannot read bytes(?:: |\n {2}at (?:row group [01], )?column ")/.test(error.message), error.message);
        return undefined;
      });
      if (found !== undefined) assertEquals(found, wanted, `byte ${at}`);
    }
  }
});

Deno.test("every damage of a file without checksums is an error, or changes values alone", async () => {
  const bytes = file("duckdb.parquet");
  for (let at = 0; at < bytes.length; at += 97) {
    const flipped = bytes.slice();
    flipped[at] ^= 1 << at % 8;
    await parquetTexts(flipped, narrow).catch(({ message }: Error) =>
      assert(message.startsWith("Cannot read "), message)
    );
    await assertRejects(() => parquetTexts(bytes.slice(0, at), narrow), SyntaxError, "Cannot read bytes: ");
  }
});

/** Answers requests as a server does; returns what was asked for, and puts the real one back. */
async function served(answer: (range: string | null, method: string) => Response, test: () => Promise<void>) {
  const real = globalThis.fetch;
  const asked: string[] = [];
  globalThis.fetch = (_, init) => {
    const range = new Headers(init?.headers).get("range");
    asked.push(range ?? init?.method ?? "GET");
    return Promise.resolve(answer(range, init?.method ?? "GET"));
  };
  try {
    await test();
  } finally {
    globalThis.fetch = real;
  }
  return asked;
}

/** Answers as a server that knows ranges. */
function part(bytes: Uint8Array<ArrayBuffer>, range: string | null, sized = true): Response {
  if (range === null) return new Response(null, { headers: { "content-length": String(bytes.length) } });
  const [start, end] = range.slice(6).split("-").map(Number);
  const headers: HeadersInit = sized ? { "content-range": `bytes ${start}-${end}/${bytes.length}` } : {};
  return new Response(bytes.slice(start, end + 1), { status: 206, headers });
}

Deno.test("an address is read by ranges of bytes, of which only those of named columns are asked for", async () => {
  const bytes = file("types.parquet");
  const texts: unknown[] = [];
  for (const sized of [true, false]) {
    const asked = await served((range) => part(bytes, range, sized), async () => {
      texts.push(await parquetTexts("https://example.org/log.parquet?key=secret", { i8: "number" }));
    });
    assertEquals(asked[0], "bytes=0-3");
    assertEquals(asked.includes("HEAD"), !sized);
    const lengths = asked.slice(sized ? 2 : 3).map((range) => {
      const [start, end] = range.slice(6).split("-").map(Number);
      return end - start + 1;
    });
    assertEquals(lengths.length, 2); // one for each row group
    assert(lengths.every((length) => length < 400), String(lengths));
  }
  assertEquals(texts[0], await parquetTexts(`${folder}/types.parquet`, { i8: "number" }));
  assertEquals(texts[1], texts[0]);
});

Deno.test("a server that does not answer with ranges, or with another file, is an error that says so", async () => {
  const bytes = file("types.parquet");
  const address = "https://example.org/log.parquet?key=secret";
  let calls = 0;
  const cases: readonly [(range: string | null) => Response, string][] = [
    [() => new Response(bytes), "Cannot read https://example.org/log.parquet: the server answers with the whole file"],
    [() => new Response(null, { status: 404 }), "found status 404, wanted 206"],
    [() => Response.error(), "found status 0, wanted 206"],
    [(range) => range === null ? new Response(null, { status: 405 }) : part(bytes, range, false), "status 405 to HEAD"],
    [(range) => part(calls++ > 2 ? bytes.slice(1) : bytes, range), "the file changed while it was in use"],
    [(range) => calls++ > 2 ? new Response(null, { status: 503 }) : part(bytes, range), "found status 503, wanted 206"],
  ];
  for (const [answer, words] of cases) {
    calls = 0;
    await served(answer, async () => {
      await assertRejects(() => all(address, { columns: ["i8", "counts", "f64"] }), Error, words);
    });
  }
});

Deno.test("a file that changes after it was opened is an error", () =>
  withTemp(async (dir) => {
    await Deno.copyFile(`${folder}/clicks.parquet`, `${dir}/a.parquet`);
    const table = await parquetParts(`${dir}/a.parquet`, { columns: ["age"] });
    await Deno.writeFile(`${dir}/a.parquet`, file("types.parquet"));
    await assertRejects(
      async () => {
        for await (const _ of table);
      },
      Error,
      "a.parquet: the file changed while it was in use",
    );
  }));

Deno.test("an aborted signal stops opening and reading", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  await served((range) => part(file("types.parquet"), range), async () => {
    const { parts } = await parquetParts("https://example.org/log.parquet", { columns: ["i8"] });
    const [first] = await parts();
    await assertRejects(
      async () => {
        for await (const _ of first.read(0, signal));
      },
      Error,
      "enough",
    );
  });
});

Deno.test("unpack() reads runs and packed numbers of every width, and writes no more than it may", () => {
  for (let width = 1; width <= 32; width++) {
    const numbers = Array.from({ length: 16 }, (_, at) => Number(BigInt.asUintN(width, BigInt(at * 2_654_435_761))));
    let packed = 0n;
    numbers.forEach((number, at) => packed |= BigInt(number) << BigInt(at * width));
    const bytes = [2 * 2 + 1];
    for (let at = 0; at < 2 * width; at++) bytes.push(Number(BigInt.asUintN(8, packed >> BigInt(8 * at))));
    bytes.push(2 * 60); // a run longer than the array
    for (let at = 0; at < width; at += 8) bytes.push(numbers[15] >>> at & 0xff);
    const output = new Int32Array(20);
    unpack(Uint8Array.from(bytes), width, output);
    assertEquals([...output], [...numbers, ...Array(4).fill(numbers[15])].map((number) => number | 0), `${width} bits`);
  }
});

Deno.test("deltas() wraps around in 64 bits, and refuses what is cut short", () => {
  // Blocks of 128 in 4 parts; 3 numbers: 2 ** 32 - 1 by 64 bits, then differences of 1 and 3 in 2 bits, least 1.
  const bytes = Uint8Array.of(128, 1, 4, 3, 0xfe, 0xff, 0xff, 0xff, 0x1f, 2, 2, 0, 0, 0, 0b1000, ...Array(7).fill(0));
  assertEquals([...deltas(bytes, 0, 3, false).halves], [-1, 0, 3]);
  assertEquals([...new BigInt64Array(deltas(bytes, 0, 3, true).halves.buffer)], [
    4294967295n,
    4294967296n,
    4294967299n,
  ]);
  for (let end = 0; end < bytes.length; end++) {
    let cut = false;
    try {
      deltas(bytes.subarray(0, end), 0, 3, true);
    } catch (error) {
      cut = error instanceof RangeError;
    }
    assert(cut, `${end} bytes`);
  }
});
