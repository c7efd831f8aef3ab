/**
 * Checks that unmodified clients get from a server what the model predicts: `tritonclient` (binary tensors and JSON),
 * KServe's client, `urllib` as any plain client of the Open Inference Protocol and of TensorFlow Serving, and curl as
 * TensorFlow Serving's documentation calls it; that Prometheus's own parser reads its counts; and that mutated requests get
 * answers of their own: some of them, with `--full` 20,000. Installs the clients in `out/serve-clients`,
 * `out/serve-kserve` and `out/serve-openvino`, and says so where that cannot be done.
 */
import { assert, assertEquals } from "@std/assert";
import { openModels, serve } from "../../lib/serve.ts";
import {
  bag,
  binary,
  categorical,
  category,
  compile,
  define,
  dense,
  encode,
  fit,
  hashed,
  mlp,
  mmoe,
} from "../../mod.ts";
import { type Model, numeric, pipe, reference, relu, type Rows, save, sequence } from "../../mod.ts";
import { inputTensors } from "../../lib/model/feed.ts";
import { saveTriton } from "../../lib/onnx.ts";
import { commandRuns } from "./command.ts";
import { lateBodies } from "./late.ts";
import { mutatedRequests } from "./mutated.ts";
import { pythonOf, ran } from "../environment.ts";

console.log(`deno task serve ends as it should: ok | ${await commandRuns()} passed | 0 failed`);

await bundleAnswers();
await lateBodies();

const python = await pythonOf("out/serve-clients", [
  "tritonclient[http,grpc]==2.73.0",
  "numpy==2.4.6",
  "onnxruntime==1.32.0",
  "prometheus_client==0.26.0",
]);
if (python === undefined) Deno.exit(0);

const openvino = await pythonOf("out/serve-openvino", ["openvino==2026.4.1", "numpy==2.4.6"]);

const columns = { job: ["smith", "köln", "clerk", "smith"], age: [20.5, 31, -4, 60] };
const features = fit({ job: category(), age: numeric() }, columns);
const tasks = { click: binary(pipe(dense(8), relu)), like: binary() };
const model = await compile(define({ input: features, tasks }), { engine: reference(), seed: 3 });
const wanted = (await model.predict(encode(features, columns))).click;
const folder = await Deno.makeTempDir({ dir: "out", prefix: "serve-" });
try {
  await save(model, `${folder}/models/visitors/1`);
  const requests = Deno.args.includes("--full") ? 20_000 : 1000;
  const mutated = await mutatedRequests(`${folder}/models/visitors/1`, requests);
  console.log(`Mutated requests get answers of their own (${mutated}): ok | 1 passed | 0 failed`);
  await Deno.writeTextFile(`${folder}/columns.json`, JSON.stringify(columns));
  const models = await openModels(`${folder}/models`, { engine: reference() });
  const server = serve(models, { port: 0 });
  const clients = await ran(python, ["tests/serve/clients.py", server.url, `${folder}/columns.json`]);
  if ("failed" in clients) throw new Error(`The clients failed: ${clients.failed}`);
  const { error, ...answers } = JSON.parse(clients.out);
  const ofKserve = await pythonOf("out/serve-kserve", ["kserve==0.21.0"]);
  if (ofKserve !== undefined) {
    const kserve = await ran(ofKserve, ["tests/serve/kserve_client.py", server.url, `${folder}/columns.json`]);
    if ("failed" in kserve) throw new Error(`KServe's client failed: ${kserve.failed}`);
    Object.assign(answers, JSON.parse(kserve.out));
  }
  assert(error.includes('the input "age" is missing'), error);
  const body = JSON.stringify({ instances: columns.age.map((age, row) => ({ age, job: columns.job[row] })) });
  await tritonReads(model, encode(features, columns), [1, 2], `${folder}/visitors`);
  const ids = await idsModel();
  await tritonReads(ids.model, ids.rows, [1], `${folder}/ids`);
  ids.model.dispose();
  const curl = async (...args: readonly string[]) => {
    const found = await ran("curl", ["-s", ...args]);
    if ("failed" in found) throw new Error(`curl failed: ${found.failed}`);
    return JSON.parse(found.out);
  };
  if ("failed" in await ran("curl", ["--version"])) console.log("SKIPPED: curl is not here");
  else {
    const base = `${server.url}/v1/models/visitors`;
    const { model_version_status: [{ state }] } = await curl(base);
    assertEquals(state, "AVAILABLE");
    assertEquals((await curl(`${base}/metadata`)).model_spec.name, "visitors");
    const rows = await curl("-d", body, "-X", "POST", `${base}:predict`);
    answers["curl, rows"] = rows.predictions.map(({ click }: { click: number }) => click);
    const byColumn = await curl("-X", "POST", `${base}/versions/1:predict`, "-d", JSON.stringify({ inputs: columns }));
    answers["curl, columns"] = byColumn.outputs.click;
  }
  for (const [client, click] of Object.entries<number[]>(answers)) {
    assertEquals(click.length, wanted.length, client);
    click.forEach((found, row) => assert(Math.abs(found - wanted[row]) < 1e-6, `${client}: row ${row} is ${found}`));
  }
  await server.close();
  await models.close();
  const ways = Object.keys(answers).length;
  console.log(`${ways} ways to call get what the model predicts: ok | ${ways} passed | 0 failed`);
} finally {
  await Deno.remove(folder, { recursive: true });
  model.dispose();
}

