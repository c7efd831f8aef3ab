import { quoted } from "../errors/quoted.ts";
import { advice } from "../errors/nearest.ts";
import { groupsOf, heads } from "../heads/heads.ts";
import { featureWidth, inputWidth } from "../spec/input.ts";
import type { InputSpec, Spec, TaskSpec } from "../spec/spec.ts";
import { checkOptions, isRecord, kindOf } from "../spec/structure.ts";
import { areFinite } from "./finite.ts";

/**
 * Rows in memory, column by column: what models train on and predict from. Made by {@linkcode rows}.
 *
 * For a model with an input width, `inputs` is `{ input: [rows x width] }`; for a model with named features it is what
 * `encode` returns: `{ numeric: [rows x numbers], category: [rows x categories] }`. All row-major.
 */
export interface Rows {
  /** The number of rows. */
  readonly count: number;
  /** The encoded inputs, row-major, by the name of the graph's input. */
  readonly inputs: Readonly<Record<string, Float32Array | Int32Array>>;
  /**
   * Labels by task, one a row; NaN where a row has none. Absent for rows to predict. The groups within which a task is
   * ranked are a column beside them, a number for each group.
   */
  readonly labels?: Readonly<Record<string, Float32Array>>;
  /** Weights of the rows by task, at least 0; 1 where absent. */
  readonly weights?: Readonly<Record<string, Float32Array>>;
}

/** A label of a row: a number, yes or no, or none. */
export type Label = number | boolean | null | undefined;

/** What can be said of rows beside their inputs. */
export interface RowOptions {
  /** Labels by task, and the groups within which a task is ranked, one a row; null, undefined and NaN where there is none. */
  readonly labels?: Readonly<Record<string, ArrayLike<Label>>>;
  /** Weights of the rows by task, at least 0. Default 1. */
  readonly weights?: Readonly<Record<string, ArrayLike<number>>>;
}

/**
 * Rows from a list of lists of numbers, or from what `encode` returns.
 *
 * @throws {TypeError} for what is no list, no number and no label.
 * @throws {RangeError} if lengths differ.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { rows } from "@gatehouse/gatehouse";
 *
 * const some = rows([[1, 2], [3, 4], [5, 6]], { labels: { click: [1, 0, null] } });
 * assertEquals(some.count, 3);
 * assertEquals(some.inputs.input, new Float32Array([1, 2, 3, 4, 5, 6]));
 * assertEquals(some.labels?.click, new Float32Array([1, 0, NaN]));
 * ```
 */
export function rows(
  inputs: readonly ArrayLike<number>[] | Pick<Rows, "count" | "inputs">,
  options: RowOptions = {},
): Rows {
  checkOptions("make rows", options, ["labels", "weights"]);
  const { labels, weights } = options;
  const base = isRecord(inputs) ? inputs as Pick<Rows, "count" | "inputs"> : fromLists(inputs);
  return {
    count: base.count,
    inputs: base.inputs,
    labels: labels && columns("label", labels, base.count),
    weights: weights && columns("weight", weights, base.count),
  };
}

/** Neighbouring rows, without copying. */
export function sliceRows(rows: Rows, start: number, count: number): Rows {
  return mapRows(rows, count, (data) => {
    const width = data.length / rows.count;
    return data.subarray(start * width, (start + count) * width) as typeof data;
  });
}

/**
 * The rows at the given positions, in their order.
 *
 * @param memory Rows that are no longer needed, whose memory is used where it fits.
 */
export function pickRows({ count, inputs, labels, weights }: Rows, positions: Uint32Array, memory?: Rows): Rows {
  const picked = <D extends Column>(columns: Readonly<Record<string, D>>, held: Readonly<Record<string, D>> = {}) =>
    Object.fromEntries(
      Object.entries(columns).map(([name, data]) => [name, pick(data, data.length / count, positions, held[name])]),
    );
  return {
    count: positions.length,
    inputs: picked(inputs, memory?.inputs),
    labels: labels && picked(labels, memory?.labels),
    weights: weights && picked(weights, memory?.weights),
  };
}

type Column = Float32Array | Int32Array;

function pick<D extends Column>(data: D, width: number, positions: Uint32Array, held: D | undefined): D {
  const kind = data.constructor as typeof Float32Array;
  const length = positions.length * width;
  const picked = held instanceof kind && held.length === length ? held : new kind(length) as D;
  const [from, to] = [data, picked].map(bits);
  touch(from, width, positions, to);
  for (let row = 0; row < positions.length; row++) {
    const start = positions[row] * width;
    if (width > 256) to.set(from.subarray(start, start + width), row * width);
    else for (let at = 0; at < width; at++) to[row * width + at] = from[start + at];
  }
  return picked;
}

