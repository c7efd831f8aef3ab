import { add, exp, mul, reshape, sigmoid, softmax } from "../ops/functions.ts";
import type { Shape } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import { isRecord } from "../errors/kinds.ts";
import { fitting, type Form, object } from "../errors/forms.ts";
import type { HeadForm, HeadKind, LabelScale, LossSpec } from "./spec.ts";
import {
  classCrossEntropy,
  crossEntropy,
  type Loss,
  losses,
  type LossRule,
  pairwise,
  poisson,
  squaredError,
} from "./losses.ts";
import { least, type Measure, most } from "./measures.ts";
import {
  absoluteErrors,
  accuracies,
  accuracy,
  auc,
  aucs,
  categoricalAccuracies,
  categoricalAccuracy,
  categoricalLogLoss,
  categoricalLogLosses,
  determination,
  logLoss,
  logLosses,
  mae,
  mse,
  r2,
  squaredErrors,
} from "./metrics.ts";
import { deviances, logitLoss, logitLosses, poissonDeviance } from "./loss_metrics.ts";
import { pairAuc, pairAucs } from "./pair_auc.ts";
import { pairLoss, pairLosses } from "./pair_loss.ts";

/** A head. Every head of Gatehouse is one row of {@linkcode heads}; no other code distinguishes them. */
export interface Head {
  /** The number of its logits, `[batch, units]`: in words, and as a check. */
  readonly units: { readonly wanted: string; readonly fits: (units: number) => boolean };
  /** True if its labels are yes or no, and its predictions the probability of yes. */
  readonly yesNo: boolean;
  /** True if its loss depends on a constant that is added to all logits. */
  readonly bias: boolean;
  /** The shape of its predictions, the output that has the name of the task. */
  readonly shape: (units: number) => Shape;
  /** Its predictions from logits `[batch, units]`. */
  readonly predicted: (logits: Value) => Value;
  /** The labels that it can learn. Missing labels, which are NaN, are not checked. */
  readonly label: {
    readonly wanted: (units: number) => string;
    readonly fits: (label: number, units: number) => boolean;
    /** True if graphs read labels as codes, int `[batch, 1]`, instead of numbers `[batch]`. */
    readonly codes: boolean;
  };
  /** The loss by which it is trained. */
  readonly loss: Loss;
  /** The losses that can be chosen instead. */
  readonly losses: readonly LossSpec["kind"][];
  /** The metrics of its predictions, by name. */
  readonly measures: Readonly<Record<string, Measure>>;
}

/** One logit and one prediction a row. */
const single: Pick<Head, "units" | "shape"> = {
  units: { wanted: "1", fits: (units) => units === 1 },
  shape: () => ["batch"],
};

/** The heads, one row each. */
export const heads: Readonly<Record<HeadKind, Head>> = {
  binary: {
    ...single,
    yesNo: true,
    bias: true,
    predicted: (logits) => sigmoid(column(logits)),
    label: { wanted: () => "0 to 1", fits: (label) => label >= 0 && label <= 1, codes: false },
    loss: crossEntropy,
    losses: ["focal", "crossEntropy"],
    measures: {
      auc: most(auc, aucs, "logits"),
      logloss: least(logLoss, logLosses, "loss"),
      accuracy: most(accuracy, accuracies),
    },
  },
  regression: {
    ...single,
    yesNo: false,
    bias: true,
    predicted: column,
    label: { wanted: () => "a finite number", fits: Number.isFinite, codes: false },
    loss: squaredError,
    losses: ["huber", "quantile"],
    measures: {
      mse: least(mse, squaredErrors),
      mae: least(mae, absoluteErrors),
      r2: most(r2, determination),
    },
  },
  categorical: {
    units: { wanted: "at least 2", fits: (units) => units >= 2 },
    yesNo: false,
    bias: true,
    shape: (units) => ["batch", units],
    predicted: softmax,
    label: {
      wanted: (units) => `a class 0 to ${units - 1}`,
      fits: (label, units) => Number.isInteger(label) && label >= 0 && label < units,
      codes: true,
    },
    loss: classCrossEntropy,
    losses: [],
    measures: {
      logloss: least(categoricalLogLoss, categoricalLogLosses, "loss"),
      accuracy: most(categoricalAccuracy, categoricalAccuracies),
    },
  },
  count: {
    ...single,
    yesNo: false,
    bias: true,
    predicted: (logits) => exp(column(logits)),
    label: {
      wanted: () => "a finite number of at least 0",
      fits: (label) => label >= 0 && label < Infinity,
      codes: false,
    },
    loss: poisson,
    losses: [],
    measures: {
      deviance: least(poissonDeviance, deviances),
      mse: least(mse, squaredErrors),
      mae: least(mae, absoluteErrors),
    },
  },
  ranking: {
    ...single,
    yesNo: false,
    bias: false,
    predicted: column,
    label: { wanted: () => "a finite number", fits: Number.isFinite, codes: false },
    loss: pairwise,
    losses: ["pairwise"],
    measures: { auc: most(pairAuc, pairAucs, "logits") },
  },
};

