import * as tf from "@tensorflow/tfjs";
import { assert, assertEquals, assertLess, assertRejects, assertStringIncludes } from "@std/assert";
import {
  binary,
  category,
  compile,
  define,
  dense,
  embed,
  encode,
  fit,
  mmoe,
  numeric,
  pipe,
  reference,
} from "../mod.ts";
import { type Model, saveGraphModel } from "../mod.ts";
import { saveOnnx } from "../lib/onnx.ts";
import { served } from "../lib/model/exported.ts";
import { fieldsOf } from "./protobuf.ts";
import { withTemp } from "./temp.ts";

const table = {
  user: Array.from({ length: 300 }, (_, at) => `user ${at}`),
  day: Array.from({ length: 300 }, (_, at) => ["mon", "tue"][at % 2]),
  age: Array.from({ length: 300 }, (_, at) => at % 90),
};
const input = fit({ user: category(), day: category(), age: numeric() }, table);
const rows = encode(input, { user: ["user 7", "nobody", null], day: ["tue", null, "mon"], age: [20, 5, 70] });

async function model(seed = 3): Promise<Model> {
  const spec = define(mmoe({ input, expert: pipe(embed(8), dense(4)), tasks: { click: binary(), like: binary() } }));
  const made = await compile(spec, { engine: reference(), seed });
  const larger = Object.entries(await made.parameters()).map(([path, { shape, data }]) =>
    [path, { shape, data: data.map((number, at) => number + Math.sin(at)) }] as const
  );
  made.assign(Object.fromEntries(larger));
  return made;
}

const namesIn = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

/** The outputs of an `.onnx` file, which ONNX Runtime opens by its path. */
async function servedBy(path: string, names: readonly string[]): Promise<Record<string, Float32Array>> {
  const { binding, initOrt } = await import("npm:onnxruntime-node@1.30.0/dist/binding.js");
  initOrt();
  const session = new binding.InferenceSession();
  session.loadModel(path, { graphOptimizationLevel: "all" });
  const fed = Object.entries(rows.inputs).map(([name, data]) => {
    const type = data instanceof Int32Array ? "int32" : "float32";
    return [name, { type, dims: [rows.count, data.length / rows.count], data, location: "cpu" }];
  });
  const outputs = session.run(
    Object.fromEntries(fed),
    Object.fromEntries(names.map((name) => [name, null])) as never,
    {},
  );
  session.dispose();
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array]));
}

/** A model whose parameters are rounded to float16. */
async function rounded(model: Model): Promise<Model> {
  const entries = Object.entries(await model.parameters()).map(([path, { shape, data }]) =>
    [path, { shape, data: Float32Array.from(Float16Array.from(data)) }] as const
  );
  return await compile(model.spec, { engine: reference(), parameters: Object.fromEntries(entries) });
}

function assertClose(found: Record<string, Float32Array>, wanted: Record<string, Float32Array>, what: string): void {
  for (const [task, numbers] of Object.entries(wanted)) {
    numbers.forEach((number, at) => assertLess(Math.abs(found[task][at] - number), 2e-6, `${what}: ${task} [${at}]`));
  }
}

Deno.test("saveOnnx() stores parameters as float16 and in a file beside it, and ONNX Runtime computes the same", () =>
  withTemp(async (dir) => {
    const full = await model();
    const [half, exact] = [await rounded(full), await full.predict(rows)];
    assert((await half.predict(rows)).click.some((number, at) => Math.abs(number - exact.click[at]) > 1e-5));
    for (const [type, one] of [["float32", full], ["float16", half]] as const) {
      for (const externalAbove of [undefined, 0]) {
        const path = `${dir}/${type}-${externalAbove}.onnx`;
        await saveOnnx(full, path, { dtype: type, externalAbove });
        assertClose(await servedBy(path, ["click", "like"]), await one.predict(rows), path);
      }
    }
    const size = (name: string) => Deno.statSync(`${dir}/${name}`).size;
    assertLess(size("float16-undefined.onnx"), 0.65 * size("float32-undefined.onnx"));
  }));

