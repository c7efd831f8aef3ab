import type { Column, Columns } from "../data/columns.ts";
import { places } from "../data/places.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";

/** Rows to fit or to encode: a table, or plain lists by name, `{ age: [73, 58], job: ["clerk", "smith"] }`. */
export type Tabular = Columns | Readonly<Record<string, PlainColumn>>;

/** A list of numbers, of texts or of lists of these; null, undefined and NaN where one is missing. */
export type PlainColumn = ArrayLike<
  number | string | null | undefined | ArrayLike<number | string | null | undefined>
>;

/** A number or a text of a list; null, undefined and NaN where it is missing. */
type Item = number | string | null | undefined;

/** The columns of some features, which are all there and of one length. */
export interface Records {
  /** The purpose they are read for, in errors. */
  readonly action: string;
  /** The number of rows. */
  readonly count: number;
  /** The number of rows in the pieces before, so that errors count the rows of all of them. */
  readonly first: number;
  /** The columns by name, as they were given. */
  readonly columns: Readonly<Record<string, Column | PlainColumn>>;
}

/**
 * The records of some features.
 *
 * @param action The purpose they are read for, in errors.
 * @param wanted The columns of every feature.
 * @param rows The rows; other columns are left alone.
 * @param first The number of rows in the pieces before.
 * @throws {TypeError | RangeError} if rows are not columns by name, or a column is missing, is not a list, or has
 * another length.
 */
export function recordsOf(
  action: string,
  wanted: readonly (readonly [feature: string, columns: readonly string[]])[],
  rows: Tabular,
  first: number = 0,
): Records {
  if (!isRecord(rows)) throw new TypeError(`Cannot ${action}: wanted columns by name, found ${kindOf(rows)}`);
  if (isTable(rows) && !isRecord(rows.columns)) {
    const wanted = "wanted { count, columns } or lists by name; a column cannot be a number";
    throw new TypeError(`Cannot ${action}: found the count of a table but no columns, ${wanted}`);
  }
  const columns = isTable(rows) ? { ...rows.columns, ...rows.lists } : rows;
  let count = isTable(rows) ? rows.count : undefined;
  let odd: readonly [feature: string, length: number] | undefined;
  for (const [feature, names] of wanted) {
    for (const name of names) {
      const length = lengthOf(action, feature, name, columns);
      count ??= length;
      if (length !== count) odd ??= [feature, length];
    }
  }
  if (odd !== undefined) {
    const [feature, length] = odd;
    throw new RangeError(`${at(action, feature)}: found ${length} rows, wanted ${count}`);
  }
  return { action, count: count ?? 0, first, columns };
}

/** The numbers that a feature takes. */
export interface Domain {
  /** They are finite and greater than this. */
  readonly above: number;
  /** The same in words. */
  readonly wanted: string;
  /** The way out for missing numbers where they are refused, in words. */
  readonly refused: string | undefined;
  /** True if infinite numbers are taken too. */
  readonly infinite?: true;
}

/**
 * The numbers of a column in float64, all in the domain, or NaN for one that is missing: NaN, null or undefined. The
 * column itself if it holds such.
 *
 * @throws {TypeError | RangeError} naming the row of the first number that is not.
 */
export function numbersOf({ action, first, columns }: Records, name: string, domain: Domain): Float64Array {
  const column = columns[name];
  if (isTyped(column) && column.kind === "text") {
    throw new TypeError(`${at(action, name)}: found text, wanted numbers`);
  }
  const given: PlainColumn = isTyped(column) ? column.values : column;
  const { above, refused, infinite } = domain;
  const values = given instanceof Float64Array ? given : new Float64Array(given.length);
  for (let row = 0; row < given.length; row++) {
    const value = given[row];
    const there = typeof value === "number" && (value > above && value < Infinity || infinite && !Number.isNaN(value));
    if (!there && !(refused === undefined && isMissing(value))) {
      throw outside(value, `${at(action, name)}, row ${first + row}`, domain);
    }
    if (values !== given) values[row] = there ? value : NaN;
  }
  return values;
}

/** Returns true if a number is missing. */
function isMissing(value: unknown): boolean {
  return value === undefined || value === null || Number.isNaN(value);
}

/** Returns the error of a value that is not in the domain of its column. */
function outside(value: unknown, where: string, { wanted, refused, infinite }: Domain): TypeError | RangeError {
  const found = `${where}: found ${textOf(value)}`;
  if (Number.isFinite(value)) return new RangeError(`${found}, wanted ${wanted}`);
  return new TypeError(
    `${found}, wanted a ${infinite ? "" : "finite "}number${isMissing(value) ? `: ${refused}` : ""}`,
  );
}

