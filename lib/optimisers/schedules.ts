import { checkCount, kindOf, optionsOf } from "../errors/kinds.ts";
import { checkPositive, checkWithin, type Optimiser, type Rate, rateOf } from "./optimiser.ts";

/** The options of {@linkcode cosineDecay} and {@linkcode linearDecay}. */
export interface DecayOptions {
  /** The learning rate after the last step, at least 0. Default 0. */
  readonly end?: number;
}

/**
 * Returns a learning rate that falls along half a cosine: `end + (rate - end) (1 + cos(pi t / steps)) / 2`, where t is the
 * number of steps before, so that step 1 has `rate` exactly and step `steps + 1` has `end`, as all after it have.
 *
 * It is PyTorch's `CosineAnnealingLR` within its first half period, and optax's `cosine_decay_schedule` (Loshchilov and
 * Hutter 2017, equation 5, without restarts).
 *
 * @param rate The learning rate of the first step, above 0.
 * @param steps The steps over which it falls.
 * @returns A learning rate for an optimiser, whose `name` is the call.
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if an argument is out of range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { adam, cosineDecay } from "@gatehouse/gatehouse";
 *
 * const { rate } = adam(cosineDecay(0.5, 1000));
 * assertEquals([1, 501, 1001, 2000].map(rate), [0.5, 0.25, 0, 0]);
 * assertEquals(rate.name, "cosineDecay(0.5, 1000, 0)");
 * ```
 */
export function cosineDecay(rate: number, steps: number, options: DecayOptions = {}): (step: number) => number {
  return decay("cosineDecay", rate, steps, options, (share) => (1 + Math.cos(Math.PI * share)) / 2);
}

/**
 * Returns a learning rate that falls along a line: `rate + (end - rate) t / steps`, where t is the number of steps before, so
 * that step 1 has `rate` exactly and step `steps + 1` has `end`, as all after it have.
 *
 * It is PyTorch's `LinearLR` with an `end_factor` of `end / rate`, and optax's `linear_schedule`.
 *
 * @param rate The learning rate of the first step, above 0.
 * @param steps The steps over which it falls.
 * @returns A learning rate for an optimiser, whose `name` is the call.
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if an argument is out of range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { linearDecay } from "@gatehouse/gatehouse";
 *
 * assertEquals([1, 2, 3, 4, 5, 6].map(linearDecay(1, 4, { end: 0.5 })), [1, 0.875, 0.75, 0.625, 0.5, 0.5]);
 * ```
 */
export function linearDecay(rate: number, steps: number, options: DecayOptions = {}): (step: number) => number {
  return decay("linearDecay", rate, steps, options, (share) => 1 - share);
}

/** The options of {@linkcode stepDecay}. */
export interface StepDecayOptions {
  /** The factor of each fall, above 0. Default 0.1. */
  readonly factor?: number;
}

/**
 * Returns a learning rate that falls at once, to `rate factor^k` after k falls.
 *
 * It is PyTorch's `StepLR` if falls are a number of steps apart, and `MultiStepLR` if they are listed.
 *
 * @param rate The learning rate of the first steps, above 0.
 * @param falls The number of steps before each fall, or the numbers of steps after which the rate falls: of `[100, 150]`,
 * step 101 is the first of a lower rate, and step 151 that of one lower still.
 * @returns A learning rate for an optimiser, whose `name` is the call.
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if an argument is out of range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { stepDecay } from "@gatehouse/gatehouse";
 *
 * assertEquals([1, 2, 3, 4, 5].map(stepDecay(1, 2, { factor: 0.5 })), [1, 1, 0.5, 0.5, 0.25]);
 * assertEquals([1, 2, 3, 4, 5].map(stepDecay(1, [1, 4], { factor: 0.5 })), [1, 0.5, 0.5, 0.5, 0.25]);
 * ```
 */
export function stepDecay(
  rate: number,
  falls: number | readonly number[],
  options: StepDecayOptions = {},
): (step: number) => number {
  const { factor = 0.1 } = optionsOf("make stepDecay", options, ["factor"]);
  checkPositive("stepDecay", "the learning rate", rate);
  checkPositive("stepDecay", "factor", factor);
  if (typeof falls === "number") {
    checkCount("make stepDecay", "the steps between falls", falls, 1);
    return named("stepDecay", [rate, falls, factor], (step) => rate * factor ** Math.floor((step - 1) / falls));
  }
  if (!Array.isArray(falls)) {
    const wanted = "wanted the steps between falls, or a list of the steps after which the rate falls";
    throw new TypeError(`Cannot make stepDecay: ${wanted}, found ${kindOf(falls)}`);
  }
  const after: readonly number[] = [...falls];
  after.forEach((fall) => checkCount("make stepDecay", "the steps before a fall", fall, 1));
  return named(
    "stepDecay",
    [rate, `[${after.join(", ")}]`, factor],
    (step) => rate * factor ** after.filter((fall) => fall < step).length,
  );
}

