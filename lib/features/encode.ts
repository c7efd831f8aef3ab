import type { CategoryFeature, Feature, Features, NumericFeature } from "./feature.ts";
import { advice } from "../errors/nearest.ts";
import { checkOptions, isRecord, kindOf } from "../errors/kinds.ts";
import type { Column, Columns } from "../data/columns.ts";
import type { Rows } from "../data/rows.ts";

/** A feature before its encoding is fitted: what {@linkcode numeric} and {@linkcode category} return. */
export type UnfittedFeature = UnfittedNumeric | UnfittedCategory;

/** A number before its mean and scale are known. */
export interface UnfittedNumeric {
  /** What the feature is. */
  readonly kind: "numeric";
  /** What is done first: nothing, or `log(1 + x)`. */
  readonly transform: "none" | "log1p";
  /** Whether the transformed numbers are brought to mean 0 and variance 1. */
  readonly standardise: boolean;
}

/** A category before its words are known. */
export interface UnfittedCategory {
  /** What the feature is. */
  readonly kind: "category";
  /** How often a word must occur in the training rows to be known. */
  readonly least: number;
}

/** Rows to fit or to encode: a table, or plain lists by name, `{ age: [73, 58], job: ["clerk", "smith"] }`. */
export type Tabular = Columns | Readonly<Record<string, ArrayLike<number | string>>>;

/**
 * A feature that is a number: `(transform(x) - mean) / scale`, computed inside the model.
 *
 * @param options `transform` is `"none"` by default; `"log1p"`, `log(1 + x)`, suits amounts and counts. `standardise`,
 * true by default, fits mean and scale to the training rows; otherwise they are 0 and 1.
 * @throws {TypeError} if an option is wrong
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fit, numeric } from "@gatehouse/gatehouse";
 *
 * const features = fit({ age: numeric() }, { age: [1, 2, 3, 6] });
 * assertEquals(features.age, { kind: "numeric", transform: "none", mean: 3, scale: Math.sqrt(3.5) });
 * ```
 */
export function numeric(
  options: { readonly transform?: "none" | "log1p"; readonly standardise?: boolean } = {},
): UnfittedNumeric {
  checkOptions("define numeric feature", options, ["transform", "standardise"]);
  const { transform = "none", standardise = true } = options;
  if (transform !== "none" && transform !== "log1p") {
    const found = JSON.stringify(transform);
    throw new TypeError(`Cannot define numeric feature\n  at transform: found ${found}, wanted "none" or "log1p"`);
  }
  return { kind: "numeric", transform, standardise };
}

/**
 * A feature that is one of some words, read by the model as a one-hot vector with a slot for unknown words.
 *
 * @param options `least` is how often a word must occur in the training rows to be known, by default once.
 * @throws {RangeError} if `least` is not an integer of at least 1
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { category, fit } from "@gatehouse/gatehouse";
 *
 * const features = fit({ job: category({ least: 2 }) }, { job: ["smith", "clerk", "cook", "clerk", "smith"] });
 * assertEquals(features.job, { kind: "category", words: ["clerk", "smith"] });
 * ```
 */
export function category(options: { readonly least?: number } = {}): UnfittedCategory {
  checkOptions("define category", options, ["least"]);
  const { least = 1 } = options;
  if (!(Number.isSafeInteger(least) && least >= 1)) {
    throw new RangeError(`Cannot define category\n  at least: found ${least}, wanted an integer of at least 1`);
  }
  return { kind: "category", least };
}

