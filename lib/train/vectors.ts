import type { Lookup } from "../graph/lookups.ts";
import { largestIn, type Table, type Tables, vectorsOf } from "../model/tables.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { VectorOptimiser, VectorRule, VectorUpdate } from "../optimisers/optimiser.ts";
import { averageOf, type AverageState, type VectorAverage } from "./averages.ts";
import { keeping, keepingAll, type Kept, type KeptVectors } from "./kept_vectors.ts";
import { type Marks, marksOf } from "./marks.ts";
import { block, type Touched, touchedIn } from "./touched.ts";
import type { TableGradient } from "./table_gradients.ts";

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

/** The states of tables, by path. */
export type VectorStates = ReadonlyMap<string, VectorState>;

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
