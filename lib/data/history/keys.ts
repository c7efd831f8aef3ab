import { kindOf } from "../../errors/kinds.ts";
import { advice } from "../../errors/nearest.ts";
import { quoted } from "../../errors/quoted.ts";
import { room } from "../../files/room.ts";
import type { Columns } from "../columns.ts";
import { type Places, places } from "../places.ts";
import { type NumberPlaces, numberPlaces } from "./number_places.ts";
import type { KeyColumn } from "./plan.ts";

/** The places of rows' keys among the distinct ones, {@linkcode missing} or {@linkcode unknown}. */
export interface KeyPlaces {
  /** The position in `ids` where each row's keys begin, and the end of the last: `[rows + 1]`. Absent: each row has one. */
  readonly starts?: Int32Array;
  readonly ids: Int32Array;
}

/** The key of a row whose column is missing there. */
export const missing = -1;

/** A key that no row before had. */
export const unknown = -2;

/** The distinct values of a column of keys, all of them numbers or all of them texts, and their places. */
export interface ColumnKeys extends KeyColumn {
  /** The values; undefined until the first rows show which kind they are of. */
  values?: { readonly kind: "number"; readonly of: NumberPlaces } | { readonly kind: "text"; readonly of: Places };
  /** The list of words that rows had last, and the place + 1 of each, 0 where it is not yet known. */
  words?: { readonly list: readonly string[]; known: Int32Array<ArrayBuffer>; parts: (Int32Array | undefined)[] };
}

/** The place of rows in errors. */
export interface Where {
  /** The action, and the name of the part if there is one. */
  readonly at: string;
  /** The number of rows before, within the part. */
  readonly first: number;
}

/**
 * Returns the number of distinct values of a column.
 *
 * @throws {RangeError} if there are more than pairs can be made of.
 */
export function countOf({ name, values }: ColumnKeys, where: Where): number {
  if (values === undefined) return 0;
  const count = values.kind === "number" ? values.of.count() : values.of.words.length;
  if (count <= mostKeys) return count;
  throw new RangeError(`${where.at}, column ${quoted(name)}: found more than ${mostKeys} distinct values`);
}

/**
 * Returns the places of rows' keys in a column.
 *
 * @param adding True if values that are new become known.
 * @throws {TypeError} naming row and column, if there is no such column, or its values are of another kind than before.
 */
export function keyPlaces(column: ColumnKeys, table: Columns, adding: boolean, where: Where): KeyPlaces {
  const { name } = column;
  const lists = table.lists ?? {};
  if (Object.hasOwn(lists, name)) return listKeys(column, lists[name], adding, where);
  if (!Object.hasOwn(table.columns, name)) {
    const known = [...Object.keys(table.columns), ...Object.keys(lists)];
    throw new TypeError(`${where.at}: no column is named ${quoted(name)}${advice(name, known)}`);
  }
  const found = table.columns[name];
  const find = finderOf(column, found.kind, adding, `${where.at}, column ${quoted(name)}`);
  if (found.kind === "number") {
    const ids = new Int32Array(found.values.length);
    for (let row = 0; row < ids.length; row++) {
      ids[row] = Number.isNaN(found.values[row]) ? missing : find(found.values[row]);
    }
    return { ids };
  }
  return column.separator === undefined
    ? { ids: wordKeys(column, found.codes, found.words, find) }
    : partKeys(column, found.codes, found.words, find);
}

/** Returns a function that returns the place of a value, of which new ones are added or {@linkcode unknown}. */
function finderOf(
  column: ColumnKeys,
  kind: "number" | "text",
  adding: boolean,
  at: string,
): (value: number | string) => number {
  const words = { number: "numbers", text: "text" };
  if (column.values !== undefined && column.values.kind !== kind) {
    throw new TypeError(`${at}: found ${words[kind]}, wanted ${words[column.values.kind]} as before`);
  }
  if (column.values === undefined) {
    if (!adding) return () => unknown;
    column.values = kind === "number" ? { kind, of: numberPlaces() } : { kind, of: places() };
  }
  const { values } = column;
  if (values.kind === "number") {
    const { add, find } = values.of;
    if (adding) return (value) => add(value as number);
    return (value) => {
      const place = find(value as number);
      return place < 0 ? unknown : place;
    };
  }
  const { add, find } = values.of;
  return adding ? (value) => add(value as string) : (value) => find(value as string) ?? unknown;
}

type Find = (value: number | string) => number;

