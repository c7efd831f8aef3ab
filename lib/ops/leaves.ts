import { kindOf } from "../errors/kinds.ts";
import { misapplied } from "../errors/misapplied.ts";
import type { Shape } from "./shape.ts";
import { apply } from "./table.ts";
import type { Type, Value } from "./value.ts";

/** A value, or a number that stands for a constant of shape `[]`. */
export type Operand = Value | number;

/**
 * A constant of the given shape, from its elements in row-major order.
 *
 * @param data The elements, all finite.
 * @param shape The shape, `[length]` by default and `[]` for a single number.
 * @throws {RangeError} if the number of elements is not that of the shape.
 *
 * @example A number, a list, a matrix
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(constant(5)), 5);
 * assertEquals(await compute(constant([1, 2, 3])), [1, 2, 3]);
 * assertEquals(await compute(constant([1, 2, 3, 4, 5, 6], [2, 3])), [[1, 2, 3], [4, 5, 6]]);
 * ```
 */
export function constant(data: number | readonly number[], shape?: readonly number[]): Value {
  if (typeof data !== "number" && !Array.isArray(data) && !ArrayBuffer.isView(data)) {
    throw misapplied(
      new TypeError(`Cannot apply constant: the data must be a number or a list of numbers, found ${kindOf(data)}`),
    );
  }
  const numbers = typeof data === "number" ? [data] : [...data];
  return apply("constant", [], { shape: shape ?? (typeof data === "number" ? [] : [data.length]), data: numbers });
}

/**
 * An input of a graph: numbers, or the codes of categories, that every run is given by name.
 *
 * For graphs that are written by hand: `define` refuses nets and gates that read an input other than their own.
 *
 * @param name The name, not empty.
 * @param shape The shape; `"batch"` stands for the rows of the batch.
 * @param type The type of the elements: `"float"` by default, `"int"` for codes.
 * @returns A value of that shape and type.
 * @throws {TypeError} if the name is empty, or the shape has a length that is not a whole number of at least 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, input, sum } from "@gatehouse/gatehouse/ops";
 *
 * const x = input("x", ["batch", 2]);
 * assertEquals(await compute(sum(x), { inputs: { x: [[1, 2], [3, 4], [5, 6]] } }), [3, 7, 11]);
 * ```
 */
export function input(name: string, shape: Shape, type: Type = "float"): Value {
  return apply("input", [], { name, shape, type });
}

/** Returns the value that an operand stands for. */
export function lifted(x: Operand): Value {
  return typeof x === "number" ? constant(x) : x;
}
