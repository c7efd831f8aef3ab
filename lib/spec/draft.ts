import type { Shape } from "../ops/shape.ts";
import type { Field } from "../ops/value.ts";
import type { InputSpec, StreamSpec } from "../features/input.ts";
import type { HeadForm } from "../heads/spec.ts";
import type { Expression } from "./spec.ts";

/**
 * A table before its names are resolved. Its nets and gates are given as `N`, the losses of its banks as `L`: as
 * functions of an author, or as expressions that were read.
 */
export interface Draft<N, L> {
  readonly input: InputSpec;
  readonly streams?: Readonly<Record<string, StreamSpec>>;
  readonly levels: readonly DraftLevel<N, L>[];
  readonly tasks: Readonly<Record<string, DraftTask<N>>>;
}

/** A level of a {@linkcode Draft}. */
export interface DraftLevel<N, L> {
  readonly experts: Readonly<Record<string, DraftBank<N, L>>>;
  readonly gates: Readonly<Record<string, DraftGate<N, L>>>;
  readonly beside?: Readonly<Record<string, readonly string[]>>;
}

/** A bank of a {@linkcode Draft}. */
export interface DraftBank<N, L> {
  readonly count: number;
  readonly reads?: string;
  readonly ties?: string;
  readonly near?: Readonly<Record<string, number>>;
  readonly net: N;
  readonly capacity?: number;
  readonly losses?: Readonly<Record<string, L>>;
}

/** A gate of a {@linkcode Draft}. Its moves are given beside it, or come from its function when that is expressed. */
export interface DraftGate<N, L> {
  readonly mix: readonly string[];
  readonly reads?: string;
  readonly gate?: N | null;
  readonly moves?: Readonly<Record<string, L>>;
}

/** A task of a {@linkcode Draft}. */
export interface DraftTask<N> {
  readonly reads?: string;
  readonly of?: readonly string[];
  readonly tower: N;
  readonly adds?: Readonly<Record<string, N>>;
  readonly only?: string;
  readonly weight: number;
  readonly head: HeadForm & { readonly net: N };
}

/** The columns that an expression reads, and the features that they are of, if they are features as they come. */
export interface Read {
  readonly width: number;
  readonly fields?: readonly Field[];
}

/** An expression, and the shape of its result. */
export interface Expressed {
  readonly expression: Expression;
  readonly shape: Shape;
}

/**
 * A function that turns a net of the table, or a gate if a number of experts is given, into an expression over
 * what it reads. It throws a TypeError or a RangeError if that is not possible, whose message becomes the issue.
 */
export type Express<N> = (entry: N, read: Read, experts?: number) => Expressed & {
  readonly moves?: Readonly<Record<string, Expressed>>;
};

/** A function that does the same with a loss of a bank of so many experts. */
export type ExpressLoss<L> = (entry: L, experts: number) => Expressed;
