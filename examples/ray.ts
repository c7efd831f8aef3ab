/** A model of Census-Income, or a recommender, trained or searched for on a Ray cluster: one that is there, or one that is started here. */
import { adam, evaluate, load, progressBar, type Rows, type Spec, textTable } from "@gatehouse/gatehouse";
import { census } from "@gatehouse/gatehouse/datasets";
import {
  attach,
  type Cluster,
  type JobOptions,
  RayError,
  type RayEvent,
  type RayResult,
  type RayRun,
  searchOnRay,
  trainOnRay,
} from "@gatehouse/gatehouse/ray";
import { addressOf } from "../lib/ray/request.ts";
import { tableOf } from "./census_models.ts";
import { commandLine, type Context, run, type Values } from "./cli.ts";
import { engineOf } from "./engine.ts";
import { prepare } from "./kuairand/inputs.ts";
import { readLog, readTables } from "./kuairand/log.ts";
import { specOf, trainingOf } from "./kuairand/models.ts";
import { type LocalRay, localRay } from "./local_ray.ts";
import { UsageError } from "./options.ts";
import { readToken } from "./token.ts";

const own = {
  address: {
    kind: "path",
    word: "address",
    help: "the address of the cluster's dashboard; default http://127.0.0.1:8265",
  },
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
  search: {
    kind: "flag",
    help: "train three models at three rates each, as many at once as workers, for up to 9 epochs",
  },
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
  attach: { kind: "path", word: "id", help: "the id of a job that runs, to listen to instead of sending one" },
  json: { kind: "flag", help: "records of steps as one JSON object a line on standard output, the last the model's" },
} as const;

/** The options that say what is sent. */
const sent = [
  "workers",
  "on",
  "model",
  "epochs",
  "batch",
  "rate",
  "data",
  "unverified",
  "continue",
  "seed",
  "engine",
] as const;

const command = commandLine(
  "ray",
  "Trains a model of Census-Income, or a recommender on KuaiRand-Pure, on a Ray cluster.",
  own,
  "--local --workers 2",
);

/** Aborts where the system asks the program to end: then jobs are stopped as by Ctrl-C. */
const terminated = new AbortController();

await run(command, async (options, context) => {
  checkPlace();
  Deno.addSignalListener("SIGTERM", terminate);
  const all = { ...context, signal: AbortSignal.any([context.signal, terminated.signal]) };
  let local: LocalRay | undefined;
  try {
    const there = options.local ? undefined : await clusterOf(options);
    // What is wrong with the data is said before a cluster begins; who listens to a job needs none.
    const lesson = options.attach === undefined ? await lessonOf(options, all.signal) : undefined;
    if (options.local) local = await localRay(options.workers + 1, all.say, all.signal);
    const cluster = there ?? local!.cluster;
    if (lesson === undefined) await listened(options, cluster, all);
    else if (options.search) await searched(options, lesson, cluster, all);
    else await trained(options, lesson, cluster, all);
  } catch (error) {
    throw withOption(error);
  } finally {
    await local?.stop();
    if (terminated.signal.aborted) Deno.exit(143);
  }
});

/** Returns an error that names the option where a cluster wants a token. */
function withOption(error: unknown): unknown {
  if (!(error instanceof RayError && error.kind === "token wanted")) return error;
  return new Error(`${error.message}: here by --token FILE`, { cause: error });
}

/** Ends the program in order, or at once where that was asked before. */
function terminate(): void {
  if (terminated.signal.aborted) Deno.exit(143);
  terminated.abort();
}

/**
 * Makes sure that options fit each other.
 *
 * @throws {UsageError} if they do not.
 */
function checkPlace(): void {
  // By its word: the value of one that is not given may be its default.
  const isGiven = (name: keyof Values<typeof own>) => Deno.args.some((word) => word.split("=", 1)[0] === `--${name}`);
  const wrong = (name: string, why: string) => new UsageError(`Cannot run ray: --${name} is of ${why}`);
  for (const name of ["address", "token", "mounted", "leave", "attach"] as const) {
    if (isGiven("local") && isGiven(name)) throw wrong(name, "a cluster that is there, and --local starts one");
  }
  for (const name of ["attach", "leave", "continue"] as const) {
    if (isGiven("search") && isGiven(name)) throw wrong(name, "one job, and --search sends several");
  }
  for (const name of sent) {
    if (isGiven("attach") && isGiven(name)) throw wrong(name, "a job that is sent, and --attach sends none");
  }
  if (isGiven("attach") && isGiven("mounted") && !isGiven("storage")) {
    throw wrong("mounted", "a folder that has another path here: wanted it too, by --storage");
  }
}

