import { CsvParseStream } from "@std/csv";
import { foreign } from "../../lib/data/foreign.ts";

/** The uses of a column. */
export const uses = [
  "number",
  "category",
  "label of two",
  "label of classes",
  "label of numbers",
  "left out",
] as const;

/** The use of a column. */
export type Use = typeof uses[number];

/** A column as its first rows show it. */
export interface ColumnLook {
  readonly name: string;
  /** Some values, each once. */
  readonly examples: readonly string[];
  /** The two values, if there are two; the likelier one to count as 1 comes last. */
  readonly two?: readonly [string, string];
  /** The uses that its values allow, in the order of {@linkcode uses}. */
  readonly uses: readonly Use[];
  /** True if more than a fifth of the values are missing. */
  readonly isSparse: boolean;
  /** The use that it is guessed to have. */
  readonly use: Use;
}

/** A file as its first rows show it. */
export interface Look {
  readonly separator: string;
  readonly columns: readonly ColumnLook[];
  /** The rows that were looked at. */
  readonly rows: number;
  /** True if the first line is a row, and the names of columns are numbers in their order. */
  readonly isNameless: boolean;
}

/** The texts that stand for a missing value. */
export const missing: readonly string[] = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "?"];

/** The rows by which the uses of columns are guessed. */
const looked = 2000;
/** The bytes by which a file of another kind is known. */
const begun = 1 << 16;
/** The most values of a column that are remembered. */
const remembered = 1000;
/** The most classes of a label. */
export const mostClasses = 100;
/** The most columns, and the most signs of the first line: what has more is no table. */
const [mostColumns, longest] = [1000, 1_000_000];

/**
 * The columns of a CSV file, plain or gzip, and the use that each is guessed to have: numbers and categories are features,
 * columns of two values may be labels.
 *
 * @throws {Error} if the file holds no table.
 */
export async function lookAt(file: Blob): Promise<Look> {
  try {
    return await lookedAt(file);
  } catch (error) {
    throw new Error(`Cannot read the file: ${(error as Error).message}`, { cause: error });
  }
}

async function lookedAt(file: Blob): Promise<Look> {
  const { separator, records } = await firstRecords(file);
  const isNameless = records.length > 0 && isRow(records[0]);
  const names = isNameless ? records[0].map((_, at) => `column ${at + 1}`) : records[0];
  const rows = isNameless ? records : records.slice(1);
  if (names === undefined || rows.length === 0) {
    throw new Error("wanted a line of names and at least one row below it");
  }
  if (names.length > mostColumns) {
    throw new Error(
      `found ${names.length.toLocaleString("en")} columns, wanted at most ${mostColumns.toLocaleString("en")}`,
    );
  }
  const columns = names.map((name, at) => lookOf(name, rows.map((row) => row[at] ?? "")));
  return { separator, columns: guessed(columns), rows: rows.length, isNameless };
}

/** Returns true if a first line has no names: numbers alone, or numbers and some text twice. */
function isRow(line: readonly string[]): boolean {
  const numbers = line.filter((text) => isNumeric([text]));
  return numbers.length === line.length || numbers.length > 0 && new Set(line).size < line.length;
}

/** The first records of a file, and what separates their fields. */
async function firstRecords(file: Blob) {
  const bytes = new Uint8Array(await file.slice(0, begun).arrayBuffer());
  const what = foreign(bytes, file.size <= begun, !isZipped(bytes));
  if (what !== undefined) throw new Error(what);
  const separator = separatorOf(await firstLine(file));
  const records: string[][] = [];
  const parsed = (await textOf(file)).pipeThrough(new CsvParseStream({ separator, fieldsPerRecord: -1 }));
  for await (const record of piecesOf(parsed)) {
    records.push(record);
    if (records.length > looked) break;
  }
  return { separator, records };
}

function isZipped([first, second]: Uint8Array): boolean {
  return first === 0x1f && second === 0x8b;
}

/** The text of a file, plain or gzip. */
async function textOf(file: Blob): Promise<ReadableStream<string>> {
  const bytes = isZipped(new Uint8Array(await file.slice(0, 2).arrayBuffer()))
    ? file.stream().pipeThrough(new DecompressionStream("gzip"))
    : file.stream();
  return bytes.pipeThrough(new TextDecoderStream());
}

/** The pieces of a stream; not every browser iterates over streams themselves. */
async function* piecesOf<T>(stream: ReadableStream<T>): AsyncGenerator<T> {
  const reader = stream.getReader();
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) yield piece.value;
  } finally {
    await reader.cancel();
  }
}

