import type { Rows } from "../data/rows.ts";
import { areFixed, encodingOf } from "./encoding.ts";
import type { Features } from "./input.ts";
import { checkFeatures, checkRelations, columnsOfEach, type Group, groupsOf, isFitted } from "./table.ts";
import { recordsOf, type Tabular } from "./tabular.ts";

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
  const known = checked.get(features);
  if (known === undefined) checkFeatures(action, features, isFitted, "what fit() returns");
  const columns = known?.columns ?? columnsOfEach(features);
  const records = recordsOf(action, columns, rows);
  if (known === undefined) checkRelations(action, features);
  const groups = known?.groups ?? groupsOf(features);
  const parts = groups.map(({ kind, features }) => kind.encode(features, records));
  const lists: Rows["lists"] = Object.assign({}, ...parts.map(({ lists }) => lists));
  if (known === undefined && areFixed(features)) checked.set(features, { columns, groups });
  return {
    count: records.count,
    inputs: Object.assign({}, ...parts.map(({ inputs }) => inputs)),
    ...(Object.keys(lists!).length > 0 && { lists }),
    encoding: encodingOf(features),
  };
}

const action = "encode rows";

/** Features that cannot change and were found right, each with what encoding needs of it: a request may be of one row. */
const checked = new WeakMap<
  Features,
  { readonly columns: ReturnType<typeof columnsOfEach>; readonly groups: readonly Group[] }
>();
