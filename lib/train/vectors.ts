import { room } from "../files/room.ts";
import type { Lookup, LookupPart } from "../graph/lookups.ts";
import { largestIn, readingOf, type Table, type Tables, vectorsOf } from "../model/tables.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { VectorOptimiser, VectorRule, VectorUpdate } from "../optimisers/optimiser.ts";
import { averageOf, type AverageState, type VectorAverage } from "./averages.ts";
import { type Marks, marksOf } from "./marks.ts";

type Tensors = Readonly<Record<string, Tensor>>;

/** The vectors of a model in training: what a step reads, and what it changes, which is no more than its batch names. */
export interface Vectors {
  /**
   * Returns the vectors of a batch by the names of the graph's inputs, and `heaviest`, the largest weight by which one is
   * read, at least 1; they are valid until the next call.
   *
   * @param more True if the batch is one more of a step, whose rows add up. Default false.
   */
  readonly read: (tensors: Tensors, more?: boolean) => Record<string, Tensor>;
  /**
   * Sums the gradients of the batch that was read last over all places of each vector.
   *
   * @param gradients The gradients with respect to what was read, by the names of the graph's inputs.
   * @returns A gradient of the rows that this step has read, those of its last batch and those before.
   */
  readonly summed: (gradients: Tensors) => TableGradient;
  /**
   * Changes the vectors that the step has read.
   *
   * @param scale The number to multiply the gradient with.
   * @param at The step, the learning rate, and the rates of tables with optimisers of their own, by path. A table with a
   * rate of 0 stays as it is, and so does its state.
   */
  readonly update: (
    gradient: TableGradient,
    scale: number,
    at: { readonly rate: number; readonly step: number; readonly rates?: ReadonlyMap<string, number> },
  ) => void;
  /** Keeps the vectors under a name as they are now: from here on, those that change are remembered. */
  readonly keep: (name: string) => void;
  /** Returns all vectors of each table that is trained, as they were kept under a name, by the table's path. */
  readonly wholes: (name: string) => ReadonlyMap<string, Float32Array>;
  /** Brings back what {@linkcode keep} kept under a name, if it did. */
  readonly restore: (name: string) => void;
  /** From here on, rows that change are marked, for {@linkcode VectorState.changed}; those before are forgotten. */
  readonly mark: () => void;
  /** Returns the state of each table by its path, valid until the next update. */
  readonly states: () => VectorStates;
  /** The averages of the tables, if they are taken. */
  readonly averages: readonly VectorAverage[];
}

/** The numbers that training keeps beside the vectors of a table. */
export interface VectorState {
  /** Those of the optimiser, `[rows, state]`. */
  readonly state: Float32Array;
  /** The vectors that were kept, by name; absent if none were. */
  readonly kept?: ReadonlyMap<string, KeptVectors>;
  /** Their averages; absent if none are taken. */
  readonly average?: AverageState;
  /** The rows that have changed, in vectors and state, since they are marked; absent if they are not. */
  readonly changed?: Pick<Marks, "count" | "rows">;
}

/**
 * The rows that have changed since vectors were kept, and their vectors as they were, of which the first `same` are those
 * that there were at {@linkcode Vectors.mark}.
 */
export interface KeptVectors {
  readonly rows: Int32Array;
  readonly vectors: Float32Array;
  readonly same?: number;
}

/** The states of tables, by path. */
export type VectorStates = ReadonlyMap<string, VectorState>;

/** The gradient of each table: that of the vectors that a batch has read, one after the other, by the table's path. */
export type TableGradient = ReadonlyMap<string, Float32Array>;

/**
 * Returns the vectors of a model in training, and the state of their optimiser.
 *
 * @param begun The states to go on from, whose arrays become those of the training. Default: they begin anew.
 * @param decay The decay of averages. Default: none are taken.
 * @param others The optimisers of tables that have one of their own, by path. Default: all follow the one.
 */
