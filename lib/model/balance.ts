import type { Rows } from "../data/rows.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { standard } from "../features/standard.ts";
import { notBalanced } from "../heads/losses.ts";
import type { LabelScale } from "../heads/spec.ts";
import { check } from "../spec/check.ts";
import type { Spec, TaskSpec } from "../spec/spec.ts";
import { mapEntries } from "../trace/entries.ts";
import { checkRows } from "./check_rows.ts";
import { labelled } from "./feed.ts";

/**
 * Returns a spec whose factors of positive rows that are `"balanced"` are numbers, fitted to rows, which should be the
 * training rows and no others: negatives over positives, so that both classes weigh the same.
 *
 * They are sums over the rows that count for the task, with their weights: a row has its label, and is within the task's
 * sample space. A label y between 0 and 1 is y of a positive row and 1 - y of a negative one.
 *
 * @param spec The spec; its other tasks stay as they are.
 * @param data The training rows, in memory. Count those of a stream yourself, and give the number: `positive: 30`.
 * @throws {TypeError | RangeError} if the rows do not fit the spec, or none of a balanced task is positive, or negative.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { balance, binary, define, rows } from "@gatehouse/gatehouse";
 *
 * const spec = define({ input: 1, tasks: { click: binary(undefined, { positive: "balanced" }) } });
 * const data = rows([[1], [2], [3], [4], [5]], { labels: { click: [0, 1, 0, 0, null] } });
 * assertEquals(balance(spec, data).tasks.click.head.loss, { kind: "crossEntropy", positive: 3 });
 * ```
 */
export function balance<Tasks extends string>(spec: Spec<Tasks>, data: Rows): Spec<Tasks> {
  const given = check(spec) as Spec<Tasks>;
  checkData("balance", data, "the factor of a stream as a number: positive: 30");
  checkRows(given, data, "balance");
  const tasks = mapEntries(given.tasks, (name, task): TaskSpec => {
    if (!isBalanced(task)) return task;
    const loss = { kind: "crossEntropy", positive: ratioOf(given, data, name) } as const;
    return { ...task, head: { ...task.head, loss } };
  });
  return check({ ...given, tasks }) as Spec<Tasks>;
}

/**
 * Returns a spec whose regressions of `standardise: true` have the mean and the standard deviation of their labels in rows,
 * which should be the training rows and no others.
 *
 * Both are over the rows that count for the task, with their weights, and in the label's units; of equal labels the scale
 * is 1. They are stored in the spec: a model learns `(y - mean) / scale`, and predicts in the label's units, on every
 * engine and in every export. scikit-learn's `TransformedTargetRegressor` with a `StandardScaler` is the same.
 *
 * @param spec The spec; its other tasks stay as they are.
 * @param data The training rows, in memory. Give the numbers of a stream yourself: `standardise: { mean: 4000, scale: 1000 }`.
 * @throws {TypeError | RangeError} if the rows do not fit the spec, no row counts for such a task, or its labels differ
 * too little beside their mean for float32.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { define, regression, rows, standardise } from "@gatehouse/gatehouse";
 *
 * const spec = define({ input: 1, tasks: { price: regression(undefined, { standardise: true }) } });
 * const data = rows([[1], [2], [3]], { labels: { price: [10, 30, null] } });
 * assertEquals(standardise(spec, data).tasks.price.head.standardise, { mean: 20, scale: 10 });
 * ```
 */
export function standardise<Tasks extends string>(spec: Spec<Tasks>, data: Rows): Spec<Tasks> {
  const given = check(spec) as Spec<Tasks>;
  checkData("standardise", data, "the numbers of a stream: standardise: { mean: 4000, scale: 1000 }");
  checkRows(given, data, "standardise");
  const tasks = mapEntries(given.tasks, (name, task): TaskSpec => {
    if (task.head.standardise !== true) return task;
    return { ...task, head: { ...task.head, standardise: labelScaleOf(given, data, name) } };
  });
  return check({ ...given, tasks }) as Spec<Tasks>;
}

/** Makes sure that data is rows in memory. */
function checkData(action: string, data: unknown, otherwise: string): void {
  if (isRecord(data) && "inputs" in data) return;
  throw new TypeError(`Cannot ${action}: found ${kindOf(data)}, wanted rows in memory, or ${otherwise}`);
}

/**
 * Makes sure that no factor of positive rows and no scale of labels is still to be fitted.
 *
 * @throws {TypeError} naming the task, if one is.
 */
export function checkLabelsFitted(action: string, { tasks }: Spec): void {
  const name = Object.keys(tasks).find((task) => isBalanced(tasks[task]) || tasks[task].head.standardise === true);
  if (name === undefined) return;
  const found = isBalanced(tasks[name]) ? notBalanced : notStandardised;
  throw new TypeError(`Cannot ${action}\n  at task ${quoted(name)}: ${found}`);
}

const notStandardised = "standardise is true, and not fitted yet: wanted what standardise(spec, training rows) returns";

/** Returns the weighted mean and deviation of the labels of a task. */
function labelScaleOf(spec: Spec, data: Rows, task: string): LabelScale {
  const { labels, weights } = labelled(spec, data, task);
  const rows = Array.from(labels.keys()).filter((row) => weights[row] > 0);
  const where = `Cannot standardise\n  at task ${quoted(task)}`;
  if (rows.length === 0) throw new RangeError(`${where}: no row counts for it: wanted rows with labels`);
  const first = labels[rows[0]];
  const total = rows.reduce((sum, row) => sum + weights[row], 0);
  const offset = rows.reduce((sum, row) => sum + weights[row] * (labels[row] - first), 0) / total;
  const squares = rows.reduce((sum, row) => sum + weights[row] * (labels[row] - first - offset) ** 2, 0);
  const widest = rows.reduce((most, row) => Math.max(most, Math.abs(labels[row] - first)), 0);
  return standard({ mean: first + offset, deviation: Math.sqrt(squares / total), first, widest }, where);
}

/** Returns true if the factor of a task's positive rows is still to be fitted. */
function isBalanced({ head: { loss } }: TaskSpec): boolean {
  return loss?.kind === "crossEntropy" && loss.positive === "balanced";
}

/** Returns the weights of negative rows over those of positive ones. */
function ratioOf(spec: Spec, data: Rows, task: string): number {
  const [positive, negative] = classWeights(spec, data, task);
  const ratio = negative / positive;
  if (Number.isFinite(Math.fround(ratio)) && Math.fround(ratio) > 0) return ratio;
  const found = `found rows of weight ${positive} that are positive and ${negative} that are not`;
  throw new RangeError(`Cannot balance\n  at task ${quoted(task)}: ${found}, wanted some of both`);
}

/** Returns the weights of the positive and of the negative rows that count for a task. */
export function classWeights(spec: Spec, data: Rows, task: string): readonly [positive: number, negative: number] {
  const { labels, weights } = labelled(spec, data, task);
  let [positive, negative] = [0, 0];
  labels.forEach((label, row) => {
    if (weights[row] === 0) return; // its label may be missing
    positive += weights[row] * label;
    negative += weights[row] * (1 - label);
  });
  return [positive, negative];
}
