import { checkAmount } from "../errors/kinds.ts";
import { checkLengths } from "./counted.ts";
import { meanOf, type PlainFold, whole } from "./folds.ts";
import type { Metric } from "./metrics.ts";

/**
 * The mean Huber loss: `e ** 2 / 2` where `|e| <= delta`, else `delta (|e| - delta / 2)`, with `e = p - y`.
 *
 * @param delta The distance at which the square becomes a line, above 0, in units of the labels.
 * @returns A metric of predictions `[rows]` and labels `[rows]`.
 * @see Huber, Robust estimation of a location parameter, 1964.
 *
 * @example One error below delta, one above
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { huberLoss } from "@gatehouse/gatehouse/metrics";
 *
 * assertEquals(huberLoss(2)([1, 5], [0, 0]), (1 / 2 + 2 * (5 - 1)) / 2);
 * ```
 */
export function huberLoss(delta: number): Metric {
  checkAmount("compute Huber loss", "delta", delta);
  const begin = huberLosses(delta);
  return (predictions, labels, weights) => {
    checkLengths("Huber loss", predictions, labels, weights);
    return whole(begin, { predictions, labels, weights });
  };
}

/** Returns the same of rows that come in pieces. */
export function huberLosses(delta: number): () => PlainFold {
  return meanOf(({ predictions, labels }) => (row) => {
    const distance = Math.abs(predictions[row] - labels[row]);
    return distance <= delta ? distance ** 2 / 2 : delta * (distance - delta / 2);
  });
}

/**
 * The mean pinball loss, which is least for the quantile of a level: `level (y - p)` where `y > p`, else
 * `(1 - level) (p - y)`.
 *
 * @param level Between 0 and 1.
 * @returns A metric of predictions `[rows]` and labels `[rows]`.
 * @see Koenker and Bassett, Regression quantiles, 1978.
 *
 * @example One label above the prediction, one below
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { pinballLoss } from "@gatehouse/gatehouse/metrics";
 *
 * assertEquals(pinballLoss(0.75)([2, 2], [4, 0]), (0.75 * 2 + 0.25 * 2) / 2);
 * ```
 */
export function pinballLoss(level: number): Metric {
  checkAmount("compute pinball loss", "level", level);
  const begin = pinballLosses(level);
  return (predictions, labels, weights) => {
    checkLengths("pinball loss", predictions, labels, weights);
    return whole(begin, { predictions, labels, weights });
  };
}

/** Returns the same of rows that come in pieces. */
export function pinballLosses(level: number): () => PlainFold {
  return meanOf(({ predictions, labels }) => (row) => {
    const above = labels[row] - predictions[row];
    return above > 0 ? level * above : (level - 1) * above;
  });
}

/**
 * The mean Poisson deviance, `2 (y log(y / p) - y + p)`: 0 for perfect predictions. It is twice the mean Poisson loss
 * plus a constant of the labels.
 *
 * @param predictions The predicted means, above 0, `[rows]`.
 * @param labels At least 0, NaN where missing, `[rows]`.
 * @param weights At least 0, `[rows]`; 1 where absent.
 * @returns At least 0.
 * @throws {RangeError} if the lengths differ.
 * @see McCullagh and Nelder, Generalized linear models, 1989, section 2.3.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { poissonDeviance } from "@gatehouse/gatehouse/metrics";
 *
 * assertEquals(poissonDeviance([2, 3], [0, 3]), (2 * 2 + 0) / 2);
 * ```
 */
export function poissonDeviance(
  predictions: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights?: ArrayLike<number>,
): number {
  checkLengths("Poisson deviance", predictions, labels, weights);
  return whole(deviances, { predictions, labels, weights });
}

/** The same of rows that come in pieces. */
export const deviances = meanOf(({ predictions, labels }) => (row) => {
  const [p, y] = [predictions[row], labels[row]];
  return 2 * ((y === 0 ? 0 : y * Math.log(y / p)) - y + p);
});

/** The mean binary cross-entropy of logits `z`, `log(1 + e ** z) - y z`: exact where probabilities round to 0 or 1. */
export function logitLoss(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights?: ArrayLike<number>,
): number {
  checkLengths("log loss", logits, labels, weights);
  return whole(logitLosses, { predictions: logits, labels, weights });
}

/** The same of rows that come in pieces. */
export const logitLosses = meanOf(({ predictions, labels }) => (row) => {
  const z = predictions[row];
  return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - labels[row] * z;
});
