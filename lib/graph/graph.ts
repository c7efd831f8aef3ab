import { isShape, isType } from "../ops/settings.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import { apply, ops } from "../ops/table.ts";
import { type Shape, shapeText } from "../ops/shape.ts";
import type { Attrs, Op, Type, Value } from "../ops/value.ts";
import { quoted } from "../errors/quoted.ts";
import { advice } from "../errors/nearest.ts";
import { checkValues, named, type Values } from "./values.ts";
import { merged } from "./walk.ts";

/** One op of a graph: applied to earlier nodes, named by their positions. */
export interface Node {
  /** The op. */
  readonly op: Op;
  /** The positions of the nodes that the op is applied to, all smaller than this node's own. */
  readonly of: readonly number[];
  /** The op's settings. */
  readonly attrs: Attrs;
  /** The shape of the result. */
  readonly shape: Shape;
  /** The type of the elements of the result. */
  readonly type: Type;
}

/** A list of ops in an order in which they can run, and the names of the results. Plain JSON. */
export interface Graph {
  /** The nodes, each after those it is applied to. */
  readonly nodes: readonly Node[];
  /** Result name to node position. */
  readonly outputs: Readonly<Record<string, number>>;
  /** Name of a parameter (or of an optimiser's slot) to the position of the node that replaces it after a run. */
  readonly updates: Readonly<Record<string, number>>;
}

/**
 * Returns values as a graph. Only values that the results need become nodes (no dead code), and equal expressions
 * become one node (common subexpressions).
 *
 * @param outputs The results; those in nested records have their keys joined by "/" as names, `loss/click`.
 * @param updates The new parameters and slots after a run, by their names.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { add, constant, mul } from "@gatehouse/gatehouse/ops";
 * import { graphOf } from "@gatehouse/gatehouse/graph";
 *
 * const sum = () => add(constant(1), constant(2));
 * const { nodes, outputs } = graphOf({ loss: { click: mul(sum(), sum()) } });
 * assertEquals(nodes.map(({ op }) => op), ["constant", "constant", "add", "mul"]);
 * assertEquals([outputs, nodes[3].of], [{ "loss/click": 3 }, [2, 2]]);
 * ```
 */
export function graphOf(outputs: Values, updates: Values = {}): Graph {
  checkValues("write graph", outputs, "outputs");
  checkValues("write graph", updates, "updates");
  const { values, order } = merged({ outputs, updates });
  const positions = new Map(order.map((value, position) => [value, position]));
  const at = (value: Value) => positions.get(value)!;
  const nodes = order.map(({ op, of, attrs, shape, type }) => ({ op, of: of.map(at), attrs, shape, type }));
  const places = (part: Values) => Object.fromEntries(named(part).map(([name, value]) => [name, at(value)]));
  return { nodes, outputs: places(values.outputs), updates: places(values.updates) };
}

/** A readable list of values: a graph, or an expression of a spec, whose nodes do not repeat their shapes. */
export interface Readable {
  /** The nodes, each after those it is applied to. */
  readonly nodes: readonly Pick<Node, "op" | "of" | "attrs">[];
  /** Result name to node position. */
  readonly outputs: Readonly<Record<string, number>>;
  /** As in {@linkcode Graph}. */
  readonly updates?: Readonly<Record<string, number>>;
}

/**
 * Returns the results and updates of a graph as values again.
 *
 * @param change A function to the value that replaces a node, given its arguments; undefined keeps it. Default: all
 * stay.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { add, compute, constant, mul } from "@gatehouse/gatehouse/ops";
 * import { graphOf, valuesOf } from "@gatehouse/gatehouse/graph";
 *
 * const graph = graphOf({ y: add(constant(2), constant(3)) });
 * const { y: product } = valuesOf(graph, ({ op }, of) => op === "add" ? mul(of[0], of[1]) : undefined).outputs;
 * assertEquals([await compute(valuesOf(graph).outputs.y), await compute(product)], [5, 6]);
 * ```
 */
export function valuesOf(
  graph: Readable,
  change: (node: Pick<Node, "op" | "attrs">, of: readonly Value[]) => Value | undefined = () => undefined,
): { readonly outputs: Record<string, Value>; readonly updates: Record<string, Value> } {
  checkReadable("read graph", graph);
  const values: Value[] = [];
  for (const { op, of, attrs } of graph.nodes) {
    const given = of.map((position) => values[position]);
    values.push(change({ op, attrs }, given) ?? apply(op, given, attrs));
  }
  const pick = (positions: Readonly<Record<string, number>> = {}) =>
    Object.fromEntries(Object.entries(positions).map(([name, position]) => [name, values[position]]));
  return { outputs: pick(graph.outputs), updates: pick(graph.updates ?? {}) };
}

/**
 * Checks that a graph has outputs of these names.
 *
 * @throws {TypeError} if it has not, naming the nearest right name.
 */
