import { kindOf, optionsOf } from "../errors/kinds.ts";
import { checkLengths, counted } from "./counted.ts";
import type { Walk } from "./folds.ts";
import { type Judge, type Judgement, judgeOf, type Seen } from "./judge.ts";
import { scoredRows } from "./metrics.ts";
import { normalAbove, normalWithin } from "./normal.ts";

/** The options of {@linkcode delong}, {@linkcode aucInterval} and {@linkcode compareAuc}. */
export interface IntervalOptions {
  /** The confidence level of the interval, between 0 and 1. Default 0.95. */
  readonly level?: number;
}

/** An AUC with its uncertainty. */
export interface AucInterval {
  /** The area under the ROC curve. */
  readonly auc: number;
  /** Its standard error. */
  readonly error: number;
  /** The interval around it, within 0 and 1. */
  readonly interval: readonly [lower: number, upper: number];
}

/** The AUC of two models on the same rows, and their difference. */
export interface AucComparison {
  /** The AUC of both. */
  readonly aucs: readonly [number, number];
  /** The first less the second. */
  readonly difference: number;
  /** The standard error of the difference. */
  readonly error: number;
  /** The interval around the difference. */
  readonly interval: readonly [lower: number, upper: number];
  /** The difference in standard errors; 0 if the models rank alike. */
  readonly z: number;
  /** The probability of a difference as far from 0, on either side, of models that are equal. */
  readonly p: number;
}

/**
 * Returns the AUC of scores with the standard error of DeLong and a normal interval, cut to 0 and 1.
 *
 * The variance is `S10 / m + S01 / n` of m positive and n negative rows: S10 is the variance over positive rows of the share
 * of negative ones scored below, S01 that over negative rows of the share of positive ones scored above, ties counting half.
 * Exact, in O(n log n). It takes rows as drawn independently: those of one user are not, and then it is too small. pROC's
 * `ci.auc` is the same; the interval is plain, not on the scale of logits.
 *
 * @param scores Anything that grows with the probability of class 1, `[rows]`.
 * @param labels 0 or 1, positive above 0.5, NaN where missing, `[rows]`.
 * @returns NaN of one class, an error and an interval of NaN of one row of a class.
 * @throws {TypeError | RangeError} if lengths differ, or an option is unknown or out of range.
 * @see DeLong, DeLong and Clarke-Pearson, Comparing the areas under two or more correlated receiver operating characteristic
 * curves, 1988.
 * @see Sun and Xu, Fast implementation of DeLong's algorithm, 2014.
 *
 * @example Shares 1/2 and 1 of negative rows below, 1 and 1/2 of positive rows above
 * ```ts
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 * import { aucInterval } from "@gatehouse/gatehouse/metrics";
 *
 * const { auc, error, interval } = aucInterval([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]);
 * assertEquals(auc, 0.75);
 * assertAlmostEquals(error, Math.sqrt(0.125 / 2 + 0.125 / 2), 1e-12);
 * assertAlmostEquals(interval[0], 0.75 - 1.959963984540054 * error, 1e-12);
 * assertEquals(interval[1], 1);
 * ```
 */
export function aucInterval(
  scores: ArrayLike<number>,
  labels: ArrayLike<number>,
  options: IntervalOptions = {},
): AucInterval {
  const { value, error, interval } = delong(options).judge(scores, labels);
  return { auc: value, error: error ?? NaN, interval: interval ?? [NaN, NaN] };
}

/**
 * Returns the judge by AUC with the standard error and the interval of {@linkcode aucInterval}, for `evaluate`.
 *
 * Rows have one weight, or 0 to be left out: there is no such variance of weighted rows.
 *
 * @throws {TypeError | RangeError} if an option is unknown or out of range; when it judges, if weights differ.
 *
 * @example The same numbers as aucInterval()
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { aucInterval, delong } from "@gatehouse/gatehouse/metrics";
 *
 * const [scores, labels] = [[0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]];
 * const { value, error } = delong({ level: 0.9 }).judge(scores, labels);
 * assertEquals([value, error], [0.75, aucInterval(scores, labels).error]);
 * ```
 */
export function delong(options: IntervalOptions = {}): Judge {
  const level = levelOf("judge by AUC", options);
  return judgeOf({
    title: "AUC",
    settings: { kind: "delong", level },
    best: "most",
    of: "logits",
    heads: ["binary"],
    reading: { records: scoredRows, walk: (seen) => placements(seen, normalWithin(level)) },
  });
}

/**
 * Returns the comparison of the AUC of two models on the same rows by the paired test of DeLong: the difference, its standard
 * error from the covariance of both, an interval, z and the two-sided p. pROC's `roc.test(paired = TRUE)` is the same.
 *
 * @param a Scores of the first model, `[rows]`.
 * @param b Scores of the second model, `[rows]`.
 * @param labels 0 or 1, positive above 0.5, NaN where missing, `[rows]`.
 * @returns NaN of one class.
 * @throws {TypeError | RangeError} if lengths differ, or an option is unknown or out of range.
 * @see DeLong, DeLong and Clarke-Pearson, 1988, as {@linkcode aucInterval}.
 *
 * @example Two models that differ in one pair of four
 * ```ts
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 * import { compareAuc } from "@gatehouse/gatehouse/metrics";
 *
 * const labels = [0, 0, 1, 1];
 * const { aucs, difference, error, p } = compareAuc([0.1, 0.4, 0.5, 0.8], [0.1, 0.4, 0.35, 0.8], labels);
 * assertEquals([aucs, difference], [[1, 0.75], 0.25]);
 * assertAlmostEquals(error, Math.sqrt(0.125 / 2 + 0.125 / 2), 1e-12); // of the shares' differences, 1/2 and 0, 0 and 1/2
 * assertAlmostEquals(p, 0.4795, 1e-4);
 * ```
 */
