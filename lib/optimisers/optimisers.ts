import { add, div, mul, sqrt, sub } from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import { checkOptions, isRecord, kindOf } from "../errors/kinds.ts";

/** A learning rate, or one for every step: a plain function of the step, which counts from 1. */
export type Rate = number | ((step: number) => number);

/** How parameters follow their gradient. The rule is part of the training graph. */
export interface Optimiser {
  /** The optimiser's name. */
  readonly name: string;
  /** The learning rate of a step, which counts from 1. */
  readonly rate: (step: number) => number;
  /** The share of every matrix that is taken off a step, times the learning rate (decoupled: Loshchilov and Hutter 2019). */
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
   * @param scalars `rate`, and what {@linkcode Optimiser.scalars} returns, each `[]`.
   * @returns What is taken off the parameters, and the new slots.
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

/** What every optimiser can do. */
export interface OptimiserOptions {
  /** The share of every matrix (not of biases) that is taken off a step, times the learning rate. Default 0. */
  readonly weightDecay?: number;
  /** Gradients of a larger global norm are scaled down to it. Default: none are. */
  readonly clipNorm?: number;
}

/** The options of {@linkcode adam}. */
export interface AdamOptions extends OptimiserOptions {
  /** The decay of the mean of gradients. Default 0.9. */
  readonly beta1?: number;
  /** The decay of the mean of squared gradients. Default 0.999. */
  readonly beta2?: number;
  /** Added to the root. Default 1e-8. */
  readonly epsilon?: number;
}

/**
 * Stochastic gradient descent: `p -= rate g`.
 *
 * @throws {TypeError} for unknown options.
 * @throws {RangeError} for options out of range.
 *
 * @example
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
export function sgd(rate: Rate, options: OptimiserOptions = {}): Optimiser {
  checkOptions("make sgd", options, common);
  return optimiser("sgd", rate, options, {}, (gradient, _, { rate }) => ({ change: mul(gradient, rate), slots: {} }));
}

/**
 * Gradient descent with momentum: `v = mu v + g; p -= rate v` (Polyak 1964, as in PyTorch and without dampening).
 *
 * @param mu The momentum, in [0, 1). Default 0.9.
 * @throws {TypeError} for unknown options.
 * @throws {RangeError} for options out of range.
 *
 * @example
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
  checkOptions("make momentum", options, common);
  within("momentum", "mu", mu, 0, 1);
  return optimiser("momentum", rate, options, { velocity: 0 }, (gradient, slots, { rate }) => {
    const velocity = add(mul(slots.velocity, mu), gradient);
    return { change: mul(velocity, rate), slots: { velocity } };
  });
}

/**
 * Adam (Kingma and Ba 2015, algorithm 1): `m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
 * p -= rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)`. With weight decay: AdamW.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { adam } from "@gatehouse/gatehouse";
 *
 * const warm = adam((step) => 1e-3 * Math.min(1, step / 100));
 * assertEquals(warm.rate(50), 5e-4);
 * ```
 */
export function adam(rate: Rate = 1e-3, options: AdamOptions = {}): Optimiser {
  checkOptions("make adam", options, [...common, "beta1", "beta2", "epsilon"]);
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  within("adam", "beta1", beta1, 0, 1);
  within("adam", "beta2", beta2, 0, 1);
  positive("adam", "epsilon", epsilon);
  // The corrections of the start, 1 - b^t, are taken out of the arrays: two passes less over all parameters.
  const scalars = (step: number, rate: number) => {
    const root = Math.sqrt(startUp(beta2, step));
    return { scale: rate * root / startUp(beta1, step), epsilon: epsilon * root };
  };
  return optimiser("adam", rate, options, { mean: 0, square: 0 }, (gradient, slots, { scale, epsilon }) => {
    const mean = toward(slots.mean, gradient, 1 - beta1);
    const square = toward(slots.square, mul(gradient, gradient), 1 - beta2);
    return { change: div(mul(mean, scale), add(sqrt(square), epsilon)), slots: { mean, square } };
  }, scalars);
}

/** The options of {@linkcode adagrad}. */
export interface AdagradOptions extends OptimiserOptions {
  /** With what the sums of squares begin. Default 0.1, as in TensorFlow; PyTorch begins with 0. */
  readonly initial?: number;
  /** Added to the root. Default 1e-7. */
  readonly epsilon?: number;
}

/**
 * Adagrad (Duchi et al. 2011): `s += g^2; p -= rate g / (sqrt(s) + epsilon)`.
 *
 * @throws {TypeError} for unknown options.
 * @throws {RangeError} for options out of range.
 *
 * @example
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
export function adagrad(rate: Rate = 1e-2, options: AdagradOptions = {}): Optimiser {
  checkOptions("make adagrad", options, [...common, "initial", "epsilon"]);
  const { initial = 0.1, epsilon = 1e-7 } = options;
  within("adagrad", "initial", initial, 0, Infinity);
  positive("adagrad", "epsilon", epsilon);
  return optimiser("adagrad", rate, options, { sum: initial }, (gradient, slots, { rate }) => {
    const sum = add(slots.sum, mul(gradient, gradient));
    return { change: div(mul(gradient, rate), add(sqrt(sum), epsilon)), slots: { sum } };
  });
}

/**
 * Makes sure that something is an optimiser.
 *
 * @throws {TypeError} if it is not.
 */
export function checkOptimiser(action: string, found: unknown): void {
  if (isRecord(found) && typeof found.update === "function" && isRecord(found.slots)) return;
  throw new TypeError(`Cannot ${action}: wanted an optimiser, such as adam(1e-3), found ${kindOf(found)}`);
}

const common = ["weightDecay", "clipNorm"];

function optimiser(
  name: string,
  rate: Rate,
  { weightDecay = 0, clipNorm }: OptimiserOptions,
  slots: Optimiser["slots"],
  update: Optimiser["update"],
  scalars: Optimiser["scalars"] = () => ({}),
): Optimiser {
  if (typeof rate === "number") positive(name, "the learning rate", rate);
  else if (typeof rate !== "function") {
    throw new TypeError(`Cannot make ${name}: the learning rate must be a number or a function, found ${kindOf(rate)}`);
  }
  within(name, "weightDecay", weightDecay, 0, Infinity);
  if (clipNorm !== undefined) positive(name, "clipNorm", clipNorm);
  return { name, rate: typeof rate === "number" ? () => rate : rate, weightDecay, clipNorm, slots, scalars, update };
}

/** `a + share (b - a)`. */
function toward(a: Value, b: Value, share: number): Value {
  return add(a, mul(sub(b, a), share));
}

/** `1 - beta^step`, exact where the power is near 1. */
function startUp(beta: number, step: number): number {
  return -Math.expm1(step * Math.log(beta));
}

function within(name: string, what: string, value: number, least: number, below: number): void {
  if (!(Number.isFinite(value) && value >= least && value < below)) {
    throw new RangeError(`Cannot make ${name}: ${what} must be in [${least}, ${below}), found ${kindOf(value)}`);
  }
}

function positive(name: string, what: string, value: number): void {
  if (!(Math.fround(value) > 0 && Number.isFinite(Math.fround(value)))) {
    throw new RangeError(`Cannot make ${name}: ${what} must be above 0, found ${kindOf(value)}`);
  }
}
