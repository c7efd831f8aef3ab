import { checkCount, checkFunction, checkRecord, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import type { Column, Columns } from "./columns.ts";
import type { ColumnKind } from "./csv.ts";
import { type TablePart, type TableParts, tableParts } from "./dataset.ts";
import { places } from "./places.ts";

/** A row of a table by the names of its columns: numbers, texts, true and false; null, undefined and NaN are missing. */
export type TableRecord = Readonly<Record<string, unknown>>;

/** Options of {@linkcode recordParts}. */
export interface RecordPartsOptions {
  /** The columns to read, by name, as of `readCsv`. Others are left out. */
  readonly columns: Readonly<Record<string, ColumnKind>>;
  /** The name of the records in errors and in the identity of the table. Default `records`. */
  readonly name?: string;
  /** The records that are put together at a time, by default 8192. It changes nothing else. */
  readonly rows?: number;
}

/**
 * Records of any origin, such as a database or a file of JSON lines, as a table of one part. A number column takes numbers
 * and true and false, 1 and 0; a text column texts and whole numbers; a list of words one of these words.
 *
 * Records have no position: the source is begun anew to begin in the middle, and what comes before is passed over. So it
 * must yield the same records at each call, in the same order.
 *
 * @param begin Begins a pass over the records.
 * @param options The columns to read.
 * @throws {TypeError | RangeError} if an option is wrong; while it is read, naming record and column, if a value does not
 * fit its column.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { recordParts } from "@gatehouse/gatehouse";
 *
 * async function* people() {
 *   yield { age: 73, job: "clerk" };
 *   yield { age: null, job: "smith" };
 * }
 * for await (const table of recordParts(people, { columns: { age: "number", job: "text" } })) {
 *   assertEquals(table, {
 *     count: 2,
 *     columns: {
 *       age: { kind: "number", values: Float64Array.of(73, NaN) },
 *       job: { kind: "text", codes: Int32Array.of(0, 1), words: ["clerk", "smith"] },
 *     },
 *   });
 * }
 * ```
 */
export function recordParts(
  begin: () => AsyncIterable<TableRecord> | Iterable<TableRecord>,
  options: RecordPartsOptions,
): TableParts {
  checkFunction(action, "begin", begin);
  const { columns, name = "records", rows = 8192 } = optionsOf(action, options, ["columns", "name", "rows"]);
  checkRecord(action, "columns", columns);
  checkCount(action, "rows", rows, 1);
  for (const [column, kind] of Object.entries(columns)) {
    if (kind === "number" || kind === "text") continue;
    if (Array.isArray(kind) && kind.every((word) => typeof word === "string") && new Set(kind).size === kind.length) {
      continue;
    }
    const wanted = 'wanted "number", "text" or a list of words, each once';
    throw new TypeError(`Cannot ${action}\n  at columns[${quoted(column)}]: found ${kindOf(kind)}, ${wanted}`);
  }
  const part: TablePart = { name, read: (from, signal) => tablesOf(begin, columns, name, rows, from, signal) };
  return tableParts({ kind: "records", name, columns }, () => Promise.resolve([part]));
}

const action = "read records";

/** Yields records from one on as tables. */
async function* tablesOf(
  begin: () => AsyncIterable<TableRecord> | Iterable<TableRecord>,
  columns: RecordPartsOptions["columns"],
  name: string,
  rows: number,
  from: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Columns> {
  const source: unknown = begin();
  if (!isRecord(source) && !Array.isArray(source) || !(Symbol.asyncIterator in source || Symbol.iterator in source)) {
    throw new TypeError(`Cannot ${action}: begin must return a new stream of records, found ${kindOf(source)}`);
  }
  let held: TableRecord[] = [];
  let record = 0;
  for await (const one of source as AsyncIterable<TableRecord>) {
    signal?.throwIfAborted();
    if (record++ < from) continue;
    held.push(one);
    if (held.length < rows) continue;
    yield tableOf(held, columns, name, record - rows);
    held = [];
  }
  if (held.length > 0) yield tableOf(held, columns, name, record - held.length);
}

function tableOf(
  records: readonly TableRecord[],
  columns: RecordPartsOptions["columns"],
  name: string,
  first: number,
): Columns {
  const odd = records.findIndex((record) => !isRecord(record));
  if (odd >= 0) {
    const found = kindOf(records[odd]);
    throw new TypeError(`Cannot ${action}\n  at ${name}, record ${first + odd}: found ${found}, wanted an object`);
  }
  const columnOf = ([column, kind]: readonly [string, ColumnKind]): [string, Column] => {
    const wrong = (row: number, wanted: string) => {
      const found = kindOf(records[row][column]);
      const where = `at ${name}, record ${first + row}, column ${quoted(column)}`;
      return new TypeError(`Cannot ${action}\n  ${where}: found ${found}, ${wanted}`);
    };
    if (kind === "number") return [column, numbers(records, column, wrong)];
    return [column, texts(records, column, kind, wrong)];
  };
  return { count: records.length, columns: Object.fromEntries(Object.entries(columns).map(columnOf)) };
}

/** Returns the error of a value. */
type Wrong = (row: number, wanted: string) => TypeError;

function numbers(records: readonly TableRecord[], column: string, wrong: Wrong): Column {
  const values = Float64Array.from(records, (record, row) => {
    const value = own(record, column);
    if (value === null || value === undefined) return NaN;
    if (typeof value === "number" || typeof value === "boolean") return Number(value);
    throw wrong(row, "wanted a number, true, false or null");
  });
  return { kind: "number", values };
}

function texts(records: readonly TableRecord[], column: string, kind: ColumnKind, wrong: Wrong): Column {
  const listed = typeof kind === "string" ? undefined : kind;
  const known = places(listed);
  const codes = Int32Array.from(records, (record, row) => {
    const value = own(record, column);
    if (value === null || value === undefined || Number.isNaN(value)) return -1;
    if (typeof value !== "string" && !Number.isSafeInteger(value)) {
      throw wrong(row, "wanted a text, a whole number or null");
    }
    if (listed === undefined) return known.add(String(value));
    const place = known.find(String(value));
    if (place === undefined) throw wrong(row, `wanted one of its words${advice(String(value), listed)}`);
    return place;
  });
  return { kind: "text", codes, words: known.words, ...(listed && { listed: true }) };
}

/** Returns the value of a record under a name, whatever the name. */
function own(record: TableRecord, name: string): unknown {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
