import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  binary,
  compile,
  count,
  define,
  encode,
  evaluate,
  fit,
  gateReport,
  labels,
  type Model,
  numeric,
  readCsv,
  reference,
  type Rows,
  rows,
  train,
  type TrainOptions,
} from "../mod.ts";

// deno-lint-ignore no-explicit-any
const any = (found: unknown): any => found;
const utf16 = (text: string, mark: readonly number[]) =>
  new Uint8Array([...mark, ...[...text].flatMap((letter) => [letter.charCodeAt(0), 0])]);
const bytesOf = (...numbers: number[]) => new Uint8Array(numbers);
const table = await readCsv(new Blob(["q,y\nq1,1\nq2,0\n"]).stream(), { columns: { q: "text", y: "number" } });
const data = rows([[1], [2]], { labels: { a: [0, 1] } });
const columns = { a: "number" } as const;
const read = (source: unknown) => () => readCsv(any(source), { columns });
const bytes = (...parts: BlobPart[]) => read(new Blob(parts).stream());

/** What is done, and a part of the error that says what was found and what is wanted. */
const misuses: readonly (readonly [what: string, run: () => unknown, says: string])[] = [
  ["a number", read(5), "wanted a path, a URL, bytes, a Blob, a Response or a stream of bytes, found 5"],
  ["nothing", read(undefined), "wanted a path, a URL, bytes, a Blob, a Response or a stream of bytes, found nothing"],
  ["a response of no file", read(new Response("a", { status: 404 })), "Cannot read response: found status 404, wanted"],
  ["a stream of text", read(ReadableStream.from(["a\n1\n"])), "found a stream of text, wanted bytes: pipe it through"],
  ["a stream of lists", read(ReadableStream.from([[1, 2]])), "found a stream of a list, wanted bytes"],
  [
    "an address of another kind",
    read("s3://a/b.csv"),
    'Cannot read "s3://a/b.csv": wanted a path, or a URL of http, https',
  ],
  [
    "an address that may not be read",
    read("https://example.org/a.csv?key=1"),
    "Cannot read https://example.org/a.csv: Requires net access",
  ],
  ["lines that end in CR", bytes("a,b\r1,2\r"), "at line 1: the lines end in CR alone: wanted lines that end in LF"],
  ["many lines that end in CR", bytes("a,b\r", "1,2\r".repeat(3e4)), "at line 1: the lines end in CR alone"],
  ["UTF-16", bytes(utf16("a\n1\n", [0xff, 0xfe])), "at line 1: the text is UTF-16: wanted UTF-8"],
  ["UTF-16 without a mark", bytes(utf16("a\n1\n", [])), "at line 1: the text is UTF-16: wanted UTF-8"],
  ["bzip2", bytes("BZh9", bytesOf(0x31, 0x41, 0xd9, 0xff)), "at line 1: the file is compressed with bzip2"],
  ["xz", bytes(bytesOf(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0)), "at line 1: the file is compressed with xz"],
  ["zstd", bytes(bytesOf(0x28, 0xb5, 0x2f, 0xfd, 4, 0)), "at line 1: the file is compressed with zstd"],
  ["a spreadsheet", bytes("PK", bytesOf(3, 4, 20, 0)), "at line 1: the file is a zip archive or a spreadsheet"],
  ["Parquet", bytes("PAR1", bytesOf(0x15, 4, 0x15)), "at line 1: the file is Parquet"],
  [
    "groups as labels",
    () => labels(table, { r: "y", search: "q" }),
    'the groups of a ranking are named apart, labels(table, tasks, { "search": "q" })',
  ],
  [
    "a group of a task's name",
    () => labels(table, { r: "y" }, { r: "q" }),
    "at r: wanted a task or a group, found both",
  ],
  ["a column named count", () => {
    return encode(fit({ b: numeric() }, { b: [1, 2] }), any({ count: 2, b: [1, 2] }));
  }, "found the count of a table but no columns, wanted { count, columns } or lists by name"],
  ["a model disposed in the loop", () => {
    return trained(data, { epochs: 9 }, (model) => model.dispose());
  }, "Cannot train: the model is disposed"],
  ["no label", () => trained(rows([[1], [2]], { labels: { a: [null, NaN] } })), "no row has a label of any task"],
  ["no weight", () => {
    return trained(rows([[1], [2]], { labels: { a: [0, 1] }, weights: { a: [0, 0] } }));
  }, "(all are missing, or the weights 0): nothing would be learnt"],
  ["no label in pieces", () => {
    return trained(async function* () {
      yield await Promise.resolve(rows([[1], [2]], { labels: { a: [null, NaN] } }));
    });
  }, "no row of epoch 1 has a label of any task"],
  ["a row too large", async () => {
    const model = await compile(define({ input: 1, tasks: { n: count() } }), { engine: reference() });
    for (const x of [1e3, -1e3]) await model.predict(rows([[1], [x]]));
  }, 'at row 1, task "n": the prediction is Infinity, wanted a finite float32: the row\'s inputs are too large'],
];