/** Bundles a handler to one file, as edge runtimes take it, and asks it behind Node.js's own server. */
async function bundleAnswers(): Promise<void> {
  const place = await Deno.makeTempDir({ dir: "out", prefix: "edge-" });
  try {
    const bundle = ["bundle", "--quiet", "--output", `${place}/edge.mjs`, "tests/serve/edge.ts"];
    const made = await ran(Deno.execPath(), bundle);
    if ("failed" in made) throw new Error(`The handler cannot be bundled: ${made.failed}`);
    if ("failed" in await ran("node", ["--version"])) return console.log("SKIPPED: node is not here");
    const asked = await ran("node", ["tests/serve/node_adapter.js", `${place}/edge.mjs`]);
    if ("failed" in asked) throw new Error(`The bundle fails in Node.js: ${asked.failed}`);
    const { there, here } = JSON.parse(asked.out);
    assertEquals(there.predictions.length, 2);
    assertEquals(there, here);
    console.log("A bundled handler answers in Node.js: ok | 1 passed | 0 failed");
  } finally {
    await Deno.remove(place, { recursive: true });
  }
}

/**
 * Makes sure that the folder for Triton of a model is right, and that its graphs compute what the model predicts, by ONNX
 * Runtime, as Triton runs them, and by OpenVINO, as its Model Server does.
 */
async function tritonReads(model: Model, rows: Rows, versions: readonly number[], place: string): Promise<void> {
  for (const version of versions) await saveTriton(model, place, { version });
  const lists = Object.entries(inputTensors(rows, model.spec.input)).map(([name, { shape: [count, width], data }]) => {
    return [name, Array.from({ length: count }, (_, row) => [...data.subarray(row * width, (row + 1) * width)])];
  });
  await Deno.writeTextFile(`${place}.json`, JSON.stringify(Object.fromEntries(lists)));
  const { click } = await model.predict(rows);
  const readers = [[python!, "triton.py"], ...openvino === undefined ? [] : [[openvino, "openvino_reader.py"]]];
  for (const [program, reader] of readers) {
    const found = await ran(program, [`tests/serve/${reader}`, place, `${place}.json`]);
    if ("failed" in found) throw new Error(`The folder for Triton cannot be read by ${reader}: ${found.failed}`);
    const all: number[][] = JSON.parse(found.out);
    assertEquals(all.length, versions.length);
    for (const one of all) {
      one.forEach((p, row) => assert(Math.abs(p - click[row]) < 1e-6, `${place}, ${reader}: ${p}`));
    }
  }
}

/** Returns a model of ids, in columns of one and of many, and rows. */
async function idsModel(): Promise<{ readonly model: Model; readonly rows: Rows }> {
  const [user, item] = [["a", "b", "c", "a"], ["x", "y", "x", "z"]];
  const table = {
    user,
    item,
    age: [20.5, 31, -4, 60],
    tags: [["p"], ["q", "p"], [], ["r"]],
    seen: [["x"], [], ["z"], ["y"]],
  };
  const kinds = { user: hashed(50), item: category(), age: numeric(), tags: bag(), seen: sequence({ most: 3 }) };
  const input = fit(kinds, table);
  const spec = define(mmoe({ input, expert: mlp([8]), experts: 2, tasks: { click: binary(), kind: categorical(3) } }));
  return { model: await compile(spec, { engine: reference(), seed: 3 }), rows: encode(input, table) };
}
