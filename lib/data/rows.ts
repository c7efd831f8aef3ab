import { advice } from "../spec/nearest.ts";
import { inputWidth } from "../spec/input.ts";
import type { InputSpec, Spec, TaskSpec } from "../spec/spec.ts";

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
  /** Labels by task, one a row; NaN where a row has none. Absent for rows to predict. */
  readonly labels?: Readonly<Record<string, Float32Array>>;
  /** Weights of the rows by task, at least 0; 1 where absent. */
  readonly weights?: Readonly<Record<string, Float32Array>>;
}

/** A label of a row: a number, yes or no, or none. */
export type Label = number | boolean | null | undefined;

/** What can be said of rows beside their inputs. */
export interface RowOptions {
  /** Labels by task, one a row; null, undefined and NaN where a row has none. */
  readonly labels?: Readonly<Record<string, ArrayLike<Label>>>;
  /** Weights of the rows by task, at least 0. Default 1. */
  readonly weights?: Readonly<Record<string, ArrayLike<number>>>;
}

/**
 * Rows from a list of lists of numbers, or from what `encode` returns.
 *
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
  { labels, weights }: RowOptions = {},
): Rows {
  const base = "count" in inputs ? inputs : fromLists(inputs);
  return {
    count: base.count,
    inputs: base.inputs,
    labels: labels && columns("labels", labels, base.count),
    weights: weights && columns("weights", weights, base.count),
  };
}

/** Neighbouring rows, without copying. */
export function sliceRows(rows: Rows, start: number, count: number): Rows {
  return mapRows(rows, count, (data) => {
    const width = data.length / rows.count;
    return data.subarray(start * width, (start + count) * width) as typeof data;
  });
}

/** The rows at the given positions, in their order. */
export function pickRows(rows: Rows, positions: Uint32Array): Rows {
  return mapRows(rows, positions.length, (data) => {
    const width = data.length / rows.count;
    const picked = new (data.constructor as typeof Float32Array)(positions.length * width) as typeof data;
    positions.forEach((from, to) => {
      if (width === 1) picked[to] = data[from];
      else picked.set(data.subarray(from * width, (from + 1) * width), to * width);
    });
    return picked;
  });
}

/**
 * Makes sure that rows fit a model: the inputs it reads and no others, of its width, all finite; labels that its heads
 * can learn. Rows are counted from 0.
 *
 * @param learn Whether a label for at least one task is needed.
 * @throws {TypeError} for missing and unknown names.
 * @throws {RangeError} for lengths and values, naming the row.
 */
export function checkRows(spec: Spec, rows: Rows, learn = false): void {
  const action = learn ? "Cannot train" : "Cannot predict";
  const wanted = inputsOf(spec.input);
  for (const name of Object.keys(rows.inputs)) {
    if (!wanted.has(name)) {
      throw new TypeError(`${action}: the model has no input ${JSON.stringify(name)}${advice(name, wanted.keys())}`);
    }
  }
  for (const [name, width] of wanted) {
    const data = rows.inputs[name];
    if (data === undefined) throw new TypeError(`${action}: the rows have no input ${JSON.stringify(name)}`);
    if (data.length !== rows.count * width) {
      const found = rows.count > 0 ? `${data.length / rows.count} a row` : `${data.length}`;
      throw new RangeError(`${action}: input ${JSON.stringify(name)} needs ${width} numbers a row, found ${found}`);
    }
    const at = data.findIndex((number) => !Number.isFinite(number));
    if (at >= 0) {
      const column = featureAt(spec.input, name, at % width);
      throw new RangeError(`${action}\n  at row ${Math.floor(at / width)}, ${column}: ${data[at]} is no finite number`);
    }
  }
  if (learn) checkLabels(spec.tasks, rows);
}

/** The graph's inputs, and the numbers a row that each needs. */
function inputsOf(input: InputSpec): Map<string, number> {
  if ("width" in input) return new Map([["input", inputWidth(input)]]);
  const kinds = Object.values(input.features).map(({ kind }) => kind as string);
  const widths = ["numeric", "category"].map((kind) => [kind, kinds.filter((k) => k === kind).length] as const);
  return new Map(widths.filter(([, width]) => width > 0));
}

function featureAt(input: InputSpec, name: string, position: number): string {
  if ("width" in input) return `column ${position}`;
  const features = Object.entries(input.features).filter(([, { kind }]) => kind === name);
  return `feature ${JSON.stringify(features[position][0])}`;
}

function checkLabels(tasks: Readonly<Record<string, TaskSpec>>, { count, labels = {}, weights = {} }: Rows): void {
  for (const [what, columns] of [["labels", labels], ["weights", weights]] as const) {
    for (const [task, values] of Object.entries(columns)) {
      if (!Object.hasOwn(tasks, task)) {
        const names = Object.keys(tasks);
        throw new TypeError(`Cannot train: ${what} name no task ${JSON.stringify(task)}${advice(task, names)}`);
      }
      if (values.length !== count) {
        throw new RangeError(
          `Cannot train: task ${JSON.stringify(task)} needs ${count} ${what}, found ${values.length}`,
        );
      }
    }
  }
  if (Object.keys(labels).length === 0) throw new TypeError("Cannot train: the rows have no labels");
  for (const [task, values] of Object.entries(labels)) {
    const { kind, units } = tasks[task].head;
    const fits = kind === "regression"
      ? Number.isFinite
      : kind === "binary"
      ? (label: number) => label >= 0 && label <= 1
      : (label: number) => Number.isInteger(label) && label >= 0 && label < units;
    const wanted = kind === "regression"
      ? "a finite number"
      : kind === "binary"
      ? "0 to 1"
      : `a class 0 to ${units - 1}`;
    const at = values.findIndex((label) => !Number.isNaN(label) && !fits(label));
    if (at >= 0) {
      throw new RangeError(
        `Cannot train\n  at row ${at}, task ${JSON.stringify(task)}: the label is ${values[at]}, wanted ${wanted}`,
      );
    }
  }
  for (const [task, values] of Object.entries(weights)) {
    const at = values.findIndex((weight) => !(weight >= 0 && weight < Infinity));
    if (at >= 0) {
      throw new RangeError(
        `Cannot train\n  at row ${at}, task ${JSON.stringify(task)}: the weight is ${values[at]}, wanted at least 0`,
      );
    }
  }
}

function fromLists(lists: readonly ArrayLike<number>[]): Pick<Rows, "count" | "inputs"> {
  const width = lists[0]?.length ?? 0;
  const input = new Float32Array(lists.length * width);
  lists.forEach((list, row) => {
    if (list.length !== width) {
      throw new RangeError(
        `Cannot make rows\n  at row ${row}: found ${list.length} numbers, wanted ${width} as in row 0`,
      );
    }
    input.set(list, row * width);
  });
  return { count: lists.length, inputs: { input } };
}

function columns(
  what: string,
  values: Readonly<Record<string, ArrayLike<Label>>>,
  count: number,
): Record<string, Float32Array> {
  return Object.fromEntries(
    Object.entries(values).map(([task, column]) => {
      if (column.length !== count) {
        const found = `found ${column.length} for ${count} rows`;
        throw new RangeError(`Cannot make rows: task ${JSON.stringify(task)} needs one of ${what} a row, ${found}`);
      }
      return [task, Float32Array.from(column, (value) => value === null || value === undefined ? NaN : Number(value))];
    }),
  );
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
