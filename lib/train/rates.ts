import { kindOf } from "../errors/kinds.ts";
import type { Optimiser, VectorOptimiser } from "../optimisers/optimiser.ts";

/**
 * Returns the learning rate of a step: a schedule is the author's own function.
 *
 * @throws {RangeError} if it is not a finite number of at least 0.
 */
export function rateOf(optimiser: Pick<Optimiser, "rate">, step: number): number {
  const rate = optimiser.rate(step);
  if (Number.isFinite(rate) && rate >= 0) return rate;
  throw new RangeError(`Cannot train\n  at step ${step}: the learning rate must be at least 0, found ${kindOf(rate)}`);
}

/**
 * Returns the learning rate of vectors in a step.
 *
 * @throws {RangeError} if it is out of range, or with the decay takes more than the whole of a vector off: what follows
 * beside the engine cannot be taken back.
 */
export function vectorRateOf(optimiser: VectorOptimiser, step: number): number {
  const rate = rateOf(optimiser, step);
  const { touchedDecay } = optimiser.vectors;
  if (rate > mostRate) {
    const found = `the learning rate of vectors must be at most ${mostRate}, found ${rate}`;
    throw new RangeError(`Cannot train\n  at step ${step}: ${found}`);
  }
  if (rate * touchedDecay > 1) {
    const found = `the learning rate of vectors times touchedDecay must be at most 1, found ${rate} * ${touchedDecay}`;
    throw new RangeError(`Cannot train\n  at step ${step}: ${found}`);
  }
  return rate;
}

const mostRate = 1e6;
