import { isFloat, isRecord, kindOf } from "../errors/kinds.ts";
import type { Value } from "../ops/value.ts";

/** A learning rate: one number, or a plain function of the step and of its epoch, which count from 1. */
export type Rate = number | ((step: number, epoch: number) => number);

/** A rule by which parameters follow their gradient, as part of the training graph. */
export interface Optimiser {
  /** The optimiser's name. */
  readonly name: string;
  /** The learning rate of a step, which counts from 1, and its epoch. */
  readonly rate: (step: number, epoch?: number) => number;
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
  /** The rule for vectors that are looked up; absent where theirs would have to touch those that no row reads. */
  readonly vectors?: VectorRule;
}

/**
 * A rule by which vectors that are looked up follow their gradient: those that a step has read, no others. It runs beside
 * the engine, on plain arrays.
 */
export interface VectorOptimiser {
  /** The optimiser's name. */
  readonly name: string;
  /** The learning rate of a step, which counts from 1, and its epoch. */
  readonly rate: (step: number, epoch?: number) => number;
  /** The rule. */
  readonly vectors: VectorRule;
}

/** The update of the vectors of a table. */
export interface VectorRule {
  /** The numbers of state that are kept beside each vector, of vectors of so many units. */
  readonly state: (units: number) => number;
  /** The number with which they begin. */
  readonly initial: number;
  /** The share of each vector that is read which is taken off, times the learning rate. */
  readonly touchedDecay: number;
  /** One update, in place. */
  readonly update: (at: VectorUpdate) => void;
  /** The same update as values, for programs that run graphs. Absent: such programs refuse the rule. */
  readonly traced?: TracedVectorRule;
}

/** The update of vectors as values, which a graph is made of. */
export interface TracedVectorRule {
  /** The numbers that it needs beside `rate` and `scale`, by the step, which counts from 1, and its rate. */
  readonly scalars: (step: number, rate: number) => Readonly<Record<string, number>>;
  /** Returns the vectors, and their state where there is any, after an update. */
  readonly update: (at: TracedVectors) => Omit<TracedVectors, "gradient" | "scalars">;
}

/** Some vectors of a table as values, as {@linkcode VectorUpdate} has them. */
export interface TracedVectors {
  /** The vectors, `[batch, units]`. */
  readonly table: Value;
  /** Their state, `[batch, state]`; absent if there is none. */
  readonly state?: Value;
  /** Their gradients, `[batch, units]`. */
  readonly gradient: Value;
  /** `rate`, `scale` and the results of {@linkcode TracedVectorRule.scalars}, each `[]`. */
  readonly scalars: Readonly<Record<string, Value>>;
}

/** The vectors of a table, and what a step knows of those that it has read. */
export interface VectorUpdate {
  /** The vectors, `[rows, units]`. */
  readonly table: Float32Array;
  /** Their state, `[rows, state]`. */
  readonly state: Float32Array;
  /** The rows that were read, each once: the first `count` numbers. */
  readonly rows: Int32Array;
  /** The number of rows that were read. */
  readonly count: number;
  /** The units of a vector. */
  readonly units: number;
  /** The gradients of these rows, summed over all places that read them, `[count, units]`. */
  readonly gradient: Float32Array;
  /** The number to multiply gradients with: below 1 where they are clipped. */
  readonly scale: number;
  /** The learning rate of the step. */
  readonly rate: number;
  /** The number of steps so far, this one counted. */
  readonly step: number;
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
  const rates = rateOf(name, rate);
  checkWithin(name, "weightDecay", weightDecay, 0, Infinity);
  if (clipNorm !== undefined) checkPositive(name, "clipNorm", clipNorm);
  return { scalars: () => ({}), ...rule, rate: rates, weightDecay, clipNorm };
}

/**
 * Returns a learning rate as a function of the step; that of a number has its digits as its name.
 *
 * @throws {TypeError} if it is not a number or a function.
 * @throws {RangeError} if it is a number out of range.
 */
export function rateOf(name: string, rate: Rate): Optimiser["rate"] {
  if (typeof rate === "number") checkPositive(name, "the learning rate", rate);
  else if (typeof rate !== "function") {
    throw new TypeError(`Cannot make ${name}: the learning rate must be a number or a function, found ${kindOf(rate)}`);
  }
  return typeof rate === "number"
    ? Object.defineProperty(() => rate, "name", { value: `${rate}` })
    : rate as Optimiser["rate"];
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
  if (isRecord(found) && typeof found.name === "string" && isRecord(found.vectors)) {
    const way = "wanted one of all parameters, such as adam(1e-3), and this as the option vectors";
    throw new TypeError(`Cannot ${action}: optimiser: found ${found.name}, which moves vectors alone: ${way}`);
  }
  throw new TypeError(`Cannot ${action}: wanted an optimiser, such as adam(1e-3), found ${kindOf(found)}`);
}

/**
 * Checks that something is an optimiser of vectors.
 *
 * @throws {TypeError} if it is not.
 */
export function checkVectorOptimiser(action: string, found: unknown): void {
  const { name, rate, vectors, weightDecay, clipNorm } = isRecord(found) ? found : {};
  const wanted = "wanted an optimiser of vectors, such as rowwiseAdagrad(0.1)";
  if (typeof rate !== "function") throw new TypeError(`Cannot ${action}: ${wanted}, found ${kindOf(found)}`);
  const wrong = (what: string) => new TypeError(`Cannot ${action}: vectors cannot follow ${name}, ${what}: ${wanted}`);
  if (!isRecord(vectors)) throw wrong("which moves those that no row of a batch reads");
  if (typeof weightDecay === "number" && weightDecay > 0) {
    throw wrong("whose weightDecay is that of all matrices; touchedDecay is that of vectors which are read");
  }
  if (clipNorm !== undefined) throw wrong("as clipNorm is an option of the one norm of all: give it to optimiser");
}

/**
 * Returns the optimiser of vectors of a rule and a learning rate.
 *
 * @throws {TypeError} if the learning rate is not a number or a function.
 * @throws {RangeError} if the learning rate or the decay is out of range.
 */
export function vectorOptimiserOf(name: string, rate: Rate, vectors: VectorRule): VectorOptimiser {
  checkWithin(name, "touchedDecay", vectors.touchedDecay, 0, Infinity);
  return { name, rate: rateOf(name, rate), vectors };
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
