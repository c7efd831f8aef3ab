import { checkAmount, checkFunction, checkSignal, checkText, checkWord, optionsOf } from "../errors/kinds.ts";
import type { Progress } from "../train/progress.ts";
import { jobsOf, type RayJobs } from "./client.ts";
import { follow, stopJob } from "./follow.ts";
import type { Ended, RayEvent } from "./records.ts";
import type { Cluster } from "./request.ts";
import type { Tail } from "./tail.ts";
import { checkStorage, type Storage, storedAt } from "./storage.ts";

/** A training on a cluster: its records, as `train` yields them, and its end. */
export interface RayRun<Tasks extends string = string> extends AsyncIterable<Progress<Tasks>> {
  /** The id of its job, which {@linkcode attach} takes. */
  readonly id: string;
  /**
   * Resolves when the training has ended, whether its records are read or not.
   *
   * @throws {Error} if it failed, with the words of the job.
   */
  result(): Promise<RayResult>;
  /** Stops the job, and resolves when it has stopped. */
  stop(): Promise<void>;
}

/** The end of a training on a cluster. */
export interface RayResult {
  /** The model's folder as `load` takes it: a path or an address; undefined if it is not reached from here. */
  readonly model: string | URL | undefined;
  /** The model's folder as the cluster names it. */
  readonly stored: string;
  /** The steps that were taken. */
  readonly steps: number;
  /** The rows that were seen. */
  readonly rows: number;
}

/** The options of listening to a job. */
export interface ListenOptions {
  /** The cluster. */
  readonly cluster: Cluster;
  /** Aborting it ends the listening, which throws its reason. */
  readonly signal?: AbortSignal;
  /** The job's fate when the signal aborts: `"stop"` stops it, `"leave"` lets it go on. Default `"stop"`. */
  readonly onAbort?: "stop" | "leave";
  /** A function that is called with what happens beside steps: warnings, workers that are lost. Default: none. */
  readonly report?: (event: RayEvent) => void;
  /** The milliseconds from one look at the job to the next, at least. Default 1,000. */
  readonly every?: number;
}

/** The options of {@linkcode attach}. */
export interface AttachOptions extends ListenOptions {
  /** The folder that the job was given as its storage, to find the model from here. Default: as the cluster names it. */
  readonly storage?: Storage;
}

/** The names of the options of listening. */
export const listenNames: readonly string[] = ["cluster", "signal", "onAbort", "report", "every"];

/**
 * Listens to a training that runs on a cluster, or has run there, from its first record on.
 *
 * @param id The id of its job.
 * @throws {TypeError | RangeError} if an option is wrong.
 * @throws {Error} if the cluster is not reached, refuses the token, is too old, or has no such job.
 *
 * @example
 * ```ts ignore
 * const run = await attach("gatehouse-0b1c2d3e", { cluster: { address: "http://head:8265", token } });
 * for await (const { step, loss } of run) console.log(step, loss.click);
 * const { model } = await run.result();
 * ```
 */
export async function attach<Tasks extends string = string>(
  id: string,
  options: AttachOptions,
): Promise<RayRun<Tasks>> {
  const action = "attach to a job on Ray";
  checkText(action, "id", id);
  const given = optionsOf(action, options, [...listenNames, "storage"]);
  if (given.storage !== undefined) checkStorage(given.storage, action);
  const listening = listeningOf(action, given);
  const jobs = jobsOf(given.cluster, action);
  await jobs.version(given.signal);
  if (await jobs.state(id, given.signal) === undefined) {
    throw new Error(`Cannot ${action}: the cluster knows no job ${id}`);
  }
  return runOf(jobs, id, { ...listening, storage: given.storage });
}

/** The options of listening, checked, with nothing left to default but the storage. */
export interface Listening {
  readonly action: string;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: "stop" | "leave";
  readonly report: ((event: RayEvent) => void) | undefined;
  readonly every: number;
}

/**
 * Returns the options of listening, checked.
 *
 * @throws {TypeError | RangeError} if one is wrong.
 */
export function listeningOf(action: string, options: ListenOptions): Listening {
  const { signal, onAbort = "stop", report, every = 1000 } = options;
  checkSignal(action, signal);
  checkWord(action, "onAbort", onAbort, ["stop", "leave"]);
  if (report !== undefined) checkFunction(action, "report", report);
  checkAmount(action, "every", every);
  return { action, signal, onAbort, report, every };
}

/** Returns the run of a job. */
export function runOf<Tasks extends string>(
  jobs: RayJobs,
  id: string,
  { action, signal, onAbort, report, every, storage }: Listening & { readonly storage: Storage | undefined },
): RayRun<Tasks> {
  let tail: Tail | undefined;
  let records: ReturnType<typeof follow<Tasks>> | undefined;
  let end: Promise<Ended> | undefined;
  let stopping: Promise<void> | undefined;
  const abort = () => {
    if (onAbort === "leave") return;
    stopping ??= stopJob(jobs, id, every);
    stopping.catch(() => {}); // whoever reads the records hears of it
  };
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort, { once: true });
  /** The next record. The end is kept, for all who ask for it. */
  const next = async (): Promise<IteratorResult<Progress<Tasks>, void>> => {
    try {
      tail ??= jobs.tail(id);
      records ??= follow<Tasks>(jobs, id, { action, every, signal, report }, tail);
      const found = await records.next();
      if (!found.done) return found;
      if (found.value !== undefined) end ??= Promise.resolve(found.value);
    } catch (error) {
      await stopping;
      end ??= Promise.reject(error);
      end.catch(() => {});
    }
    signal?.removeEventListener("abort", abort);
    tail?.close();
    await end;
    return { done: true, value: undefined };
  };
  /** Leaves the records, which may be read on: nothing stays open that would keep the program from its end. */
  const left = (): Promise<IteratorResult<Progress<Tasks>, void>> => {
    tail?.close();
    return Promise.resolve({ done: true, value: undefined });
  };
  const read = async (): Promise<void> => {
    while (!(await next()).done);
  };
  return {
    id,
    [Symbol.asyncIterator]: () => ({ next, return: left }),
    result: async () => {
      await read();
      const { model, steps, rows } = await end!;
      return { ...await storedAt(model, storage), steps, rows };
    },
    stop: () => {
      signal?.removeEventListener("abort", abort); // it has nothing left to stop
      return stopping ??= stopJob(jobs, id, every);
    },
  };
}
