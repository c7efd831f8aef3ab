import { advice } from "../errors/nearest.ts";
import { checkCount, checkRecord, checkSignal, checkText, kindOf, optionsOf } from "../errors/kinds.ts";
import type { Column, Columns } from "./columns.ts";
import { longest, numberOf, readRecord, scan, type Sheet, type Sink, takeRows } from "./csv_scan.ts";
import { dictionary } from "./dictionary.ts";
import { foreign } from "./foreign.ts";
import { room } from "../files/room.ts";
import { checkSource, type Source, sourceName } from "../files/source.ts";
import { bytesOf } from "./source.ts";
import { Malformed, type MalformedRow } from "./malformed.ts";

/** The kind of a column of a CSV file: numbers, text, or text that is one of some words. */
export type ColumnKind = "number" | "text" | readonly string[];

/** Options of {@linkcode readCsv}. */
export interface CsvOptions {
  /** The columns to read, by name. Others are skipped. A list of words gives them the codes 0, 1, ... in its order. */
  readonly columns: Readonly<Record<string, ColumnKind>>;
  /** The names of all columns in order, for a file whose first line is not their names. */
  readonly header?: readonly string[];
  /** The separator of fields, one ASCII character. By default a comma. */
  readonly separator?: string;
  /**
   * True if white space around a field is left out, in front of it, behind it, and around its quotes. Within quotes, and
   * by default, it belongs to the field. In front of a field, a separator that is white space itself is left out too, so
   * files with tabs and empty fields are read without.
   */
  readonly trim?: boolean;
  /**
   * Texts that stand for a missing value, such as `""`: a number is then NaN, and a text, listed or not, has code -1, which
   * {@linkcode labels} gives as NaN and `category()` reads as missing. By default an empty number or a word that is not
   * listed is an error, and any other text is a word.
   */
  readonly missing?: readonly string[];
  /**
   * The policy for a row that cannot be read: `"fail"`, the default, is an error, and a function is called with the
   * row, which is skipped and counted in `skipped` of the table. Such a row has too few or too many fields, a number
   * that is none, a word that is not listed, bytes that are not UTF-8 or quotes that are wrong. After wrong quotes, such
   * as one that is never closed, reading goes on at the next line.
   */
  readonly malformed?: "fail" | ((row: MalformedRow) => void);
  /** The most rows that are skipped, by default 1000: one more is an error. */
  readonly mostMalformed?: number;
  /** The SHA-256 that the decompressed file must have, in hexadecimal. By default it is not computed. */
  readonly sha256?: string;
  /** The name of the file in errors. By default its path. */
  readonly name?: string;
  /** Stops the reading. */
  readonly signal?: AbortSignal;
}

/**
 * Reads CSV, plain or gzip, into typed columns.
 *
 * The format is RFC 4180 with lines that end with or without a carriage return, in UTF-8 with or without a byte order
 * mark; empty lines are left out. Numbers are decimal, held as float64; a whole number
 * that float64 cannot hold is an error. Text is stored once per distinct value. Memory is that of the
 * columns twice over, whatever the length of the text.
 *
 * @param source A path or a URL (`file:`, `http:`, `https:`), or the bytes: in memory, a `Blob`, a `Response` or a stream.
 * @param options The columns to read, and the format.
 * @throws {SyntaxError} with file and line, if a record has too few or too many fields or cannot be parsed, a number
 * is none, or a word is not among those listed.
 * @throws {TypeError | RangeError} if an option is wrong.
 * @throws {Error} if the file cannot be read, a server does not answer with it, it is damaged, or has another hash.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readCsv } from "@gatehouse/gatehouse";
 *
 * const file = new Blob(["age,job,label\n73,clerk,no\n58,smith,yes\n"]).stream();
 * const people = await readCsv(file, { columns: { age: "number", label: ["no", "yes"] } });
 * assertEquals(people, {
 *   count: 2,
 *   columns: {
 *     age: { kind: "number", values: Float64Array.of(73, 58) },
 *     label: { kind: "text", codes: Int32Array.of(0, 1), words: ["no", "yes"], listed: true },
 *   },
 * });
 * ```
 */
