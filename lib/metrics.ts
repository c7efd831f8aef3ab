/**
 * Gatehouse's metrics: numbers that compare predictions with labels, of rows that may lack a label and have weights.
 * `evaluate` reports those of each task's head by name. Judges are metrics that `evaluate` and `train` take as an option, some
 * of them by groups of rows.
 *
 * @example Predictions judged
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { auc, mse } from "@gatehouse/gatehouse/metrics";
 *
 * assertEquals(auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 0.75);
 * assertEquals(mse([1, 2, 5], [1, 4, NaN]), 2); // the third row has no label
 * ```
 *
 * @module
 */
export {
  accuracy,
  auc,
  categoricalAccuracy,
  categoricalLogLoss,
  logLoss,
  mae,
  type Metric,
  mse,
  r2,
} from "./heads/metrics.ts";
export {
  type CalibrationBin,
  calibrationCurve,
  type CalibrationOptions,
  type CurveOptions,
  expectedCalibrationError,
  normalisedEntropy,
  predictedOverObserved,
} from "./heads/calibration.ts";
export {
  type AucComparison,
  type AucInterval,
  aucInterval,
  compareAuc,
  delong,
  type IntervalOptions,
} from "./heads/delong.ts";
export { compareGauc, type CompareGaucOptions, type GaucComparison } from "./heads/compare_gauc.ts";
export {
  gauc,
  type GaucOptions,
  mrr,
  ndcg,
  type NdcgOptions,
  type RankedOptions,
  recall,
  type RecallOptions,
} from "./heads/grouped.ts";
export type { Judge, Judgement } from "./heads/judge.ts";
export type { Column, NumberColumn, TextColumn } from "./data/columns.ts";
export type { Keys } from "./data/keys.ts";
export { huberLoss, pinballLoss, poissonDeviance } from "./heads/loss_metrics.ts";
export { pairAuc } from "./heads/pair_auc.ts";
export { applyCalibrator, type Calibrator, type Isotonic, isotonic, type Platt, platt } from "./heads/calibrators.ts";
