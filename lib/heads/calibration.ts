import { checkCount, checkWord, optionsOf } from "../errors/kinds.ts";
import { checkLengths, counted } from "./counted.ts";
import type { PlainFold, Records } from "./folds.ts";
import { type Judge, judgeOf } from "./judge.ts";
import { logitLosses } from "./loss_metrics.ts";
import { logLosses } from "./metrics.ts";

/** The options of {@linkcode expectedCalibrationError} and {@linkcode calibrationCurve}. */
export interface CalibrationOptions {
  /** The number of bins. Default 15. */
  readonly bins?: number;
  /**
   * The way to cut bins: of equal `"width"`, `(i / bins, (i + 1) / bins]` with 0 in the first, or of equal `"mass"`, about as
   * many rows each, where rows of one prediction stay together: in the bin of the middle one. Where most probabilities are
   * small, as those of clicks, only mass looks at them closely. Default `"width"`.
   */
  readonly equal?: "width" | "mass";
}

/** The options of {@linkcode calibrationCurve}. */
export interface CurveOptions extends CalibrationOptions {
  /** Weights of the rows, at least 0, `[rows]`. Default 1. */
  readonly weights?: ArrayLike<number>;
}

/** A bin of a calibration curve. */
export interface CalibrationBin {
  /** The mean prediction of its rows. */
  readonly predicted: number;
  /** The mean label of its rows: the share of positive ones. */
  readonly observed: number;
  /** The number of its rows. */
  readonly rows: number;
  /** The sum of their weights. */
  readonly weight: number;
}

/**
 * The sum of predictions over the sum of labels: 1 where probabilities are right on average, above where they are too large.
 *
 * `sum w p / sum w y`, which the industry calls PCOC, predicted click over click; its inverse is COPC, click over predicted
 * click. Infinity where no label is above 0.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { predictedOverObserved } from "@gatehouse/gatehouse/metrics";
 *
 * assertAlmostEquals(predictedOverObserved([0.3, 0.6, 0.3], [0, 1, 0]), 1.2, 1e-12);
 * ```
 */
export const predictedOverObserved: Judge = judgeOf({
  title: "predicted over observed",
  settings: { kind: "predictedOverObserved" },
  of: "predictions",
  heads: ["binary", "count"],
  reading: {
    begin: () => {
      let [predicted, observed, count] = [0, 0, 0];
      return {
        add: ({ predictions, labels, weights }, row) => {
          const weight = weights?.[row] ?? 1;
          predicted += weight * predictions[row];
          observed += weight * labels[row];
          count++;
        },
        end: () => ({ value: predicted / observed, rows: count }),
      };
    },
  },
});

/**
 * The normalised entropy: {@linkcode logLoss} over that of the share of positive rows predicted for every row. 1 for
 * predictions that know no more than that share, less for better ones; unlike the log loss it can be compared between tasks of
 * different shares.
 *
 * `mean(-(y log p + (1 - y) log(1 - p))) / -(q log q + (1 - q) log(1 - q))` with `q = mean(y)`, weighted; probabilities are
 * clipped as in the log loss, and `evaluate` computes it from logits. TorchEasyRec's `NormalizedEntropy` is the same. NaN if
 * all labels are 0, or all 1.
 *
 * @see He et al., Practical Lessons from Predicting Clicks on Ads at Facebook, 2014, equation 3.
 *
 * @example Predictions that know the base rate alone
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { normalisedEntropy } from "@gatehouse/gatehouse/metrics";
 *
 * assertAlmostEquals(normalisedEntropy([0.25, 0.25, 0.25, 0.25], [0, 1, 0, 0]), 1, 1e-12);
 * ```
 */
export const normalisedEntropy: Judge = judgeOf({
  title: "normalised entropy",
  settings: { kind: "normalisedEntropy" },
  best: "least",
  of: "logits",
  heads: ["binary"],
  reading: {
    begin: (of) => {
      const losses: PlainFold = of === "logits" ? logitLosses() : logLosses();
      let [positive, total, count] = [0, 0, 0];
      return {
        add: ({ predictions, labels, weights }, row) => {
          const weight = weights?.[row] ?? 1;
          losses.add({ predictions: [predictions[row]], labels: [labels[row]], weights: [weight] });
          positive += weight * labels[row];
          total += weight;
          count++;
        },
        end: () => {
          const share = positive / total;
          const entropy = -share * Math.log(share) - (1 - share) * Math.log(1 - share); // NaN of one class
          return { value: losses.end() / entropy, rows: count };
        },
      };
    },
  },
});