export function compareAuc(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  labels: ArrayLike<number>,
  options: IntervalOptions = {},
): AucComparison {
  const level = levelOf("compare AUC", options);
  for (const scores of [a, b]) checkLengths("AUC", scores, labels, undefined);
  const rows = counted(labels, undefined);
  const [one, other] = [a, b].map((scores) => shares(scores, labels, rows));
  const positives = spreadOf(rows.filter((row) => labels[row] > 0.5), (row) => one[row] - other[row]);
  const negatives = spreadOf(rows.filter((row) => !(labels[row] > 0.5)), (row) => one[row] - other[row]);
  const aucs = [one, other].map((share) => spreadOf(rows.filter((row) => labels[row] > 0.5), (row) => share[row]).mean);
  const difference = aucs[0] - aucs[1];
  const error = Math.sqrt(positives.variance / positives.count + negatives.variance / negatives.count);
  const z = difference === 0 && error === 0 ? 0 : difference / error;
  const half = normalWithin(level) * error;
  return {
    aucs: [aucs[0], aucs[1]],
    difference,
    error,
    interval: [difference - half, difference + half],
    z,
    p: Math.min(1, 2 * normalAbove(Math.abs(z))),
  };
}

/** Returns what makes an AUC with its error of rows that come by growing score. */
function placements(seen: Seen, reach: number): Walk<Judgement> {
  const [below, above] = [spread(), spread()]; // of each positive row the negative ones below, and the other way round
  let [score, weight] = [NaN, NaN];
  let [positives, negatives] = [0, 0]; // that are tied
  const close = () => {
    const [lower, higher] = [above.count(), below.count()];
    below.add(lower + negatives / 2, positives);
    above.add(higher + positives / 2, negatives);
    [positives, negatives] = [0, 0];
  };
  return {
    add: (rows) => {
      for (let at = 0; at < rows.length; at += 3) {
        if (Number.isNaN(weight)) weight = rows[at + 2];
        if (rows[at + 2] !== weight) {
          const found = `rows have the weights ${weight} and ${rows[at + 2]}`;
          throw new RangeError(`Cannot compute the error of AUC: ${found}, wanted one, or 0 for rows to leave out`);
        }
        if (rows[at] !== score) close();
        score = rows[at];
        if (rows[at + 1] === 1) positives++;
        else negatives++;
      }
    },
    end: () => {
      close();
      const [m, n] = [below.count(), above.count()];
      const value = below.mean() / n;
      const error = Math.sqrt(below.variance() / n ** 2 / m + above.variance() / m ** 2 / n);
      const interval = [Math.max(0, value - reach * error), Math.min(1, value + reach * error)] as const;
      return { value, rows: seen.rows, error, interval };
    },
  };
}

/** A mean and a variance of numbers that come one after the other, each some times, as West (1979) updates them. */
function spread() {
  let [count, center, about] = [0, 0, 0];
  return {
    count: () => count,
    add: (number: number, times: number) => {
      if (times === 0) return;
      const off = number - center;
      count += times;
      center += off * (times / count);
      about += times * off * (number - center);
    },
    mean: () => count === 0 ? NaN : center,
    variance: () => about / (count - 1),
  };
}

/** Returns the share of the rows of the other class that each row is on the right side of, ties counting half, `[rows]`. */
function shares(scores: ArrayLike<number>, labels: ArrayLike<number>, rows: Uint32Array): Float64Array {
  const found = new Float64Array(labels.length).fill(NaN);
  if (rows.some((row) => Number.isNaN(scores[row]))) return found;
  const order = rows.toSorted((a, b) => scores[a] - scores[b] || 0); // of infinite scores the difference is NaN
  const all = order.reduce((sum, row) => sum + (labels[row] > 0.5 ? 1 : 0), 0);
  let [positives, negatives] = [0, 0]; // below
  for (let start = 0, end = 0; start < order.length; start = end) {
    let tied = 0;
    for (; end < order.length && scores[order[end]] === scores[order[start]]; end++) {
      tied += labels[order[end]] > 0.5 ? 1 : 0;
    }
    const others = end - start - tied;
    for (const row of order.subarray(start, end)) {
      found[row] = labels[row] > 0.5
        ? (negatives + others / 2) / (order.length - all)
        : (all - positives - tied / 2) / all;
    }
    positives += tied;
    negatives += others;
  }
  return found;
}

function spreadOf(rows: Uint32Array, of: (row: number) => number) {
  const found = spread();
  for (const row of rows) found.add(of(row), 1);
  return { count: found.count(), mean: found.mean(), variance: found.variance() };
}

/** Returns the confidence level of options. */
export function levelOf(action: string, options: IntervalOptions): number {
  const { level = 0.95 } = optionsOf(action, options, ["level"]);
  if (typeof level === "number" && level > 0 && level < 1) return level;
  const text = `Cannot ${action}: level must be between 0 and 1, found ${kindOf(level)}`;
  throw typeof level === "number" ? new RangeError(text) : new TypeError(text);
}
