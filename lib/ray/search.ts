import { checkCount, checkRecord, checkText, checkWord, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import type { S3Options } from "../files/s3.ts";
import { measuresOf } from "../heads/heads.ts";
import type { Evaluation } from "../model/evaluation.ts";
import { check } from "../spec/check.ts";
import type { Spec } from "../spec/spec.ts";
import type { Stopping } from "../train/stopping.ts";
import { featuresId } from "./coded.ts";
import { type GivenRows, type OpenedRows, openedRows, type RayData } from "./data.ts";
import { codingId } from "./job.ts";
import { listenNames, type RayRun } from "./run.ts";
import { type JobOptions, jobSettings } from "./settings.ts";
import { clusterNames, type ClusterOptions, readied, type Ready } from "./submit.ts";
import { started } from "./train.ts";

/** A trial of a search: a model, and the options of its training that are its own. */
export interface Trial<Tasks extends string = string>
  extends Pick<JobOptions<Tasks>, "seed" | "batch" | "optimiser" | "parts" | "vectors" | "weighting"> {
  /** The model. */
  readonly spec: Spec<Tasks>;
}

type Own = Exclude<keyof Trial, "spec">;

const own: readonly string[] = ["seed", "batch", "optimiser", "parts", "vectors", "weighting"] satisfies Own[];

/** The options of {@linkcode searchOnRay}. */
export interface SearchOptions<Tasks extends string = string> extends ClusterOptions, Omit<Trial<Tasks>, "spec"> {
  /** The rows to train on, for all trials, or Parquet files by their names, a pattern or a folder. */
  readonly data: RayData;
  /** The rows to judge by, after every epoch, likewise. */
  readonly validation: RayData;
  /** The store of data whose address begins with `s3://`, and the key. Default: what the environment says. */
  readonly s3?: Omit<S3Options, "signal">;
  /** The passes over the data of a trial that is not stopped. */
  readonly epochs: number;
  /** The task that is watched, or several with their weights in the sum, and the metric. Default of that: `loss`. */
  readonly watch: Pick<Stopping<Tasks>, "task" | "metric">;
  /** The trials at once, each with workers of its own, for which the cluster has room. Default 4. */
  readonly atOnce?: number;
  /**
   * The epochs after which trials are compared: `from`, and again and again `factor` times as many. A trial goes on if it is
   * among the best `1 / factor` of those that came so far. Default `{ from: 1, factor: 3 }`.
   */
  readonly rungs?: { readonly from?: number; readonly factor?: number };
}

/** A trial that has ended. */
export interface TrialResult<Tasks extends string = string> {
  /** Its name among the trials. */
  readonly name: string;
  /** Its model. */
  readonly spec: Spec<Tasks>;
  /** `done` after all epochs, `stopped` where others were better, `failed` with an error. */
  readonly status: "done" | "stopped" | "failed";
  /** The value of what is watched, epoch by epoch. */
  readonly curve: readonly { readonly epoch: number; readonly step: number; readonly value: number }[];
  /** The last value; NaN if there is none. */
  readonly value: number;
  /** The id of its job, if it was sent. */
  readonly job?: string;
  /** The model's folder as `load` takes it, if the trial is done and the folder is reached from here. */
  readonly model?: string | URL;
  /** The model's folder as the cluster names it, if the trial is done. */
  readonly stored?: string;
  /** The reason why it failed. */
  readonly error?: string;
}

/**
 * Trains many models on a Ray cluster, some at once, each as a job of its own, and stops those that others leave behind.
 * Returns the trials, the best first. A trial that fails ends no other.
 *
 * Trials are compared at rungs of epochs as they come, without waiting for one another: asynchronous successive halving
 * in the form that stops trials. Those of the same features share rows that are encoded once.
 *
 * @param trials The trials by name.
 * @throws {TypeError | RangeError} if an option is wrong.
 * @throws {Error} if the cluster is not reached or not ready, or the signal's reason if it aborts.
 *
 * Source: Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020, algorithm 2; Ray Tune's
 * AsyncHyperBandScheduler stops likewise.
 *
 * @example
 * ```ts ignore
 * const rates = [1e-2, 3e-3, 1e-3];
 * const trials = Object.fromEntries(rates.map((rate) => [`adam ${rate}`, { spec, optimiser: adam(rate) }]));
 * const watch = { task: "click", metric: "auc" } as const;
 * const [best] = await searchOnRay(trials, { cluster, storage, data, validation, epochs: 9, watch });
 * console.log(best.name, best.value, best.model);
 * ```
 */
export async function searchOnRay<Tasks extends string>(
  trials: Readonly<Record<string, Trial<Tasks>>>,
  options: SearchOptions<NoInfer<Tasks>>,
): Promise<readonly TrialResult<Tasks>[]> {
  const { epochs, atOnce = 4, rungs = {}, watch, ...given } = optionsOf(action, options, [
    ...[...listenNames, ...clusterNames, ...own],
    ...["data", "validation", "s3", "epochs", "watch", "atOnce", "rungs"],
  ]);
  checkCount(action, "epochs", epochs, 1);
  checkCount(action, "atOnce", atOnce, 1);
  const { from = 1, factor = 3 } = optionsOf(action, rungs, ["from", "factor"]);
  checkCount(action, "rungs.from", from, 1);
  checkCount(action, "rungs.factor", factor, 2);
  if (given.validation === undefined) {
    throw new TypeError(`Cannot ${action}: validation is missing: trials are judged by it`);
  }
  const checkedTrials = checkTrials(trials, given, watch);
  const ready = await readied(action, given);
  const rowsOf = await sharedRows(Object.values(checkedTrials).map(({ trial }) => trial.spec), given as GivenRows);
  const scale = Object.values(checkedTrials)[0].scale;
  const ladder = ladderOf({ from, factor, epochs });
  const results: TrialResult<Tasks>[] = [];
  const waiting = Object.entries(checkedTrials);
  let written: Promise<unknown> = Promise.resolve();
  /** Sends a job after those before it: their rows are encoded once. */
  const sent = (name: string, at: number, { trial }: Checked<Tasks>): Promise<RayRun<Tasks>> => {
    const run = written.then(() => begun(name, at, trial, { ...given, ...rowsOf(trial.spec), epochs }, ready));
    written = run.catch(() => {});
    return run;
  };
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      ready.listening.signal?.throwIfAborted();
      const [name, checked] = next;
      const at = Object.keys(checkedTrials).indexOf(name) + 1;
      results.push(await tried(name, checked, { ready, ladder, scale, run: () => sent(name, at, checked) }));
    }
  };
  // Where the signal aborts, all jobs are stopped before it is said.
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(atOnce, waiting.length) }, lane));
  for (const one of lanes) if (one.status === "rejected") throw one.reason;
  const score = ({ value }: TrialResult<Tasks>) => Number.isNaN(value) ? -Infinity : scale * value;
  return results.sort((a, b) => Number(score(b) > score(a)) - Number(score(b) < score(a)));
}

