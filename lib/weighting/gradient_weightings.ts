import { permutation } from "../data/random.ts";
import { kindOf, optionsOf } from "../errors/kinds.ts";
import { dot, leastSquare } from "./quadratic.ts";
import type { Products, Weighting } from "./weighting.ts";

/**
 * PCGrad (Yu et al. 2020, algorithm 1): a task's gradient is projected onto the normal plane of every other one that it
 * conflicts with (`g_i . g_j < 0`), one after the other in a random order, and the projected gradients are added up.
 *
 * The others' gradients are those before their own projection, and the order is drawn for every task and step from the
 * model's seed. Gradients without conflict are added up as in plain training.
 *
 * @returns A weighting of gradients, for `train`.
 *
 * @example Two gradients in conflict
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { pcgrad } from "@gatehouse/gatehouse";
 * import { random } from "@gatehouse/gatehouse/datasets";
 *
 * const products = [[1, -1], [-1, 2]]; // of g1 = (1, 0) and g2 = (-1, 1)
 * assertEquals(pcgrad().gradients!(products, random(7)), [2, 1.5]); // 2 g1 + 1.5 g2 = (1/2, 1/2) + (0, 1)
 * ```
 */
export function pcgrad(): Weighting {
  return {
    name: "pcgrad",
    gradients: (products, random) => {
      const sum = products.map(() => 0);
      products.forEach((_, task) => {
        const parts = products.map((_, i) => Number(i === task)); // of every gradient in the projected one
        for (const other of permutation(products.length, random)) {
          const along = dot(parts, products[other]);
          if (other !== task && along < 0) parts[other] -= along / products[other][other];
        }
        parts.forEach((part, i) => sum[i] += part);
      });
      return sum;
    },
  };
}

/**
 * MGDA (Désidéri 2012; Sener and Koltun 2018, equation 3): the shortest vector of the convex hull of the gradients,
 * `min |sum_t w_t g_t|` over `w >= 0, sum_t w_t = 1`, which lessens all losses alike, and is 0 where none can be
 * lessened without another growing.
 *
 * The vector is exact for any number of tasks, not approached by steps of Frank and Wolfe. It is multiplied by the
 * number of tasks, so that equal gradients are added up as in plain training, at the same learning rate. Gradients are
 * not normalised first: this is the method as published.
 *
 * @returns A weighting of gradients, for `train`.
 *
 * @example The shortest vector between two gradients
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { mgda } from "@gatehouse/gatehouse";
 * import { random } from "@gatehouse/gatehouse/datasets";
 *
 * const products = [[1, -1], [-1, 2]]; // of g1 = (1, 0) and g2 = (-1, 1)
 * const [first, second] = mgda().gradients!(products, random(7)); // twice 3/5 and 2/5: twice (1/5, 2/5)
 * assertAlmostEquals(first, 6 / 5, 1e-5);
 * assertAlmostEquals(second, 4 / 5, 1e-5);
 * ```
 */
export function mgda(): Weighting {
  return {
    name: "mgda",
    gradients: (products) => {
      const { square, lengths } = normalised(products);
      const found = leastSquare({ square, linear: lengths.map(() => 0), unit: lengths.map((length) => 1 / length) });
      return found.map((number, task) => lengths.length * number / lengths[task]);
    },
  };
}

/**
 * UPGrad (Quinton and Rey 2024): every gradient is projected onto the dual cone, the directions that conflict with no
 * task (`d . g_t >= 0` for all t), and the projections are added up; so no loss grows, to first order.
 *
 * The projection of `g_i` is `sum_t v_t g_t` for the least `|sum_t v_t g_t|` over `v >= e_i` (proposition 1), found
 * exactly. The paper takes the mean of the projections: this is the mean times the number of tasks, so that gradients
 * without conflict are added up as in plain training, at the same learning rate.
 *
 * @returns A weighting of gradients, for `train`.
 *
 * @example Two gradients in conflict
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { upgrad } from "@gatehouse/gatehouse";
 * import { random } from "@gatehouse/gatehouse/datasets";
 *
 * const products = [[1, -1], [-1, 2]]; // of g1 = (1, 0) and g2 = (-1, 1)
 * const [first, second] = upgrad().gradients!(products, random(7)); // (1/2, 1/2) + (0, 1), as pcgrad() of two tasks
 * assertAlmostEquals(first, 2, 1e-5);
 * assertAlmostEquals(second, 1.5, 1e-5);
 * ```
 */
export function upgrad(): Weighting {
  return {
    name: "upgrad",
    gradients: (products) => {
      const { square, lengths } = normalised(products);
      const sum = products.map(() => 1);
      lengths.forEach((length, task) => {
        const more = leastSquare({ square, linear: square[task] }); // beside the gradient itself, for lengths of 1
        more.forEach((number, i) => sum[i] += number * length / lengths[i]);
      });
      return sum;
    },
  };
}

/** The options of {@linkcode cagrad}. */
export interface CagradOptions {
  /** The largest distance from the mean gradient, as a share of its length, in [0, 1). Default 0.4. */
  readonly c?: number;
}

