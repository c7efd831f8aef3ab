import { checkAmount, checkCount, checkList, checkText } from "../errors/kinds.ts";
import { writeFileAtomic } from "../files/atomic.ts";
import { files } from "../files/runtime.ts";
import { jobsOf, type RayJobs } from "./client.ts";
import { endOf } from "./follow.ts";
import { packageOf } from "./package.ts";
import { programFiles } from "./program.ts";
import { type Listening, listeningOf, type ListenOptions } from "./run.ts";
import { checkStorage, type Storage, type Written, written } from "./storage.ts";

/** The options of jobs on a cluster: where they run, and with what. */
export interface ClusterOptions extends ListenOptions {
  /**
   * The folder in which encoded rows, the job, checkpoints and the model lie, which this machine and all of the cluster's
   * see: a path, or `{ cluster, here }` where the cluster has it at another.
   */
  readonly storage: Storage;
  /** The workers, each with rows of its own: at most the lanes of the job. Default 1. */
  readonly workers?: number;
  /** The CPUs, and threads, of a worker. Default 1. */
  readonly cpus?: number;
  /**
   * The Python packages that the cluster installs for the job, as pip takes them: `["onnxruntime==1.27.0", "pyarrow"]`.
   * Default: none, the cluster has numpy, onnxruntime and pyarrow.
   */
  readonly packages?: readonly string[];
  /**
   * The least seconds from one record of a step to the next; those with a validation are always there. A job of many hours
   * needs some, for Ray keeps all records. Default 0: the record of each step.
   */
  readonly records?: number;
}

/** The names of the options of jobs on a cluster. */
export const clusterNames: readonly string[] = ["storage", "workers", "cpus", "packages", "records"];

/** A cluster that is ready for jobs. */
export interface Ready {
  readonly jobs: RayJobs;
  readonly listening: Listening;
  readonly storage: Storage;
  readonly places: Written;
  readonly workers: number;
  readonly cpus: number;
  readonly packages: readonly string[];
  readonly records: number;
}

/**
 * Makes a cluster ready for jobs: reaches it, makes the folder of its storage, and has it check its packages, the storage
 * and its room, before any row is read.
 *
 * @throws {TypeError | RangeError} if an option is wrong.
 * @throws {Error} if the cluster is not reached, refuses the token, is too old, or lacks something.
 */
export async function readied(action: string, options: ClusterOptions): Promise<Ready> {
  const listening = listeningOf(action, options);
  const { storage, workers = 1, cpus = 1, packages = [], records = 0 } = options;
  checkStorage(storage, action);
  checkCount(action, "workers", workers, 1);
  checkCount(action, "cpus", cpus, 1);
  checkList(action, "packages", packages);
  checkAmount(action, "records", records);
  for (const name of packages) checkText(action, "a package", name);
  const jobs = jobsOf(options.cluster, action);
  await jobs.version(listening.signal);
  const places = await written(storage, action);
  const ready = { jobs, listening, storage, places, workers, cpus, packages, records };
  await checked(ready);
  return ready;
}

/** A job of the program, as it is sent. */
interface Sent {
  readonly id: string;
  /** The words after the program's name. */
  readonly words: readonly string[];
  /** A command that goes before it, as a shell takes it. */
  readonly before?: string;
  readonly name: string;
}

/** Sends a job of the program to a cluster. */
export async function send(
  { jobs, listening: { signal }, packages, places, workers, cpus }: Ready,
  { id, words, before = "", name }: Sent,
): Promise<void> {
  const folder = await jobs.upload(packageOf(programFiles), signal); // again for each job: one that is unused goes
  const all = [...words, "--workers", String(workers), "--cpus", String(cpus)];
  const entrypoint = `${before}python program.py ${all.map(shellWord).join(" ")}`;
  try {
    await jobs.submit({ id, entrypoint, folder, packages, metadata: { name, storage: places.cluster } }, signal);
  } catch (error) {
    if (signal?.aborted) await jobs.stop(id).catch(() => {}); // it may have begun
    throw error;
  }
}

/** Has the cluster look at itself, and at a file that is written into the storage from here. */
async function checked(ready: Ready): Promise<void> {
  const { jobs, listening, places } = ready;
  const { action, signal } = listening;
  const id = newId("check");
  const file = `.${id}`;
  const path = `${places.cluster}/${file}`;
  const message = "the head of the cluster does not see the storage that is written from here";
  const remedy = "wanted a folder that both see, or its two names: { cluster, here }";
  const error = JSON.stringify({ error: { message, where: places.cluster, remedy } });
  const before = `test -f ${shellWord(path)} || { printf '%s\\n' ${shellWord(error)}; exit 1; }; `;
  try {
    await writeFileAtomic(`${places.here}/${file}`, id, action);
    await send(ready, { id, words: ["--check", "--storage", places.cluster], before, name: "check" });
    await endOf(jobs, id, { action, every: Math.min(listening.every, 500), signal });
    await jobs.remove(id, signal);
  } catch (error) {
    if (signal?.aborted) await jobs.stop(id).catch(() => {});
    throw error;
  } finally {
    await files().remove(`${places.here}/${file}`).catch(() => {});
  }
}

/** Returns an id that no other job has, with a word in it. */
export function newId(word?: string): string {
  return `gatehouse-${word === undefined ? "" : `${word}-`}${crypto.randomUUID().slice(0, 13)}`;
}

/** Returns a word as a shell takes it. */
function shellWord(word: string): string {
  return /^[\w./:=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
