import { greater, log, logSumExp, mul, neg, select, square, sum } from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import { isFloat, kindOf } from "../errors/kinds.ts";
import type { Gate, Weighing } from "./net.ts";
import { weighing, withLoss } from "./weighing.ts";
import { misapplied } from "../errors/misapplied.ts";

/**
 * A gate with the router z-loss, `weight * mean(log(sum_e e ** l_e) ** 2)` over rows, which keeps logits small (Zoph et
 * al. 2022, ST-MoE). The logits are those before any noise.
 *
 * @param weight The weight of the loss, such as 0.001.
 * @returns The gate, its weights `[batch, experts]` unchanged, and the loss `[batch]` beside them.
 * @throws {RangeError} if the weight is not a finite number.
 * @throws {TypeError} if the gate is not a function; while defining, if it returns neither a softmax nor
 * `{ weights, logits }`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { bank, compile, define, dense, evaluate, level, mix, reference, regression, rows, zLoss } from "@gatehouse/gatehouse";
 * import { softmax as softmaxOf } from "@gatehouse/gatehouse/ops";
 *
 * const gate = zLoss(0.001, (x) => softmaxOf(x));
 * const spec = define({
 *   input: 2,
 *   levels: [level({ shared: bank(2, dense(1)) }, { y: mix("shared", gate) })],
 *   tasks: { y: regression() },
 * });
 * const model = await compile(spec, { engine: reference() });
 * const loss = async (x: number[]) => {
 *   return (await evaluate(model, rows([x], { labels: { y: [0] } }))).auxiliary["levels/0/gates/y/zLoss"];
 * };
 * assertAlmostEquals(await loss([0, 0]), 0.001 * Math.log(2) ** 2, 1e-8);
 * assertAlmostEquals(await loss([9, 9]), 0.001 * (9 + Math.log(2)) ** 2, 1e-6); // the same weights
 * model.dispose();
 * ```
 */
export function zLoss(weight: number, gate: Gate): Gate {
  checkWeight("zLoss", weight);
  mustBeGate("zLoss", gate);
  return (x, experts) => {
    const found = weighing(gate(x, experts));
    return withLoss("zLoss", found, "zLoss", mul(square(logSumExp(logitsOf(found))), weight));
  };
}

/**
 * A gate with the mean entropy of its scores as a loss, `-weight * mean(sum_e p_e log p_e)` over rows. A weight above 0
 * makes the gate more decided, one below 0 more even.
 *
 * @param weight The weight of the loss.
 * @returns The gate, its weights `[batch, experts]` unchanged, and the loss `[batch]` beside them.
 * @throws {RangeError} if the weight is not a finite number.
 * @throws {TypeError} if the gate is not a function.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { bank, compile, define, dense, entropy, evaluate, level, mix, reference, regression, rows } from "@gatehouse/gatehouse";
 *
 * const gate = entropy(0.01, (x) => x); // the inputs are the weights
 * const spec = define({
 *   input: 2,
 *   levels: [level({ shared: bank(2, dense(1)) }, { y: mix("shared", gate) })],
 *   tasks: { y: regression() },
 * });
 * const model = await compile(spec, { engine: reference() });
 * const loss = async (x: number[]) => {
 *   return (await evaluate(model, rows([x], { labels: { y: [0] } }))).auxiliary["levels/0/gates/y/entropy"];
 * };
 * assertAlmostEquals(await loss([0.5, 0.5]), 0.01 * Math.log(2), 1e-8);
 * assertAlmostEquals(await loss([1, 0]), 0, 1e-8);
 * model.dispose();
 * ```
 */
export function entropy(weight: number, gate: Gate): Gate {
  checkWeight("entropy", weight);
  mustBeGate("entropy", gate);
  return (x, experts) => {
    const found = weighing(gate(x, experts));
    const { scores = found.weights } = found;
    const logs = log(select(greater(scores, 0), scores, 1)); // 0 log 0 is 0
    return withLoss("entropy", found, "entropy", mul(neg(sum(mul(scores, logs))), weight));
  };
}

/** Returns the logits whose softmax the weights of a gate are. */
function logitsOf({ logits, weights }: Weighing): Value {
  if (logits !== undefined) return logits;
  if (weights.op === "softmax") return weights.of[0];
  throw misapplied(new TypeError("Cannot apply zLoss: the gate returns no logits: wanted { weights, logits }"));
}

/**
 * Makes sure that a loss can be multiplied by a weight.
 *
 * @throws {RangeError} if it is not a finite number, as a float32 too.
 */
export function checkWeight(name: string, weight: number): void {
  if (isFloat(weight)) return;
  throw misapplied(new RangeError(`Cannot apply ${name}: the weight must be a finite number, found ${kindOf(weight)}`));
}

/**
 * Makes sure that a gate is a function.
 *
 * @throws {TypeError} if it is not.
 */
export function mustBeGate(name: string, gate: unknown): void {
  if (typeof gate !== "function") {
    throw misapplied(new TypeError(`Cannot apply ${name}: the gate must be a function, found ${kindOf(gate)}`));
  }
}
