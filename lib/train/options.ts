import { checkSignal, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { checkSorting, type Sorting } from "../files/sorter.ts";
import type { Judge } from "../heads/judge.ts";
import type { Judges } from "../model/judges.ts";
import type { Data } from "../model/pieces.ts";
import { adam } from "../optimisers/adam.ts";
import { checkOptimiser, checkVectorOptimiser, type Optimiser, type VectorOptimiser } from "../optimisers/optimiser.ts";
import { rowwiseAdagrad } from "../optimisers/vectors.ts";
import { checkWeighting, type Weighting } from "../weighting/weighting.ts";
import { checkAverage } from "./averages.ts";
import { type ByPath, checkParts } from "./parts.ts";
import type { Stopping } from "./stopping.ts";

/** The options of `train`. */
export interface TrainOptions<Tasks extends string = string> {
  /**
   * The epochs and steps that the model has seen before, of its last record: the order of rows, noise, learning rates
   * and records are numbered on from there, so that a second training repeats nothing of the first. Optimisers and
   * weightings begin anew all the same. Default `{ epoch: 0, step: 0 }`.
   */
  readonly from?: { readonly epoch: number; readonly step: number };
  /** The passes over the data. Default 1, or as many as `steps` needs. */
  readonly epochs?: number;
  /** The most steps in all. Default: as many as the epochs have. */
  readonly steps?: number;
  /**
   * The rows of a step. Default 256. The last batch of an epoch may be smaller. With a `ranking` that has groups (of
   * several, the first) batches are of whole groups, as many as without, each of fewer than twice as many rows.
   */
  readonly batch?: number;
  /**
   * The batches of a step, one after the other, as if they were one of as many rows: the gradient is that of the mean over
   * all labelled rows, task by task, and memory that of one batch and one gradient more. Default 1. The last step of an
   * epoch may have fewer.
   *
   * Losses of gates are means over rows too; those of banks are the mean over the batches, as a batch is what they balance.
   * Of a ranking, pairs of rows of one batch count.
   */
  readonly accumulate?: number;
  /**
   * The decay of averages of the parameters and vectors, in (0, 1), such as 0.999: `a += (1 - average) (p - a)` after every
   * step, from the parameters with which the training begins, so that nothing is to be corrected for the start. They are
   * Keras's `use_ema` with this `ema_momentum`, and PyTorch's `AveragedModel` with `get_ema_multi_avg_fn`.
   *
   * Validation and `stopping` see the averages, and the model holds them when the training ends, however it ends; within
   * the loop it holds the parameters that follow the gradient. They take the memory of the parameters and vectors once more,
   * and again for the best ones, and the vectors once more while they are evaluated. Default: none.
   */
  readonly average?: number;
  /** The optimiser: how parameters follow their gradient. Default `adam(1e-3)`. */
  readonly optimiser?: Optimiser;
  /**
   * The optimisers of parts of the parameters, each with its rate and decay, by the beginning of their paths up to a slash
   * or the end: `{ "tasks": adam(3e-3), "levels/0/gates": adam(1e-3, { weightDecay: 1e-4 }) }`. A parameter follows that
   * of the longest beginning, or `optimiser`, whose `clipNorm` is that of the whole gradient. Default: all follow the one.
   */
  readonly parts?: Readonly<Record<string, Optimiser>>;
  /**
   * The optimiser of vectors that are looked up (`embed`), which moves those alone that a batch reads:
   * `rowwiseAdagrad()`, `lazyAdam()`, `adagrad()` or `sgd()`; or several, by the feature whose vectors they are or the
   * beginning of a table's path, and `default` of all others: `{ default: rowwiseAdagrad(0.1), user: lazyAdam(1e-3) }`.
   * Decay is their `touchedDecay`; at a rate of 0 a table and its state stay as they are. Default `rowwiseAdagrad(0.1)`.
   */
  readonly vectors?: VectorOptimiser | VectorOptimisers;
  /**
   * The weighting of the tasks' losses or gradients, beside the static weights of the tasks: `uncertainty()`, `dwa()`,
   * `gradNorm()`, `pcgrad()`, `cagrad()`, `mgda()`, `upgrad()`, or one of your own. Default: by the static weights alone.
   */
  readonly weighting?: Weighting;
  /** True if rows are shuffled before every epoch. Default true. */
  readonly shuffle?: boolean;
  /** Rows to evaluate on after every epoch, in memory, or as `evaluate` takes them in pieces. */
  readonly validation?: Data;
  /**
   * Judges of the validation by name, as `evaluate` takes them: the records have their values among its metrics, and `stopping`
   * may watch one.
   */
  readonly judges?: Readonly<Record<string, Judge>>;
  /**
   * The steps from one evaluation of `validation` to the next, beside the one after every epoch: after each step whose
   * number, as records count them, is a multiple of it. Default: after epochs alone.
   */
  readonly evaluate?: { readonly every: { readonly steps: number } };
  /** The way to sort scores of a validation that is not in memory, as `evaluate` takes it. */
  readonly sorting?: Sorting;
  /**
   * True if the record of an evaluation has the model's `health`: warnings of relus that are 0 for every row, vectors that
   * run away, tasks without labels, that stand still or overfit. Default true.
   */
  readonly health?: boolean;
  /**
   * The rule to stop early, by the validation. The parameters of the best evaluation are restored before the last record,
   * if training stops early or all epochs or steps are done; not where it is aborted or left, or fails.
   */
  readonly stopping?: Stopping<Tasks>;
  /**
   * Aborting it ends the training after the running step; what was learnt stays, the latest parameters. With `checkpoint`
   * one is written before the last record is given.
   */
  readonly signal?: AbortSignal;
  /**
   * The folder that checkpoints are written in, each whole or not at all, and how often. A run that was killed goes on from
   * the newest by `resume`. Default: none are written.
   */
  readonly checkpoint?: CheckpointOptions;
  /**
   * The folder of checkpoints, or one of them, from which the training goes on as if it had not ended: with the same model,
   * data and options, but for `epochs`, `steps`, `checkpoint` and `signal`, to the same numbers, bit for bit. A folder that
   * has none yet is fine where it is that of `checkpoint`: then the training begins.
   */
  readonly resume?: string;
  /**
   * The folder of checkpoints, or one of them, whose optimiser and weighting go on in this training, of a model that may
   * have grown since, on other data: the state of a parameter is found by its path, that of a vector by its word, and what
   * is new begins. Epochs and steps are counted on. The parameters are the model's, such as `load` and `grow` return. Beside
   * `resume` it is for the beginning: where there is a checkpoint to go on from, that counts.
   */
  readonly warm?: string;
}

/** The optimisers of vectors by feature, or by the beginning of the paths of their tables, and that of all others. */
export interface VectorOptimisers {
  /** The optimiser of tables that have none of their own. Default `rowwiseAdagrad(0.1)`. */
  readonly default?: VectorOptimiser;
  /** That of tables by name. */
  readonly [table: string]: VectorOptimiser | undefined;
}

/** The way in which a training takes checkpoints. */
export interface CheckpointOptions {
  /** The folder, which one training has to itself; a checkpoint is `FOLDER/step-00000123`, which `load` reads too. */
  readonly folder: string;
  /** The number of steps, or of seconds, from one checkpoint to the next. Default: 60 seconds. */
  readonly every?: { readonly steps: number } | { readonly seconds: number };
  /**
   * The number of checkpoints that stay, beside whole ones that they need: older ones are removed once a newer one is
   * complete. Default 3.
   */
  readonly keep?: number;
}

/** The options of a training, checked, with nothing left to default. */
export interface Settings {
  /** The passes over the data; infinite if only steps are limited. */
  readonly epochs: number;
  /** The most steps; infinite if only epochs are limited. */
  readonly most: number;
  /** The rows of a step. */
  readonly batch: number;
  /** The batches of a step. */
  readonly accumulate: number;
  /** The decay of averages, if they are taken. */
  readonly average: number | undefined;
  /** The optimiser: how parameters follow their gradient. */
  readonly optimiser: Optimiser;
  /** The optimisers of parts, by the beginning of their paths. */
  readonly parts: ByPath<Optimiser>;
  /** The optimiser of vectors that are looked up. */
  readonly vectors: VectorOptimiser;
  /** Those of tables that have one of their own, by feature or the beginning of their paths. */
  readonly tables: ByPath<VectorOptimiser>;
  /** The weighting of losses or gradients, if there is one. */
  readonly weighting: Weighting | undefined;
  /** True if rows are shuffled. */
  readonly shuffle: boolean;
  /** The rows to evaluate on, if there are any. */
  readonly validation: Data | undefined;
  /** The judges of the validation. */
  readonly judges: Judges;
  /** The steps from one evaluation to the next; infinite if there is one after every epoch alone. */
  readonly evaluateEvery: number;
  /** The way to sort scores of a validation that is not in memory. */
  readonly sorting: Sorting;
  /** True if health is looked at. */
  readonly health: boolean;
  /** The rule to stop early, if there is one. */
  readonly stopping: Stopping | undefined;
  /** Aborting it ends the training. */
  readonly signal: AbortSignal | undefined;
  /** The epoch and step to count from. */
  readonly from: { readonly epoch: number; readonly step: number };
  /** The way in which checkpoints are taken, if any are: after so many steps or seconds, of which one is infinite. */
  readonly checkpoint: Keeping | undefined;
  /** The folder to go on from, if any. */
  readonly resume: string | undefined;
  /** The folder whose optimiser goes on, if any. */
  readonly warm: string | undefined;
}

/** The way in which checkpoints are taken, with nothing left to default. */
export interface Keeping {
  readonly folder: string;
  readonly steps: number;
  readonly seconds: number;
  readonly keep: number;
}

/**
 * Returns the settings of a training.
 *
 * @throws {TypeError | RangeError} if an option is unknown or out of range.
 */
export function settings<Tasks extends string>(options: TrainOptions<Tasks>): Settings {
  const {
    epochs,
    steps,
    batch = 256,
    accumulate = 1,
    average,
    optimiser = adam(),
    parts = {},
    vectors,
    weighting,
    shuffle = true,
    signal,
    validation,
    judges = {},
    evaluate,
    sorting = {},
    health = true,
    stopping,
    from = { epoch: 0, step: 0 },
    checkpoint,
    resume,
    warm,
  } = optionsOf("train", options, optionNames, ["shuffle", "health"]);
  checkOptimiser("train", optimiser);
  checkParts("train", parts);
  const { default: one = rowwiseAdagrad(), ...tables } = vectorOptimisersOf(vectors);
  if (weighting !== undefined) checkWeighting(weighting);
  checkSignal("train", signal);
  checkSorting(sorting, "train");
  checkAmounts({ epochs, steps, batch, accumulate }, average, from);
  checkBeginning({ resume, warm }, options.from);
  return {
    epochs: epochs ?? (steps === undefined ? 1 : Infinity),
    most: steps ?? Infinity,
    batch,
    accumulate,
    average,
    optimiser,
    parts,
    vectors: one,
    tables,
    weighting,
    shuffle,
    validation,
    judges,
    evaluateEvery: evaluate === undefined ? Infinity : everyOf(evaluate, validation),
    sorting,
    health,
    stopping,
    signal,
    from,
    checkpoint: checkpoint === undefined ? undefined : keepingOf(checkpoint),
    resume,
    warm,
  };
}

/** Makes sure that the beginning is one: folders are paths, and steps are counted from one place. */
function checkBeginning(folders: Pick<TrainOptions, "resume" | "warm">, from: TrainOptions["from"]): void {
  for (const [name, value] of Object.entries(folders)) {
    if (value !== undefined && (typeof value !== "string" || value === "")) {
      throw new TypeError(`Cannot train: ${name} must be the path of a folder, found ${kindOf(value)}`);
    }
  }
  if (folders.warm !== undefined && from) {
    throw new TypeError("Cannot train: warm is given beside from: both say where to count from, wanted one of them");
  }
}

/** Returns the optimisers of vectors by table. */
function vectorOptimisersOf(given: TrainOptions["vectors"] = {}): Readonly<Record<string, VectorOptimiser>> {
  if (!isRecord(given) || typeof given.rate === "function") {
    checkVectorOptimiser("train", given);
    return { default: given as VectorOptimiser };
  }
  const known = Object.entries(given).filter(([, optimiser]) => optimiser !== undefined);
  for (const [name, optimiser] of known) checkVectorOptimiser(`train: vectors ${quoted(name)}`, optimiser);
  return Object.fromEntries(known) as Record<string, VectorOptimiser>;
}

/** Makes sure that the numbers among the options are in range. */
function checkAmounts(
  counts: Readonly<Record<string, number | undefined>>,
  average: number | undefined,
  { epoch, step }: Settings["from"],
): void {
  for (const [name, value] of Object.entries(counts)) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1)) {
      throw new RangeError(`Cannot train: ${name} must be a whole number of at least 1, found ${kindOf(value)}`);
    }
  }
  checkAverage("train", average);
  if (![epoch, step].every((number) => Number.isSafeInteger(number) && number >= 0)) {
    throw new RangeError("Cannot train: from must be { epoch, step }, whole numbers of at least 0");
  }
}

