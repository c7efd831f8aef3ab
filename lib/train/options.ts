import type { Sorting } from "../files/sorter.ts";
import type { Judge } from "../heads/judge.ts";
import type { Data } from "../model/pieces.ts";
import type { Optimiser, VectorOptimiser } from "../optimisers/optimiser.ts";
import type { Weighting } from "../weighting/weighting.ts";
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
