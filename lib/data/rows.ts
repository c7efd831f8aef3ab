import { isFloat, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import type { Column as KeyColumn } from "./columns.ts";
import { mergedBy } from "./digits.ts";
import { type Keys, keysAt, keysOf, pickKeys, sliceKeys } from "./keys.ts";

/**
 * Rows in memory, column by column: what models train on and predict from. Made by {@linkcode rows}.
 *
 * For a model with an input width, `inputs` is `{ input: [rows x width] }`; for a model with named features it is what
 * `encode` returns: such as `{ numeric: [rows x numbers], category: [rows x categories] }`. All
 * row-major.
 */
export interface Rows {
  /** The number of rows. */
  readonly count: number;
  /** The encoded inputs, row-major, by the name of the graph's input. */
  readonly inputs: Readonly<Record<string, Float32Array | Int32Array>>;
  /** The lists of codes of bags and sequences, by the name of the feature. Absent where a model has none of these. */
  readonly lists?: Readonly<Record<string, Lists>>;
  /**
   * Labels by task, one a row; NaN where a row has none. Absent for rows to predict. The groups within which a task is
   * ranked are a column beside them, a number for each group, exact to 2 ** 53. {@linkcode rows} makes them float64, as
   * metrics read them; a model rounds what it reads to float32.
   */
  readonly labels?: Readonly<Record<string, Float32Array | Float64Array>>;
  /** Weights of the rows by task, at least 0; 1 where absent. */
  readonly weights?: Readonly<Record<string, Float32Array | Float64Array>>;
  /** Keys of the rows by name, such as the user of each, by which judges group them; no model reads them. */
  readonly by?: Readonly<Record<string, KeyColumn>>;
  /**
   * The mark of the features by which `encode` made the inputs: for each its kind and 16 hexadecimal digits, which stay
   * with the rows in JSON and in messages to workers. A model of other features refuses them; rows without are not compared.
   */
  readonly encoding?: Readonly<Record<string, string>>;
}

/** A list of codes for each row, one after the other, never padded: the part of {@linkcode Rows} of a bag or a sequence. */
export interface Lists {
  /** The position of each row's first code, from 0, and the end of the last row's codes: `[rows + 1]`. */
  readonly starts: Int32Array;
  /** The codes of all rows, of a row in the order of its list. */
  readonly codes: Int32Array;
  /** The weight of each code, at least 0. Absent: 1. */
  readonly weights?: Float32Array;
}

/** A label of a row: a number, yes or no, or none. */
export type Label = number | boolean | null | undefined;

/** Options of {@linkcode rows}. */
export interface RowOptions {
  /** Labels by task and groups of rankings by column, one a row; null, undefined and NaN where there is none. */
  readonly labels?: Readonly<Record<string, ArrayLike<Label>>>;
  /** Weights of the rows by task, at least 0. Default 1. */
  readonly weights?: Readonly<Record<string, ArrayLike<number>>>;
  /**
   * Keys of the rows by name, one a row, by which they are grouped when they are judged: `gauc({ by: "user" })`, segments
   * of `evaluate`. Columns of a table as they are, or lists of numbers, texts or booleans; null where a row has none.
   */
  readonly by?: Readonly<Record<string, Keys>>;
}

/**
 * Returns rows from a list of lists of numbers, or from the result of `encode`.
 *
 * @throws {TypeError} if an input is not a list of numbers, or a label is not a number, boolean or null.
 * @throws {RangeError} if lengths differ, or a number of a list is beyond float32, or numbers of a column are one in it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { rows } from "@gatehouse/gatehouse";
 *
 * const some = rows([[1, 2], [3, 4], [5, 6]], { labels: { click: [1, 0, null] } });
 * assertEquals(some.count, 3);
 * assertEquals(some.inputs.input, new Float32Array([1, 2, 3, 4, 5, 6]));
 * assertEquals(some.labels?.click, new Float64Array([1, 0, NaN]));
 * ```
 */
export function rows(
  inputs: readonly ArrayLike<number>[] | Pick<Rows, "count" | "inputs" | "lists" | "encoding">,
  options: RowOptions = {},
): Rows {
  const { labels, weights, by } = optionsOf("make rows", options, ["labels", "weights", "by"]);
  const base: Pick<Rows, "count" | "inputs" | "lists" | "encoding"> = isRecord(inputs)
    ? inputs as Rows
    : fromLists(inputs);
  return {
    ...marked(base),
    count: base.count,
    inputs: base.inputs,
    ...(base.lists && { lists: base.lists }),
    labels: labels && columns("label", labels, base.count),
    weights: weights && columns("weight", weights, base.count),
    ...(by && { by: keyed(by, base.count) }),
  };
}

/** Returns keys as columns by name. */
function keyed(by: Readonly<Record<string, Keys>>, count: number): Record<string, KeyColumn> {
  if (!isRecord(by)) throw new TypeError(`Cannot make rows: by must be an object of keys by name, found ${kindOf(by)}`);
  return eachKeys(by, (keys, name) => keysOf(keys, count, keysAt("Cannot make rows", name)));
}

function eachKeys<K>(by: Readonly<Record<string, K>>, change: (keys: K, name: string) => KeyColumn) {
  return Object.fromEntries(Object.entries(by).map(([name, keys]) => [name, change(keys, name)]));
}

/** Neighbouring rows, without copying but for the places where lists start. */
export function sliceRows(rows: Rows, start: number, count: number): Rows {
  const sliced = mapRows(rows, count, (data) => {
    const width = data.length / rows.count;
    return data.subarray(start * width, (start + count) * width) as typeof data;
  });
  const lists = eachList(rows.lists, (list) => sliceLists(list, start, count));
  const by = rows.by && eachKeys(rows.by, (keys) => sliceKeys(keys, start, count));
  return { ...sliced, ...(lists && { lists }), ...(by && { by }) };
}

function sliceLists({ starts, codes, weights }: Lists, start: number, count: number): Lists {
  const [first, end] = [starts[start], starts[start + count]];
  return {
    starts: starts.subarray(start, start + count + 1).map((at) => at - first),
    codes: codes.subarray(first, end),
    ...(weights && { weights: weights.subarray(first, end) }),
  };
}

function eachList(
  lists: Rows["lists"],
  change: (list: Lists, name: string) => Lists,
): Record<string, Lists> | undefined {
  return lists && Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, change(list, name)]));
}

