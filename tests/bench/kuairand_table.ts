import { type Columns, encode, type Features, labels, type Lists } from "../../mod.ts";

/** Rows of a log with their features, as programs in other languages read them. */
export interface Table {
  /** The form of the table, which is written as JSON. */
  readonly form: TableForm;
  /** Yields the table as CSV, in pieces. */
  readonly csv: () => Generator<string>;
}

/** The columns of a table. */
export interface TableForm {
  /** The inputs that it has, such as `raw`. */
  readonly inputs: string;
  /** The number of rows. */
  readonly rows: number;
  /** The parts of the rows, of which the column `split` holds the position. */
  readonly splits: readonly string[];
  /** The columns of labels: 0 or 1. */
  readonly tasks: readonly string[];
  /** The columns of codes, and how many codes there are: 0 is a missing word, 1 an unknown one. */
  readonly categories: Readonly<Record<string, number>>;
  /** The columns of lists of codes, with spaces between, how many codes there are, and how long the longest list is. */
  readonly lists: Readonly<Record<string, { readonly size: number; readonly most: number }>>;
  /** The columns of numbers as they are, of nine figures: nothing where one is missing. */
  readonly numbers: readonly string[];
}

/** The rows of a table, and what they are. */
export interface Log {
  /** The name of the inputs. */
  readonly inputs: string;
  /** The columns, labels and features alike. */
  readonly columns: Columns;
  /** The features, fitted on the rows to train on. */
  readonly features: Features;
  /** The names of the parts of the rows. */
  readonly splits: readonly string[];
  /** The position of each row's part `[rows]`. */
  readonly split: ArrayLike<number>;
  /** The columns of labels. */
  readonly tasks: readonly string[];
  /** The column whose texts are the groups within which rows are ranked. */
  readonly group: string;
}

/**
 * Returns a log as a table: codes by the vocabularies that a model of ours has, numbers as they are. Column `group` has a
 * number for each group, unknown users among them. Numbers in buckets are left out where they are there as numbers too.
 *
 * @throws {TypeError} if a feature is of a kind that is neither a number nor words.
 */
export function tableOf({ inputs, columns, features, splits, split, tasks, group }: Log): Table {
  const encoded = encode(features, columns);
  const named = Object.entries(features);
  const categories = named.flatMap(([name, feature]) => feature.kind === "category" ? [{ name, feature }] : []);
  const numbers = named.flatMap(([name, { kind }]) => kind === "numeric" ? [name] : []);
  const lists = Object.fromEntries(
    named.flatMap(([name, feature]) => {
      if (feature.kind !== "bag" && feature.kind !== "sequence") return [];
      const owner = features[feature.like ?? name] as typeof feature;
      return [[name, { size: sizeOf(owner), most: longest(encoded.lists![name]) }]];
    }),
  );
  for (const [name, { kind }] of named) {
    const known = ["numeric", "category", "bag", "sequence"].includes(kind) ||
      kind === "bucketed" && numbers.some((other) => areAlike(valuesOf(columns, other), valuesOf(columns, name)));
    if (!known) {
      throw new TypeError(`Cannot write table\n  at ${name}: a feature of kind ${kind} has no column of its own`);
    }
  }
  const groups = columns.columns[group];
  if (groups?.kind !== "text") throw new TypeError(`Cannot write table: no column of text is named "${group}"`);
  const truth = labels(columns, Object.fromEntries(tasks.map((task) => [task, task])));
  const cells: [string, (row: number) => string | number][] = [
    ["split", (row) => split[row]],
    ["group", (row) => groups.codes[row]],
    ...tasks.map((task): typeof cells[number] => [task, (row) => truth[task][row]]),
    ...categories.map(({ name }, at): typeof cells[number] => {
      return [name, (row) => encoded.inputs.category[row * categories.length + at]];
    }),
    ...Object.keys(lists).map((name): typeof cells[number] => {
      const { starts, codes } = encoded.lists![name];
      return [name, (row) => codes.subarray(starts[row], starts[row + 1]).join(" ")];
    }),
    ...numbers.map((name): typeof cells[number] => {
      const values = valuesOf(columns, name)!;
      return [name, (row) => Number.isNaN(values[row]) ? "" : Number(values[row].toPrecision(9))];
    }),
  ];
  const sizes = Object.fromEntries(categories.map(({ name, feature }) => [name, sizeOf(feature)]));
  return {
    form: { inputs, rows: columns.count, splits, tasks, categories: sizes, lists, numbers },
    csv: () => csvOf(columns.count, cells),
  };
}

/** Returns how many codes a vocabulary has: those of a missing and of an unknown word come first. */
function sizeOf({ words, unknowns = 1 }: { readonly words?: readonly string[]; readonly unknowns?: number }): number {
  return 1 + unknowns + (words?.length ?? 0);
}

function longest({ starts }: Lists): number {
  return starts.subarray(1).reduce((most, end, row) => Math.max(most, end - starts[row]), 0);
}

function valuesOf({ columns }: Columns, name: string): Float64Array | undefined {
  const column = columns[name];
  return column.kind === "number" ? column.values : undefined;
}

/** Returns true if two columns hold the same numbers, NaN among them. */
function areAlike(one: Float64Array | undefined, other: Float64Array | undefined): boolean {
  return one !== undefined && one.length === other?.length && one.every((value, row) => Object.is(value, other[row]));
}

function* csvOf(rows: number, cells: readonly [string, (row: number) => string | number][]): Generator<string> {
  yield `${cells.map(([name]) => JSON.stringify(name)).join()}\n`;
  for (let row = 0; row < rows; row++) yield `${cells.map(([, cell]) => cell(row)).join()}\n`;
}
