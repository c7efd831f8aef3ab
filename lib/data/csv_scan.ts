import { parse } from "@std/csv";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import type { Column, Columns } from "./columns.ts";
import { codeOf, decoded, type Dictionary, find, hashOf, hashStart, hashStep } from "./dictionary.ts";

/** Rows as they are read: what to do with every field, and the columns so far. */
export interface Sheet {
  /** The name of the file in errors. */
  readonly name: string;
  /** The byte between fields. */
  readonly separator: number;
  /** True if white space in front of a field is left out. */
  readonly trim: boolean;
  /** Texts that stand for a missing value. */
  readonly missing: Dictionary;
  /** True if one of them is itself a number, such as `-1`. */
  readonly missingNumbers: boolean;
  /** A sink for each field of a record. */
  readonly sinks: readonly Sink[];
  /** The number of rows to hold at most. */
  readonly limit: number;
  /** The number of rows held. */
  count: number;
  /** The number of the line to read next, from 1. */
  line: number;
}

/** The sink of one field of every record: the field is skipped, or read as a number or as a text. */
export type Sink =
  | { readonly kind: "skip" }
  | { readonly kind: "number"; readonly column: string; readonly values: Float32Array }
  | TextSink;

/** A field that is a text. */
interface TextSink {
  readonly kind: "text";
  readonly column: string;
  readonly codes: Int32Array;
  readonly known: Dictionary;
  /** True if the words known at first are the only ones. */
  readonly closed: boolean;
}

/** A record longer than this is an error: most often a quote that is opened and never closed. */
export const longest = 1 << 24;
const tooLong = "found a record of more than 16 MiB: is a quote left open?";

const newline = 0x0a, carriageReturn = 0x0d, quote = 0x22, space = 0x20, tab = 0x09, point = 0x2e, minus = 0x2d;

/**
 * Reads the records of a block of bytes into a sheet until the sheet is full or no whole record is left.
 *
 * A record without a quote character is, by the grammar of RFC 4180, its line split at the separators, and is read as
 * bytes with no string made. Every other record is parsed by `@std/csv`; both agree on every text (which the tests
 * sample). Lines end with or without a carriage return; empty lines are left out.
 *
 * @param last True if the block ends the text, so that its last line is whole without a newline.
 * @returns The offset of the first record that was not read.
 * @throws {SyntaxError} with file and line, if a record is malformed.
 */
export function scan(sheet: Sheet, block: Uint8Array, from: number, last: boolean): number {
  let quoted = block.indexOf(quote, from);
  while (sheet.count < sheet.limit && from < block.length) {
    const found = block.indexOf(newline, from);
    if (found < 0 && !last) break;
    const next = found < 0 ? block.length : found + 1;
    let end = found < 0 ? block.length : found;
    if (end > from && block[end - 1] === carriageReturn) end--;
    if (quoted >= 0 && quoted < from) quoted = block.indexOf(quote, from);
    if (end > from && (quoted >= 0 && quoted < end || !splitLine(sheet, block, from, end))) {
      const record = readRecord(sheet, block, from, last);
      if (record === undefined) break;
      storeFields(sheet, record.fields);
      from = record.next;
      sheet.line += record.lines;
      sheet.count++;
    } else {
      if (end > from) sheet.count++;
      from = next;
      sheet.line++;
    }
  }
  if (block.length - from > longest && sheet.count < sheet.limit) throw flaw(sheet, tooLong);
  return from;
}

/** A record as texts, where the next one begins, and the number of lines it has. */
export interface CsvRecord {
  readonly fields: readonly string[];
  readonly next: number;
  readonly lines: number;
}

/** The settings by which a record is read. */
type Grammar = Pick<Sheet, "name" | "separator" | "trim" | "line">;

/**
 * Reads one record with `@std/csv`: the lines up to the first at whose end no quote is open.
 *
 * @returns The record, or undefined if the block ends before it does and is not the last one.
 */
export function readRecord(grammar: Grammar, block: Uint8Array, from: number, last: boolean): CsvRecord | undefined {
  let open = false;
  let lines = 0;
  let next = from;
  let mark = block.indexOf(quote, from);
  do {
    const found = block.indexOf(newline, next);
    if (found < 0 && !last) return undefined;
    const end = found < 0 ? block.length : found + 1;
    for (; mark >= 0 && mark < end; mark = block.indexOf(quote, mark + 1)) open = !open;
    lines++;
    next = end;
  } while (open && next < block.length);
  if (open && !last) return undefined;
  if (next - from > longest) throw flaw(grammar, tooLong);
  const text = decoded(block.subarray(from, next));
  if (text === undefined) throw flaw(grammar, "found bytes that are not UTF-8 text");
  try {
    const separator = String.fromCharCode(grammar.separator);
    const [fields] = parse(text, { separator, trimLeadingSpace: grammar.trim });
    return { fields, next, lines };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const [, offset = "1", what = reason] = reason.match(/parse error on line (\d+), (.*)$/) ?? [];
    const line = grammar.line + Number(offset) - 1;
    const begun = offset === "1" ? "" : `, in a record that begins at line ${grammar.line}`;
    throw flaw({ name: grammar.name, line }, what + begun, error);
  }
}

/**
 * Stores the fields of a line without quotes.
 *
 * @returns True if it could; false if a field may begin with white space other than spaces and tabs.
 */
