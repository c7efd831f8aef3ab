import { kindOf, optionsOf } from "../errors/kinds.ts";
import { misapplied } from "../errors/misapplied.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { exp, log } from "./unary.ts";
import { stopGradient } from "./phases.ts";
import { axisOf, mustBeValue, reshape } from "./rearrangements.ts";
import { apply } from "./table.ts";
import type { Value } from "./value.ts";

/** The axes of a reduction (default: the last), and whether they stay with length 1. */
export interface ReduceOptions {
  /** The axes to reduce; negative ones count from the end. Default `[-1]`. */
  readonly axes?: readonly number[];
  /** True if the reduced axes stay, with length 1. Default false. */
  readonly keep?: boolean;
}

/**
 * The sum over axes, the last by default.
 *
 * @param x Such as `[batch, width]`.
 * @returns The shape without the axes, such as `[batch]`.
 * @throws {RangeError} if there is no such axis.
 *
 * @example Over columns, over rows, and with the axis kept
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, sum } from "@gatehouse/gatehouse/ops";
 *
 * const rows = constant([1, 2, 3, 4], [2, 2]);
 * assertEquals(await compute(sum(rows)), [3, 7]);
 * assertEquals(await compute(sum(rows, { axes: [0] })), [4, 6]);
 * assertEquals(await compute(sum(rows, { keep: true })), [[3], [7]]);
 * ```
 */
export function sum(x: Value, options: ReduceOptions = {}): Value {
  return apply("sum", [x], reduceAttrs("sum", x, options));
}

/**
 * The largest element over axes, the last by default. Ties share the gradient.
 *
 * @param x Such as `[batch, width]`.
 * @returns The shape without the axes, such as `[batch]`.
 * @throws {RangeError} if there is no such axis.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, max } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(max(constant([1, 2, 4, 3], [2, 2]))), [2, 4]);
 * ```
 */
export function max(x: Value, options: ReduceOptions = {}): Value {
  return apply("max", [x], reduceAttrs("max", x, options));
}

/**
 * The mean over axes, the last by default.
 *
 * @param x Such as `[batch, width]`.
 * @returns The shape without the axes, such as `[batch]`.
 * @throws {RangeError} if there is no such axis, or if an axis is the batch, whose length the graph does not know.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, mean } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(mean(constant([1, 2, 3, 4], [2, 2]))), [1.5, 3.5]);
 * ```
 */
export function mean(x: Value, options: ReduceOptions = {}): Value {
  const attrs = reduceAttrs("mean", x, options);
  const total = apply("sum", [x], attrs);
  const count = attrs.axes.reduce((product, axis) => {
    const length = x.shape[axis];
    if (typeof length !== "number") {
      throw misapplied(new RangeError("Cannot apply mean: the batch has no fixed length"));
    }
    return product * length;
  }, 1);
  return mul(total, 1 / count);
}

/**
 * `e ** x_i / sum_j e ** x_j` over the last axis, without overflow.
 *
 * @param x `[..., width]`.
 * @returns `[..., width]`, at least 0 and adding up to 1 along the last axis.
 * @throws {RangeError} if `x` is a scalar.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, softmax as softmaxOf } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(softmaxOf(constant([0, 0, 7, -1000], [2, 2]))), [[0.5, 0.5], [1, 0]]);
 * ```
 */
export function softmax(x: Value): Value {
  return apply("softmax", [x]);
}

/**
 * `log(sum_j e ** x_j)` over the last axis, without overflow.
 *
 * @param x `[batch, width]`.
 * @returns `[batch]`.
 * @throws {RangeError} if `x` is a scalar.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, logSumExp } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(logSumExp(constant([0, 0, 1000, -1000], [2, 2]))), [Math.LN2, 1000]);
 * ```
 */
export function logSumExp(x: Value): Value {
  const top = stopGradient(max(x, { keep: true }));
  const total = log(sum(exp(sub(x, top)), { keep: true }));
  return reshape(add(total, top), x.shape.slice(0, -1));
}

function reduceAttrs(op: string, x: Value, options: ReduceOptions): { axes: number[]; keep: boolean } {
  const action = `apply ${op}`;
  const { axes = [-1], keep = false } = optionsOf(action, options, ["axes"], ["keep"]);
  mustBeValue(op, x);
  if (!Array.isArray(axes)) {
    throw misapplied(new TypeError(`Cannot ${action}: axes must be a list, found ${kindOf(axes)}`));
  }
  return { axes: axes.map((axis) => axisOf(op, x, axis)).sort((a, b) => a - b), keep };
}
