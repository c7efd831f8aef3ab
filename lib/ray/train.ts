import { checkFlag, checkText, optionsOf } from "../errors/kinds.ts";
import { writeFileAtomic } from "../files/atomic.ts";
import { kindAt } from "../files/place.ts";
import { startOf } from "../files/read.ts";
import type { S3Options } from "../files/s3.ts";
import type { Model } from "../model/model.ts";
import type { Spec } from "../spec/spec.ts";
import type { RayJobs } from "./client.ts";
import { type OpenedRows, openedRows, type RayData } from "./data.ts";
import { writeJob } from "./job.ts";
import type { Written } from "./storage.ts";
import { listenNames, type RayRun, runOf } from "./run.ts";
import { jobOptionNames, type JobOptions, jobSettings, refusedNames } from "./settings.ts";
import { clusterNames, type ClusterOptions, newId, readied, type Ready, send } from "./submit.ts";

/** The options of {@linkcode trainOnRay}: those of the cluster, and most of `train`'s. */
export interface TrainOnRayOptions<Tasks extends string = string>
  extends ClusterOptions, Omit<JobOptions<Tasks>, "signal" | "validation"> {
  /** The rows to train on, as `train` takes them, or Parquet files by their names, a pattern or a folder. */
  readonly data: RayData;
  /** The rows to evaluate on, likewise. */
  readonly validation?: RayData;
  /** The store of data whose address begins with `s3://`, and the key. Default: what the environment says. */
  readonly s3?: Omit<S3Options, "signal">;
  /** The id of the job, by which `attach` finds it. Default: one that begins with the name. */
  readonly id?: string;
  /** True if it goes on from the newest checkpoint in the storage, if there is one. Default false: it begins anew. */
  readonly resume?: boolean;
}

/**
 * Trains a model on a Ray cluster: has the cluster checked, writes rows, encoded, and graphs to the storage, and sends the job
 * there. The returned run is its records as `train` yields them, and its end: the folder of the model.
 *
 * The rows of a step are the same for any number of workers, and so is the model, to rounding. Rows that were encoded into
 * the storage before, of the same data and features, are not encoded again.
 *
 * @param from A spec, or a model that is trained on from its parameters.
 * @throws {TypeError | RangeError} if an option is wrong, or one that a cluster does not follow, or rows do not fit the model.
 * @throws {Error} if the cluster is not reached, refuses the token, is too old, lacks packages or room, or does not see the
 * storage: before rows are read.
 *
 * @example
 * ```ts ignore
 * const run = await trainOnRay(spec, {
 *   cluster: { address: "http://head:8265", token: "secret" },
 *   data: "s3://logs/clicks/part-*.parquet",
 *   storage: "/mnt/shared/clicks",
 *   workers: 8,
 *   epochs: 3,
 * });
 * for await (const { step, loss } of run) console.log(step, loss.click);
 * const { model } = await run.result();
 * const trained = await load(model!);
 * ```
 */
export async function trainOnRay<Tasks extends string>(
  from: Spec<Tasks> | Model<Tasks>,
  options: TrainOnRayOptions<NoInfer<Tasks>>,
): Promise<RayRun<Tasks>> {
  const names = [...listenNames, ...clusterNames, "data", "s3", "id", ...jobOptionNames, ...refusedNames];
  const { s3, ...given } = optionsOf(action, options, names, ["resume", "shuffle"]);
  jobSettings(jobOptionsOf(given)); // a mistake is found before the cluster is asked
  const ready = await readied(action, given);
  const rows = await openedRows(from, { ...given, s3 });
  return await started(from, { ...given, ...rows }, ready, { storage: ready.places, data: "data" });
}

const action = "train on Ray";

/** The places of a job: its storage, the folder of its encoded rows, from there, and more words for the program. */
interface JobPlaces {
  readonly storage: Written;
  readonly data: string;
  readonly words?: readonly string[];
}

/** Writes the job of a training and sends it to a cluster that is ready. */
export async function started<Tasks extends string>(
  from: Spec<Tasks> | Model<Tasks>,
  given: Omit<TrainOnRayOptions<Tasks>, "cluster" | "storage" | "data" | "validation"> & OpenedRows,
  ready: Ready,
  { storage, data, words: more = [] }: JobPlaces,
): Promise<RayRun<Tasks>> {
  const { listening, workers, jobs, records } = ready;
  const { name = "gatehouse", id = newId(), resume = false } = given;
  checkText(action, "id", id);
  checkFlag(action, "resume", resume);
  if (given.id !== undefined && await jobs.state(id, listening.signal) !== undefined) {
    throw new Error(`Cannot ${action}: the cluster has a job ${id}: attach() listens to it; wanted another id`);
  }
  await checkFree(storage.here, jobs, listening.signal);
  const folders = { job: `${storage.here}/job`, storage: storage.here, data };
  const { described: { lanes } } = await writeJob<Tasks>(from, given.data, jobOptionsOf(given), folders);
  if (lanes.length < workers) {
    const advice = "wanted fewer workers, or more lanes by lanes, batch and groupRows";
    throw new RangeError(`Cannot ${action}: ${workers} workers share ${lanes.length} lanes of row groups: ${advice}`);
  }
  const places = ["--job", `${storage.cluster}/job`, "--storage", storage.cluster];
  const seldom = records > 0 ? ["--records", String(records)] : [];
  const words = [...places, ...(resume ? [] : ["--fresh"]), ...seldom, ...more];
  await writeFileAtomic(`${storage.here}/${ofJob}`, id); // before it runs: what fails here leaves none behind
  await send(ready, { id, words, name });
  return runOf(jobs, id, { ...listening, storage: storage.here === storage.cluster ? storage.here : storage });
}

/** The file of a storage that names the job which was sent last. */
const ofJob = "job.id";

/** Makes sure that no other job trains in a storage: its files would be those of the new one. */
async function checkFree(storage: string, jobs: RayJobs, signal: AbortSignal | undefined): Promise<void> {
  if (await kindAt(`${storage}/${ofJob}`) !== "file") return;
  const before = await startOf(`${storage}/${ofJob}`, 1000);
  const state = await jobs.state(before, signal);
  if (state?.status !== "PENDING" && state?.status !== "RUNNING") return;
  const advice = "wanted another storage, or its end: attach() listens to it, and stop() ends it";
  throw new Error(`Cannot ${action}\n  at ${storage}: job ${before} trains there: ${advice}`);
}

/** Returns the options that the job is written by. */
function jobOptionsOf<Tasks extends string>(given: object): JobOptions<Tasks> {
  const names = [...jobOptionNames, ...refusedNames.filter((name) => name !== "resume")];
  return Object.fromEntries(Object.entries(given).filter(([name]) => names.includes(name)));
}
