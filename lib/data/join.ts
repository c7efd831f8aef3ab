import { advice } from "../errors/nearest.ts";
import { checkList, checkText, checkWord, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { sha256Of } from "../files/sha256.ts";
import { checkRows, type Column, type Columns, take } from "./columns.ts";
import { checkParts, partsIn, type TablePart, type TableParts, tableParts } from "./dataset.ts";
import { places } from "./places.ts";

/** Options of {@linkcode join}. */
export interface JoinOptions {
  /**
   * The policy for a row whose key the table lacks, or whose key is missing: `"error"`, the default, or `"missing"`, whose
   * columns of the table are then missing, NaN or a missing text.
   */
  readonly missing?: "error" | "missing";
  /** The columns of the table that are joined. Default: all but the key. */
  readonly columns?: readonly string[];
  /** A text in front of their names, such as `user_`. Default: none. */
  readonly prefix?: string;
}

/**
 * A table in parts with the columns of a table in memory beside its own, found row by row by a key, on the fly.
 *
 * @param parts The table in parts, such as `await csvParts(...)`.
 * @param table The table in memory, such as `await readCsv(...)`, in which each key stands once.
 * @param key The column of both that holds the key: numbers, or text.
 * @param options What happens without a match, and which columns are joined.
 * @throws {TypeError | RangeError} if an argument is wrong, a key is missing in the table or stands there twice; while it is
 * read, naming file and row, if a key is not there, the key is numbers in one and text in the other, or two columns have
 * one name.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { csvParts, join, readCsv } from "@gatehouse/gatehouse";
 *
 * const columns = { user: "text", age: "number" } as const;
 * const users = await readCsv(new Blob(["user,age\nann,30\nbob,60\n"]), { columns });
 * const log = await csvParts(new Blob(["user,click\nbob,1\nann,0\neve,1\n"]), {
 *   columns: { user: "text", click: "number" },
 * });
 * for await (const { columns } of join(log, users, "user", { missing: "missing" })) {
 *   assertEquals(columns.age, { kind: "number", values: Float64Array.of(60, 30, NaN) });
 * }
 * ```
 */
export function join(parts: TableParts, table: Columns, key: string, options?: JoinOptions): TableParts;
/**
 * A table in memory with the columns of another beside its own, found row by row by a key, as {@linkcode join} of parts.
 *
 * @param first The table whose rows stay.
 * @param table The table in which each key stands once.
 * @param key The column of both that holds the key: numbers, or text.
 * @param options What happens without a match, and which columns are joined.
 * @throws {TypeError | RangeError} as for a table in parts, naming the row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { join } from "@gatehouse/gatehouse";
 *
 * const column = (...values: number[]) => ({ kind: "number", values: Float64Array.from(values) }) as const;
 * const log = { count: 3, columns: { user: column(2, 1, 2) } };
 * const users = { count: 2, columns: { user: column(1, 2), age: column(30, 60) } };
 * assertEquals(join(log, users, "user").columns.age, column(60, 30, 60));
 * ```
 */
export function join(first: Columns, table: Columns, key: string, options?: JoinOptions): Columns;
export function join(
  parts: TableParts | Columns,
  table: Columns,
  key: string,
  options: JoinOptions = {},
): TableParts | Columns {
  if (!isInMemory(parts)) checkParts(action, parts);
  checkText(action, "key", key);
  take(table, []); // checks its form
  const { missing = "error", columns, prefix = "" } = optionsOf(action, options, ["missing", "columns", "prefix"]);
  checkWord(action, "missing", missing, ["error", "missing"]);
  checkText(action, "prefix", prefix);
  if (columns !== undefined) checkList(action, "columns", columns);
  const all = Object.keys(table.columns);
  const chosen = columns ?? all.filter((name) => name !== key);
  for (const name of [key, ...chosen]) {
    if (typeof name === "string" && Object.hasOwn(table.columns, name)) continue;
    throw new TypeError(`Cannot ${action}: no column of the table is named ${kindOf(name)}${advice(`${name}`, all)}`);
  }
  const joined: Joined = {
    key,
    find: finderOf(table.columns[key], key),
    columns: chosen.map((name) => [`${prefix}${name}`, table.columns[name]]),
    missing,
  };
  if (isInMemory(parts)) {
    checkRows(action, parts);
    return { ...parts, columns: { ...parts.columns, ...columnsFor(parts, joined, "the first table", 0) } };
  }
  const names = joined.columns.map(([name]) => name);
  const digest = digestOf(table, [key, ...chosen]);
  const identity = { kind: "join", parts: parts.identity, key, missing, columns: names, table: digest };
  return tableParts(identity, async (signal) =>
    (await partsIn(action, parts, signal)).map((part) => ({
      name: part.name,
      read: (from, signal) => joinedRows(part, joined, from, signal),
    })));
}

/** Returns true if a table is one in memory, by its form. */
function isInMemory(table: TableParts | Columns): table is Columns {
  return isRecord(table) && isRecord(table.columns);
}

const action = "join tables";

/** The columns that are joined to each row, and how they are found. */
interface Joined {
  readonly key: string;
  readonly find: Finder;
  /** The columns of the table under their names in the result. */
  readonly columns: readonly (readonly [name: string, column: Column])[];
  readonly missing: "error" | "missing";
}

/** Returns the row of the table of each key of a column, -1 where there is none; undefined if the keys are of another kind. */
type Finder = (keys: Column) => Int32Array | undefined;

/** Returns the function that finds rows by their keys. */
function finderOf(column: Column, key: string): Finder {
  const twice = (row: number, found: number | string) =>
    new RangeError(
      `Cannot ${action}\n  at row ${row} of the table: key ${kindOf(found)} of ${quoted(key)} stands twice`,
    );
  const absent = (row: number) =>
    new RangeError(`Cannot ${action}\n  at row ${row} of the table: ${quoted(key)} is missing`);
  if (column.kind === "number") {
    const rows = new Map<number, number>();
    column.values.forEach((value, row) => {
      if (Number.isNaN(value)) throw absent(row);
      if (rows.has(value)) throw twice(row, value);
      rows.set(value, row);
    });
    return (keys) =>
      keys.kind === "number" ? Int32Array.from(keys.values, (value) => rows.get(value) ?? -1) : undefined;
  }
  const known = places();
  column.codes.forEach((code, row) => {
    if (code < 0) throw absent(row);
    if (known.add(column.words[code]) !== row) throw twice(row, column.words[code]);
  });
  return (keys) => {
    if (keys.kind === "number") return undefined;
    const found = new Map<number, number>(); // the words of these rows alone: there may be many more
    return Int32Array.from(keys.codes, (code) => {
      if (code < 0) return -1;
      const row = found.get(code) ?? known.find(keys.words[code]) ?? -1;
      found.set(code, row);
      return row;
    });
  };
}

/** Yields the rows of a part with the columns that are joined. */
async function* joinedRows(
  part: TablePart,
  joined: Joined,
  from: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Columns> {
  let row = from;
  for await (const piece of part.read(from, signal)) {
    yield { ...piece, columns: { ...piece.columns, ...columnsFor(piece, joined, part.name, row) } };
    row += piece.count;
  }
}

/** Returns the columns that are joined to some rows. */
function columnsFor(piece: Columns, { key, find, columns, missing }: Joined, name: string, first: number) {
  const where = `Cannot ${action}\n  at ${name}`;
  if (!Object.hasOwn(piece.columns, key)) {
    const hint = advice(key, Object.keys(piece.columns));
    throw new TypeError(`${where}: no column is named ${quoted(key)}${hint}`);
  }
  const clash = columns.find(([column]) => Object.hasOwn(piece.columns, column));
  if (clash !== undefined) {
    const ways = "prefix puts a text in front of joined names, columns chooses among them";
    throw new TypeError(`${where}: both tables have a column ${quoted(clash[0])}: ${ways}`);
  }
  const keys = piece.columns[key];
  const rows = find(keys);
  if (rows === undefined) {
    const [found, wanted] = keys.kind === "number" ? ["numbers", "text"] : ["text", "numbers"];
    throw new TypeError(`${where}, column ${quoted(key)}: found ${found}, wanted ${wanted} as in the table`);
  }
  const absent = missing === "error" ? rows.indexOf(-1) : -1;
  if (absent >= 0) {
    const value = keys.kind === "number" ? keys.values[absent] : keys.words[keys.codes[absent]];
    const found = value === undefined || Number.isNaN(value)
      ? "a missing key"
      : `${kindOf(value)}, which the table lacks`;
    const way = 'missing: "missing" makes its columns missing';
    throw new RangeError(`${where}, row ${first + absent}, column ${quoted(key)}: found ${found}; ${way}`);
  }
  return Object.fromEntries(columns.map(([column, values]) => [column, picked(values, rows)]));
}

/** Returns the values of a column at some rows, missing where a row is -1. */
function picked(column: Column, rows: Int32Array): Column {
  if (column.kind === "number") {
    return { kind: "number", values: Float64Array.from(rows, (row) => row < 0 ? NaN : column.values[row]) };
  }
  return { ...column, codes: rows.map((row) => row < 0 ? -1 : column.codes[row]) };
}

/** Returns a SHA-256 of some columns of a table. */
function digestOf({ count, columns }: Columns, names: readonly string[]): string {
  const hash = sha256Of();
  const text = (value: unknown) => hash.update(new TextEncoder().encode(JSON.stringify(value)));
  text(count);
  for (const name of names) {
    const column = columns[name];
    text([name, column.kind, column.kind === "text" && column.words]);
    const { buffer, byteOffset, byteLength } = column.kind === "number" ? column.values : column.codes;
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest();
}