export async function readCsv(source: Source, options: CsvOptions): Promise<Columns> {
  const chunks: Columns[] = [];
  for await (const chunk of streamCsv(source, options)) chunks.push(chunk);
  const count = chunks.reduce((sum, chunk) => sum + chunk.count, 0);
  const joined = (name: string): Column => {
    const parts = chunks.map((chunk) => chunk.columns[name]);
    const last = parts[parts.length - 1];
    const whole = last.kind === "number" ? new Float64Array(count) : new Int32Array(count);
    let at = 0;
    for (const part of parts) {
      whole.set(part.kind === "number" ? part.values : part.codes, at);
      at += part.kind === "number" ? part.values.length : part.codes.length;
    }
    return last.kind === "number"
      ? { kind: "number", values: whole as Float64Array }
      : { ...last, codes: whole as Int32Array };
  };
  const columns = Object.fromEntries(Object.keys(chunks[0].columns).map((name) => [name, joined(name)]));
  if (chunks[0].skipped === undefined) return { count, columns };
  return { count, columns, skipped: chunks.reduce((sum, chunk) => sum + chunk.skipped!, 0) };
}

/**
 * Reads a CSV file as {@linkcode readCsv} does, some rows at a time, at bounded memory.
 *
 * All chunks share the words of a column, which may grow after a chunk was yielded; a word's code never changes. Where
 * malformed rows may be skipped, each chunk has the number of those since the one before, so that their sum is that of the
 * file; the last chunk may then have no rows.
 *
 * @param options As for readCsv, and the number of rows of every chunk but the last, by default 8192.
 * @returns Chunks, at least one.
 * @throws as readCsv; a wrong hash is found after the last full chunk.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { streamCsv } from "@gatehouse/gatehouse";
 *
 * const file = new Blob(["age\n73\n58\n18\n"]).stream();
 * const counts = [];
 * for await (const { count } of streamCsv(file, { columns: { age: "number" }, rows: 2 })) counts.push(count);
 * assertEquals(counts, [2, 1]);
 * ```
 */
export async function* streamCsv(
  source: Source,
  given: CsvOptions & { readonly rows?: number },
): AsyncGenerator<Columns> {
  yield* csvFrom(source, given, 0);
}

/**
 * Reads a CSV file as {@linkcode streamCsv} does, from a row on, counted from 0. The rows before are not parsed, unless
 * malformed ones may be skipped, which count for nothing, or they hold quotes. A file that has not as many is read as one
 * without rows.
 *
 * @param mostWords The number of words of a column after which a new list of words begins, so that memory is bounded.
 */
export async function* csvFrom(
  source: Source,
  given: CsvOptions & { readonly rows?: number },
  first: number,
  mostWords: number = Infinity,
): AsyncGenerator<Columns> {
  const { name, rows, ...options } = settingsOf(source, given);
  const { sha256, signal } = options;
  let block: Uint8Array = new Uint8Array(1 << 16);
  let filled = 0, enough = 0;
  let sheet: Sheet | undefined;
  let chunks = 0;

  function* pass(last: boolean): Generator<Columns> {
    const bytes = block.subarray(0, filled);
    let from = 0;
    if (sheet === undefined) {
      const head = headOf(name, options, bytes, last);
      if (head === undefined) {
        enough = 2 * filled;
        return;
      }
      sheet = { ...sheetOf(name, options, head, rows), before: first, mostWords };
      from = head.next;
    }
    from = scan(sheet, bytes, from, last);
    while (sheet.count === rows) {
      yield takeRows(sheet);
      chunks++;
      from = scan(sheet, bytes, from, last);
    }
    block.copyWithin(0, from, filled);
    filled -= from;
    enough = from > 0 ? 0 : 2 * filled;
    const left = sheet.count > 0 || (sheet.malformed?.skipped ?? 0) > (sheet.malformed?.taken ?? 0);
    if (last && (left || chunks === 0)) yield takeRows(sheet);
  }

  for await (const chunk of bytesOf(source, name, sha256, signal)) {
    signal?.throwIfAborted();
    block = room(block, filled + chunk.length);
    block.set(chunk, filled);
    filled += chunk.length;
    // A record that was not whole is looked at again when twice as much is there, not with every small piece.
    if (filled >= enough) yield* pass(false);
  }
  yield* pass(true);
}