for (const [what, run, says] of misuses) {
  Deno.test(`an error says what was found and what is wanted: ${what}`, async () => {
    const error = await assertRejects(async () => await run(), Error);
    assertStringIncludes(error.message, "Cannot ");
    assertStringIncludes(error.message, says);
  });
}

Deno.test("stopping by a number that the validation rows cannot have fails before the first step", async () => {
  const oneClass = rows([[1], [2]], { labels: { a: [0, 0] } });
  const unlabelled = rows([[1], [2]], { labels: { a: [NaN, NaN] } });
  for (const [validation, metric] of [[oneClass, "auc"], [unlabelled, "loss"], [unlabelled, "accuracy"]] as const) {
    let steps = 0;
    const options = { validation, stopping: { task: "a", metric } } as const;
    await assertRejects(() => trained(data, options, () => steps++), RangeError, `the ${metric} of task "a" is NaN`);
    assertEquals(steps, 0);
  }
});

Deno.test("a model that is disposed while it works says so, whatever it does", async () => {
  const many = rows(Array.from({ length: 3000 }, (_, row) => [row]), { labels: { a: new Array(3000).fill(1) } });
  const works = { predict: (model: Model) => model.predict(many), evaluate: (model: Model) => evaluate(model, many) };
  for (
    const [action, work] of Object.entries({
      ...works,
      "report gates": (model: Model) => gateReport(model, many),
    })
  ) {
    const model = await compile(define({ input: 1, tasks: { a: binary() } }), { engine: reference() });
    const { store, load } = model.engine;
    const engine = { ...model.engine, store, load: (...of: Parameters<typeof load>) => slow(load(...of)) };
    const disposed = await compile(model.spec, { engine });
    const working = work(disposed);
    disposed.dispose();
    await assertRejects(() => working, TypeError, "the model is disposed", action);
  }
});

Deno.test("a file whose quoted field holds a carriage return is read", async () => {
  const { columns } = await readCsv(new Blob(['a,b\n1,"x\ry"\n']).stream(), { columns: { a: "number", b: "text" } });
  assertEquals(columns.b.kind === "text" && columns.b.words, ["x\ry"]);
});

/** A program whose runs take a turn of the event loop. */
function slow<P extends { run: (...of: never[]) => unknown }>(program: P): P {
  const run = async (...of: never[]) => {
    const outputs = await program.run(...of);
    await new Promise((resolve) => setTimeout(resolve));
    return outputs;
  };
  return { ...program, run };
}

async function trained(data: Rows | (() => AsyncIterable<Rows>), options: TrainOptions = {}, each = (_: Model) => {}) {
  const model = await compile(define({ input: 1, tasks: { a: binary() } }), { engine: reference() });
  for await (const _ of train<string>(model, data, options)) each(model);
}
