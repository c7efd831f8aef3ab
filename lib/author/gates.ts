import { broadcast, div, greater, inTraining, mul, select, softmax as softmaxOf, sum } from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import type { Init } from "../ops/init.ts";
import { kindOf, optionsOf } from "../errors/kinds.ts";
import { mustBeGate } from "./gate_losses.ts";
import { inits } from "./inits.ts";
import { type Gate, layer, type Net, noise } from "./net.ts";
import { dense } from "./nets.ts";
import { weighing } from "./weighing.ts";
import { misapplied } from "../errors/misapplied.ts";

/**
 * The gate of the paper, `g(x) = softmax(x W)`, without a bias (Ma et al. 2018, eq. 8).
 *
 * Parameters: `kernel [width, experts]`. Output: `[batch, experts]`, each row sums to 1.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { bank, compile, define, dense, level, mix, reference, regression, rows, softmax } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({
 *   input: 1,
 *   levels: [level({ shared: bank(2, dense(1)) }, { shared: mix("shared", softmax) })],
 *   tasks: { y: regression() },
 * });
 * const kernel = { shape: [1, 2], data: Float32Array.of(0, Math.log(3)) };
 * const parameters = { ...initialise(spec, 0), "levels/0/gates/shared/0/kernel": kernel };
 * const model = await compile(spec, { engine: reference(), parameters });
 * const { gates } = await model.inspect(rows([[1]]));
 * [1 / 4, 3 / 4].forEach((weight, expert) => assertAlmostEquals(gates["0/shared"][expert], weight, 1e-6));
 * model.dispose();
 * ```
 */
export function softmax(x: Value, experts: number): Value {
  return softmaxOf(dense(experts, { bias: false })(x));
}

/**
 * The softmax gate with its logits divided by a temperature: above 1 the weights are more even, below 1 more decided.
 *
 * @param value The temperature, above 0.
 * @returns A gate with weights `[batch, experts]`.
 * @throws {RangeError} if it is not a finite number above 0.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { bank, compile, define, dense, level, mix, reference, regression, rows, temperature } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({
 *   input: 1,
 *   levels: [level({ shared: bank(2, dense(1)) }, { shared: mix("shared", temperature(2)) })],
 *   tasks: { y: regression() },
 * });
 * const kernel = { shape: [1, 2], data: Float32Array.of(0, 2 * Math.log(3)) };
 * const parameters = { ...initialise(spec, 0), "levels/0/gates/shared/0/kernel": kernel };
 * const model = await compile(spec, { engine: reference(), parameters });
 * const { gates } = await model.inspect(rows([[1]]));
 * assertAlmostEquals(gates["0/shared"][1], 0.75, 1e-6); // 0.9 at temperature 1
 * model.dispose();
 * ```
 */
export function temperature(value: number): Gate {
  if (!(Number.isFinite(value) && value > 0)) {
    throw misapplied(new RangeError(`Cannot apply temperature: it must be above 0, found ${kindOf(value)}`));
  }
  return (x, experts) => softmaxOf(div(dense(experts, { bias: false })(x), value));
}

/** The options of {@linkcode fixed}. */
export interface FixedOptions {
  /** If true, the weights are a softmax of the parameters, else the parameters themselves. Default true. */
  readonly softmax?: boolean;
  /** The values that the parameters begin with. Default: all experts weigh `1 / experts`. */
  readonly init?: Init;
}

/**
 * A gate of learned weights that are the same for every row, as in cross-stitch networks (Misra et al. 2016, eq. 1,
 * where they are not normalised) and, through a softmax, the static gates of Hazimeh et al. 2021.
 *
 * Parameters: `weights [experts]`. Output: `[batch, experts]`.
 *
 * @throws {TypeError} if an option is unknown.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, compile, define, dense, fixed, level, mix, reference, regression, rows } from "@gatehouse/gatehouse";
 *
 * const spec = define({
 *   input: 3,
 *   levels: [level({ shared: bank(4, dense(2)) }, { y: mix("shared", fixed()) })],
 *   tasks: { y: regression() },
 * });
 * const model = await compile(spec, { engine: reference() });
 * assertEquals((await model.inspect(rows([[1, 2, 3]]))).gates["0/y"], Float32Array.of(0.25, 0.25, 0.25, 0.25));
 * model.dispose();
 * ```
 */
