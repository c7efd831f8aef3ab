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
  log1p: { above: -1, of: (x) => x > 0 && x < logs.length && x === (x | 0) ? logs[x] : Math.log1p(x) },
};

/** The logarithms of 1 + 0, 1 + 1, ...: such columns are mostly small counts, and looking one up takes a tenth of the time. */
const logs = Float64Array.from({ length: 1024 }, (_, x) => Math.log1p(x));
