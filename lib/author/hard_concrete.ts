import { add, broadcast, div, inTraining, log, mul, relu, sigmoid, sub, sum } from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import { kindOf, optionsOf } from "../errors/kinds.ts";
import { inits } from "./inits.ts";
import { type Gate, layer, noise } from "./net.ts";
import { misapplied } from "../errors/misapplied.ts";

/** The options of {@linkcode hardConcrete}. */
export interface HardConcreteOptions {
  /** The temperature `beta` of the choice in training, above 0: the lower, the harder. Default 2/3. */
  readonly temperature?: number;
  /** The length by which numbers are stretched beyond 0 and 1 before they are cut off there, above 0. Default 0.1. */
  readonly stretch?: number;
  /** The weight of the expected number of open ways as a loss, at least 0. Default 0: no such loss. */
  readonly penalty?: number;
}

/**
 * A gate that opens or closes the way from each expert, whatever the input: numbers in [0, 1], many of them just 0 or 1
 * (Louizos et al. 2018; in Ma et al. 2019 the latent variables of SNR).
 *
 * In training `z = min(1, max(0, s (zeta - gamma) + gamma))` with
 * `s = sigmoid((log u - log(1 - u) + logAlpha) / beta)`, one `u` uniform in (0, 1) for each expert and batch; in
 * evaluation `s = sigmoid(logAlpha)`. `beta` is the temperature, `gamma = -stretch` and `zeta = 1 + stretch`. Weights
 * are not normalised.
 *
 * Losses: `open`, if asked for, `penalty sum_e sigmoid(logAlpha_e - beta log(-gamma / zeta))`, the expected number of
 * ways that are not closed in training, an L0 norm (Louizos et al. 2018).
 *
 * Parameters: `logAlpha [experts]`, normal around 0: every way begins half open. Output: `[batch, experts]`.
 *
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if an option is out of range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, compile, define, dense, hardConcrete, level, mix, reference, regression, rows } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({
 *   input: 1,
 *   levels: [level({ shared: bank(3, dense(1)) }, { shared: mix("shared", hardConcrete()) })],
 *   tasks: { y: regression() },
 * });
 * const logAlpha = { shape: [3], data: Float32Array.of(-9, 0, 9) };
 * const parameters = { ...initialise(spec, 0), "levels/0/gates/shared/0/logAlpha": logAlpha };
 * const model = await compile(spec, { engine: reference(), parameters });
 * assertEquals((await model.inspect(rows([[1]]))).gates["0/shared"], Float32Array.of(0, 0.5, 1));
 * model.dispose();
 * ```
 */
export function hardConcrete(options: HardConcreteOptions = {}): Gate {
  const { temperature = 2 / 3, stretch = 0.1, penalty = 0 } = optionsOf("apply hardConcrete", options, [
    "temperature",
    "stretch",
    "penalty",
  ]);
  for (const [name, value] of Object.entries({ temperature, stretch })) {
    if (!(Number.isFinite(value) && value > 0)) {
      throw misapplied(new RangeError(`Cannot apply hardConcrete: ${name} must be above 0, found ${kindOf(value)}`));
    }
  }
  if (!(Number.isFinite(penalty) && penalty >= 0)) {
    throw misapplied(new RangeError(`Cannot apply hardConcrete: penalty must be at least 0, found ${kindOf(penalty)}`));
  }
  const closed = temperature * Math.log(stretch / (1 + stretch)); // where a draw of 1 / 2 is cut off at 0
  return (x, experts) => {
    const logAlpha = layer((parameter) => parameter("logAlpha", [experts], inits.normal(0.01)))(x);
    const u = add(mul(noise([experts]), 1 - 2e-6), 1e-6); // never 0 or 1, whose logarithm or that of 1 - u is infinite
    const drawn = sigmoid(div(add(sub(log(u), log(sub(1, u))), logAlpha), temperature));
    const open = inTraining(drawn, sigmoid(logAlpha)); // [experts]
    const weights = broadcast(cut(sub(mul(open, 1 + 2 * stretch), stretch)), ["batch", experts]);
    return penalty === 0 ? weights : { weights, losses: { open: mul(sum(sigmoid(sub(logAlpha, closed))), penalty) } };
  };
}

/** Returns `min(1, max(0, x))`. */
function cut(x: Value): Value {
  return sub(relu(x), relu(sub(x, 1)));
}
