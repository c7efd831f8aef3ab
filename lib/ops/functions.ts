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

/**
 * Element-wise `a + b`, broadcasting. Shapes: `[...]`, `[...]` to the broadcast shape.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { add, constant } from "@gatehouse/gatehouse";
 *
 * assertEquals(add(constant([1, 2]), 3).shape, [2]);
 * ```
 */
export function add(a: Operand, b: Operand): Value {
  return apply("add", [lift(a), lift(b)]);
}

/**
 * Element-wise `a - b`, broadcasting.
 *
 * Shapes: `[...]` and `[...]` to the broadcast shape.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, sub } from "@gatehouse/gatehouse";
 *
 * assertEquals(sub(constant([1, 2]), 3).shape, [2]);
 * ```
 */
export function sub(a: Operand, b: Operand): Value {
  return apply("sub", [lift(a), lift(b)]);
}

/**
 * Element-wise `a * b`, broadcasting.
 *
 * Shapes: `[...]` and `[...]` to the broadcast shape.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, mul } from "@gatehouse/gatehouse";
 *
 * assertEquals(mul(constant([1, 2]), 3).shape, [2]);
 * ```
 */
export function mul(a: Operand, b: Operand): Value {
  return apply("mul", [lift(a), lift(b)]);
}

/**
 * Element-wise `a / b`, broadcasting.
 *
 * Shapes: `[...]` and `[...]` to the broadcast shape.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, div } from "@gatehouse/gatehouse";
 *
 * assertEquals(div(constant([1, 2]), 4).shape, [2]);
 * ```
 */
export function div(a: Operand, b: Operand): Value {
  return apply("div", [lift(a), lift(b)]);
}

/**
 * Matrix product: `[m, k] x [k, n]` to `[m, n]`, or one product per leading index: `[e, m, k] x [e, k, n]`.
 *
 * @throws {RangeError} if the inner lengths or the leading ones differ.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, matmul } from "@gatehouse/gatehouse";
 *
 * assertEquals(matmul(constant([1, 2], [1, 2]), constant([3, 4], [2, 1])).shape, [1, 1]);
 * ```
 */
export function matmul(a: Value, b: Value): Value {
  return apply("matmul", [a, b]);
}

/**
 * `-x`.
 *
 * Shapes: `[...]` to `[...]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, neg } from "@gatehouse/gatehouse";
 *
 * assertEquals(neg(constant([1, -2])).shape, [2]);
 * ```
 */
export function neg(x: Operand): Value {
  return apply("neg", [lift(x)]);
}

/**
 * `e ** x`.
 *
 * Shapes: `[...]` to `[...]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, exp } from "@gatehouse/gatehouse";
 *
 * assertEquals(exp(constant([0, 1])).shape, [2]);
 * ```
 */
export function exp(x: Operand): Value {
  return apply("exp", [lift(x)]);
}

/**
 * The natural logarithm.
 *
 * Shapes: `[...]` to `[...]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, log } from "@gatehouse/gatehouse";
 *
 * assertEquals(log(constant([1, Math.E])).shape, [2]);
 * ```
 */
export function log(x: Operand): Value {
  return apply("log", [lift(x)]);
}

/**
 * The square root. Its gradient at 0 is infinite.
 *
 * Shapes: `[...]` to `[...]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, sqrt } from "@gatehouse/gatehouse";
 *
 * assertEquals(sqrt(constant([4, 9])).shape, [2]);
 * ```
 */
export function sqrt(x: Operand): Value {
  return apply("sqrt", [lift(x)]);
}

/**
 * `x * x`.
 *
 * Shapes: `[...]` to `[...]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, square } from "@gatehouse/gatehouse";
 *
 * assertEquals(square(constant([2, -3])).shape, [2]);
 * ```
 */
export function square(x: Value): Value {
  return mul(x, x);
}

/**
 * `|x|`, with gradient 0 at 0.
 *
 * Shapes: `[...]` to `[...]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { abs, constant } from "@gatehouse/gatehouse";
 *
 * assertEquals(abs(constant([2, -3])).shape, [2]);
 * ```
 */