/**
 * Returns the judge by expected calibration error: over bins of rows of similar probability, the mean distance of the mean
 * prediction from the share of positive rows, `sum_b w_b / w |mean(p) - mean(y)|`, w being sums of weights.
 *
 * With 15 bins of equal width it is Guo's, and torchmetrics' binary `CalibrationError` with `norm="l1"` but for predictions
 * on the edge of a bin, which are in the lower one here.
 *
 * @throws {TypeError | RangeError} if an option is unknown or out of range.
 * @throws {RangeError} when it judges, if a prediction is not within 0 and 1.
 * @see Guo et al., On Calibration of Modern Neural Networks, 2017, equation 3.
 * @see Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, 2015, of equal mass.
 *
 * @example Two bins of equal width
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { expectedCalibrationError } from "@gatehouse/gatehouse/metrics";
 *
 * const found = expectedCalibrationError({ bins: 2 })([0.1, 0.3, 0.6, 0.8], [0, 0, 1, 0]);
 * assertAlmostEquals(found, 2 / 4 * 0.2 + 2 / 4 * 0.2, 1e-12);
 * ```
 */
export function expectedCalibrationError(options: CalibrationOptions = {}): Judge {
  const { bins, equal } = cutOf("judge by calibration error", options);
  const judgementOf = (found: readonly CalibrationBin[]) => {
    const total = found.reduce((sum, { weight }) => sum + weight, 0);
    const apart = found.reduce(
      (sum, { weight, predicted, observed }) => sum + weight * Math.abs(predicted - observed),
      0,
    );
    return { value: apart / total, rows: found.reduce((sum, { rows }) => sum + rows, 0) };
  };
  return judgeOf({
    title: "calibration error",
    settings: { kind: "expectedCalibrationError", bins, equal },
    best: "least",
    of: "predictions",
    heads: ["binary"],
    reading: equal === "mass"
      ? {
        records,
        walk: ({ weight }) => {
          const { addRow, end } = byMass(bins, weight);
          return {
            add: (rows) => {
              for (let at = 0; at < rows.length; at += 3) addRow(rows[at], rows[at + 1], rows[at + 2]);
            },
            end: () => judgementOf(end()),
          };
        },
      }
      : {
        begin: () => {
          const { addRow, end } = byWidth(bins);
          let isNaN = false;
          return {
            add: ({ predictions, labels, weights }, row) => {
              isNaN ||= Number.isNaN(predictions[row]);
              if (!isNaN) addRow(predictions[row], labels[row], weights?.[row] ?? 1);
            },
            end: () => isNaN ? { ...judgementOf(end()), value: NaN } : judgementOf(end()),
          };
        },
      },
  });
}

/**
 * Returns a calibration curve: of each bin of rows of similar probability the mean prediction beside the share of positive
 * rows, which are equal where probabilities are right. Bins without rows are left out.
 *
 * scikit-learn's `calibration_curve` with `strategy="uniform"` cuts the same bins of equal width; those of its `"quantile"`
 * are cut at quantiles, and about as these of equal mass.
 *
 * @param probabilities Of class 1, 0 to 1, `[rows]`.
 * @param labels 0 or 1, NaN where missing, `[rows]`.
 * @returns The bins by growing prediction.
 * @throws {TypeError | RangeError} if lengths differ, a prediction is not within 0 and 1, or an option is unknown.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { calibrationCurve } from "@gatehouse/gatehouse/metrics";
 *
 * assertEquals(calibrationCurve([0.25, 0.5, 0.75, 0.75], [0, 1, 1, 0], { bins: 2, equal: "mass" }), [
 *   { predicted: 0.375, observed: 0.5, rows: 2, weight: 2 },
 *   { predicted: 0.75, observed: 0.5, rows: 2, weight: 2 },
 * ]);
 * ```
 */
