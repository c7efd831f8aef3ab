import { optionsOf } from "../errors/kinds.ts";
import { add, concat, div, mean, mul, slice, sqrt, sub } from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import { checkPositive, checkWithin, type Rate, type VectorOptimiser, vectorOptimiserOf } from "./optimiser.ts";

/** The options of {@linkcode rowwiseAdagrad}. */
export interface RowwiseAdagradOptions {
  /** The first mean of squares, at least 0. Default 0. */
  readonly initial?: number;
  /** Added to the root, above 0. Default 1e-8. */
  readonly epsilon?: number;
  /** The share of each vector that a step reads which is taken off, times the learning rate. Default 0. */
  readonly touchedDecay?: number;
}

/**
 * Row-wise Adagrad for vectors that are looked up, of one number of state a vector:
 * `s += mean(g^2); w -= rate g / (sqrt(s) + epsilon)`, where g is the gradient of a vector, summed over all places of the
 * batch that read it. Vectors that no row reads stay as they are, and so does their state.
 *
 * It is FBGEMM's and TorchRec's `EXACT_ROWWISE_ADAGRAD`. Decay is of the vectors that are read: `w *= 1 - rate decay`
 * before, FBGEMM's decoupled mode.
 *
 * The default rate was chosen on KuaiRand-Pure (users, videos, authors, tags and histories, k 16, MMoE, two seeds, batches
 * of 256 and 2048, the rest by `adam(1e-3)`): by the validation losses of both tasks in sum, each at its best of three
 * epochs, 0.1 and 0.2 are best and at most 0.001 apart, 0.05 is at most 0.002 above them, 0.01 up to 0.016. After its best
 * epoch 0.1 overfits less than 0.2; with more epochs than one or two use `stopping`.
 *
 * @param rate The learning rate, above 0, or a function of the step. Default 0.1.
 * @returns An optimiser of vectors, for the option `vectors` of `train`.
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if the learning rate or an option is out of range.
 *
 * @example Two steps of one vector
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { rowwiseAdagrad } from "@gatehouse/gatehouse";
 *
 * const { vectors } = rowwiseAdagrad(0.5);
 * const [table, state] = [Float32Array.of(9, 9, 1, 1), Float32Array.of(7, 0)]; // row 0 is not read
 * const step = { table, state, rows: Int32Array.of(1), count: 1, units: 2, scale: 1, rate: 0.5, step: 1 };
 * vectors.update({ ...step, gradient: Float32Array.of(3, Math.sqrt(23)) }); // the mean of squares is 16
 * assertEquals([...state], [7, 16]);
 * assertEquals([...table], [9, 9, 1 - 0.5 * 3 / 4, Math.fround(1 - 0.5 * Math.fround(Math.sqrt(23)) / 4)]);
 * ```
 */
export function rowwiseAdagrad(rate: Rate = 0.1, options: RowwiseAdagradOptions = {}): VectorOptimiser {
  const names = ["initial", "epsilon", "touchedDecay"];
  const { initial = 0, epsilon = 1e-8, touchedDecay = 0 } = optionsOf("make rowwiseAdagrad", options, names);
  checkWithin("rowwiseAdagrad", "initial", initial, 0, Infinity);
  checkPositive("rowwiseAdagrad", "epsilon", epsilon);
  return vectorOptimiserOf("rowwiseAdagrad", rate, {
    state: () => 1,
    initial,
    touchedDecay,
    update: ({ table, state, rows, count, units, gradient, scale, rate }) => {
      const kept = 1 - rate * touchedDecay;
      for (let at = 0; at < count; at++) {
        const [row, from] = [rows[at], at * units];
        let squares = 0;
        for (let unit = from; unit < from + units; unit++) squares += gradient[unit] * gradient[unit];
        state[row] += scale * scale * squares / units;
        const factor = rate * scale / (Math.sqrt(state[row]) + epsilon);
        const to = row * units - from;
        for (let unit = from; unit < from + units; unit++) {
          table[to + unit] = kept * table[to + unit] - factor * gradient[unit];
        }
      }
    },
    traced: {
      scalars: (_, rate) => ({ kept: 1 - rate * touchedDecay }),
      update: ({ table, state, gradient, scalars: { rate, scale, kept } }) => {
        const slope = mul(gradient, scale);
        const squares = add(state!, mean(mul(slope, slope), { axes: [1], keep: true })); // [batch, 1]
        const change = div(mul(slope, rate), add(sqrt(squares), epsilon));
        return { table: sub(mul(table, kept), change), state: squares };
      },
    },
  });
}

