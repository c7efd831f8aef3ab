import { kindOf } from "../errors/kinds.ts";
import { misapplied } from "../errors/misapplied.ts";
import type { Shape } from "./shape.ts";
import { apply, isValue } from "./table.ts";
import type { Value } from "./value.ts";

/**
 * The same elements in another shape; `"batch"` stands for the rows of the batch.
 *
 * @returns A value of that shape.
 * @throws {RangeError} if the shapes do not hold the same number of elements.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, reshape } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(reshape(constant([1, 2, 3, 4]), [2, 2])), [[1, 2], [3, 4]]);
 * ```
 */
export function reshape(x: Value, shape: Shape): Value {
  return apply("reshape", [x], { shape });
}

/**
 * The elements repeated along axes of length 1 or absent.
 *
 * @returns A value of that shape.
 * @throws {RangeError} if the shape of `x` does not broadcast to it.
 *
 * @example A row for each of three, and a column
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { broadcast, compute, constant } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(broadcast(constant([1, 2]), [3, 2])), [[1, 2], [1, 2], [1, 2]]);
 * assertEquals(await compute(broadcast(constant([1, 2], [2, 1]), [2, 3])), [[1, 1, 1], [2, 2, 2]]);
 * ```
 */
export function broadcast(x: Value, shape: Shape): Value {
  return apply("broadcast", [x], { shape });
}

/**
 * The axes in another order, reversed by default.
 *
 * @param order For each axis of the result, the axis of `x` that it is.
 * @returns A value whose lengths are in that order.
 * @throws {TypeError} if the order names an axis twice.
 * @throws {RangeError} if the order does not name every axis.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, transpose } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(transpose(constant([1, 2, 3, 4, 5, 6], [2, 3]))), [[1, 4], [2, 5], [3, 6]]);
 * assertEquals(await compute(transpose(constant([1, 2], [1, 1, 2]), [0, 2, 1])), [[[1], [2]]]);
 * ```
 */
export function transpose(x: Value, order?: readonly number[]): Value {
  mustBeValue("transpose", x);
  return apply("transpose", [x], { order: order ?? x.shape.map((_, axis) => x.shape.length - 1 - axis) });
}

/**
 * The values side by side along an axis, the last by default.
 *
 * @param values At least one, such as `[batch, a]` and `[batch, b]`.
 * @returns One value, such as `[batch, a + b]`.
 * @throws {RangeError} if the other lengths differ.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, concat, constant } from "@gatehouse/gatehouse/ops";
 *
 * const [wide, narrow] = [constant([1, 2, 3, 4], [2, 2]), constant([5, 6], [2, 1])];
 * assertEquals(await compute(concat([wide, narrow])), [[1, 2, 5], [3, 4, 6]]);
 * assertEquals(await compute(concat([wide, constant([7, 8], [1, 2])], 0)), [[1, 2], [3, 4], [7, 8]]);
 * ```
 */
export function concat(values: readonly Value[], axis = -1): Value {
  if (!Array.isArray(values) || values.length === 0) {
    const found = Array.isArray(values) ? "none" : kindOf(values);
    throw misapplied(new TypeError(`Cannot apply concat: the values must be a list of at least one, found ${found}`));
  }
  const at = axisOf("concat", values[0], axis);
  return values.length === 1 ? values[0] : apply("concat", values, { axis: at });
}

/**
 * `size` elements from `start` on, along an axis, the last by default.
 *
 * @param start The place of the first, from 0.
 * @param size Their number, at least 1.
 * @returns The shape with that length along the axis, such as `[batch, size]`.
 * @throws {RangeError} if they reach beyond the end.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, slice } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(slice(constant([1, 2, 3, 4, 5, 6], [2, 3]), 1, 2)), [[2, 3], [5, 6]]);
 * ```
 */
export function slice(x: Value, start: number, size: number, axis = -1): Value {
  return apply("slice", [x], { axis: axisOf("slice", x, axis), start, size });
}

/**
 * Zeros before and after, along an axis, the last by default.
 *
 * @param before The number of zeros in front, at least 0.
 * @param after The number of zeros at the end, at least 0.
 * @returns The shape, longer by both along the axis.
 * @throws {TypeError} if a number of zeros is negative.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, pad } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(pad(constant([1, 2]), 1, 2)), [0, 1, 2, 0, 0]);
 * ```
 */
export function pad(x: Value, before: number, after: number, axis = -1): Value {
  return apply("pad", [x], { axis: axisOf("pad", x, axis), before, after });
}

/** Makes sure that what an op is applied to is a value, before its shape is read. */
export function mustBeValue(op: string, x: unknown): void {
  if (isValue(x)) return;
  throw misapplied(new TypeError(`Cannot apply ${op}: argument 0 must be a value, found ${kindOf(x)}`));
}

/** Returns an axis of what an op is applied to, counted from 0; negative ones count from the end. */
export function axisOf(op: string, x: Value, axis: number): number {
  mustBeValue(op, x);
  if (typeof axis !== "number") {
    throw misapplied(new TypeError(`Cannot apply ${op}: the axis must be a number, found ${kindOf(axis)}`));
  }
  return axis < 0 ? axis + x.shape.length : axis;
}
