import type { Rows } from "../data/rows.ts";
import type { Form } from "../errors/forms.ts";
import type { CodeRange } from "../formats/translation.ts";
import type { Type, Value } from "../ops/value.ts";
import type { Records } from "./tabular.ts";

/**
 * A kind of features. Every kind of Gatehouse is one row of `kinds` in `table.ts`; nothing else distinguishes them.
 *
 * Features of one kind share their inputs of the graph and stand side by side in the stream `input`, in the order of
 * the model's features; what concerns inputs is therefore a function of all of them. How many numbers a feature has
 * there, and how they are laid out, is known to its kind alone.
 *
 * @typeParam Unfitted A feature before it is fitted.
 * @typeParam Fitted A feature as a spec holds it.
 */
export interface FeatureKind<Unfitted, Fitted> {
  /** The form of a feature before it is fitted. */
  readonly unfitted: Form;
  /** The form of a fitted feature. */
  readonly fitted: Form;
  // Methods, not properties: TypeScript compares their parameters both ways, so that rows of all kinds fit one table.
  /** The columns that a feature is made from, by name, and what each of them holds. */
  columns(name: string, feature: Unfitted | Fitted): Readonly<Record<string, "number" | "text">>;
  /** Those of the columns whose rows may be lists, and what the lists hold; absent where no row may be one. */
  lists?(name: string, feature: Fitted): Readonly<Record<string, "numbers" | "texts">>;
  /**
   * The fit of a feature to records that come piece by piece.
   *
   * @param after The same feature fitted before, whose codes stay; only where the kind has {@linkcode FeatureKind.grown}.
   */
  fitting(feature: Unfitted, name: string, after?: Fitted): Fitting<Fitted>;
  /** The first option of a feature that one fitted before had otherwise, in words; undefined if there is none. */
  changed(feature: Unfitted, before: Fitted): string | undefined;
  /**
   * The reason why a code of a feature fitted before means something else, or nothing, in words; undefined if all mean the
   * same. Absent where features do not grow: a feature fitted before is then the one fitted after it.
   */
  grown?(before: Fitted, now: Fitted): string | undefined;
  /** The number of columns that a feature has in the stream `input`. */
  width(feature: Fitted): number;
  /** A feature of a spec of version 1 as it is in this version; absent where the form is the same. */
  upgraded?(feature: Readonly<Record<string, unknown>>): unknown;
  /**
   * Those of these columns, by number, that are 0 unless something is missing or unknown: a model's weights of them begin
   * at 0.
   */
  reserved(feature: Fitted): readonly number[];
  /** The inputs of the graph that the features share. */
  inputs(features: readonly Named<Fitted>[]): readonly GraphInput[];
  /** Returns records as rows hold them: as these inputs, by the inputs' names, or as lists by the names of the features. */
  encode(features: readonly Named<Fitted>[], records: Records): Partial<Encoded>;
  /** Returns lists as these inputs, padded to one length; absent where rows hold the inputs themselves. */
  padded?(features: readonly Named<Fitted>[], rows: Encoded): Rows["inputs"];
  /** The columns `[batch, sum of widths]` of the stream `input`, from the inputs by name, `[batch, width]` each. */
  value(features: readonly Named<Fitted>[], inputs: Readonly<Record<string, Value>>): Value;
  /** The places of a feature that stand one after the other in its columns; absent where it has one. */
  items?(feature: Fitted): number;
  /** The first number that the features cannot take, of arrays whose types and lengths are right. */
  wrong(features: readonly Named<Fitted>[], rows: Encoded): Wrong | undefined;
  /** The codes of its words, which features of lists can have too; absent where it has none of its own. */
  readonly vocabulary?: Vocabulary<Fitted>;
  /** Refuses records in which the columns of features do not fit each other; absent where none can. */
  together?(features: readonly Named<Unfitted>[], records: Records): void;
  /** The properties that decide how a feature is encoded; absent where all but its kind do. */
  encoding?(feature: Fitted): Readonly<Record<string, unknown>>;
  /** The difference between two features of the kind that are encoded differently, in words. */
  readonly differs: string;
  /** The text of a code, such as its word; undefined for those of what is missing or unknown. Absent for numbers. */
  textOf?(feature: Fitted, code: number): string | undefined;
  /** The text of a description about a feature, if there is something to say. */
  about?(feature: Fitted): string | undefined;
  /** The words of each feature that no row has; absent where features have no words. */
  unseen?(features: readonly Named<Fitted>[], rows: Encoded): readonly (readonly string[])[];
  /** The segments of rows that have the same value of a feature; absent where values are not counted. */
  segments?(features: readonly Named<Fitted>[], name: string): Segments;
}

/** A fit that goes on: of memory that rows do not add to, unless the kind says otherwise. */
export interface Fitting<Fitted> {
  /** Takes the next records. */
  add(records: Records): void;
  /** Returns the feature fitted to all of them, at least one; the action is that of errors. */
  end(action: string): Fitted;
}

/** The codes of words, which features of several kinds can have. */
export interface Vocabulary<Fitted> {
  /** The codes that a feature has, and what stands for one that it does not have. */
  codes(feature: Fitted): CodeRange;
  /** The number of codes that come first, those of missing values and unknown words. */
  reserved(feature: Fitted): number;
  /** Returns the text of a code that is not reserved. */
  textOf(feature: Fitted, code: number): string;
  /** Returns the codes of words that a column of a feature has. */
  codesOf(feature: Fitted, words: readonly string[], name: string, records: Records): Int32Array;
}

/** The part of rows that holds features. */
export type Encoded = Pick<Rows, "inputs" | "lists">;

/** A feature and its name in the model. */
export type Named<Of> = readonly [name: string, feature: Of];

/** An input of the graph, `[batch, width]`. */
export interface GraphInput {
  /** Its name in the graph and in rows. */
  readonly name: string;
  /** The type of its elements: floats of a Float32Array, or ints of an Int32Array. */
  readonly type: Type;
  /** The number of elements of each row. */
  readonly width: number;
  /** The codes that each element can be; absent for floats. */
  readonly codes?: readonly CodeRange[];
}

/** A number of some rows that a model cannot take. */
export interface Wrong {
  /** The row, counted from 0. */
  readonly row: number;
  /** The place in the row, such as `feature "age"`. */
  readonly at: string;
  /** The mistake: what was found there, and what was wanted. */
  readonly message: string;
}

/** The segments of rows that have the same value of a feature, by code. */
export interface Segments {
  /** All codes, in the order of a report. */
  readonly codes: readonly number[];
  /** The code of a row. */
  readonly code: (inputs: Rows["inputs"], row: number) => number;
  /** The word of a code, or null and the name of the reserved code. */
  readonly value: (code: number) => { readonly value: string | null; readonly reserved?: "missing" | "unknown" };
}
