/**
 * Checks that unmodified clients get from a server what the model predicts: `tritonclient` (binary tensors and JSON),
 * `urllib` as any plain client of the Open Inference Protocol and of TensorFlow Serving, and curl as its documentation calls
 * it. Installs `tritonclient` in `out/serve-clients`, and says so where that cannot be done.
 */
import { assert, assertEquals } from "@std/assert";
import { openModels, serve } from "../../lib/serve.ts";
import {
  binary,
  category,
  compile,
  define,
  dense,
  encode,
  fit,
  numeric,
  pipe,
  reference,
  relu,
  type Rows,
  save,
} from "../../mod.ts";
import { saveTriton } from "../../lib/onnx.ts";
import { commandRuns } from "./command.ts";
import { pythonOf, ran } from "../environment.ts";

console.log(`deno task serve ends as it should: ok | ${await commandRuns()} passed | 0 failed`);

const python = await pythonOf("out/serve-clients", [
  "tritonclient[http,grpc]==2.73.0",
  "numpy==2.4.6",
  "onnxruntime==1.32.0",
]);
if (python === undefined) Deno.exit(0);

const columns = { job: ["smith", "köln", "clerk", "smith"], age: [20.5, 31, -4, 60] };
const features = fit({ job: category(), age: numeric() }, columns);
const tasks = { click: binary(pipe(dense(8), relu)), like: binary() };
const model = await compile(define({ input: features, tasks }), { engine: reference(), seed: 3 });
const wanted = (await model.predict(encode(features, columns))).click;
/** Returns encoded rows as lists of lists by input. */
function columnsOf({ count, inputs }: Rows): Record<string, number[][]> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, data]) => {
      const width = data.length / count;
      return [
        name,
        Array.from({ length: count }, (_, row) => Array.from(data.subarray(row * width, (row + 1) * width))),
      ];
    }),
  );
}

const folder = await Deno.makeTempDir({ dir: "out", prefix: "serve-" });
try {
  await save(model, `${folder}/models/visitors/1`);
  await Deno.writeTextFile(`${folder}/columns.json`, JSON.stringify(columns));
  const models = await openModels(`${folder}/models`, { engine: reference() });
  const server = serve(models, { port: 0 });
  const clients = await ran(python, ["tests/serve/clients.py", server.url, `${folder}/columns.json`]);
  if ("failed" in clients) throw new Error(`The clients failed: ${clients.failed}`);
  const { error, ...answers } = JSON.parse(clients.out);
  for (const [client, click] of Object.entries<number[]>(answers)) {
    assertEquals(click.length, wanted.length, client);
    click.forEach((found, row) => assert(Math.abs(found - wanted[row]) < 1e-6, `${client}: row ${row} is ${found}`));
  }
  assert(error.includes('the input "age" is missing'), error);
  const body = JSON.stringify({ instances: columns.age.map((age, row) => ({ age, job: columns.job[row] })) });
  await saveTriton(model, `${folder}/triton`);
  await saveTriton(model, `${folder}/triton`, { version: 2 });
  await Deno.writeTextFile(`${folder}/encoded.json`, JSON.stringify(columnsOf(encode(features, columns))));
  const triton = await ran(python, ["tests/serve/triton.py", `${folder}/triton`, `${folder}/encoded.json`]);
  if ("failed" in triton) throw new Error(`The folder for Triton cannot be read: ${triton.failed}`);
  for (const click of JSON.parse(triton.out)) {
    click.forEach((found: number, row: number) => assert(Math.abs(found - wanted[row]) < 1e-6, `Triton: ${found}`));
  }
  const curl = await ran("curl", ["-s", "-d", body, "-X", "POST", `${server.url}/v1/models/visitors:predict`]);
  if ("failed" in curl) console.log(`SKIPPED: curl, ${curl.failed}`);
  else {
    const { predictions } = JSON.parse(curl.out);
    predictions.forEach(({ click }: { click: number }, row: number) => assert(Math.abs(click - wanted[row]) < 1e-6));
  }
  await server.close();
  await models.close();
  const ways = Object.keys(answers).length;
  console.log(`${ways} ways to call get what the model predicts: ok | ${ways} passed | 0 failed`);
} finally {
  await Deno.remove(folder, { recursive: true });
  model.dispose();
}
