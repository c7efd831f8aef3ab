import type { Dataset } from "../data/dataset.ts";
import type { Rows } from "../data/rows.ts";
import { checkSignal, kindOf, optionsOf } from "../errors/kinds.ts";
import type { Sorting } from "../files/sorter.ts";
import { checkSorting } from "../model/evaluate.ts";
import { adam } from "../optimisers/adam.ts";
import { checkOptimiser, checkVectorOptimiser, type Optimiser, type VectorOptimiser } from "../optimisers/optimiser.ts";
import { rowwiseAdagrad } from "../optimisers/vectors.ts";
import { checkWeighting, type Weighting } from "../weighting/weighting.ts";
import type { Stopping } from "./stopping.ts";

/**
 * Data to train on: rows in memory, or a function that begins a pass over pieces of any size, called once an epoch.
 * Of the latter only one piece at a time is held in memory, and rows are shuffled within their piece.
 */
export type Data = Rows | (() => AsyncIterable<Rows>);

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
  /** The optimiser: how parameters follow their gradient. Default `adam(1e-3)`. */
  readonly optimiser?: Optimiser;
  /**
   * The optimiser of vectors that are looked up (`embed`), which moves those alone that a batch reads:
   * `rowwiseAdagrad()`, `lazyAdam()`, `adagrad()` or `sgd()`. Default `rowwiseAdagrad(0.1)`.
   */
  readonly vectors?: VectorOptimiser;
  /**
   * The weighting of the tasks' losses or gradients, beside the static weights of the tasks: `uncertainty()`, `dwa()`,
   * `gradNorm()`, `pcgrad()`, `cagrad()`, `mgda()`, `upgrad()`, or one of your own. Default: by the static weights alone.
   */
  readonly weighting?: Weighting;
  /** True if rows are shuffled before every epoch. Default true. */
  readonly shuffle?: boolean;
  /** Rows to evaluate on after every epoch, in memory, or as `evaluate` takes them in pieces. */
  readonly validation?: Rows | Dataset | (() => AsyncIterable<Rows>);
  /** The way to sort scores of a validation that is not in memory, as `evaluate` takes it. */
  readonly sorting?: Sorting;
  /**
   * The rule to stop early, by the validation. The parameters of the best epoch are restored before the last record, if
   * training stops early or all epochs or steps are done; not where it is aborted or left, or fails.
   */
  readonly stopping?: Stopping<Tasks>;
  /** Aborting it ends the training after the running step; what was learnt stays, the latest parameters. */
  readonly signal?: AbortSignal;
}

/** The options of a training, checked, with nothing left to default. */
export interface Settings {
  /** The passes over the data; infinite if only steps are limited. */
  readonly epochs: number;
  /** The most steps; infinite if only epochs are limited. */
  readonly most: number;
  /** The rows of a step. */
  readonly batch: number;
  /** The optimiser: how parameters follow their gradient. */
  readonly optimiser: Optimiser;
  /** The optimiser of vectors that are looked up. */
  readonly vectors: VectorOptimiser;
  /** The weighting of losses or gradients, if there is one. */
  readonly weighting: Weighting | undefined;
  /** True if rows are shuffled. */
  readonly shuffle: boolean;
  /** The rows to evaluate on, if there are any. */
  readonly validation: Rows | Dataset | (() => AsyncIterable<Rows>) | undefined;
  /** The way to sort scores of a validation that is not in memory. */
  readonly sorting: Sorting;
  /** The rule to stop early, if there is one. */
  readonly stopping: Stopping | undefined;
  /** Aborting it ends the training. */
  readonly signal: AbortSignal | undefined;
  /** The epoch and step to count from. */
  readonly from: { readonly epoch: number; readonly step: number };
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
    optimiser = adam(),
    vectors = rowwiseAdagrad(),
    weighting,
    shuffle = true,
    signal,
    validation,
    sorting = {},
    stopping,
    from = { epoch: 0, step: 0 },
  } = optionsOf("train", options, optionNames, ["shuffle"]);
  checkOptimiser("train", optimiser);
  checkVectorOptimiser("train", vectors);
  if (weighting !== undefined) checkWeighting(weighting);
  checkSignal("train", signal);
  checkSorting(sorting, "train");
  for (const [name, value] of Object.entries({ epochs, steps, batch })) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1)) {
      throw new RangeError(`Cannot train: ${name} must be a whole number of at least 1, found ${kindOf(value)}`);
    }
  }
  if (![from.epoch, from.step].every((number) => Number.isSafeInteger(number) && number >= 0)) {
    throw new RangeError("Cannot train: from must be { epoch, step }, whole numbers of at least 0");
  }
  return {
    epochs: epochs ?? (steps === undefined ? 1 : Infinity),
    most: steps ?? Infinity,
    batch,
    optimiser,
    vectors,
    weighting,
    shuffle,
    validation,
    sorting,
    stopping,
    signal,
    from,
  };
}

const optionNames = [
  "epochs",
  "steps",
  "batch",
  "optimiser",
  "vectors",
  "weighting",
  "validation",
  "sorting",
  "stopping",
  "signal",
  "from",
];
