import { parse } from "@std/csv";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import type { Column, Columns } from "./columns.ts";
import {
  codeOf,
  decoded,
  type Dictionary,
  dictionary,
  find,
  forget,
  hashOf,
  hashStart,
  hashStep,
} from "./dictionary.ts";
import { Malformed, type MalformedRows, skipRow, takeSkipped } from "./malformed.ts";

/** Rows as they are read: what to do with every field, and the columns so far. */
export interface Sheet {
  /** The name of the file in errors. */
  readonly name: string;
  /** The byte between fields. */
  readonly separator: number;
  /** True if white space around a field is left out. */
  readonly trim: boolean;
  /** The policy for malformed rows; absent: they are errors. */
  readonly malformed?: MalformedRows;
  /** Texts that stand for a missing value. */
  readonly missing: Dictionary;
  /** True if one of them is itself a number, such as `-1`. */
  readonly missingNumbers: boolean;
  /** A sink for each field of a record. */
  readonly sinks: readonly Sink[];
  /** The number of rows to hold at most. */
  readonly limit: number;
  /** The number of words of a column after which a new list of them begins. */
  readonly mostWords: number;
  /** The number of rows that are yet to be left out. */
  before: number;
  /** The number of rows held. */
  count: number;
  /** The number of the line to read next, from 1. */
  line: number;
}

/** The sink of one field of every record: the field is skipped, or read as a number or as a text. */
export type Sink =
  | { readonly kind: "skip" }
  | { readonly kind: "number"; readonly column: string; readonly values: Float64Array }
  | TextSink;

/** A field that is a text. */
interface TextSink {
  readonly kind: "text";
  readonly column: string;
  readonly codes: Int32Array;
  known: Dictionary;
  /** True if the words known at first are the only ones. */
  readonly closed: boolean;
  /** The number of words of the rows read, without those of a row that is not whole yet or is skipped. */
  settled: number;
}

/** A record longer than this is an error: most often a quote that is opened and never closed. */
export const longest = 1 << 24;
const tooLong = "found a record of more than 16 MiB: is a quote left open?";

const newline = 0x0a, carriageReturn = 0x0d, quote = 0x22, space = 0x20, tab = 0x09, point = 0x2e, minus = 0x2d;

/**
 * Reads the records of a block of bytes into a sheet until the sheet is full or no whole record is left.
 *
 * A line whose quotes, if any, surround whole fields is split at the separators, and is read as bytes with no string
 * made. Every other record, with quotes within quotes or line breaks in fields, is parsed by `@std/csv`; both agree on
 * every text (which the tests sample). Lines end with or without a carriage return; empty lines are left out.
 *
 * @param last True if the block ends the text, so that its last line is whole without a newline.
 * @returns The offset of the first record that was not read.
 * @throws {SyntaxError} with file and line, if a record is malformed and not skipped.
 */
export function scan(sheet: Sheet, block: Uint8Array, from: number, last: boolean): number {
  let mark = block.indexOf(quote, from);
  while (sheet.count < sheet.limit && from < block.length) {
    const found = block.indexOf(newline, from);
    if (found < 0 && !last) break;
    let next = found < 0 ? block.length : found + 1;
    let end = found < 0 ? block.length : found;
    let lines = 1;
    if (end > from && block[end - 1] === carriageReturn) end--;
    if (mark >= 0 && mark < from) mark = block.indexOf(quote, from);
    if (end > from) {
      try {
        const quotes = mark >= 0 && mark < end;
        const leftOut = sheet.before > 0 && !quotes && sheet.malformed === undefined; // such a line is a row
        if (!leftOut && !splitLine(sheet, block, from, end, quotes)) {
          const record = readRecord(sheet, block, from, last);
          if (record === undefined) {
            if (block.length - from <= longest) break;
            throw new Malformed(sheet, tooLong);
          }
          ({ next, lines } = record);
          storeFields(sheet, record.fields);
        }
        if (sheet.before > 0) sheet.before--;
        else sheet.count++;
        if (sheet.malformed !== undefined) settle(sheet);
      } catch (error) {
        // A record that cannot be parsed has no end that one could trust: only its first line is skipped.
        skipRow(sheet, error);
        unsettle(sheet);
      }
    }
    from = next;
    sheet.line += lines;
  }
  if (block.length - from > longest && sheet.count < sheet.limit) throw new Malformed(sheet, tooLong); // a line
  return from;
}

/** Keeps the words of the rows read. */
function settle({ sinks }: Sheet): void {
  for (const sink of sinks) if (sink.kind === "text") sink.settled = sink.known.words.length;
}

