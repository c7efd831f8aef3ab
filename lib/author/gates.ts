import { div, softmaxOf } from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import { kindOf } from "../spec/structure.ts";
import type { Gate } from "./net.ts";
import { dense } from "./nets.ts";

/**
 * The gate of the paper, `g(x) = softmax(x W)`, without a bias (Ma et al. 2018, eq. 8).
 *
 * Parameters: `kernel [width, experts]`. Output: `[batch, experts]`, each row sums to 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, binary, define, dense, level, mix, parametersOf, softmax } from "@gatehouse/gatehouse";
 *
 * const spec = define({
 *   input: 5,
 *   levels: [level({ shared: bank(3, dense(2)) }, { shared: mix("shared", softmax) })],
 *   tasks: { click: binary() },
 * });
 * const gate = parametersOf(spec).find(({ path }) => path === "levels/0/gates/shared/0/kernel");
 * assertEquals(gate?.shape, [5, 3]);
 * ```
 */
export function softmax(x: Value, experts: number): Value {
  return softmaxOf(dense(experts, { bias: false })(x));
}

/**
 * The softmax gate with its logits divided by a temperature: above 1 the weights are more even, below 1 more decided.
 *
 * @param value The temperature, above 0.
 * @throws {RangeError} if it is not.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { bank, compile, define, dense, initialise, level, mix, reference, regression, rows, temperature } from "@gatehouse/gatehouse";
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
  if (!(value > 0 && Number.isFinite(value))) {
    throw new RangeError(`Cannot apply temperature: it must be above 0, found ${kindOf(value)}`);
  }
  return (x, experts) => softmaxOf(div(dense(experts, { bias: false })(x), value));
}
