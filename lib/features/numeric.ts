import { largeWholes, mergedBy } from "../data/digits.ts";
import { areFinite } from "../ops/finite.ts";
import { fitting, type Form, object, word } from "../errors/forms.ts";
import { kindOf, optionsOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { bucketed, type BucketOptions, type UnfittedBucketed } from "./bucketed.ts";
import type { FeatureKind, Named } from "./kind.ts";
import { type Moments, moments } from "./moments.ts";
import { type Domain, numbersOf } from "./tabular.ts";
import { transforms } from "./transforms.ts";

/** A number before its mean and scale are known. */
export interface UnfittedNumeric {
  /** The kind of the feature. */
  readonly kind: "numeric";
  /** The transform of the numbers before all else: none, or `log(1 + x)`. */
  readonly transform: "none" | "log1p";
  /** True if the transformed numbers are brought to mean 0 and variance 1. */
  readonly standardise: boolean;
  /** The number that stands for missing ones; absent if there may be none. */
  readonly missing?: "mean" | number;
  /** True if a column of 0 and 1 marks the missing ones. */
  readonly indicator?: true;
}

/**
 * A number `x` that is encoded as `(transform(x) - mean) / scale`, in float64 and then rounded. One input wide, or two with
 * an indicator.
 */
export interface NumericFeature {
  /** The kind of the feature. */
  readonly kind: "numeric";
  /** The transform of the numbers before all else: none, or `log(1 + x)`, for which `x` must be greater than -1. */
  readonly transform: "none" | "log1p";
  /** The mean of the transformed numbers in the training rows, or 0. */
  readonly mean: number;
  /** Their standard deviation (divisor: the number of rows), or 1; greater than 0. */
  readonly scale: number;
  /** The transformed number in the place of a missing one: it is encoded as `(missing - mean) / scale`. */
  readonly missing?: number;
  /** True if the next input is 1 for a missing number, else 0; the weights of it begin at 0. */
  readonly indicator?: true;
}

/** Options of {@linkcode numeric}. */
export interface NumericOptions {
  /** The transform of the numbers before all else. `"none"` by default; `"log1p"`, `log(1 + x)`, suits amounts and counts. */
  readonly transform?: "none" | "log1p";
  /** True, the default, if mean and scale are fitted to the numbers of the training rows; otherwise they are 0 and 1. */
  readonly standardise?: boolean;
  /**
   * The number that stands for missing ones (NaN, null, undefined), or `"mean"`, that of the others once transformed. By
   * default missing ones are errors or, with an indicator, the mean.
   */
  readonly missing?: "mean" | number;
  /** True if the model reads whether a number is missing too, as a column of 0 and 1. */
  readonly indicator?: boolean;
}

/**
 * A number in buckets: the model reads a one-hot vector with a column for missing numbers (NaN, null, undefined), then one
 * for each bucket. A number at a boundary is in the bucket above it, as in Keras (`Discretization`), NumPy (`digitize`)
 * and `torch.bucketize(..., right=True)`; -Infinity is in the first bucket, Infinity in the last.
 *
 * With `quantiles: n`, boundaries are the quantiles 1 / n to (n - 1) / n of the training rows, interpolated as NumPy does;
 * equal ones are one, and those without a number below them are left out.
 *
 * @throws {TypeError} if an option is wrong, or another one is given beside it.
 * @throws {RangeError} if boundaries are not finite and increasing, or `quantiles` is not a whole number of at least 2.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encode, fit, numeric } from "@gatehouse/gatehouse";
 *
 * const features = fit({ age: numeric({ boundaries: [18, 25, 40] }) }, { age: [30] });
 * assertEquals(features.age, { kind: "bucketed", boundaries: [18, 25, 40] });
 * const { inputs } = encode(features, { age: [null, 17.9, 18, 39, 40, Infinity] });
 * assertEquals(inputs.bucketed, Int32Array.of(0, 1, 2, 3, 4, 4));
 * ```
 *
 * @example Buckets of as many rows each
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fit, numeric } from "@gatehouse/gatehouse";
 *
 * const features = fit({ age: numeric({ quantiles: 4 }) }, { age: [1, 2, 3, 4, 5, 6, 7, 8, 9] });
 * assertEquals(features.age, { kind: "bucketed", boundaries: [3, 5, 7] });
 * ```
 */
export function numeric(options: BucketOptions): UnfittedBucketed;
/**
 * A feature that is a number: `encode` gives `(transform(x) - mean) / scale`, computed in float64.
 *
 * @throws {TypeError} if an option is wrong.
 * @throws {RangeError} if what stands for missing numbers is not finite, or out of the transform's range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fit, numeric } from "@gatehouse/gatehouse";
 *
 * const features = fit({ age: numeric() }, { age: [1, 2, 3, 6] });
 * assertEquals(features.age, { kind: "numeric", transform: "none", mean: 3, scale: Math.sqrt(3.5) });
 * ```
 *
 * @example Numbers that may be missing
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encode, fit, numeric } from "@gatehouse/gatehouse";
 *
 * const features = fit({ age: numeric({ missing: "mean", indicator: true }) }, { age: [20, null, 40] });
 * assertEquals(encode(features, { age: [40, NaN] }).inputs.numeric, Float32Array.of(1, 0, 0, 1));
 * ```
 */
export function numeric(options?: NumericOptions): UnfittedNumeric;
export function numeric(options: NumericOptions | BucketOptions = {}): UnfittedNumeric | UnfittedBucketed {
  const action = "define numeric feature";
  const names = ["transform", "missing", "boundaries", "quantiles"];
  const given = optionsOf(action, options, names, ["standardise", "indicator"]);
  if ("boundaries" in given || "quantiles" in given) return bucketed(action, { ...given });
  const { transform = "none", standardise = true, indicator = false } = given;
  const { missing = indicator ? "mean" : undefined } = given;
  if (typeof transform !== "string" || !Object.hasOwn(transforms, transform)) {
    const wanted = Object.keys(transforms).map((name) => JSON.stringify(name)).join(" or ");
    throw new TypeError(
      `Cannot define numeric feature\n  at transform: found ${kindOf(transform)}, wanted ${wanted}`,
    );
  }
  if (missing !== undefined) checkMissing(missing, transforms[transform].above);
  return { kind: "numeric", transform, standardise, ...optional(missing, indicator) };
}

/** Makes sure that a number can stand for missing ones. */
function checkMissing(missing: unknown, above: number): void {
  if (missing === "mean" || typeof missing === "number" && missing > above && missing < Infinity) return;
  const wanted = `"mean" or a finite number${above === -Infinity ? "" : ` greater than ${above}`}`;
  const text = `Cannot define numeric feature\n  at missing: found ${kindOf(missing)}, wanted ${wanted}`;
  throw typeof missing === "number" ? new RangeError(text) : new TypeError(text);
}

/** Returns what a feature has if its numbers may be missing. */
function optional<M>(missing: M | undefined, indicator: boolean | undefined): { missing?: M; indicator?: true } {
  return { ...missing === undefined ? {} : { missing }, ...indicator ? { indicator: true } : {} };
}

/** The form of a flag that is absent where it is not true. */
const flag: Form = fitting("true", (found) => found === true);

/** Numbers: one column each of the float input `numeric`, which is a part of the stream `input` as it is. */
export const numericKind: FeatureKind<UnfittedNumeric, NumericFeature> = {
  unfitted: object({
    kind: word("numeric"),
    transform: word(...Object.keys(transforms)),
    standardise: fitting("true or false", (found) => typeof found === "boolean"),
  }, {
    missing: fitting('"mean" or a number', (found) => found === "mean" || typeof found === "number"),
    indicator: flag,
  }),
  fitted: (found, path) => {
    const issues = fittedForm(found, path);
    if (issues.length > 0) return issues;
    const { missing, indicator } = found as NumericFeature;
    return indicator && missing === undefined ? [{ path, message: '"indicator" is given without "missing"' }] : [];
  },
  columns: (name) => ({ [name]: "number" }),
  fitting: ({ transform, standardise, missing, indicator }, name) => {
    const { of } = transforms[transform];
    const [sums, large] = [moments(), largeWholes()];
    let count = 0;
    return {
      add: (records) => {
        for (const number of numbersOf(records, name, domainOf(transform, missing))) {
          if (Number.isNaN(number)) continue;
          count++;
          sums.add(of(number));
          if (transform === "none") large.add(number);
        }
      },
      end: (action) => {
        const where = `Cannot ${action}\n  at feature ${JSON.stringify(name)}`;
        if (count === 0) throw new RangeError(`${where}: found no number, as all are missing: wanted at least one`);
        const found = sums.end();
        const { mean, scale } = standardise ? standard(found, where) : { mean: 0, scale: 1 };
        checkApart(large.end(), (x) => (x - mean) / scale, where);
        const filled = typeof missing === "number" ? of(missing) : missing && found.mean;
        if (filled !== undefined && !Number.isFinite(Math.fround((filled - mean) / scale))) {
          throw new RangeError(
            `${where}: ${missing} stands for missing numbers, wanted one that float32 holds once encoded`,
          );
        }
        return { kind: "numeric", transform, mean, scale, ...optional(filled, indicator) };
      },
    };
  },
  changed: ({ transform, standardise, missing, indicator }, before) => {
    if (transform !== before.transform) {
      return `found transform ${quoted(transform)}, wanted ${quoted(before.transform)}`;
    }
    if (indicator !== before.indicator) {
      return `found ${indicator ? "an" : "no"} indicator, wanted ${indicator ? "none" : "one"}`;
    }
    const filled = typeof missing === "number" ? transforms[transform].of(missing) : missing && before.missing;
    if (filled !== before.missing) {
      const wanted = before.missing === undefined ? "none" : `one that is ${before.missing} once transformed`;
      return `found ${missing === undefined ? "nothing" : kindOf(missing)} for missing numbers, wanted ${wanted}`;
    }
    const plain = before.mean === 0 && before.scale === 1;
    return standardise || plain ? undefined : "found standardise: false, wanted true";
  },
  width: widthOf,
  reserved: ({ indicator }) => indicator ? [1] : [],
  inputs: (features) => [{ name: "numeric", type: "float", width: placesOf(features).length }],
  encode: (features, records) => {
    const { length: width } = placesOf(features);
    const numeric = new Float32Array(records.count * width);
    let column = 0;
    for (const [name, feature] of features) {
      const values = numbersOf(records, name, domainOf(feature.transform, feature.missing));
      const row = encodeColumn(feature, values, numeric, column, width);
      if (row !== undefined) {
        const where = `Cannot ${records.action}\n  at feature ${JSON.stringify(name)}, row ${row}`;
        throw new RangeError(`${where}: found ${values[row]}, wanted a number whose encoding is finite in float32`);
      }
      column += widthOf(feature);
    }
    return { numeric };
  },
  value: (_, { numeric }) => numeric,
  wrong: (features, { numeric }) => {
    if (areFinite(numeric as Float32Array)) return undefined;
    const at = numeric.findIndex((number) => !Number.isFinite(number));
    const places = placesOf(features);
    return {
      row: Math.floor(at / places.length),
      at: `feature ${quoted(places[at % places.length])}`,
      message: `${numeric[at]} is not a finite number`,
    };
  },
  differs: "another transform, mean, scale, indicator or number for missing ones",
  about: ({ missing, indicator }) =>
    missing === undefined ? undefined : `missing: ${missing}${indicator ? ", indicator" : ""}`,
};

const fittedForm: Form = object({
  kind: word("numeric"),
  transform: word(...Object.keys(transforms)),
  mean: fitting("a finite number", Number.isFinite),
  scale: fitting("a finite number above 0", (found) => Number.isFinite(found) && (found as number) > 0),
}, { missing: fitting("a finite number", Number.isFinite), indicator: flag });

/** The number of inputs that a feature is: its number, and its indicator if it has one. */
function widthOf({ indicator }: NumericFeature): number {
  return indicator ? 2 : 1;
}

/** The name of the feature that each column is of. */
function placesOf(features: readonly Named<NumericFeature>[]): string[] {
  return features.flatMap(([name, feature]) => Array<string>(widthOf(feature)).fill(name));
}

/** Writes the encoding of numbers to a column of rows. Returns the row of the first that is not finite in float32. */
function encodeColumn(
  { transform, mean, scale, missing = NaN, indicator }: NumericFeature,
  values: Float64Array,
  rows: Float32Array,
  column: number,
  width: number,
): number | undefined {
  const { of } = transforms[transform];
  for (let row = 0, at = column; row < values.length; row++, at += width) {
    const absent = Number.isNaN(values[row]);
    const encoded = Math.fround(((absent ? missing : of(values[row])) - mean) / scale);
    if (encoded - encoded !== 0) return row;
    rows[at] = encoded;
    if (indicator) rows[at + 1] = absent ? 1 : 0;
  }
  return undefined;
}

/** The mean and the standard deviation of transformed numbers. */
function standard(
  { mean, deviation: scale, first, widest }: ReturnType<Moments["end"]>,
  where: string,
): Pick<NumericFeature, "mean" | "scale"> {
  if (widest <= Math.min(1e-12 * Math.abs(first), 0.5)) return { mean, scale: 1 }; // equal but for errors of rounding
  if (!Number.isFinite(scale)) {
    throw new RangeError(`${where}: found differences of ${widest}: divide the numbers first`);
  }
  if (scale < 1e-150) { // whose squares are not exact, or 0
    throw new RangeError(`${where}: found differences of ${widest}: multiply the numbers first`);
  }
  if (scale < 1e-5 * Math.abs(mean)) {
    const found = `found ${mean} on average and differences of ${scale.toPrecision(2)}, too small for float32`;
    throw new RangeError(`${where}: ${found}: subtract an offset first`);
  }
  return { mean, scale };
}

/** Makes sure that whole numbers which differ do so once they are encoded. */
function checkApart(values: Float64Array, encoded: (x: number) => number, where: string): void {
  const merged = mergedBy(values, encoded);
  if (merged === undefined) return;
  const found = `${merged.join(" and ")} would be one number in float32`;
  const advice = 'read identifiers as "text" into category(), amounts with transform "log1p", or divide and round them';
  throw new RangeError(`${where}: ${found}: ${advice}`);
}

/** Returns the domain of a feature's numbers. */
function domainOf(transform: NumericFeature["transform"], missing: unknown): Domain {
  const { above } = transforms[transform];
  const refused = missing === undefined ? 'numeric({ missing: "mean" }) takes missing ones' : undefined;
  return { above, wanted: `a number greater than ${above} for ${transform}`, refused };
}
