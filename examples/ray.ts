/** A model of Census-Income, or a recommender, trained on a Ray cluster: one that is there, or one that is started here. */
import { adam, evaluate, load, progressBar, type Rows, type Spec } from "@gatehouse/gatehouse";
import { census } from "@gatehouse/gatehouse/datasets";
import {
  attach,
  type Cluster,
  type JobOptions,
  type RayEvent,
  type RayRun,
  trainOnRay,
} from "@gatehouse/gatehouse/ray";
import { tableOf } from "./census_models.ts";
import { commandLine, type Context, run, type Values } from "./cli.ts";
import { engineOf } from "./engine.ts";
import { prepare } from "./kuairand/inputs.ts";
import { readLog, readTables } from "./kuairand/log.ts";
import { specOf, trainingOf } from "./kuairand/models.ts";
import { localRay } from "./local_ray.ts";
import { UsageError } from "./options.ts";
import { readToken } from "./token.ts";

const own = {
  address: { kind: "path", help: "the address of the cluster's dashboard; default http://127.0.0.1:8265" },
  token: { kind: "path", help: "a file that holds the cluster's token, such as ~/.ray/auth_token" },
  local: { kind: "flag", help: "start a cluster on this machine, with a token, and end it at the end" },
  workers: { kind: "number", help: "the workers that share a step's rows", default: 2, from: 1, whole: true },
  storage: {
    kind: "path",
    help: "a folder that this machine and the cluster's see, for rows, checkpoints and the model; default out/ray/DATA",
  },
  mounted: { kind: "path", help: "the path of that folder on the cluster's machines, where it is another" },
  on: { kind: "choice", help: "what it learns", of: ["census", "kuairand"], default: "census" },
  model: { kind: "choice", help: "what is trained", of: ["logistic", "shared-bottom", "mmoe", "ple"], default: "mmoe" },
  epochs: { kind: "number", help: "passes over the training rows; default 5, 1 on kuairand", from: 1, whole: true },
  batch: {
    kind: "number",
    help: "rows of a step, of all workers; default 1024, 512 on kuairand",
    from: 1,
    whole: true,
  },
  rate: { kind: "number", help: "learning rate of Adam", default: 0.001, from: 1e-9 },
  data: { kind: "path", help: "the folder of the data; else GATEHOUSE_DATA, else ./data" },
  unverified: { kind: "flag", help: "read files that are not the official ones, such as those of examples/sample" },
  continue: { kind: "flag", help: "go on from the newest checkpoint in the storage" },
  leave: { kind: "flag", help: "Ctrl-C leaves the job running on the cluster; --attach listens to it again" },
  attach: { kind: "path", help: "the id of a job that runs, to listen to instead of sending one" },
  json: { kind: "flag", help: "records of steps as one JSON object a line on standard output, the last the model's" },
} as const;

const command = commandLine(
  "ray",
  "Trains a model of Census-Income, or a recommender on KuaiRand-Pure, on a Ray cluster.",
  own,
  "--local --workers 2",
);

await run(command, async (options, context) => {
  checkPlace(options);
  const lesson = await lessonOf(options, context.signal); // what is wrong with the data is said before a cluster begins
  const local = options.local ? await localRay(options.workers + 1, context.say, context.signal) : undefined;
  try {
    await trained(options, lesson, local?.cluster ?? await clusterOf(options), context);
  } finally {
    await local?.stop();
  }
});

/**
 * Makes sure that options of a cluster that is there are not beside the word that starts one.
 *
 * @throws {UsageError} if they are.
 */
function checkPlace(options: Values<typeof own>): void {
  if (!options.local) return;
  for (const name of ["address", "token", "mounted", "leave", "attach"] as const) {
    if (options[name] === undefined || options[name] === false) continue;
    throw new UsageError(`Cannot run ray: --${name} is of a cluster that is there, and --local starts one`);
  }
}

/** Trains a model on a cluster, or listens to its training, and judges it. */
async function trained(
  options: Values<typeof own>,
  { spec, train, validation, test, how }: Lesson,
  cluster: Cluster,
  { say, record, signal }: Context,
): Promise<void> {
  const engine = await engineOf(options.engine);
  const here = options.storage ?? `out/ray/${options.on}`;
  const storage = options.mounted === undefined ? here : { cluster: options.mounted, here };
  const report = (event: RayEvent) => say(JSON.stringify(event));
  const listening = { cluster, storage, signal, report, onAbort: options.leave ? "leave" : "stop" } as const;
  if (options.attach === undefined) say(`Sending ${train.count} rows and the job to ${cluster.address}`);
  const ray: RayRun = options.attach !== undefined ? await attach(options.attach, listening) : await trainOnRay(spec, {
    ...{ ...listening, ...how, name: options.model, data: train, validation, workers: options.workers },
    ...{ optimiser: adam(options.rate), seed: options.seed, resume: options.continue },
  });
  say(`Job ${ray.id}`);
  const progress = progressBar(options.model);
  let rate = 0;
  try {
    for await (const at of ray) {
      progress.update({ ...at, epochs: how.epochs });
      rate = at.rate;
      record({ ...at });
    }
  } finally {
    progress.end(signal.aborted ? "stopped" : "done");
  }
  const { model: place, stored, steps, rows } = await ray.result();
  say(`${steps} steps, ${rows} rows, ${Math.round(rate)} rows a second`);
  if (place !== undefined) {
    const model = await load(place, { engine });
    for (const [task, { auc }] of Object.entries((await evaluate(model, test)).metrics)) {
      say(`${task}: AUC ${auc.toFixed(4)} on ${test.count} test rows`);
    }
    model.dispose();
  }
  say(place === undefined ? `The model is in ${stored}, which is not reached from here` : `The model is in ${place}`);
  record({ model: String(place ?? stored) });
}

/** A model, the rows that it learns and is judged on, and the way in which it is trained. */
interface Lesson {
  readonly spec: Spec;
  readonly train: Rows;
  readonly validation: Rows;
  readonly test: Rows;
  readonly how: Pick<JobOptions, "epochs" | "batch" | "vectors">;
}

/** Returns the lesson of some data. */
async function lessonOf(
  { on, model, epochs, batch, data: folder, unverified }: Values<typeof own>,
  signal: AbortSignal,
): Promise<Lesson> {
  const reading = { folder, verify: !unverified, signal };
  if (on === "census") {
    const { features, ...rows } = await census({ ...reading, group: 1 });
    const spec = tableOf(features, Object.keys(rows.train.labels!))[model];
    return { ...rows, spec, how: { epochs: epochs ?? 5, batch: batch ?? 1024 } };
  }
  const { features, ...rows } = prepare(await readLog(await readTables(reading), reading), "raw");
  const { batch: usual, vectors } = trainingOf(model);
  return { ...rows, spec: specOf(model, features), how: { epochs: epochs ?? 1, batch: batch ?? usual, vectors } };
}

/**
 * Returns the cluster that options name.
 *
 * @throws {Error} if the token cannot be read.
 */
async function clusterOf({ address = "http://127.0.0.1:8265", token }: Values<typeof own>): Promise<Cluster> {
  return token === undefined ? { address } : { address, token: await readToken(token, "train on Ray") };
}
