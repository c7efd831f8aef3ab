import type { Attrs, Op } from "../ops/value.ts";
import type { InputSpec, StreamSpec } from "../features/input.ts";
import type { HeadForm } from "../heads/spec.ts";

/** The version of the format, the value of `gatehouse` in every spec. */
export const version = 2;

/**
 * A model in its normal form: plain JSON with nothing left to default, the file format.
 *
 * @typeParam Tasks The names of the tasks, as the author wrote them.
 */
export interface Spec<Tasks extends string = string> {
  /** The version of the format. */
  readonly gatehouse: typeof version;
  /** The input: a width, or features by name. */
  readonly input: InputSpec;
  /** Streams beside `input` that are parts of it, by name; absent: none. */
  readonly streams?: Readonly<Record<string, StreamSpec>>;
  /** The levels of experts and gates, from the input up. */
  readonly levels: readonly LevelSpec[];
  /** The tasks by name. */
  readonly tasks: { readonly [task in Tasks]: TaskSpec };
}

/** Experts by bank, and gates by the stream that they write. */
export interface LevelSpec {
  /** The banks of experts by name. */
  readonly experts: Readonly<Record<string, BankSpec>>;
  /** The gates by the name of the stream that they write. */
  readonly gates: Readonly<Record<string, GateSpec>>;
  /**
   * Streams that are others side by side, by the name of the stream that is written: banks of the level, all experts of
   * each, and streams written below, of which a bank of the same name comes first; absent: none.
   */
  readonly beside?: Readonly<Record<string, readonly string[]>>;
}

/** Experts of one shape, each with its own parameters. */
export interface BankSpec {
  /** The stream that the experts read. */
  readonly reads: string;
  /** The number of experts. */
  readonly count: number;
  /** The bank of the level whose parameters they have; absent: their own. */
  readonly ties?: string;
  /** Banks of the level by whose parameters theirs are held, and the weights of the squared distances; absent: none. */
  readonly near?: Readonly<Record<string, number>>;
  /** The net of each of them: `[batch, width]` to `[batch, units]`. */
  readonly net: Expression;
  /** The most rows that each takes in a training step, as a multiple of an even share, at least 1; absent: all. */
  readonly capacity?: number;
  /**
   * Losses of the bank by name, from `routed`, `scores`, `weights` and `load` `[experts]`, means over the rows of a
   * batch and the gates that mix the bank, to `output` `[]`; absent: none.
   */
  readonly losses?: Readonly<Record<string, Expression>>;
}

/** A gate, which mixes experts into a stream: `h = sum_e G[:, e] f_e`. */
export interface GateSpec {
  /** The stream that the gate reads. */
  readonly reads: string;
  /** The banks whose experts are mixed, in this order. */
  readonly mix: readonly string[];
  /**
   * From `[batch, width]` to `weights` `[batch, experts]`, and to any other results: `scores` and `load`
   * `[batch, experts]`, which losses of banks read, and losses `losses/<name>`, `[batch]` or `[]`. Null for the
   * constant weight 1 of a single expert.
   */
  readonly gate: Expression | null;
  /**
   * Parameters of the gate, by their names within it, that move by a rule and not by a gradient: from the inputs of a
   * loss of a bank, `[experts]` of all banks that are mixed, to `output` `[experts]`, which a training step adds;
   * absent if there are none.
   */
  readonly moves?: Readonly<Record<string, Expression>>;
}

/** A task: a tower, and a head. */
export interface TaskSpec {
  /** The stream that the tower reads; the input if it reads logits. */
  readonly reads: string;
  /** The tasks whose logits the tower reads instead of a stream, side by side. */
  readonly of?: readonly string[];
  /** The tower: `[batch, width]` to `[batch, units]`. */
  readonly tower: Expression;
  /** The head, which says what is predicted. */
  readonly head: HeadSpec;
  /** Nets that add to the logits, by the stream that each reads: `[batch, width]` to `[batch, units]`; absent: none. */
  readonly adds?: Readonly<Record<string, Expression>>;
  /** The task whose label is 1 in the rows that count for this one; absent: all rows count. */
  readonly only?: string;
  /** The weight of the task's loss in the sum. */
  readonly weight: number;
}

/** A head, and the layer that leads there. */
export interface HeadSpec extends HeadForm {
  /** From the tower's output to the logits `[batch, units]`. */
  readonly net: Expression;
}

/**
 * A function as it was traced: a list of ops with one input `x` and named results (`output` of a net; `weights` of a
 * gate, and any others). Its parameters are named within the entry, `0/kernel`.
 */
export interface Expression {
  /** The ops, each after those it is applied to. */
  readonly nodes: readonly ExpressionNode[];
  /** Result name to node position. */
  readonly outputs: Readonly<Record<string, number>>;
}

/** One op of an expression. Its shape follows from the op table and is not repeated. */
export interface ExpressionNode {
  /** The op. */
  readonly op: Op;
  /** The positions of the nodes that it is applied to. */
  readonly of: readonly number[];
  /** The op's settings. */
  readonly attrs: Attrs;
}