/**
 * Reads one number of each 64 bytes of some rows, which lie far apart: the processor fetches many of them at once then,
 * where a copy of row after row would wait for each.
 */
function touch(from: Int32Array, width: number, positions: Uint32Array, to: Int32Array): void {
  let seen = 0;
  for (let row = 0; row < positions.length; row++) {
    const start = positions[row] * width;
    for (let at = start; at < start + width; at += 16) seen |= from[at];
  }
  if (to.length > 0) to[0] = seen; // overwritten soon, but a use
}

/** The same memory as whole numbers, whatever it holds: a loop over arrays of one kind is the faster one. */
function bits({ buffer, byteOffset, length }: Column): Int32Array {
  return new Int32Array(buffer, byteOffset, length);
}

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
    if (data === undefined) throw new TypeError(`${action}: the rows have no input ${JSON.stringify(name)}`);
    const type = name === "category" ? Int32Array : Float32Array;
    if (!(data instanceof type)) {
      throw new TypeError(
        `${action}: input ${JSON.stringify(name)} must be of type ${type.name}, found ${kindOf(data)}`,
      );
    }
    if (data.length !== rows.count * width) {
      const found = rows.count > 0 ? `${data.length / rows.count} a row` : `${data.length}`;
      throw new RangeError(`${action}: input ${JSON.stringify(name)} needs ${width} numbers a row, found ${found}`);
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
  return `feature ${JSON.stringify(features[position][0])}`;
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

function fromLists(lists: readonly ArrayLike<number>[]): Pick<Rows, "count" | "inputs"> {
  if (!Array.isArray(lists)) throw new TypeError(`Cannot make rows: wanted a list of lists, found ${kindOf(lists)}`);
  const wrong = lists.findIndex((list) => !isList(list));
  if (wrong >= 0) {
    throw new TypeError(`Cannot make rows\n  at row ${wrong}: wanted a list of numbers, found ${kindOf(lists[wrong])}`);
  }
  const width = lists[0]?.length ?? 0;
  const input = new Float32Array(lists.length * width);
  lists.forEach((list, row) => {
    if (list.length !== width) {
      throw new RangeError(
        `Cannot make rows\n  at row ${row}: found ${list.length} numbers, wanted ${width} as in row 0`,
      );
    }
    for (let at = 0; at < width; at++) {
      if (typeof list[at] !== "number") {
        throw new TypeError(
          `Cannot make rows\n  at row ${row}, column ${at}: wanted a number, found ${kindOf(list[at])}`,
        );
      }
      input[row * width + at] = list[at];
    }
  });
  return { count: lists.length, inputs: { input } };
}

function columns(
  what: "label" | "weight",
  values: Readonly<Record<string, ArrayLike<Label>>>,
  count: number,
): Record<string, Float32Array> {
  if (!isRecord(values)) {
    throw new TypeError(`Cannot make rows: ${what}s must be an object of lists by task, found ${kindOf(values)}`);
  }
  return Object.fromEntries(
    Object.entries(values).map(([task, column]) => {
      if (!isList(column)) {
        throw new TypeError(
          `Cannot make rows: the ${what}s of task ${quoted(task)} must be a list, found ${kindOf(column)}`,
        );
      }
      if (column.length !== count) {
        const found = `found ${column.length} for ${count} rows`;
        throw new RangeError(`Cannot make rows: task ${quoted(task)} needs one ${what} a row, ${found}`);
      }
      return [
        task,
        Float32Array.from(column, (value, row) => numberOf(value, `row ${row}, task ${quoted(task)}`, what)),
      ];
    }),
  );
}

function isList(found: unknown): found is ArrayLike<unknown> {
  return Array.isArray(found) || ArrayBuffer.isView(found) && "length" in found;
}

/** A label or a weight; NaN where there is none. */
function numberOf(value: unknown, where: string, what: string): number {
  if (value === null || value === undefined) return NaN;
  if (typeof value === "number" || typeof value === "boolean") return Number(value);
  throw new TypeError(`Cannot make rows\n  at ${where}: the ${what} is ${kindOf(value)}, wanted a number`);
}

function mapRows(
  { inputs, labels, weights }: Rows,
  count: number,
  change: <D extends Float32Array | Int32Array>(data: D) => D,
): Rows {
  const mapped = <D extends Float32Array | Int32Array>(columns: Readonly<Record<string, D>>) =>
    Object.fromEntries(Object.entries(columns).map(([name, data]) => [name, change(data)]));
  return { count, inputs: mapped(inputs), labels: labels && mapped(labels), weights: weights && mapped(weights) };
}
