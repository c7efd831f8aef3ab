/** A model of Census-Income, trained on a Ray cluster: one that is there, or one that is started on this machine. */
import { adam, evaluate, load, progressBar } from "@gatehouse/gatehouse";
import { census } from "@gatehouse/gatehouse/datasets";
import { attach, type Cluster, type RayEvent, type RayRun, trainOnRay } from "@gatehouse/gatehouse/ray";
import { names, tableOf } from "./census_models.ts";
import { commandLine, type Context, run, type Values } from "./cli.ts";
import { engineOf } from "./engine.ts";
import { localRay } from "./local_ray.ts";

const own = {
  address: { kind: "path", help: "the address of the cluster's dashboard", default: "http://127.0.0.1:8265" },
  token: { kind: "path", help: "a file that holds the cluster's token, such as ~/.ray/auth_token" },
  local: { kind: "flag", help: "start a cluster on this machine, with a token, and end it at the end" },
  workers: { kind: "number", help: "the workers that share a step's rows", default: 2, from: 1, whole: true },
  storage: {
    kind: "path",
    help: "a folder that this machine and the cluster's see: rows, checkpoints, and at the end the model",
    default: "out/ray/census",
  },
  mounted: { kind: "path", help: "the path of that folder on the cluster's machines, where it is another" },
  model: { kind: "choice", help: "what is trained", of: names, default: "mmoe" },
  epochs: { kind: "number", help: "passes over the training rows", default: 5, from: 1, whole: true },
  batch: { kind: "number", help: "rows of a step, of all workers", default: 1024, from: 1, whole: true },
  rate: { kind: "number", help: "learning rate of Adam", default: 0.001, from: 1e-9 },
  data: { kind: "path", help: "the folder of Census-Income; else GATEHOUSE_DATA, else ./data" },
  unverified: { kind: "flag", help: "read files that are not the official ones, such as those of examples/sample" },
  continue: { kind: "flag", help: "go on from the newest checkpoint in the storage" },
  leave: { kind: "flag", help: "Ctrl-C leaves the job running on the cluster; --attach listens to it again" },
  attach: { kind: "path", help: "the id of a job that runs, to listen to instead of sending one" },
  json: { kind: "flag", help: "records of steps as one JSON object a line on standard output, the last the model's" },
} as const;

const command = commandLine("ray", "Trains a model of Census-Income on a Ray cluster.", own, "--local --workers 2");

await run(command, async (options, context) => {
  const local = options.local ? await localRay(options.workers + 1, context.say, context.signal) : undefined;
  try {
    await trained(options, local?.cluster ?? await clusterOf(options), context);
  } finally {
    await local?.stop();
  }
});

/** Trains a model on a cluster, or listens to its training, and judges it. */
async function trained(options: Values<typeof own>, cluster: Cluster, { say, record, signal }: Context): Promise<void> {
  const { group, folder, verify } = { group: 1 as const, folder: options.data, verify: !options.unverified };
  const engine = await engineOf(options.engine);
  const { train, validation, test, features } = await census({ group, folder, verify, signal });
  const { mounted, storage: here } = options;
  const storage = mounted === undefined ? here : { cluster: mounted, here };
  const report = (event: RayEvent) => say(JSON.stringify(event));
  const listening = { cluster, storage, signal, report, onAbort: options.leave ? "leave" : "stop" } as const;
  if (options.attach === undefined) say(`Sending ${train.count} rows and the job to ${cluster.address}`);
  const ray: RayRun = options.attach !== undefined
    ? await attach(options.attach, listening)
    : await trainOnRay(tableOf(features, Object.keys(train.labels!))[options.model], {
      ...{ ...listening, name: options.model, data: train, validation, workers: options.workers },
      ...{ epochs: options.epochs, batch: options.batch, optimiser: adam(options.rate), seed: options.seed },
      ...{ resume: options.continue },
    });
  say(`Job ${ray.id}`);
  const progress = progressBar(options.model);
  let rate = 0;
  try {
    for await (const at of ray) {
      progress.update({ ...at, epochs: options.epochs });
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

/**
 * Returns the cluster that options name.
 *
 * @throws {Error} if the token cannot be read.
 */
async function clusterOf({ address, token }: Values<typeof own>): Promise<Cluster> {
  if (token === undefined) return { address };
  try {
    return { address, token: (await Deno.readTextFile(token)).trim() };
  } catch (error) {
    throw new Error(`Cannot train on Ray\n  at --token: ${(error as Error).message}`, { cause: error });
  }
}
