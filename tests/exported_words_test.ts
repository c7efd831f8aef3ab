import * as tf from "@tensorflow/tfjs";
import { assert, assertEquals } from "@std/assert";
import {
  bank,
  binary,
  category,
  compile,
  define,
  dense,
  fit,
  level,
  mix,
  type Model,
  numeric,
  reference,
  saveGraphModel,
  softmax,
} from "../mod.ts";
import { saveOnnx } from "../lib/onnx.ts";
import { start } from "../lib/engines/onnx/runtime.ts";
import { cpu } from "../lib/engines/tfjs/tfjs.ts";
import { mapEntries } from "../lib/trace/entries.ts";
import { withTemp } from "./temp.ts";

const count = 5;
const age = Float32Array.of(20, 31, 47, 80, 5);

/** Codes of three columns, `[5, 3]`: in range, none of a column's, and just at its end. */
const strange = Int32Array.of(3, 0, 2, -1, 7, 999, 602, 10_000_000, 3, 601, -2_147_483_648, 4, 2_147_483_647, 41, 6);

/** The same codes with that of an unknown word in the place of those that their columns do not have. */
const known = Int32Array.of(3, 0, 2, 1, 7, 1, 1, 1, 3, 601, 1, 4, 1, 41, 1);

/** The same where the second column has one code, 0, for missing texts and unknown words. */
const alike = known.map((code, at) => at % 3 !== 1 || strange[at] >= 0 && strange[at] < 41 ? code : 0);

const inputs: Readonly<Record<string, readonly [some: readonly string[], known: Int32Array<ArrayBuffer>]>> = {
  whole: [["age", "big", "mid", "few"], known],
  part: [["mid", "age"], known],
  "whole, without a code of missing texts,": [["age", "big", "mid", "few"], alike],
  "part, without a code of missing texts,": [["mid", "age"], alike],
};

for (const [name, [streams, known]] of Object.entries(inputs)) {
  Deno.test(`exported models answer codes of no word as predict() does an unknown word, on a ${name} input`, () =>
    withTemp(async (dir) => {
      const model = await modelOf(600, streams, known === alike ? { missing: "unknown" } : {});
      const drawn = await model.parameters(); // no two words, missing or unknown, are answered alike
      model.assign(mapEntries(drawn, (_, { shape, data }) => ({ shape, data: data.map((x, at) => x + Math.sin(at)) })));
      const want = await model.predict({ count, inputs: { numeric: age, category: known } });
      for (const codes of [known, strange]) {
        for (const [format, found] of Object.entries(await answers(model, dir, codes))) {
          for (const task of ["a", "b"] as const) {
            found[task].forEach((number, row) =>
              assert(Math.abs(number - want[task][row]) < 1e-6, `${format}, ${task} of row ${row}: ${number}`)
            );
          }
        }
      }
      model.dispose();
    }));
}

Deno.test("exported models are as large as their parameters, and cut and pad no table when they run", () =>
  withTemp(async (dir) => {
    for (const stream of [["age", "big", "mid", "few"], ["mid", "age"]]) {
      const model = await modelOf(20_000, stream);
      const size = Object.values(await model.parameters()).reduce((total, { data }) => total + 4 * data.length, 0);
      await saveGraphModel(model, `${dir}/served`);
      const { modelTopology, weightsManifest } = JSON.parse(await Deno.readTextFile(`${dir}/served/model.json`));
      const ops: string[] = modelTopology.node.map(({ op }: { op: string }) => op);
      assertEquals(ops.filter((op) => op === "PadV2" || op === "OneHot"), []);
      const weights = await Promise.all(
        weightsManifest[0].paths.map((path: string) => Deno.readFile(`${dir}/served/${path}`)),
      );
      const stored = weights.reduce((total, { length }) => total + length, 0);
      assert(stored < size + 2000, `${stored} bytes for ${size} of parameters`);
      model.dispose();
    }
  }));

Deno.test("exported models hold their features, those above 1 MiB in a file that they name", () =>
  withTemp(async (dir) => {
    for (const words of [600, 120_000]) {
      const model = await modelOf(words, ["age", "big", "mid", "few"]);
      await saveOnnx(model, `${dir}/served.onnx`);
      await saveGraphModel(model, `${dir}/served`);
      const { userDefinedMetadata } = JSON.parse(await Deno.readTextFile(`${dir}/served/model.json`));
      const inOnnx = JSON.parse(await metadataOf(`${dir}/served.onnx`, "gatehouse"));
      const found = [[inOnnx, dir], [userDefinedMetadata.gatehouse, `${dir}/served`]] as const;
      for (const [{ input, codes }, folder] of found) {
        assertEquals(codes.category[0], { size: words + 2, missing: 0, unknown: 1 });
        if (words === 600) assertEquals(input, model.spec.input);
        else {
          const bytes = await Deno.readFile(`${folder}/${input.file}`);
          assertEquals(JSON.parse(new TextDecoder().decode(bytes)), model.spec.input);
          const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
          assertEquals(Object.keys(input), ["file", "sha256"]);
          assertEquals(input.sha256, digest.toHex());
        }
      }
      model.dispose();
    }
    const named = [...Deno.readDirSync(dir)].map(({ name }) => name.replace(/[0-9a-f]{16}/, "DIGEST")).sort();
    assertEquals(named, ["served", "served.onnx", "served.onnx.input-DIGEST.json"]);
  }));

