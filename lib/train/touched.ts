import type { Lookup, LookupPart } from "../graph/lookups.ts";
import { readingOf, type Table } from "../model/tables.ts";
import type { Tensor } from "../ops/tensor.ts";

type Tensors = Readonly<Record<string, Tensor>>;

/** The rows of a table that a batch reads. */
export interface Touched {
  /** Finds the rows of a batch, beside those that were found before or instead of them. */
  readonly find: (tensors: Tensors, more: boolean) => void;
  /** The rows that were found last, each once: the first `count` numbers. */
  readonly found: () => { readonly rows: Int32Array; readonly count: number };
  /** Adds to the gradient of these rows, `[count, units]`, that of the vectors that some rows of the batch have read. */
  readonly add: (gradients: Tensors, sums: Float32Array, rows: Some) => void;
}

/** A part of a lookup, and the place of its vector there. */
interface Placed {
  readonly part: LookupPart;
  readonly lookup: Lookup;
  readonly start: number;
  /** The number of columns of codes before its own, of all that read the table. */
  readonly first: number;
}

/** Returns what finds the rows of a table that batches read. Memory is that of the largest batch so far. */
export function touchedIn(lookups: readonly Lookup[], table: Table): Touched {
  let columns = 0;
  const placed = lookups.flatMap((lookup): Placed[] => {
    let end = 0;
    return lookup.parts
      .map((part) => ({ part, lookup, start: (end += part.units) - part.units }))
      .filter(({ part }) => part.table === table.path)
      .map((one) => ({ ...one, first: (columns += one.part.columns.length) - one.part.columns.length }));
  });
  const places = growing(); // of each code that was read, the place of its row among those found, -1 of none
  const set = rowSet();
  let read: Tensors = {};
  return {
    found: set.found,
    find: (tensors, more) => {
      read = tensors;
      const most = columns * tensors[placed[0].part.codes].shape[0];
      const to = places(most);
      if (more) set.extend(most);
      else set.clear(most);
      let end = 0;
      for (const { part } of placed) {
        const { codes, stride } = readingOf(part, tensors);
        for (const column of part.columns) {
          end = set.addColumn({ codes, stride, column }, part.first, table.rows, to, end);
        }
      }
    },
    add: (gradients, sums, rows) => {
      const from = places(0);
      for (const one of placed) {
        const { name } = one.lookup;
        if (Object.hasOwn(gradients, name)) addGradients(one, rows, read, gradients[name].data, from, sums);
      }
    },
  };
}

/** Some rows of a batch. */
interface Some {
  readonly start: number;
  readonly end: number;
  /** The rows of the whole batch. */
  readonly batch: number;
}

/** The rows of a batch whose gradients are added at a time: they stay in the cache from column to column. */
export const block = 64;

/** Adds the gradients of the vectors that columns of codes read in some rows to those of the vectors. */
function addGradients(
  { part, lookup: { width }, start, first }: Placed,
  rows: Some,
  tensors: Tensors,
  gradients: ArrayLike<number>,
  places: Int32Array,
  sums: Float32Array,
): void {
  const { weights, spread } = readingOf(part, tensors);
  const { units, columns } = part;
  const from = part.weights?.from ?? 0;
  for (let column = 0; column < columns.length; column++) {
    const before = (first + column) * rows.batch;
    for (let row = rows.start; row < rows.end; row++) {
      const place = places[before + row];
      if (place < 0) continue;
      const weight = weights === undefined ? 1 : weights[row * spread + from + column];
      const [at, to] = [row * width + start, place * units];
      for (let unit = 0; unit < units; unit++) sums[to + unit] += weight * gradients[at + unit];
    }
  }
}

/** A column of codes. */
interface Column {
  readonly codes: ArrayLike<number>;
  /** The columns of all of them. */
  readonly stride: number;
  readonly column: number;
}

/** Returns a set of rows, which has each once, in the order in which they come: a hash table with linear probing. */
function rowSet(): {
  /** Empties the set, for so many rows at most. */
  readonly clear: (most: number) => void;
  /** Makes room for so many rows more at most. */
  readonly extend: (most: number) => void;
  /**
   * Adds the rows that a column of codes names. Writes the place of each among those that came, -1 of a code without a row,
   * from a position on, and returns the end.
   */
  readonly addColumn: (column: Column, first: number, size: number, places: Int32Array, start: number) => number;
  readonly found: Touched["found"];
} {
  const rowsOf = growing();
  let rows = rowsOf(0);
  let slots = new Int32Array(16); // a row's place, plus 1
  let shift = 28;
  let count = 0;
  /** Returns true if there are new slots, all empty, for so many rows. */
  const enlarge = (most: number) => {
    const bits = Math.max(4, 32 - Math.clz32(2 * most - 1));
    if (slots.length >= 2 ** bits) return false;
    slots = new Int32Array(2 ** bits);
    shift = 32 - bits;
    return true;
  };
  return {
    clear: (most) => {
      rows = rowsOf(most);
      if (!enlarge(most)) slots.fill(0);
      count = 0;
    },
    extend: (most) => {
      const before = rows;
      rows = rowsOf(count + most);
      if (rows !== before) rows.set(before.subarray(0, count));
      if (!enlarge(count + most)) return;
      for (let place = 1; place <= count; place++) {
        let slot = Math.imul(rows[place - 1], 0x9e3779b1) >>> shift;
        while (slots[slot] !== 0) slot = slot + 1 & slots.length - 1;
        slots[slot] = place;
      }
    },
    addColumn: (column, first, size, places, start) => {
      count = addRows(column, first, size, { places, start, slots, shift, rows, count });
      return start + Math.ceil((column.codes.length - column.column) / column.stride);
    },
    found: () => ({ rows, count }),
  };
}

/** The state of a set of rows: all in locals while a column is added, for the loop is most of what a batch costs here. */
interface Adding {
  readonly places: Int32Array;
  readonly start: number;
  readonly slots: Int32Array;
  readonly shift: number;
  readonly rows: Int32Array;
  readonly count: number;
}

/** Adds the rows that a column of codes names, and returns their number with those before. */
function addRows({ codes, stride, column }: Column, first: number, size: number, given: Adding): number {
  const { places, slots, shift, rows } = given;
  let { start: end, count } = given;
  const mask = slots.length - 1;
  for (let at = column; at < codes.length; at += stride) {
    const row = codes[at] - first;
    if (row < 0 || row >= size) {
      places[end++] = -1;
      continue;
    }
    let slot = Math.imul(row, 0x9e3779b1) >>> shift;
    let place = slots[slot];
    while (place !== 0 && rows[place - 1] !== row) {
      slot = slot + 1 & mask;
      place = slots[slot];
    }
    if (place === 0) {
      rows[count++] = row;
      slots[slot] = place = count;
    }
    places[end++] = place - 1;
  }
  return count;
}

/** Returns a function that returns an array of at least some length: the same one as long as it is long enough. */
function growing(): (length: number) => Int32Array {
  let array = new Int32Array(0);
  return (length) => {
    if (array.length < length) array = new Int32Array(length);
    return array;
  };
}