const action = "search on Ray";

/** Returns a function that returns the rows of a model, which those of the same features share, once all are opened. */
async function sharedRows(specs: readonly Spec[], given: GivenRows): Promise<(spec: Spec) => OpenedRows> {
  const opened = new Map<string, OpenedRows>();
  for (const spec of specs) {
    const id = featuresId(spec);
    if (!opened.has(id)) opened.set(id, await openedRows(spec, given));
  }
  return (spec) => opened.get(featuresId(spec))!;
}

/** A trial, the function that takes its value from an evaluation, and the sign of better. */
interface Checked<Tasks extends string> {
  readonly trial: Trial<Tasks>;
  readonly valueOf: (evaluation: Evaluation<Tasks>) => number;
  readonly scale: 1 | -1;
}

/** Returns trials that are checked, by name. */
function checkTrials<Tasks extends string>(
  trials: Readonly<Record<string, Trial<Tasks>>>,
  shared: Partial<SearchOptions<Tasks>>,
  watch: SearchOptions<Tasks>["watch"],
): Readonly<Record<string, Checked<Tasks>>> {
  checkRecord(action, "trials", trials);
  const entries = Object.entries(trials).map(([name, found]) => {
    checkRecord(action, `the trial ${quoted(name)}`, found);
    try {
      const { spec, ...rest } = optionsOf(action, found, ["spec", ...own]);
      const trial = { ...rest, spec: check(spec) as Spec<Tasks> };
      jobSettings<Tasks>({ ...picked(shared), ...rest });
      return [name, { trial, ...watched(trial.spec, watch) }] as const;
    } catch (error) {
      const kind = [TypeError, RangeError].find((one) => error instanceof one) ?? Error;
      throw new kind(`${(error as Error).message}\n  in the trial ${quoted(name)}`, { cause: error });
    }
  });
  if (entries.length === 0) throw new RangeError(`Cannot ${action}: there are no trials`);
  if (entries.some(([, { scale }]) => scale !== entries[0][1].scale)) {
    throw new RangeError(`Cannot ${action}: more is better in some trials, less in others: wanted one metric for all`);
  }
  return Object.fromEntries(entries);
}

function picked<Tasks extends string>(options: Partial<SearchOptions<Tasks>>): Omit<Trial<Tasks>, "spec"> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => own.includes(name)));
}

