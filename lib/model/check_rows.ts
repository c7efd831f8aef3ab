import { advice } from "../errors/nearest.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { areFinite } from "../data/finite.ts";
import type { Rows } from "../data/rows.ts";
import type { InputSpec } from "../features/feature.ts";
import { featureWidth, inputWidth } from "../features/input.ts";
import { groupsOf, heads } from "../heads/heads.ts";
import type { Spec, TaskSpec } from "../spec/spec.ts";

/**
 * Makes sure that rows fit a model: the inputs it reads and no others (but empty ones), of its width, all finite; to
 * train and to evaluate also labels that its heads can learn. Rows are counted from 0.
 *
 * @param purpose What the rows are for.
 * @throws {TypeError} for what are no rows, and missing and unknown names.
 * @throws {RangeError} for lengths and values, naming the row.
 */
export function checkRows(spec: Spec, rows: Rows, purpose: "predict" | "train" | "evaluate" = "predict"): void {
  const action = `Cannot ${purpose}`;
  if (!isRecord(rows) || !(Number.isSafeInteger(rows.count) && rows.count >= 0) || !isRecord(rows.inputs)) {
    throw new TypeError(`${action}: wanted rows, such as rows([[1, 2], [3, 4]]), found ${kindOf(rows)}`);
  }
  const wanted = inputsOf(spec.input);
  for (const [name, data] of Object.entries(rows.inputs)) {
    if (!wanted.has(name) && data?.length !== 0) {
      throw new TypeError(`${action}: the model has no input ${quoted(name)}${advice(name, wanted.keys())}`);
    }
  }
  for (const [name, width] of wanted) {
    const data = Object.hasOwn(rows.inputs, name) ? rows.inputs[name] : undefined;
    if (data === undefined) throw new TypeError(`${action}: the rows have no input ${quoted(name)}`);
    const type = name === "category" ? Int32Array : Float32Array;
    if (!(data instanceof type)) {
      throw new TypeError(
        `${action}: input ${quoted(name)} must be of type ${type.name}, found ${kindOf(data)}`,
      );
    }
    if (data.length !== rows.count * width) {
      const found = rows.count > 0 ? `${data.length / rows.count} a row` : `${data.length}`;
      throw new RangeError(`${action}: input ${quoted(name)} needs ${width} numbers a row, found ${found}`);
    }
    const logs = logarithms(spec.input, name);
    const at = firstWrong(data, logs);
    if (at >= 0) {
      const column = featureAt(spec.input, name, at % width);
      const found = `${logs[at % width] ? "log1p of " : ""}${data[at]}`;
      throw new RangeError(`${action}\n  at row ${Math.floor(at / width)}, ${column}: ${found} is no finite number`);
    }
  }
  checkCodes(spec.input, rows, action);
  if (purpose !== "predict") checkLabels(spec.tasks, rows, action);
}

/** Codes beyond a feature's words come from another vocabulary. */
function checkCodes(input: InputSpec, { inputs: { category } }: Rows, action: string): void {
  if ("width" in input) return;
  const features = Object.entries(input.features).filter(([, { kind }]) => kind === "category");
  const most = features.map(([, feature]) => featureWidth(feature) - 1);
  const at = outOfRange(category ?? [], most);
  if (at < 0) return;
  const [name] = features[at % features.length];
  const found = `code ${category[at]} of feature ${quoted(name)} is none of 0 to ${most[at % most.length]}`;
  throw new RangeError(
    `${action}\n  at row ${Math.floor(at / most.length)}: ${found}: encode rows with the model's features`,
  );
}

/** The position of the first code that is negative or above its column's greatest. */
function outOfRange(codes: ArrayLike<number>, most: readonly number[]): number {
  for (let at = 0; at < codes.length;) {
    for (let column = 0; column < most.length; column++, at++) {
      if (codes[at] < 0 || codes[at] > most[column]) return at;
    }
  }
  return -1;
}

/** The graph's inputs, and the numbers a row that each needs. */
function inputsOf(input: InputSpec): Map<string, number> {
  if ("width" in input) return new Map([["input", inputWidth(input)]]);
  const kinds = Object.values(input.features).map(({ kind }) => kind as string);
  const widths = ["numeric", "category"].map((kind) => [kind, kinds.filter((k) => k === kind).length] as const);
  return new Map(widths.filter(([, width]) => width > 0));
}

/** Of every column of an input, whether the model takes its logarithm. */
function logarithms(input: InputSpec, name: string): boolean[] {
  if ("width" in input || name === "category") return [];
  return Object.values(input.features).flatMap((f) => f.kind === "numeric" ? [f.transform === "log1p"] : []);
}