/** Trains a model on a cluster and judges it. */
async function trained(
  options: Values<typeof own>,
  { specOf, train, validation, test, how }: Lesson,
  cluster: Cluster,
  context: Context,
): Promise<void> {
  const { say, record } = context;
  const engine = await engineOf(options.engine);
  say(`Sending ${train.count} rows and the job to ${cluster.address}`);
  const ray = await trainOnRay(specOf(options.model), {
    ...{ ...listeningOf(options, cluster, context), ...how, name: options.model, data: train, validation },
    ...{ workers: options.workers, seed: options.seed, optimiser: adam(options.rate), resume: options.continue },
  });
  const { model: place, stored } = await shown(ray, options.model, how.epochs, context);
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

/** Listens to a job that was sent before, from its first record on. */
async function listened(options: Values<typeof own>, cluster: Cluster, context: Context): Promise<void> {
  const ray = await attach(options.attach!, listeningOf(options, cluster, context));
  const { model, stored } = await shown(ray, options.attach!, undefined, context);
  context.say(`The model is in ${model ?? stored}`);
  context.record({ model: String(model ?? stored) });
}

/** Shows the records of a job as they come, and returns its end. */
async function shown(
  ray: RayRun,
  name: string,
  epochs: number | undefined,
  { say, record, signal }: Context,
): Promise<RayResult> {
  say(`Job ${ray.id}`);
  const progress = progressBar(name);
  let rate = 0;
  let isFirst = true;
  try {
    for await (const at of ray) {
      // The first step waited for the cluster to begin: by it alone the time that is left would be many times too long.
      progress.update({ ...at, epochs, steps: isFirst ? undefined : at.steps });
      isFirst = false;
      rate = at.rate;
      record({ ...at });
    }
  } finally {
    progress.end(signal.aborted ? "stopped" : "done");
  }
  const result = await ray.result();
  say(`${result.steps} steps, ${result.rows} rows, ${Math.round(rate)} rows a second`);
  return result;
}

/** Trains three models, each at three rates, and shows the trials, the best first. */
async function searched(
  options: Values<typeof own>,
  { specOf, train, validation, how: { epochs = 1, ...how } }: Lesson,
  cluster: Cluster,
  context: Context,
): Promise<void> {
  const { say, record } = context;
  const pairs = (["shared-bottom", "mmoe", "ple"] as const).flatMap((name) =>
    [1e-2, 1e-3, 1e-4].map((rate) => [name, rate] as const)
  );
  const trials = pairs.map(([name, rate]) =>
    [`${name} at ${rate}`, { spec: specOf(name), optimiser: adam(rate) }] as const
  );
  const names = Object.keys(trials[0][1].spec.tasks);
  const tasks = Object.fromEntries(names.map((task) => [task, 1 / names.length])); // the value is a mean
  say(`Sending ${train.count} rows and ${trials.length} jobs to ${cluster.address}, ${options.workers} at once`);
  const found = await searchOnRay(Object.fromEntries(trials), {
    ...{ ...listeningOf(options, cluster, context), ...how, data: train, validation, epochs },
    ...{ seed: options.seed, atOnce: options.workers, watch: { task: tasks, metric: "auc" } },
  });
  const rows = found.map(({ name, status, curve, value, error }) => {
    const epochs = curve.at(-1)?.epoch ?? 0;
    return { trial: name, status, epochs, "mean AUC": value, ...(error !== undefined && { error }) };
  });
  say(textTable(rows));
  for (const { name, status, curve, value, stored, error } of found) {
    record({ trial: name, status, curve, value, stored, error });
  }
}

/** Returns the options of listening to jobs. */
function listeningOf(options: Values<typeof own>, cluster: Cluster, { say, signal }: Context) {
  const here = options.storage ?? `out/ray/${options.on}${options.search ? "-search" : ""}`;
  const storage = options.mounted === undefined ? here : { cluster: options.mounted, here };
  const report = (event: RayEvent) => say(eventText(event));
  return { cluster, storage, signal, report, onAbort: options.leave ? "leave" : "stop" } as const;
}

/** An event in a line: `trial judged  mmoe at 0.001  epoch 1  value 0.9650`. */
function eventText({ event, trial, ...facts }: RayEvent): string {
  const parts = Object.entries(facts).filter(([, value]) => value != null).map(([name, value]) => {
    if (typeof value === "string") return `${name} ${value}`;
    return `${name} ${
      typeof value === "number" && !Number.isInteger(value) ? value.toFixed(4) : JSON.stringify(value)
    }`;
  });
  return [event, ...trial === undefined ? [] : [`${trial}`], ...parts].join("  ");
}

/** The models that a lesson can be about. */
type Name = (typeof own)["model"]["of"][number];

/** Models, the rows that they learn and are judged on, and the way in which they are trained. */
interface Lesson {
  readonly specOf: (model: Name) => Spec;
  readonly train: Rows;
  readonly validation: Rows;
  readonly test: Rows;
  readonly how: Pick<JobOptions, "epochs" | "batch" | "vectors">;
}

/** Returns the lesson of some data. */
async function lessonOf(
  { on, model, epochs, batch, data: folder, unverified, search }: Values<typeof own>,
  signal: AbortSignal,
): Promise<Lesson> {
  const reading = { folder, verify: !unverified, signal };
  const most = epochs ?? (search ? 9 : on === "census" ? 5 : 1);
  if (on === "census") {
    const { features, ...rows } = await census({ ...reading, group: 1 });
    const specs = tableOf(features, Object.keys(rows.train.labels!));
    return { ...rows, specOf: (model) => specs[model], how: { epochs: most, batch: batch ?? 1024 } };
  }
  const { features, ...rows } = prepare(await readLog(await readTables(reading), reading), "raw");
  const { batch: usual, vectors } = trainingOf(model);
  return { ...rows, specOf: (model) => specOf(model, features), how: { epochs: most, batch: batch ?? usual, vectors } };
}

/**
 * Returns the cluster that options name.
 *
 * @throws {Error} if the address is none, or the token cannot be read.
 */
async function clusterOf(
  { address = "http://127.0.0.1:8265", token, attach, search }: Values<typeof own>,
): Promise<Cluster> {
  const action = attach !== undefined ? "attach to a job on Ray" : search ? "search on Ray" : "train on Ray";
  addressOf(address, action);
  return token === undefined ? { address } : { address, token: await readToken(token, action) };
}
