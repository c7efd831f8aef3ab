import { checkList } from "../errors/kinds.ts";
import { apply, ops } from "../ops/table.ts";
import { broadcastShapes, sameShape, type Shape, sizeOf } from "../ops/shape.ts";
import type { Attrs, Value } from "../ops/value.ts";
import { checkGraphForm, type Graph, graphOf, namedOutputs, type Node, valuesOf } from "./graph.ts";

/**
 * Returns the same graph with less work: dead code and common subexpressions go (as in every graph that is written),
 * ops that change nothing go, and arithmetic on constant scalars is done once, here. Differentiate before, not after:
 * where gradients stop is not kept.
 *
 * @param outputs The outputs that are kept, all by default: to serve one task only, name it.
 * @throws {TypeError} if the graph has no output of a name.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define } from "@gatehouse/gatehouse";
 * import { forward, optimise, plan } from "@gatehouse/gatehouse/graph";
 *
 * const both = forward(plan(define({ input: 4, tasks: { click: binary(), like: binary() } })));
 * const one = forward(plan(define({ input: 4, tasks: { click: binary() } })));
 * assertEquals(optimise(both, ["click"]), one);
 * ```
 */
export function optimise(graph: Graph, some?: readonly string[]): Graph {
  checkGraphForm("optimise graph", graph);
  if (some !== undefined) checkList("optimise graph", "outputs", some);
  const outputs = some ?? Object.keys(graph.outputs);
  namedOutputs("optimise", graph, outputs);
  const values = valuesOf(graph, simpler);
  const kept = outputs.map((name) => [name, values.outputs[name]] as const);
  return graphOf(Object.fromEntries(kept), values.updates);
}

/** A value equal to the op's result but cheaper, or undefined. */
function simpler({ op, attrs }: Pick<Node, "op" | "attrs">, given: readonly Value[]): Value | undefined {
  const of = ops[op].kind === "arithmetic" ? unstretched(given) : given;
  const same = of.every((value, i) => value === given[i]);
  return cheaper({ op, attrs }, of) ?? (same ? undefined : apply(op, of, attrs));
}

/** Returns two values as arithmetic needs them, without a stretching that it does itself. */
function unstretched([a, b]: readonly Value[]): readonly Value[] {
  const shape = broadcastShapes(a.shape, b.shape)!;
  const same = (a: Value, b: Value) => sameShape(broadcastShapes(a.shape, b.shape) ?? [], shape);
  const left = a.op === "broadcast" && same(a.of[0], b) ? a.of[0] : a;
  const right = b.op === "broadcast" && same(left, b.of[0]) ? b.of[0] : b;
  return left === a && right === b ? [a, b] : unstretched([left, right]);
}

/** As {@linkcode simpler}, of arguments that are as they should be. */
function cheaper({ op, attrs }: Pick<Node, "op" | "attrs">, of: readonly Value[]): Value | undefined {
  const [a, b] = of;
  switch (op) {
    case "add":
      return folded(a, b, (x, y) => x + y) ?? neutral(a, b, 0) ?? neutral(b, a, 0) ?? beside(a, b) ?? beside(b, a);
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
      if (a.op === "reshape") return simpler({ op, attrs }, a.of) ?? apply("reshape", a.of, attrs);
      return a.op === "concat" && a.attrs.axis === 0 ? joinedFlat(a, attrs.shape as Shape) : undefined;
    case "broadcast":
      return sameShape(a.shape, attrs.shape as number[]) ? a : undefined;
    case "transpose":
      return transposed(a, attrs.order as number[]);
    case "slice":
      return a.shape[attrs.axis as number] === attrs.size ? a : cut(a, attrs);
    case "pad":
      return attrs.before === 0 && attrs.after === 0 ? a : undefined;
    case "sum":
      return (attrs.axes as number[]).length === 0 ? a : undefined;
    case "concat":
      if (of.length === 1) return a;
      return of.some((part) => part.op === "concat" && part.attrs.axis === attrs.axis)
        ? apply(
          "concat",
          of.flatMap((part) => part.op === "concat" && part.attrs.axis === attrs.axis ? part.of : [part]),
          attrs,
        )
        : undefined;
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

/** Two values padded to lie one behind the other, in zeros. */
function beside(a: Value, b: Value): Value | undefined {
  if (a.op !== "pad" || b.op !== "pad" || a.attrs.axis !== b.attrs.axis) return undefined;
  const [[first], [second], axis] = [a.of, b.of, a.attrs.axis as number];
  const before = a.attrs.before as number;
  if (b.attrs.before !== before + (first.shape[axis] as number) || !sameShape(a.shape, b.shape)) return undefined;
  const parts = [first, second].flatMap((part) => part.op === "concat" && part.attrs.axis === axis ? part.of : [part]);
  const joined = apply("concat", parts, { axis });
  const after = b.attrs.after as number;
  return before + after === 0 ? joined : apply("pad", [joined], { axis, before, after });
}

/** Rows one behind the other, as one row of numbers. */
function joinedFlat({ of }: Value, shape: Shape): Value | undefined {
  if (shape.length !== 1 || of.some((part) => part.shape.includes("batch"))) return undefined;
  return apply("concat", of.map((part) => flat(part)), { axis: 0 });
}

function flat(value: Value): Value {
  const attrs: Attrs = { shape: [sizeOf(value.shape)] };
  return simpler({ op: "reshape", attrs }, [value]) ?? apply("reshape", [value], attrs);
}

/** Rows of a part of an array are a part of the array. */
function cut(a: Value, { axis, start, size }: Attrs): Value | undefined {
  const [from] = a.of;
  if (a.op === "slice" && a.attrs.axis === axis) {
    return apply("slice", [from], { axis, start: (a.attrs.start as number) + (start as number), size });
  }
  if (a.op !== "reshape" || axis !== 0 || from.shape.length !== 1 || a.shape.includes("batch")) return undefined;
  const row = sizeOf(a.shape.slice(1));
  const part: Attrs = { axis: 0, start: (start as number) * row, size: (size as number) * row };
  const cells = simpler({ op: "slice", attrs: part }, [from]) ?? apply("slice", [from], part);
  return apply("reshape", [cells], { shape: [size as number, ...a.shape.slice(1)] });
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