/** The position of the first number that is not finite, or has no finite logarithm where that is taken; else -1. */
function firstWrong(data: Float32Array | Int32Array, logs: readonly boolean[]): number {
  const transformed = logs.includes(true);
  if (!transformed && (data instanceof Int32Array || areFinite(data))) return -1;
  // A call for each number would take as long as many a prediction.
  for (let at = 0; at < data.length; at++) {
    const number = data[at];
    if (number - number !== 0 || transformed && number <= -1 && logs[at % logs.length]) return at;
  }
  return -1;
}

function featureAt(input: InputSpec, name: string, position: number): string {
  if ("width" in input) return `column ${position}`;
  const features = Object.entries(input.features).filter(([, { kind }]) => kind === name);
  return `feature ${quoted(features[position][0])}`;
}

function checkLabels(
  tasks: Readonly<Record<string, TaskSpec>>,
  { count, labels = {}, weights = {} }: Rows,
  action: string,
): void {
  const groups = groupsOfTasks(tasks, labels, action);
  for (const [what, columns] of [["labels", labels], ["weights", weights]] as const) {
    for (const [task, values] of Object.entries(columns)) {
      if (!Object.hasOwn(tasks, task) && !(what === "labels" && groups.has(task))) {
        const names = [...Object.keys(tasks), ...what === "labels" ? groups : []];
        throw new TypeError(`${action}: the model has no task ${quoted(task)} of these ${what}${advice(task, names)}`);
      }
      if (!(values instanceof Float32Array)) {
        const found = `found ${kindOf(values)}`;
        throw new TypeError(`${action}: the ${what} of task ${quoted(task)} must be of type Float32Array, ${found}`);
      }
      if (values.length !== count) {
        throw new RangeError(`${action}: task ${quoted(task)} needs ${count} ${what}, found ${values.length}`);
      }
    }
  }
  if (Object.keys(labels).length === 0) throw new TypeError(`${action}: the rows have no labels`);
  for (const [task, values] of Object.entries(labels)) {
    if (groups.has(task)) checkGroups(task, values, action);
    if (!Object.hasOwn(tasks, task)) continue;
    const { kind, units } = tasks[task].head;
    const { fits, wanted } = heads[kind].label;
    const at = values.findIndex((label) => !Number.isNaN(label) && !fits(label, units));
    if (at >= 0) {
      throw new RangeError(
        `${action}\n  at row ${at}, task ${quoted(task)}: the label is ${values[at]}, wanted ${wanted(units)}`,
      );
    }
  }
  for (const [task, values] of Object.entries(weights)) {
    const at = values.findIndex((weight) => !(weight >= 0 && weight < Infinity));
    if (at >= 0) {
      throw new RangeError(
        `${action}\n  at row ${at}, task ${quoted(task)}: the weight is ${values[at]}, wanted at least 0`,
      );
    }
  }
}

/** Larger numbers of groups would be one number in float32. */
const mostGroups = 2 ** 24;

function checkGroups(column: string, values: Float32Array, action: string): void {
  const at = values.findIndex((group) => Math.abs(group) > mostGroups);
  if (at < 0) return;
  const wanted = `wanted at most ${mostGroups}: number the groups from 0`;
  throw new RangeError(`${action}\n  at row ${at}, labels ${quoted(column)}: the group is ${values[at]}, ${wanted}`);
}

/** The columns of labels that are groups. Makes sure that no task lacks a column that says which rows count for it. */
function groupsOfTasks(
  tasks: Readonly<Record<string, TaskSpec>>,
  labels: Readonly<Record<string, unknown>>,
  action: string,
): Set<string> {
  const groups = new Set<string>();
  for (const [task, { head, only }] of Object.entries(tasks)) {
    const name = groupsOf(head);
    if (name !== undefined) groups.add(name);
    if (!Object.hasOwn(labels, task)) continue;
    if (name !== undefined && !Object.hasOwn(labels, name)) {
      const near = advice(name, Object.keys(labels).filter((label) => !Object.hasOwn(tasks, label)));
      throw new TypeError(
        `${action}: task ${quoted(task)} is ranked within ${quoted(name)}, a column that the labels lack${near}`,
      );
    }
    if (only !== undefined && !Object.hasOwn(labels, only)) {
      const lack = `the rows have no labels of task ${quoted(only)}`;
      throw new TypeError(`${action}: task ${quoted(task)} counts only where ${quoted(only)} is 1, but ${lack}`);
    }
  }
  return groups;
}