/**
 * CAGrad (Liu et al. 2021): near the mean gradient `g_0`, the direction that lessens the worst-off loss most:
 * `max_d min_t g_t . d` with `|d - g_0| <= c |g_0|`. By its dual (algorithm 1) it is
 * `d = g_0 + c |g_0| g_w / |g_w|` for the `g_w = sum_t w_t g_t` of the convex hull with the least
 * `g_w . g_0 + c |g_0| |g_w|`, found exactly.
 *
 * The direction is multiplied by the number of tasks, as `g_0` is a mean, and by `1 / (1 + c^2)`, as the authors'
 * program does by default and their paper does not. With `c = 0` it is plain training.
 *
 * @returns A weighting of gradients, for `train`.
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if an option is out of range.
 *
 * @example Two gradients at a right angle
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { cagrad } from "@gatehouse/gatehouse";
 * import { random } from "@gatehouse/gatehouse/datasets";
 *
 * const products = [[1, 0], [0, 1]]; // g_0 = (1/2, 1/2), and g_w is the same
 * const weights = cagrad({ c: 0.5 }).gradients!(products, random(7));
 * for (const weight of weights) assertAlmostEquals(weight, (1 + 0.5) / (1 + 0.5 ** 2), 1e-5);
 * ```
 */
export function cagrad(options: CagradOptions = {}): Weighting {
  const { c = 0.4 } = optionsOf("make cagrad", options, ["c"]);
  if (!(Number.isFinite(c) && c >= 0 && c < 1)) {
    throw new RangeError(`Cannot make cagrad: c must be in [0, 1), found ${kindOf(c)}`);
  }
  return {
    name: "cagrad",
    settings: { c },
    gradients: (products) => {
      const { square, lengths } = normalised(products);
      const along = products.map((row) => row.reduce((sum, number) => sum + number) / row.length); // g_t . g_0
      const radius = c * Math.sqrt(Math.max(0, along.reduce((sum, number) => sum + number) / along.length));
      if (radius === 0) return products.map(() => 1 / (1 + c ** 2));
      const unit = lengths.map((length) => 1 / length);
      const { parts, scale } = crossing(square, radius, Math.max(...lengths) / radius, (scale) => {
        return leastSquare({ square, linear: along.map((number, task) => scale * number / lengths[task]), unit });
      });
      return parts.map((number, task) => (1 + products.length * number / lengths[task] / scale) / (1 + c ** 2));
    },
  };
}

/** A vector of the convex hull, `g_w`, by a scale. */
interface Hull {
  readonly scale: number;
  readonly parts: readonly number[];
  /** The inner products of `g_w` with the gradients. */
  readonly along: readonly number[];
}

/**
 * Returns the parts with the least `g_w . g_0 + |g_w|^2 / (2 scale)` for the scale at which `|g_w| = scale radius`: there
 * they have the least `g_w . g_0 + radius |g_w|`.
 *
 * Parts are linear in the scale as long as the same ones are above 0, so where the straight line between two known scales
 * crosses is soon exact; halving sees to it that these come nearer anyway.
 */
function crossing(
  square: readonly (readonly number[])[],
  radius: number,
  most: number,
  partsAt: (scale: number) => readonly number[],
): Hull {
  const at = (scale: number): Hull => {
    const parts = partsAt(scale);
    return { scale, parts, along: square.map((row) => dot(row, parts)) };
  };
  const over = (a: Hull, b: Hull) => dot(a.parts, b.along) - radius ** 2 * a.scale * b.scale;
  let low: Hull | undefined;
  let high = at(most);
  if (over(high, high) >= 0) return high;
  for (let turn = 0; turn < 180 && high.scale - (low?.scale ?? 0) > 1e-13 * high.scale; turn++) {
    const share = low === undefined || turn % 3 === 2 ? 1 / 2 : root(over(low, low), over(low, high), over(high, high));
    const found = at((low?.scale ?? 0) * (1 - share) + high.scale * share);
    const rest = over(found, found);
    if (rest > 0) low = found;
    else high = found;
    if (Math.abs(rest) <= 1e-14 * (radius * found.scale) ** 2) return found;
  }
  return high;
}

/** Returns the `t` in [0, 1] with `a (1 - t)^2 + 2 b t (1 - t) + c t^2 = 0`, for an `a` above 0 and a `c` of at most 0. */
function root(a: number, b: number, c: number): number {
  const spread = Math.sqrt(b ** 2 - a * c);
  return b < 0 ? a / (a + spread - b) : (b + spread) / (b + spread - c);
}

/**
 * Returns the inner products of the gradients at length 1, and their lengths (1 for a gradient of 0). The loss to
 * rounding in float32 is added back to the diagonal, so that dependent gradients leave no negative square.
 */
function normalised(products: Products): { readonly square: number[][]; readonly lengths: number[] } {
  const lengths = products.map((row, task) => Math.sqrt(Math.max(row[task], 0)) || 1);
  const square = products.map((row, i) =>
    row.map((number, j) => {
      const cosine = Math.max(-1, Math.min(1, number / lengths[i] / lengths[j]));
      return i === j ? cosine + rounding : cosine;
    })
  );
  return { square, lengths };
}

/** The relative loss to rounding of a sum over all parameters in float32, at most. */
const rounding = 1e-6;
