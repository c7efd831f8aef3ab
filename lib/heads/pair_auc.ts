import { checkColumn, checkLengths, countedByGroup } from "./counted.ts";
import { byGroup, walkOf } from "./folds.ts";

/**
 * The share of pairs in the right order: of two rows of one group with different labels, the one with the larger label
 * should have the larger score. Ties of scores count half. For labels of 0 and 1 in one group it is {@linkcode auc}.
 *
 * `sum_ij w_i w_j ([s_i > s_j] + [s_i = s_j] / 2) / sum_ij w_i w_j` over the pairs `y_i > y_j` within a group, exact,
 * in O(n log n). A group weighs as much as its pairs.
 *
 * @param scores `[rows]`.
 * @param labels Any numbers, the larger the better, NaN where missing, `[rows]`.
 * @param weights At least 0, `[rows]`; 1 where absent.
 * @param groups A number for each group, NaN for rows outside of all, `[rows]`; if absent, all rows are one group.
 * @returns 0 to 1; NaN if there are no pairs.
 * @throws {RangeError} if the lengths differ.
 *
 * @example All rows, and two groups
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { pairAuc } from "@gatehouse/gatehouse/metrics";
 *
 * const [scores, labels] = [[1, 3, 2, 0.5], [1, 2, 3, 4]];
 * assertEquals(pairAuc(scores, labels), 2 / 6);
 * assertEquals(pairAuc(scores, labels, undefined, [7, 7, 8, 8]), 1 / 2);
 * ```
 */
export function pairAuc(
  scores: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights?: ArrayLike<number>,
  groups?: ArrayLike<number>,
): number {
  checkLengths("AUC", scores, labels, weights);
  checkColumn("AUC", "groups", labels, groups);
  let [right, pairs] = [0, 0];
  for (const rows of countedByGroup(labels, weights, groups, (a, b) => scores[a] - scores[b])) {
    if (rows.some((row) => Number.isNaN(scores[row]))) return NaN;
    const found = pairsOf(rows, scores, labels, weights);
    right += found.right;
    pairs += found.pairs;
  }
  return right / pairs;
}

/** The same of rows that come in pieces, with the same bits; the rows of one group are in memory at once. */
export const pairAucs = walkOf({
  width: 4,
  keys: 2,
  write: ({ predictions, labels, weights, groups }, row, to, at) => {
    to[at] = groups?.[row] ?? 0;
    to[at + 1] = predictions[row];
    to[at + 2] = labels[row];
    to[at + 3] = weights?.[row] ?? 1;
    return !Number.isNaN(to[at]);
  },
}, () => {
  let [right, pairs] = [0, 0];
  return byGroup(4, {
    add: (records) => {
      const column = (at: number) =>
        Float64Array.from({ length: records.length / 4 }, (_, row) => records[4 * row + at]);
      const found = pairsOf(new Uint32Array(records.length / 4).map((_, row) => row), column(1), column(2), column(3));
      right += found.right;
      pairs += found.pairs;
    },
    end: () => right / pairs,
  });
});

/** The weight of the pairs of one group, whose rows come by growing score, and of those in the right order. */
function pairsOf(
  rows: Uint32Array,
  scores: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights: ArrayLike<number> | undefined,
): { readonly right: number; readonly pairs: number } {
  const ranks = new Map(
    [...new Set(Array.from(rows, (row) => labels[row]))].sort((a, b) => a - b).map((y, i) => [y, i]),
  );
  const below = sums(ranks.size); // of the rows of smaller scores
  let [right, pairs] = [0, 0];
  for (let start = 0, end = 0; start < rows.length; start = end) {
    const tied = new Map<number, number>(); // the weights of rows of one score, by rank
    for (; end < rows.length && scores[rows[end]] === scores[rows[start]]; end++) {
      const rank = ranks.get(labels[rows[end]])!;
      tied.set(rank, (tied.get(rank) ?? 0) + (weights?.[rows[end]] ?? 1));
    }
    let level = 0;
    const runs = [...tied].sort(([a], [b]) => a - b);
    for (const [rank, weight] of runs) {
      const [smaller, larger] = [below.before(rank), below.before(ranks.size) - below.before(rank + 1)];
      right += weight * (smaller + level / 2);
      pairs += weight * (smaller + larger + level);
      level += weight;
    }
    runs.forEach(([rank, weight]) => below.add(rank, weight));
  }
  return { right, pairs };
}

/** Numbers that grow one by one, and the sums of the first of them, each in O(log size): a Fenwick tree. */
function sums(size: number): { add(at: number, number: number): void; before(end: number): number } {
  const tree = new Float64Array(size + 1);
  return {
    add: (at, number) => {
      for (let i = at + 1; i <= size; i += i & -i) tree[i] += number;
    },
    before: (end) => {
      let sum = 0;
      for (let i = end; i > 0; i -= i & -i) sum += tree[i];
      return sum;
    },
  };
}
