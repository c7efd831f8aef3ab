/** A head as a spec has it, without the layer that computes its logits. */
export interface HeadForm {
  /** A probability, a real number, one of several classes, the mean of a count, or a score. */
  readonly kind: HeadKind;
  /** The number of logits: 1, or the number of classes. */
  readonly units: number;
  /** The loss that is chosen instead of its own; absent: its own. */
  readonly loss?: LossSpec;
  /**
   * The mean and scale of a regression's labels, in which it learns `(y - mean) / scale` and predicts `mean + scale z`;
   * true until `standardise` fits them to rows; absent: labels are learned as they are.
   */
  readonly standardise?: true | LabelScale;
}

/** The mean of labels, and the deviation by which they are divided. */
export interface LabelScale {
  /** The mean, in the label's units. */
  readonly mean: number;
  /** The standard deviation, above 0, in the label's units. */
  readonly scale: number;
}

/** The kinds of heads. */
export type HeadKind = "binary" | "regression" | "categorical" | "count" | "ranking";

/** A loss that is chosen instead of a head's own, with its settings. */
export type LossSpec = CrossEntropySpec | FocalSpec | HuberSpec | QuantileSpec | PairwiseSpec;

/** The loss of binary tasks whose classes weigh differently; see `binary`. */
export interface CrossEntropySpec {
  /** The kind of the loss. */
  readonly kind: "crossEntropy";
  /** The factor of the loss of positive rows, above 0; `"balanced"` until `balance` fits it to rows. */
  readonly positive: number | "balanced";
}

/** A loss of binary tasks; see `focal`. */
export interface FocalSpec {
  /** The kind of the loss. */
  readonly kind: "focal";
  /** The power by which rows that are predicted well count less, at least 0. */
  readonly gamma: number;
  /** The weight of rows whose label is 1, between 0 and 1; absent: all rows count alike. */
  readonly alpha?: number;
}

/** A loss of regressions; see `huber`. */
export interface HuberSpec {
  /** The kind of the loss. */
  readonly kind: "huber";
  /** The distance at which the square becomes a line, above 0. */
  readonly delta: number;
}

/** A loss of regressions; see `quantile`. */
export interface QuantileSpec {
  /** The kind of the loss. */
  readonly kind: "quantile";
  /** The share of labels below the predictions, between 0 and 1. */
  readonly level: number;
}

/** The loss of rankings; see `ranking`. */
export interface PairwiseSpec {
  /** The kind of the loss. */
  readonly kind: "pairwise";
  /** The column of labels within whose equal values rows are compared; absent: all rows are compared. */
  readonly within?: string;
}
