import { abs, div, greater, mean, mul, select, square, sub, sum } from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import type { Routing } from "../spec/routing.ts";
import { checkWeight } from "./gate_losses.ts";

/**
 * A loss of a bank: a pure function without parameters from the routing of a batch, by all gates over the bank, to a
 * number `[]`. It is added to the trained loss and reported apart.
 */
export type BankLoss = (routing: Routing) => Value;

/**
 * The load-balancing loss, `alpha * experts * sum_e f_e P_e` (Lepikhin et al. 2021, GShard, algorithm 1; Fedus et al.
 * 2022, Switch Transformer, eqs 4 to 6): `f_e` is the share of rows that use expert e, without a gradient, and `P_e`
 * the mean of its scores, the softmax over all experts. Even routing gives `alpha`, collapse on one expert
 * `alpha * experts`.
 *
 * With more than one gate over the bank, `f` and `P` are means over them: the sum of what all tasks use is balanced,
 * and a task may well prefer one expert. Of a gate that mixes other banks too, the shares within the bank are taken.
 * With k experts a row each counts 1 / k, so that `f` sums to 1.
 *
 * @param alpha The weight of the loss. Default 0.01, as for the Switch Transformer.
 * @throws {RangeError} if `alpha` is not a finite number.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { bank, compile, define, dense, evaluate, level, loadBalance, mix, reference, regression, rows } from "@gatehouse/gatehouse";
 *
 * const shared = bank(2, dense(1), { losses: { balance: loadBalance(0.01) } });
 * const spec = define({
 *   input: 2,
 *   levels: [level({ shared }, { y: mix("shared", (x) => x) })], // the inputs are the weights
 *   tasks: { y: regression() },
 * });
 * const model = await compile(spec, { engine: reference() });
 * const loss = async (x: number[][]) => {
 *   const { auxiliary } = await evaluate(model, rows(x, { labels: { y: [0, 0] } }));
 *   return auxiliary["levels/0/experts/shared/balance"];
 * };
 * assertAlmostEquals(await loss([[1, 0], [0, 1]]), 0.01, 1e-6); // even
 * assertAlmostEquals(await loss([[1, 0], [1, 0]]), 0.02, 1e-6); // all rows use one of two experts
 * model.dispose();
 * ```
 */
export function loadBalance(alpha: number = 0.01): BankLoss {
  checkWeight("loadBalance", alpha);
  return ({ routed, scores }) => {
    const experts = routed.shape[0] as number;
    return mul(sum(mul(shares(routed), shares(scores))), alpha * experts);
  };
}

/**
 * The importance loss, `weight * CV(sum of the weights) ** 2`, the squared coefficient of variation over experts of the
 * weights that they get in all (Shazeer et al. 2017, eqs 6 and 7). Even importance gives 0, collapse on one
 * expert `weight * (experts - 1)`. The variance is the mean square, as in the authors' code.
 *
 * @param weight The weight of the loss. Default 0.1, as in the paper's appendix.
 * @throws {RangeError} if `weight` is not a finite number.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { bank, compile, define, dense, evaluate, importance, level, mix, reference, regression, rows } from "@gatehouse/gatehouse";
 *
 * const shared = bank(2, dense(1), { losses: { importance: importance(0.1) } });
 * const spec = define({
 *   input: 2,
 *   levels: [level({ shared }, { y: mix("shared", (x) => x) })], // the inputs are the weights
 *   tasks: { y: regression() },
 * });
 * const model = await compile(spec, { engine: reference() });
 * const loss = async (x: number[][]) => {
 *   const { auxiliary } = await evaluate(model, rows(x, { labels: { y: [0, 0] } }));
 *   return auxiliary["levels/0/experts/shared/importance"];
 * };
 * assertAlmostEquals(await loss([[1, 0], [0, 1]]), 0, 1e-6); // even
 * assertAlmostEquals(await loss([[1, 0], [1, 0]]), 0.1, 1e-6); // all rows use one of two experts
 * model.dispose();
 * ```
 */
export function importance(weight: number = 0.1): BankLoss {
  checkWeight("importance", weight);
  return ({ weights }) => mul(squaredVariation(weights), weight);
}

/**
 * The load loss, `weight * CV(load) ** 2`: `load` is the number of rows that would use each expert, as a smooth
 * estimate, the sum of the probabilities that the expert stays among the k largest under fresh noise (Shazeer et al.
 * 2017, eqs 8 to 11). All gates over the bank must return it, as `topK(k, { noise: true })` does. In evaluation, where
 * there is no noise, it is the number itself.
 *
 * @param weight The weight of the loss. Default 0.1, as in the paper's appendix.
 * @throws {RangeError} if `weight` is not a finite number.
 *
 * @example Even load, and load on one expert alone
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { bank, compile, define, dense, evaluate, level, mix, reference, regression, rows, smoothLoad } from "@gatehouse/gatehouse";
 *
 * const shared = bank(2, dense(1), { losses: { load: smoothLoad(0.1) } });
 * const spec = define({
 *   input: 2,
 *   levels: [level({ shared }, { y: mix("shared", (x) => ({ weights: x, load: x })) })], // the inputs are the weights
 *   tasks: { y: regression() },
 * });
 * const model = await compile(spec, { engine: reference() });
 * const loss = async (x: number[][]) => {
 *   const { auxiliary } = await evaluate(model, rows(x, { labels: { y: [0, 0] } }));
 *   return auxiliary["levels/0/experts/shared/load"];
 * };
 * assertAlmostEquals(await loss([[1, 0], [0, 1]]), 0, 1e-6); // even
 * assertAlmostEquals(await loss([[1, 0], [1, 0]]), 0.1, 1e-6); // all rows use one of two experts
 * model.dispose();
 * ```
 *
 * @example Gates that return no load are an issue
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { bank, binary, define, dense, level, mix, smoothLoad, topK } from "@gatehouse/gatehouse";
 *
 * const table = (noise: boolean) => ({
 *   input: 5,
 *   levels: [level({ shared: bank(4, dense(2), { losses: { load: smoothLoad() } }) }, {
 *     click: mix("shared", topK(2, { noise })),
 *   })],
 *   tasks: { click: binary() },
 * });
 * define(table(true));
 * assertThrows(() => define(table(false)), Error, 'losses.load: gate "click" returns no load');
 * ```
 */
export function smoothLoad(weight: number = 0.1): BankLoss {
  checkWeight("smoothLoad", weight);
  return ({ load }) => mul(squaredVariation(load), weight);
}

/** Returns numbers of at least 0 as shares of their sum; zeros stay zeros. */
function shares(x: Value): Value {
  return div(x, divisor(sum(x)));
}

/** Returns the variance over the square of the mean, `[experts]` to `[]`. Numbers are divided first: small squares vanish. */
function squaredVariation(x: Value): Value {
  const centre = mean(x);
  return mean(square(div(sub(x, centre), divisor(centre, abs(centre)))));
}

/** Returns a number of some size as a divisor: 1 in the place of 0, and of what engines may take for 0. */
function divisor(x: Value, size: Value = x): Value {
  return select(greater(size, 1e-30), x, 1);
}