/** Returns the predictions of a head from logits `[batch, units]`, in the units of its labels. */
export function predictedBy({ kind, standardise }: HeadForm, logits: Value): Value {
  const predictions = heads[kind].predicted(logits);
  const { mean, scale } = scaleOf({ standardise });
  return mean === 0 && scale === 1 ? predictions : add(mul(predictions, scale), mean);
}

/** Returns the mean and scale of a head's labels, 0 and 1 if it learns them as they are. */
export function scaleOf({ standardise }: Pick<HeadForm, "standardise">): LabelScale {
  return isRecord(standardise) ? standardise as LabelScale : { mean: 0, scale: 1 };
}

/** The form of the mean and scale of labels: true before they are fitted. */
export const labelScaleForm: Form = (found, path) => found === true ? [] : labelScale(found, path);

const labelScale = object({
  mean: fitting("a finite number", (found) => Number.isFinite(found) && Number.isFinite(Math.fround(found as number))),
  scale: fitting("a number above 0", (found) => {
    return typeof found === "number" && Math.fround(found) > 0 && Number.isFinite(Math.fround(found));
  }),
});

/** Returns the loss by which a head is trained: the chosen one, or its own. */
export function lossOf({ kind, loss }: HeadForm): Loss {
  return loss === undefined ? heads[kind].loss : ruleOf(loss).loss(loss);
}

/**
 * Returns the loss of a head over all rows, from logits and any groups, if it compares rows: then its mean over batches
 * is not that over all.
 */
export function lossOverAll(head: HeadForm): Measure | undefined {
  return lossOf(head) === pairwise ? least(pairLoss, pairLosses, "logits") : undefined;
}

/** Returns the metrics of a head, by name. */
export function measuresOf(
  { kind, loss, standardise }: Pick<HeadForm, "kind" | "loss" | "standardise">,
): Readonly<Record<string, Measure>> {
  if (loss === undefined) return heads[kind].measures;
  const { scale } = scaleOf({ standardise });
  const settings = loss.kind === "huber" ? { ...loss, delta: loss.delta * scale } : loss; // in the label's units
  return { ...heads[kind].measures, ...ruleOf(loss).measures(settings) };
}

/** Returns the same where the mean loss is not at hand: metrics that equal it are computed from logits or predictions. */
export function measuresApart(head: Pick<HeadForm, "kind" | "loss">): Readonly<Record<string, Measure>> {
  const apart = Object.entries(measuresOf(head)).map(([name, measure]): [string, Measure] => {
    if (measure.of !== "loss") return [name, measure];
    return [name, heads[head.kind].yesNo ? least(logitLoss, logitLosses, "logits") : { ...measure, of: "predictions" }];
  });
  return Object.fromEntries(apart);
}

/** Returns the column of labels that names the groups within which a head compares rows, if there is one. */
export function groupsOf({ loss }: Pick<HeadForm, "loss">): string | undefined {
  return loss?.kind === "pairwise" ? loss.within : undefined;
}

/** The row of a chosen loss, whose settings are those of its kind. */
function ruleOf({ kind }: LossSpec): LossRule<LossSpec> {
  return losses[kind] as LossRule<LossSpec>;
}

/** Returns one number a row, `[batch]`, from `[batch, 1]`. */
function column(logits: Value): Value {
  return reshape(logits, ["batch"]);
}
