import type { Lookup, LookupPart } from "../graph/lookups.ts";
import type { Parameter } from "../graph/layout.ts";
import type { Tensor } from "../ops/tensor.ts";

/** A table of vectors that are looked up by code: beside the engine, in memory of its own. */
export interface Table {
  /** Its path in the model. */
  readonly path: string;
  /** The number of vectors. */
  readonly rows: number;
  /** The numbers of a vector. */
  readonly units: number;
  /** The vectors, one after the other: `[rows, units]`. */
  readonly vectors: Float32Array;
  /** Present if training leaves it as it is. */
  readonly frozen?: true;
  /** A size that no number in it exceeds; undefined where it is to be looked for. */
  largest: number | undefined;
}

/** The tables of a model, by path. */
export type Tables = ReadonlyMap<string, Table>;

/**
 * Returns tables of vectors that are given by path.
 *
 * @param isOwn Returns true of the path of an array that becomes the table's own; others are copied.
 */
export function tablesOf(
  tables: readonly Parameter[],
  given: Readonly<Record<string, Tensor>>,
  isOwn: (path: string) => boolean,
): Tables {
  return new Map(tables.map(({ path, shape: [rows, units], frozen }) => {
    const { data } = given[path];
    const vectors = isOwn(path) && data instanceof Float32Array ? data : new Float32Array(data);
    return [path, { path, rows, units, vectors, largest: undefined, ...(frozen && { frozen }) }];
  }));
}

/**
 * Returns the vectors of a batch, as a graph reads them: `[batch, width]` by the names of the inputs.
 *
 * @param tensors The codes and weights of the batch, by the names of the model's inputs.
 * @param memory Arrays that are no longer needed, by name, which are used where they fit.
 */
export function vectorsOf(
  lookups: readonly Lookup[],
  tables: Tables,
  tensors: Readonly<Record<string, Tensor>>,
  memory?: Map<string, Float32Array>,
): Record<string, Tensor> {
  return Object.fromEntries(lookups.map(({ name, width, parts }) => {
    const batch = tensors[parts[0].codes].shape[0];
    const held = memory?.get(name);
    const data = held?.length === batch * width ? held.fill(0) : new Float32Array(batch * width);
    memory?.set(name, data);
    const pieces = parts.map((part) => ({ part, table: tables.get(part.table)!, reading: readingOf(part, tensors) }));
    for (let from = 0; from < batch; from += block) {
      const end = Math.min(from + block, batch);
      let start = 0;
      for (const { part, table, reading } of pieces) {
        const place = { data, start, width, from, end };
        touchVectors(part, table, reading, place);
        if (part.columns.length === 1 && reading.weights === undefined) copyVectors(part, table, reading, place);
        else addVectors(part, table, reading, place);
        start += part.units;
      }
    }
    return [name, { shape: [batch, width], data }];
  }));
}

/** The rows for which vectors are read at a time: few enough for what they are written to to stay in the cache. */
const block = 64;

/** The place that vectors are written to: some rows of zeros, which lie `width` numbers apart, from a column on. */
interface Written {
  readonly data: Float32Array;
  readonly start: number;
  readonly width: number;
  readonly from: number;
  readonly end: number;
}

/**
 * Reads one number of each 64 bytes of the vectors that columns of codes name, which lie far apart: the processor fetches
 * many of them at once then, where a copy of vector after vector would wait for each.
 */
function touchVectors(
  { columns, first }: LookupPart,
  { vectors, rows, units }: Table,
  { codes, stride }: Reading,
  { data, start, width, from, end }: Written,
): void {
  let seen = 0;
  for (let row = from; row < end; row++) {
    for (let column = 0; column < columns.length; column++) {
      const code = codes[row * stride + columns[column]] - first;
      if (code < 0 || code >= rows) continue;
      for (let at = code * units; at < (code + 1) * units; at += 16) seen += vectors[at];
    }
  }
  const to = from * width + start;
  data[to] = seen; // a use of what was read
  data[to] = 0;
}

/** Copies the vectors that one column of codes names. */
function copyVectors(
  { columns: [column], first }: LookupPart,
  { vectors, rows, units }: Table,
  { codes, stride }: Reading,
  { data, start, width, from, end }: Written,
): void {
  for (let row = from; row < end; row++) {
    const code = codes[row * stride + column] - first;
    if (code < 0 || code >= rows) continue;
    const [read, to] = [code * units, row * width + start];
    for (let unit = 0; unit < units; unit++) data[to + unit] = vectors[read + unit];
  }
}

/** Adds the vectors that columns of codes name, each times its weight. */
function addVectors(
  { columns, first, weights: given }: LookupPart,
  { vectors, rows, units }: Table,
  { codes, stride, weights, spread }: Reading,
  { data, start, width, from, end }: Written,
): void {
  for (let row = from; row < end; row++) {
    const to = row * width + start;
    for (let at = 0; at < columns.length; at++) {
      const code = codes[row * stride + columns[at]] - first;
      if (code < 0 || code >= rows) continue;
      const weight = weights === undefined ? 1 : weights[row * spread + given!.from + at];
      const read = code * units;
      for (let unit = 0; unit < units; unit++) data[to + unit] += weight * vectors[read + unit];
    }
  }
}

/** The codes that a part reads, and the weight of each: as they lie in their tensors. */
export interface Reading {
  readonly codes: ArrayLike<number>;
  /** The columns of the codes' tensor. */
  readonly stride: number;
  /** Absent where each weighs 1. */
  readonly weights?: ArrayLike<number>;
  /** The columns of the weights' tensor. */
  readonly spread: number;
}

/** Returns the codes that a part reads of a batch. */
export function readingOf({ codes, weights }: LookupPart, tensors: Readonly<Record<string, Tensor>>): Reading {
  const { data, shape: [, stride] } = tensors[codes];
  if (weights === undefined) return { codes: data, stride, spread: 0 };
  const given = tensors[weights.input];
  return { codes: data, stride, weights: given.data, spread: given.shape[1] };
}

/** Returns a size that no number in tables exceeds. Training keeps it, so that tables are looked through once. */
export function largestOf(tables: Tables): number {
  let most = 0;
  for (const table of tables.values()) {
    if (table.largest === undefined) table.largest = largestIn(table.vectors, 0, table.vectors.length, 0);
    most = Math.max(most, table.largest);
  }
  return most;
}

/** Returns the largest size of some numbers, at least some size. */
export function largestIn(numbers: ArrayLike<number>, start: number, end: number, most: number): number {
  const found = numbers instanceof Float32Array && end - start >= many ? largestOfMany(numbers, start, end) : NaN;
  if (!Number.isNaN(found)) return Math.max(found, most);
  let largest = most;
  for (let at = start; at < end; at++) {
    const size = Math.abs(numbers[at]);
    if (size > largest) largest = size;
  }
  return largest;
}

/** The numbers from which on a view of their bits pays. */
const many = 1000;

/**
 * Returns the largest size of some numbers, NaN if one of them is NaN. Bits of sizes are in order as whole numbers, which
 * are compared three times as fast: every row to predict from is looked through.
 */
function largestOfMany({ buffer, byteOffset }: Float32Array, start: number, end: number): number {
  const bits = new Int32Array(buffer, byteOffset + 4 * start, end - start);
  let largest = 0;
  for (let at = 0; at < bits.length; at++) {
    const size = bits[at] & 0x7fffffff; // without its sign
    if (size > largest) largest = size;
  }
  return new Float32Array(Int32Array.of(largest).buffer)[0];
}
