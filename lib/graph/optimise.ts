import { apply } from "../ops/table.ts";
import { sameShape } from "../ops/shape.ts";
import type { Attrs, Value } from "../ops/value.ts";
import { type Graph, graphOf, namedOutputs, type Node, valuesOf } from "./graph.ts";

/**
 * The same graph with less work: dead code and common subexpressions go (as in every graph that is written), ops that
 * change nothing go, and arithmetic on constant scalars is done once, here. Differentiate before, not after: where
 * gradients stop is not kept.
 *
 * @param outputs The outputs that are kept, all by default: to serve one task only, name it.
 * @throws {TypeError} if the graph has no output of a name.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, forward, optimise } from "@gatehouse/gatehouse";
 *
 * const both = forward(define({ input: 4, tasks: { click: binary(), like: binary() } }));
 * const one = forward(define({ input: 4, tasks: { click: binary() } }));
 * assertEquals(optimise(both, ["click"]), one);
 * ```
 */
export function optimise(graph: Graph, outputs: readonly string[] = Object.keys(graph.outputs)): Graph {
  namedOutputs("optimise", graph, outputs);
  const values = valuesOf(graph, simpler);
  const kept = outputs.map((name) => [name, values.outputs[name]] as const);
  return graphOf(Object.fromEntries(kept), values.updates);
}

/** A value equal to the op's result but cheaper, or undefined. */
function simpler({ op, attrs }: Pick<Node, "op" | "attrs">, of: readonly Value[]): Value | undefined {
  const [a, b] = of;
  switch (op) {
    case "add":
      return folded(a, b, (x, y) => x + y) ?? neutral(a, b, 0) ?? neutral(b, a, 0);
    case "mul":
      return folded(a, b, (x, y) => x * y) ?? neutral(a, b, 1) ?? neutral(b, a, 1);
    case "sub":
      return folded(a, b, (x, y) => x - y) ?? neutral(a, b, 0);
    case "div":
      return folded(a, b, (x, y) => x / y) ?? neutral(a, b, 1);
    case "neg":
      return a.op === "neg" ? a.of[0] : undefined;
    case "reshape":
      if (sameShape(a.shape, attrs.shape as number[])) return a;
      return a.op === "reshape" ? simpler({ op, attrs }, a.of) ?? apply("reshape", a.of, attrs) : undefined;
    case "broadcast":
      return sameShape(a.shape, attrs.shape as number[]) ? a : undefined;
    case "transpose":
      return transposed(a, attrs.order as number[]);
    case "slice":
      return a.shape[attrs.axis as number] === attrs.size ? a : undefined;
    case "pad":
      return attrs.before === 0 && attrs.after === 0 ? a : undefined;
    case "sum":
      return (attrs.axes as number[]).length === 0 ? a : undefined;
    case "concat":
      return of.length === 1 ? a : undefined;
    case "stopGradient":
      return a;
    default:
      return undefined;
  }
}

/** `a` if `b` is the constant under which it does not change. */
function neutral(a: Value, b: Value, constant: number): Value | undefined {
  return scalarOf(b) === constant && b.shape.length <= a.shape.length ? a : undefined;
}

function folded(a: Value, b: Value, compute: (x: number, y: number) => number): Value | undefined {
  const [x, y] = [scalarOf(a), scalarOf(b)];
  if (x === undefined || y === undefined || a.shape.length + b.shape.length > 0) return undefined;
  const result = compute(x, y);
  return Number.isFinite(result) ? apply("constant", [], { shape: [], data: [result] }) : undefined;
}

function transposed(a: Value, order: readonly number[]): Value | undefined {
  if (order.every((axis, at) => axis === at)) return a;
  if (a.op !== "transpose") return undefined;
  const below = a.attrs.order as number[];
  const attrs: Attrs = { order: order.map((axis) => below[axis]) };
  return simpler({ op: "transpose", attrs }, a.of) ?? apply("transpose", a.of, attrs);
}

/** The number of a constant of one element. */
function scalarOf(value: Value): number | undefined {
  if (value.op !== "constant" || value.shape.some((dim) => dim !== 1)) return undefined;
  return (value.attrs.data as number[])[0];
}