/** Returns the value that is watched of an evaluation, and whether more of it is better. */
function watched<Tasks extends string>(
  spec: Spec<Tasks>,
  watch: SearchOptions<Tasks>["watch"],
): Pick<Checked<Tasks>, "valueOf" | "scale"> {
  checkRecord(action, "watch", watch);
  const { task, metric = "loss" } = optionsOf(action, watch, ["task", "metric"]);
  checkText(action, "watch.metric", metric);
  const weights = (typeof task === "string" ? { [task]: 1 } : task) as Record<Tasks, number>;
  if (!isRecord(weights) || Object.keys(weights).length === 0) {
    throw new TypeError(`Cannot ${action}: watch.task must be a task, or weights by task, found ${kindOf(task)}`);
  }
  const signs = Object.keys(weights).map((name): 1 | -1 => {
    if (!Object.hasOwn(spec.tasks, name)) {
      const near = advice(name, Object.keys(spec.tasks));
      throw new TypeError(`Cannot ${action}: a model has no task ${quoted(name)}${near}`);
    }
    const measures = measuresOf(spec.tasks[name as Tasks].head);
    checkWord(action, "watch.metric", metric, ["loss", ...Object.keys(measures).filter((name) => name !== "loss")]);
    return metric !== "loss" && measures[metric].best === "most" ? 1 : -1;
  });
  if (signs.some((sign) => sign !== signs[0])) {
    throw new RangeError(`Cannot ${action}: more is better for some tasks, less for others: wanted one metric for all`);
  }
  const valueOf = ({ loss, metrics }: Evaluation<Tasks>) =>
    (Object.entries(weights) as [Tasks, number][]).reduce(
      (sum, [name, weight]) => sum + weight * (metric === "loss" ? loss[name] : metrics[name][metric]),
      0,
    );
  return { valueOf, scale: signs[0] };
}

/** Returns the question whether a trial goes on after an epoch, by its score there: the more the better. */
export function ladderOf(
  { from, factor, epochs }: { readonly from: number; readonly factor: number; readonly epochs: number },
): (epoch: number, score: number) => boolean {
  const rungs = new Map<number, number[]>();
  for (let epoch = from; epoch < epochs; epoch *= factor) rungs.set(epoch, []);
  return (epoch, score) => {
    const scores = rungs.get(epoch);
    if (scores === undefined) return true;
    scores.push(score);
    const better = scores.filter((other) => other > score).length;
    return !Number.isNaN(score) && better < Math.ceil(scores.length / factor);
  };
}

/** Writes the job of a trial and sends it. */
async function begun<Tasks extends string>(
  name: string,
  at: number,
  { spec, ...ofTrial }: Trial<Tasks>,
  { data, validation, epochs, ...shared }: Partial<Omit<SearchOptions<Tasks>, keyof OpenedRows>> & OpenedRows,
  ready: Ready,
): Promise<RayRun<Tasks>> {
  const folder = `trials/${at}`;
  const { here, cluster } = ready.places;
  const storage = { here: `${here}/${folder}`, cluster: `${cluster}/${folder}` };
  const options = { ...picked(shared), ...ofTrial };
  const given = { ...options, data, validation, epochs, name, signal: ready.listening.signal };
  const coded = codingId(spec, options);
  const words = ["--patience", "3600"]; // others may have the cluster's CPUs
  return await started<Tasks>(spec, given, ready, { storage, data: `../../data-${coded}`, words });
}

/** Follows a trial to its end, and stops it where others are better. */
async function tried<Tasks extends string>(
  name: string,
  { trial: { spec }, valueOf }: Checked<Tasks>,
  { ready, ladder, scale, run: send }: {
    readonly ready: Ready;
    readonly ladder: ReturnType<typeof ladderOf>;
    readonly scale: number;
    readonly run: () => Promise<RayRun<Tasks>>;
  },
): Promise<TrialResult<Tasks>> {
  const { signal, report } = ready.listening;
  const curve: { readonly epoch: number; readonly step: number; readonly value: number }[] = [];
  let job: string | undefined;
  const ended = (status: TrialResult["status"], more: Partial<TrialResult<Tasks>> = {}): TrialResult<Tasks> => {
    report?.({ event: "trial ended", trial: name, status, ...more });
    const value = curve.at(-1)?.value ?? NaN;
    return { name, spec, status, curve, value, ...(job !== undefined && { job }), ...more };
  };
  try {
    const run = await send();
    job = run.id;
    for await (const { epoch, step, validation } of run) {
      if (validation === undefined) continue;
      const value = valueOf(validation);
      curve.push({ epoch, step, value });
      report?.({ event: "trial judged", trial: name, epoch, step, value });
      if (ladder(epoch, scale * value)) continue;
      await run.stop();
      return ended("stopped");
    }
    const { model, stored } = await run.result();
    return ended("done", { stored, ...(model !== undefined && { model }) });
  } catch (error) {
    signal?.throwIfAborted();
    return ended("failed", { error: error instanceof Error ? error.message : String(error) });
  }
}