/**
 * Returns the names of all columns of a CSV file, of which no more is read.
 *
 * @throws as {@linkcode readCsv}.
 */
export async function csvHeader(source: Source, given: CsvOptions): Promise<readonly string[]> {
  const { name, ...options } = settingsOf(source, given);
  if (options.header !== undefined) return options.header;
  let bytes: Uint8Array = new Uint8Array(0);
  for await (const chunk of bytesOf(source, name, undefined, options.signal)) {
    const before = bytes.length;
    bytes = room(bytes, before + chunk.length).subarray(0, before + chunk.length);
    bytes.set(chunk, before);
    const head = headOf(name, options, bytes, false);
    if (head !== undefined) return head.names;
  }
  return headOf(name, options, bytes, true)!.names;
}

/** Returns the options of a reading, checked, with a name. */
function settingsOf(
  source: Source,
  given: CsvOptions & { readonly rows?: number },
): CsvOptions & { readonly name: string; readonly rows: number } {
  checkSource(source);
  const options = optionsOf("read CSV", given, known, ["trim"]);
  if (options.name !== undefined) checkText("read CSV", "name", options.name);
  const { name = sourceName(source), rows = 8192 } = options;
  check(name, options, rows);
  return { ...options, name, rows };
}

const known = ["columns", "header", "separator", "missing", "malformed", "mostMalformed", "sha256", "name", "signal"]
  .concat("rows");

/** The names of all columns, where the first row begins, and in which line. */
interface Head {
  readonly names: readonly string[];
  readonly next: number;
  readonly line: number;
}

/** The names of the columns from the options or the first line, or undefined while that is not whole. */
function headOf(name: string, { header, ...options }: CsvOptions, bytes: Uint8Array, last: boolean): Head | undefined {
  const other = foreign(bytes, last, header === undefined);
  if (other !== undefined) throw new Malformed({ name, line: 1 }, other);
  if (bytes.length < 3 && !last) return undefined;
  let from = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  let line = 1;
  if (header !== undefined) return { names: header, next: from, line };
  while (
    bytes[from] === 0x0a || bytes[from] === 0x0d && (bytes[from + 1] === 0x0a || last && from + 1 === bytes.length)
  ) {
    from += bytes[from] === 0x0a ? 1 : 2;
    line++;
  }
  const grammar = { name, line, separator: separatorOf(options), trim: options.trim ?? false };
  if (from >= bytes.length && last) {
    throw new Malformed(grammar, "found the end of the file, wanted the names of the columns");
  }
  const record = from < bytes.length ? readRecord(grammar, bytes, from, last) : undefined;
  if (record === undefined) {
    if (bytes.length > longest) throw new Malformed(grammar, "found no end of the names of columns within 16 MiB");
    return undefined;
  }
  const names = new Set(record.fields);
  const twice = repeated(record.fields);
  if (twice !== undefined) throw new Malformed(grammar, `found two columns named ${JSON.stringify(twice)}`);
  const absent = Object.keys(options.columns).filter((column) => !names.has(column));
  if (absent.length > 0) throw new Malformed(grammar, unnamed(absent, record.fields, line));
  return { names: record.fields, next: record.next, line: line + record.lines };
}

/** Returns what is wrong with columns that a file lacks, the first eight of them, and with a line that is one name alone. */
function unnamed(absent: readonly string[], names: readonly string[], line: number): string {
  const shown = absent.slice(0, 8).map((name) => `no column is named ${JSON.stringify(name)}${advice(name, names)}`);
  const more = absent.length > shown.length ? [`${absent.length - shown.length} more columns are not there`] : [];
  const other = names.length === 1 ? [";", "\t", "|"].find((byte) => names[0].includes(byte)) : undefined;
  const apart = other === undefined ? [] : [`found one column: separator: ${JSON.stringify(other)} reads several`];
  return [...shown, ...more, ...apart].join(`\n  at line ${line}: `);
}