/** Returns the steps from one evaluation to the next. */
function everyOf(options: NonNullable<TrainOptions["evaluate"]>, validation: Data | undefined): number {
  const action = "train: evaluate";
  const { every } = optionsOf(action, options, ["every"]);
  if (!isRecord(every) || Object.keys(every).join() !== "steps") {
    throw new TypeError(`Cannot ${action}: every must be { steps }, found ${kindOf(every)}`);
  }
  const { steps } = every;
  if (!(Number.isSafeInteger(steps) && steps >= 1)) {
    throw new RangeError(`Cannot ${action}: steps must be a whole number of at least 1, found ${kindOf(steps)}`);
  }
  if (validation === undefined) {
    throw new TypeError(`Cannot ${action}: there are no rows to evaluate: wanted validation`);
  }
  return steps;
}

/** Returns the way in which checkpoints are taken. */
function keepingOf(options: CheckpointOptions): Keeping {
  const action = "train: checkpoint";
  const { folder, every = { seconds: 60 }, keep = 3 } = optionsOf(action, options, ["folder", "every", "keep"]);
  if (typeof folder !== "string" || folder === "") {
    throw new TypeError(`Cannot ${action}: folder must be the path of a folder, found ${kindOf(folder)}`);
  }
  if (!isRecord(every) || Object.keys(every).length !== 1 || !("steps" in every || "seconds" in every)) {
    const [key] = isRecord(every) ? Object.keys(every).filter((key) => key !== "steps" && key !== "seconds") : [];
    const found = key === undefined ? kindOf(every) : `{ ${key} }${advice(key, ["steps", "seconds"])}`;
    throw new TypeError(`Cannot ${action}: every must be { steps } or { seconds }, found ${found}`);
  }
  const { steps = Infinity, seconds = Infinity }: { readonly steps?: number; readonly seconds?: number } = every;
  if ("steps" in every && !(Number.isSafeInteger(steps) && steps >= 1)) {
    throw new RangeError(`Cannot ${action}: steps must be a whole number of at least 1, found ${kindOf(steps)}`);
  }
  if ("seconds" in every && !(Number.isFinite(seconds) && seconds >= 0)) {
    throw new RangeError(`Cannot ${action}: seconds must be a number of at least 0, found ${kindOf(seconds)}`);
  }
  if (!(Number.isSafeInteger(keep) && keep >= 1)) {
    throw new RangeError(`Cannot ${action}: keep must be a whole number of at least 1, found ${kindOf(keep)}`);
  }
  return { folder, steps, seconds, keep };
}

const optionNames = [
  "epochs",
  "steps",
  "batch",
  "accumulate",
  "average",
  "optimiser",
  "parts",
  "vectors",
  "weighting",
  "validation",
  "judges",
  "evaluate",
  "sorting",
  "stopping",
  "signal",
  "from",
  "checkpoint",
  "resume",
  "warm",
];