export function abs(x: Value): Value {
  return add(relu(x), relu(neg(x)));
}

/**
 * `max(x, 0)`, with gradient 0 at 0.
 *
 * Shapes: `[...]` to `[...]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, relu } from "@gatehouse/gatehouse";
 *
 * assertEquals(relu(constant([2, -3])).shape, [2]);
 * ```
 */
export function relu(x: Value): Value {
  return apply("relu", [x]);
}

/**
 * The logistic function, `1 / (1 + e ** -x)`.
 *
 * Shapes: `[...]` to `[...]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, sigmoid } from "@gatehouse/gatehouse";
 *
 * assertEquals(sigmoid(constant([0, Math.log(3)])).shape, [2]);
 * ```
 */
export function sigmoid(x: Value): Value {
  return apply("sigmoid", [x]);
}

/**
 * The hyperbolic tangent.
 *
 * Shapes: `[...]` to `[...]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, tanh } from "@gatehouse/gatehouse";
 *
 * assertEquals(tanh(constant([0, 1])).shape, [2]);
 * ```
 */
export function tanh(x: Value): Value {
  return apply("tanh", [x]);
}

/**
 * `log(1 + e ** x)`, without overflow.
 *
 * Shapes: `[...]` to `[...]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, softplus } from "@gatehouse/gatehouse";
 *
 * assertEquals(softplus(constant([0, 1000])).shape, [2]);
 * ```
 */
export function softplus(x: Value): Value {
  return apply("softplus", [x]);
}

/**
 * `x * sigmoid(x)`, the Swish or SiLU activation (Ramachandran et al. 2017, with beta = 1).
 *
 * Shapes: `[...]` to `[...]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, swish } from "@gatehouse/gatehouse";
 *
 * assertEquals(swish(constant([0, Math.log(3)])).shape, [2]);
 * ```
 */
export function swish(x: Value): Value {
  return mul(x, sigmoid(x));
}

/**
 * 1 where `a > b`, else 0, broadcasting. No gradient flows.
 *
 * Shapes: `[...]` and `[...]` to the broadcast shape.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, greater } from "@gatehouse/gatehouse";
 *
 * assertEquals(greater(constant([1, 2, 3]), 2).shape, [3]);
 * ```
 */
export function greater(a: Operand, b: Operand): Value {
  return apply("greater", [lift(a), lift(b)]);
}

/**
 * 1 where `a = b`, else 0, broadcasting. No gradient flows.
 *
 * Shapes: `[...]` and `[...]` to the broadcast shape.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, equal } from "@gatehouse/gatehouse";
 *
 * assertEquals(equal(constant([1, 2, 3]), 2).shape, [3]);
 * ```
 */
export function equal(a: Operand, b: Operand): Value {
  return apply("equal", [lift(a), lift(b)]);
}

/**
 * `a` where the condition is not 0, else `b`, broadcasting. No gradient flows to the condition.
 *
 * Shapes: `[...]` and `[...]` to the broadcast shape.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, select } from "@gatehouse/gatehouse";
 *
 * assertEquals(select(constant([1, 0]), constant([2, 3]), -1).shape, [2]);
 * ```
 */
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

/**
 * The sum over axes, the last by default: `[batch, width]` to `[batch]`.
 *
 * @throws {RangeError} if there is no such axis.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, sum } from "@gatehouse/gatehouse";
 *
 * assertEquals(sum(constant([1, 2, 3, 4], [2, 2])).shape, [2]);
 * ```
 */
export function sum(x: Value, options: ReduceOptions = {}): Value {
  return apply("sum", [x], reduceAttrs(x, options));
}

/**
 * The largest element over axes, the last by default. Ties share the gradient.
 *
 * Shapes: `[batch, width]` to `[batch]`.
 *
 * @throws {RangeError} if there is no such axis.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, max } from "@gatehouse/gatehouse";
 *
 * assertEquals(max(constant([1, 2, 4, 3], [2, 2])).shape, [2]);
 * ```
 */
