import { apply } from "./table.ts";
import type { Shape } from "./shape.ts";
import type { Value } from "./value.ts";

/** A value, or a number that stands for a constant of shape `[]`. */
export type Operand = Value | number;

/**
 * A constant of the given shape, from its elements in row-major order.
 *
 * @param data The elements, all finite.
 * @param shape The shape, `[length]` by default and `[]` for a single number.
 * @throws {RangeError} if the number of elements is not the shape's.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant } from "@gatehouse/gatehouse";
 *
 * assertEquals(constant([1, 2, 3]).shape, [3]);
 * ```
 */
export function constant(data: number | readonly number[], shape?: readonly number[]): Value {
  const numbers = typeof data === "number" ? [data] : [...data];
  return apply("constant", [], { shape: shape ?? (typeof data === "number" ? [] : [data.length]), data: numbers });
}

/** Element-wise `a + b`, broadcasting. Shapes: `[...]`, `[...]` to the broadcast shape. */
export function add(a: Operand, b: Operand): Value {
  return apply("add", [lift(a), lift(b)]);
}

/** Element-wise `a - b`, broadcasting. */
export function sub(a: Operand, b: Operand): Value {
  return apply("sub", [lift(a), lift(b)]);
}

/** Element-wise `a * b`, broadcasting. */
export function mul(a: Operand, b: Operand): Value {
  return apply("mul", [lift(a), lift(b)]);
}

/** Element-wise `a / b`, broadcasting. */
export function div(a: Operand, b: Operand): Value {
  return apply("div", [lift(a), lift(b)]);
}

/** Matrix product: `[m, k] x [k, n]` to `[m, n]`, or one product per leading index: `[e, m, k] x [e, k, n]`. */
export function matmul(a: Value, b: Value): Value {
  return apply("matmul", [a, b]);
}

/** `-x`. */
export function neg(x: Operand): Value {
  return apply("neg", [lift(x)]);
}

/** `e ** x`. */
export function exp(x: Operand): Value {
  return apply("exp", [lift(x)]);
}

/** The natural logarithm. */
export function log(x: Operand): Value {
  return apply("log", [lift(x)]);
}

/** The square root. Its gradient at 0 is infinite. */
export function sqrt(x: Operand): Value {
  return apply("sqrt", [lift(x)]);
}

/** `x * x`. */
export function square(x: Value): Value {
  return mul(x, x);
}

/** `|x|`, with gradient 0 at 0. */
export function abs(x: Value): Value {
  return add(relu(x), relu(neg(x)));
}

/** `max(x, 0)`, with gradient 0 at 0. */
export function relu(x: Value): Value {
  return apply("relu", [x]);
}

/** The logistic function, `1 / (1 + e ** -x)`. */
export function sigmoid(x: Value): Value {
  return apply("sigmoid", [x]);
}

/** The hyperbolic tangent. */
export function tanh(x: Value): Value {
  return apply("tanh", [x]);
}

/** `log(1 + e ** x)`, without overflow. */
export function softplus(x: Value): Value {
  return apply("softplus", [x]);
}

/** `x * sigmoid(x)`, the Swish or SiLU activation (Ramachandran et al. 2017, with beta = 1). */
export function swish(x: Value): Value {
  return mul(x, sigmoid(x));
}

/** 1 where `a > b`, else 0, broadcasting. No gradient flows. */
export function greater(a: Operand, b: Operand): Value {
  return apply("greater", [lift(a), lift(b)]);
}

/** 1 where `a = b`, else 0, broadcasting. No gradient flows. */
export function equal(a: Operand, b: Operand): Value {
  return apply("equal", [lift(a), lift(b)]);
}

/** `a` where the condition is not 0, else `b`, broadcasting. No gradient flows to the condition. */
export function select(condition: Value, a: Operand, b: Operand): Value {
  return apply("select", [condition, lift(a), lift(b)]);
}

/** How a reduction treats axes: which (default: the last), and whether they stay with length 1. */
export interface ReduceOptions {
  /** The axes to reduce; negative ones count from the end. Default `[-1]`. */
  readonly axes?: readonly number[];
  /** Whether the reduced axes stay, with length 1. Default false. */
  readonly keep?: boolean;
}

