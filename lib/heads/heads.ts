import { exp, reshape, sigmoid, softmax } from "../ops/functions.ts";
import type { Shape } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import type { HeadForm, HeadKind, LossSpec } from "./spec.ts";
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
import { accuracy, auc, categoricalAccuracy, categoricalLogLoss, logLoss, mae, mse, r2 } from "./metrics.ts";
import { poissonDeviance } from "./loss_metrics.ts";
import { pairAuc } from "./pair_auc.ts";

/** What is known of a head. Every head of Gatehouse is one row of {@linkcode heads}; nothing else tells them apart. */
export interface Head {
  /** How many logits it has, `[batch, units]`. */
  readonly units: { readonly wanted: string; readonly fits: (units: number) => boolean };
  /** Whether its labels are yes or no, and its predictions the probability of yes. */
  readonly yesNo: boolean;
  /** Whether a constant in its logits means anything. */
  readonly bias: boolean;
  /** The shape of its predictions, the output that is served by the name of the task. */
  readonly shape: (units: number) => Shape;
  /** Its predictions from logits `[batch, units]`. */
  readonly predicted: (logits: Value) => Value;
  /** The labels that it can learn; a missing one is NaN, and never asked for. */
  readonly label: {
    readonly wanted: (units: number) => string;
    readonly fits: (label: number, units: number) => boolean;
    /** Whether graphs read labels as codes, int `[batch, 1]`, instead of numbers `[batch]`. */
    readonly codes: boolean;
  };
  /** How it is trained. */
  readonly loss: Loss;
  /** The losses that can be chosen instead. */
  readonly losses: readonly LossSpec["kind"][];
  /** How good its predictions are, by name. */
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
    losses: ["focal"],
    measures: { auc: most(auc, "logits"), logloss: least(logLoss, "loss"), accuracy: most(accuracy) },
  },
  regression: {
    ...single,
    yesNo: false,
    bias: true,
    predicted: column,
    label: { wanted: () => "a finite number", fits: Number.isFinite, codes: false },
    loss: squaredError,
    losses: ["huber", "quantile"],
    measures: { mse: least(mse), mae: least(mae), r2: most(r2) },
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
    measures: { logloss: least(categoricalLogLoss, "loss"), accuracy: most(categoricalAccuracy) },
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
    measures: { deviance: least(poissonDeviance), mse: least(mse), mae: least(mae) },
  },
  ranking: {
    ...single,
    yesNo: false,
    bias: false,
    predicted: column,
    label: { wanted: () => "a finite number", fits: Number.isFinite, codes: false },
    loss: pairwise,
    losses: ["pairwise"],
    measures: { auc: most(pairAuc, "logits") },
  },
};

/** The loss that a head is trained by: the chosen one, or its own. */
export function lossOf({ kind, loss }: HeadForm): Loss {
  return loss === undefined ? heads[kind].loss : ruleOf(loss).loss(loss);
}

/** The metrics of a head, by name. */
export function measuresOf({ kind, loss }: Pick<HeadForm, "kind" | "loss">): Readonly<Record<string, Measure>> {
  return loss === undefined ? heads[kind].measures : { ...heads[kind].measures, ...ruleOf(loss).measures(loss) };
}

/** The column of labels that tells the groups within which a head compares rows, if it does. */
export function groupsOf({ loss }: Pick<HeadForm, "loss">): string | undefined {
  return loss?.kind === "pairwise" ? loss.within : undefined;
}

/** The row of a chosen loss, whose settings are those of its kind. */
function ruleOf({ kind }: LossSpec): LossRule<LossSpec> {
  return losses[kind] as LossRule<LossSpec>;
}

/** One number a row: `[batch, 1]` to `[batch]`. */
function column(logits: Value): Value {
  return reshape(logits, ["batch"]);
}
