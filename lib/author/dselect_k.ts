import {
  add,
  broadcast,
  concat,
  constant,
  div,
  greater,
  inTraining,
  log,
  mul,
  neg,
  relu,
  reshape,
  select,
  slice,
  softmax,
  square,
  sub,
  sum,
} from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import { kindOf, optionsOf } from "../errors/kinds.ts";
import { checkWeight } from "./gate_losses.ts";
import { inits } from "./inits.ts";
import { type Gate, layer } from "./net.ts";
import { dense, wholeNumber } from "./nets.ts";
import { checkK } from "./top_k.ts";
import { misapplied } from "../errors/misapplied.ts";

/** The options of {@linkcode dselectK}. */
export interface DSelectKOptions {
  /** The width of the smooth step, above 0: outside of it selectors have decided. Default 1. */
  readonly gamma?: number;
  /** The weight of the entropy of the selectors as a loss, at least 0. Default 0: no such loss. */
  readonly entropy?: number;
  /** If true, the weights are the same for every row. Default false. */
  readonly static?: boolean;
}

/**
 * The differentiable sparse gate DSelect-k (Hazimeh et al. 2021): k selectors, each of which decides for one expert by
 * the bits of its number, mixed by a softmax, `sum_i softmax(a)_i r(z_i)`. At most k experts are used once every
 * selector has decided, which training leads to; until then there may be more.
 *
 * A selector is `r(z)_e = prod_bits S(z_j)` where bit j of e is 1, `1 - S(z_j)` where it is 0, lowest bit first, with
 * the smooth step `S(t) = -2 t ** 3 / gamma ** 3 + 3 t / (2 gamma) + 1 / 2` between `-gamma / 2` and `gamma / 2`, 0
 * below and 1 above. `a` and `z` are linear in the row, without bias as in the paper (the authors' code adds one), or
 * with `static` parameters themselves.
 *
 * Losses: `entropy`, the sum of the selectors' entropies, with `1e-6` inside the logarithm as in the authors' code if
 * asked for; `outside`, if the number of experts is not a power of 2, the sum over selectors of
 * `1 / max(1 / 10, inside) + (1 - inside) log(1 + sum_j max(0, z_j / gamma + 1 / 2))` with `inside = sum_e r_e`. It keeps
 * selectors from numbers that no expert has, and is k at best.
 *
 * The paper's appendix has `1 / inside` there. It leaves open what happens once a selector has decided for such a
 * number: that loss is infinite then and its gradient 0, as that of the smooth step is. Here it ends at 10 (the authors'
 * code has no end), and the second term leads back towards numbers with fewer bits. Nor does it say what such a row
 * predicts. In training the weights are the formula's, and sum to less than 1; in evaluation they are scaled to sum to
 * 1, and all experts weigh the same where none has a weight.
 *
 * Parameters: `kernel [width, k]` and `kernel [width, k * bits]`; static `selectors [k]` and `bits [k, bits]`.
 * Output: `[batch, experts]`.
 *
 * @param k The number of selectors, at most the number of experts.
 * @throws {RangeError} if an option is out of range; while defining, if there are fewer than `k` experts.
 * @throws {TypeError} if an option is unknown.
 *
 * @example Selectors that have decided
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, compile, define, dense, dselectK, level, mix, reference, regression, rows } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({
 *   input: 1,
 *   levels: [level({ shared: bank(4, dense(1)) }, { y: mix("shared", dselectK(2, { static: true })) })],
 *   tasks: { y: regression() },
 * });
 * const parameters = {
 *   ...initialise(spec, 0),
 *   "levels/0/gates/y/0/selectors": { shape: [2], data: Float32Array.of(0, 0) },
 *   "levels/0/gates/y/1/bits": { shape: [2, 2], data: Float32Array.of(9, -9, 9, 9) }, // experts 1 and 3
 * };
 * const model = await compile(spec, { engine: reference(), parameters });
 * assertEquals((await model.inspect(rows([[1]]))).gates["0/y"], Float32Array.of(0, 0.5, 0, 0.5));
 * model.dispose();
 * ```
 *
 * @example Losses that are reported
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, binary, define, dense, dselectK, entriesOf, level, mix } from "@gatehouse/gatehouse";
 *
 * const spec = define({
 *   input: 5,
 *   levels: [level({ shared: bank(6, dense(2)) }, { click: mix("shared", dselectK(2, { entropy: 1e-3 })) })],
 *   tasks: { click: binary() },
 * });
 * const losses = entriesOf(spec).filter(({ path }) => path.startsWith("levels/0/gates/click/"));
 * assertEquals(losses.map(({ path }) => path.split("/")[4]), ["entropy", "outside"]);
 * ```
 */
