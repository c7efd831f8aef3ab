import { optionsOf } from "../errors/kinds.ts";
import { add, mul, sub } from "../ops/functions.ts";
import {
  checkWithin,
  type Optimiser,
  optimiserOf,
  type OptimiserOptions,
  type Rate,
  sharedOptions,
  type VectorOptimiser,
  type VectorRule,
} from "./optimiser.ts";

/**
 * Stochastic gradient descent: `p -= rate g`.
 *
 * @param rate The learning rate, above 0, or a function of the step.
 * @returns An optimiser, for `train`.
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if the learning rate or an option is out of range.
 *
 * @example Two steps
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { compile, define, reference, regression, rows, sgd, train } from "@gatehouse/gatehouse";
 *
 * const model = await compile(define({ input: 1, tasks: { y: regression() } }), { engine: reference() });
 * const data = rows([[0]], { labels: { y: [1] } }); // only the bias b moves, from 0: the loss is (b - 1)^2
 * const options = { steps: 2, optimiser: sgd(0.1) };
 * const losses: number[] = [];
 * for await (const { total } of train(model, data, options)) losses.push(total);
 * [1, 0.64].forEach((loss, at) => assertAlmostEquals(losses[at], loss, 1e-6));
 * model.dispose();
 * ```
 */
export function sgd(rate: Rate, options: OptimiserOptions = {}): Optimiser & VectorOptimiser {
  const shared = optionsOf("make sgd", options, sharedOptions);
  const update: Optimiser["update"] = (gradient, _, { rate }) => ({ change: mul(gradient, rate), slots: {} });
  return { ...optimiserOf({ name: "sgd", slots: {}, update }, rate, shared), vectors };
}

/** The same of vectors that are looked up. */
const vectors: VectorRule = {
  state: () => 0,
  initial: 0,
  touchedDecay: 0,
  update: ({ table, rows, count, units, gradient, scale, rate }) => {
    for (let at = 0; at < count; at++) {
      const [to, from] = [rows[at] * units, at * units];
      for (let unit = 0; unit < units; unit++) table[to + unit] -= rate * scale * gradient[from + unit];
    }
  },
  traced: {
    scalars: () => ({}),
    update: ({ table, gradient, scalars: { rate, scale } }) => {
      return { table: sub(table, mul(mul(gradient, scale), rate)) };
    },
  },
};

/**
 * Gradient descent with momentum: `v = mu v + g; p -= rate v` (Polyak 1964, as in PyTorch and without dampening).
 *
 * @param rate The learning rate, above 0, or a function of the step.
 * @param mu The momentum, in [0, 1). Default 0.9.
 * @returns An optimiser, for `train`.
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if the learning rate, the momentum or an option is out of range.
 *
 * @example Three steps
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { compile, define, momentum, reference, regression, rows, train } from "@gatehouse/gatehouse";
 *
 * const model = await compile(define({ input: 1, tasks: { y: regression() } }), { engine: reference() });
 * const data = rows([[0]], { labels: { y: [1] } }); // only the bias b moves, from 0: the loss is (b - 1)^2
 * const options = { steps: 3, optimiser: momentum(0.1, 0.9) };
 * const losses: number[] = [];
 * for await (const { total } of train(model, data, options)) losses.push(total);
 * [1, 0.64, (1 - 0.2 - 0.34) ** 2].forEach((loss, at) => assertAlmostEquals(losses[at], loss, 1e-6));
 * model.dispose();
 * ```
 */
export function momentum(rate: Rate, mu = 0.9, options: OptimiserOptions = {}): Optimiser {
  const shared = optionsOf("make momentum", options, sharedOptions);
  checkWithin("momentum", "mu", mu, 0, 1);
  const update: Optimiser["update"] = (gradient, slots, { rate }) => {
    const velocity = add(mul(slots.velocity, mu), gradient);
    return { change: mul(velocity, rate), slots: { velocity } };
  };
  return optimiserOf({ name: "momentum", slots: { velocity: 0 }, update }, rate, shared);
}
