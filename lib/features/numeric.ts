import { mergedBy } from "../data/digits.ts";
import { areFinite } from "../data/finite.ts";
import { fitting, object, word } from "../errors/forms.ts";
import { kindOf, optionsOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import type { FeatureKind } from "./kind.ts";
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
}

/** A number `x` that is encoded as `(transform(x) - mean) / scale`, in float64 and then rounded. One input wide. */
export interface NumericFeature {
  /** The kind of the feature. */
  readonly kind: "numeric";
  /** The transform of the numbers before all else: none, or `log(1 + x)`, for which `x` must be greater than -1. */
  readonly transform: "none" | "log1p";
  /** The mean of the transformed numbers in the training rows, or 0. */
  readonly mean: number;
  /** Their standard deviation (divisor: the number of rows), or 1; greater than 0. */
  readonly scale: number;
}

/**
 * A feature that is a number: `encode` gives `(transform(x) - mean) / scale`, computed in float64.
 *
 * @param options `transform` is `"none"` by default; `"log1p"`, `log(1 + x)`, suits amounts and counts. `standardise`,
 * true by default, fits mean and scale to the training rows; otherwise they are 0 and 1.
 * @throws {TypeError} if an option is wrong.
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
  const { transform = "none", standardise = true } = optionsOf("define numeric feature", options, ["transform"], [
    "standardise",
  ]);
  if (typeof transform !== "string" || !Object.hasOwn(transforms, transform)) {
    const wanted = Object.keys(transforms).map((name) => JSON.stringify(name)).join(" or ");
    throw new TypeError(
      `Cannot define numeric feature\n  at transform: found ${kindOf(transform)}, wanted ${wanted}`,
    );
  }
  return { kind: "numeric", transform, standardise };
}

/** Numbers: one column each of the float input `numeric`, which is a part of the stream `input` as it is. */
export const numericKind: FeatureKind<UnfittedNumeric, NumericFeature> = {
  unfitted: object({
    kind: word("numeric"),
    transform: word(...Object.keys(transforms)),
    standardise: fitting("true or false", (found) => typeof found === "boolean"),
  }),
  fitted: object({
    kind: word("numeric"),
    transform: word(...Object.keys(transforms)),
    mean: fitting("a finite number", Number.isFinite),
    scale: fitting("a finite number above 0", (found) => Number.isFinite(found) && (found as number) > 0),
  }),
  columns: (name) => ({ [name]: "number" }),
  fit: ({ transform, standardise }, name, records) => {
    const values = numbersOf(records, name, domainOf(transform));
    const where = `Cannot ${records.action}\n  at feature ${JSON.stringify(name)}`;
    const { mean, scale } = standardise ? standard(values.map(transforms[transform].of), where) : { mean: 0, scale: 1 };
    if (transform === "none") checkApart(values, (x) => (x - mean) / scale, where);
    return { kind: "numeric", transform, mean, scale };
  },
  width: () => 1,
  inputs: (features) => [{ name: "numeric", type: "float", width: features.length }],
  encode: (features, records) => {
    const numeric = new Float32Array(records.count * features.length);
    features.forEach(([name, feature], column) => {
      const values = numbersOf(records, name, domainOf(feature.transform));
      const row = encodeColumn(feature, values, numeric, column, features.length);
      if (row === undefined) return;
      const where = `Cannot ${records.action}\n  at feature ${JSON.stringify(name)}, row ${row}`;
      throw new RangeError(`${where}: found ${values[row]}, wanted a number whose encoding is finite in float32`);
    });
    return { numeric };
  },
  value: (_, { numeric }) => numeric,
  wrong: (features, { numeric }) => {
    if (areFinite(numeric as Float32Array)) return undefined;
    const at = numeric.findIndex((number) => !Number.isFinite(number));
    return {
      row: Math.floor(at / features.length),
      at: `feature ${quoted(features[at % features.length][0])}`,
      message: `${numeric[at]} is not a finite number`,
    };
  },
};

/** Writes the encoding of numbers to a column of rows. Returns the row of the first that is not finite in float32. */
function encodeColumn(
  { transform, mean, scale }: NumericFeature,
  values: Float64Array,
  rows: Float32Array,
  column: number,
  width: number,
): number | undefined {
  const { of } = transforms[transform];
  for (let row = 0, at = column; row < values.length; row++, at += width) {
    const encoded = Math.fround((of(values[row]) - mean) / scale);
    if (encoded - encoded !== 0) return row;
    rows[at] = encoded;
  }
  return undefined;
}

/** The mean and the standard deviation of transformed numbers. */
function standard(numbers: Float64Array, where: string): Pick<NumericFeature, "mean" | "scale"> {
  const [first] = numbers;
  let sum = 0, squares = 0, widest = 0;
  for (const number of numbers) {
    sum += number - first;
    widest = Math.max(widest, Math.abs(number - first));
  }
  const mean = first + sum / numbers.length;
  if (widest <= Math.min(1e-12 * Math.abs(first), 0.5)) return { mean, scale: 1 }; // equal but for errors of rounding
  for (const number of numbers) squares += (number - mean) ** 2;
  const scale = Math.sqrt(squares / numbers.length);
  if (!Number.isFinite(scale)) {
    throw new RangeError(`${where}: found differences of ${widest}: divide the numbers first`);
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
function domainOf(transform: NumericFeature["transform"]): Domain {
  const { above } = transforms[transform];
  return { above, wanted: `a number greater than ${above} for ${transform}` };
}
