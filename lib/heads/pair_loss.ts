import { checkColumn, checkLengths, countedByGroup } from "./counted.ts";
import { byGroup, walkOf } from "./folds.ts";

/**
 * Returns the mean loss over the pairs `y_i > y_j` within a group, each weighted by `w_i w_j`: `softplus(s_j - s_i)`, as
 * rankings are trained by, whatever the order of the rows.
 *
 * Of a group of more than 2^23 pairs it is the mean over those within equal shares of its rows, which are dealt out by
 * label and score: all labels and scores are in every share, and the time grows with the rows, not with their square.
 *
 * @param scores `[rows]`.
 * @param labels Any numbers, the larger the better, NaN where missing, `[rows]`.
 * @param weights At least 0, `[rows]`; 1 where absent.
 * @param groups A number for each group, NaN for rows outside of all, `[rows]`; if absent, all rows are one group.
 * @returns At least 0; NaN if there are no pairs.
 * @throws {RangeError} if the lengths differ.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const softplus = (x: number) => Math.log1p(Math.exp(x));
 * const mean = (softplus(3 - 1) + softplus(0 - 2)) / 2;
 * assertEquals(pairLoss([1, 0, 3, 2], [5, 1, 4, 2], undefined, [7, 8, 7, 8]).toFixed(9), mean.toFixed(9));
 * ```
 */
export function pairLoss(
  scores: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights?: ArrayLike<number>,
  groups?: ArrayLike<number>,
): number {
  checkLengths("pair loss", scores, labels, weights);
  checkColumn("pair loss", "groups", labels, groups);
  const weightOf = (row: number) => weights?.[row] ?? 1;
  const compare = (a: number, b: number) => labels[a] - labels[b] || scores[a] - scores[b] || weightOf(a) - weightOf(b);
  let [sum, all] = [0, 0];
  for (const rows of countedByGroup(labels, weights, groups, compare)) {
    const picked = (column: (row: number) => number) => Float64Array.from(rows, column);
    const found = lossOfGroup(picked((row) => scores[row]), picked((row) => labels[row]), picked(weightOf));
    sum += found.sum;
    all += found.all;
  }
  return sum / all;
}

/** The same of rows that come in pieces, with the same bits; the rows of one group are in memory at once. */
export const pairLosses = walkOf({
  width: 4,
  keys: 4,
  write: ({ predictions, labels, weights, groups }, row, to, at) => {
    to[at] = groups?.[row] ?? 0;
    to[at + 1] = labels[row];
    to[at + 2] = predictions[row];
    to[at + 3] = weights?.[row] ?? 1;
    return !Number.isNaN(to[at]);
  },
}, () => {
  let [sum, all] = [0, 0];
  return byGroup(4, {
    add: (records) => {
      const column = (at: number) =>
        Float64Array.from({ length: records.length / 4 }, (_, row) => records[4 * row + at]);
      const found = lossOfGroup(column(2), column(1), column(3));
      sum += found.sum;
      all += found.all;
    },
    end: () => sum / all,
  });
});

/** The most pairs of which each is looked at: those of about 4000 rows with labels of their own. */
const mostPairs = 2 ** 23;

/** Returns the weighted sum of the losses of a group's pairs, and the sum of their weights. Rows come by label. */
function lossOfGroup(
  scores: Float64Array,
  labels: Float64Array,
  weights: Float64Array,
): { readonly sum: number; readonly all: number } {
  const shares = Math.ceil(Math.sqrt(pairsAmong(labels) / mostPairs));
  let [sum, all] = [0, 0];
  for (let share = 0; share < shares; share++) {
    let lower = share; // the first row of the share with the label of row i
    for (let i = share; i < labels.length; i += shares) {
      if (labels[i] > labels[lower]) lower = i;
      for (let j = share; j < lower; j += shares) {
        const behind = scores[j] - scores[i];
        const weight = weights[i] * weights[j];
        sum += weight * (Math.max(behind, 0) + Math.log1p(Math.exp(-Math.abs(behind))));
        all += weight;
      }
    }
  }
  return { sum: sum * shares, all: all * shares };
}

/** Returns the number of pairs of different labels among rows that come by label. */
function pairsAmong(labels: Float64Array): number {
  let [pairs, lower] = [0, 0];
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] > labels[lower]) lower = i;
    pairs += lower;
  }
  return pairs;
}
