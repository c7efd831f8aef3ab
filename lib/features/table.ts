import type { ColumnKind } from "../data/csv.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import { type Form, object, record, word } from "../errors/forms.ts";
import { keyText } from "../errors/issues.ts";
import { type BagFeature, bagKind, type UnfittedBag } from "./bag.ts";
import { type BucketedFeature, bucketedKind, type UnfittedBucketed } from "./bucketed.ts";
import { type CategoryFeature, categoryKind, type UnfittedCategory } from "./category.ts";
import { type CrossFeature, crossKind, type UnfittedCross } from "./cross.ts";
import { type HashedFeature, hashedKind, type UnfittedHashed } from "./hashed.ts";
import type { FeatureKind, Named } from "./kind.ts";
import { type Related, type RelationIssue, relationIssues, resolved } from "./relations.ts";
import { type NumericFeature, numericKind, type UnfittedNumeric } from "./numeric.ts";
import { type SequenceFeature, sequenceKind, type UnfittedSequence } from "./sequence.ts";
import { type UnfittedVector, type VectorFeature, vectorKind } from "./vector.ts";

/** A named feature: how a column becomes inputs of the model. */
export type Feature =
  | NumericFeature
  | VectorFeature
  | CategoryFeature
  | BucketedFeature
  | HashedFeature
  | CrossFeature
  | BagFeature
  | SequenceFeature;

/**
 * A feature before its encoding is fitted: what {@linkcode numeric}, {@linkcode category}, {@linkcode hashed},
 * {@linkcode cross}, {@linkcode bag} and {@linkcode sequence} return.
 */
export type UnfittedFeature =
  | UnfittedNumeric
  | UnfittedVector
  | UnfittedCategory
  | UnfittedBucketed
  | UnfittedHashed
  | UnfittedCross
  | UnfittedBag
  | UnfittedSequence;

/** The kinds of features, one row each. Their order is that of the stream `input`. */
export const kinds: Readonly<Record<Feature["kind"], FeatureKind<UnfittedFeature, Feature>>> = {
  numeric: numericKind,
  vector: vectorKind,
  category: categoryKind,
  bucketed: bucketedKind,
  hashed: hashedKind,
  cross: crossKind,
  bag: bagKind,
  sequence: sequenceKind,
};

/** The functions that return features before they are fitted, in words. */
export const authors = "numeric(), category(), hashed(), cross(), bag() or sequence()";

/** All features of one kind, in the order of the model's features. */
export interface Group {
  /** The row of their kind. */
  readonly kind: FeatureKind<UnfittedFeature, Feature>;
  /** The features, at least one, each with the feature whose vocabulary it has, if it has another's. */
  readonly features: readonly Named<Feature>[];
}

/** Features by kind, in the order of the table, without the kinds of which there is none. */
export function groupsOf(features: Readonly<Record<string, Feature>>): readonly Group[] {
  const named = Object.entries(features).map(([name, feature]) => [name, resolved(kinds, feature, features)] as const);
  return Object.entries(kinds)
    .map(([name, kind]) => ({ kind, features: named.filter(([, feature]) => feature.kind === name) }))
    .filter(({ features }) => features.length > 0);
}

/** The form of a fitted feature. */
export const featureForm: Form = (found, path) => {
  const kind = rowOf(found);
  if (kind !== undefined) return kind.fitted(found, path);
  return object({ kind: word(...Object.keys(kinds)) })(isRecord(found) ? { kind: found.kind } : found, path);
};

/** The form of fitted features by name: each right alone, and the vocabularies that they share by name there. */
export const featuresForm: Form = (found, path) => {
  const issues = record(featureForm)(found, path);
  if (issues.length > 0) return issues;
  return relationsIn(found as Readonly<Record<string, Feature>>).map(({ name, property, message }) => {
    return { path: `${path}${keyText(name)}.${property}`, message };
  });
};

/** Returns the mistakes in what features, fitted or not, say of each other. */
function relationsIn(features: Readonly<Record<string, Related>>): RelationIssue[] {
  return relationIssues(kinds, features);
}

