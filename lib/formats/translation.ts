import type { Shape } from "../ops/shape.ts";
import type { Attrs, Op } from "../ops/value.ts";

/** The place of an op in a graph that is written for other programs. */
export interface Place {
  /** The op's settings. */
  readonly attrs: Attrs;
  /** The shape of the result. */
  readonly shape: Shape;
  /** The shapes of the arguments. */
  readonly of: readonly Shape[];
}

/** Writes one op, given the names of the values that it is applied to, and returns the name of the result. */
export type Translation<Writer> = (write: Writer, of: readonly string[], place: Place) => string;

/** The ops that are translated: all but what is fed or stored, and phases. */
export type Translated = Exclude<Op, "input" | "parameter" | "noise" | "constant" | "inTraining">;

/** Returns true if an op is fed in every run. */
export function isFed(op: Op): op is "input" | "noise" {
  return op === "input" || op === "noise";
}