/** Returns the place of each row's word. */
function wordKeys(column: ColumnKeys, codes: Int32Array, words: readonly string[], find: Find): Int32Array {
  const { known } = knownOf(column, words);
  const ids = new Int32Array(codes.length);
  for (let row = 0; row < codes.length; row++) {
    const code = codes[row];
    const place = code < 0 ? missing : known[code] > 0 ? known[code] - 1 : find(words[code]);
    ids[row] = place;
    if (place >= 0) known[code] = place + 1;
  }
  return ids;
}

/** Returns the places of the values in each row's word. */
function partKeys(column: ColumnKeys, codes: Int32Array, words: readonly string[], find: Find): KeyPlaces {
  const { parts } = knownOf(column, words);
  const starts = new Int32Array(codes.length + 1);
  let ids = new Int32Array(codes.length);
  let count = 0;
  for (let row = 0; row < codes.length; row++) {
    const code = codes[row];
    if (code >= 0) {
      const some = parts[code] ?? Int32Array.from(valuesIn(words[code].split(column.separator!)), find);
      if (!some.includes(unknown)) parts[code] = some;
      ids = room(ids, count + some.length);
      ids.set(some, count);
      count += some.length;
    }
    starts[row + 1] = count;
  }
  return { starts, ids };
}

/** Returns the distinct values of a list that are there. */
function valuesIn(list: Iterable<number | string | null>): Set<number | string> {
  const values = new Set<number | string>();
  for (const value of list) if (value !== null && value !== "" && !Number.isNaN(value)) values.add(value);
  return values;
}

/** Returns the places of the values in each row's list. */
function listKeys(
  column: ColumnKeys,
  lists: NonNullable<Columns["lists"]>[string],
  adding: boolean,
  { at, first }: Where,
): KeyPlaces {
  const starts = new Int32Array(lists.length + 1);
  let ids = new Int32Array(lists.length);
  let count = 0;
  const finders: Partial<Record<"number" | "text", Find>> = {};
  for (let row = 0; row < lists.length; row++) {
    for (const value of valuesIn(lists[row] ?? [])) {
      const kind = typeof value === "string" ? "text" : "number";
      const place = `${at}, row ${first + row}, column ${quoted(column.name)}`;
      if (typeof value !== "string" && typeof value !== "number") {
        throw new TypeError(`${place}: found ${kindOf(value)} in a list, wanted numbers or texts`);
      }
      const find = finders[kind] ??= finderOf(column, kind, adding, place);
      ids = room(ids, count + 1);
      ids[count++] = find(value);
    }
    starts[row + 1] = count;
  }
  return { starts, ids };
}

/** Returns what is known of a list of words, which may have become longer. */
function knownOf(column: ColumnKeys, list: readonly string[]): NonNullable<ColumnKeys["words"]> {
  if (column.words?.list !== list) column.words = { list, known: new Int32Array(list.length), parts: [] };
  column.words.known = room(column.words.known, list.length);
  return column.words;
}

/**
 * Returns the places of the pairs of keys of rows, of which two columns are known.
 *
 * @param pairs The distinct pairs.
 */
export function paired(one: KeyPlaces, other: KeyPlaces, pairs: NumberPlaces, adding: boolean): KeyPlaces {
  const pair = (a: number, b: number): number => {
    if (a === missing || b === missing) return missing;
    if (a === unknown || b === unknown) return unknown;
    const value = a * mostKeys + b;
    if (adding) return pairs.add(value);
    const place = pairs.find(value);
    return place < 0 ? unknown : place;
  };
  if (one.starts === undefined && other.starts === undefined) {
    const ids = new Int32Array(one.ids.length);
    for (let row = 0; row < ids.length; row++) ids[row] = pair(one.ids[row], other.ids[row]);
    return { ids };
  }
  const rows = (one.starts?.length ?? one.ids.length + 1) - 1;
  const starts = new Int32Array(rows + 1);
  let ids = new Int32Array(Math.max(one.ids.length, other.ids.length));
  let count = 0;
  for (let row = 0; row < rows; row++) {
    const [from, to] = [startOf(one, row), startOf(one, row + 1)];
    const [first, end] = [startOf(other, row), startOf(other, row + 1)];
    ids = room(ids, count + (to - from) * (end - first));
    for (let a = from; a < to; a++) {
      for (let b = first; b < end; b++) ids[count++] = pair(one.ids[a], other.ids[b]);
    }
    starts[row + 1] = count;
  }
  return { starts, ids };
}

/** Returns the position of the first key of a row; for the row after the last one the end. */
export function startOf({ starts }: KeyPlaces, row: number): number {
  return starts === undefined ? row : starts[row];
}

/** The most distinct keys of a column of which pairs are made: two of their places are one number. */
const mostKeys = 2 ** 26;
