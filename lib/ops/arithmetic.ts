import { lifted, type Operand } from "./leaves.ts";
import { apply } from "./table.ts";
import type { Value } from "./value.ts";

/**
 * Element-wise `a + b`, broadcasting: axes are aligned at the right, and those of length 1 are stretched.
 *
 * @returns A value of the broadcast shape.
 * @throws {RangeError} if the shapes do not broadcast.
 *
 * @example A number, and a row to each row
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { add, compute, constant } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(add(constant([1, 2]), 3)), [4, 5]);
 * const rows = constant([1, 2, 3, 4], [2, 2]);
 * assertEquals(await compute(add(rows, constant([10, 20]))), [[11, 22], [13, 24]]);
 * ```
 */
export function add(a: Operand, b: Operand): Value {
  return apply("add", [lifted(a), lifted(b)]);
}

/**
 * Element-wise `a - b`, broadcasting as {@linkcode add} does.
 *
 * @returns A value of the broadcast shape.
 * @throws {RangeError} if the shapes do not broadcast.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, sub } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(sub(constant([1, 2]), 3)), [-2, -1]);
 * ```
 */
export function sub(a: Operand, b: Operand): Value {
  return apply("sub", [lifted(a), lifted(b)]);
}

/**
 * Element-wise `a * b`, broadcasting as {@linkcode add} does.
 *
 * @returns A value of the broadcast shape.
 * @throws {RangeError} if the shapes do not broadcast.
 *
 * @example A weight for each row
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, mul } from "@gatehouse/gatehouse/ops";
 *
 * const rows = constant([1, 2, 3, 4], [2, 2]);
 * assertEquals(await compute(mul(rows, constant([10, 100], [2, 1]))), [[10, 20], [300, 400]]);
 * ```
 */
export function mul(a: Operand, b: Operand): Value {
  return apply("mul", [lifted(a), lifted(b)]);
}

/**
 * Element-wise `a / b`, broadcasting as {@linkcode add} does.
 *
 * @returns A value of the broadcast shape.
 * @throws {RangeError} if the shapes do not broadcast.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, div } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(div(1, constant([2, 4]))), [0.5, 0.25]);
 * ```
 */
export function div(a: Operand, b: Operand): Value {
  return apply("div", [lifted(a), lifted(b)]);
}

/**
 * Element-wise `-x`.
 *
 * @returns A value of the shape of `x`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, neg } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(neg(constant([1, -2]))), [-1, 2]);
 * ```
 */
export function neg(x: Operand): Value {
  return apply("neg", [lifted(x)]);
}

/**
 * The matrix product of two matrices, or one for each leading index.
 *
 * @param a `[m, k]`, or `[e, m, k]`.
 * @param b `[k, n]`, or `[e, k, n]`.
 * @returns `[m, n]`, or `[e, m, n]`.
 * @throws {RangeError} if the inner lengths or the leading ones differ.
 *
 * @example One product, and two at once
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, matmul } from "@gatehouse/gatehouse/ops";
 *
 * const [rows, kernel] = [constant([1, 2, 3, 4], [2, 2]), constant([1, 10], [2, 1])];
 * assertEquals(await compute(matmul(rows, kernel)), [[21], [43]]);
 * const [left, right] = [constant([1, 2, 3, 4], [2, 1, 2]), constant([1, 10, 100, 1000], [2, 2, 1])];
 * assertEquals(await compute(matmul(left, right)), [[[1 + 20]], [[300 + 4000]]]);
 * ```
 */
export function matmul(a: Value, b: Value): Value {
  return apply("matmul", [a, b]);
}

/**
 * Element-wise `x * x`.
 *
 * @returns A value of the shape of `x`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, square } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(square(constant([2, -3]))), [4, 9]);
 * ```
 */
export function square(x: Value): Value {
  return mul(x, x);
}