export function dselectK(k: number, options: DSelectKOptions = {}): Gate {
  wholeNumber("dselectK", "k", k);
  const { gamma = 1, entropy = 0, static: still = false } = optionsOf("apply dselectK", options, ["gamma", "entropy"], [
    "static",
  ]);
  if (!(Number.isFinite(gamma) && gamma > 0)) {
    throw misapplied(new RangeError(`Cannot apply dselectK: gamma must be above 0, found ${kindOf(gamma)}`));
  }
  checkWeight("dselectK", entropy);
  if (entropy < 0) {
    throw misapplied(new RangeError(`Cannot apply dselectK: entropy must be at least 0, found ${entropy}`));
  }
  if (typeof still !== "boolean") {
    throw misapplied(new TypeError(`Cannot apply dselectK: static must be true or false, found ${kindOf(still)}`));
  }
  return (x, experts) => {
    checkK("dselectK", k, experts);
    const bits = Math.ceil(Math.log2(experts));
    if (bits === 0) return broadcast(constant(1), ["batch", 1]);
    const z = inits.uniform(gamma / 100);
    const [scale, steps] = still
      ? [
        reshape(layer((parameter) => parameter("selectors", [k], inits.uniform(0.05)))(x), [1, k]),
        reshape(layer((parameter) => parameter("bits", [k, bits], z))(x), [1, k, bits]),
      ]
      : [
        dense(k, { bias: false, init: inits.uniform(0.05) })(x), // [batch, k]
        reshape(dense(k * bits, { bias: false, init: z })(x), ["batch", k, bits]),
      ];
    const rows = still ? 1 : "batch" as const;
    const selectors = selected(smoothStep(steps, gamma), experts); // [rows, k, experts]
    const formula = sum(mul(reshape(softmax(scale), [rows, k, 1]), selectors), { axes: [1] }); // [rows, experts]
    const mixed = experts === 2 ** bits ? formula : inTraining(formula, whole(formula, experts));
    const total = (perSelector: Value) => sum(perSelector, { axes: still ? [0, 1] : [1] }); // [] or [batch]
    const decided = mul(sum(neg(mul(selectors, log(add(selectors, 1e-6))))), entropy); // [rows, k]
    return {
      weights: still ? broadcast(mixed, ["batch", experts]) : mixed,
      losses: {
        ...(entropy > 0 && { entropy: total(decided) }),
        ...(experts < 2 ** bits && { outside: total(outside(selectors, div(steps, gamma))) }),
      },
    };
  };
}

/** Returns 0 below `-gamma / 2`, 1 above `gamma / 2`, and a cubic in between. */
function smoothStep(t: Value, gamma: number): Value {
  const share = div(t, gamma);
  const within = select(greater(share, 0.5), 0.5, select(greater(-0.5, share), -0.5, share)); // its cube is finite
  return add(mul(within, sub(1.5, mul(square(within), 2))), 0.5);
}

/** Returns the products over the bits of each expert's number: `[rows, k, bits]` to `[rows, k, experts]`. */
function selected(steps: Value, experts: number): Value {
  const [rows, k, bits] = steps.shape;
  let products: Value | undefined;
  for (let bit = 0; bit < (bits as number); bit++) {
    const one = slice(steps, bit, 1); // [rows, k, 1]
    const both = [sub(1, one), one].map((factor) => products === undefined ? factor : mul(products, factor));
    products = concat(both); // numbers without the bit, then those with it
  }
  const all = reshape(products!, [rows, k, 2 ** (bits as number)]);
  return slice(all, 0, experts);
}

/** Returns weights `[rows, experts]` scaled to sum to 1 in each row: even ones where there are none. */
function whole(weights: Value, experts: number): Value {
  const inside = sum(weights, { keep: true }); // [rows, 1]
  const some = greater(inside, 1e-6);
  return select(some, div(weights, select(some, inside, 1)), 1 / experts);
}

/**
 * Returns the loss of each selector that numbers without an expert have a share of it, `[rows, k]`: 1 at least.
 *
 * @param selectors What selectors give to experts, `[rows, k, experts]`.
 * @param shares The selectors' numbers over gamma, `[rows, k, bits]`.
 */
function outside(selectors: Value, shares: Value): Value {
  const inside = sum(selectors); // [rows, k]
  const far = log(add(sum(relu(add(shares, 0.5))), 1)); // grows slowly, but for ever
  return add(div(1, select(greater(inside, 0.1), inside, 0.1)), mul(sub(1, inside), far));
}