/**
 * Fits the encoding of features to rows, which should be the training rows and no others.
 *
 * Means and scales (standard deviations, divisor: the number of rows) are those of the transformed numbers, summed in
 * float64; a constant column gets scale 1, and one whose deviation is below 1e-5 of its mean is refused, as models compute
 * in float32. Words are sorted by their UTF-16 code units.
 *
 * @param features the features by the name of their column
 * @param rows the training rows
 * @returns the features as a Spec stores them, in the same order
 * @throws {TypeError | RangeError} if there is no row, no such column, or a value is not what the feature needs (rows
 * are counted from 0), or numbers differ too little from their mean
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
  if (!isRecord(features)) throw new TypeError(`Cannot ${action}: wanted features by name, found ${kindOf(features)}`);
  const names = Object.keys(features);
  for (const name of names) {
    if (!isRecord(features[name]) || !["numeric", "category"].includes(features[name].kind)) {
      const found = `wanted numeric() or category(), found ${kindOf(features[name])}`;
      throw new TypeError(`Cannot ${action}\n  at feature ${JSON.stringify(name)}: ${found}`);
    }
  }
  const table = tableOf(action, names, rows);
  if (table.count === 0) throw new RangeError(`Cannot ${action}\n  at rows: found none, wanted at least one`);
  const fitted = (name: string): Feature => {
    const feature = features[name];
    return feature.kind === "numeric"
      ? fitNumeric(action, name, feature, table)
      : fitCategory(feature, wordsOf(action, name, table));
  };
  return Object.fromEntries(names.map((name) => [name, fitted(name)]));
}

/**
 * Encodes rows as a model with named features reads them.
 *
 * Numbers stay as they are: their transform and standardisation happen inside the model. The result is what a model
 * predicts; `rows(encode(features, table), { labels: labels(table, { ... }) })` is what it trains on.
 *
 * @param features the features of the model
 * @param rows the rows; columns that are no feature are left out
 * @returns rows without labels: `numeric`, raw numbers `[rows x numbers]`, and `category`, codes `[rows x categories]` with 0
 * for an unknown word; one of them alone if all features are of that kind
 * @throws {TypeError | RangeError} if a column is missing, columns are of different lengths, or a number is not
 * finite or out of its transform's range; rows are counted from 0
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { category, encode, fit, numeric } from "@gatehouse/gatehouse";
 *
 * const features = fit({ age: numeric(), job: category() }, { age: [20, 40], job: ["smith", "clerk"] });
 * const encoded = encode(features, { age: [30, 50], job: ["smith", "baker"] });
 * assertEquals(encoded, {
 *   count: 2,
 *   inputs: { numeric: Float32Array.of(30, 50), category: Int32Array.of(2, 0) },
 * });
 * ```
 */
export function encode(features: Features, rows: Tabular): Rows {
  const action = "encode rows";
  if (!isRecord(features)) throw new TypeError(`Cannot ${action}: wanted features by name, found ${kindOf(features)}`);
  const names = Object.keys(features);
  const table = tableOf(action, names, rows);
  const numbers = names.filter((name) => features[name].kind === "numeric");
  const categories = names.filter((name) => features[name].kind === "category");
  const numeric = new Float32Array(table.count * numbers.length);
  const category = new Int32Array(table.count * categories.length);
  numbers.forEach((name, column) => {
    const values = numbersOf(action, name, features[name] as NumericFeature, table);
    for (let row = 0; row < values.length; row++) numeric[row * numbers.length + column] = values[row];
  });
  categories.forEach((name, column) => {
    const { codes, words } = wordsOf(action, name, table);
    const known = new Map((features[name] as CategoryFeature).words.map((word, position) => [word, position + 1]));
    const slots = Int32Array.from(words, (word) => known.get(word) ?? 0);
    for (let row = 0; row < codes.length; row++) category[row * categories.length + column] = slots[codes[row]];
  });
  const inputs = { ...(numbers.length > 0 && { numeric }), ...(categories.length > 0 && { category }) };
  return { count: table.count, inputs };
}

/** The mean and scale of transformed numbers. */
function fitNumeric(action: string, name: string, feature: UnfittedNumeric, table: Counted): NumericFeature {
  const { transform, standardise } = feature;
  const values = numbersOf(action, name, feature, table);
  if (!standardise) return { kind: "numeric", transform, mean: 0, scale: 1 };
  const read = transform === "log1p" ? Float64Array.from(values).map((value) => Math.log1p(value)) : values;
  let sum = 0, squares = 0;
  for (let row = 0; row < read.length; row++) sum += read[row] - read[0];
  const mean = read[0] + sum / read.length;
  for (let row = 0; row < read.length; row++) squares += (read[row] - mean) ** 2;
  const scale = Math.sqrt(squares / values.length);
  if (scale < 1e-5 * Math.abs(mean) && (scale > 0 || differ(table.columns[name]))) {
    const found = `found ${mean} on average and differences of ${scale.toPrecision(2)}, too small for float32`;
    throw new RangeError(`Cannot ${action}\n  at feature ${JSON.stringify(name)}: ${found}: subtract an offset first`);
  }
  return { kind: "numeric", transform, mean, scale: scale > 0 ? scale : 1 };
}

/** Whether the numbers of a plain list, which are equal in float32, differ by more than errors of rounding. */
function differ(column: Column | ArrayLike<number | string>): boolean {
  if (isTyped(column)) return false;
  const numbers = Float64Array.from(column as ArrayLike<number>);
  return numbers.some((number) => Math.abs(number - numbers[0]) > 1e-12 * Math.abs(numbers[0]));
}