Deno.test("exported models name features by their contents, and keep those that an older version names for a while", () =>
  withTemp(async (dir) => {
    const names = (folder: string) =>
      [...Deno.readDirSync(folder)].flatMap(({ name }) => /input/.test(name) ? [name] : []).sort();
    const [first, second] = [await modelOf(120_000, ["age", "big"]), await modelOf(120_001, ["age", "big"])];
    const saved: { readonly onnx: string[]; readonly served: string[] }[] = [];
    for (const model of [first, second]) {
      await saveOnnx(model, `${dir}/a.onnx`);
      await saveGraphModel(model, `${dir}/served`);
      saved.push({ onnx: names(dir), served: names(`${dir}/served`) });
    }
    const [{ onnx: [old], served: [older] }, { onnx, served }] = saved;
    assertEquals([onnx.length, onnx.includes(old), served.length, served.includes(older)], [2, true, 1, false]);
    await Deno.writeTextFile(`${dir}/a.onnx.input-mine.json`, "{}");
    await Deno.utime(`${dir}/${old}`, 0, 0);
    await Deno.utime(`${dir}/a.onnx.input-mine.json`, 0, 0);
    await saveOnnx(second, `${dir}/a.onnx`);
    assertEquals(names(dir), [...onnx.filter((name) => name !== old), "a.onnx.input-mine.json"].sort());
    [first, second].forEach((model) => model.dispose());
  }));

Deno.test("exported models take one op for the rows of a table and one for a mixture of experts", () =>
  withTemp(async (dir) => {
    const model = await modelOf(600, ["big"]);
    await saveGraphModel(model, `${dir}/served`);
    const { modelTopology } = JSON.parse(await Deno.readTextFile(`${dir}/served/model.json`));
    const ops: string[] = modelTopology.node.map(({ op }: { op: string }) => op);
    const counts = (...names: string[]) => names.map((name) => ops.filter((op) => op === name).length);
    const tables = 2 + 2; // experts and gates
    assertEquals(counts("SparseSegmentSum", "BatchMatMulV2", "GatherV2", "Sum", "Minimum"), [tables, 2, 1, 0, 1]);
    model.dispose();
  }));

/** A model of a number and three categories, of so many words, 40 and 4, whose expert reads some of them. */
async function modelOf(
  words: number,
  some: readonly string[],
  mid: Parameters<typeof category>[0] = {},
): Promise<Model<"a" | "b">> {
  const numbered = (most: number) => Array.from({ length: words }, (_, i) => `word ${i % most}`);
  const columns = { age: numbered(9).map((_, i) => i % 70), big: numbered(words), mid: numbered(40), few: numbered(4) };
  const features = fit({ age: numeric(), big: category(), mid: category(mid), few: category() }, columns);
  const spec = define({
    input: features,
    streams: { x: some, a: some, b: some },
    levels: [level({ x: bank(2, dense(3)) }, { a: mix("x", softmax), b: mix("x", softmax) })],
    tasks: { a: binary(), b: binary() },
  });
  return await compile(spec, { engine: reference(), seed: 4 });
}

/** The predictions of a model's files, by format and task. */
async function answers(model: Model<"a" | "b">, dir: string, codes: Int32Array<ArrayBuffer>) {
  await saveGraphModel(model, `${dir}/served`);
  await saveOnnx(model, `${dir}/served.onnx`);
  await cpu(); // registers the backend
  await tf.setBackend("cpu");
  const json = JSON.parse(await Deno.readTextFile(`${dir}/served/model.json`));
  const [{ paths, weights: weightSpecs }] = json.weightsManifest;
  const parts = await Promise.all(paths.map((path: string) => Deno.readFile(`${dir}/served/${path}`)));
  const weightData = await new Blob(parts).arrayBuffer();
  const loaded = await tf.loadGraphModel({ load: () => Promise.resolve({ ...json, weightSpecs, weightData }) });
  const given = { numeric: tf.tensor(age, [count, 1]), category: tf.tensor(codes, [count, 3], "int32") };
  const { a, b } = loaded.predict(given) as tf.NamedTensorMap;
  const graphModel = { a: a.dataSync(), b: b.dataSync() };
  tf.dispose([given, a, b]);
  loaded.dispose();

  const file = await Deno.readFile(`${dir}/served.onnx`);
  const session = (await start(1))(file, { inputs: ["numeric", "category"], outputs: ["a", "b"], plan: false });
  const onnx = { a: new Float32Array(count), b: new Float32Array(count) };
  session.run(
    [{ shape: [count, 1], data: age }, { shape: [count, 3], data: codes }],
    [{ shape: [count], data: onnx.a }, { shape: [count], data: onnx.b }],
  );
  session.dispose();
  return { "a GraphModel": graphModel, "an .onnx file": onnx };
}

/** The text of a key of an ONNX file's metadata: field 14 of the model, its key field 1 and its text field 2. */
async function metadataOf(path: string, key: string): Promise<string> {
  for (const { field, bytes } of fieldsOf(await Deno.readFile(path))) {
    if (field !== 14) continue;
    const [name, text] = fieldsOf(bytes).map(({ bytes }) => new TextDecoder().decode(bytes));
    if (name === key) return text;
  }
  throw new Error(`no metadata ${key}`);
}

/** The fields of a protobuf message that have lengths. */
function fieldsOf(message: Uint8Array): { readonly field: number; readonly bytes: Uint8Array }[] {
  const found: { field: number; bytes: Uint8Array }[] = [];
  let at = 0;
  const varint = (): number => {
    for (let value = 0, factor = 1;; factor *= 128) {
      value += (message[at] & 127) * factor;
      if (message[at++] < 128) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    const number = varint();
    if ((key & 7) === 2) found.push({ field: key >> 3, bytes: message.subarray(at, at += number) });
  }
  return found;
}
