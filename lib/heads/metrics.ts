import { checkNumbers } from "../errors/kinds.ts";
import { checkColumn, checkLengths, counted, isCounted } from "./counted.ts";
import { meanOf, type PlainFold, type Records, type Walk, walkOf, whole } from "./folds.ts";

/**
 * A measure of predictions: one number from the predictions, the labels and, if given, the weights of some rows.
 *
 * Rows whose label is NaN (missing) or whose weight is 0 do not count. The result is NaN if no row counts, or if a
 * prediction that counts is NaN. Predictions are `[rows]`, or row-major `[rows x classes]` for a categorical head;
 * labels and weights are `[rows]`, weights at least 0. Only {@linkcode pairAuc} reads groups, `[rows]`.
 */
export type Metric = (
  predictions: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights?: ArrayLike<number>,
  groups?: ArrayLike<number>,
) => number;

/**
 * The area under the ROC curve: the probability that a positive row is scored above a negative one, ties counting half.
 *
 * `sum_ij w_i w_j ([s_i > s_j] + [s_i = s_j] / 2) / sum_ij w_i w_j` over positive rows i and negative rows j, exact, by
 * one sort: O(n log n). A row is positive where its label is above 0.5.
 *
 * @param scores Anything that grows with the probability of class 1, `[rows]`.
 * @param labels 0 or 1, NaN where missing, `[rows]`.
 * @param weights At least 0, `[rows]`; 1 where absent.
 * @returns 0 to 1; NaN if only one class is present.
 * @throws {RangeError} if the lengths differ.
 * @see Mann and Whitney, On a test of whether one of two random variables is stochastically larger than the other,
 * 1947.
 *
 * @example Three of four pairs in the right order
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { auc } from "@gatehouse/gatehouse/metrics";
 *
 * assertEquals(auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 0.75);
 * ```
 */
export function auc(scores: ArrayLike<number>, labels: ArrayLike<number>, weights?: ArrayLike<number>): number {
  checkLengths("AUC", scores, labels, weights);
  const order = counted(labels, weights);
  if (order.some((row) => Number.isNaN(scores[row]))) return NaN;
  order.sort((a, b) => scores[a] - scores[b]);
  const { addRow, end } = areaUnder();
  for (const row of order) addRow(scores[row], labels[row] > 0.5, weights?.[row] ?? 1);
  return end();
}

/** The records that are walked by growing score: the score, 1 or 0, the weight. */
export const scoredRows: Records = {
  width: 3,
  keys: 1,
  write: ({ predictions, labels, weights }, row, to, at) => {
    to[at] = predictions[row];
    to[at + 1] = labels[row] > 0.5 ? 1 : 0;
    to[at + 2] = weights?.[row] ?? 1;
    return true;
  },
};

/** The same of rows that come in pieces, with the same bits. */
export const aucs = walkOf(scoredRows, areaUnder);

/** Returns the area under the ROC curve of rows that come by growing score. */
export function areaUnder(): Walk & { readonly addRow: (score: number, isPositive: boolean, weight: number) => void } {
  let [wins, positive, negative] = [0, 0, 0];
  let [score, tiedPositive, tiedNegative] = [NaN, 0, 0];
  const close = () => {
    wins += tiedPositive * (negative + tiedNegative / 2);
    positive += tiedPositive;
    negative += tiedNegative;
    [tiedPositive, tiedNegative] = [0, 0];
  };
  const addRow = (next: number, isPositive: boolean, weight: number) => {
    if (next !== score) close();
    score = next;
    if (isPositive) tiedPositive += weight;
    else tiedNegative += weight;
  };
  return {
    addRow,
    add: (records) => {
      for (let at = 0; at < records.length; at += 3) addRow(records[at], records[at + 1] === 1, records[at + 2]);
    },
    end: () => {
      close();
      return wins / (positive * negative);
    },
  };
}

/**
 * The mean binary cross-entropy, `-(y log p + (1 - y) log(1 - p))`, in nats.
 *
 * Probabilities are clipped to `[e, 1 - e]` with `e = 2 ** -23`, the epsilon of float32, so that one saturated
 * prediction costs at most 15.9 and not infinity.
 *
 * @param probabilities Of class 1, 0 to 1, `[rows]`.
 * @param labels 0 to 1, NaN where missing, `[rows]`.
 * @param weights At least 0, `[rows]`; 1 where absent.
 * @returns At least 0, in nats.
 * @throws {RangeError} if the lengths differ.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { logLoss } from "@gatehouse/gatehouse/metrics";
 *
 * assertAlmostEquals(logLoss([0.5, 0.25], [1, 0]), (Math.log(2) + Math.log(4 / 3)) / 2);
 * ```
 */