export function max(x: Value, options: ReduceOptions = {}): Value {
  return apply("max", [x], reduceAttrs(x, options));
}

/**
 * The mean over axes, the last by default.
 *
 * @throws {RangeError} if an axis is the batch: its length is not known when the graph is made.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, mean } from "@gatehouse/gatehouse";
 *
 * assertEquals(mean(constant([1, 2, 3, 4], [2, 2])).shape, [2]);
 * ```
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

/**
 * `e ** x_i / sum_j e ** x_j` over the last axis, without overflow.
 *
 * Shapes: `[..., width]` to `[..., width]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, softmaxOf } from "@gatehouse/gatehouse";
 *
 * assertEquals(softmaxOf(constant([0, Math.log(3)])).shape, [2]);
 * ```
 */
export function softmax(x: Value): Value {
  return apply("softmax", [x]);
}

/**
 * 1 where an element is among the `k` largest along the last axis, else 0. Of equal elements the earlier ones come first,
 * on every engine. No gradient flows through it.
 *
 * Shapes: `[..., width]` to `[..., width]`.
 *
 * @param k A whole number from 1 to the width.
 * @throws {TypeError} if `k` is no whole number of at least 1.
 * @throws {RangeError} if `k` is more than the width.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { constant, topMask } from "@gatehouse/gatehouse";
 *
 * assertEquals(topMask(constant([3, 1, 2]), 2).shape, [3]);
 * assertThrows(() => topMask(constant([3, 1, 2]), 4), RangeError, "the last axis of [3] has no 4 elements");
 * ```
 */
export function topMask(x: Value, k: number): Value {
  return apply("topMask", [x], { k });
}

/**
 * The probability that a normal number with mean 0 and variance 1 is at most `x`.
 *
 * Composed of other ops, by the approximation 7.1.26 of Abramowitz and Stegun (1964), which is wrong by less than 1e-7;
 * its gradient is the approximation's own, wrong by less than 3e-6.
 *
 * Shapes: `[...]` to `[...]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, normalCdf } from "@gatehouse/gatehouse";
 *
 * assertEquals(normalCdf(constant([-1, 0, 1])).shape, [3]);
 * ```
 */
export function normalCdf(x: Value): Value {
  const above = greater(x, 0);
  const size = select(above, x, neg(x));
  const t = div(1, add(mul(size, 0.3275911 * Math.SQRT1_2), 1));
  const polynomial = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592, 0]
    .reduce((sum: Operand, number) => add(mul(sum, t), number), 0);
  const tail = mul(mul(polynomial, exp(mul(square(size), -0.5))), 0.5);
  return select(above, sub(1, tail), tail);
}

/**
 * `log(sum_j e ** x_j)` over the last axis, without overflow: `[batch, width]` to `[batch]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, logSumExp } from "@gatehouse/gatehouse";
 *
 * assertEquals(logSumExp(constant([0, Math.log(3)], [1, 2])).shape, [1]);
 * ```
 */
export function logSumExp(x: Value): Value {
  const top = stopGradient(max(x, { keep: true }));
  const total = log(sum(exp(sub(x, top)), { keep: true }));
  return reshape(add(total, top), x.shape.slice(0, -1));
}

/**
 * The same elements in another shape; `"batch"` stands for the rows of the batch.
 *
 * @throws {RangeError} if the number of elements is another.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, reshape } from "@gatehouse/gatehouse";
 *
 * assertEquals(reshape(constant([1, 2, 3, 4]), [2, 2]).shape, [2, 2]);
 * ```
 */
export function reshape(x: Value, shape: Shape): Value {
  return apply("reshape", [x], { shape });
}

/**
 * The elements repeated along axes of length 1 or absent.
 *
 * @throws {RangeError} if the shape does not broadcast to it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { broadcast, constant } from "@gatehouse/gatehouse";
 *
 * assertEquals(broadcast(constant([1, 2]), [2, 2]).shape, [2, 2]);
 * ```
 */
export function broadcast(x: Value, shape: Shape): Value {
  return apply("broadcast", [x], { shape });
}

