/**
 * Measures a server of W4, the census model, under load, and peers in the same run: FastAPI with ONNX Runtime (uvicorn on
 * uvloop, a worker for each core), a GraphModel of TensorFlow.js behind a plain `Deno.serve`, and such a server around our
 * `encode` and `predict`. `autocannon` sends the requests, of one row and of 100; needs npm, and python3 for FastAPI. What
 * is measured is a line of JSON on standard output, a table on standard error. `--help` lists the options.
 *
 * `--soak SECONDS` sends requests of one row to ours alone, at 80 % of the peak, while its model is swapped 20 times.
 */
import { parseArgs } from "node:util";
import { compile, type Features, save, saveGraphModel, textTable } from "../../mod.ts";
import { random } from "../../lib/datasets.ts";
import { saveOnnx } from "../../lib/onnx.ts";
import { readCensus } from "../bench/census.ts";
import { cases, specOf } from "../bench/cases.ts";
import { mebibytesOf, pythonOf, ran } from "../environment.ts";

const { values: given } = parseArgs({
  options: {
    seconds: { type: "string", default: "10" },
    only: { type: "string" },
    workers: { type: "string", default: `${navigator.hardwareConcurrency}` },
    engine: { type: "string", default: "wasm" },
    soak: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (given.help) {
  console.log(
    "Usage: deno task bench:serving [--seconds 10] [--only PART-OF-A-NAME] [--workers N] [--engine wasm] [--soak SECONDS]",
  );
  Deno.exit(0);
}
const [seconds, connections] = [Number(given.seconds), 8];
const folder = "out/serve-load";
const packages = [
  "fastapi==0.165.0",
  "uvicorn==0.54.0",
  "uvloop==0.23.0",
  "httptools==0.9.0",
  "onnxruntime==1.32.0",
  "numpy==2.4.6",
];

/** A server under test: how it is begun, at which port. */
interface Contestant {
  readonly name: string;
  readonly command: (port: number) => readonly [program: string, args: readonly string[]];
}

const deno = (...args: readonly string[]) => {
  const may = ["--allow-read", "--allow-write=out", "--allow-net=127.0.0.1", "--allow-ffi"];
  return [Deno.execPath(), ["run", "--no-prompt", "--unstable-net", ...may, ...args]] as const;
};
const ours: Contestant = {
  name: `ours, ${given.engine}, workers: ${given.workers}`,
  command: (port) => {
    const how = ["--workers", given.workers, "--engine", given.engine];
    return deno("examples/serve.ts", "--model", `${folder}/models`, "--port", `${port}`, "--json", ...how);
  },
};

const features = await prepared();
const bodies = Object.fromEntries([1, 100].map((rows) => [rows, bodyOf(features, rows)]));
for (const [rows, body] of Object.entries(bodies)) await Deno.writeTextFile(`${folder}/body-${rows}.json`, body);
if (given.soak !== undefined) await soaked(Number(given.soak));
else await compared();
Deno.exit(0);

/** Measures all servers, one after the other. */
async function compared(): Promise<void> {
  const only = given.only ?? "";
  const python = "FastAPI".includes(only) || only.includes("FastAPI")
    ? await pythonOf(`${folder}/venv`, packages)
    : undefined;
  const uvicorn = ["-m", "uvicorn", "--app-dir", "tests/serve", "fastapi_peer:app", "--log-level", "error"];
  const peers: readonly Contestant[] = [
    {
      name: "GraphModel",
      command: (port) =>
        deno("tests/serve/graph_model_peer.ts", `${folder}/graph-model`, `${folder}/features.json`, `${port}`),
    },
    {
      name: "encode and predict",
      command: (port) => deno("tests/serve/bare.ts", `${folder}/models/census/1`, `${port}`),
    },
    ...python === undefined ? [] : [{
      name: "FastAPI and ONNX Runtime",
      command: (port: number) =>
        [python, [...uvicorn, "--workers", `${navigator.hardwareConcurrency}`, "--port", `${port}`]] as const,
    }],
  ];
  const table: Record<string, string | number>[] = [];
  for (const [at, contestant] of [ours, ...peers].filter(({ name }) => name.includes(only)).entries()) {
    await running(contestant, 8471 + at, async (url) => {
      for (const rows of [1, 100]) {
        const line = { server: contestant.name, rows, ...await measured(url, rows, seconds) };
        console.log(JSON.stringify({ connections, seconds, ...line }));
        table.push(line);
      }
    });
  }
  console.error(textTable(table));
}

/** Sends requests at 80 % of the peak while the model is swapped, and prints how many failed, and the memory meanwhile. */
async function soaked(length: number): Promise<void> {
  await running(ours, 8481, async (url, pid) => {
    const peak = (await measured(url, 1, 10)).requests_per_s;
    const rate = Math.floor(0.8 * peak);
    const memories: number[] = [];
    const swaps = 20;
    const swapping = (async () => {
      for (let swap = 1; swap <= swaps; swap++) {
        await new Promise((resolve) => setTimeout(resolve, 1000 * length / (swaps + 1)));
        await copied(`${folder}/models/census/1`, `${folder}/models/census/${swap + 1}`);
        if (swap > 1) await Deno.remove(`${folder}/models/census/${swap}`, { recursive: true });
        memories.push(await mebibytesOf(pid));
      }
    })();
    const found = await measured(url, 1, length, ["-R", `${rate}`]);
    await swapping;
    await Deno.remove(`${folder}/models/census/${swaps + 1}`, { recursive: true });
    console.log(
      JSON.stringify({
        server: ours.name,
        soak: length,
        peak,
        rate,
        swaps,
        ...found,
        mebibytes: memories.map(Math.round),
        by_quarter: [0, 1, 2, 3].map((quarter) => {
          const part = memories.slice(quarter * swaps / 4, (quarter + 1) * swaps / 4);
          return Math.round(part.reduce((sum, one) => sum + one, 0) / part.length);
        }),
      }),
    );
  });
}

/** Copies a model so that its version is whole at once. */
async function copied(from: string, to: string): Promise<void> {
  const place = `${folder}/coming`;
  await Deno.mkdir(place, { recursive: true });
  for await (const { name } of Deno.readDir(from)) await Deno.copyFile(`${from}/${name}`, `${place}/${name}`);
  await Deno.rename(place, to);
}

/** Does something while a server runs. */
async function running(
  { command }: Contestant,
  port: number,
  then: (url: string, pid: number) => Promise<void>,
): Promise<void> {
  const [program, args] = command(port);
  const server = new Deno.Command(program, { args: [...args], stdout: "null", stderr: "inherit" }).spawn();
  try {
    const url = `http://127.0.0.1:${port}/v1/models/census:predict`;
    await answers(url, bodies[1]);
    await then(url, server.pid);
  } finally {
    server.kill("SIGTERM");
    await server.status;
  }
}

/** Saves the model in the forms that the servers read; returns its features. */
async function prepared(): Promise<Features> {
  await Deno.mkdir(folder, { recursive: true });
  const spec = specOf({ name: "W4", ...cases.W4 }, (await readCensus()).features);
  const model = await compile(spec, { seed: 1 });
  await save(model, `${folder}/models/census/1`);
  await saveOnnx(model, `${folder}/census.onnx`);
  await saveGraphModel(model, `${folder}/graph-model`);
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
async function measured(
  url: string,
  rows: number,
  length: number,
  more: readonly string[] = [],
): Promise<Readonly<Record<"requests_per_s" | "p50_ms" | "p99_ms" | "failed", number>>> {
  const args = ["-y", "autocannon@8.0.0", "--json", "-c", `${connections}`, "-d", `${length}`, "-m", "POST", ...more];
  const file = `${folder}/body-${rows}.json`;
  const found = await ran("npx", [...args, "-H", "content-type=application/json", "-i", file, url]);
  if ("failed" in found) throw new Error(`autocannon failed: ${found.failed}`);
  const { requests, latency, non2xx, errors } = JSON.parse(found.out);
  return { requests_per_s: requests.average, p50_ms: latency.p50, p99_ms: latency.p99, failed: non2xx + errors };
}
