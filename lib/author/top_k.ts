import {
  add,
  div,
  greater,
  inTraining,
  max,
  mean,
  mul,
  neg,
  normalCdf,
  select,
  softmax,
  softplus,
  sub,
  topMask,
} from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import { isFloat, kindOf, optionsOf } from "../errors/kinds.ts";
import { inits } from "./inits.ts";
import type { Routing } from "../spec/routing.ts";
import { type Gate, layer, noise } from "./net.ts";
import { dense, wholeNumber } from "./nets.ts";
import { misapplied } from "../errors/misapplied.ts";

/** The options of {@linkcode topK}. */
export interface TopKOptions {
  /** If true, noise of a learned size is added to the logits in training. Default false. */
  readonly noise?: boolean;
  /** If true, the weights that are kept are scaled to sum to 1. Default true, but for `k = 1`, where it cannot be. */
  readonly normalise?: boolean;
  /** The step, above 0, by which a bias of each expert moves towards even load in a training step. Default: no bias. */
  readonly balance?: number;
}

/**
 * The sparse gate: a row uses the experts of its `k` largest logits `l = x W`, those with lower numbers first where
 * logits are equal, and no others.
 *
 * The weights are the softmax over the kept logits (Shazeer et al. 2017, eqs 3 and 5), which is the same as the softmax
 * over all, the kept ones scaled to sum to 1 (Lepikhin et al. 2021, GShard): `e ** l_i / sum_kept e ** l_j`. With
 * `normalise: false` they are the softmax over all, not scaled (Fedus et al. 2022, Switch Transformer, eq. 2): for
 * `k = 1` that is the only way, as a single scaled weight is 1 and its gradient 0. With `k` the number of experts the
 * gate is {@linkcode softmax}.
 *
 * With `noise`, training uses `l + z softplus(x V)`, z normal, for the choice and for the weights (Shazeer et al. 2017,
 * eq. 4), and the gate returns the load that {@linkcode smoothLoad} reads; evaluation uses `l`. The load is that of noise
 * of a deviation of at least 1e-6: the paper divides by any, and the authors' code adds 0.01 to all. The scores that
 * {@linkcode loadBalance} reads are the softmax over all experts.
 *
 * With `balance`, the choice is made by logits plus a bias of each expert, which the weights do not see; a training
 * step adds `balance` to the bias of every expert whose load is below the mean, and takes it from those above (Wang et
 * al. 2024, and DeepSeek-V3, 2024, section 2.1.2, where the bias is added to a sigmoid of the logits). It balances
 * without a loss. The load of a bank is that of all gates over it.
 *
 * Parameters: `kernel [width, experts]`, with balance `bias [experts]`, at first 0, and with noise another
 * `kernel [width, experts]` for V, at first 0. Output: `[batch, experts]`.
 *
 * @param k The number of experts that a row uses.
 * @throws {RangeError} if `k` is not a whole number of at least 1, or weights are to be normalised with `k = 1`; while
 * defining, if there are fewer than `k` experts.
 * @throws {TypeError} if an option is unknown.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, compile, define, dense, level, mix, reference, regression, rows, topK } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({
 *   input: 1,
 *   levels: [level({ shared: bank(3, dense(1)) }, { y: mix("shared", topK(2)) })],
 *   tasks: { y: regression() },
 * });
 * const kernel = { shape: [1, 3], data: Float32Array.of(Math.log(3), Math.log(2), 0) };
 * const parameters = { ...initialise(spec, 0), "levels/0/gates/y/0/kernel": kernel };
 * const model = await compile(spec, { engine: reference(), parameters });
 * const { gates } = await model.inspect(rows([[1]]));
 * assertEquals([...gates["0/y"]].map((weight) => weight.toFixed(3)), ["0.600", "0.400", "0.000"]);
 * model.dispose();
 * ```
 */
export function topK(k: number, options: TopKOptions = {}): Gate {
  wholeNumber("topK", "k", k);
  const { noise: noisy = false, normalise = k > 1, balance } = optionsOf("apply topK", options, ["balance"], [
    "noise",
    "normalise",
  ]);
  for (const [name, value] of Object.entries({ noise: noisy, normalise })) {
    if (typeof value === "boolean") continue;
    throw misapplied(new TypeError(`Cannot apply topK: ${name} must be true or false, found ${kindOf(value)}`));
  }
  if (normalise && k === 1) {
    throw misapplied(
      new RangeError(
        "Cannot apply topK: with k = 1 a normalised weight is 1 and learns nothing: wanted normalise: false",
      ),
    );
  }
  if (balance !== undefined && !(isFloat(balance) && balance > 0)) {
    throw misapplied(new RangeError(`Cannot apply topK: balance must be above 0, found ${kindOf(balance)}`));
  }
  return (x, experts) => {
    checkK("topK", k, experts);
    const logits = dense(experts, { bias: false })(x);
    const deviation = noisy ? softplus(dense(experts, { bias: false, init: inits.zeros })(x)) : undefined;
    const seen = deviation === undefined
      ? logits
      : inTraining(add(logits, mul(noise(logits.shape, "normal"), deviation)), logits);
    const scores = softmax(seen);
    const bias = balance === undefined ? undefined : layer((parameter) => parameter("bias", [experts], inits.zeros))(x);
    const chosenBy = (logits: Value) => bias === undefined ? logits : add(logits, bias);
    const mask = topMask(chosenBy(seen), k);
    const weights = mul(normalise ? softmax(select(mask, seen, -far)) : scores, mask);
    const moves = bias === undefined ? [] : [{ parameter: bias, by: towardsEven(balance!) }];
    if (deviation === undefined) return { weights, logits, scores, moves };
    return {
      moves,
      weights,
      logits,
      scores,
      load: inTraining(loadOf({ logits: chosenBy(logits), seen: chosenBy(seen), deviation, mask, k }), mask),
    };
  };
}

/**
 * Makes sure that a gate uses no more experts than there are.
 *
 * @throws {RangeError} if it does.
 */
export function checkK(name: string, k: number, experts: number): void {
  if (k <= experts) return;
  throw misapplied(
    new RangeError(`Cannot apply ${name}: k must be at most the number of experts, ${experts}, found ${k}`),
  );
}

/** Returns the rule of a step towards even load: up if an expert's share is below the mean, down if it is above. */
function towardsEven(step: number): (routing: Routing) => Value {
  return ({ routed }) => {
    const even = mean(routed);
    return mul(sub(greater(even, routed), greater(routed, even)), step);
  };
}

/**
 * Returns the probability that each expert is among the k largest if its own noise is drawn anew, the others' kept
 * (Shazeer et al. 2017, eqs 8 and 9): `cdf((l_i - t_i) / deviation_i)`, where `t_i` is the k-th largest of the other
 * experts' logits. Deviations count as {@linkcode smallest} at least.
 */
function loadOf({ logits, seen, deviation, mask, k }: {
  readonly logits: Value;
  readonly seen: Value;
  readonly deviation: Value;
  readonly mask: Value;
  readonly k: number;
}): Value {
  if (k === logits.shape[1]) return mask;
  const least = neg(max(select(mask, neg(seen), -far), { keep: true })); // the k-th largest, [batch, 1]
  const next = max(select(mask, -far, seen), { keep: true }); // the one after it, [batch, 1]
  const floored = select(greater(deviation, smallest), deviation, smallest);
  return normalCdf(div(sub(logits, select(mask, next, least)), floored));
}

/** A deviation that float32 logits of a usual size, to which noise is added, just show; its square has an inverse. */
const smallest = 1e-6;

/** A number above all logits in size. */
const far = 1e30;
