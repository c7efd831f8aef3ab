import type { Rows } from "../data/rows.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import { encodingOf } from "./encoding.ts";
import type { Features } from "./input.ts";
import {
  authors,
  type Feature,
  groupsOf,
  isFitted,
  isUnfitted,
  kinds,
  relationsIn,
  type UnfittedFeature,
} from "./table.ts";
import { recordsOf, type Tabular } from "./tabular.ts";

/**
 * Fits the encoding of features to rows, which should be the training rows and no others.
 *
 * Means and scales (standard deviations, divisor: the number of rows) are those of the transformed numbers, summed in
 * float64; a constant column gets scale 1. As models compute in float32, a column whose deviation is below 1e-5 of its
 * mean is refused, and one without transform in which two whole numbers of at least 2 ** 24 would become equal. Words are
 * sorted by their UTF-16 code units; a missing text is not a word.
 *
 * @param features The features by the name of their column.
 * @param rows The training rows.
 * @returns The features as a Spec stores them, in the same order, frozen.
 * @throws {TypeError | RangeError} if there is no row, no such column, or a value is not what the feature needs (rows
 * are counted from 0), or numbers differ too little from their mean or from each other.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { category, fit, numeric } from "@gatehouse/gatehouse";
 *
 * const rows = { age: [1, 3], job: ["smith", "clerk"] };
 * assertEquals(fit({ age: numeric(), job: category() }, rows), {
 *   age: { kind: "numeric", transform: "none", mean: 2, scale: 1 },
 *   job: { kind: "category", words: ["clerk", "smith"] },
 * });
 * ```
 */
export function fit(features: Readonly<Record<string, UnfittedFeature>>, rows: Tabular): Features {
  const action = "fit features";
  checkFeatures(action, features, isUnfitted, authors);
  const records = recordsOf(action, columnsOfEach(features), rows);
  if (records.count === 0) throw new RangeError(`Cannot ${action}\n  at rows: found none, wanted at least one`);
  checkRelations(action, features);
  const fitted = (name: string, feature: UnfittedFeature) => kinds[feature.kind].fit(feature, name, records);
  const entries = Object.entries(features).map(([name, feature]) => [name, Object.freeze(fitted(name, feature))]);
  const all: Features = Object.freeze(Object.fromEntries(entries));
  checkRelations(action, all);
  return all;
}

/**
 * Encodes rows as a model with named features reads them.
 *
 * A number `x` becomes `(transform(x) - mean) / scale`, computed in float64 and rounded to float32, all else a code. The
 * result is what a model predicts; `rows(encode(features, table), { labels: labels(table, { ... }) })` is what it trains
 * on.
 *
 * Features that `fit` returns or a model has cannot change, so that their vocabularies are prepared once; those of another
 * origin, such as a copy made with JSON, are prepared at each call: define a spec with them, and take `featuresOf(spec)`.
 *
 * @param features The features of the model.
 * @param rows The rows; columns that are not features are left out.
 * @returns Rows without labels: `numeric`, `[rows x numbers]`, and `category`, codes `[rows x categories]` with 0 for a
 * missing text and 1 for an unknown word; codes of other kinds as `bucketed`, `hashed` and `cross`. There is none of a kind
 * that no feature has. Bags and sequences are `lists`, by the name of the feature. Their `encoding` is a mark of
 * the features: a model whose features are others refuses them.
 * @throws {TypeError | RangeError} if a column is missing, columns are of different lengths, or a number is not
 * finite, also as float32 once it is encoded, or out of its transform's range; rows are counted from 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { category, encode, fit, numeric } from "@gatehouse/gatehouse";
 *
 * const features = fit({ age: numeric(), job: category() }, { age: [20, 40], job: ["smith", "clerk"] });
 * const encoded = encode(features, { age: [30, 50], job: ["smith", "baker"] });
 * assertEquals(encoded.inputs, { numeric: Float32Array.of(0, 2), category: Int32Array.of(3, 1) });
 * assertEquals(Object.keys(encoded.encoding!), ["age", "job"]);
 * ```
 */
export function encode(features: Features, rows: Tabular): Rows {
  const action = "encode rows";
  checkFeatures(action, features, isFitted, "what fit() returns");
  const records = recordsOf(action, columnsOfEach(features), rows);
  checkRelations(action, features);
  const parts = groupsOf(features).map(({ kind, features }) => kind.encode(features, records));
  const lists: Rows["lists"] = Object.assign({}, ...parts.map(({ lists }) => lists));
  return {
    count: records.count,
    inputs: Object.assign({}, ...parts.map(({ inputs }) => inputs)),
    ...(Object.keys(lists!).length > 0 && { lists }),
    encoding: encodingOf(features),
  };
}

/** Features by name, each of which is what it should be. */
function checkFeatures(
  action: string,
  features: unknown,
  fits: (found: unknown) => boolean,
  wanted: string,
): void {
  if (!isRecord(features)) throw new TypeError(`Cannot ${action}: wanted features by name, found ${kindOf(features)}`);
  for (const [name, feature] of Object.entries(features)) {
    if (fits(feature)) continue;
    const found = `wanted ${wanted}, found ${kindOf(feature)}`;
    throw new TypeError(`Cannot ${action}\n  at feature ${JSON.stringify(name)}: ${found}`);
  }
}

/** Makes sure that what features say of each other is right. */
function checkRelations(action: string, features: Readonly<Record<string, UnfittedFeature | Feature>>): void {
  const [issue] = relationsIn(features);
  if (issue === undefined) return;
  const { name, property, message } = issue;
  throw new TypeError(`Cannot ${action}\n  at feature ${JSON.stringify(name)}: ${property}: ${message}`);
}

/** The names of the columns that every feature is made from. */
function columnsOfEach(features: Readonly<Record<string, UnfittedFeature | Feature>>): [string, string[]][] {
  return Object.entries(features).map((
    [name, feature],
  ) => [name, Object.keys(kinds[feature.kind].columns(name, feature))]);
}
