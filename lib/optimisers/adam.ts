import { optionsOf } from "../errors/kinds.ts";
import { add, div, mul, sqrt, sub } from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import {
  checkPositive,
  checkWithin,
  type Optimiser,
  optimiserOf,
  type OptimiserOptions,
  type Rate,
  sharedOptions,
} from "./optimiser.ts";

/** The options of {@linkcode adam}. */
export interface AdamOptions extends OptimiserOptions {
  /** The decay of the mean of gradients, in [0, 1). Default 0.9. */
  readonly beta1?: number;
  /** The decay of the mean of squared gradients, in [0, 1). Default 0.999. */
  readonly beta2?: number;
  /** Added to the root, above 0. Default 1e-8. */
  readonly epsilon?: number;
}

/**
 * Adam (Kingma and Ba 2015, algorithm 1): `m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
 * p -= rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)`. With weight decay: AdamW.
 *
 * @param rate The learning rate, above 0, or a function of the step. Default 1e-3.
 * @returns An optimiser, for `train`.
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if the learning rate or an option is out of range.
 *
 * @example The first step is the learning rate, however large the gradient
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { adam, compile, define, reference, regression, rows, train } from "@gatehouse/gatehouse";
 *
 * const model = await compile(define({ input: 1, tasks: { y: regression() } }), { engine: reference() });
 * const data = rows([[0]], { labels: { y: [1] } }); // only the bias b moves, from 0: the loss is (b - 1)^2
 * const options = { steps: 2, optimiser: adam(0.1) };
 * const losses: number[] = [];
 * for await (const { total } of train(model, data, options)) losses.push(total);
 * [1, (0.1 - 1) ** 2].forEach((loss, at) => assertAlmostEquals(losses[at], loss, 1e-6));
 * model.dispose();
 * ```
 *
 * @example A learning rate that grows over 100 steps
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { adam } from "@gatehouse/gatehouse";
 *
 * const warm = adam((step) => 1e-3 * Math.min(1, step / 100));
 * assertEquals([warm.rate(50), warm.rate(100), warm.rate(200)], [5e-4, 1e-3, 1e-3]);
 * ```
 */
export function adam(rate: Rate = 1e-3, options: AdamOptions = {}): Optimiser {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, ...shared } = optionsOf("make adam", options, [
    ...sharedOptions,
    "beta1",
    "beta2",
    "epsilon",
  ]);
  checkWithin("adam", "beta1", beta1, 0, 1);
  checkWithin("adam", "beta2", beta2, 0, 1);
  checkPositive("adam", "epsilon", epsilon);
  // The corrections of the start, 1 - b^t, are taken out of the arrays: two passes less over all parameters.
  const scalars: Optimiser["scalars"] = (step, rate) => {
    const root = Math.sqrt(startUp(beta2, step));
    return { scale: rate * root / startUp(beta1, step), epsilon: epsilon * root };
  };
  const update: Optimiser["update"] = (gradient, slots, { scale, epsilon }) => {
    const mean = toward(slots.mean, gradient, 1 - beta1);
    const square = toward(slots.square, mul(gradient, gradient), 1 - beta2);
    return { change: div(mul(mean, scale), add(sqrt(square), epsilon)), slots: { mean, square } };
  };
  return optimiserOf({ name: "adam", slots: { mean: 0, square: 0 }, scalars, update }, rate, shared);
}

/** `a + share (b - a)`. */
function toward(a: Value, b: Value, share: number): Value {
  return add(a, mul(sub(b, a), share));
}

/** `1 - beta^step`, exact where the power is near 1. */
function startUp(beta: number, step: number): number {
  return -Math.expm1(step * Math.log(beta));
}
