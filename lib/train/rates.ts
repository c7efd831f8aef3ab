import { kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Optimiser, VectorOptimiser } from "../optimisers/optimiser.ts";
import type { ByPath } from "./parts.ts";
import { scalarName } from "./update.ts";

/** The number of a step, and that of its epoch. */
interface At {
  readonly step: number;
  readonly epoch: number;
}

/**
 * Returns the learning rate of a step: a schedule is the author's own function.
 *
 * @param of What follows it, in words, for errors: ` of part "tasks"`. Default: nothing.
 * @throws {RangeError} if it is not a finite number of at least 0.
 */
export function rateOf(optimiser: Pick<Optimiser, "rate">, { step, epoch }: At, of = ""): number {
  const rate = optimiser.rate(step, epoch);
  if (Number.isFinite(rate) && rate >= 0) return rate;
  const found = `the learning rate${of} must be at least 0, found ${kindOf(rate)}`;
  throw new RangeError(`Cannot train\n  at step ${step}: ${found}`);
}

/**
 * Returns the learning rate of a step, and the optimiser's scalars, by the names of the inputs that they are.
 *
 * @param count The number of steps since optimisers have begun, this one counted.
 * @throws {RangeError} if a rate is out of range.
 */
export function scalarsOf(
  { optimiser, parts }: { readonly optimiser: Optimiser; readonly parts: ByPath<Optimiser> },
  count: number,
  at: At,
): Record<string, Tensor> {
  const all = [[undefined, optimiser] as const, ...Object.entries(parts)];
  return Object.fromEntries(all.flatMap(([name, one]) => {
    const rate = rateOf(one, at, name === undefined ? "" : ` of part ${quoted(name)}`);
    return Object.entries({ rate, ...one.scalars(count, rate) }).map(([own, value]) => {
      return [scalarName(name, own), { shape: [], data: Float64Array.of(value) }];
    });
  }));
}

/**
 * Returns the learning rate of vectors in a step.
 *
 * @param of The table, in words, for errors. Default: all.
 * @throws {RangeError} if it is out of range, or with the decay takes more than the whole of a vector off: what follows
 * beside the engine cannot be taken back.
 */
function vectorRateOf(optimiser: VectorOptimiser, at: At, of = ""): number {
  const { step } = at;
  const rate = rateOf(optimiser, at, of);
  const { touchedDecay } = optimiser.vectors;
  if (rate > mostRate) {
    const found = `the learning rate of vectors${of} must be at most ${mostRate}, found ${rate}`;
    throw new RangeError(`Cannot train\n  at step ${step}: ${found}`);
  }
  if (rate * touchedDecay > 1) {
    const found =
      `the learning rate of vectors${of} times touchedDecay must be at most 1, found ${rate} * ${touchedDecay}`;
    throw new RangeError(`Cannot train\n  at step ${step}: ${found}`);
  }
  return rate;
}

/** The learning rates of vectors in a step: the one, and those of tables with optimisers of their own, by path. */
export interface VectorRates {
  readonly rate: number;
  readonly rates: ReadonlyMap<string, number>;
}

/**
 * Returns the learning rates of vectors in a step.
 *
 * @param others The optimisers of tables that have one of their own, by path.
 * @throws {RangeError} if one is out of range.
 */
export function vectorRatesOf(
  optimiser: VectorOptimiser,
  others: ReadonlyMap<string, VectorOptimiser>,
  at: At,
): VectorRates {
  const own = [...others].map(([path, one]) => [path, vectorRateOf(one, at, ` of ${quoted(path)}`)] as const);
  return { rate: vectorRateOf(optimiser, at), rates: new Map(own) };
}

const mostRate = 1e6;