function splitLine(sheet: Sheet, bytes: Uint8Array, start: number, end: number): boolean {
  const { sinks, separator, trim, count } = sheet;
  let at = start;
  for (let field = 0; field < sinks.length; field++) {
    if (trim) {
      while (at < end && (bytes[at] === space || bytes[at] === tab)) at++;
      if (at < end && (bytes[at] < space || bytes[at] > 0x7e)) return false;
    }
    const sink = sinks[field];
    const from = at;
    if (sink.kind === "text") {
      let hash = hashStart;
      while (at < end && bytes[at] !== separator) hash = hashStep(hash, bytes[at++]);
      sink.codes[count] = code(sheet, sink, bytes, from, at, hash);
    } else {
      while (at < end && bytes[at] !== separator) at++;
      if (sink.kind === "number") sink.values[count] = number(sheet, sink.column, bytes, from, at);
    }
    const ends = at >= end;
    if (ends !== (field === sinks.length - 1)) {
      let found = 1;
      for (let i = start; i < end; i++) if (bytes[i] === separator) found++;
      throw flaw(sheet, fieldsWanted(found, sinks.length));
    }
    at++;
  }
  return true;
}

/** Stores the fields of a record that was parsed. */
function storeFields(sheet: Sheet, fields: readonly string[]): void {
  const { sinks, count } = sheet;
  if (fields.length !== sinks.length) throw flaw(sheet, fieldsWanted(fields.length, sinks.length));
  sinks.forEach((sink, field) => {
    if (sink.kind === "skip") return;
    const bytes = new TextEncoder().encode(fields[field]);
    const end = bytes.length;
    if (sink.kind === "text") sink.codes[count] = code(sheet, sink, bytes, 0, end, hashOf(bytes, 0, end));
    else sink.values[count] = number(sheet, sink.column, bytes, 0, end);
  });
}

/** The code of a text. */
function code(sheet: Sheet, sink: TextSink, bytes: Uint8Array, from: number, to: number, hash: number): number {
  const { known, closed, column } = sink;
  if (sheet.missing.words.length > 0 && find(sheet.missing, bytes, from, to, hash) >= 0) return -1;
  const found = closed ? find(known, bytes, from, to, hash) : codeOf(known, bytes, from, to, hash);
  if (found >= 0) return found;
  const word = decoded(bytes.subarray(from, to));
  if (word === undefined) throw flaw(sheet, "found bytes that are not UTF-8 text", undefined, column);
  const hint = word === "" ? '; missing: [""] lets it be missing' : "";
  throw flaw(sheet, `found ${quoted(word)}${advice(word, known.words)}${hint}`, undefined, column);
}

/** The number that a text says. */
function number(sheet: Sheet, column: string, bytes: Uint8Array, from: number, to: number): number {
  const simple = decimal(bytes, from, to);
  if (simple === simple && !sheet.missingNumbers) return simple;
  if (find(sheet.missing, bytes, from, to, hashOf(bytes, from, to)) >= 0) return NaN;
  if (simple === simple) return simple;
  const text = decoded(bytes.subarray(from, to));
  const value = text === undefined ? NaN : numberOf(text);
  if (Number.isFinite(Math.fround(value))) return value;
  const found = text === undefined ? "bytes that are not UTF-8 text" : text === "" ? "nothing" : quoted(text);
  const hint = text === "" ? '; missing: [""] lets it be missing' : "";
  throw flaw(sheet, `found ${found}, wanted a number${hint}`, undefined, column);
}

/** The number that a text says, or NaN if it says none. White space around it counts for nothing. */
export function numberOf(text: string): number {
  return numeral.test(text.trim()) ? Number(text) : NaN;
}

/** The form of a number, in which no two parts can take the same digits, so that a long one takes linear time: decimal digits, with a sign, a point and an exponent or without. */
const numeral = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;

const powers = Float64Array.from({ length: 16 }, (_, digits) => Number(`1e${digits}`));

/** The number of at most 15 digits that bytes say, or NaN if they say anything else. Correctly rounded. */
function decimal(bytes: Uint8Array, from: number, to: number): number {
  const negative = from < to && bytes[from] === minus;
  const first = negative ? from + 1 : from;
  if (to - first > 15) return NaN;
  let digits = 0, whole = -1, value = 0;
  for (let i = first; i < to; i++) {
    const digit = bytes[i] - 0x30;
    if (digit >= 0 && digit <= 9) {
      value = value * 10 + digit;
      digits++;
    } else if (bytes[i] === point && whole < 0) {
      whole = digits;
    } else return NaN;
  }
  if (digits === 0) return NaN;
  if (whole >= 0) value /= powers[digits - whole];
  return negative ? -value : value;
}

/** Takes the rows out of a sheet. */
export function takeRows(sheet: Sheet): Columns {
  const { count } = sheet;
  const columns: [string, Column][] = sheet.sinks.flatMap((sink): [string, Column][] => {
    if (sink.kind === "skip") return [];
    if (sink.kind === "number") return [[sink.column, { kind: "number", values: sink.values.slice(0, count) }]];
    const listed = sink.closed ? { listed: true } : {};
    return [[sink.column, { kind: "text", codes: sink.codes.slice(0, count), words: sink.known.words, ...listed }]];
  });
  sheet.count = 0;
  return { count, columns: Object.fromEntries(columns) };
}

/** Of a record with a wrong number of fields. */
function fieldsWanted(found: number, wanted: number): string {
  return `found ${found} ${found === 1 ? "field" : "fields"}, wanted ${wanted}`;
}

/** Returns the error of a line. */
export function flaw(where: Pick<Sheet, "name" | "line">, what: string, cause?: unknown, column?: string): SyntaxError {
  const place = column === undefined ? "" : `, column ${JSON.stringify(column)}`;
  return new SyntaxError(`Cannot read ${where.name}\n  at line ${where.line}${place}: ${what}`, { cause });
}