export function logLoss(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights?: ArrayLike<number>,
): number {
  checkLengths("log loss", probabilities, labels, weights);
  return whole(logLosses, { predictions: probabilities, labels, weights });
}

/** The same of rows that come in pieces. */
export const logLosses = meanOf(({ predictions, labels }) => (row) => {
  const p = clipped(predictions[row]);
  return -labels[row] * Math.log(p) - (1 - labels[row]) * Math.log(1 - p);
});

/**
 * The share of rows on the right side of 0.5: `[p > 0.5] = [y > 0.5]`.
 *
 * @param probabilities Of class 1, `[rows]`.
 * @param labels 0 or 1, NaN where missing, `[rows]`.
 * @param weights At least 0, `[rows]`; 1 where absent.
 * @returns 0 to 1.
 * @throws {RangeError} if the lengths differ.
 *
 * @example A missing label does not count
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { accuracy } from "@gatehouse/gatehouse/metrics";
 *
 * assertEquals(accuracy([0.9, 0.2, 0.6, 0.1], [1, 0, 0, NaN]), 2 / 3);
 * ```
 */
export function accuracy(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights?: ArrayLike<number>,
): number {
  checkLengths("accuracy", probabilities, labels, weights);
  return whole(accuracies, { predictions: probabilities, labels, weights });
}

/** The same of rows that come in pieces. */
export const accuracies = meanOf(({ predictions, labels }) => (row) => {
  if (Number.isNaN(predictions[row])) return NaN;
  return predictions[row] > 0.5 === labels[row] > 0.5 ? 1 : 0;
});

/**
 * The mean negative logarithm of the probability of the right class, in nats, clipped as in {@linkcode logLoss}.
 *
 * @param probabilities Row-major, `[rows x classes]`, each row summing to 1.
 * @param labels Classes from 0, NaN where missing, `[rows]`.
 * @param weights At least 0, `[rows]`; 1 where absent.
 * @returns At least 0, in nats.
 * @throws {RangeError} if the lengths do not fit, or if a label is not a class.
 *
 * @example Two classes, one row labelled
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { categoricalLogLoss } from "@gatehouse/gatehouse/metrics";
 *
 * assertEquals(categoricalLogLoss([0.5, 0.5, 0, 1], [1, NaN]), Math.log(2));
 * ```
 */
export function categoricalLogLoss(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights?: ArrayLike<number>,
): number {
  classesOf("log loss", probabilities, labels, weights);
  return whole(categoricalLogLosses, { predictions: probabilities, labels, weights });
}

/** The same of rows that come in pieces. */
export const categoricalLogLosses = meanOf(({ predictions, labels }) => {
  const classes = predictions.length / labels.length;
  return (row) => {
    checkClass("log loss", labels[row], row, classes);
    return -Math.log(clipped(predictions[row * classes + labels[row]]));
  };
});

/**
 * The share of rows whose most probable class is the right one; of equally probable classes the first is taken.
 *
 * @param probabilities Row-major, `[rows x classes]`.
 * @param labels Classes from 0, NaN where missing, `[rows]`.
 * @param weights At least 0, `[rows]`; 1 where absent.
 * @returns 0 to 1.
 * @throws {RangeError} if the lengths do not fit, or if a label is not a class.
 *
 * @example Three classes, one of two rows right
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { categoricalAccuracy } from "@gatehouse/gatehouse/metrics";
 *
 * assertEquals(categoricalAccuracy([0.2, 0.7, 0.1, 0.6, 0.3, 0.1], [1, 2]), 0.5);
 * ```
 */
export function categoricalAccuracy(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights?: ArrayLike<number>,
): number {
  classesOf("accuracy", probabilities, labels, weights);
  return whole(categoricalAccuracies, { predictions: probabilities, labels, weights });
}

/** The same of rows that come in pieces. */
export const categoricalAccuracies = meanOf(({ predictions, labels }) => {
  const classes = predictions.length / labels.length;
  return (row) => {
    checkClass("accuracy", labels[row], row, classes);
    let best = 0;
    for (let k = 0; k < classes; k++) {
      if (Number.isNaN(predictions[row * classes + k])) return NaN;
      if (predictions[row * classes + k] > predictions[row * classes + best]) best = k;
    }
    return best === labels[row] ? 1 : 0;
  };
});