export function vectorsIn(
  lookups: readonly Lookup[],
  tables: Tables,
  optimiser: VectorOptimiser,
  begun?: VectorStates,
  decay?: number,
  others: ReadonlyMap<string, VectorOptimiser> = new Map(),
): Vectors {
  const used = new Set(lookups.flatMap(({ parts }) => parts.map(({ table }) => table)));
  const keep = decay === undefined ? keeping : keepingAll;
  const trained = [...tables.values()].filter(({ path, frozen }) => used.has(path) && !frozen).map((table): Trained => {
    const { vectors: rule } = others.get(table.path) ?? optimiser;
    const before = begun?.get(table.path);
    const state = before?.state ?? new Float32Array(table.rows * rule.state(table.units)).fill(rule.initial);
    const average = decay === undefined ? undefined : averageOf(table, decay, before?.average);
    const kept = new Map([...before?.kept ?? []].map(([name, some]) => {
      const one = keep(table);
      one.begin(some);
      return [name, one];
    }));
    return { table, rule, state, touched: touchedIn(lookups, table), kept, average, marks: undefined };
  });
  const memory = new Map<string, Float32Array>();
  return {
    read: (tensors, more = false) => {
      for (const { touched } of trained) touched.find(tensors, more);
      const heaviest = { shape: [], data: Float64Array.of(heaviestIn(lookups, tensors)) };
      return { ...vectorsOf(lookups, tables, tensors, memory), heaviest };
    },
    summed: (gradients) => summedIn(trained, gradients),
    update: (gradient, scale, { rate, step, rates }) => {
      for (const one of trained) {
        updateTable(one, gradient, { scale, rate: rates?.get(one.table.path) ?? rate, step });
      }
    },
    keep: (name) =>
      trained.forEach(({ table, kept }) => {
        const one = kept.get(name) ?? keep(table);
        kept.set(name, one);
        one.begin();
      }),
    wholes: (name) => new Map(trained.map(({ table, kept }) => [table.path, kept.get(name)!.whole()])),
    restore: (name) =>
      trained.forEach(({ kept, marks }) => {
        kept.get(name)?.restore();
        marks?.all();
      }),
    mark: () =>
      trained.forEach((one) => {
        (one.marks ??= marksOf(one.table.rows)).begin();
        one.kept.forEach((kept) => kept.mark());
      }),
    states: () =>
      new Map(trained.map(({ table, state, kept, average, marks }) => {
        const all = kept.size === 0 ? undefined : new Map([...kept].map(([name, one]) => [name, one.kept()]));
        return [table.path, { state, kept: all, average: average?.state(), changed: marks }];
      })),
    averages: trained.flatMap(({ average }) => average ?? []),
  };
}

/** A table in training. */
interface Trained {
  readonly table: Table;
  readonly rule: VectorRule;
  readonly state: Float32Array;
  readonly touched: Touched;
  readonly average: VectorAverage | undefined;
  /** The vectors as they were when they were kept, by name. */
  readonly kept: Map<string, Kept>;
  /** The rows that have changed, if they are marked. */
  marks: Marks | undefined;
}

/** Changes the vectors of a table that the step has read. */
function updateTable(
  { table, rule, state, touched, kept, average, marks }: Trained,
  gradients: TableGradient,
  { scale, rate, step }: Pick<VectorUpdate, "scale" | "rate" | "step">,
): void {
  const { rows, count } = touched.found();
  if (rate === 0) return average?.before(rows, 0, step);
  marks?.add(rows, count);
  for (const one of kept.values()) one.remember(rows, count);
  average?.before(rows, count, step);
  const { vectors, units, path } = table;
  const gradient = gradients.get(path)!;
  updateSome(rule, { table: vectors, state, rows, count, units, gradient, scale, rate, step });
  average?.after(rows, count);
  if (table.largest !== undefined) table.largest = largestAmong(table, rows, count, table.largest);
}

/** Returns the gradients of the vectors that were read last, by the paths of their tables. */
function summedIn(
  tables: readonly { readonly table: Table; readonly touched: Touched }[],
  gradients: Tensors,
): TableGradient {
  const sums = tables.map(({ table, touched }) => new Float32Array(touched.found().count * table.units));
  const batch = Object.values(gradients)[0]?.shape[0] ?? 0;
  for (let start = 0; start < batch; start += block) {
    const rows = { start, end: Math.min(start + block, batch), batch };
    tables.forEach(({ touched }, at) => touched.add(gradients, sums[at], rows));
  }
  return new Map(tables.map(({ table }, at) => [table.path, sums[at]]));
}

/** Updates vectors, some at a time, which are fetched at once before: they lie far apart. */
function updateSome(rule: VectorRule, of: VectorUpdate): void {
  const { table, state, rows, count, units, gradient } = of;
  const stateUnits = rule.state(units);
  const uses = new Float32Array(1);
  for (let from = 0; from < count; from += fetched) {
    const end = Math.min(from + fetched, count);
    let seen = 0;
    for (let at = from; at < end; at++) {
      const row = rows[at];
      for (let number = row * units; number < (row + 1) * units; number += 16) seen += table[number];
      for (let number = row * stateUnits; number < (row + 1) * stateUnits; number += 16) seen += state[number];
    }
    uses[0] = seen;
    const some = { rows: rows.subarray(from, end), gradient: gradient.subarray(from * units, end * units) };
    rule.update({ ...of, ...some, count: end - from });
  }
}

/** The vectors that are fetched at once: so few that all stay in the cache until they are updated. */
const fetched = 256;

