import type { Node } from "../graph/graph.ts";
import type { Shape } from "../ops/shape.ts";
import type { Attrs, Op } from "../ops/value.ts";

/** The place of an op in a graph that is written for other programs. */
export interface Place {
  /** The op's settings. */
  readonly attrs: Attrs;
  /** The shape of the result. */
  readonly shape: Shape;
  /** The shapes of the arguments. */
  readonly of: readonly Shape[];
  /** The columns of codes of a gatherSum, and the rows that they name. Default: those of its sizes. */
  readonly columns?: readonly CodeColumn[];
  /** True if every code of a gatherSum names a row: those of an input that did not were replaced. Default false. */
  readonly known?: boolean;
}

/** The codes that an input takes in one of its columns: the reserved ones first, then those of words. */
export interface CodeRange {
  /** The number of codes, from 0. */
  readonly size: number;
  /** The code of unknown words, or the first of their codes; that of missing texts where every word has a code. */
  readonly unknown: number;
  /** The number of codes of unknown words, from `unknown` on: a word has that of its hash. Absent: 1. */
  readonly unknowns?: number;
  /** The code of a missing text; absent if that counts as an unknown word. */
  readonly missing?: number;
}

/** A column of codes, and the rows of a table that its codes name. */
export interface CodeColumn {
  /** The number of the column. */
  readonly column: number;
  /** The least code that names a row. */
  readonly least: number;
  /** The greatest code that names a row. */
  readonly most: number;
  /** The row of code 0, which the table need not have. */
  readonly row: number;
}

/** Returns the columns of codes of these sizes, whose one-hot places are the rows of a table. */
export function columnsOf(sizes: readonly number[]): readonly CodeColumn[] {
  let row = 0;
  return sizes.map((size, column) => ({ column, least: 0, most: size - 1, row: (row += size) - size }));
}

/**
 * Returns the arguments of an op in the file, by position. Rows are gathered from a whole table where the graph cuts
 * them out or pads them first, which would cost as much as the table is large, at every run.
 */
export function applied({ op, of, attrs }: Node, nodes: readonly Node[]): Pick<Place, "columns"> & Pick<Node, "of"> {
  if (op !== "gatherSum") return { of };
  const { table, columns } = wholeOf(of[0], columnsOf(attrs.sizes as number[]), nodes);
  return { of: [table, of[1]], columns };
}

/** Returns true if codes of these sizes name a row of a table in every one of its columns. */
export function allNamed(columns: readonly CodeColumn[], sizes: readonly number[]): boolean {
  return columns.every(({ column, least, most }) => least === 0 && most === sizes[column] - 1);
}

/** Returns the table that a table is cut or padded from, and the columns of codes that name rows of it. */
function wholeOf(
  table: number,
  columns: readonly CodeColumn[],
  nodes: readonly Node[],
): { readonly table: number; readonly columns: readonly CodeColumn[] } {
  const { op, of: [whole], attrs } = nodes[table];
  if (op !== "slice" && op !== "pad" || attrs.axis !== 0) return { table, columns };
  const start = op === "slice" ? attrs.start as number : -(attrs.before as number); // the whole's row that is row 0
  const count = nodes[whole].shape[0] as number;
  const inside = columns.map((column) => {
    const row = column.row + start;
    return { ...column, row, least: Math.max(column.least, -row), most: Math.min(column.most, count - 1 - row) };
  }).filter(({ least, most }) => least <= most);
  return inside.length === 0 ? { table, columns } : wholeOf(whole, inside, nodes);
}

/** Returns the positions of all nodes that results are made of, where nodes are applied to what is given for each. */
export function reached(
  nodes: readonly Node[],
  results: readonly number[],
  argumentsOf: (node: Node) => readonly number[],
): ReadonlySet<number> {
  const needed = new Set(results);
  for (let position = nodes.length - 1; position >= 0; position--) {
    if (needed.has(position)) argumentsOf(nodes[position]).forEach((argument) => needed.add(argument));
  }
  return needed;
}

/** Writes one op, given the names of the values that it is applied to, and returns the name of the result. */
export type Translation<Writer> = (write: Writer, of: readonly string[], place: Place) => string;

/** The ops that are translated: all but what is fed or stored, and phases. */
export type Translated = Exclude<Op, "input" | "parameter" | "noise" | "constant" | "inTraining">;

/** Returns true if an op is fed in every run. */
export function isFed(op: Op): op is "input" | "noise" {
  return op === "input" || op === "noise";
}