/** A column of words, most often each distinct one once. */
export interface Words {
  /** A position in `words` for each row; -1 where the text is missing. */
  readonly codes: Int32Array;
  /** The words. */
  readonly words: readonly string[];
  /** True if the words are those of a plain list, row by row, so that one may stand several times. */
  readonly repeated?: true;
}

/**
 * The words of a column. Whole numbers in plain lists are their decimal texts; null and undefined are missing.
 *
 * @param feature The feature that the words are of. Default: that of the column's name.
 * @throws {TypeError} naming the row of the first value that is neither a text nor a whole number.
 */
export function wordsOf({ action, first, columns }: Records, name: string, feature: string = name): Words {
  const where = () => placeOf(action, feature, name);
  const column = columns[name];
  if (isTyped(column)) {
    if (column.kind === "text") return column;
    throw new TypeError(`${where()}: found numbers, wanted text`);
  }
  const codes = new Int32Array(column.length);
  let words = Array.isArray(column) ? column as string[] : undefined; // as they are, if all are texts
  for (let row = 0; row < codes.length; row++) {
    const value = column[row];
    codes[row] = row;
    if (typeof value === "string" && words === column) continue;
    const missing = value === null || value === undefined;
    if (!missing && typeof value !== "string" && !Number.isSafeInteger(value)) {
      throw new TypeError(`${where()}, row ${first + row}: found ${textOf(value)}, wanted a text or a whole number`);
    }
    if (words === undefined || words === column) words = (words ?? []).slice(0, row);
    if (missing) codes[row] = -1;
    words.push(missing ? "" : String(value));
  }
  words ??= [];
  return { codes, words, repeated: true };
}

/** The words of a column of lists, each distinct one once. */
export interface ListedWords extends Words {
  /** The position in `codes` where each row's list starts, from 0, and the end of the last: `[rows + 1]`. */
  readonly starts: Int32Array;
}

/**
 * The words of a column of lists: plain lists, or texts that a separator splits. An empty text is an empty list, and so is
 * one that is missing; an empty part of a text is a missing word.
 *
 * @throws {TypeError} naming the row of the first value that is neither, or is a text where there is no separator.
 */
export function listsOf(records: Records, name: string, separator: string | undefined): ListedWords {
  const known = places();
  const items = itemsOf(records, name, name, separator, (word) => {
    if (word === null || word === undefined) return -1;
    if (typeof word !== "string" && !Number.isSafeInteger(word)) return undefined;
    return known.add(String(word));
  }, "a text or a whole number");
  return { starts: items.starts, codes: Int32Array.from(items.numbers), words: known.words };
}

/** Returns the position where each row's list starts among the items of a column of lists, and the end: `[rows + 1]`. */
export function listStarts(records: Records, name: string, separator: string | undefined): Int32Array {
  return itemsOf(records, name, name, separator, () => 0, "an item").starts;
}

/** Numbers of a column of lists. */
export interface ListedNumbers {
  /** The position in `numbers` where each row's list starts, from 0, and the end of the last: `[rows + 1]`. */
  readonly starts: Int32Array;
  /** The numbers of all rows. */
  readonly numbers: readonly number[];
}

/**
 * The weights of a column of lists, which belong to a feature of another column: plain lists of numbers, or texts that a
 * separator splits.
 *
 * @throws {TypeError | RangeError} naming the row of the first weight that is not a finite number of at least 0, in
 * float32 too.
 */
export function weightsOf(
  records: Records,
  name: string,
  feature: string,
  separator: string | undefined,
): ListedNumbers {
  return itemsOf(records, name, feature, separator, (weight) => {
    const number = typeof weight === "string" ? decimal(weight) : weight;
    return typeof number === "number" && number >= 0 && Math.fround(number) < Infinity ? number : undefined;
  }, "a weight: a finite number of at least 0");
}

/**
 * Returns a function from a row to the numbers of its list: a plain list, or a text that a separator splits; none where it
 * is missing or empty.
 *
 * @throws {TypeError | RangeError} the function, naming the row and the place of the first that is not a finite number.
 */
export function numberListsOf(
  records: Records,
  name: string,
  separator: string | undefined,
): (row: number) => ArrayLike<number> {
  const where = placeOf(records.action, name, name);
  const column = records.columns[name];
  if (isTyped(column) && column.kind === "number") throw new TypeError(`${where}: found numbers, wanted lists`);
  return (row) => {
    const value = isTyped(column) ? column.words[column.codes[row]] : column[row];
    if (value instanceof Float64Array && value.every(Number.isFinite)) return value;
    return listAt(value, separator, `${where}, row ${records.first + row}`, finite, "a finite number");
  };
}