/**
 * Returns a learning rate that grows evenly over the first steps to that with which another begins, and goes on as the other
 * does: step s of the first `steps` has `s / steps` of it, so that step `steps` has all; step `steps + 1` is the other's
 * first.
 *
 * It is PyTorch's `SequentialLR` of `LinearLR(1 / steps, total_iters=steps - 1)` and the other, with a milestone at `steps`.
 *
 * @param steps The steps of the growth.
 * @param rate A learning rate, or a function of the step, such as {@linkcode cosineDecay} returns.
 * @returns A learning rate for an optimiser, whose `name` is the call.
 * @throws {TypeError} if the learning rate is not a number or a function.
 * @throws {RangeError} if an argument is out of range.
 *
 * @example Four steps up, then two down
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { linearDecay, warmUp } from "@gatehouse/gatehouse";
 *
 * const rate = warmUp(4, linearDecay(1, 2));
 * assertEquals([1, 2, 3, 4, 5, 6, 7].map(rate), [0.25, 0.5, 0.75, 1, 1, 0.5, 0]);
 * assertEquals(rate.name, "warmUp(4, linearDecay(1, 2, 0))");
 * ```
 */
export function warmUp(steps: number, rate: Rate): (step: number, epoch?: number) => number {
  checkCount("make warmUp", "steps", steps, 1);
  const after = rateOf("warmUp", rate);
  return named(
    "warmUp",
    [steps, after.name],
    (step, epoch) => step <= steps ? after(1, epoch) * (step / steps) : after(step - steps, epoch),
  );
}

/**
 * Returns a learning rate that is another's in the first epochs, and 0 after them: what follows it stays as it is then.
 *
 * For vectors that are looked up, which often overfit after one epoch while the rest still learns (Zhang et al. 2022,
 * "Towards understanding the overfitting phenomenon of deep click-through rate models"): at a rate of 0 a table and the
 * state of its optimiser stay as they are, bit for bit.
 *
 * @param epochs The epochs in which the other holds, as records count them.
 * @param rate A learning rate, or a function of the step.
 * @returns A learning rate for an optimiser, whose `name` is the call.
 * @throws {TypeError} if the learning rate is not a number or a function.
 * @throws {RangeError} if an argument is out of range.
 *
 * @example Vectors learn in one epoch, the rest in all
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { firstEpochs, rowwiseAdagrad } from "@gatehouse/gatehouse";
 *
 * const { rate } = rowwiseAdagrad(firstEpochs(1, 0.1));
 * assertEquals([rate(1, 1), rate(100, 1), rate(101, 2)], [0.1, 0.1, 0]);
 * assertEquals(rate.name, "firstEpochs(1, 0.1)");
 * ```
 */
export function firstEpochs(epochs: number, rate: Rate): (step: number, epoch?: number) => number {
  checkCount("make firstEpochs", "epochs", epochs, 1);
  const within = rateOf("firstEpochs", rate);
  return named("firstEpochs", [epochs, within.name], (step, epoch = 1) => epoch <= epochs ? within(step, epoch) : 0);
}

/**
 * Returns a learning rate that falls to its end by shares of the way.
 *
 * @param left Returns the share of the fall that is left after a share of the steps: 1 of 0, and 0 of 1.
 */
function decay(
  name: string,
  rate: number,
  steps: number,
  options: DecayOptions,
  left: (share: number) => number,
): (step: number) => number {
  const { end = 0 } = optionsOf(`make ${name}`, options, ["end"]);
  checkPositive(name, "the learning rate", rate);
  checkCount(`make ${name}`, "steps", steps, 1);
  checkWithin(name, "end", end, 0, Infinity);
  return named(name, [rate, steps, end], (step) => {
    if (step <= 1) return rate; // the ends are exact, whatever rounding does between them
    return step > steps ? end : end + (rate - end) * left((step - 1) / steps);
  });
}

/** Returns a function whose name is the call that returned it, as runs can compare it: two of one name are the same. */
function named(
  name: string,
  settings: readonly (number | string)[],
  schedule: Optimiser["rate"],
): Optimiser["rate"] {
  return Object.defineProperty(schedule, "name", { value: `${name}(${settings.join(", ")})` });
}
