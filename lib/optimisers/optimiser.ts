import { isFloat, isRecord, kindOf } from "../errors/kinds.ts";
import type { Value } from "../ops/value.ts";

/** A learning rate: one number, or a plain function of the step, which counts from 1. */
export type Rate = number | ((step: number) => number);

/** A rule by which parameters follow their gradient, as part of the training graph. */
export interface Optimiser {
  /** The optimiser's name. */
  readonly name: string;
  /** The learning rate of a step, which counts from 1. */
  readonly rate: (step: number) => number;
  /** The share of every matrix taken off a step, times the learning rate (decoupled: Loshchilov and Hutter 2019). */
  readonly weightDecay: number;
  /** The largest global norm of the gradient, or undefined. */
  readonly clipNorm: number | undefined;
  /** The names of the arrays that are kept beside the parameters, and the number with which they begin. */
  readonly slots: Readonly<Record<string, number>>;
  /** Numbers that an update needs beside the learning rate, by the step, which counts from 1, and its rate. */
  readonly scalars: (step: number, rate: number) => Readonly<Record<string, number>>;
  /**
   * One update.
   *
   * @param gradient `[parameters]`.
   * @param slots Each `[parameters]`.
   * @param scalars `rate` and the results of {@linkcode Optimiser.scalars}, each `[]`.
   * @returns The change, which is taken off the parameters, and the new slots, each `[parameters]`.
   */
  readonly update: (
    gradient: Value,
    slots: Readonly<Record<string, Value>>,
    scalars: Readonly<Record<string, Value>>,
  ) => {
    readonly change: Value;
    readonly slots: Readonly<Record<string, Value>>;
  };
}

/** The options of every optimiser. */
export interface OptimiserOptions {
  /** The share of every matrix (not of biases) that is taken off a step, times the learning rate. Default 0. */
  readonly weightDecay?: number;
  /** The largest global norm of the gradient: a larger gradient is scaled down to it. Default: no limit. */
  readonly clipNorm?: number;
}

/** The names of the options of every optimiser. */
export const sharedOptions: readonly (keyof OptimiserOptions)[] = ["weightDecay", "clipNorm"];

/** The part of an optimiser that is its own. */
type Rule = Pick<Optimiser, "name" | "slots" | "update"> & Partial<Pick<Optimiser, "scalars">>;

/**
 * Returns the optimiser of a rule, a learning rate and the options of every optimiser.
 *
 * @throws {TypeError} if the learning rate is not a number or a function.
 * @throws {RangeError} if the learning rate or an option is out of range.
 */
export function optimiserOf(rule: Rule, rate: Rate, { weightDecay = 0, clipNorm }: OptimiserOptions): Optimiser {
  const { name } = rule;
  if (typeof rate === "number") checkPositive(name, "the learning rate", rate);
  else if (typeof rate !== "function") {
    throw new TypeError(`Cannot make ${name}: the learning rate must be a number or a function, found ${kindOf(rate)}`);
  }
  checkWithin(name, "weightDecay", weightDecay, 0, Infinity);
  if (clipNorm !== undefined) checkPositive(name, "clipNorm", clipNorm);
  return { scalars: () => ({}), ...rule, rate: typeof rate === "number" ? () => rate : rate, weightDecay, clipNorm };
}

/**
 * Checks that something is an optimiser.
 *
 * @throws {TypeError} if it is not.
 */
export function checkOptimiser(action: string, found: unknown): void {
  if (isRecord(found) && typeof found.update === "function" && isRecord(found.slots)) {
    const parts = [found.rate, found.scalars].findIndex((part) => typeof part !== "function");
    if (parts < 0) return;
    const name = ["rate", "scalars"][parts];
    const wanted = `${name} must be a function, found ${kindOf([found.rate, found.scalars][parts])}`;
    throw new TypeError(`Cannot ${action}: the optimiser's ${wanted}`);
  }
  throw new TypeError(`Cannot ${action}: wanted an optimiser, such as adam(1e-3), found ${kindOf(found)}`);
}

/**
 * Checks that a setting of an optimiser is in `[least, below)`.
 *
 * @throws {RangeError} if it is not.
 */
export function checkWithin(name: string, what: string, value: number, least: number, below: number): void {
  if (!(Number.isFinite(value) && value >= least && value < below)) {
    throw new RangeError(`Cannot make ${name}: ${what} must be in [${least}, ${below}), found ${kindOf(value)}`);
  }
}

/**
 * Checks that a setting of an optimiser is above 0, as a float32 too.
 *
 * @throws {RangeError} if it is not.
 */
export function checkPositive(name: string, what: string, value: number): void {
  if (!(isFloat(value) && Math.fround(value) > 0)) {
    throw new RangeError(`Cannot make ${name}: ${what} must be above 0, found ${kindOf(value)}`);
  }
}