Deno.test("saveOnnx() names a file of parameters as ONNX has it, and replaces older ones", () =>
  withTemp(async (dir) => {
    const one = await model();
    const path = `${dir}/served.onnx`;
    await saveOnnx(one, path, { externalAbove: 2000 });
    const [data] = namesIn(dir).filter((name) => /^served\.onnx\.weights-[0-9a-f]{16}\.data$/.test(name));
    assertEquals(namesIn(dir), ["served.onnx", data]);
    const bytes = Deno.readFileSync(`${dir}/${data}`);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
    assertEquals(data, `served.onnx.weights-${digest.slice(0, 16)}.data`);
    const parameters = await one.parameters();
    const outside = tensorsIn(Deno.readFileSync(path)).filter(({ texts }) => texts.location !== undefined);
    assert(outside.length > 0);
    for (const { name, texts: { location, offset, length } } of outside) {
      assertEquals(location, data);
      assertEquals(Number(offset) % 4096, 0);
      const part = bytes.slice(Number(offset), Number(offset) + Number(length));
      assertEquals(new Float32Array(part.buffer), parameters[name].data, name);
    }
    const large = Object.entries(parameters).filter(([, { data }]) => data.byteLength >= 1024);
    assertEquals(outside.map(({ name }) => name).sort(), large.map(([path]) => path).sort());

    Deno.utimeSync(`${dir}/${data}`, new Date(0), new Date(0));
    await saveOnnx(await model(4), path, { externalAbove: 0 });
    assert(!namesIn(dir).includes(data));
    assertEquals(namesIn(dir).length, 2);
    await saveOnnx(one, `${dir}/small.onnx`, { externalAbove: 1e6 });
    assertEquals(namesIn(dir).filter((name) => name.startsWith("small")), ["small.onnx"]);
    const wrong = saveOnnx(one, path, { externalAbove: -1 });
    await assertRejects(() => wrong, TypeError, "externalAbove must be a number of bytes below 2 GiB, found -1");
  }));

Deno.test("saveGraphModel() stores parameters as float16, which TensorFlow.js reads", () =>
  withTemp(async (dir) => {
    const full = await model();
    for (const [type, one] of [["float32", full], ["float16", await rounded(full)]] as const) {
      await saveGraphModel(full, `${dir}/${type}`, { dtype: type });
      const json = JSON.parse(Deno.readTextFileSync(`${dir}/${type}/model.json`));
      const [{ paths, weights }] = json.weightsManifest;
      const parts = paths.map((path: string) => Deno.readFileSync(`${dir}/${type}/${path}`));
      const weightData = await new Blob(parts).arrayBuffer();
      const graph = await tf.loadGraphModel({
        load: () =>
          Promise.resolve({
            modelTopology: json.modelTopology,
            weightSpecs: weights,
            weightData,
            signature: json.signature,
            userDefinedMetadata: json.userDefinedMetadata,
          }),
      });
      const fed = Object.entries(rows.inputs).map(([name, data]) => {
        const type = data instanceof Int32Array ? "int32" : "float32";
        return [name, tf.tensor(data as Float32Array, [rows.count, data.length / rows.count], type)];
      });
      const found = graph.predict(Object.fromEntries(fed)) as Record<string, tf.Tensor>;
      const numbers = Object.entries(found).map(([name, tensor]) => [name, tensor.dataSync() as Float32Array]);
      assertClose(Object.fromEntries(numbers), await one.predict(rows), type);
      graph.dispose();
    }
    const bytes = (type: string) => Deno.statSync(`${dir}/${type}/group1-shard1of1.bin`).size;
    assertLess(bytes("float16"), 0.65 * bytes("float32"));
  }));

Deno.test("exports refuse what float16 cannot hold, and other types, and write nothing", () =>
  withTemp(async (dir) => {
    const one = await model();
    const parameters = await one.parameters();
    const path = "tasks/click/head/0/bias";
    one.assign({ ...parameters, [path]: { shape: [1], data: Float32Array.of(-65505) } });
    for (const write of [saveOnnx, saveGraphModel]) {
      const error = await assertRejects(() => write(one, `${dir}/served`, { dtype: "float16" }), RangeError);
      assertStringIncludes(error.message, `the parameter "${path}" has -65505 at [0], wanted at most 65504`);
      const type = write(one, `${dir}/served`, { dtype: "half" as never });
      await assertRejects(() => type, TypeError, 'dtype must be "float32" or "float16", found "half"');
    }
    assertEquals(namesIn(dir), []);
  }));

Deno.test("exports never multiply one-hot columns with vectors that are looked up, however few there are", async () => {
  const one = await model();
  for (const least of [4, 32, 1e9]) {
    const { nodes } = served(one, {}, "export", least);
    const lookedUp = nodes.filter(({ op, of }) =>
      (op === "matmul" || op === "gatherSum") && of.some((at) => nodes[at].attrs.rows === "looked up")
    );
    assertEquals(lookedUp.map(({ op }) => op), Array(16).fill("gatherSum")); // two features of eight experts
  }
});

/** The stored tensors of an ONNX file: their names, and what they say of other files. */
function tensorsIn(file: Uint8Array): { readonly name: string; readonly texts: Readonly<Record<string, string>> }[] {
  const all = (bytes: Uint8Array, field: number) => fieldsOf(bytes).filter((found) => found.field === field);
  const text = (bytes: Uint8Array, field: number) => new TextDecoder().decode(all(bytes, field)[0].bytes);
  const [graph] = all(file, 7);
  return all(graph.bytes, 5).map(({ bytes }) => ({
    name: text(bytes, 8),
    texts: Object.fromEntries(all(bytes, 13).map(({ bytes: entry }) => [text(entry, 1), text(entry, 2)])),
  }));
}