/** The text up to the first line's end. */
async function firstLine(file: Blob): Promise<string> {
  let text = "";
  for await (const piece of piecesOf(await textOf(file))) {
    text += piece;
    if (piece.includes("\n")) break;
    if (text.length > longest) throw new Error("its first line has no end, wanted a line of names");
  }
  return text.split("\n", 1)[0];
}

/** The separator that a line has most of outside quotes. */
export function separatorOf(line: string): string {
  const bare = line.replace(/"[^"]*"?/g, "");
  const counts = [",", ";", "\t"].map((separator) => [separator, bare.split(separator).length] as const);
  return counts.reduce((best, one) => one[1] > best[1] ? one : best)[0];
}

/** A column, and the use it would have by itself. */
export function lookOf(name: string, values: readonly string[]): ColumnLook {
  const known = values.filter((value) => !missing.includes(value));
  const distinct = new Set<string>();
  for (const value of known) if (distinct.size < remembered) distinct.add(value);
  const examples = [...distinct].slice(0, 4).map((value) => value.length > 40 ? `${value.slice(0, 39)}…` : value);
  const isSparse = known.length < 0.8 * values.length;
  const isNumber = isNumeric(known) && known.length > 0;
  const two = distinct.size === 2 ? ordered([...distinct] as [string, string]) : undefined;
  const isClass = distinct.size > 2 && distinct.size <= Math.min(mostClasses, known.length / 2);
  const impossible: readonly (Use | false)[] = [
    ...[!isNumber && "number" as const, !isNumber && "label of numbers" as const],
    ...[two === undefined && "label of two" as const, !isClass && "label of classes" as const],
  ];
  const all = uses.filter((use) => !impossible.includes(use));
  const of = (use: Use): ColumnLook => ({ name, examples, ...two && { two }, uses: all, isSparse, use });
  if (distinct.size < 2 || name.trim() === "") return of("left out");
  if (two !== undefined) return of(isNumber ? "number" : "category");
  const isId = distinct.size >= Math.min(remembered, known.length) && known.length > 20;
  if (!isNumber) return of(isId ? "left out" : "category");
  return of(isId && (/(^|[_\s])(id|index|row|number|no)$/i.test(name) || areLarge(known)) ? "left out" : "number");
}

/** Returns true for whole numbers beyond those that float32 keeps apart, such as moments in milliseconds. */
function areLarge(values: readonly string[]): boolean {
  const numbers = values.map(Number);
  return numbers.every(Number.isInteger) && numbers.some((number) => Math.abs(number) > 2 ** 24);
}

/** Names that labels often have. */
const labelNames =
  /click|like|follow|view|label|target|buy|bought|purchase|order|convert|conversion|churn|income|default|fraud|surviv|outcome|price|sale|rating|spend|spent|score|^y\d*$/i;

/** Names that labels of classes have. */
const classNames = /^(class|label|target|species|variety|outcome|y\d*)$/i;

/**
 * Columns with labels among them: those whose names say so and that have two values, few classes, or numbers that are often
 * missing; else the last of two values, else the last column if it has few classes, else the last number.
 */
export function guessed(columns: readonly ColumnLook[]): ColumnLook[] {
  const labelOf = ({ two, use }: ColumnLook): Use => {
    if (two !== undefined) return "label of two";
    return use === "number" ? "label of numbers" : "label of classes";
  };
  const isOfClasses = ({ use, uses }: ColumnLook) => use === "category" && uses.includes("label of classes");
  const named = columns.filter((column) => {
    const { name, two, use, isSparse } = column;
    if (two !== undefined || use === "number" && isSparse) return labelNames.test(name);
    return isOfClasses(column) && classNames.test(name);
  });
  const ofTwo = columns.filter(({ name, two }) => two !== undefined && name.trim() !== "").slice(-1);
  const ofClasses = columns.slice(-1).filter((column) => isOfClasses(column) && !column.isSparse);
  const ofNumbers = columns.filter(({ use }) => use === "number").slice(-1);
  const labels = [named, ofTwo, ofClasses, ofNumbers].find((some) => some.length > 0) ?? [];
  return columns.map((column) => labels.includes(column) ? { ...column, use: labelOf(column) } : column);
}

/** Two values, the one that more likely counts as 1 last. */
function ordered([a, b]: readonly [string, string]): [string, string] {
  const yes = /^\s*(1|1\.0|y|yes|t|true|on|>.*|[a-z]* ?positive|bought|clicked)\.?\s*$/i;
  if (yes.test(a) !== yes.test(b)) return yes.test(a) ? [b, a] : [a, b];
  return a < b ? [a, b] : [b, a];
}

function isNumeric(values: readonly string[]): boolean {
  return values.every((value) => /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/.test(value));
}
