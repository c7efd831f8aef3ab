import type { Column } from "../data/columns.ts";
import type { Rows } from "../data/rows.ts";
import { kindOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { encode } from "../features/encode.ts";
import type { Features, InputSpec } from "../features/input.ts";
import { rawColumns } from "../features/table.ts";
import type { PlainColumn } from "../features/tabular.ts";
import { mapEntries } from "../trace/entries.ts";
import { misread } from "./refusal.ts";

/** An input of a served model: a column of raw values, as people have them. */
export interface Input {
  /** The name of the column, or `input` of a model that reads a width. */
  readonly name: string;
  /** The kind of a value. */
  readonly holds: "number" | "text";
  /** True if a row may be a list of values. */
  readonly lists: boolean;
  /** The numbers of a row, where it is a list of so many. */
  readonly width?: number;
}

/** A column of a request. */
export interface AskedColumn {
  /** The values, one a row, or one for all rows. */
  readonly values: ArrayLike<unknown>;
  /** Returns the JSON pointer of the value of a row. */
  readonly pointer: (row: number) => string;
}

/** The past, as a served model asks it: what is known of the keys of a request's rows. */
export interface Past {
  /** The columns that it is asked with. */
  readonly inputs: readonly Input[];
  /** The columns that it adds, which a request does not have. */
  readonly adds: readonly string[];
  /** The input that holds the time of a row, and the time up to which rows are known. */
  readonly time: string;
  readonly until: number;
  /**
   * Returns columns of a request with those of the past.
   *
   * @throws {TypeError | RangeError} if a column holds something else than the past knows, or a time is before it.
   */
  readonly over: (columns: Readonly<Record<string, PlainColumn>>) => Named;
}

/** Columns by name, as requests have them or the past makes them. */
export type Named = Readonly<Record<string, Column | PlainColumn>>;

/** The rows of a request, whose values are each what its input holds. */
export interface AskedRows {
  /** The number of rows. */
  readonly count: number;
  /** The columns, one for each input of the model; of one value, if it holds for all rows. */
  readonly columns: readonly AskedColumn[];
  /** The pointer of what holds the columns. */
  readonly at: string;
}

/** Functions from raw rows to those that a model reads. */
export interface Encoder {
  /**
   * Returns the rows of a request.
   *
   * @throws {Refusal} if a row is refused, naming it and the feature.
   */
  alone(asked: AskedRows): Rows;
  /**
   * Returns the rows of several requests, one after the other: of little rows, at the price of one.
   *
   * @throws {Error} if a row of any is refused.
   */
  together(some: readonly AskedRows[]): Rows;
}

/** Returns the inputs of a model: the columns of its features but for those that the past adds, and what this is asked with. */
export function inputsOf(input: InputSpec, past?: Past): readonly Input[] {
  if ("width" in input) return [{ name: "input", holds: "number", lists: true, width: input.width }];
  const raw = Object.entries(rawColumns(input.features)).map(([name, { holds, lists }]) => ({ name, holds, lists }));
  const own = raw.filter(({ name }) => past?.adds.includes(name) !== true);
  return [...own, ...(past?.inputs ?? []).filter(({ name }) => !own.some((input) => input.name === name))];
}

/**
 * Returns the columns of a request in the order of a model's inputs.
 *
 * @param at The pointer of what holds the columns.
 * @throws {Refusal} if a column is unknown or missing.
 */
export function inOrder(
  inputs: readonly Input[],
  columns: ReadonlyMap<string, AskedColumn>,
  at: string,
): readonly AskedColumn[] {
  const known = inputs.flatMap(({ name }) => columns.get(name) ?? []);
  if (known.length < columns.size) {
    const names = inputs.map(({ name }) => name);
    const [name, { pointer }] = [...columns].find(([name]) => !names.includes(name))!;
    throw misread(pointer(0), `the model has no input ${quoted(name)}${advice(name, names)}`);
  }
  if (known.length < inputs.length) {
    const { name } = inputs.find(({ name }) => !columns.has(name))!;
    const found = `wanted ${inputs.length} inputs, found ${columns.size}`;
    throw misread(at, `the input ${quoted(name)} is missing: ${found}`);
  }
  return known;
}

/**
 * Returns the rows of a request, checked as far as each value alone can be.
 *
 * A column of one value beside longer ones holds for every row: the user of many items.
 *
 * @param columns The columns, one for each input.
 * @param at The pointer of what holds the columns.
 * @throws {Refusal} if a column has another length, or a value is wrong, naming feature and row.
 */
export function askedRows(inputs: readonly Input[], columns: readonly AskedColumn[], at: string): AskedRows {
  let count = 0;
  for (const { values } of columns) count = Math.max(count, values.length);
  for (let place = 0; place < inputs.length; place++) {
    const { values, pointer } = columns[place];
    if (values.length !== count && values.length !== 1) {
      const found = `input ${quoted(inputs[place].name)} has ${values.length} rows`;
      throw misread(pointer(0), `${found}, wanted ${count} as another has, or 1`);
    }
  }
  for (let place = 0; place < inputs.length; place++) checkValues(inputs[place], columns[place]);
  return { count, columns, at };
}

/** Returns the encoder of a model. */
export function encoder(input: InputSpec, inputs: readonly Input[], past?: Past): Encoder {
  const joined = (some: readonly AskedRows[]): readonly (readonly unknown[])[] => {
    const count = some.reduce((sum, { count }) => sum + count, 0);
    return inputs.map((_, place) => {
      const { values: first } = some[0].columns[place];
      if (some.length === 1 && first.length === count && Array.isArray(first)) return first;
      const all = Array<unknown>(count);
      let row = 0;
      for (const { count, columns } of some) {
        const { values } = columns[place];
        const step = values.length === count ? 1 : 0;
        for (let at = 0; at < count; at++) all[row++] = values[at * step];
      }
      return all;
    });
  };
  if ("width" in input) {
    const together = (some: readonly AskedRows[]): Rows => {
      const [lists] = joined(some) as ArrayLike<number>[][];
      return { count: lists.length, inputs: { input: flattened(lists, input.width) } };
    };
    return { together, alone: (asked) => together([asked]) };
  }
  const plain = (some: readonly AskedRows[]): Readonly<Record<string, PlainColumn>> => {
    return Object.fromEntries(joined(some).map((values, place) => [inputs[place].name, values as PlainColumn]));
  };
  const encoded = (columns: Named) => encode(input.features, columns as Record<string, PlainColumn>);
  return {
    together: (some) => encoded(past === undefined ? plain(some) : past.over(plain(some))),
    alone: (asked) => {
      const columns = past === undefined ? plain([asked]) : withPast(plain([asked]), past, inputs, asked);
      try {
        return encoded(columns);
      } catch (error) {
        throw refused(error, input.features, columns, inputs, asked);
      }
    },
  };
}

/**
 * Returns columns with what is known of their past.
 *
 * @throws {Refusal} if the past refuses rows, naming the first one: alone it is refused for its time.
 */
function withPast(
  named: Readonly<Record<string, PlainColumn>>,
  past: Past,
  inputs: readonly Input[],
  { count, columns, at }: AskedRows,
): Named {
  try {
    return past.over(named);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    const row = firstRefused(count, (from, end) => !takes(past, named, from, end));
    if (takes(past, named, row, row + 1)) throw misread(at, error.message); // for what rows are beside others
    const { values, pointer } = columns[inputs.findIndex(({ name }) => name === past.time)];
    const of = values.length === 1 ? 0 : row;
    const isKnown = Number.isFinite(values[of]);
    const wanted = isKnown ? `a time that is not before ${past.until}, up to which rows are known` : "a time";
    throw misread(pointer(of), `input ${quoted(past.time)}, row ${row}: found ${kindOf(values[of])}, wanted ${wanted}`);
  }
}

/** Returns the first of rows that are refused together, by halves: an error's text is for people. */
function firstRefused(count: number, fails: (from: number, end: number) => boolean): number {
  let [row, end] = [0, count];
  while (row + 1 < end) {
    const middle = (row + end) >> 1;
    if (fails(row, middle)) end = middle;
    else row = middle;
  }
  return row;
}

/** Returns true if the past takes some rows. */
function takes(past: Past, named: Readonly<Record<string, PlainColumn>>, from: number, end: number): boolean {
  try {
    past.over(mapEntries(named, (_, values) => Array.prototype.slice.call(values, from, end) as PlainColumn));
    return true;
  } catch {
    return false;
  }
}

/** Makes sure that each value is what the input holds, or is missing. */
function checkValues({ name, holds, lists, width }: Input, { values, pointer }: AskedColumn): void {
  const fits = holds === "number" ? isNumber : isText;
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (width !== undefined) {
      checkWidth(value, width, name, pointer(row));
    } else if (lists && (Array.isArray(value) || ArrayBuffer.isView(value))) {
      const item = Array.from(value as ArrayLike<unknown>).findIndex((item) => !fits(item));
      if (item < 0) continue;
      const found = kindOf((value as ArrayLike<unknown>)[item]);
      throw misread(
        `${pointer(row)}/${item}`,
        `input ${quoted(name)}, row ${row}: found ${found}, wanted ${words[holds]}`,
      );
    } else if (!fits(value)) {
      const wanted = `${words[holds]}${lists ? ", or a list of them" : ""}`;
      throw misread(pointer(row), `input ${quoted(name)}, row ${row}: found ${kindOf(value)}, wanted ${wanted}`);
    }
  }
}

