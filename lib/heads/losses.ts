import { isFloat } from "../errors/kinds.ts";
import {
  abs,
  add,
  equal,
  exp,
  greater,
  logSumExp,
  mul,
  multiHot,
  neg,
  relu,
  reshape,
  select,
  softplus,
  square,
  sub,
  sum,
} from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import type { CrossEntropySpec, FocalSpec, HuberSpec, PairwiseSpec, QuantileSpec } from "./spec.ts";
import { least, type Measure } from "./measures.ts";
import { huberLoss, huberLosses, logitLoss, logitLosses, pinballLoss, pinballLosses } from "./loss_metrics.ts";

/** The arguments of a loss. */
export interface Batch {
  /** The logits, `[batch, units]`. */
  readonly logits: Value;
  /** The labels, `[batch]`, or codes `[batch, 1]`; any number where one is missing. */
  readonly labels: Value;
  /** The weights of the rows, `[batch]`, 0 where a label is missing. */
  readonly weights: Value;
  /** The group of each row, `[batch]`, if pairs are of one group only. */
  readonly groups?: Value;
}

/** The loss of a task over a batch: `sum totals / sum weights`, each `[batch]`. A row of weight 0 adds 0 to both. */
export type Loss = (batch: Batch) => { readonly totals: Value; readonly weights: Value };

/** A loss that can be chosen instead of a head's own. */
export interface LossRule<Settings> {
  /** Its settings, each with a check of its value. */
  readonly settings: Readonly<Record<string, Setting>>;
  /** The loss of the given settings. */
  readonly loss: (settings: Settings) => Loss;
  /** The metrics that it adds to those of the head, or that replace those of the same name. */
  readonly measures: (settings: Settings) => Readonly<Record<string, Measure>>;
}

/** The check of a setting. */
export interface Setting {
  /** The values that fit, in words. */
  readonly wanted: string;
  /** Returns true if a value fits. */
  readonly fits: (found: unknown) => boolean;
  /** True if the setting may be absent. */
  readonly optional?: boolean;
}

/** The text of errors about a factor that is not fitted yet. */
export const notBalanced =
  'positive is "balanced", which is not fitted yet: wanted what balance(spec, training rows) returns';

/** The losses that can be chosen, one row each; their formulas are documented in `lib/author/losses.ts`. */
export const losses: {
  readonly crossEntropy: LossRule<CrossEntropySpec>;
  readonly focal: LossRule<FocalSpec>;
  readonly huber: LossRule<HuberSpec>;
  readonly quantile: LossRule<QuantileSpec>;
  readonly pairwise: LossRule<PairwiseSpec>;
} = {
  crossEntropy: {
    settings: {
      positive: {
        wanted: 'a number above 0, or "balanced"',
        fits: (found) => found === "balanced" || isFloat(found) && Math.fround(found) > 0,
      },
    },
    loss: ({ positive }) => {
      if (positive === "balanced") throw new TypeError(`Cannot write loss: ${notBalanced}`);
      return positive === 1 ? crossEntropy : byRow((logits, labels) => {
        const z = reshape(logits, ["batch"]);
        return add(mul(mul(labels, positive), softplus(neg(z))), mul(sub(1, labels), softplus(z)));
      });
    },
    measures: () => ({ logloss: least(logitLoss, logitLosses, "logits") }),
  },
  focal: {
    settings: {
      gamma: { wanted: "a number of at least 0", fits: (found) => isFloat(found) && found >= 0 },
      alpha: { wanted: "a number between 0 and 1", fits: isShare, optional: true },
    },
    loss: ({ gamma, alpha }) =>
      byRow((logits, labels) => {
        const z = reshape(logits, ["batch"]);
        const faded = (z: Value) => mul(exp(mul(softplus(z), -gamma)), softplus(neg(z))); // -(1 - p) ** gamma log p
        const [one, zero] = alpha === undefined ? [1, 1] : [alpha, 1 - alpha];
        return add(mul(mul(labels, one), faded(z)), mul(mul(sub(1, labels), zero), faded(neg(z))));
      }),
    measures: () => ({ logloss: least(logitLoss, logitLosses, "logits") }),
  },
  huber: {
    settings: { delta: { wanted: "a number above 0", fits: (found) => isFloat(found) && Math.fround(found) > 0 } },
    loss: ({ delta }) =>
      byRow((logits, labels) => {
        const distance = abs(sub(reshape(logits, ["batch"]), labels));
        const near = select(greater(distance, delta), delta, distance);
        return mul(near, sub(distance, mul(near, 0.5)));
      }),
    measures: ({ delta }) => ({ huber: least(huberLoss(delta), huberLosses(delta)) }),
  },
  quantile: {
    settings: { level: { wanted: "a number between 0 and 1", fits: isShare } },
    loss: ({ level }) =>
      byRow((logits, labels) => {
        const below = sub(labels, reshape(logits, ["batch"]));
        return add(mul(relu(below), level), mul(relu(neg(below)), 1 - level));
      }),
    measures: ({ level }) => ({ pinball: least(pinballLoss(level), pinballLosses(level)) }),
  },
  pairwise: {
    settings: {
      within: {
        wanted: "the name of a column of labels",
        fits: (found) => typeof found === "string" && found !== "",
        optional: true,
      },
    },
    loss: () => pairwise,
    measures: () => ({}),
  },
};

/** `-y log p - (1 - y) log (1 - p)` with `p = sigmoid(z)`, as `softplus(z) - y z`: exact for large logits too. */
export const crossEntropy: Loss = byRow((logits, labels) => {
  const z = reshape(logits, ["batch"]);
  return sub(softplus(z), mul(labels, z));
});

/** `(z - y) ** 2`. */
export const squaredError: Loss = byRow((logits, labels) => square(sub(reshape(logits, ["batch"]), labels)));

/** `-log p_y` with `p = softmax(z)`, as `logSumExp(z) - z_y`. */
export const classCrossEntropy: Loss = byRow((logits, labels) => {
  const chosen = sum(mul(logits, multiHot(labels, [logits.shape[1] as number])));
  return sub(logSumExp(logits), chosen);
});

/** `e ** z - y z`. The rate of a row that does not count may be infinite, so it is replaced before. */
export const poisson: Loss = ({ logits, labels, weights }) => {
  const z = select(greater(weights, 0), reshape(logits, ["batch"]), 0);
  return { totals: mul(sub(exp(z), mul(labels, z)), weights), weights };
};

/** The sum over pairs `y_i > y_j` of one group of `w_i w_j softplus(z_j - z_i)`, by row i, and of `w_i w_j`. */
export const pairwise: Loss = ({ logits, labels, weights, groups }) => {
  const down = (x: Value) => reshape(x, ["batch", 1]);
  const across = (x: Value) => reshape(x, [1, "batch"]);
  const ordered = greater(down(labels), across(labels)); // [batch, batch]
  const paired = groups === undefined ? ordered : mul(ordered, equal(down(groups), across(groups)));
  const weighed = mul(paired, mul(down(weights), across(weights)));
  return {
    totals: sum(mul(softplus(sub(across(logits), down(logits))), weighed)),
    weights: sum(weighed),
  };
};

/** A loss of the logits and the label of a row alone. */
function byRow(loss: (logits: Value, labels: Value) => Value): Loss {
  return ({ logits, labels, weights }) => ({ totals: mul(loss(logits, labels), weights), weights });
}

/** A number between 0 and 1, as a float32 too. */
function isShare(found: unknown): boolean {
  return isFloat(found) && Math.fround(found) > 0 && Math.fround(found) < 1;
}
