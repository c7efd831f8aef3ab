import { add, div, mul, neg, square, sub } from "./arithmetic.ts";
import { greater, select } from "./choices.ts";
import { constant, lifted, type Operand } from "./leaves.ts";
import { apply } from "./table.ts";
import type { Value } from "./value.ts";

/**
 * Element-wise `e ** x`.
 *
 * @returns A value of the shape of `x`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, exp } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(exp(constant([0, 1]))), [1, Math.E]);
 * ```
 */
export function exp(x: Operand): Value {
  return apply("exp", [lifted(x)]);
}

/**
 * The natural logarithm of each element.
 *
 * @returns A value of the shape of `x`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, log } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(log(constant([1, Math.E]))), [0, 1]);
 * ```
 */
export function log(x: Operand): Value {
  return apply("log", [lifted(x)]);
}

/**
 * The square root of each element. Its gradient at 0 is infinite.
 *
 * @returns A value of the shape of `x`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compute, constant, sqrt } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(sqrt(constant([4, 9]))), [2, 3]);
 * ```
 */
export function sqrt(x: Operand): Value {
  return apply("sqrt", [lifted(x)]);
}

/**
 * Element-wise `|x|`, with gradient 0 at 0.
 *
 * @returns A value of the shape of `x`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { abs, compute, constant } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(abs(constant([2, -3]))), [2, 3]);
 * ```
 */
export function abs(x: Value): Value {
  return add(relu(x), relu(neg(x)));
}

/**
 * Element-wise `max(x, 0)`, with gradient 0 at 0.
 *
 * @returns A value of the shape of `x`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { relu } from "@gatehouse/gatehouse";
 * import { compute, constant } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(relu(constant([2, -3]))), [2, 0]);
 * ```
 */
export function relu(x: Value): Value {
  return apply("relu", [x]);
}

/**
 * The logistic function of each element, `1 / (1 + e ** -x)`.
 *
 * @returns A value of the shape of `x`.
 *
 * @example Odds of 1 to 1, and far from it
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sigmoid } from "@gatehouse/gatehouse";
 * import { compute, constant } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(sigmoid(constant([0, 1000, -1000]))), [0.5, 1, 0]);
 * ```
 */
export function sigmoid(x: Value): Value {
  return apply("sigmoid", [x]);
}

/**
 * The hyperbolic tangent of each element.
 *
 * @returns A value of the shape of `x`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tanh } from "@gatehouse/gatehouse";
 * import { compute, constant } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(tanh(constant([0, 0.5, 1000]))), [0, Math.tanh(0.5), 1]);
 * ```
 */
export function tanh(x: Value): Value {
  return apply("tanh", [x]);
}

/**
 * Element-wise `log(1 + e ** x)`, without overflow.
 *
 * @returns A value of the shape of `x`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { softplus } from "@gatehouse/gatehouse";
 * import { compute, constant } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(softplus(constant([0, 1000, -1000]))), [Math.LN2, 1000, 0]);
 * ```
 */
export function softplus(x: Value): Value {
  return apply("softplus", [x]);
}

/**
 * Element-wise `x * sigmoid(x)`, the Swish or SiLU activation (Ramachandran et al. 2017, with beta = 1).
 *
 * @returns A value of the shape of `x`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { swish } from "@gatehouse/gatehouse";
 * import { compute, constant } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(swish(constant([0, 1, 1000]))), [0, 1 / (1 + Math.exp(-1)), 1000]);
 * ```
 */
export function swish(x: Value): Value {
  return mul(x, sigmoid(x));
}

/**
 * The probability that a normal number with mean 0 and variance 1 is at most `x`, for each element.
 *
 * Composed of other ops: a power series up to 1.25 from 0, and beyond it the approximation of the complementary error
 * function by Press et al. (Numerical Recipes, section 6.2). Values are within 1e-7 on every engine, gradients within 1e-6.
 *
 * @returns A value of the shape of `x`.
 *
 * @example Within one standard deviation lie 68.27 %
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { compute, constant, normalCdf } from "@gatehouse/gatehouse/ops";
 *
 * const [below, within] = await compute(normalCdf(constant([-1, 1]))) as number[];
 * assertAlmostEquals(below, 0.1586553, 1e-7);
 * assertAlmostEquals(within - below, 0.6826895, 1e-7);
 * ```
 */
export function normalCdf(x: Value): Value {
  const above = greater(x, 0);
  const size = select(above, x, neg(x));
  const far = greater(size, 1.25);
  const near = mul(x, polynomial(square(select(far, 0, x)), series));
  const z = mul(size, Math.SQRT1_2);
  const t = div(1, add(mul(z, 0.5), 1));
  const tail = mul(mul(t, exp(sub(polynomial(t, complementary), square(z)))), 0.5);
  return select(far, select(above, sub(1, tail), tail), add(near, 0.5));
}

/** The power series of the normal distribution, by powers of `x ** 2`: `(-1) ** n / (sqrt(2 pi) 2 ** n n! (2 n + 1))`. */
const series: readonly number[] = Array.from({ length: 11 }, (_, n) => {
  const factorial = Array.from({ length: n }, (_, i) => -2 * (i + 1)).reduce((product, factor) => product * factor, 1);
  return 1 / (Math.sqrt(2 * Math.PI) * factorial * (2 * n + 1));
});

/** The logarithm of `erfc(z) e ** (z ** 2) / t` by powers of `t = 1 / (1 + z / 2)`, for `z` of at least 0. */
const complementary: readonly number[] = [
  ...[-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806],
  ...[0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277],
];

/** Returns `sum_n factors_n x ** n`. */
function polynomial(x: Value, factors: readonly number[]): Value {
  return factors.reduceRight((sum: Value | undefined, factor) => {
    return sum === undefined ? constant(factor) : add(mul(sum, x), factor);
  }, undefined)!;
}