export function namedOutputs(action: string, { outputs }: Graph, names: readonly string[]): void {
  const at = names.findIndex((name) => typeof name !== "string" || !Object.hasOwn(outputs, name));
  if (at < 0) return;
  const near = advice(names[at], Object.keys(outputs));
  throw new TypeError(`Cannot ${action} graph: no output is named ${kindOf(names[at])}${near}`);
}

/**
 * Returns a graph as text, one line a node: `%3 = matmul(%1, %2) [batch, 64]`.
 * Two graphs are equal exactly if their texts are.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { define, regression } from "@gatehouse/gatehouse";
 * import { forward, plan, print } from "@gatehouse/gatehouse/graph";
 *
 * const graph = forward(plan(define({ input: 2, tasks: { y: regression() } })));
 * assertEquals(
 *   print(graph),
 *   `%0 = input(name="input", type="float") [batch, 2]
 * %1 = parameter(name="tasks/y/head/0/kernel", shape=[2,1], init={"kind":"glorotUniform"}) [2, 1]
 * %2 = matmul(%0, %1) [batch, 1]
 * %3 = parameter(name="tasks/y/head/0/bias", shape=[1], init={"kind":"constant","value":0}) [1]
 * %4 = add(%2, %3) [batch, 1]
 * %5 = reshape(%4) [batch]
 * return y = %5
 * `,
 * );
 * ```
 */
export function print(graph: Graph): string {
  checkGraphForm("print graph", graph);
  const lines = graph.nodes.map(({ op, of, attrs, shape, type }, position) => {
    const settings = Object.entries(attrs)
      .filter(([name]) => op !== "input" && op !== "reshape" && op !== "broadcast" || name !== "shape")
      .map(([name, value]) => `${name}=${JSON.stringify(value)}`);
    const words = [...of.map((argument) => `%${argument}`), ...settings].join(", ");
    return `%${position} = ${op}(${words}) ${shapeText(shape)}${type === "int" ? " int" : ""}`;
  });
  const ends = [
    ...Object.entries(graph.outputs).map(([name, position]) => `return ${name} = %${position}`),
    ...Object.entries(graph.updates).map(([name, position]) => `update ${name} = %${position}`),
  ];
  return [...lines, ...ends, ""].join("\n");
}

/**
 * Makes sure that something has the form of a readable list of values: ops that are known, each applied to nodes before
 * it, and results that are nodes.
 *
 * @throws {TypeError | RangeError} if it has not.
 */
function checkReadable(action: string, found: unknown): asserts found is Readable {
  if (!isRecord(found) || !Array.isArray(found.nodes) || !isRecord(found.outputs)) {
    throw new TypeError(`Cannot ${action}: wanted a graph, as graphOf() returns it, found ${kindOf(found)}`);
  }
  found.nodes.forEach((node: unknown, at) => {
    const fits = isRecord(node) && typeof node.op === "string" && Object.hasOwn(ops, node.op) && isRecord(node.attrs) &&
      Array.isArray(node.of) && node.of.every((place) => Number.isSafeInteger(place) && place >= 0 && place < at);
    if (!fits) throw new TypeError(`Cannot ${action}: node ${at} must be { op, of, attrs }, of nodes before it`);
  });
  for (const [name, place] of Object.entries({ ...found.outputs, ...isRecord(found.updates) ? found.updates : {} })) {
    if (Number.isSafeInteger(place) && (place as number) >= 0 && (place as number) < found.nodes.length) continue;
    throw new RangeError(`Cannot ${action}: ${quoted(name)} must be the place of a node, found ${kindOf(place)}`);
  }
}

/**
 * Makes sure that something has the form of a graph, whose nodes have their shapes and types.
 *
 * @throws {TypeError | RangeError} if it has not.
 */
export function checkGraphForm(action: string, found: unknown): asserts found is Graph {
  checkReadable(action, found);
  const { nodes, updates } = found as Partial<Graph> & Readable;
  const at = (nodes as readonly Node[]).findIndex(({ shape, type }) =>
    !(Array.isArray(shape) && isShape([...shape])) || !isType(type)
  );
  if (at >= 0) throw new TypeError(`Cannot ${action}: node ${at} must have a shape and a type`);
  (nodes as readonly Node[]).forEach(({ op, attrs }, at) => {
    const wrong = Object.entries(ops[op].attrs).find(([name, fits]) => !fits(attrs[name]))?.[0];
    if (wrong === undefined) return;
    const found = kindOf(attrs[wrong]);
    throw new TypeError(`Cannot ${action}: node ${at}, ${op}: ${found} is an invalid ${quoted(wrong)}`);
  });
  if (!isRecord(updates)) throw new TypeError(`Cannot ${action}: updates must be an object, found ${kindOf(updates)}`);
}