const words = { number: "a number or null", text: "a text, a whole number or null" };

function isNumber(value: unknown): boolean {
  return typeof value === "number" || value === null || value === undefined;
}

/** Returns true for a text, and for a whole number, whose decimal digits are its text. */
function isText(value: unknown): boolean {
  return typeof value === "string" || value === null || value === undefined || Number.isSafeInteger(value);
}

function checkWidth(value: unknown, width: number, name: string, pointer: string): void {
  const list = Array.isArray(value) || ArrayBuffer.isView(value) ? value as ArrayLike<unknown> : undefined;
  if (list?.length !== width) {
    const found = list === undefined ? kindOf(value) : `${list.length}`;
    throw misread(pointer, `input ${quoted(name)}: found ${found}, wanted ${width} numbers`);
  }
  for (let at = 0; at < width; at++) {
    if (typeof list[at] === "number" && Number.isFinite(Math.fround(list[at] as number))) continue;
    throw misread(`${pointer}/${at}`, `input ${quoted(name)}: found ${kindOf(list[at])}, wanted a finite number`);
  }
}

function flattened(lists: ArrayLike<ArrayLike<number>>, width: number): Float32Array {
  const numbers = new Float32Array(lists.length * width);
  for (let row = 0; row < lists.length; row++) numbers.set(lists[row], row * width);
  return numbers;
}

