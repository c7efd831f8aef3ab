import { assert, assertEquals, assertRejects } from "@std/assert";
import { parquetReadObjects } from "hyparquet";
import { random } from "../lib/data/random.ts";
import type { Data } from "../lib/model/pieces.ts";
import { encodeRows } from "../lib/ray/coded.ts";
import type { Tensor } from "../lib/ops/tensor.ts";
import { batchTensors } from "../lib/model/feed.ts";
import { sliceRows } from "../lib/data/rows.ts";
import {
  binary,
  categorical,
  category,
  csvParts,
  dataset,
  define,
  encode,
  fit,
  numeric,
  regression,
  type Rows,
  rows,
  sequence,
} from "../mod.ts";
import { withTemp } from "./temp.ts";

const source = random("coded");
const count = 95;
const pick = (size: number) => source.bits() % size;
const columns = {
  age: Array.from({ length: count }, () => pick(50)),
  height: Array.from({ length: count }, () => source.normal()),
  town: Array.from({ length: count }, () => ["bonn", "ulm", "jena"][pick(3)]),
  seen: Array.from({ length: count }, () => Array.from({ length: pick(4) }, () => `v${pick(9)}`)),
};
const input = fit({ age: numeric(), height: numeric(), town: category(), seen: sequence() }, columns);
const tasks = { click: binary(), price: regression(), kind: categorical(3) };
const spec = define({ input, tasks });
const data = rows(encode(input, columns), {
  labels: {
    click: Array.from({ length: count }, (_, row) => row % 4 === 0 ? null : pick(2)),
    price: Array.from({ length: count }, () => source.normal()),
    kind: Array.from({ length: count }, (_, row) => row % 3 === 0 ? null : pick(3)),
  },
  weights: { price: Array.from({ length: count }, () => pick(5)) },
});

async function* pieces() {
  for (const start of [0, 30, 60, 90]) yield await Promise.resolve(sliceRows(data, start, Math.min(30, count - start)));
}

/** The rows of a dataset as row numbers in CSV, whose parts are files. */
async function inFiles(): Promise<Data> {
  const files = [[0, 40], [40, 80], [80, count]].map(([from, to]) => {
    return new Blob(["row\n", ...Array.from({ length: to - from }, (_, at) => `${from + at}\n`)]);
  });
  const parts = await csvParts(files, { columns: { row: "number" } });
  return dataset(parts, ({ columns: { row } }) => {
    const places = row.kind === "number" ? [...row.values] : [];
    return joinedRows(places.map((place) => sliceRows(data, place, 1)));
  }, { buffer: 20 });
}

function joinedRows(all: readonly Rows[]): Rows {
  const joined = (of: (rows: Rows) => Record<string, Float32Array | Int32Array | Float64Array>) =>
    Object.fromEntries(
      Object.keys(of(data)).map((name) => {
        const kind = of(data)[name].constructor as typeof Float32Array;
        return [name, kind.from(all.flatMap((rows) => [...of(rows)[name]]))];
      }),
    );
  const lists = all.map(({ lists }) => lists!.seen);
  const starts = Int32Array.from([
    0,
    ...lists.map(({ codes }, at) => {
      return lists.slice(0, at + 1).reduce((sum, { codes }) => sum + codes.length, 0) + 0 * codes.length;
    }),
  ]);
  return {
    count: all.length,
    encoding: data.encoding,
    inputs: joined(({ inputs }) => inputs as never) as Rows["inputs"],
    lists: { seen: { starts, codes: Int32Array.from(lists.flatMap(({ codes }) => [...codes])) } },
    labels: joined(({ labels }) => labels as never) as Rows["labels"],
    weights: joined(({ weights }) => weights as never) as Rows["weights"],
  };
}

/** The tensors of a folder of encoded rows. */
async function read(folder: string, name: string): Promise<Record<string, Tensor["data"]>> {
  const { files } = JSON.parse(await Deno.readTextFile(`${folder}/${name}.json`));
  const wanted = batchTensors(spec, data);
  const found = Object.fromEntries(
    Object.entries(wanted).map(([name, { data }]) => {
      return [name, new (data.constructor as typeof Float32Array)(data.length)];
    }),
  );
  let row = 0;
  for (const { file } of files) {
    const { buffer } = await Deno.readFile(`${folder}/${file}`);
    for (const object of await parquetReadObjects({ file: buffer, utf8: false })) {
      for (const [name, to] of Object.entries(found)) {
        const width = to.length / count;
        if (width === 1) to[row] = object[name];
        else new Uint8Array(to.buffer).set(object[name], 4 * row * width);
      }
      row++;
    }
  }
  assertEquals(row, count);
  return found;
}

const wanted = Object.fromEntries(
  Object.entries(batchTensors(spec, data, { click: 1, price: 1, kind: 1 })).map(([name, { data }]) => [name, data]),
);
const sources: Readonly<Record<string, () => Data | Promise<Data>>> = {
  "rows in memory": () => data,
  "a function of pieces": () => pieces,
  "a dataset": inFiles,
};

