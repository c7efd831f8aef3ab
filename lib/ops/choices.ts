import { lifted, type Operand } from "./leaves.ts";
import { apply } from "./table.ts";
import type { Value } from "./value.ts";

/**
 * 1 where `a > b`, else 0, broadcasting. No gradient flows through it.
 *
 * @returns A value of the broadcast shape.
 * @throws {RangeError} if the shapes do not broadcast.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, greater } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(greater(constant([1, 2, 3]), 2)), [0, 0, 1]);
 * ```
 */
export function greater(a: Operand, b: Operand): Value {
  return apply("greater", [lifted(a), lifted(b)]);
}

/**
 * 1 where `a = b`, else 0, broadcasting. No gradient flows through it.
 *
 * @returns A value of the broadcast shape.
 * @throws {RangeError} if the shapes do not broadcast.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, equal } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(equal(constant([1, 2, 3]), 2)), [0, 1, 0]);
 * ```
 */
export function equal(a: Operand, b: Operand): Value {
  return apply("equal", [lifted(a), lifted(b)]);
}

/**
 * `a` where the condition is not 0, else `b`, broadcasting. No gradient flows to the condition.
 *
 * @returns A value of the broadcast shape.
 * @throws {RangeError} if the shapes do not broadcast.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, select } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(select(constant([1, 0]), constant([2, 3]), -1)), [2, -1]);
 * ```
 */
export function select(condition: Value, a: Operand, b: Operand): Value {
  return apply("select", [condition, lifted(a), lifted(b)]);
}

/**
 * 1 where an element is among the `k` largest along the last axis, else 0. Of equal elements the earlier ones come
 * first, on every engine. No gradient flows through it.
 *
 * @param x `[..., width]`.
 * @param k A whole number from 1 to the width.
 * @returns `[..., width]`.
 * @throws {TypeError} if `k` is not a whole number of at least 1.
 * @throws {RangeError} if `k` is more than the width.
 *
 * @example The two largest, and the earlier of equals
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { compute, constant, topMask } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(topMask(constant([3, 1, 2, 2, 2, 2], [2, 3]), 2)), [[1, 0, 1], [1, 1, 0]]);
 * assertThrows(() => topMask(constant([3, 1, 2]), 4), RangeError, "the last axis of [3] has no 4 elements");
 * ```
 */
export function topMask(x: Value, k: number): Value {
  return apply("topMask", [x], { k });
}