/** Returns the largest weight by which a batch reads vectors, at least 1. */
function heaviestIn(lookups: readonly Lookup[], tensors: Tensors): number {
  const weights = lookups.flatMap(({ parts }) => parts.flatMap(({ weights }) => weights?.input ?? []));
  return [...new Set(weights)].reduce((most, name) => {
    const { data } = tensors[name];
    return largestIn(data, 0, data.length, most);
  }, 1);
}

/** Returns the largest size of a number in some rows of a table, at least some size. */
function largestAmong({ vectors, units }: Table, rows: Int32Array, count: number, most: number): number {
  let largest = most;
  for (let at = 0; at < count; at++) {
    largest = largestIn(vectors, rows[at] * units, (rows[at] + 1) * units, largest);
  }
  return largest;
}

/** The rows of a table that a batch reads. */
interface Touched {
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
function touchedIn(lookups: readonly Lookup[], table: Table): Touched {
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
const block = 64;

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

/** Vectors as they were, of rows that have changed since. */
export interface Kept {
  /**
   * Forgets all that was remembered: the vectors are kept as they are now.
   *
   * @param before Vectors that were remembered before. Default: none.
   */
  readonly begin: (before?: KeptVectors) => void;
  /** Returns what is remembered, valid until more is. */
  readonly kept: () => KeptVectors;
  /** From here on, what is remembered already counts as the same. */
  readonly mark: () => void;
  /** Remembers rows before they change. */
  readonly remember: (rows: Int32Array, count: number) => void;
  /** Returns all vectors as they were. */
  readonly whole: () => Float32Array;
  /** Writes back what is remembered. */
  readonly restore: () => void;
}

/** Returns what keeps vectors of a table as they were, in memory of those that change. */
function keeping({ vectors, rows: size, units }: Table): Kept {
  const isKept = new Uint8Array(size);
  let rows: Int32Array = new Int32Array(1024);
  let old: Float32Array = new Float32Array(1024 * units);
  let [end, same] = [0, 0];
  const write = (to: Float32Array) => {
    for (let at = 0; at < end; at++) {
      for (let unit = 0; unit < units; unit++) to[rows[at] * units + unit] = old[at * units + unit];
    }
  };
  return {
    begin: (before) => {
      same = 0;
      for (let at = 0; at < end; at++) isKept[rows[at]] = 0;
      end = before?.rows.length ?? 0;
      if (before !== undefined) {
        [rows, old] = [before.rows, before.vectors];
        for (const row of rows) isKept[row] = 1;
      }
    },
    kept: () => ({ rows: rows.subarray(0, end), vectors: old.subarray(0, end * units), same }),
    mark: () => same = end,
    remember: (changing, count) => {
      for (let at = 0; at < count; at++) {
        const row = changing[at];
        if (isKept[row] === 1) continue;
        isKept[row] = 1;
        [rows, old] = [room(rows, end + 1), room(old, (end + 1) * units)];
        rows[end] = row;
        for (let unit = 0; unit < units; unit++) old[end * units + unit] = vectors[row * units + unit];
        end++;
      }
    },
    whole: () => {
      const all = vectors.slice();
      write(all);
      return all;
    },
    restore: () => write(vectors),
  };
}

/** Returns what keeps all vectors of a table as they are when it begins, such as the averages of the best evaluation. */
function keepingAll({ vectors, rows }: Table): Kept {
  let copy: Float32Array = vectors; // until it begins
  let same = 0;
  return {
    begin: (before) => {
      copy = before?.vectors ?? vectors.slice();
      same = 0;
    },
    kept: () => ({ rows: Int32Array.from({ length: rows }, (_, row) => row), vectors: copy, same }),
    mark: () => same = rows,
    remember: () => {},
    whole: () => copy.slice(),
    restore: () => vectors.set(copy),
  };
}

/** Returns the inner product of two gradients of tables. */
export function innerProduct(one: TableGradient, other: TableGradient): number {
  let sum = 0;
  for (const [path, a] of one) {
    const b = other.get(path);
    if (b === undefined) continue;
    for (let at = 0; at < a.length; at++) sum += a[at] * b[at];
  }
  return sum;
}

/** Returns the Euclidean norm of a gradient of tables, 0 of none. */
export function normOf(gradient: TableGradient | undefined): number {
  return gradient === undefined ? 0 : Math.sqrt(innerProduct(gradient, gradient));
}

/**
 * Returns a gradient of tables and those of tasks, each times its part, added up; the first one itself of no tasks.
 *
 * @param partOf Returns the part of a task in a table.
 */
export function mixed(
  others: TableGradient,
  tasks: readonly TableGradient[],
  partOf: (path: string, task: number) => number,
): TableGradient {
  for (const [path, sum] of others) {
    tasks.forEach((gradient, task) => {
      const [part, own] = [partOf(path, task), gradient.get(path)!];
      for (let at = 0; at < own.length; at++) sum[at] += part * own[at];
    });
  }
  return others;
}