/**
 * The rows at the given positions, in their order.
 *
 * @param memory Rows that are no longer needed, whose memory is used where it fits.
 */
export function pickRows(rows: Rows, positions: Uint32Array, memory?: Rows): Rows {
  const { count, inputs, labels, weights } = rows;
  const picked = <D extends Column>(columns: Readonly<Record<string, D>>, held: Readonly<Record<string, D>> = {}) =>
    Object.fromEntries(
      Object.entries(columns).map(([name, data]) => [name, pick(data, data.length / count, positions, held[name])]),
    );
  const lists = eachList(rows.lists, (list, name) => pickLists(list, positions, memory?.lists?.[name]));
  return {
    ...marked(rows),
    count: positions.length,
    inputs: picked(inputs, memory?.inputs),
    ...(lists && { lists }),
    labels: labels && picked(labels, memory?.labels),
    weights: weights && picked(weights, memory?.weights),
    ...(rows.by && { by: eachKeys(rows.by, (keys) => pickKeys(keys, positions)) }),
  };
}

type Column = Float32Array | Float64Array | Int32Array;

function pick<D extends Column>(data: D, width: number, positions: Uint32Array, held: D | undefined): D {
  const kind = data.constructor as typeof Float32Array;
  const length = positions.length * width;
  const picked = held instanceof kind && held.length === length ? held : new kind(length) as D;
  pickBits(bits(data), width * (data.BYTES_PER_ELEMENT / 4), positions, bits(picked));
  return picked;
}

function pickLists({ starts, codes, weights }: Lists, positions: Uint32Array, held: Lists | undefined): Lists {
  const own = room(Int32Array, positions.length + 1, held?.starts);
  own[0] = 0;
  positions.forEach((row, at) => own[at + 1] = own[at] + starts[row + 1] - starts[row]);
  const total = own[positions.length];
  const picked = room(Int32Array, total, held?.codes);
  const weighed = weights && room(Float32Array, total, held?.weights);
  positions.forEach((row, at) => {
    const first = starts[row] - own[at];
    for (let to = own[at]; to < own[at + 1]; to++) picked[to] = codes[first + to];
    if (weighed) { for (let to = own[at]; to < own[at + 1]; to++) weighed[to] = weights[first + to]; }
  });
  return { starts: own, codes: picked, ...(weighed && { weights: weighed }) };
}