/** The options of {@linkcode lazyAdam}. */
export interface LazyAdamOptions {
  /** The decay of the mean of gradients, in [0, 1). Default 0.9. */
  readonly beta1?: number;
  /** The decay of the mean of squared gradients, in [0, 1). Default 0.999. */
  readonly beta2?: number;
  /** Added to the root, above 0. Default 1e-8. */
  readonly epsilon?: number;
  /** The share of each vector that a step reads which is taken off, times the learning rate. Default 0. */
  readonly touchedDecay?: number;
}

/**
 * Lazy Adam for vectors that are looked up: `m += (1 - b1) (g - m); v += (1 - b2) (g^2 - v);
 * w -= rate sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon)` of the vectors that a step reads, where t counts all steps,
 * also those that did not read them. Where every step reads all, it is Adam. Two numbers of state for each of a vector.
 *
 * It is PyTorch's SparseAdam and TensorFlow Addons' LazyAdam; as there, epsilon is added to the root of v as it is kept,
 * where `adam` corrects v before.
 *
 * @param rate The learning rate, above 0, or a function of the step. Default 1e-3.
 * @returns An optimiser of vectors, for the option `vectors` of `train`.
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if the learning rate or an option is out of range.
 *
 * @example The first step is the learning rate, however large the gradient
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { lazyAdam } from "@gatehouse/gatehouse";
 *
 * const [table, state] = [Float32Array.of(1, 1), new Float32Array(4)];
 * const gradient = Float32Array.of(5, -0.25);
 * const step = { table, state, gradient, rows: Int32Array.of(0), count: 1, units: 2, scale: 1, rate: 0.5, step: 1 };
 * lazyAdam(0.5).vectors.update(step);
 * assertAlmostEquals(table[0], 0.5, 1e-6);
 * assertAlmostEquals(table[1], 1.5, 1e-6);
 * ```
 */
export function lazyAdam(rate: Rate = 1e-3, options: LazyAdamOptions = {}): VectorOptimiser {
  const names = ["beta1", "beta2", "epsilon", "touchedDecay"];
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, touchedDecay = 0 } = optionsOf("make lazyAdam", options, names);
  checkWithin("lazyAdam", "beta1", beta1, 0, 1);
  checkWithin("lazyAdam", "beta2", beta2, 0, 1);
  checkPositive("lazyAdam", "epsilon", epsilon);
  return vectorOptimiserOf("lazyAdam", rate, {
    state: (units) => 2 * units,
    initial: 0,
    touchedDecay,
    update: ({ table, state, rows, count, units, gradient, scale, rate, step }) => {
      const kept = 1 - rate * touchedDecay;
      const size = rate * Math.sqrt(1 - beta2 ** step) / (1 - beta1 ** step);
      for (let at = 0; at < count; at++) {
        const [to, from] = [rows[at] * units, at * units];
        for (let unit = 0, mean = 2 * to, square = mean + units; unit < units; unit++, mean++, square++) {
          const slope = scale * gradient[from + unit];
          state[mean] += (1 - beta1) * (slope - state[mean]);
          state[square] += (1 - beta2) * (slope * slope - state[square]);
          table[to + unit] = kept * table[to + unit] - size * state[mean] / (Math.sqrt(state[square]) + epsilon);
        }
      }
    },
    traced: {
      scalars: (step, rate) => ({
        kept: 1 - rate * touchedDecay,
        size: rate * Math.sqrt(1 - beta2 ** step) / (1 - beta1 ** step),
      }),
      update: ({ table, state, gradient, scalars: { scale, kept, size } }) => {
        const [slope, units] = [mul(gradient, scale), table.shape[1] as number];
        const [mean, square] = [0, units].map((start) => slice(state!, start, units, 1)); // [batch, units]
        const first = toward(mean, slope, 1 - beta1);
        const second = toward(square, mul(slope, slope), 1 - beta2);
        const change = div(mul(first, size), add(sqrt(second), epsilon));
        return { table: sub(mul(table, kept), change), state: concat([first, second], 1) };
      },
    },
  });
}

/** `a + share (b - a)`. */
function toward(a: Value, b: Value, share: number): Value {
  return add(a, mul(sub(b, a), share));
}
