import { type ChangedRows, rowsOf } from "../model/changes.ts";
import type { Tables } from "../model/tables.ts";
import { type NumberArray, typeOf, wholes, type Written } from "./checkpoint_arrays.ts";
import { ofTask } from "./stopping.ts";
import type { KeptVectors } from "./kept_vectors.ts";
import type { VectorState, VectorStates } from "./vectors.ts";

/** The way in which checkpoints are written by changes. */
export interface ByChanges {
  /** The largest part of all numbers beside the flat array that are written as changes. */
  readonly share: number;
  /** The bytes of these numbers from which on it is worth it. */
  readonly least: number;
  /** The checkpoints by changes that follow a whole one, at most. */
  readonly most: number;
}

/** The usual way: so a checkpoint by changes is much smaller, and the disk has a whole one that is not old. */
export const byChanges: ByChanges = { share: 1 / 4, least: 2 ** 20, most: 20 };

/** Returns true if what has changed in tables, and in what training keeps beside them, is a small part of it. */
export function areFew(tables: Tables, states: VectorStates, { share, least }: ByChanges): boolean {
  let [all, some] = [0, 0];
  for (const { path, vectors, units, rows } of tables.values()) {
    all += 4 * vectors.length;
    const own = states.get(path);
    if (own === undefined) continue; // nothing trains it
    const count = own.changed?.count() ?? rows;
    const { state, average, kept } = own;
    const beside = average === undefined ? 0 : units + 1;
    const keptRows = (of: (one: KeptVectors) => number) => {
      return [...kept?.values() ?? []].reduce((sum, one) => sum + of(one), 0);
    };
    all += 4 * (state.length + rows * beside + keptRows((one) => one.rows.length) * (units + 1));
    const width = 2 + units + state.length / rows + beside; // its place is in two files
    some += 4 * (count * width + keptRows((one) => one.rows.length - (one.same ?? 0)) * (units + 1));
  }
  return all > 0 && all >= least && some <= share * all;
}

/** Returns the rows that have changed in each table. */
export function changedIn(states: VectorStates): ChangedRows {
  return new Map([...states].map(([path, { changed }]) => [path, changed!.rows()]));
}

/** Returns what has changed in the arrays of a table. */
export function changesOf(
  path: string,
  { state, kept, average }: VectorState,
  rows: Int32Array,
  size: number,
): Written[] {
  const list = `changed rows/${path}`;
  const some = (name: string, array: Float32Array): Written => {
    const width = array.length / size;
    const of = { length: array.length, rows: list, width };
    return { name, type: "float32", length: rows.length * width, pieces: () => rowsOf(array, width, rows), of };
  };
  const all = [...wholes({ [list]: rows }), some(`vectors/${path}`, state)];
  if (average !== undefined) {
    all.push(some(`averages/${path}`, average.vectors));
    const steps = Int32Array.from([...rows, size], (row) => average.steps[row]); // the last number is of no row
    const of = { length: size + 1, rows: list, width: 1 };
    all.push({ name: `average steps/${path}`, type: "int32", length: steps.length, pieces: () => [steps], of });
  }
  for (const [name, { rows: keptRows, vectors, same = 0 }] of kept ?? []) {
    all.push(added(`kept rows${ofTask(name)}/${path}`, keptRows, same));
    all.push(
      added(`kept vectors${ofTask(name)}/${path}`, vectors, same * vectors.length / Math.max(1, keptRows.length)),
    );
  }
  return all;
}

/** Returns the end of an array, of which the rest is the same as before. */
function added(name: string, array: NumberArray, from: number): Written {
  const end = array.subarray(from);
  return { name, type: typeOf(array), length: end.length, pieces: () => [end], of: { length: array.length, from } };
}
