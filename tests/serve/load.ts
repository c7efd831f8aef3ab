/**
 * Measures a server of W4, the census model, under load, and two peers in the same run: FastAPI with ONNX Runtime, a worker
 * for each core, and a bare `Deno.serve` around `encode` and `predict`. `autocannon` sends the requests, of one row and of
 * many; needs npm, and python3 for FastAPI. What is measured is a line of JSON on standard output, a table on standard error.
 */
import { compile, type Features, save, textTable } from "../../mod.ts";
import { random } from "../../lib/datasets.ts";
import { saveOnnx } from "../../lib/onnx.ts";
import { readCensus } from "../bench/census.ts";
import { cases, specOf } from "../bench/cases.ts";
import { pythonOf, ran } from "../environment.ts";

const [seconds, connections] = [Number(Deno.args[0] ?? 10), 8];
const folder = "out/serve-load";
const packages = ["fastapi==0.165.0", "uvicorn==0.54.0", "onnxruntime==1.32.0", "numpy==2.4.6"];

/** A server under test: how it is begun, and the line by which it says where it listens. */
interface Contestant {
  readonly name: string;
  readonly command: readonly [program: string, args: readonly string[]];
}

const features = await prepared();
const bodies = Object.fromEntries([1, 100].map((rows) => [rows, bodyOf(features, rows)]));
for (const [rows, body] of Object.entries(bodies)) await Deno.writeTextFile(`${folder}/body-${rows}.json`, body);
const python = await pythonOf("out/serve-load/venv", packages);
const deno = (args: readonly string[]) =>
  [Deno.execPath(), [
    "run",
    "--no-prompt",
    "--allow-read",
    "--allow-write=out",
    "--allow-net=127.0.0.1",
    "--allow-ffi",
    ...args,
  ]] as const;
const contestants: Contestant[] = [
  { name: "ours", command: deno(["examples/serve.ts", "--model", `${folder}/models`, "--port", "8471", "--json"]) },
  { name: "encode and predict", command: deno(["tests/serve/bare.ts", `${folder}/models/census/1`, "8472"]) },
  ...python === undefined ? [] : [{
    name: "FastAPI and ONNX Runtime",
    command: [python, [
      "-m",
      "uvicorn",
      "--app-dir",
      "tests/serve",
      "fastapi_peer:app",
      "--workers",
      `${navigator.hardwareConcurrency}`,
      "--port",
      "8473",
      "--log-level",
      "error",
    ]] as const,
  }],
];
const table: Record<string, string | number>[] = [];
for (const [at, { name, command }] of contestants.entries()) {
  const [program, args] = command;
  const server = new Deno.Command(program, { args: [...args], stdout: "null", stderr: "inherit" }).spawn();
  try {
    const url = `http://127.0.0.1:${8471 + at}/v1/models/census:predict`;
    await answers(url, bodies[1]);
    for (const rows of [1, 100]) table.push({ server: name, rows, ...await measured(url, rows, name) });
  } finally {
    server.kill("SIGTERM");
    await server.status;
  }
}
console.error(textTable(table));

/** Saves the model in the forms that the servers read; returns its features. */
async function prepared(): Promise<Features> {
  await Deno.mkdir(folder, { recursive: true });
  const spec = specOf({ name: "W4", ...cases.W4 }, (await readCensus()).features);
  const model = await compile(spec, { seed: 1 });
  await save(model, `${folder}/models/census/1`);
  await saveOnnx(model, `${folder}/census.onnx`);
  if (!("features" in model.spec.input)) throw new Error("W4 has features");
  const { features } = model.spec.input;
  await Deno.writeTextFile(`${folder}/features.json`, JSON.stringify(features));
  model.dispose();
  return features;
}

/** Returns a request of some rows, with values that the features know. */
function bodyOf(features: Features, rows: number): string {
  const source = random(`load:${rows}`);
  const value = (feature: Features[string]) =>
    feature.kind === "category"
      ? feature.words[source.bits() % feature.words.length]
      : Math.floor(90 * source.uniform());
  const row = () => Object.fromEntries(Object.entries(features).map(([name, feature]) => [name, value(feature)]));
  return JSON.stringify({ instances: Array.from({ length: rows }, row) });
}

/** Resolves when a server answers. */
async function answers(url: string, body: string): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    const found = await fetch(url, { method: "POST", body, headers: { "content-type": "application/json" } }).catch(
      () => undefined,
    );
    await found?.body?.cancel();
    if (found?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${url} does not answer`);
}

/** Sends requests for some seconds. */
async function measured(url: string, rows: number, name: string): Promise<Record<string, number>> {
  const args = ["-y", "autocannon@8.0.0", "--json", "-c", `${connections}`, "-d", `${seconds}`, "-m", "POST"];
  const file = `${folder}/body-${rows}.json`;
  const found = await ran("npx", [...args, "-H", "content-type=application/json", "-i", file, url]);
  if ("failed" in found) throw new Error(`autocannon failed: ${found.failed}`);
  const { requests, latency, non2xx, errors } = JSON.parse(found.out);
  const line = { requests_per_s: requests.average, p50_ms: latency.p50, p99_ms: latency.p99, failed: non2xx + errors };
  console.log(JSON.stringify({ server: name, rows, connections, seconds, ...line }));
  return line;
}
