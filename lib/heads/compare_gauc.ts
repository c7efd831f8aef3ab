import { keyNumbers, type Keys, keysOf } from "../data/keys.ts";
import { type Random, random } from "../data/random.ts";
import { checkCount, checkSeed, checkWord, optionsOf } from "../errors/kinds.ts";
import { checkLengths, countedByGroup } from "./counted.ts";
import { type IntervalOptions, levelOf } from "./delong.ts";
import { areaUnder } from "./metrics.ts";

/** The options of {@linkcode compareGauc}. */
export interface CompareGaucOptions extends IntervalOptions {
  /** The weight of a group in the mean, as of {@linkcode gauc}. Default `"rows"`. */
  readonly weight?: "rows" | "positives" | "groups";
  /** The number of times that groups are drawn. Default 2000. */
  readonly resamples?: number;
  /** The seed of the draws. Default 0. */
  readonly seed?: number | string;
}

/** The GAUC of two models on the same rows, and their difference. */
export interface GaucComparison {
  /** The GAUC of both. */
  readonly gaucs: readonly [number, number];
  /** The first less the second. */
  readonly difference: number;
  /** The standard error of the difference: the deviation of the drawn ones. */
  readonly error: number;
  /** The interval of the difference: quantiles of the drawn ones. */
  readonly interval: readonly [lower: number, upper: number];
  /** The number of groups of both classes, of which it is made. */
  readonly groups: number;
}

/**
 * Returns the comparison of the GAUC of two models on the same rows by a paired bootstrap over groups: groups, such as users,
 * are drawn with replacement, as many as there are, each with all its rows and with what both models say of them; the
 * difference of the two GAUC is taken of each draw.
 *
 * Rows of one user depend on each other, which is why users are drawn and not rows. The interval is that of percentiles, as
 * of `scipy.stats.bootstrap` with `paired=True, method="percentile"` on the groups' AUC and weights. Groups of one class,
 * and rows without a key, are left out, as by {@linkcode gauc}.
 *
 * @param a Scores of the first model, `[rows]`.
 * @param b Scores of the second model, `[rows]`.
 * @param labels 0 or 1, positive above 0.5, NaN where missing, `[rows]`.
 * @param groups The key of each row, such as its user, `[rows]`.
 * @returns NaN if no group has both classes, or a score that counts is NaN; an error of NaN of one draw.
 * @throws {TypeError | RangeError} if lengths differ, or an option is unknown or out of range.
 * @see Field and Welsh, Bootstrapping clustered data, 2007.
 *
 * @example Three users: the models differ in the order of one
 * ```ts
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 * import { compareGauc } from "@gatehouse/gatehouse/metrics";
 *
 * const users = ["ann", "ann", "bob", "bob", "eve", "eve"];
 * const labels = [0, 1, 0, 1, 0, 1];
 * const { gaucs, difference, error, interval } = compareGauc(
 *   [0.1, 0.9, 0.2, 0.8, 0.7, 0.3],
 *   [0.1, 0.9, 0.8, 0.2, 0.7, 0.3],
 *   labels,
 *   users,
 * );
 * assertEquals(gaucs, [2 / 3, 1 / 3]);
 * assertAlmostEquals(difference, 1 / 3, 1e-12);
 * assertAlmostEquals(error, Math.sqrt(2 / 9 / 3), 0.02); // that of the mean of 0, 1 and 0, drawn with replacement
 * assertEquals(interval, [0, 1]);
 * ```
 */
export function compareGauc(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  labels: ArrayLike<number>,
  groups: Keys,
  options: CompareGaucOptions = {},
): GaucComparison {
  const action = "compare GAUC";
  const { weight = "rows", resamples = 2000, seed = 0, level } = optionsOf(action, options, [
    "weight",
    "resamples",
    "seed",
    "level",
  ]);
  checkWord(action, "weight", weight, ["rows", "positives", "groups"]);
  checkCount(action, "resamples", resamples, 1);
  checkSeed(action, seed);
  const tail = (1 - levelOf(action, { level })) / 2;
  for (const scores of [a, b]) checkLengths("GAUC", scores, labels, undefined);
  const keys = keyNumbers(keysOf(groups, labels.length, `Cannot ${action}: groups`));
  const [one, other] = [a, b].map((scores) => areasOf(scores, labels, keys));
  const weights = one.map(({ rows, positives }) => weight === "rows" ? rows : weight === "positives" ? positives : 1);
  const offs = one.map(({ area }, at) => area - other[at].area);
  const drawn = drawnMeans(offs, weights, resamples, random(`compare GAUC:${seed}`));
  const mean = drawn.reduce((sum, value) => sum + value, 0) / resamples;
  const about = drawn.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    gaucs: [meanOf(one.map(({ area }) => area), weights), meanOf(other.map(({ area }) => area), weights)],
    difference: meanOf(offs, weights),
    error: Math.sqrt(about / (resamples - 1)),
    interval: [quantileOf(drawn, tail), quantileOf(drawn, 1 - tail)],
    groups: one.length,
  };
}

/** Returns the AUC of each group of both classes, by growing keys, with its rows and positive rows; NaN of a score of NaN. */
function areasOf(scores: ArrayLike<number>, labels: ArrayLike<number>, keys: ArrayLike<number>) {
  const found: { readonly area: number; readonly rows: number; readonly positives: number }[] = [];
  // of infinite scores the difference is NaN
  for (const rows of countedByGroup(labels, undefined, keys, (a, b) => scores[a] - scores[b] || 0)) {
    const area = areaUnder();
    let positives = 0;
    for (const row of rows) {
      area.addRow(scores[row], labels[row] > 0.5, 1);
      if (labels[row] > 0.5) positives++;
    }
    if (positives === 0 || positives === rows.length) continue;
    const isNaN = rows.some((row) => Number.isNaN(scores[row]));
    found.push({ area: isNaN ? NaN : area.end(), rows: rows.length, positives });
  }
  return found;
}

/** Returns the weighted means of draws with replacement, sorted, `[resamples]`; NaN of no value. */
function drawnMeans(
  values: readonly number[],
  weights: readonly number[],
  resamples: number,
  source: Random,
): Float64Array {
  return new Float64Array(resamples).map(() => {
    let [sum, total] = [0, 0];
    for (let draw = 0; draw < values.length; draw++) {
      const at = Math.floor(source.uniform() * values.length);
      sum += weights[at] * values[at];
      total += weights[at];
    }
    return sum / total;
  }).sort();
}

function meanOf(values: readonly number[], weights: readonly number[]): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return values.reduce((sum, value, at) => sum + weights[at] * value, 0) / total;
}

/** Returns the quantile of sorted numbers, linear between two of them, as numpy has it. */
function quantileOf(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const [low, high] = [sorted[below], sorted[Math.min(below + 1, sorted.length - 1)]];
  return low + (high - low) * (place - below);
}
