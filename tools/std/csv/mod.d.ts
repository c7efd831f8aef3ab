/** Options of reading a CSV text. */
export interface CsvParseStreamOptions {
  /** The separator between two values, by default a comma. */
  separator?: string;
  /** The first character of lines to leave out, by default none. */
  comment?: string;
  /** True if white space in front of a value is left out. */
  trimLeadingSpace?: boolean;
  /** True if quotes may stand where the format has none. */
  lazyQuotes?: boolean;
  /** The number of values in every row: 0 for that of the first row, negative for any. */
  fieldsPerRecord?: number;
  /** True if the first row is left out: it holds the names of the columns, where `columns` does not give them. */
  skipFirstRow?: boolean;
  /** The names of the columns. */
  columns?: readonly string[];
}
/** Options of {@linkcode parse}. */
export type ParseOptions = CsvParseStreamOptions;

/** A row with named columns. */
export type RecordWithColumn<C extends string> = string extends C ? Record<string, string | undefined>
  : Record<C, string>;
/** The rows that some options yield: records where the columns have names, else lists. */
export type ParseResult<O, T> = T extends O & { columns: readonly (infer C extends string)[] } ? RecordWithColumn<C>[]
  : T extends O & { skipFirstRow: true } ? Record<string, string | undefined>[]
  : T extends O & { columns?: undefined; skipFirstRow?: false | undefined } ? string[][]
  : Record<string, string | undefined>[] | string[][];
/** One row of what some options yield. */
export type RowType<T> = T extends undefined ? string[] : ParseResult<CsvParseStreamOptions, T>[number];

/** Reads CSV text, in pieces of any length, as rows. */
export class CsvParseStream<const T extends CsvParseStreamOptions | undefined = undefined>
  implements TransformStream<string, RowType<T>> {
  constructor(options?: T);
  get readable(): ReadableStream<RowType<T>>;
  get writable(): WritableStream<string>;
}

/** Reads a whole CSV text as a list of rows. */
export function parse(input: string): string[][];
/** Reads a whole CSV text as a list of rows. */
export function parse<const T extends ParseOptions>(input: string, options: T): ParseResult<ParseOptions, T>;

/** The path to one value of an item: a name or a position at every step. */
export type PropertyAccessor = number | string;
/** A column's value, and the column's name, by default the last step of the path. */
export interface ColumnDetails {
  header?: string;
  prop: PropertyAccessor | readonly PropertyAccessor[];
}
/** A column. */
export type Column = ColumnDetails | PropertyAccessor | readonly PropertyAccessor[];
/** A row to write: an object with columns to choose, or a list. */
export type DataItem = Readonly<Record<string, unknown>> | readonly unknown[];

/** Options of {@linkcode stringify}. */
export interface StringifyOptions {
  /** True if the first line holds the names of the columns, by default true where columns are given. */
  headers?: boolean;
  /** The separator between two values, by default a comma. */
  separator?: string;
  /** The columns, in order. */
  columns?: readonly Column[];
  /** True if the text starts with a byte order mark. */
  bom?: boolean;
}
/** Writes rows as a CSV text, lines ended by a carriage return and a line feed. */
export function stringify(data: readonly DataItem[], options?: StringifyOptions): string;

/** Options of {@linkcode CsvStringifyStream}. */
export interface CsvStringifyStreamOptions {
  /** The separator between two values, by default a comma. */
  readonly separator?: string;
  /** The columns, in order; needed for objects, and written as the first line. */
  readonly columns?: readonly string[];
}
/** Writes rows, objects where columns are given and lists where not, as CSV text. */
export class CsvStringifyStream<TOptions extends CsvStringifyStreamOptions> extends TransformStream<
  TOptions["columns"] extends readonly string[] ? Record<string, unknown> : readonly unknown[],
  string
> {
  constructor(options?: TOptions);
}