export function calibrationCurve(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  options: CurveOptions = {},
): readonly CalibrationBin[] {
  const { weights, ...cut } = optionsOf("compute a calibration curve", options, ["weights", "bins", "equal"]);
  const { bins, equal } = cutOf("compute a calibration curve", cut);
  checkLengths("a calibration curve", probabilities, labels, weights);
  const rows = counted(labels, weights).sort((a, b) => probabilities[a] - probabilities[b]);
  const weightOf = (row: number) => weights?.[row] ?? 1;
  const { addRow, end } = equal === "width"
    ? byWidth(bins)
    : byMass(bins, rows.reduce((sum, row) => sum + weightOf(row), 0));
  for (const row of rows) addRow(probabilities[row], labels[row], weightOf(row));
  return end();
}

/** The numbers of a record: the prediction, the label and the weight of a row. */
const records: Records = {
  width: 3,
  keys: 1,
  write: ({ predictions, labels, weights }, row, to, at) => {
    to[at] = predictions[row];
    to[at + 1] = labels[row];
    to[at + 2] = weights?.[row] ?? 1;
    return true;
  },
};

/** Bins that rows are put in. */
interface Bins {
  readonly addRow: (prediction: number, label: number, weight: number) => void;
  /** Returns the bins that have rows. */
  readonly end: () => readonly CalibrationBin[];
}

/** Returns bins of equal width, for rows in any order. */
function byWidth(bins: number): Bins {
  const { add, end } = sumsOf(bins);
  return {
    addRow: (prediction, label, weight) => {
      checkProbability(prediction);
      let at = Math.min(Math.max(Math.ceil(prediction * bins) - 1, 0), bins - 1);
      if (at + 1 < bins && prediction > (at + 1) / bins) at++; // the product was rounded
      else if (at > 0 && prediction <= at / bins) at--;
      add(at, prediction, label, weight);
    },
    end,
  };
}

/** Returns bins of equal mass, for rows by growing prediction of a known sum of weights. */
function byMass(bins: number, total: number): Bins {
  const { add, end } = sumsOf(bins);
  let before = 0;
  let tied = { prediction: NaN, rows: 0, weight: 0, positive: 0 };
  const close = () => {
    if (tied.rows === 0) return;
    const at = Math.min(Math.floor(bins * (before + tied.weight / 2) / total), bins - 1);
    add(at, tied.prediction, tied.positive / tied.weight, tied.weight, tied.rows);
    before += tied.weight;
  };
  return {
    addRow: (prediction, label, weight) => {
      checkProbability(prediction);
      if (prediction !== tied.prediction) {
        close();
        tied = { prediction, rows: 0, weight: 0, positive: 0 };
      }
      tied.rows++;
      tied.weight += weight;
      tied.positive += weight * label;
    },
    end: () => {
      close();
      return end();
    },
  };
}

function sumsOf(bins: number) {
  const sums = Array.from({ length: bins }, () => ({ predicted: 0, observed: 0, rows: 0, weight: 0 }));
  return {
    add: (at: number, prediction: number, label: number, weight: number, rows = 1) => {
      sums[at].predicted += weight * prediction;
      sums[at].observed += weight * label;
      sums[at].weight += weight;
      sums[at].rows += rows;
    },
    end: () =>
      sums.filter(({ rows }) => rows > 0).map(({ predicted, observed, rows, weight }) => {
        return { predicted: predicted / weight, observed: observed / weight, rows, weight };
      }),
  };
}

function checkProbability(prediction: number): void {
  if (prediction >= 0 && prediction <= 1) return;
  throw new RangeError(`Cannot compute calibration: a prediction is ${prediction}, wanted a probability, 0 to 1`);
}

function cutOf(action: string, options: CalibrationOptions): Required<CalibrationOptions> {
  const { bins = 15, equal = "width" } = optionsOf(action, options, ["bins", "equal"]);
  checkCount(action, "bins", bins, 1);
  checkWord(action, "equal", equal, ["width", "mass"]);
  return { bins, equal };
}
