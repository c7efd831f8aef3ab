import type { Attrs, Op } from "../../ops/value.ts";

/** Numbers as a backend's memory holds them. */
export type Numbers = Float32Array | Int32Array;

/** Computes an array, whose numbers are whatever the memory held before, from others. */
export type Loop = (out: Float32Array, of: readonly Numbers[]) => void;

/** The place of an op in a graph: its settings, the shapes of its result and of its arguments, with the batch known. */
export interface Place {
  /** The op's settings. */
  readonly attrs: Attrs;
  /** The shape of the result. */
  readonly shape: readonly number[];
  /** The shapes of the arguments. */
  readonly of: readonly (readonly number[])[];
  /** True for each argument that is zeros in every run. */
  readonly zeros: readonly boolean[];
}

/** Returns the loop of an op at its place; undefined where such a loop cannot be, or a kernel is as fast. */
export type LoopAt = (place: Place) => Loop | undefined;

/** The ops that are computed: all but what is fed or kept, and phases. */
export type Computed = Exclude<Op, "input" | "parameter" | "noise" | "constant" | "inTraining">;

/** Those that make other numbers or put them in another order, and do not only pass them on. */
export type Looped = Exclude<Computed, "reshape" | "stopGradient">;