/** The words that occur often enough, sorted. */
function fitCategory({ least }: UnfittedCategory, { codes, words }: Words): CategoryFeature {
  const counts = new Float64Array(words.length);
  for (const code of codes) counts[code]++;
  return { kind: "category", words: words.filter((_, code) => counts[code] >= least).sort() };
}

/** The rows as given, and how many they are. */
interface Counted {
  readonly count: number;
  readonly columns: Readonly<Record<string, Column | ArrayLike<number | string>>>;
}

/** The columns of some features, all there and of one length. */
function tableOf(action: string, names: readonly string[], rows: Tabular): Counted {
  if (!isRecord(rows)) throw new TypeError(`Cannot ${action}: wanted columns by name, found ${kindOf(rows)}`);
  const given = isColumns(rows) ? rows.columns : rows;
  const lengths = names.map((name) => {
    if (!Object.hasOwn(given, name)) {
      const hint = advice(name, Object.keys(given));
      throw new TypeError(`Cannot ${action}\n  at feature ${JSON.stringify(name)}: there is no such column${hint}`);
    }
    return lengthOf(action, name, given[name]);
  });
  const count = isColumns(rows) ? rows.count : lengths[0] ?? 0;
  const odd = lengths.findIndex((length) => length !== count);
  if (odd >= 0) {
    const name = JSON.stringify(names[odd]);
    throw new RangeError(`Cannot ${action}\n  at feature ${name}: found ${lengths[odd]} rows, wanted ${count}`);
  }
  return { count, columns: given };
}

/** Whether rows are a table rather than plain lists. */
function isColumns(rows: Tabular): rows is Columns {
  return typeof rows.count === "number";
}

/** The number of rows of a column. */
function lengthOf(action: string, name: string, column: Column | ArrayLike<number | string>): number {
  const list = !isTyped(column) ? column : column.kind === "number" ? column.values : column.codes;
  if (typeof list === "object" && typeof list?.length === "number") return list.length;
  throw new TypeError(`Cannot ${action}\n  at feature ${JSON.stringify(name)}: found ${typeof list}, wanted a list`);
}

/** Whether a column is one of a table rather than a plain list. */
function isTyped(column: Column | ArrayLike<number | string>): column is Column {
  return typeof column === "object" && column !== null && "kind" in column;
}

/** The numbers of a column, all finite and in the range of the transform. */
function numbersOf(action: string, name: string, { transform }: Pick<NumericFeature, "transform">, table: Counted) {
  const column = table.columns[name];
  if (isTyped(column) && column.kind === "text") {
    throw new TypeError(`Cannot ${action}\n  at feature ${JSON.stringify(name)}: found text, wanted numbers`);
  }
  const given: ArrayLike<number | string> = isTyped(column) ? column.values : column;
  const values = new Float32Array(given.length);
  for (let row = 0; row < given.length; row++) {
    const value = given[row];
    values[row] = typeof value === "number" ? value : NaN;
    if (!Number.isFinite(values[row])) wrongValue(TypeError, action, name, row, value, "a finite number");
    if (transform === "log1p" && values[row] <= -1) {
      wrongValue(RangeError, action, name, row, value, "a number greater than -1 for log1p");
    }
  }
  return values;
}

/** A column of words, each distinct one once. */
interface Words {
  readonly codes: Int32Array;
  readonly words: readonly string[];
}

/** The words of a column. Whole numbers in plain lists are their decimal texts. */
function wordsOf(action: string, name: string, table: Counted): Words {
  const column = table.columns[name];
  if (isTyped(column)) {
    if (column.kind === "text") return column;
    throw new TypeError(`Cannot ${action}\n  at feature ${JSON.stringify(name)}: found numbers, wanted text`);
  }
  const known = new Map<string, number>();
  const codes = Int32Array.from(column, (value, row) => {
    if (typeof value !== "string" && !Number.isSafeInteger(value)) {
      wrongValue(TypeError, action, name, row, value, "a text or a whole number");
    }
    const word = String(value);
    const code = known.get(word) ?? known.size;
    known.set(word, code);
    return code;
  });
  return { codes, words: [...known.keys()] };
}

/** Of a value that a feature cannot take. */
function wrongValue(
  type: ErrorConstructor,
  action: string,
  name: string,
  row: number,
  found: unknown,
  wanted: string,
): never {
  const value = typeof found === "string" ? JSON.stringify(found) : String(found);
  throw new type(
    `Cannot ${action}\n  at feature ${JSON.stringify(name)}, row ${row}: found ${value}, wanted ${wanted}`,
  );
}
