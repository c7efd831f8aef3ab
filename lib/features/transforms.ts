/** A transform of numbers before they are standardised. */
export interface Transform {
  /** It is defined for the finite numbers greater than this. */
  readonly above: number;
  /** Returns the transform of a number. */
  readonly of: (x: number) => number;
}

/** The transforms of numbers, one row each. */
export const transforms: Readonly<Record<"none" | "log1p", Transform>> = {
  none: { above: -Infinity, of: (x) => x },
  log1p: { above: -1, of: Math.log1p },
};
