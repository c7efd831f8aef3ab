import { checkList, checkRecord, checkText, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { checkRows, type Column, type Columns, type ListColumn, take } from "./columns.ts";
import { places } from "./places.ts";
import { offsetOf, textTime, type TimeOptions } from "./times.ts";

/**
 * A table with more columns, such as those that are made of its own.
 *
 * @param table The table.
 * @param columns The columns by name: numbers, texts or lists, a row each as the table has them.
 * @throws {TypeError | RangeError} if a column is of another form or length, or the table has one of that name.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { hourOf, withColumns } from "@gatehouse/gatehouse";
 *
 * const table = { count: 1, columns: { time: { kind: "number", values: Float64Array.of(7_200_000) } } } as const;
 * const { columns: { hour } } = withColumns(table, { hour: hourOf(table, "time") });
 * assertEquals(hour.kind === "text" && hour.words[hour.codes[0]], "2");
 * ```
 */
export function withColumns(table: Columns, columns: Readonly<Record<string, Column | ListColumn>>): Columns {
  const action = "add columns";
  checkRows(action, table);
  checkRecord(action, "columns", columns);
  for (const [name, column] of Object.entries(columns)) {
    const at = `Cannot ${action}\n  at column ${quoted(name)}`;
    if (Object.hasOwn(table.columns, name) || Object.hasOwn(table.lists ?? {}, name)) {
      throw new TypeError(`${at}: the table has a column of that name, wanted another`);
    }
    const length: unknown = isList(column) ? column.length : isRecord(column) && lengthOf(column);
    if (typeof length !== "number") throw new TypeError(`${at}: found ${kindOf(column)}, wanted ${forms}`);
    if (length !== table.count) throw new RangeError(`${at}: found ${length} rows, wanted ${table.count}`);
  }
  const plain = Object.entries(columns).filter(([, column]) => !isList(column)) as [string, Column][];
  const lists = {
    ...table.lists,
    ...Object.fromEntries(Object.entries(columns).filter(([, column]) => isList(column))),
  };
  const all = {
    ...table,
    columns: { ...table.columns, ...Object.fromEntries(plain) },
    ...(Object.keys(lists).length > 0 && { lists: lists as Readonly<Record<string, ListColumn>> }),
  };
  checkRows(action, all);
  return all;
}

const forms = "numbers, { kind, values }, texts, { kind, codes, words }, or a list for each row";

function isList(column: unknown): column is ListColumn {
  return Array.isArray(column);
}

/** Returns the number of rows of a column; undefined if it is of another form. */
function lengthOf(column: Readonly<Record<string, unknown>>): number | undefined {
  const { kind, values, codes } = column;
  if (kind === "number" && values instanceof Float64Array) return values.length;
  return kind === "text" && codes instanceof Int32Array ? codes.length : undefined;
}

/**
 * The rows of several tables as one, those of the first one first. They have the same columns; the words of texts are
 * merged, listed ones are the same in all.
 *
 * @param tables The tables.
 * @throws {TypeError} naming the column, if one is missing or unlike that of the first table.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { concatTables } from "@gatehouse/gatehouse";
 *
 * const [one, other] = [["bonn", "ulm"], ["ulm", "jena"]].map((words) => {
 *   return { count: 2, columns: { town: { kind: "text", codes: Int32Array.of(0, 1), words } } } as const;
 * });
 * const town = { kind: "text", codes: Int32Array.of(0, 1, 1, 2), words: ["bonn", "ulm", "jena"] } as const;
 * assertEquals(concatTables([one, other]), { count: 4, columns: { town } });
 * ```
 */
export function concatTables(tables: readonly Columns[]): Columns {
  checkList(action, "tables", tables);
  if (tables.length === 0) throw new TypeError(`Cannot ${action}: found an empty list, wanted at least one table`);
  for (const table of tables) checkRows(action, table);
  const [first] = tables;
  checkNames(tables, (table) => table.columns);
  checkNames(tables, (table) => table.lists ?? {});
  const count = tables.reduce((sum, table) => sum + table.count, 0);
  const lists = Object.keys(first.lists ?? {}).map((name) => [name, tables.flatMap((table) => table.lists![name])]);
  const skipped = tables.reduce((sum, table) => sum + (table.skipped ?? 0), 0);
  return {
    count,
    columns: Object.fromEntries(
      Object.keys(first.columns).map((name) => [name, joined(name, tables.map(({ columns }) => columns[name]), count)]),
    ),
    ...(lists.length > 0 && { lists: Object.fromEntries(lists) }),
    ...(skipped > 0 && { skipped }),
  };
}

const action = "concatenate tables";

/** Makes sure that all tables have the columns of the first one. */
function checkNames(
  tables: readonly Columns[],
  columnsOf: (table: Columns) => Readonly<Record<string, unknown>>,
): void {
  const wanted = Object.keys(columnsOf(tables[0]));
  for (const [at, table] of tables.entries()) {
    const found = Object.keys(columnsOf(table));
    const absent = wanted.find((name) => !found.includes(name));
    if (absent !== undefined) {
      const hint = advice(absent, found);
      throw new TypeError(`Cannot ${action}\n  at tables[${at}]: no column is named ${quoted(absent)}${hint}`);
    }
    const odd = found.find((name) => !wanted.includes(name));
    if (odd === undefined) continue;
    throw new TypeError(`Cannot ${action}\n  at tables[${at}]: column ${quoted(odd)} is missing in tables[0]`);
  }
}

/** Returns the rows of columns, those of the first one first. */
function joined(name: string, columns: readonly Column[], count: number): Column {
  const [first] = columns;
  const listed = first.kind === "text" && first.listed === true;
  const kindIn = (column: Column) => column.kind === "number" ? "numbers" : column.listed ? "listed words" : "text";
  for (const [at, column] of columns.entries()) {
    const place = `Cannot ${action}\n  at tables[${at}], column ${quoted(name)}`;
    if (kindIn(column) !== kindIn(first)) {
      throw new TypeError(`${place}: found ${kindIn(column)}, wanted ${kindIn(first)} as in tables[0]`);
    }
    if (listed && column.kind === "text" && JSON.stringify(column.words) !== JSON.stringify(first.words)) {
      throw new TypeError(`${place}: its listed words are others than in tables[0]`);
    }
  }
  let at = 0;
  if (first.kind === "number") {
    const values = new Float64Array(count);
    for (const column of columns as typeof first[]) {
      values.set(column.values, at);
      at += column.values.length;
    }
    return { kind: "number", values };
  }
  const known = listed ? undefined : places();
  const codes = new Int32Array(count);
  for (const column of columns as typeof first[]) {
    const own = known && column.words.map((word) => known.add(word));
    codes.set(own === undefined ? column.codes : column.codes.map((code) => code < 0 ? code : own[code]), at);
    at += column.codes.length;
  }
  return { kind: "text", codes, words: known?.words ?? first.words, ...(listed && { listed: true }) };
}

/**
 * The rows of a table in the order of a column of numbers; those of equal numbers stay in their order.
 *
 * @param table The table.
 * @param column The column.
 * @throws {TypeError} if there is no such column, it holds text, or a number is missing.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sortBy } from "@gatehouse/gatehouse";
 *
 * const time = { kind: "number", values: Float64Array.of(3, 1, 2) } as const;
 * const sorted = sortBy({ count: 3, columns: { time } }, "time");
 * assertEquals(sorted.columns.time, { kind: "number", values: Float64Array.of(1, 2, 3) });
 * ```
 */
export function sortBy(table: Columns, column: string): Columns {
  const values = numbersIn("sort rows", table, column);
  const order = Int32Array.from(values, (_, row) => row);
  return take(table, order.sort((a, b) => values[a] - values[b] || a - b));
}

/**
 * A table cut by a column of times or other numbers: rows before the first cut, then those from each cut on to the next
 * one. Rows stay in their order, and each is in one table.
 *
 * @param table The table.
 * @param column The column.
 * @param cuts The cuts, each greater than the one before: numbers as the column has them or, where it holds milliseconds
 * since 1970, dates such as `"2022-05-05"`, which begin in the zone.
 * @param options The offset of the clock.
 * @returns One table more than there are cuts.
 * @throws {TypeError | RangeError} if there is no such column, it holds text, a number is missing, or cuts are not in
 * order.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { splitBy } from "@gatehouse/gatehouse";
 *
 * const date = { kind: "number", values: Float64Array.of(20220504, 20220505, 20220501, 20220506) } as const;
 * const [train, validation, test] = splitBy({ count: 4, columns: { date } }, "date", [20220505, 20220506]);
 * assertEquals([train.count, validation.count, test.count], [2, 1, 1]);
 * ```
 */
export function splitBy(
  table: Columns,
  column: string,
  cuts: readonly (number | string)[],
  options: Pick<TimeOptions, "zone"> = {},
): Columns[] {
  const action = "split rows";
  const values = numbersIn(action, table, column);
  checkList(action, "cuts", cuts);
  const offset = offsetOf(action, optionsOf(action, options, ["zone"]).zone ?? "+00:00");
  const places = cuts.map((cut, at) => {
    const place = typeof cut === "string" ? textTime(cut, offset) : cut;
    if (typeof place === "number" && Number.isFinite(place)) return place;
    const wanted = "wanted a number, or a date such as 2022-05-05";
    throw new TypeError(`Cannot ${action}\n  at cuts[${at}]: found ${kindOf(cut)}, ${wanted}`);
  });
  const odd = places.findIndex((place, at) => at > 0 && !(place > places[at - 1]));
  if (odd >= 0) {
    throw new RangeError(`Cannot ${action}\n  at cuts[${odd}]: wanted a cut that is greater than the one before`);
  }
  const sides: number[][] = [[], ...places.map(() => [])];
  values.forEach((value, row) => {
    let side = 0;
    while (side < places.length && value >= places[side]) side++;
    sides[side].push(row);
  });
  return sides.map((rows) => take(table, rows));
}

/** Returns the numbers of a column, none of which is missing. */
function numbersIn(action: string, table: Columns, name: string): Float64Array {
  checkRows(action, table);
  checkText(action, "column", name);
  if (!Object.hasOwn(table.columns, name)) {
    const hint = advice(name, Object.keys(table.columns));
    throw new TypeError(`Cannot ${action}: no column is named ${quoted(name)}${hint}`);
  }
  const column = table.columns[name];
  const at = `Cannot ${action}\n  at column ${quoted(name)}`;
  if (column.kind !== "number") throw new TypeError(`${at}: found text, wanted numbers: timeOf() makes times of dates`);
  const absent = column.values.findIndex(Number.isNaN);
  if (absent >= 0) throw new TypeError(`${at}, row ${absent}: the number is missing`);
  return column.values;
}
