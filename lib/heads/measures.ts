import type { Begin } from "./folds.ts";
import type { Metric } from "./metrics.ts";

/** A metric of a head, and the numbers from which it is computed. */
export interface Measure {
  /** The metric of rows that are there at once. */
  readonly metric: Metric;
  /** The same of rows that come in pieces. */
  readonly begin: Begin;
  /** The numbers that it reads. A metric that equals the mean loss is that loss, and is not computed again. */
  readonly of: "predictions" | "logits" | "loss";
  /** The end at which its values are better. */
  readonly best: "most" | "least";
}

/** Returns a metric whose larger values are better. Where probabilities near 1 are equal in float32, logits are not. */
export function most(metric: Metric, begin: Begin, of: Measure["of"] = "predictions"): Measure {
  return { metric, begin, of, best: "most" };
}

/** Returns a metric whose smaller values are better. */
export function least(metric: Metric, begin: Begin, of: Measure["of"] = "predictions"): Measure {
  return { metric, begin, of, best: "least" };
}