/**
 * Returns the refusal of rows that features refuse. The first feature that is refused alone, which is the one that the error
 * is about, and its first such row are found by trying.
 */
function refused(
  error: unknown,
  features: Features,
  named: Named,
  inputs: readonly Input[],
  { count, columns, at }: AskedRows,
): unknown {
  if (!(error instanceof TypeError || error instanceof RangeError)) return error;
  const of = rawColumns(features);
  const valuesIn = (column: Named[string], from: number, end: number): unknown[] => {
    if (!("kind" in column)) return Array.prototype.slice.call(column, from, end);
    if (column.kind === "number") return [...column.values.subarray(from, end)];
    return Array.from(column.codes.subarray(from, end), (code) => column.words[code]);
  };
  const fails = (some: Features, from: number, end: number) => {
    const part = Object.entries(named).map(([name, column]) => [name, valuesIn(column, from, end)]);
    try {
      encode(some, Object.fromEntries(part));
      return false;
    } catch {
      return true;
    }
  };
  for (const [name, feature] of Object.entries(features)) {
    const like = "like" in feature && feature.like !== undefined ? { [feature.like]: features[feature.like] } : {};
    const some = { ...like, [name]: feature };
    if (!fails(some, 0, count)) continue;
    const row = firstRefused(count, (from, end) => fails(some, from, end));
    const [column] = Object.keys(of).filter((column) => of[column].features.includes(name));
    const asked = columns[inputs.findIndex(({ name }) => name === column)]; // none, if the past adds it
    const pointer = asked?.pointer(asked.values.length === 1 ? 0 : row) ?? at;
    // The row in the message counts those that are encoded together, `row` those of the request.
    const reason = error.message.replace(
      /^Cannot encode rows\s+(?:at feature "(?:[^"\\]|\\.)*")?(?:, row \d+)?(?:: )?/,
      "",
    );
    return misread(pointer, `feature ${quoted(name)}, row ${row}: ${forCallers(reason)}`);
  }
  return misread("", forCallers(error.message));
}

/** Returns the text of an encoder's error without its advice to the author of the features, which a caller cannot follow. */
function forCallers(text: string): string {
  return text.replace(/: numeric\(\{[^}]*\}\) takes missing ones$/, ": the model takes no missing ones")
    .replace(/, or the option separator, which splits it$/, "");
}