/** Forgets the words of a row that is skipped. */
function unsettle({ sinks }: Sheet): void {
  for (const sink of sinks) if (sink.kind === "text") forget(sink.known, sink.settled);
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
 * Reads one record with `@std/csv`: the lines up to the first at whose end no quote is open, or in which one stands
 * where none can.
 *
 * @returns The record, or undefined if the block ends before it does and is not the last one.
 */
export function readRecord(grammar: Grammar, block: Uint8Array, from: number, last: boolean): CsvRecord | undefined {
  let open = false, wrong = false;
  let lines = 0;
  let next = from;
  let mark = block.indexOf(quote, from);
  do {
    const found = block.indexOf(newline, next);
    if (found < 0 && !last) return undefined;
    const end = found < 0 ? block.length : found + 1;
    for (; mark >= 0 && mark < end; mark = block.indexOf(quote, mark + 1)) {
      // Else one stray quote would pair all those that follow wrongly, and the record would have no end.
      wrong ||= !open && !opens(grammar, block, from, mark);
      open = !open;
    }
    lines++;
    next = end;
  } while (open && !wrong && next < block.length);
  if (open && !wrong && !last) return undefined;
  if (next - from > longest) throw new Malformed(grammar, tooLong);
  const text = decoded(block.subarray(from, next));
  if (text === undefined) throw new Malformed(grammar, "found bytes that are not UTF-8 text");
  return { fields: fieldsOf(grammar, text), next, lines };
}

/** Returns true if a quote may open a field, or is the second of two within quotes. */
function opens({ separator, trim }: Grammar, block: Uint8Array, from: number, at: number): boolean {
  const before = block[at - 1];
  return at === from || before === separator || before === quote || trim && (before <= space || before > 0x7e);
}

/** Returns the fields of the text of one record, by `@std/csv`. */
function fieldsOf(grammar: Grammar, text: string): readonly string[] {
  const separator = String.fromCharCode(grammar.separator);
  const trimmed = grammar.trim ? trimmedEnds(text, separator) : text;
  // The parser leaves out a byte order mark, which is text unless the file begins with it.
  const whole = trimmed.startsWith("\ufeff") ? `\ufeff${trimmed}` : trimmed;
  try {
    return parse(whole, { separator, trimLeadingSpace: grammar.trim })[0];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const [, offset = "1", what = reason] = reason.match(/parse error on line (\d+), (.*)$/) ?? [];
    const line = grammar.line + Number(offset) - 1;
    const begun = offset === "1" ? "" : `, in a record that begins at line ${grammar.line}`;
    throw new Malformed({ name: grammar.name, line }, what + begun, undefined, error);
  }
}

/**
 * Returns a record without white space at the ends of its fields: it is moved behind their separators, where the parser
 * leaves it out, so that all else keeps its column.
 */
function trimmedEnds(text: string, separator: string): string {
  const parts = text.split('"'); // those at even positions stand outside of quotes
  const trimmed = parts.map((part, at) => {
    if (at % 2 === 1) return part;
    let moved = "";
    const fields = part.split(separator).map((field, i, { length }) => {
      const ends = i < length - 1 || at === parts.length - 1 ? field.trimEnd() : field;
      const whole = moved + ends;
      moved = field.slice(ends.length);
      return whole;
    });
    return fields.join(separator);
  }).join('"');
  return trimmed === "" ? text : trimmed; // a line of white space is one field, not an empty line
}

/**
 * Stores the fields of a line.
 *
 * @param quotes True if there are quotes in the line.
 * @returns True if it could; false if a quote does not surround a whole field, or a field may begin or end with white
 * space other than spaces and tabs.
 */
function splitLine(sheet: Sheet, bytes: Uint8Array, start: number, end: number, quotes: boolean): boolean {
  const { sinks, separator, trim, count } = sheet;
  let at = start;
  for (let field = 0; field < sinks.length; field++) {
    while (trim && at < end && isBlank(bytes[at])) at++;
    const sink = sinks[field];
    const inQuotes = quotes && bytes[at] === quote && at < end;
    const from = inQuotes ? at + 1 : at;
    const until = inQuotes ? quote : separator;
    let to = from;
    let hash = hashStart;
    if (sink.kind === "text") { while (to < end && bytes[to] !== until) hash = hashStep(hash, bytes[to++]); }
    else while (to < end && bytes[to] !== until) to++;
    at = to;
    if (inQuotes) {
      if (to === end) return false;
      for (at = to + 1; trim && at < end && bytes[at] !== separator && isBlank(bytes[at]);) at++;
      if (at < end && bytes[at] !== separator) return false;
    } else {
      if (quotes && holdsQuote(bytes, from, to)) return false;
      if (trim) {
        while (to > from && isBlank(bytes[to - 1])) to--;
        if (mayHaveBlankEnd(bytes, from, to)) return false;
        if (to < at && sink.kind === "text") hash = hashOf(bytes, from, to);
      }
    }
    const ends = at >= end;
    if (ends !== (field === sinks.length - 1)) {
      if (quotes) return false;
      let found = 1;
      for (let i = start; i < end; i++) if (bytes[i] === separator) found++;
      throw new Malformed(sheet, fieldsWanted(found, sinks.length));
    }
    if (sink.kind === "text") sink.codes[count] = code(sheet, sink, bytes, from, to, hash);
    else if (sink.kind === "number") sink.values[count] = number(sheet, sink.column, bytes, from, to);
    at++;
  }
  return true;
}

/** Returns true if a byte is a space or a tab. */
function isBlank(byte: number): boolean {
  return byte === space || byte === tab;
}

/** Returns true if a text may begin or end with white space, by the first bytes of all such characters in UTF-8. */
function mayHaveBlankEnd(bytes: Uint8Array, from: number, to: number): boolean {
  const mayBe = (byte: number) => byte < space || byte === 0xc2 || byte >= 0xe1 && byte <= 0xe3 || byte === 0xef;
  if (from < to && mayBe(bytes[from])) return true;
  for (let at = Math.max(from, to - 3); at < to; at++) if (mayBe(bytes[at])) return true;
  return false;
}

/** Returns true if there is a quote in a field. */
function holdsQuote(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] === quote) return true;
  return false;
}