function finite(item: Item): number | undefined {
  const number = typeof item === "string" ? decimal(item) : item;
  return typeof number === "number" && Number.isFinite(number) ? number : undefined;
}

/** Returns the number in a text; undefined if it is not one. */
function decimal(text: string): number | undefined {
  return text.trim() === "" ? undefined : Number(text);
}

/**
 * Returns a number for each item of a column of lists.
 *
 * @param numberOf Returns the number of an item; undefined if the item is refused.
 */
function itemsOf(
  { action, first, columns }: Records,
  name: string,
  feature: string,
  separator: string | undefined,
  numberOf: (item: Item) => number | undefined,
  wanted: string,
): ListedNumbers {
  const where = placeOf(action, feature, name);
  const column = columns[name];
  if (isTyped(column) && column.kind === "number") throw new TypeError(`${where}: found numbers, wanted lists`);
  const count = isTyped(column) ? column.codes.length : column.length;
  const starts = new Int32Array(count + 1);
  const numbers: number[] = [];
  for (let row = 0; row < count; row++) {
    const value = isTyped(column) ? column.words[column.codes[row]] : column[row];
    for (const number of listAt(value, separator, `${where}, row ${first + row}`, numberOf, wanted)) {
      numbers.push(number);
    }
    starts[row + 1] = numbers.length;
  }
  return { starts, numbers };
}

/** Returns a number for each item of a list. */
function listAt(
  value: unknown,
  separator: string | undefined,
  where: string,
  numberOf: (item: Item) => number | undefined,
  wanted: string,
): readonly number[] {
  const items = listIn(value, separator);
  if (items === undefined) {
    const way = typeof value === "string" ? "wanted a list, or the option separator, which splits it" : "wanted a list";
    throw new TypeError(`${where}: found ${textOf(value)}, ${way}`);
  }
  return Array.from(items, (item, at) => {
    const number = numberOf(item);
    if (number !== undefined) return number;
    const found = `found ${textOf(item)} at place ${at} of the list, wanted ${wanted}`;
    throw new (typeof item === "number" ? RangeError : TypeError)(`${where}: ${found}`);
  });
}

/** Returns the items of a list or of a text that a separator splits; undefined if a value is neither. */
function listIn(value: unknown, separator: string | undefined): ArrayLike<Item> | undefined {
  if (value === null || value === undefined || value === "") return [];
  if (Array.isArray(value) || ArrayBuffer.isView(value) && "length" in value) return value as ArrayLike<Item>;
  if (typeof value !== "string" || separator === undefined) return undefined;
  return value.split(separator).map((part) => part === "" ? null : part);
}

/**
 * Returns a word of a column.
 *
 * @throws {TypeError} if it is not a text, as in a table that was written by hand.
 */
export function textIn(words: readonly string[], place: number, { action }: Records, feature: string): string {
  const word = words[place];
  if (typeof word === "string") return word;
  throw new TypeError(`${at(action, feature)}: found ${textOf(word)} among the column's words, wanted a text`);
}

/** Returns true if a column is one of a table rather than a plain list. */
function isTyped(column: Column | PlainColumn): column is Column {
  return typeof column === "object" && column !== null && "kind" in column;
}

/** Returns true if rows are a table rather than plain lists. */
function isTable(rows: Tabular): rows is Columns {
  return typeof rows.count === "number";
}

/** The number of rows of a column. */
function lengthOf(action: string, feature: string, name: string, columns: Records["columns"]): number {
  if (!Object.hasOwn(columns, name)) {
    const absent = name === feature ? "there is no such column" : `there is no column ${JSON.stringify(name)}`;
    throw new TypeError(`${at(action, feature)}: ${absent}${advice(name, Object.keys(columns))}`);
  }
  const column = columns[name];
  const list = !isTyped(column) ? column : column.kind === "number" ? column.values : column.codes;
  if (isTyped(column) && column.kind === "text" && !Array.isArray(column.words)) {
    throw new TypeError(`${at(action, feature)}: found ${kindOf(column.words)} as words, wanted a list of texts`);
  }
  if (typeof list === "object" && typeof list?.length === "number") return list.length;
  throw new TypeError(`${placeOf(action, feature, name)}: found ${kindOf(list)}, wanted a list`);
}

/** The beginning of an error about a feature. */
function at(action: string, feature: string): string {
  return `Cannot ${action}\n  at feature ${JSON.stringify(feature)}`;
}

/** The beginning of an error about a feature's column, which has the feature's name or another. */
function placeOf(action: string, feature: string, name: string): string {
  return name === feature ? at(action, name) : `${at(action, feature)}, column ${JSON.stringify(name)}`;
}

/** A value of a column, in errors. */
function textOf(value: unknown): string {
  return value === undefined ? "undefined" : kindOf(value);
}
