import { add, div, equal, log, mul, select, sub } from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";

/** A transform of numbers before they are standardised. */
export interface Transform {
  /** It is defined for the finite numbers greater than this. */
  readonly above: number;
  /** Returns the transform of a number. */
  readonly ofNumber: (x: number) => number;
  /** Returns the transform of a value, element by element. */
  readonly ofValue: (x: Value) => Value;
}

/** The transforms of numbers, one row each. */
export const transforms: Readonly<Record<"none" | "log1p", Transform>> = {
  none: { above: -Infinity, ofNumber: (x) => x, ofValue: (x) => x },
  log1p: { above: -1, ofNumber: Math.log1p, ofValue: log1p },
};

/** `log(1 + x)` as `x log(u) / (u - 1)` with `u = 1 + x` as it is rounded: exact for small x in float32 too. */
function log1p(x: Value): Value {
  const u = add(x, 1);
  return mul(x, select(equal(u, 1), 1, div(log(u), sub(u, 1))));
}
