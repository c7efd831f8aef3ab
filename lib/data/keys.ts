import { isRecord, kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import type { Column, TextColumn } from "./columns.ts";

/**
 * Keys of rows, one a row, by which they are grouped when they are judged: a column of a table, or a list of numbers,
 * texts or booleans. null, undefined and NaN are no key, and the row is then in no group.
 */
export type Keys = Column | ArrayLike<number | string | boolean | null | undefined>;

/**
 * Returns keys as a column, stored as numbers: of texts and booleans every distinct one is stored once.
 *
 * @param where The place, for errors: `Cannot make rows: the keys "user"`.
 * @throws {TypeError} if they are no keys, or of several kinds.
 * @throws {RangeError} if there are not as many as rows.
 */
export function keysOf(keys: Keys, count: number, where: string): Column {
  const column = columnOf(keys, where);
  const length = lengthOf(column);
  if (length !== count) throw new RangeError(`${where} need one a row, found ${length} for ${count} rows`);
  return column;
}

/**
 * Makes sure that something is a column of keys, as {@linkcode keysOf} returns it, one a row.
 *
 * @throws {TypeError | RangeError} if it is not.
 */
export function checkKeys(found: unknown, count: number, where: string): asserts found is Column {
  if (!isColumn(found)) throw new TypeError(`${where} must be as rows() makes them of keys, found ${kindOf(found)}`);
  const length = lengthOf(found);
  if (length !== count) throw new RangeError(`${where} need one a row, found ${length} for ${count} rows`);
}

/**
 * Returns for each key whether other keys lack it, as segments of new users and new items are made: true where it is new,
 * null where a row has none.
 *
 * @param keys The keys of the rows, such as the users of a day.
 * @param known The keys known before, such as those of the training rows: of the same kind, in any number.
 * @throws {TypeError} if they are no keys, or numbers beside texts.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { unseen } from "@gatehouse/gatehouse";
 *
 * assertEquals(unseen(["ann", "eve", null, "bob"], ["bob", "ann", "ann"]), [false, true, null, false]);
 * ```
 */
export function unseen(keys: Keys, known: Keys): (boolean | null)[] {
  const [column, before] = [
    columnOf(keys, "Cannot find new keys: keys"),
    columnOf(known, "Cannot find new keys: known"),
  ];
  if (column.kind !== before.kind) {
    const found = `the keys are of kind ${column.kind}, the known ones of kind ${before.kind}`;
    throw new TypeError(`Cannot find new keys: ${found}, wanted one kind`);
  }
  const seen = new Set<unknown>(textsOf(before));
  return Array.from(textsOf(column), (key) => key === undefined ? null : !seen.has(key));
}

/** Yields the text or number of each key, undefined where there is none. */
function* textsOf(column: Column): Generator<string | number | undefined> {
  if (column.kind === "number") { for (const number of column.values) yield Number.isNaN(number) ? undefined : number; }
  else for (const code of column.codes) yield code < 0 ? undefined : column.words[code];
}

/** Returns the number of each key, NaN where there is none: numbers as they are, texts as their places among the words. */
export function keyNumbers(column: Column): Float64Array {
  if (column.kind === "number") return column.values;
  return Float64Array.from(column.codes, (code) => code < 0 ? NaN : code);
}

/** Returns keys of neighbouring rows, without copying. */
export function sliceKeys(column: Column, start: number, count: number): Column {
  return column.kind === "number"
    ? { ...column, values: column.values.subarray(start, start + count) }
    : { ...column, codes: column.codes.subarray(start, start + count) };
}

/** Returns the keys of the rows at the given positions. */
export function pickKeys(column: Column, positions: Uint32Array): Column {
  return column.kind === "number"
    ? { ...column, values: Float64Array.from(positions, (row) => column.values[row]) }
    : { ...column, codes: Int32Array.from(positions, (row) => column.codes[row]) };
}

/** Keys that are put together from pieces, each with words of its own. */
export interface GatheredKeys {
  /** Adds the keys of neighbouring rows, from one on, after so many that it holds. */
  readonly add: (column: Column, from: number, some: number, held: number) => void;
  /** Returns the first keys, as a view of the memory, and begins anew. */
  readonly take: (count: number) => Column;
}

/** Returns memory for keys of one kind. */
export function gatheredKeys({ kind }: Column, limit: number): GatheredKeys {
  if (kind === "number") {
    const values = new Float64Array(limit);
    return {
      add: (column, from, some, held) => {
        values.set((column as { values: Float64Array }).values.subarray(from, from + some), held);
      },
      take: (count) => ({ kind, values: values.subarray(0, count) }),
    };
  }
  const codes = new Int32Array(limit);
  let words: string[] = [];
  const places = new Map<string, number>();
  return {
    add: (column, from, some, held) => {
      const piece = column as TextColumn;
      for (let row = 0; row < some; row++) {
        const code = piece.codes[from + row];
        codes[held + row] = code < 0 ? -1 : placeIn(places, words, piece.words[code]);
      }
    },
    take: (count) => {
      const taken = words;
      words = [];
      places.clear();
      return { kind, codes: codes.subarray(0, count), words: taken };
    },
  };
}

/** Returns the place of a word among the words, at whose end it is added if it is new. */
function placeIn(places: Map<string, number>, words: string[], word: string): number {
  let place = places.get(word);
  if (place === undefined) places.set(word, place = words.push(word) - 1);
  return place;
}

function columnOf(keys: Keys, where: string): Column {
  if (isColumn(keys)) return keys;
  if (!Array.isArray(keys) && !(ArrayBuffer.isView(keys) && "length" in keys)) {
    throw new TypeError(`${where} must be a column of numbers or text, or a list of keys, found ${kindOf(keys)}`);
  }
  if (!Array.isArray(keys)) return { kind: "number", values: Float64Array.from(keys as ArrayLike<number>) };
  const known = keys.find((key) => key !== null && key !== undefined);
  const isNumber = known === undefined || typeof known === "number";
  const wrong = keys.findIndex((key) => key !== null && key !== undefined && typeof key !== typeof (known ?? 0));
  if (wrong >= 0 || !["number", "string", "boolean"].includes(typeof (known ?? 0))) {
    const row = Math.max(wrong, keys.indexOf(known));
    throw new TypeError(
      `${where}\n  at row ${row}: found ${kindOf(keys[row])}, wanted numbers, texts or booleans alone`,
    );
  }
  if (isNumber) return { kind: "number", values: Float64Array.from(keys, (key) => key ?? NaN) };
  const words: string[] = typeof known === "boolean" ? ["false", "true"] : [];
  const places = new Map(words.map((word, place) => [word, place]));
  const codes = Int32Array.from(
    keys,
    (key) => key === null || key === undefined ? -1 : placeIn(places, words, `${key}`),
  );
  return { kind: "text", codes, words };
}

function lengthOf(column: Column): number {
  return column.kind === "number" ? column.values.length : column.codes.length;
}

function isColumn(found: unknown): found is Column {
  if (!isRecord(found)) return false;
  if (found.kind === "number") return found.values instanceof Float64Array;
  return found.kind === "text" && found.codes instanceof Int32Array && Array.isArray(found.words);
}

/** Returns the place of keys in errors. */
export function keysAt(action: string, name: string): string {
  return `${action}: the keys ${quoted(name)}`;
}
