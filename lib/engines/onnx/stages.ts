import { type Graph, graphOf, type Node } from "../../graph/graph.ts";
import { type CodeColumn, isFed, summedIn } from "../../formats/translation.ts";
import { type Shape, sizeOf } from "../../ops/shape.ts";
import { apply } from "../../ops/table.ts";
import { sumsRows } from "../row_sums.ts";
import type { Value } from "../../ops/value.ts";

/** A part of a graph, and the sums that are made before it runs. */
export interface Stage {
  /** The sums, which this part and later ones take as inputs. */
  readonly sums: readonly RowSum[];
  /** The part. What it takes from earlier ones are inputs, and what later ones take are outputs. */
  readonly graph: Graph;
}

/** Rows of a table summed for each row of the codes that name them, or rows added to those of a table that are named. */
export interface RowSum {
  /** The op. */
  readonly op: "gatherSum" | "scatterAdd";
  /** The name under which it is handed over. */
  readonly name: string;
  /** The shape of what is summed. */
  readonly from: Shape;
  /** The shape of the result. */
  readonly shape: Shape;
  /** The name of what is summed: of a parameter, or of what is fed or handed over. */
  readonly summed: string;
  /** True if that is a parameter. */
  readonly stored: boolean;
  /** The name of the input of codes. */
  readonly codes: string;
  /** The columns of the codes, and the rows of the table that they name. */
  readonly columns: readonly CodeColumn[];
}

/** The most numbers of a table that is copied to where its rows are summed. */
const largest = 2 ** 26;

/**
 * Cuts a graph where rows are summed by codes that it is fed: ONNX Runtime has no op for that, and would write each row
 * down before it sums. All else is in the earliest part that it can be in.
 */
export function stagesOf({ nodes, outputs, updates }: Graph): readonly Stage[] {
  const sums = nodes.map((node, position) => rowSumOf(node, position, nodes));
  const stages: number[] = [];
  nodes.forEach(({ of }, position) => {
    const sum = sums[position];
    const before = of.map((argument) => stages[argument]);
    if (sum === undefined) stages.push(Math.max(0, ...before));
    else stages.push(isLeaf(nodes[sum.at]) ? 0 : stages[sum.at] + 1);
  });
  const handed = new Set<number>();
  nodes.forEach(({ of }, position) => {
    const taken = sums[position] === undefined ? of : [sums[position].at];
    taken.filter((argument) => stages[argument] < stages[position]).forEach((argument) => handed.add(argument));
  });
  return Array.from({ length: Math.max(0, ...stages) + 1 }, (_, stage) => {
    const mine = (position: number) => stages[position] === stage;
    const values = valuesIn(nodes, (position) => mine(position) && sums[position] === undefined);
    const given = [...handed].filter((at) => mine(at) && sums[at] === undefined && !isLeaf(nodes[at]));
    const ends = (all: Graph["outputs"]) =>
      Object.entries(all).filter(([, at]) => mine(at)).map(([name, at]) => [name, values[at]] as const);
    const passed = given.map((at) => [nameOf(at, nodes), values[at]] as const);
    const part = graphOf(Object.fromEntries([...ends(outputs), ...passed]), Object.fromEntries(ends(updates)));
    return {
      sums: sums.flatMap((sum, position) => sum !== undefined && mine(position) ? [sum.sum] : []),
      graph: counting(part, nodes),
    };
  });
}

/** Returns a part with an input that has the number of rows in the batch, if the whole has one. */
function counting(part: Graph, nodes: readonly Node[]): Graph {
  const counts = ({ op, shape }: Node) => isFed(op) && shape.includes("batch");
  return part.nodes.some(counts) ? part : { ...part, nodes: [...part.nodes, ...nodes.filter(counts).slice(0, 1)] };
}

/** Returns the sum that a node is, and the position of what is summed; undefined if it is left to ONNX Runtime. */
function rowSumOf(
  node: Node,
  position: number,
  nodes: readonly Node[],
): { readonly sum: RowSum; readonly at: number } | undefined {
  const { op, shape } = node;
  if (!sumsRows || op !== "gatherSum" && op !== "scatterAdd") return undefined;
  const { summed, codes, columns } = summedIn(node, nodes);
  const from = nodes[summed].shape;
  const table = (op === "gatherSum" ? from : shape) as readonly number[];
  if (nodes[codes].op !== "input" || nodes[summed].op === "constant" || sizeOf(table) > largest) return undefined;
  const stored = nodes[summed].op === "parameter";
  const names = { name: nameOf(position, nodes), summed: nameOf(summed, nodes), codes: nameOf(codes, nodes) };
  return { sum: { op, ...names, from, shape, stored, columns }, at: summed };
}

/** The values of nodes, where those that are not computed here are inputs. */
function valuesIn(nodes: readonly Node[], computed: (position: number) => boolean): readonly Value[] {
  const values: Value[] = [];
  nodes.forEach((node, position) => {
    const { op, of, attrs, shape, type } = node;
    const own = isLeaf(node) || computed(position);
    const given = { name: nameOf(position, nodes), shape, type };
    values.push(own ? apply(op, of.map((at) => values[at]), attrs) : apply("input", [], given));
  });
  return values;
}

/** Returns the name of what is fed or stored, and that under which anything else is handed over. */
function nameOf(position: number, nodes: readonly Node[]): string {
  return isLeaf(nodes[position]) ? nodes[position].attrs.name as string : `handed over %${position}`;
}

function isLeaf({ op }: Node): boolean {
  return isFed(op) || op === "parameter" || op === "constant";
}
