import { checkNumbers } from "../errors/kinds.ts";

/** Returns true if a row has a label and a weight. */
export function isCounted(labels: ArrayLike<number>, weights: ArrayLike<number> | undefined, row: number): boolean {
  return !Number.isNaN(labels[row]) && weights?.[row] !== 0;
}

/** Returns the rows with a label and a weight. */
export function counted(labels: ArrayLike<number>, weights: ArrayLike<number> | undefined): Uint32Array {
  const rows = new Uint32Array(labels.length);
  let count = 0;
  for (let row = 0; row < labels.length; row++) {
    if (isCounted(labels, weights, row)) rows[count++] = row;
  }
  return rows.subarray(0, count);
}

/**
 * Yields the rows that count of each group, in the order of a comparison within the group. Rows outside of all groups do
 * not count.
 *
 * @param groups A number for each group, NaN for rows outside of all, `[rows]`; if absent, all rows are one group.
 */
export function* countedByGroup(
  labels: ArrayLike<number>,
  weights: ArrayLike<number> | undefined,
  groups: ArrayLike<number> | undefined,
  compare: (a: number, b: number) => number,
): Generator<Uint32Array> {
  const rows = counted(labels, weights).filter((row) => groups === undefined || !Number.isNaN(groups[row]));
  const groupOf = (row: number) => groups?.[row] ?? 0;
  rows.sort((a, b) => groupOf(a) - groupOf(b) || compare(a, b));
  for (let start = 0, end = 0; start < rows.length; start = end) {
    while (end < rows.length && groupOf(rows[end]) === groupOf(rows[start])) end++;
    yield rows.subarray(start, end);
  }
}

/**
 * Checks that there are as many predictions as labels, and as many weights, if any.
 *
 * @throws {RangeError} if the lengths differ.
 */
export function checkLengths(
  metric: string,
  predictions: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights: ArrayLike<number> | undefined,
): void {
  checkNumbers(`compute ${metric}`, "predictions", predictions);
  checkNumbers(`compute ${metric}`, "labels", labels);
  if (predictions.length !== labels.length) {
    throw new RangeError(`Cannot compute ${metric}: ${predictions.length} predictions for ${labels.length} labels`);
  }
  checkColumn(metric, "weights", labels, weights);
}

/**
 * Checks that there is one weight, or one group, a row, or none at all.
 *
 * @throws {RangeError} if there are more or fewer.
 */
export function checkColumn(
  metric: string,
  what: "weights" | "groups",
  labels: ArrayLike<number>,
  column: ArrayLike<number> | undefined,
): void {
  if (column !== undefined) checkNumbers(`compute ${metric}`, what, column);
  if (column !== undefined && column.length !== labels.length) {
    throw new RangeError(`Cannot compute ${metric}: ${column.length} ${what} for ${labels.length} labels`);
  }
}
