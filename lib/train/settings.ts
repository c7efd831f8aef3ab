import { checkSignal, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { checkSorting, type Sorting } from "../files/sorter.ts";
import type { Judges } from "../model/judges.ts";
import type { Data } from "../model/pieces.ts";
import { adam } from "../optimisers/adam.ts";
import { checkOptimiser, checkVectorOptimiser, type Optimiser, type VectorOptimiser } from "../optimisers/optimiser.ts";
import { rowwiseAdagrad } from "../optimisers/vectors.ts";
import { checkWeighting, type Weighting } from "../weighting/weighting.ts";
import { checkAverage } from "./averages.ts";
import type { CheckpointOptions, TrainOptions } from "./options.ts";
import { type ByPath, checkParts } from "./parts.ts";
import type { Stopping } from "./stopping.ts";

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
