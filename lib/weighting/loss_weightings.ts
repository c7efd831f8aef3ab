import { kindOf, optionsOf } from "../errors/kinds.ts";
import type { Json } from "../data/dataset.ts";
import { type Descent, descent, type DescentState } from "../optimisers/descent.ts";
import { checkOptimiser, type Optimiser } from "../optimisers/optimiser.ts";
import type { LossWeights, Weighting } from "./weighting.ts";
import { writtenUncertainty } from "./written.ts";

/** The options of {@linkcode uncertainty}. */
export interface UncertaintyOptions {
  /** The optimiser of the log variances, never clipped or decayed. Default: that of the parameters. */
  readonly optimiser?: Optimiser;
}

/**
 * Uncertainty weighting (Kendall, Gal and Cipolla 2018): beside the parameters a number `s_t` is trained for each task,
 * the log variance of its noise, from 0 on: `sum_t e^(-s_t) L_t + s_t`. The weight of a task is `e^(-s_t)`, which goes
 * towards one over its loss.
 *
 * Log variances, as the paper trains, not variances, which can become negative. This is twice the paper's equation 7
 * for squared errors, so that training begins with weights of 1. Its equation 10, for classes, is the same with `s_t`
 * larger by log 2, so all heads are treated alike. Static weights keep their meaning: `s_t` follows the loss without. A
 * task without a labelled row in a batch keeps its `s_t` in that step.
 *
 * Losses must not be negative, as those of counts can be: where one is, training ends with an error.
 *
 * @returns A weighting of losses, for `train`.
 * @throws {TypeError} if an option is unknown.
 *
 * @example One step of one task
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { sgd, uncertainty } from "@gatehouse/gatehouse";
 *
 * const first = uncertainty().losses!(1, sgd(0.5));
 * const seen = { epoch: 1, step: 1, losses: [3], labelled: [true], norms: [] };
 * const [weight] = (await first.next(seen)).weights(1);
 * assertAlmostEquals(weight, Math.exp(-1)); // s = 0 - 0.5 (1 - 3)
 * ```
 */
export function uncertainty(options: UncertaintyOptions = {}): Weighting {
  const { optimiser: own } = optionsOf("make uncertainty", options, ["optimiser"]);
  if (own !== undefined) checkOptimiser("make uncertainty", own);
  const state = (variances: Descent): LossWeights => {
    const weights = variances.values.map((number) => Math.exp(-number));
    return {
      weights: () => weights,
      next: async ({ losses, labelled, step, epoch }) => {
        notNegative("uncertainty", losses, step);
        const gradient = losses.map((loss, task) => labelled[task] ? 1 - weights[task] * loss : undefined);
        return state(await variances.next(gradient, step, epoch));
      },
      saved: () => variances.saved,
    };
  };
  return {
    name: "uncertainty",
    settings: { optimiser: own?.name ?? null },
    losses: (tasks, optimiser, saved) => {
      return state(descent(own ?? optimiser, Array(tasks).fill(0), undefined, saved as DescentState | undefined));
    },
    written: (tasks, optimiser) => writtenUncertainty(tasks, own ?? optimiser),
  };
}

/** The options of {@linkcode dwa}. */
export interface DwaOptions {
  /** The temperature, above 0: the larger, the more even the weights. Default 2, as in the paper. */
  readonly temperature?: number;
}

/**
 * Dynamic weight averaging (Liu, Johns and Davison 2019, equation 7): a task weighs more the less its loss has fallen
 * from epoch to epoch: `w_t = T softmax(r / temperature)_t` for `T` tasks, with `r_t` its mean loss in the last epoch
 * over that in the epoch before.
 *
 * Weights change by epoch, not by step, and are 1 in the first two epochs, as `r_t` is 1 there. A mean loss is over the
 * batches of an epoch that have a labelled row of the task; if one is missing or 0, `r_t` is 1. Losses must not be
 * negative, as those of counts can be: where one is, training ends with an error.
 *
 * @returns A weighting of losses, for `train`.
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if an option is out of range.
 *
 * @example A task whose loss fell, and one whose loss did not
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { adam, dwa } from "@gatehouse/gatehouse";
 *
 * const labelled = [true, true];
 * const seen = (epoch: number, losses: number[]) => ({ epoch, step: epoch, losses, labelled, norms: [] });
 * let state = dwa().losses!(2, adam());
 * state = await state.next(seen(1, [4, 1]));
 * state = await state.next(seen(2, [2, 1]));
 * const [first] = state.weights(3); // r = [1/2, 1]
 * assertAlmostEquals(first, 2 * Math.exp(1 / 4) / (Math.exp(1 / 4) + Math.exp(1 / 2)));
 * ```
 */
