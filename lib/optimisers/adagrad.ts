import { optionsOf } from "../errors/kinds.ts";
import { add, div, mul, sqrt, sub } from "../ops/functions.ts";
import {
  checkPositive,
  checkWithin,
  type Optimiser,
  optimiserOf,
  type OptimiserOptions,
  type Rate,
  sharedOptions,
  type VectorOptimiser,
  type VectorRule,
} from "./optimiser.ts";

/** The options of {@linkcode adagrad}. */
export interface AdagradOptions extends OptimiserOptions {
  /** The first sum of squares, at least 0. Default 0.1, as in TensorFlow; PyTorch begins with 0. */
  readonly initial?: number;
  /** Added to the root, above 0. Default 1e-7. */
  readonly epsilon?: number;
}

/**
 * Adagrad (Duchi et al. 2011): `s += g^2; p -= rate g / (sqrt(s) + epsilon)`.
 *
 * @param rate The learning rate, above 0, or a function of the step. Default 1e-2.
 * @returns An optimiser, for `train`.
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if the learning rate or an option is out of range.
 *
 * @example Two steps
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { adagrad, compile, define, reference, regression, rows, train } from "@gatehouse/gatehouse";
 *
 * const model = await compile(define({ input: 1, tasks: { y: regression() } }), { engine: reference() });
 * const data = rows([[0]], { labels: { y: [1] } }); // only the bias b moves, from 0: the loss is (b - 1)^2
 * const options = { steps: 2, optimiser: adagrad(0.1) };
 * const losses: number[] = [];
 * for await (const { total } of train(model, data, options)) losses.push(total);
 * [1, (1 - 0.2 / Math.sqrt(4.1)) ** 2].forEach((loss, at) => assertAlmostEquals(losses[at], loss, 1e-6));
 * model.dispose();
 * ```
 */
export function adagrad(rate: Rate = 1e-2, options: AdagradOptions = {}): Optimiser & VectorOptimiser {
  const { initial = 0.1, epsilon = 1e-7, ...shared } = optionsOf("make adagrad", options, [
    ...sharedOptions,
    "initial",
    "epsilon",
  ]);
  checkWithin("adagrad", "initial", initial, 0, Infinity);
  checkPositive("adagrad", "epsilon", epsilon);
  const update: Optimiser["update"] = (gradient, slots, { rate }) => {
    const sum = add(slots.sum, mul(gradient, gradient));
    return { change: div(mul(gradient, rate), add(sqrt(sum), epsilon)), slots: { sum } };
  };
  const vectors = vectorsBy(initial, epsilon);
  return { ...optimiserOf({ name: "adagrad", slots: { sum: initial }, update }, rate, shared), vectors };
}

/** Returns the same rule of vectors that are looked up. */
function vectorsBy(initial: number, epsilon: number): VectorRule {
  return {
    state: (units) => units,
    initial,
    touchedDecay: 0,
    update: ({ table, state, rows, count, units, gradient, scale, rate }) => {
      for (let at = 0; at < count; at++) {
        const [to, from] = [rows[at] * units, at * units];
        for (let unit = 0; unit < units; unit++) {
          const slope = scale * gradient[from + unit];
          state[to + unit] += slope * slope;
          table[to + unit] -= rate * slope / (Math.sqrt(state[to + unit]) + epsilon);
        }
      }
    },
    traced: {
      scalars: () => ({}),
      update: ({ table, state, gradient, scalars: { rate, scale } }) => {
        const slope = mul(gradient, scale);
        const squares = add(state!, mul(slope, slope));
        return { table: sub(table, div(mul(slope, rate), add(sqrt(squares), epsilon))), state: squares };
      },
    },
  };
}
