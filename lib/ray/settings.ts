import { checkCount, checkText, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { lossOverAll } from "../heads/heads.ts";
import type { Spec } from "../spec/spec.ts";
import type { CheckpointOptions, TrainOptions } from "../train/options.ts";
import { type Settings, settings } from "../train/settings.ts";

/** The options of a training on several machines, as far as the job says them: most are those of `train`. */
export interface JobOptions<Tasks extends string = string> extends
  Pick<
    TrainOptions<Tasks>,
    | ("epochs" | "steps" | "batch" | "optimiser" | "parts" | "vectors" | "weighting")
    | ("shuffle" | "validation" | "evaluate" | "signal")
  > {
  /** The name by which people know the job. Default `"gatehouse"`. */
  readonly name?: string;
  /** The seed of a spec's first parameters, of the order of rows and of noise. Default 0; a model has its own. */
  readonly seed?: number;
  /**
   * The lanes: the row groups are dealt to so many, a step takes as many rows of each, and a worker has whole lanes, so that
   * the rows of a step, and with them the result, are the same for any number of workers up to that of lanes. A divisor of
   * `batch`. Default: the largest one up to 8.
   */
  readonly lanes?: number;
  /**
   * The rows of a lane within which they are shuffled, rounded up to whole steps. Default 131,072, and all of rows in memory
   * that are one lane, in the order of `train`.
   */
  readonly window?: number;
  /** The most rows of a row group: a file has as many row groups of every lane, all even. Default 16,384. */
  readonly groupRows?: number;
  /** The shards that tables of vectors are cut into. Default 4. */
  readonly shards?: number;
  /** The steps or seconds from one checkpoint to the next, and the number of them that stay. Default: 60 seconds, 3. */
  readonly checkpoint?: Omit<CheckpointOptions, "folder">;
}

/** The options of a job, checked. */
export interface JobSettings {
  readonly given: Settings;
  readonly name: string;
  readonly seed: number | undefined;
  /** The lanes that rows are encoded for, and those that were asked for: fewer than these are an error. */
  readonly lanes: number;
  readonly wanted: number | undefined;
  readonly window: number | undefined;
  readonly groupRows: number;
  readonly shards: number;
}

/** The options of `train` that the cluster does not follow, and the way out. */
const refused: Readonly<Record<string, string>> = {
  accumulate: "a step of several machines has all rows at once: give batch, the rows of a whole step",
  average: "averages are not taken there: leave it out",
  judges: "they are not judged there: evaluate(model, data, { judges }) judges the model of the result",
  segments: "evaluate(model, data, { segments }) reports them of the model of the result",
  stopping: "training ends after its epochs or steps there: leave it out",
  sorting: "AUC is computed in memory there: leave it out",
  health: "it is not looked at there: leave it out",
  from: "a job begins at step 1: leave it out",
  resume: "the program goes on from its own checkpoints: leave it out",
  warm: "optimisers begin anew there: leave it out",
};

/**
 * Returns the settings of a job.
 *
 * @throws {TypeError | RangeError} if an option is unknown, out of range, or one that the cluster does not follow.
 */
export function jobSettings<Tasks extends string>(options: JobOptions<Tasks>): JobSettings {
  const away = isRecord(options)
    ? Object.keys(refused).find((name) => options[name as keyof JobOptions<Tasks>] !== undefined)
    : undefined;
  if (away !== undefined) throw new TypeError(`Cannot ${action}: ${away} is of train() alone: ${refused[away]}`);
  const { name = "gatehouse", seed, window, groupRows = 2 ** 14, shards = 4, checkpoint, ...others } = optionsOf(
    action,
    options,
    jobOptionNames,
    ["shuffle"],
  );
  const { lanes: wanted, ...training } = others;
  checkText(action, "name", name);
  if (seed !== undefined && !Number.isSafeInteger(seed)) {
    throw new RangeError(`Cannot ${action}: seed must be a whole number, found ${kindOf(seed)}`);
  }
  for (const [what, count] of Object.entries({ lanes: wanted, window, groupRows, shards })) {
    if (count !== undefined) checkCount(action, what, count, 1);
  }
  const given = settings<Tasks>({ ...training, checkpoint: { ...checkpoint, folder: "checkpoints" } });
  const lanes = wanted ?? mostLanes(given.batch);
  if (given.batch % lanes !== 0) {
    const way = `wanted a number of lanes that divides batch, ${given.batch}`;
    throw new RangeError(`Cannot ${action}: a step cannot take as many rows of each of ${lanes} lanes: ${way}`);
  }
  return { given, name, seed, lanes, wanted, window, groupRows, shards };
}

/** Returns the most lanes, up to a number, of which a step takes as many rows each. */
export function mostLanes(batch: number, most = 8): number {
  let lanes = Math.min(most, batch);
  while (batch % lanes !== 0) lanes--;
  return lanes;
}

const action = "write job";

/** The names of options that the cluster does not follow, each refused with the way out. */
export const refusedNames: readonly string[] = Object.keys(refused);

/** The names of the options of a job. */
export const jobOptionNames: readonly string[] = [
  ...["name", "seed", "lanes", "window", "groupRows", "shards", "checkpoint"],
  ...["epochs", "steps", "batch", "optimiser", "parts", "vectors", "weighting"],
  ...["shuffle", "validation", "evaluate", "signal"],
];

/**
 * Makes sure that a cluster can train a model in this way.
 *
 * @throws {TypeError} naming the first part of it that it cannot.
 */
export function checkJob({ tasks }: Spec, { weighting, vectors, tables }: Settings): void {
  const wrong = (what: string) => new TypeError(`Cannot ${action}: ${what}`);
  for (const [task, { head }] of Object.entries(tasks)) {
    if (lossOverAll(head) === undefined) continue;
    const why = "its loss is of pairs of rows, which several workers have";
    throw wrong(`the task ${quoted(task)} is a ranking: ${why}: wanted another head, such as binary()`);
  }
  if (weighting !== undefined && weighting.written === undefined) {
    const wanted = "wanted none, uncertainty() or dwa()";
    throw wrong(`the weighting ${weighting.name} is computed from what one machine holds alone: ${wanted}`);
  }
  const plain = [vectors, ...Object.values(tables)].find(({ vectors }) => vectors.traced === undefined);
  if (plain === undefined) return;
  const wanted = "wanted rowwiseAdagrad(), lazyAdam(), adagrad() or sgd(), or traced beside update";
  throw wrong(`the optimiser of vectors ${plain.name} has no update as values: ${wanted}`);
}