export function dwa(options: DwaOptions = {}): Weighting {
  const { temperature = 2 } = optionsOf("make dwa", options, ["temperature"]);
  if (!(Number.isFinite(temperature) && temperature > 0)) {
    throw new RangeError(`Cannot make dwa: temperature must be above 0, found ${kindOf(temperature)}`);
  }
  const state = (tasks: number, known: ReadonlyMap<number, readonly Mean[]>): LossWeights => ({
    weights: (epoch) => {
      const [last, before] = [known.get(epoch - 1), known.get(epoch - 2)];
      const ratios = Array.from({ length: tasks }, (_, task) => {
        const ratio = meanLoss(last?.[task]) / meanLoss(before?.[task]);
        return Number.isFinite(ratio) ? ratio : 1;
      });
      const most = Math.max(...ratios);
      const powers = ratios.map((ratio) => Math.exp((ratio - most) / temperature));
      const sum = powers.reduce((sum, power) => sum + power, 0);
      return powers.map((power) => tasks * power / sum);
    },
    next: ({ epoch, step, losses, labelled }) => {
      notNegative("dwa", losses, step);
      const means = known.get(epoch) ?? losses.map(() => ({ sum: 0, count: 0 }));
      const next = means.map(({ sum, count }, task) =>
        labelled[task] ? { sum: sum + losses[task], count: count + 1 } : { sum, count }
      );
      return state(tasks, new Map([...[...known].filter(([other]) => other >= epoch - 2), [epoch, next]]));
    },
    saved: () => [...known],
  });
  return {
    name: "dwa",
    settings: { temperature },
    losses: (tasks, _, saved = []) => state(tasks, new Map(saved as unknown as [number, Mean[]][])),
    written: () => ({ kind: "dwa", temperature }),
  };
}

/** The options of {@linkcode gradNorm}. */
export interface GradNormOptions {
  /** The power by which tasks that learn slowly are favoured, at least 0. Default 1.5. */
  readonly alpha?: number;
  /** The optimiser of the weights, never clipped or decayed. Default: that of the parameters. */
  readonly optimiser?: Optimiser;
}

/**
 * GradNorm (Chen et al. 2018, algorithm 1): weights `w_t` of the losses, from 1 on, are trained so that the gradients
 * of `w_t L_t` have similar norms `G_t`, larger ones where a task learns slowly: `sum_t |G_t - mean(G) r_t^alpha|`, the
 * second term taken for constant, with `r_t = (L_t / L_t(0)) / mean(L / L(0))`. After each step the weights are scaled
 * to add up to the number of tasks.
 *
 * Norms are over all shared parameters; the paper allows any of them and takes the last shared layer to save time.
 * `L_t(0)` is the loss of the first batch with a labelled row of the task. A step is weighed by the weights before it,
 * which are kept at 0.001 at least before they are scaled. A task without a labelled row in a batch, or without shared
 * parameters, keeps its weight in that step, but for the scaling, and is in no mean. Losses must not be negative, as
 * those of counts can be: where one is, training ends with an error.
 *
 * @returns A weighting of losses, for `train`.
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if an option is out of range.
 *
 * @example One step of two tasks
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gradNorm, sgd } from "@gatehouse/gatehouse";
 *
 * const first = gradNorm().losses!(2, sgd(0.125));
 * const seen = { epoch: 1, step: 1, losses: [5, 5], labelled: [true, true], norms: [1, 3] };
 * const weights = (await first.next(seen)).weights(1); // [1 + 1/8, 1 - 3/8], scaled
 * assertEquals(weights, [2 * 9 / 14, 2 * 5 / 14]);
 * ```
 */
export function gradNorm(options: GradNormOptions = {}): Weighting {
  const { alpha = 1.5, optimiser: own } = optionsOf("make gradNorm", options, ["alpha", "optimiser"]);
  if (!(Number.isFinite(alpha) && alpha >= 0)) {
    throw new RangeError(`Cannot make gradNorm: alpha must be at least 0, found ${kindOf(alpha)}`);
  }
  if (own !== undefined) checkOptimiser("make gradNorm", own);
  const state = (trained: Descent, first: readonly (number | undefined)[]): LossWeights => ({
    weights: () => trained.values,
    next: async ({ losses, labelled, norms, step, epoch }) => {
      notNegative("gradNorm", losses, step);
      const begun = losses.map((loss, task) => first[task] ?? (labelled[task] ? loss : undefined));
      const fallen = losses.map((loss, task) => begun[task] ? loss / begun[task] : 1);
      const [pace, norm] = [fallen, norms].map((numbers) => mean(numbers.filter((_, task) => labelled[task])));
      const gradient = norms.map((own, task) => {
        if (!labelled[task]) return undefined;
        const wanted = norm * (pace > 0 ? fallen[task] / pace : 1) ** alpha;
        return Math.sign(own - wanted) * own / trained.values[task];
      });
      return state(await trained.next(gradient, step, epoch), begun);
    },
    saved: () => ({ trained: trained.saved, first: first.map((loss) => loss ?? null) }),
  });
  return {
    name: "gradNorm",
    settings: { alpha, optimiser: own?.name ?? null },
    norms: true,
    losses: (tasks, optimiser, saved) => {
      const settled = (weights: readonly number[]) => scaled(weights.map((weight) => Math.max(weight, 1e-3)));
      const { trained, first = [] } = (saved ?? {}) as { readonly trained?: DescentState; readonly first?: Json[] };
      const begun = first.map((loss) => loss === null ? undefined : loss as number);
      return state(descent(own ?? optimiser, Array(tasks).fill(1), settled, trained), begun);
    },
  };
}

/** The sum of a task's losses in an epoch, and their number. */
type Mean = {
  readonly sum: number;
  readonly count: number;
};

function meanLoss(mean: Mean | undefined): number {
  return mean === undefined ? NaN : mean.sum / mean.count;
}

/** Numbers scaled to have the mean 1. */
function scaled(numbers: readonly number[]): number[] {
  const whole = mean(numbers);
  return numbers.map((number) => number / whole);
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

function notNegative(name: string, losses: readonly number[], step: number): void {
  const loss = losses.find((loss) => loss < 0);
  if (loss === undefined) return;
  const wanted = `${name}() wants losses of at least 0, which those of counts are not always`;
  throw new RangeError(`Cannot train\n  at step ${step}: a loss is ${loss}: ${wanted}`);
}
