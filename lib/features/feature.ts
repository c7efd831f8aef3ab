/** A width of real numbers, or named features with their encoding. */
export type InputSpec =
  | { readonly width: number }
  | { readonly features: Readonly<Record<string, Feature>> };

/** A part of the input: features by name, or columns by number where the input is a width. */
export type StreamSpec = readonly string[] | readonly number[];

/**
 * What a model reads: named features in a fixed order, as stored in its Spec. Plain JSON.
 *
 * The encoding (mean, scale, vocabulary) is part of the model and fitted on training rows only; models compute it
 * inside their graph, from raw numbers `[batch, numbers]` and codes `[batch, categories]`, so that a saved or exported
 * model needs nothing beside it. Numbers and categories each come in the order of the record's keys.
 */
export type Features = Readonly<Record<string, Feature>>;

/** How one named feature becomes inputs of the model. */
export type Feature = NumericFeature | CategoryFeature;

/** A number `x` that the model reads as `(transform(x) - mean) / scale`. One input wide. */
export interface NumericFeature {
  /** What the feature is. */
  readonly kind: "numeric";
  /** What is done first: nothing, or `log(1 + x)`, for which `x` must be greater than -1. */
  readonly transform: "none" | "log1p";
  /** The mean of the transformed numbers in the training rows, or 0. */
  readonly mean: number;
  /** Their standard deviation (divisor: the number of rows), or 1; greater than 0. */
  readonly scale: number;
}

/**
 * A word that the model reads as a one-hot vector, `words.length + 1` inputs wide.
 *
 * Code 0 stands for every unknown word, code `i + 1` for `words[i]`.
 */
export interface CategoryFeature {
  /** What the feature is. */
  readonly kind: "category";
  /** The known words, each once. */
  readonly words: readonly string[];
}