/**
 * The mean squared error, `mean((p - y) ** 2)`.
 *
 * @param predictions `[rows]`.
 * @param labels NaN where missing, `[rows]`.
 * @param weights At least 0, `[rows]`; 1 where absent.
 * @returns At least 0, in squared units of the labels.
 * @throws {RangeError} if the lengths differ.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { mse } from "@gatehouse/gatehouse/metrics";
 *
 * assertEquals(mse([1, 2, 5], [1, 4, 4]), 5 / 3);
 * ```
 */
export function mse(predictions: ArrayLike<number>, labels: ArrayLike<number>, weights?: ArrayLike<number>): number {
  checkLengths("MSE", predictions, labels, weights);
  return whole(squaredErrors, { predictions, labels, weights });
}

/** The same of rows that come in pieces. */
export const squaredErrors = meanOf(({ predictions, labels }) => (row) => (predictions[row] - labels[row]) ** 2);

/**
 * The mean absolute error, `mean(|p - y|)`.
 *
 * @param predictions `[rows]`.
 * @param labels NaN where missing, `[rows]`.
 * @param weights At least 0, `[rows]`; 1 where absent.
 * @returns At least 0, in units of the labels.
 * @throws {RangeError} if the lengths differ.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { mae } from "@gatehouse/gatehouse/metrics";
 *
 * assertEquals(mae([1, 2, 5], [1, 4, 4]), 1);
 * ```
 */
export function mae(predictions: ArrayLike<number>, labels: ArrayLike<number>, weights?: ArrayLike<number>): number {
  checkLengths("MAE", predictions, labels, weights);
  return whole(absoluteErrors, { predictions, labels, weights });
}

/** The same of rows that come in pieces. */
export const absoluteErrors = meanOf(({ predictions, labels }) => (row) => Math.abs(predictions[row] - labels[row]));

/**
 * The coefficient of determination, `1 - sum((p - y) ** 2) / sum((y - mean(y)) ** 2)`, weighted.
 *
 * @param predictions `[rows]`.
 * @param labels NaN where missing, `[rows]`.
 * @param weights At least 0, `[rows]`; 1 where absent.
 * @returns 1 for perfect predictions, 0 for those of the mean label, NaN if all labels are equal.
 * @throws {RangeError} if the lengths differ.
 *
 * @example Half of the variance explained
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { r2 } from "@gatehouse/gatehouse/metrics";
 *
 * assertEquals(r2([1, 2, 4], [1, 2, 3]), 0.5);
 * ```
 */
export function r2(predictions: ArrayLike<number>, labels: ArrayLike<number>, weights?: ArrayLike<number>): number {
  checkLengths("R2", predictions, labels, weights);
  return whole(determination, { predictions, labels, weights });
}

/** The same of rows that come in pieces: the variance of labels by West's update of it (1979), 0 where all are equal. */
export function determination(): PlainFold {
  let [weight, center, spread, errors] = [0, 0, 0, 0];
  return {
    add: ({ predictions, labels, weights }) => {
      for (let row = 0; row < labels.length; row++) {
        if (!isCounted(labels, weights, row)) continue;
        const own = weights?.[row] ?? 1;
        const off = labels[row] - center;
        weight += own;
        center += off * (own / weight);
        spread += own * off * (labels[row] - center);
        errors += own * (predictions[row] - labels[row]) ** 2;
      }
    },
    end: () => spread === 0 ? NaN : 1 - errors / spread,
  };
}

/** A probability that has a finite logarithm, and so has its complement. */
function clipped(probability: number): number {
  const epsilon = 2 ** -23;
  return Math.min(Math.max(probability, epsilon), 1 - epsilon);
}

/** The number of classes of predictions `[rows x classes]`. */
function classesOf(
  metric: string,
  predictions: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights: ArrayLike<number> | undefined,
): number {
  checkNumbers(`compute ${metric}`, "predictions", predictions);
  checkNumbers(`compute ${metric}`, "labels", labels);
  const classes = labels.length === 0 ? 0 : predictions.length / labels.length;
  if (!Number.isInteger(classes) || predictions.length !== classes * labels.length) {
    throw new RangeError(
      `Cannot compute ${metric}: ${predictions.length} predictions for ${labels.length} labels, ` +
        `wanted one a row and class`,
    );
  }
  checkColumn(metric, "weights", labels, weights);
  return classes;
}

/** Checks that a label is one of the classes. */
function checkClass(metric: string, label: number, row: number, classes: number): void {
  if (!Number.isInteger(label) || label < 0 || label >= classes) {
    throw new RangeError(
      `Cannot compute ${metric}: the label of row ${row} is ${label}, wanted a class from 0 to ${classes - 1}`,
    );
  }
}