/**
 * The axes in another order, reversed by default.
 *
 * @throws {RangeError} if the order does not name every axis once.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, transpose } from "@gatehouse/gatehouse";
 *
 * assertEquals(transpose(constant([1, 2, 3, 4], [2, 2])).shape, [2, 2]);
 * ```
 */
export function transpose(x: Value, order?: readonly number[]): Value {
  return apply("transpose", [x], { order: order ?? x.shape.map((_, axis) => x.shape.length - 1 - axis) });
}

/**
 * The values side by side along an axis, the last by default.
 *
 * Shapes: `[batch, a]` and `[batch, b]` to `[batch, a + b]`.
 *
 * @throws {RangeError} if the other lengths differ.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { concat, constant } from "@gatehouse/gatehouse";
 *
 * assertEquals(concat([constant([1, 2]), constant([3])]).shape, [3]);
 * ```
 */
export function concat(values: readonly Value[], axis = -1): Value {
  return values.length === 1 ? values[0] : apply("concat", values, { axis: axisOf(values[0], axis) });
}

/**
 * `size` elements from `start` on, along an axis, the last by default.
 *
 * @throws {RangeError} if they reach beyond the end.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, slice } from "@gatehouse/gatehouse";
 *
 * assertEquals(slice(constant([1, 2, 3]), 1, 2).shape, [2]);
 * ```
 */
export function slice(x: Value, start: number, size: number, axis = -1): Value {
  return apply("slice", [x], { axis: axisOf(x, axis), start, size });
}

/**
 * Zeros before and after, along an axis, the last by default.
 *
 * @throws {TypeError} if a number of zeros is negative.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, pad } from "@gatehouse/gatehouse";
 *
 * assertEquals(pad(constant([1, 2]), 1, 0).shape, [3]);
 * ```
 */
export function pad(x: Value, before: number, after: number, axis = -1): Value {
  return apply("pad", [x], { axis: axisOf(x, axis), before, after });
}

/**
 * One-hot columns side by side: codes `[batch, columns]` to `[batch, sum of sizes]`. A code out of range yields zeros.
 *
 * @throws {TypeError} if the codes are no integers, as those of a feature are.
 * @throws {RangeError} if there is not one size a column.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { constant, multiHot } from "@gatehouse/gatehouse";
 *
 * assertThrows(() => multiHot(constant([1, 0, 2, 1], [2, 2]), [3, 2]), TypeError, "must be int");
 * ```
 */
export function multiHot(codes: Value, sizes: readonly number[]): Value {
  return apply("multiHot", [codes], { sizes });
}

/**
 * Rows of a table by code, added up: `multiHot(codes, sizes)` times the table, without the zeros. A table
 * `[sum of sizes, width]` and codes `[batch, columns]` to `[batch, width]`. A code out of range adds nothing.
 *
 * @throws {TypeError} if the codes are no integers, as those of a feature are.
 * @throws {RangeError} if the shapes are others.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { constant, gatherSum } from "@gatehouse/gatehouse";
 *
 * const table = constant([1, 2, 3, 4], [2, 2]);
 * assertThrows(() => gatherSum(table, constant([1, 0], [2, 1]), [2]), TypeError, "must be int");
 * ```
 */
export function gatherSum(table: Value, codes: Value, sizes: readonly number[]): Value {
  return apply("gatherSum", [table, codes], { sizes });
}

/**
 * The value, with no gradient flowing back through it.
 *
 * Shapes: `[...]` to `[...]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, stopGradient } from "@gatehouse/gatehouse";
 *
 * assertEquals(stopGradient(constant([1, 2])).shape, [2]);
 * ```
 */
export function stopGradient(x: Value): Value {
  return apply("stopGradient", [x]);
}

/**
 * One value while training, another in evaluation. Both have the same shape.
 *
 * Shapes: `[...]` to `[...]`.
 *
 * @throws {RangeError} if the shapes differ.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, inTraining } from "@gatehouse/gatehouse";
 *
 * assertEquals(inTraining(constant([1, 2]), constant([3, 4])).shape, [2]);
 * ```
 */
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