/** An array of some length in memory that is no longer needed, or in new memory that longer ones fit in later. */
function room<D extends Int32Array | Float32Array>(
  kind: new (buffer: ArrayBufferLike, start: number, length: number) => D,
  length: number,
  held: D | undefined,
): D {
  if (held !== undefined && held.buffer.byteLength >= 4 * length) return new kind(held.buffer, 0, length);
  return new kind(new ArrayBuffer(4 * Math.ceil(1.25 * length)), 0, length);
}

function pickBits(from: Int32Array, width: number, positions: Uint32Array, to: Int32Array): void {
  for (let first = 0; first < positions.length; first += rowsAtOnce) {
    const end = Math.min(first + rowsAtOnce, positions.length);
    touch(from, width, positions, first, end, to);
    for (let row = first; row < end; row++) {
      const start = positions[row] * width;
      if (width > 256) to.set(from.subarray(start, start + width), row * width);
      else for (let at = 0, next = row * width; at < width; at++, next++) to[next] = from[start + at];
    }
  }
}

/** The rows that are fetched at once: they stay in the processor's first cache until they are copied. */
const rowsAtOnce = 32;

/**
 * Reads one number of each 64 bytes of some rows, which lie far apart: the processor fetches many of them at once then,
 * where a copy of row after row would wait for each.
 */
function touch(
  from: Int32Array,
  width: number,
  positions: Uint32Array,
  first: number,
  end: number,
  to: Int32Array,
): void {
  let seen = 0;
  for (let row = first; row < end; row++) {
    const start = positions[row] * width;
    for (let at = start; at < start + width; at += 16) seen |= from[at];
  }
  if (to.length > 0) to[first * width] = seen; // overwritten soon, but a use
}

/** The same memory as whole numbers, whatever it holds: a loop over arrays of one kind is the faster one. */
function bits({ buffer, byteOffset, byteLength }: Column): Int32Array {
  return new Int32Array(buffer, byteOffset, byteLength / 4);
}

function fromLists(lists: readonly ArrayLike<number>[]): Pick<Rows, "count" | "inputs"> {
  if (!Array.isArray(lists)) throw new TypeError(`Cannot make rows: wanted a list of lists, found ${kindOf(lists)}`);
  const wrong = lists.findIndex((list) => !isList(list));
  if (wrong >= 0) {
    throw new TypeError(`Cannot make rows\n  at row ${wrong}: wanted a list of numbers, found ${kindOf(lists[wrong])}`);
  }
  const width = lists[0]?.length ?? 0;
  const input = new Float32Array(lists.length * width);
  const rounded = new Set<number>(); // the columns of large whole numbers that float32 does not hold
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
      if (!Number.isInteger(list[at]) || input[row * width + at] === list[at]) continue;
      if (!isFloat(list[at])) { // numbers that large are all whole
        throw new RangeError(
          `Cannot make rows\n  at row ${row}, column ${at}: found ${
            list[at]
          }, wanted a number that is finite in float32`,
        );
      }
      rounded.add(at);
    }
  });
  for (const column of rounded) checkApart(Float64Array.from(lists, (list) => list[column]), column);
  return { count: lists.length, inputs: { input } };
}

/** Makes sure that whole numbers of a column which differ do so in float32. */
function checkApart(numbers: Float64Array, column: number): void {
  const merged = mergedBy(numbers, (number) => number);
  if (merged === undefined) return;
  const found = `${merged.join(" and ")} would be one number in float32`;
  throw new RangeError(`Cannot make rows\n  at column ${column}: ${found}: subtract an offset, or divide them`);
}

function columns(
  what: "label" | "weight",
  values: Readonly<Record<string, ArrayLike<Label>>>,
  count: number,
): Record<string, Float64Array> {
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
      if (column instanceof Float64Array || column instanceof Float32Array) return [task, new Float64Array(column)];
      return [
        task,
        Float64Array.from(column, (value, row) => numberOf(value, `row ${row}, task ${quoted(task)}`, what)),
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

/** The mark of rows, if they have one. */
function marked({ encoding }: Pick<Rows, "encoding">): Pick<Rows, "encoding"> {
  return encoding === undefined ? {} : { encoding };
}

function mapRows(rows: Rows, count: number, change: <D extends Column>(data: D) => D): Rows {
  const { inputs, labels, weights } = rows;
  const mapped = <D extends Column>(columns: Readonly<Record<string, D>>) =>
    Object.fromEntries(Object.entries(columns).map(([name, data]) => [name, change(data)]));
  const columns = { labels: labels && mapped(labels), weights: weights && mapped(weights) };
  return { ...marked(rows), count, inputs: mapped(inputs), ...columns };
}
