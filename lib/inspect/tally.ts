import type { Rows } from "../data/rows.ts";
import type { HeadForm } from "../heads/spec.ts";
import { labelled } from "../model/feed.ts";
import type { Spec } from "../spec/spec.ts";
import { mapEntries } from "../trace/entries.ts";

/** The sums of a task's labels, over rows that come piece by piece. */
export interface Tally {
  /** The rows that count for the task, and the sum of their weights. */
  rows: number;
  weight: number;
  /** The sums of labels and of their squares, each times its weight. */
  sum: number;
  squares: number;
  /** The sum of weights by class, of a categorical task. */
  readonly classes: Float64Array;
}

/** Returns the tallies of no rows, by task. */
export function noTallies({ tasks }: Spec): Record<string, Tally> {
  return mapEntries(tasks, (_, { head: { kind, units } }) => {
    return { rows: 0, weight: 0, sum: 0, squares: 0, classes: new Float64Array(kind === "categorical" ? units : 0) };
  });
}

/** Adds the labels of some rows to the tallies of all tasks. */
export function addLabels(tallies: Readonly<Record<string, Tally>>, spec: Spec, rows: Rows): void {
  for (const [task, tally] of Object.entries(tallies)) {
    const { labels, weights } = labelled(spec, rows, task);
    for (let row = 0; row < rows.count; row++) {
      const [label, weight] = [labels[row], weights[row]];
      if (weight === 0) continue;
      tally.rows++;
      tally.weight += weight;
      tally.sum += weight * label;
      tally.squares += weight * label * label;
      if (tally.classes.length > 0) tally.classes[label] += weight;
    }
  }
}

/**
 * Returns the mean loss of the best constant prediction of the tallied labels: of a probability the entropy of the base
 * rate, of a number the variance, of a ranking log 2. Undefined without rows, and of focal, Huber and quantile losses,
 * whose best constant the sums do not say.
 */
export function constantLoss(
  { kind, loss }: HeadForm,
  { rows, weight, sum, squares, classes }: Tally,
): number | undefined {
  if (rows === 0) return undefined;
  const mean = sum / weight;
  if (kind === "binary" && (loss === undefined || loss.kind === "crossEntropy")) {
    const positive = Number(loss?.positive ?? 1) * mean;
    return entropyOf([positive, 1 - mean]);
  }
  if (kind === "regression" && loss === undefined) return Math.max(0, squares / weight - mean * mean);
  if (kind === "categorical") return entropyOf([...classes].map((some) => some / weight));
  if (kind === "count") return mean - xLog(mean, mean);
  return kind === "ranking" ? Math.log(2) : undefined;
}

/** Returns `-sum x log (x / sum x)`: the entropy of shares, times their sum. */
function entropyOf(shares: readonly number[]): number {
  const whole = shares.reduce((sum, share) => sum + share, 0);
  return -shares.reduce((sum, share) => sum + xLog(share, share / whole), 0);
}

function xLog(x: number, y: number): number {
  return x === 0 ? 0 : x * Math.log(y);
}
