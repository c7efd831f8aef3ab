import { apply } from "./table.ts";
import type { Value } from "./value.ts";

/**
 * One-hot columns side by side, from codes. A code out of range yields zeros.
 *
 * @param codes Of type int, `[batch, columns]`.
 * @param sizes The number of codes of each column.
 * @returns `[batch, sum of sizes]`.
 * @throws {TypeError} if the codes are real numbers.
 * @throws {RangeError} if there is not one size for each column.
 *
 * @example Two columns, of three codes and of two
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, input, multiHot } from "@gatehouse/gatehouse/ops";
 *
 * const codes = input("codes", ["batch", 2], "int");
 * const inputs = { codes: [[1, 0], [2, -1]] };
 * assertEquals(await compute(multiHot(codes, [3, 2]), { inputs }), [[0, 1, 0, 1, 0], [0, 0, 1, 0, 0]]);
 * ```
 */
export function multiHot(codes: Value, sizes: readonly number[]): Value {
  return apply("multiHot", [codes], { sizes });
}

/**
 * Rows of a table by code, added up: `multiHot(codes, sizes)` times the table, without the zeros. A code out of range
 * adds nothing.
 *
 * @param table One row for each code of each column, column after column: `[sum of sizes, width]`.
 * @param codes Of type int, `[batch, columns]`.
 * @param sizes The number of codes of each column.
 * @returns `[batch, width]`.
 * @throws {TypeError} if the codes are real numbers.
 * @throws {RangeError} if the shapes do not fit.
 *
 * @example Two columns of two codes
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, gatherSum, input } from "@gatehouse/gatehouse/ops";
 *
 * const table = constant([1, 10, 2, 20, 3, 30, 4, 40], [4, 2]);
 * const codes = input("codes", ["batch", 2], "int");
 * const inputs = { codes: [[0, 1], [1, -1]] };
 * assertEquals(await compute(gatherSum(table, codes, [2, 2]), { inputs }), [[1 + 4, 10 + 40], [2, 20]]);
 * ```
 */
export function gatherSum(table: Value, codes: Value, sizes: readonly number[]): Value {
  return apply("gatherSum", [table, codes], { sizes });
}

/**
 * One-hot columns of a list of codes, each times its weight, added up: a bag of words. A code out of range adds nothing,
 * and one that stands twice adds both of its weights.
 *
 * @param codes Of type int, `[batch, items]`.
 * @param weights `[batch, items]`, 0 where a list is shorter.
 * @param size The number of codes.
 * @returns `[batch, size]`.
 * @throws {TypeError} if the codes are real numbers, or the size is not a whole number of at least 1.
 * @throws {RangeError} if there is not one weight for each code.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, input, weightedHot } from "@gatehouse/gatehouse/ops";
 *
 * const [codes, weights] = [input("codes", ["batch", 3], "int"), input("weights", ["batch", 3])];
 * const inputs = { codes: [[2, 0, 2], [1, 7, 0]], weights: [[0.5, 1, 2], [3, 1, 0]] };
 * assertEquals(await compute(weightedHot(codes, weights, 3), { inputs }), [[1, 0, 2.5], [0, 3, 0]]);
 * ```
 */
export function weightedHot(codes: Value, weights: Value, size: number): Value {
  return apply("weightedHot", [codes, weights], { size });
}

/**
 * Rows of a table by code, each times its weight, added up: `weightedHot(codes, weights, size)` times the table, without
 * the zeros. A code out of range adds nothing.
 *
 * @param table `[size, width]`.
 * @param codes Of type int, `[batch, items]`.
 * @param weights `[batch, items]`, 0 where a list is shorter.
 * @returns `[batch, width]`.
 * @throws {TypeError} if the codes are real numbers.
 * @throws {RangeError} if the shapes do not fit.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, input, weightedSum } from "@gatehouse/gatehouse/ops";
 *
 * const [codes, weights] = [input("codes", ["batch", 2], "int"), input("weights", ["batch", 2])];
 * const inputs = { codes: [[0, 1], [1, -1]], weights: [[0.5, 2], [1, 1]] };
 * const table = constant([1, 10, 2, 20], [2, 2]);
 * assertEquals(await compute(weightedSum(table, codes, weights), { inputs }), [[0.5 + 4, 5 + 40], [2, 20]]);
 * ```
 */
export function weightedSum(table: Value, codes: Value, weights: Value): Value {
  return apply("weightedSum", [table, codes, weights]);
}