/** Stores the fields of a record that was parsed. */
function storeFields(sheet: Sheet, fields: readonly string[]): void {
  const { sinks, count } = sheet;
  if (fields.length !== sinks.length) throw new Malformed(sheet, fieldsWanted(fields.length, sinks.length));
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
  if (word === undefined) throw new Malformed(sheet, "found bytes that are not UTF-8 text", column);
  const hint = word === "" ? '; missing: [""] lets it be missing' : "";
  throw new Malformed(sheet, `found ${quoted(word)}${advice(word, known.words)}${hint}`, column);
}

/** The number that a text says. */
function number(sheet: Sheet, column: string, bytes: Uint8Array, from: number, to: number): number {
  const simple = decimal(bytes, from, to);
  if (simple === simple && !sheet.missingNumbers) return simple;
  if (find(sheet.missing, bytes, from, to, hashOf(bytes, from, to)) >= 0) return NaN;
  if (simple === simple) return simple;
  const text = decoded(bytes.subarray(from, to));
  const value = text === undefined ? NaN : numberOf(text);
  if (Number.isFinite(value)) {
    if (!losesDigits(text!, value)) return value;
    const hint = 'more digits than float64 holds: an identifier is read as "text"';
    throw new Malformed(sheet, `found ${quoted(text!)}, a whole number of ${hint}`, column);
  }
  const found = text === undefined ? "bytes that are not UTF-8 text" : text === "" ? "nothing" : quoted(text);
  const hint = text !== undefined && absences.test(text) ? `; missing: [${quoted(text)}] lets it be missing` : "";
  throw new Malformed(sheet, `found ${found}, wanted a number${hint}`, column);
}

/** The texts that other programs write for a missing number. */
const absences = /^(|nan|n\/?a|null|none|\\n|\?)$/i;

/** The number that a text says, or NaN if it says none. White space around it counts for nothing. */
export function numberOf(text: string): number {
  return numeral.test(text.trim()) ? Number(text) : NaN;
}

/** The form of a number, in which no two parts can take the same digits, so that a long one takes linear time: decimal digits, with a sign, a point and an exponent or without. */
const numeral = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;

/** Returns true if a text of digits is a whole number that float64 does not hold, which reads it as a neighbour. */
function losesDigits(text: string, value: number): boolean {
  if (Math.abs(value) <= Number.MAX_SAFE_INTEGER || /e/i.test(text)) return false;
  const [whole] = text.trim().split(".");
  return BigInt(whole) !== BigInt(value);
}

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
  for (const sink of sheet.sinks) if (sink.kind === "text" && !sink.closed) boundWords(sink, sheet.mostWords);
  const table = { count, columns: Object.fromEntries(columns) };
  return sheet.malformed === undefined ? table : { ...table, skipped: takeSkipped(sheet.malformed) };
}

/** Begins a new list of words if there are more than some. */
function boundWords(sink: TextSink, most: number): void {
  if (sink.known.words.length > most) Object.assign(sink, { known: dictionary(), settled: 0 });
}

/** Of a record with a wrong number of fields. */
function fieldsWanted(found: number, wanted: number): string {
  return `found ${found} ${found === 1 ? "field" : "fields"}, wanted ${wanted}`;
}