export function fixed(options: FixedOptions = {}): Gate {
  const { softmax = true, init: own } = optionsOf("apply fixed", options, ["init"], ["softmax"]);
  return (x, experts) => {
    const init = own ?? (softmax ? inits.zeros : inits.value(1 / experts));
    const weights = layer((parameter) => parameter("weights", [experts], init))(x);
    return broadcast(softmax ? softmaxOf(weights) : weights, ["batch", experts]);
  };
}

/**
 * A gate that reads what a net makes of its stream: hidden layers, `after(mlp([16]), softmax)`, or some columns alone,
 * `after((x) => slice(x, 0, 4), softmax)`.
 *
 * @throws {TypeError} if the net or the gate is not a function.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { after, bank, binary, define, dense, level, mix, mlp, softmax } from "@gatehouse/gatehouse";
 * import { parametersOf } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({
 *   input: 5,
 *   levels: [level({ shared: bank(3, dense(2)) }, { click: mix("shared", after(mlp([16]), softmax)) })],
 *   tasks: { click: binary() },
 * });
 * const gate = parametersOf(spec).filter(({ path }) => path.startsWith("levels/0/gates"));
 * assertEquals(gate.map(({ shape }) => shape), [[5, 16], [16], [16, 3]]);
 * ```
 */
export function after(net: Net, gate: Gate): Gate {
  if (typeof net !== "function") {
    throw misapplied(new TypeError(`Cannot apply after: the net must be a function, found ${kindOf(net)}`));
  }
  mustBeGate("after", gate);
  return (x, experts) => gate(net(x), experts);
}

/**
 * A gate that drops each expert of each row with probability `rate` in training, and scales the weights of the others
 * so that they sum to what they summed to before, against gates that settle on few experts (Zhao et al. 2019, with a
 * rate of 0.1). A row of which all weights are dropped, or all but 1e-18 of their sum, keeps them all. Evaluation drops
 * nothing.
 *
 * For weights of at least 0, such as a softmax. The scores, which losses of banks read, are those before the dropping.
 *
 * @param rate The probability, in [0, 1).
 * @returns A gate with weights `[batch, experts]`.
 * @throws {RangeError} if `rate` is not in [0, 1).
 * @throws {TypeError} if the gate is not a function.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, binary, compile, define, dense, gateDropout, level, mix, reference, rows, softmax } from "@gatehouse/gatehouse";
 *
 * const spec = define({
 *   input: 1,
 *   levels: [level({ shared: bank(4, dense(2)) }, { click: mix("shared", gateDropout(0.1, softmax)) })],
 *   tasks: { click: binary() },
 * });
 * const model = await compile(spec, { engine: reference() });
 * assertEquals((await model.inspect(rows([[0]]))).gates["0/click"], Float32Array.of(0.25, 0.25, 0.25, 0.25));
 * model.dispose();
 * ```
 */
export function gateDropout(rate: number, gate: Gate): Gate {
  if (!(Number.isFinite(rate) && rate >= 0 && rate < 1)) {
    throw misapplied(new RangeError(`Cannot apply gateDropout: rate must be in [0, 1), found ${kindOf(rate)}`));
  }
  mustBeGate("gateDropout", gate);
  if (rate === 0) return gate;
  return (x, experts) => {
    const found = weighing(gate(x, experts));
    const { weights, scores = weights } = found;
    const kept = mul(weights, greater(noise(weights.shape), rate));
    const [left, all] = [kept, weights].map((weights) => sum(weights, { keep: true })); // [batch, 1]
    const enough = greater(left, mul(all, negligible));
    const shares = div(kept, select(enough, left, 1));
    const dropped = select(enough, mul(shares, all), weights);
    return { ...found, scores, weights: inTraining(dropped, weights) };
  };
}

/** The share of a row's weights of which float32 has no inverse whose square is finite. */
const negligible = 1e-18;
