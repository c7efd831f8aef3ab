import { apply } from "./table.ts";
import type { Value } from "./value.ts";

/**
 * The value, with no gradient flowing back through it.
 *
 * @returns A value of the shape of `x`.
 *
 * @example The same numbers
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, stopGradient } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(stopGradient(constant([1, 2]))), [1, 2]);
 * ```
 */
export function stopGradient(x: Value): Value {
  return apply("stopGradient", [x]);
}

/**
 * One value while training, another in evaluation. Both have the same shape.
 *
 * @returns A value of that shape.
 * @throws {RangeError} if the shapes differ.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, inTraining } from "@gatehouse/gatehouse/ops";
 *
 * const value = inTraining(constant([0, 4]), constant([1, 2]));
 * assertEquals(await compute(value), [1, 2]);
 * assertEquals(await compute(value, { training: true }), [0, 4]);
 * ```
 */
export function inTraining(training: Value, evaluation: Value): Value {
  return apply("inTraining", [training, evaluation]);
}
