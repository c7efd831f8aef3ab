/** A head as a spec has it, but for the layer that leads there. */
export interface HeadForm {
  /** A probability, a real number, one of several classes, the mean of a count, or a score. */
  readonly kind: HeadKind;
  /** The number of logits: 1, or the number of classes. */
  readonly units: number;
  /** What it is trained by instead of its own loss; absent: its own. */
  readonly loss?: LossSpec;
}

/** The kinds of heads. */
export type HeadKind = "binary" | "regression" | "categorical" | "count" | "ranking";

/** A loss that is chosen instead of a head's own, with its settings. */
export type LossSpec = FocalSpec | HuberSpec | QuantileSpec | PairwiseSpec;

/** A loss of binary tasks; see `focal`. */
export interface FocalSpec {
  /** What the loss is. */
  readonly kind: "focal";
  /** How much rows that are predicted well count less, at least 0. */
  readonly gamma: number;
  /** The weight of rows whose label is 1, between 0 and 1; absent: all rows count alike. */
  readonly alpha?: number;
}

/** A loss of regressions; see `huber`. */
export interface HuberSpec {
  /** What the loss is. */
  readonly kind: "huber";
  /** Where the square becomes a line, above 0. */
  readonly delta: number;
}

/** A loss of regressions; see `quantile`. */
export interface QuantileSpec {
  /** What the loss is. */
  readonly kind: "quantile";
  /** The share of labels below the predictions, between 0 and 1. */
  readonly level: number;
}

/** The loss of rankings; see `ranking`. */
export interface PairwiseSpec {
  /** What the loss is. */
  readonly kind: "pairwise";
  /** The column of labels whose rows are compared where they are equal; absent: all rows are. */
  readonly within?: string;
}