/** The sum over axes, the last by default: `[batch, width]` to `[batch]`. */
export function sum(x: Value, options: ReduceOptions = {}): Value {
  return apply("sum", [x], reduceAttrs(x, options));
}

/** The largest element over axes, the last by default. Ties share the gradient. */
export function max(x: Value, options: ReduceOptions = {}): Value {
  return apply("max", [x], reduceAttrs(x, options));
}

/**
 * The mean over axes, the last by default.
 *
 * @throws {RangeError} if an axis is the batch: its length is not known when the graph is made.
 */
export function mean(x: Value, options: ReduceOptions = {}): Value {
  const attrs = reduceAttrs(x, options);
  const total = apply("sum", [x], attrs);
  const count = attrs.axes.reduce((product, axis) => {
    const length = x.shape[axis];
    if (typeof length !== "number") throw new RangeError("Cannot apply mean: the batch has no fixed length");
    return product * length;
  }, 1);
  return mul(total, 1 / count);
}

/** `e ** x_i / sum_j e ** x_j` over the last axis, without overflow. */
export function softmaxOf(x: Value): Value {
  return apply("softmax", [x]);
}

/** `log(sum_j e ** x_j)` over the last axis, without overflow: `[batch, width]` to `[batch]`. */
export function logSumExp(x: Value): Value {
  const top = stopGradient(max(x, { keep: true }));
  const total = log(sum(exp(sub(x, top)), { keep: true }));
  return reshape(add(total, top), x.shape.slice(0, -1));
}

/** The same elements in another shape; `"batch"` stands for the rows of the batch. */
export function reshape(x: Value, shape: Shape): Value {
  return apply("reshape", [x], { shape });
}

/** The elements repeated along axes of length 1 or absent. */
export function broadcast(x: Value, shape: Shape): Value {
  return apply("broadcast", [x], { shape });
}

/** The axes in another order, reversed by default. */
export function transpose(x: Value, order?: readonly number[]): Value {
  return apply("transpose", [x], { order: order ?? x.shape.map((_, axis) => x.shape.length - 1 - axis) });
}

/** The values side by side along an axis, the last by default. */
export function concat(values: readonly Value[], axis = -1): Value {
  return values.length === 1 ? values[0] : apply("concat", values, { axis: axisOf(values[0], axis) });
}

/** `size` elements from `start` on, along an axis, the last by default. */
export function slice(x: Value, start: number, size: number, axis = -1): Value {
  return apply("slice", [x], { axis: axisOf(x, axis), start, size });
}

/** Zeros before and after, along an axis, the last by default. */
export function pad(x: Value, before: number, after: number, axis = -1): Value {
  return apply("pad", [x], { axis: axisOf(x, axis), before, after });
}

/** One-hot columns side by side: codes `[batch, columns]` to `[batch, sum of sizes]`. A code out of range yields zeros. */
export function multiHot(codes: Value, sizes: readonly number[]): Value {
  return apply("multiHot", [codes], { sizes });
}

/** Rows of a table by code: `[rows, width]` and codes `[batch]` to `[batch, width]`. A code out of range yields zeros. */
export function gather(table: Value, codes: Value): Value {
  return apply("gather", [table, codes]);
}

/** The value, with no gradient flowing back through it. */
export function stopGradient(x: Value): Value {
  return apply("stopGradient", [x]);
}

/** One value while training, another in evaluation. Both have the same shape. */
export function inTraining(training: Value, evaluation: Value): Value {
  return apply("inTraining", [training, evaluation]);
}

function lift(x: Operand): Value {
  return typeof x === "number" ? constant(x) : x;
}

function axisOf(x: Value, axis: number): number {
  return axis < 0 ? axis + x.shape.length : axis;
}

function reduceAttrs(x: Value, { axes = [-1], keep = false }: ReduceOptions): { axes: number[]; keep: boolean } {
  return { axes: axes.map((axis) => axisOf(x, axis)).sort((a, b) => a - b), keep };
}
