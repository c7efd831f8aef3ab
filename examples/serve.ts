/**
 * A server of models: of a folder, or of a small model that is trained first. Existing clients of the Open Inference Protocol
 * and of TensorFlow Serving call it.
 */
import {
  adam,
  binary,
  category,
  compile,
  define,
  dense,
  encode,
  fit,
  mmoe,
  numeric,
  pipe,
  relu,
  rows,
  save,
  train,
} from "@gatehouse/gatehouse";
import { random } from "@gatehouse/gatehouse/datasets";
import { commandLine, common, type Context, run } from "./cli.ts";
import { engineOf } from "./engine.ts";
import { freePort, workersOf } from "./serve/workers.ts";
import { serving, type Settings } from "./serve/serving.ts";
import { readToken } from "./token.ts";

const command = commandLine(
  "serve",
  "Serves models to clients of the Open Inference Protocol and TensorFlow Serving.",
  {
    model: {
      kind: "path",
      help: "a model's folder, or one of NAME/VERSION folders; default: a small model, trained first",
    },
    port: { kind: "number", help: "the port; 0: any that is free", default: 8000, from: 0, to: 65535, whole: true },
    host: {
      kind: "path",
      word: "address",
      help: "the address to listen at; 0.0.0.0 for all",
      default: "127.0.0.1",
    },
    token: { kind: "path", help: "a file that holds the token which requests must carry" },
    batch: { kind: "number", help: "most rows that are predicted together", default: 1024, from: 1, whole: true },
    delay: { kind: "number", help: "milliseconds that a request waits for others", default: 0, from: 0, whole: true },
    workers: {
      kind: "number",
      help: "threads that answer, each with models of its own; not on Windows",
      default: 1,
      from: 1,
      to: 256,
      whole: true,
    },
    engine: {
      ...common.engine,
      of: [...common.engine.of, "onnx"],
      help: "what computes; onnx by deno task serve:onnx",
    },
    log: {
      kind: "flag",
      help: "each request as a line of JSON: on standard output with --json, else on standard error",
    },
  },
  "--model out/census/mmoe --port 8080",
);

await run(command, async (options, context) => {
  const { say, record, signal } = context;
  const token = options.token === undefined ? undefined : await readToken(options.token, "serve models");
  if (options.model === undefined) { // what cannot be served is found before it is trained
    freePort({ port: options.port, hostname: options.host });
    await engineOf(options.engine, options.workers > 1 ? { threads: 1 } : {});
  }
  const folder = options.model ?? await trained("out/serve", options.seed, context);
  signal.throwIfAborted();
  const settings: Settings = {
    folder,
    engine: options.engine,
    port: options.port,
    hostname: options.host,
    maxBatch: options.batch,
    maxDelay: options.delay,
    log: options.log,
    shared: false,
    ...(token !== undefined && { token }),
  };
  const logged = (entry: object) => options.json ? record({ ...entry }) : console.error(JSON.stringify(entry));
  const around = { say, logged };
  const server = await (options.workers > 1 ? workersOf(options.workers, settings, around) : serving(settings, around));
  const end = ended(signal); // before a caller knows the address
  record({ url: server.url });
  say(`Listening at ${server.url}`);
  if (options.model === undefined) say(`Try:\n  ${tried(server.url)}`);
  await Promise.race([end, server.failed ?? end]);
  say("Answering what was asked, then ending");
  await server.close();
});

/** Resolves at Ctrl-C, or when the system asks the program to end. */
function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(); // while the server began
    signal.addEventListener("abort", () => resolve(), { once: true });
    Deno.addSignalListener("SIGTERM", () => resolve());
  });
}

/** A call of the small model. */
function tried(url: string): string {
  const rows = '{"instances": [{"age": 31, "job": "smith"}, {"age": 60, "job": null}]}';
  return `curl ${url}/v1/models/visitors:predict -d '${rows}'`;
}

/** Trains a small model of invented visitors and saves it; returns the folder of models. */
async function trained(folder: string, seed: number, { say, signal }: Context): Promise<string> {
  const source = random(seed);
  const jobs = ["clerk", "smith", "baker"];
  const visitors = Array.from(
    { length: 3000 },
    () => ({ age: 20 + Math.floor(50 * source.uniform()), job: source.bits() % 3 }),
  );
  const click = visitors.map(({ age, job }) => age + 10 * source.normal() > (job === 1 ? 35 : 50) ? 1 : 0);
  const like = visitors.map(({ age, job }) => age + 20 * source.normal() > (job === 0 ? 30 : 60) ? 1 : 0);
  const table = { age: visitors.map(({ age }) => age), job: visitors.map(({ job }) => jobs[job]) };
  const features = fit({ age: numeric(), job: category() }, table);
  const tower = pipe(dense(8), relu);
  const tasks = { click: binary(tower), like: binary(tower) };
  const model = await compile(define(mmoe({ input: features, expert: pipe(dense(16), relu), experts: 4, tasks })), {
    seed,
  });
  const data = rows(encode(features, table), { labels: { click, like } });
  for await (const { step, steps, loss } of train(model, data, { epochs: 5, optimiser: adam(1e-2) })) {
    signal.throwIfAborted();
    if (step === steps) say(`Trained: loss of click ${loss.click.toFixed(2)}, of like ${loss.like.toFixed(2)}`);
  }
  await save(model, `${folder}/visitors/1`);
  model.dispose();
  return folder;
}