/** Returns what was read as a feature of version 1 as it is in this version. */
export function upgradedFeature(found: unknown): unknown {
  return isRecord(found) ? rowOf(found)?.upgraded?.(found) ?? found : found;
}

/** Returns true if a value is a feature before it is fitted, as `fit` takes it. */
export function isUnfitted(found: unknown): found is UnfittedFeature {
  return rowOf(found)?.unfitted(found, "").length === 0;
}

/** Returns true if a value is a fitted feature. Of a million words one is looked at: all were checked with the model. */
export function isFitted(found: unknown): found is Feature {
  const { words } = isRecord(found) ? found : {};
  const some = Array.isArray(words) ? { ...found as object, words: words.slice(0, 1) } : found;
  return rowOf(found)?.fitted(some, "").length === 0;
}

/** Returns the kinds of the columns that features are made from, by name. */
export function columnKinds(features: Readonly<Record<string, Feature | UnfittedFeature>>): Record<string, ColumnKind> {
  const each = Object.entries(features).map(([name, feature]) => kinds[feature.kind].columns(name, feature));
  return Object.assign({}, ...each);
}

/** A column of raw rows, as features read it. */
export interface RawColumn {
  /** The kind of a value. */
  readonly holds: "number" | "text";
  /** True if a row may be a list of values. */
  readonly lists: boolean;
  /** The features that read it. */
  readonly features: readonly string[];
}

/** Returns the columns that features are made from, by name, as plain lists hold them. */
export function rawColumns(features: Readonly<Record<string, Feature>>): Record<string, RawColumn> {
  const found: Record<string, RawColumn> = {};
  for (const [name, feature] of Object.entries(features)) {
    const kind = kinds[feature.kind];
    const lists: Readonly<Record<string, "numbers" | "texts">> = kind.lists?.(name, feature) ?? {};
    for (const [column, text] of Object.entries(kind.columns(name, feature))) {
      const listed = Object.hasOwn(lists, column) ? lists[column] : undefined;
      const holds = listed === undefined ? text : listed === "numbers" ? "number" : "text";
      const before = Object.hasOwn(found, column) ? found[column].features : [];
      found[column] = { holds, lists: listed !== undefined, features: [...before, name] };
    }
  }
  return found;
}

/**
 * Makes sure that something is features by name.
 *
 * @param fits Returns true if one is what it should be.
 * @param wanted That in words.
 * @throws {TypeError} if it is not.
 */
export function checkFeatures(
  action: string,
  features: unknown,
  fits: (found: unknown) => boolean,
  wanted: string,
): void {
  if (features instanceof Promise) throw new TypeError(`Cannot ${action}: wanted features by name: await fit(...)`);
  if (!isRecord(features)) throw new TypeError(`Cannot ${action}: wanted features by name, found ${kindOf(features)}`);
  for (const [name, feature] of Object.entries(features)) {
    if (fits(feature)) continue;
    const found = `wanted ${wanted}, found ${kindOf(feature)}`;
    throw new TypeError(`Cannot ${action}\n  at feature ${JSON.stringify(name)}: ${found}`);
  }
}

/**
 * Makes sure that what features say of each other is right.
 *
 * @throws {TypeError} if it is not, naming the feature.
 */
export function checkRelations(action: string, features: Readonly<Record<string, UnfittedFeature | Feature>>): void {
  const [issue] = relationsIn(features);
  if (issue === undefined) return;
  const { name, property, message } = issue;
  throw new TypeError(`Cannot ${action}\n  at feature ${JSON.stringify(name)}: ${property}: ${message}`);
}

/** The names of the columns that every feature is made from. */
export function columnsOfEach(features: Readonly<Record<string, UnfittedFeature | Feature>>): [string, string[]][] {
  return Object.entries(features).map((
    [name, feature],
  ) => [name, Object.keys(kinds[feature.kind].columns(name, feature))]);
}

/** The row of a value's kind, if it has one. */
function rowOf(found: unknown): FeatureKind<UnfittedFeature, Feature> | undefined {
  const name = isRecord(found) ? found.kind : undefined;
  return typeof name === "string" && Object.hasOwn(kinds, name) ? kinds[name as Feature["kind"]] : undefined;
}
