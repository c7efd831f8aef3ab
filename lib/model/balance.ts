import type { Rows } from "../data/rows.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { notBalanced } from "../heads/losses.ts";
import { check } from "../spec/check.ts";
import type { Spec, TaskSpec } from "../spec/spec.ts";
import { mapEntries } from "../trace/entries.ts";
import { checkRows } from "./check_rows.ts";
import { judged } from "./feed.ts";

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
  if (!isRecord(data) || !("inputs" in data)) {
    const wanted = "wanted rows in memory, or the factor of a stream as a number: positive: 30";
    throw new TypeError(`Cannot balance: found ${kindOf(data)}, ${wanted}`);
  }
  checkRows(given, data, "balance");
  const tasks = mapEntries(given.tasks, (name, task): TaskSpec => {
    if (!isBalanced(task)) return task;
    const loss = { kind: "crossEntropy", positive: ratioOf(given, data, name) } as const;
    return { ...task, head: { ...task.head, loss } };
  });
  return check({ ...given, tasks }) as Spec<Tasks>;
}

/**
 * Makes sure that no factor of positive rows is still to be fitted.
 *
 * @throws {TypeError} naming the task, if one is.
 */
export function checkBalanced(action: string, { tasks }: Spec): void {
  const name = Object.keys(tasks).find((task) => isBalanced(tasks[task]));
  if (name !== undefined) throw new TypeError(`Cannot ${action}\n  at task ${quoted(name)}: ${notBalanced}`);
}

/** Returns true if the factor of a task's positive rows is still to be fitted. */
function isBalanced({ head: { loss } }: TaskSpec): boolean {
  return loss?.kind === "crossEntropy" && loss.positive === "balanced";
}

/** Returns the weights of negative rows over those of positive ones. */
function ratioOf(spec: Spec, data: Rows, task: string): number {
  const { labels, weights } = judged(spec, data, task);
  let [positive, negative] = [0, 0];
  labels.forEach((label, row) => {
    if (weights[row] === 0) return; // its label may be missing
    positive += weights[row] * label;
    negative += weights[row] * (1 - label);
  });
  const ratio = negative / positive;
  if (Number.isFinite(Math.fround(ratio)) && Math.fround(ratio) > 0) return ratio;
  const found = `found rows of weight ${positive} that are positive and ${negative} that are not`;
  throw new RangeError(`Cannot balance\n  at task ${quoted(task)}: ${found}, wanted some of both`);
}