/** Returns the first name that stands twice in a list. */
function repeated(names: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return names.find((name) => seen.size === seen.add(name).size);
}

/** An empty sheet. */
function sheetOf(
  name: string,
  options: CsvOptions,
  { names, line }: Head,
  limit: number,
): Omit<Sheet, "before" | "mostWords"> {
  const sinks = names.map((column): Sink => {
    const kind = Object.hasOwn(options.columns, column) ? options.columns[column] : undefined;
    if (kind === undefined) return { kind: "skip" };
    if (kind === "number") return { kind, column, values: new Float64Array(limit) };
    const closed = kind !== "text";
    const settled = closed ? kind.length : 0;
    return {
      kind: "text",
      column,
      codes: new Int32Array(limit),
      known: dictionary(closed ? kind : []),
      closed,
      settled,
    };
  });
  const { trim = false, missing = [], malformed, mostMalformed = 1000 } = options;
  const missingNumbers = missing.some((text) => !Number.isNaN(numberOf(text)));
  return {
    name,
    separator: separatorOf(options),
    trim,
    malformed: typeof malformed === "function"
      ? { skip: malformed, most: mostMalformed, skipped: 0, taken: 0 }
      : undefined,
    missing: dictionary(missing),
    missingNumbers,
    sinks,
    limit,
    count: 0,
    line,
  };
}

/** The byte between fields. */
function separatorOf({ separator = "," }: Pick<CsvOptions, "separator">): number {
  return separator.charCodeAt(0);
}

/** Every option is right. */
function check(
  name: string,
  { columns, header, separator = ",", missing = [], malformed = "fail", mostMalformed, sha256, signal }: CsvOptions,
  rows: number,
): void {
  const action = `read ${name}`;
  checkRecord(action, "columns", columns);
  checkText(action, "separator", separator);
  checkSignal(action, signal);
  if (malformed !== "fail" && typeof malformed !== "function") {
    throw new TypeError(`Cannot ${action}: malformed must be "fail" or a function, found ${kindOf(malformed)}`);
  }
  if (mostMalformed !== undefined) checkCount(action, "mostMalformed", mostMalformed);
  if (sha256 !== undefined) checkText(action, "sha256", sha256);
  if (header !== undefined && !(Array.isArray(header) && header.every((column) => typeof column === "string"))) {
    throw new TypeError(`Cannot ${action}: header must be a list of the names of columns, found ${kindOf(header)}`);
  }
  const wrong = (path: string, what: string) => `Cannot read ${name}\n  at ${path}: ${what}`;
  if (!/^[^"\r\n\x80-\uffff]$/.test(separator)) {
    const found = JSON.stringify(separator);
    throw new RangeError(wrong("separator", `found ${found}, wanted one ASCII character other than a quote`));
  }
  if (!(Number.isSafeInteger(rows) && rows > 0)) {
    throw new RangeError(wrong("rows", `found ${kindOf(rows)}, wanted an integer of at least 1`));
  }
  if (!Array.isArray(missing) || missing.some((text) => typeof text !== "string")) {
    throw new TypeError(wrong("missing", 'wanted a list of texts, such as ["", "?"]'));
  }
  const names = new Set(header);
  const twice = header && repeated(header);
  if (twice !== undefined) throw new TypeError(wrong("header", `found two columns named ${JSON.stringify(twice)}`));
  for (const [column, kind] of Object.entries(columns)) {
    const path = `columns[${JSON.stringify(column)}]`;
    if (header && !names.has(column)) {
      throw new TypeError(wrong(path, `no column is named ${JSON.stringify(column)}${advice(column, header)}`));
    }
    const listed = Array.isArray(kind) && kind.every((word) => typeof word === "string");
    if (!listed && kind !== "number" && kind !== "text") {
      const found = kindOf(kind);
      throw new TypeError(wrong(path, `found ${found}, wanted "number", "text" or a list of words`));
    }
    if (listed && new Set(kind).size !== kind.length) throw new TypeError(wrong(path, "a word stands twice"));
  }
}
