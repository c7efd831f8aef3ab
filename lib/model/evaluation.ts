import type { Judgement } from "../heads/judge.ts";

/** Losses and metrics of a model on rows with labels. */
export interface Evaluation<Tasks extends string = string> {
  /**
   * The mean loss over the labelled rows, by task, of a ranking over all pairs of a group, whatever the order of rows;
   * NaN where no row is labelled, or there is no pair.
   */
  readonly loss: Readonly<Record<Tasks, number>>;
  /** The losses of gates and banks, by path: the mean over all rows, of banks over pieces of 1024 rows. */
  readonly auxiliary: Readonly<Record<string, number>>;
  /**
   * The metrics of each task's head, by name: `auc`, `logloss`, `accuracy`; `mse`, `mae`, `r2`, and `huber` or `pinball`
   * with that loss; `deviance` of a count; `auc` over the pairs of a ranking. AUC ranks by logits, and `logloss` is the
   * loss itself or computed from logits, so that probabilities which round to 0 or 1 distort neither. Beside them the values
   * of judges, by the names that they were given.
   */
  readonly metrics: Readonly<Record<Tasks, Readonly<Record<string, number>>>>;
  /** The judgements by task and name: values, the rows and groups that they are of, and those left out. Absent without judges. */
  readonly judged?: Readonly<Record<Tasks, Readonly<Record<string, Judgement>>>>;
  /** The metrics of each segment, by the name of the segments and the text of the key. Absent without segments. */
  readonly segments?: Readonly<Record<string, Readonly<Record<string, SegmentEvaluation<Tasks>>>>>;
}

/** Metrics of a model on the rows of one key, such as those of one tab. */
export interface SegmentEvaluation<Tasks extends string = string> {
  /** The number of its rows. */
  readonly rows: number;
  /** The metrics of each task's head and the values of its judges, by name. */
  readonly metrics: Readonly<Record<Tasks, Readonly<Record<string, number>>>>;
  /** The judgements, by task and name. Absent where no judges are given. */
  readonly judged?: Readonly<Record<Tasks, Readonly<Record<string, Judgement>>>>;
}
