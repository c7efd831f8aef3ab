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
  /** True if these are all columns of the codes, in order. Default true. */
  readonly whole?: boolean;
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
 * them out or pads them first, which would cost as much as the table is large, at every run; and by the codes that the
 * graph picks its own from.
 */
export function applied(
  { op, of, attrs }: Node,
  nodes: readonly Node[],
): Pick<Place, "columns" | "whole"> & Pick<Node, "of"> {
  if (op !== "gatherSum") return { of };
  const { codes, columns: picked } = unpicked(of[1], columnsOf(attrs.sizes as number[]), nodes);
  const { table, columns } = wholeOf(of[0], picked, nodes);
  const whole = columns.length === nodes[codes].shape[1] && columns.every(({ column }, at) => column === at);
  return { of: [table, codes], columns, whole };
}

/**
 * Returns the position of what is summed in a `gatherSum` or a `scatterAdd`, and that of the codes that name rows, as
 * {@linkcode applied} has them.
 */
export function summedIn(
  node: Node,
  nodes: readonly Node[],
): { readonly summed: number; readonly codes: number; readonly columns: readonly CodeColumn[] } {
  if (node.op === "gatherSum") {
    const { of: [summed, codes], columns } = applied(node, nodes);
    return { summed, codes, columns: columns! };
  }
  return { summed: node.of[1], ...unpicked(node.of[0], columnsOf(node.attrs.sizes as number[]), nodes) };
}

/** Returns the codes that some are picked from, and the columns of them that name rows of a table. */
function unpicked(
  codes: number,
  columns: readonly CodeColumn[],
  nodes: readonly Node[],
): { readonly codes: number; readonly columns: readonly CodeColumn[] } {
  const { op, of: [whole], attrs } = nodes[codes];
  if (op !== "pick") return { codes, columns };
  const [places, first] = [attrs.columns as number[], attrs.first as number[]];
  const inside = columns.map(({ column, least, most, row }) => {
    const by = first[column];
    return { column: places[column], least: least + by, most: most + by, row: row - by };
  });
  return unpicked(whole, inside, nodes);
}

/** Returns true if each code that an input takes names a row of a table in every one of these columns. */
export function allNamed(columns: readonly CodeColumn[], codes: readonly CodeRange[]): boolean {
  return columns.every(({ column, least, most }) => least <= 0 && most >= codes[column].size - 1);
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