for (const [name, begin] of Object.entries(sources)) {
  Deno.test(`encodeRows() writes ${name} as graphs read them, and goes on where it was stopped`, () =>
    withTemp(async (dir) => {
      const whole = await encodeRows(spec, await begin(), `${dir}/whole`, "train", { groupRows: 10, lanes: 2 });
      assertEquals(whole.groups.reduce((sum, { rows }) => sum + rows, 0), count);
      assertEquals(whole.labelled, true);
      const files = new Set(whole.groups.map(({ file }) => file));
      for (const one of files) { // every lane has as many row groups of a file, and all are even
        const rows = whole.groups.filter(({ file }) => file === one).map(({ rows }) => rows);
        assert(rows.length % 2 === 0 && Math.max(...rows) <= 10, `${rows}`);
        assert(rows.slice(1, -1).every((count) => count === rows[0]), `${rows}`);
      }
      assertEquals(await read(`${dir}/whole`, "train"), wanted);
      // Where the index names fewer files, as that of a run that was killed does, the others are written.
      await copied(`${dir}/whole`, `${dir}/cut`);
      const index = JSON.parse(await Deno.readTextFile(`${dir}/cut/train.json`));
      const left = Math.floor(index.files.length / 2);
      await Deno.writeTextFile(
        `${dir}/cut/train.json`,
        JSON.stringify({ ...index, files: index.files.slice(0, left), ended: false }),
      );
      for (const { file } of index.files.slice(left)) await Deno.remove(`${dir}/cut/${file}`);
      const kept = index.files.slice(0, left).map(({ file }: { file: string }) => `${dir}/cut/${file}`);
      const litter = `${dir}/cut/train/.part-00001.parquet.gatehouse-new-01234567`;
      await Deno.writeTextFile(litter, "");
      await Deno.utime(litter, 0, 0);
      const times = kept.map((file: string) => Deno.statSync(file).ino);
      const again = await encodeRows(spec, await begin(), `${dir}/cut`, "train", { groupRows: 10, lanes: 2 });
      assertEquals(again, whole);
      assertEquals(await read(`${dir}/cut`, "train"), wanted);
      assertEquals([...Deno.readDirSync(`${dir}/cut/train`)].length, index.files.length);
      assertEquals(kept.map((file: string) => Deno.statSync(file).ino), times, "whole files are not written again");
      for (const { file } of index.files) {
        assertEquals(await Deno.readFile(`${dir}/cut/${file}`), await Deno.readFile(`${dir}/whole/${file}`), file);
      }
      assertEquals(await encodeRows(spec, await begin(), `${dir}/cut`, "train", { groupRows: 10, lanes: 2 }), whole);
    }));
}

async function copied(from: string, to: string): Promise<void> {
  await Deno.mkdir(`${to}/train`, { recursive: true });
  for (const name of ["train.json", ...[...Deno.readDirSync(`${from}/train`)].map(({ name }) => `train/${name}`)]) {
    await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

Deno.test("encodeRows() refuses a folder of other rows, features or groups, and writes what is missing there", () =>
  withTemp(async (dir) => {
    const coding = { groupRows: 10, lanes: 2 };
    await encodeRows(spec, data, dir, "train", coding);
    const refused = async (of: typeof spec, rows: Rows, groupRows: number, message: string) => {
      const found = await assertRejects(() => encodeRows(of, rows, dir, "train", { groupRows, lanes: 2 }), TypeError);
      assert(found.message.includes(`${dir}/train.json`) && found.message.includes(message), found.message);
    };
    await refused(spec, sliceRows(data, 0, 50), 10, "it has the encoded rows of other data: data.count: found 50");
    await refused(spec, data, 20, "groupRows: found 20, that folder has 10");
    await refused(define({ input, tasks: { ...tasks, price: binary() } }) as never, data, 10, "features: found");
    await Deno.remove(`${dir}/train/part-00000.parquet`);
    await encodeRows(spec, data, dir, "train", coding);
    assertEquals(await read(dir, "train"), wanted);
    await Deno.truncate(`${dir}/train/part-00000.parquet`, 100);
    await encodeRows(spec, data, dir, "train", coding);
    assertEquals(await read(dir, "train"), wanted);
    const whole = JSON.parse(await Deno.readTextFile(`${dir}/train.json`));
    const damaged = [{ groups: [] }, { groups: 10 }, { groups: [10, 0.5] }, { file: null }, { bytes: "1" }]
      .map((more) => JSON.stringify({ ...whole, files: [{ ...whole.files[0], ...more }] }));
    for (const text of ["{}", "{", JSON.stringify({ ...whole, ended: 1 }), ...damaged]) {
      await Deno.writeTextFile(`${dir}/train.json`, text);
      await refused(spec, data, 10, "it is damaged, or of another program: wanted another folder");
    }
  }));

Deno.test("encodeRows() ends where it is aborted, and leaves no part of a file", () =>
  withTemp(async (dir) => {
    const controller = new AbortController();
    async function* ending() {
      for await (const some of pieces()) {
        yield some;
        controller.abort(new Error("enough"));
      }
    }
    const coding = { groupRows: 10, lanes: 2, signal: controller.signal };
    await assertRejects(() => encodeRows(spec, ending, dir, "train", coding), Error, "enough");
    assertEquals([...Deno.readDirSync(`${dir}/train`)].map(({ name }) => name), ["part-00000.parquet"]);
    const wrong = async function* () {
      yield* pieces();
      yield rows([[1]], { labels: { click: [1] } });
    };
    await assertRejects(
      () => encodeRows(spec, wrong, `${dir}/wrong`, "train", { groupRows: 10, lanes: 2 }),
      TypeError,
      'has no input "input": it has features, and reads what encode(featuresOf(model.spec), table) returns\n' +
        "  where rows are counted from the first of piece 4, all from 0",
    );
    const index = JSON.parse(await Deno.readTextFile(`${dir}/wrong/train.json`));
    assertEquals([index.files.length, index.ended], [4, false]); // what was encoded stays
  }));
