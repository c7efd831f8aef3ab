import type { Shape } from "./shape.ts";

/** The name of an op, a row of the op table. */
export type Op =
  | ("input" | "parameter" | "noise" | "constant")
  | "matmul"
  | ("add" | "sub" | "mul" | "div")
  | ("neg" | "exp" | "log" | "sqrt" | "relu" | "sigmoid" | "tanh" | "softplus")
  | ("greater" | "equal" | "select")
  | ("sum" | "max" | "softmax" | "topMask" | "runningSum")
  | ("reshape" | "broadcast" | "transpose" | "concat" | "slice" | "pad")
  | ("pick" | "multiHot" | "gatherSum" | "scatterAdd")
  | ("weightedHot" | "weightedSum" | "weightedScatter")
  | ("topPlaces" | "routed" | "routedKernels")
  | ("stopGradient" | "inTraining");

/** A value that JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** The settings of one op, plain JSON. */
export type Attrs = { readonly [key: string]: Json };

/** The type of a value's elements: real numbers, or the codes of categories. */
export type Type = "float" | "int";

/**
 * An immutable symbolic expression with a known shape: nets, gates and losses take and return them.
 *
 * A value computes nothing. It records an op, the values that the op is applied to, and the op's settings.
 */
export interface Value {
  /** The op that yields this value. */
  readonly op: Op;
  /** The values that the op is applied to. */
  readonly of: readonly Value[];
  /** The op's settings. */
  readonly attrs: Attrs;
  /** The shape, `[batch, ...]` if the value depends on the rows of a batch. */
  readonly shape: Shape;
  /** The type of the elements. */
  readonly type: Type;
  /** While authoring: the owner of a parameter or a noise. Parameters of one owner and one name are the same. */
  readonly owner?: object;
  /** While authoring: the features whose columns these are, side by side; only of what a net is applied to. */
  readonly fields?: readonly Field[];
}

/** The codes of a feature of a stream, while authoring. */
export interface FieldCodes {
  /** True if the first is that of a missing id. */
  readonly missing: boolean;
  /** The places of a sequence, whose columns are so many times those of its codes, place after place. Absent: no sequence. */
  readonly items?: number;
  /** The feature whose vocabulary it has. Absent: its own. */
  readonly table?: string;
}

/** A feature of a stream, while authoring. */
export interface Field {
  /** The name of the feature. */
  readonly name: string;
  /** The number of its columns. */
  readonly width: number;
  /** Its codes, a column each; absent if its columns are numbers. */
  readonly codes?: FieldCodes;
}
