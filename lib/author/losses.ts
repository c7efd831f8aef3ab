import type { FocalSpec, HuberSpec, QuantileSpec } from "../heads/spec.ts";
import { optionsOf } from "../errors/kinds.ts";

/** The settings of {@linkcode focal}. */
export interface FocalOptions {
  /** The power by which rows that are predicted well count less, at least 0. Default 2, the best of the paper. */
  readonly gamma?: number;
  /** The weight of rows whose label is 1, between 0 and 1; of the others `1 - alpha`. Default: both count fully. */
  readonly alpha?: number;
}

/**
 * The focal loss of a binary task: cross-entropy in which rows that are predicted well count less,
 * `-(1 - p) ** gamma log p` where the label is 1 and `-p ** gamma log(1 - p)` where it is 0.
 *
 * With `alpha`, the former is weighted by `alpha` and the latter by `1 - alpha`; the paper's best is 0.25 with gamma 2.
 * A label between 0 and 1 mixes both, which torchvision and Keras do otherwise: they mix the probabilities. The loss is
 * the mean over rows, as of other losses, not the sum over the number of positive ones. With gamma 0 and no alpha it is
 * the cross-entropy. Predictions lean towards 1/2, so the log loss among the metrics shows how well they are
 * calibrated.
 *
 * @throws {TypeError} if an option is unknown.
 * @see Lin et al., Focal loss for dense object detection, 2017, eqs 4 and 5.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense, focal } from "@gatehouse/gatehouse";
 *
 * const spec = define({ input: 4, tasks: { click: binary(dense(8), { loss: focal({ alpha: 0.25 }) }) } });
 * assertEquals(spec.tasks.click.head.loss, { kind: "focal", gamma: 2, alpha: 0.25 });
 * ```
 */
export function focal(options: FocalOptions = {}): FocalSpec {
  return { kind: "focal", gamma: 2, ...optionsOf("apply focal", options, ["gamma", "alpha"]) };
}

/**
 * The Huber loss of a regression: the square `e ** 2 / 2` of an error `e` up to `delta`, and beyond it the line
 * `delta (|e| - delta / 2)`, so that far labels pull no harder than near ones.
 *
 * The near part is half the squared error that a regression is trained by without it. PyTorch and Keras define it
 * alike; the "smooth L1" of PyTorch is this over `delta`.
 *
 * @param delta The error at which the square becomes a line, above 0, in units of the labels.
 * @see Huber, Robust estimation of a location parameter, 1964.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { define, dense, huber, regression } from "@gatehouse/gatehouse";
 *
 * const spec = define({ input: 4, tasks: { price: regression(dense(8), { loss: huber(1) }) } });
 * assertEquals(spec.tasks.price.head.loss, { kind: "huber", delta: 1 });
 * ```
 */
export function huber(delta: number): HuberSpec {
  return { kind: "huber", delta };
}

/**
 * The pinball loss of a regression, which makes it predict a quantile instead of the mean: `level (y - p)` where the
 * label is above the prediction, `(1 - level) (p - y)` where it is below. At level 0.5, the median, it is half the
 * absolute error.
 *
 * @param level The share of labels that should lie below the predictions, between 0 and 1.
 * @see Koenker and Bassett, Regression quantiles, 1978.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { define, dense, quantile, regression } from "@gatehouse/gatehouse";
 *
 * const tower = dense(8);
 * const least = regression(tower, { loss: quantile(0.1) });
 * const most = regression(tower, { loss: quantile(0.9) });
 * const spec = define({ input: 4, tasks: { least, most } });
 * assertEquals(spec.tasks.most.head.loss, { kind: "quantile", level: 0.9 });
 * ```
 */
export function quantile(level: number): QuantileSpec {
  return { kind: "quantile", level };
}
