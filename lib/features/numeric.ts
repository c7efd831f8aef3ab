import { areFinite } from "../data/finite.ts";
import { finite, fitting, object, word } from "../errors/forms.ts";
import { isFloat, kindOf, optionsOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { concat, constant, div, slice, sub } from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import type { FeatureKind, Named } from "./kind.ts";
import { type Domain, isTyped, numbersOf, type Records } from "./tabular.ts";
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

/** A number `x` that the model reads as `(transform(x) - mean) / scale`. One input wide. */
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
 * A feature that is a number: `(transform(x) - mean) / scale`, computed inside the model.
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

/** Numbers: one column each of the float input `numeric`, and of the stream `input`. */
export const numericKind: FeatureKind<UnfittedNumeric, NumericFeature> = {
  unfitted: object({
    kind: word("numeric"),
    transform: word(...Object.keys(transforms)),
    standardise: fitting("true or false", (found) => typeof found === "boolean"),
  }),
  fitted: object({
    kind: word("numeric"),
    transform: word(...Object.keys(transforms)),
    mean: finite,
    scale: fitting("a finite number above 0", (found) => isFloat(found) && Math.fround(found) > 0),
  }),
  columns: (name) => ({ [name]: "number" }),
  fit: ({ transform, standardise }, name, records) => {
    const values = numbersOf(records, name, domainOf(transform));
    const encoding = standardise ? standard(transform, values, name, records) : { mean: 0, scale: 1 };
    return { kind: "numeric", transform, ...encoding };
  },
  width: () => 1,
  inputs: (features) => [{ name: "numeric", type: "float", width: features.length }],
  encode: (features, records) => {
    const numeric = new Float32Array(records.count * features.length);
    features.forEach(([name, { transform }], column) => {
      const values = numbersOf(records, name, domainOf(transform));
      for (let row = 0; row < values.length; row++) numeric[row * features.length + column] = values[row];
    });
    return { numeric };
  },
  value: (features, { numeric }) => {
    const means = constant(features.map(([, { mean }]) => mean));
    const scales = constant(features.map(([, { scale }]) => scale));
    return div(sub(transformed(numeric, features), means), scales);
  },
  wrong: (features, { numeric }) => {
    const at = firstWrong(numeric, features.map(([, { transform }]) => transforms[transform].above));
    if (at < 0) return undefined;
    const [name, { transform }] = features[at % features.length];
    const found = `${transform === "none" ? "" : `${transform} of `}${numeric[at]}`;
    return {
      row: Math.floor(at / features.length),
      at: `feature ${quoted(name)}`,
      message: `${found} is not a finite number`,
    };
  },
};

/** The mean and the standard deviation of transformed numbers. */
function standard(
  transform: NumericFeature["transform"],
  values: Float32Array,
  name: string,
  records: Records,
): Pick<NumericFeature, "mean" | "scale"> {
  const read = Float64Array.from(values, transforms[transform].ofNumber);
  let sum = 0, squares = 0;
  for (let row = 0; row < read.length; row++) sum += read[row] - read[0];
  const mean = read[0] + sum / read.length;
  for (let row = 0; row < read.length; row++) squares += (read[row] - mean) ** 2;
  const scale = Math.sqrt(squares / read.length);
  if (scale < 1e-5 * Math.abs(mean) && (scale > 0 || differ(records.columns[name]))) {
    const found = `found ${mean} on average and differences of ${scale.toPrecision(2)}, too small for float32`;
    throw new RangeError(
      `Cannot ${records.action}\n  at feature ${JSON.stringify(name)}: ${found}: subtract an offset first`,
    );
  }
  return { mean, scale: scale > 0 ? scale : 1 };
}

/** Returns true if the numbers of a plain list, which are equal in float32, differ by more than errors of rounding. */
function differ(column: Records["columns"][string]): boolean {
  if (isTyped(column)) return false;
  const numbers = Float64Array.from(column as ArrayLike<number>);
  return numbers.some((number) => Math.abs(number - numbers[0]) > 1e-12 * Math.abs(numbers[0]));
}

/** Returns the domain of a feature's numbers; undefined if all finite ones will do. */
function domainOf(transform: NumericFeature["transform"]): Domain | undefined {
  const { above } = transforms[transform];
  return above === -Infinity ? undefined : { above, wanted: `a number greater than ${above} for ${transform}` };
}

/** Raw numbers `[batch, features]`, transformed: neighbours with the same transform as one piece. */
function transformed(raw: Value, features: readonly Named<NumericFeature>[]): Value {
  const pieces: Value[] = [];
  for (let start = 0, end; start < features.length; start = end) {
    const [, { transform }] = features[start];
    end = start;
    while (end < features.length && features[end][1].transform === transform) end++;
    const piece = end - start === features.length ? raw : slice(raw, start, end - start);
    pieces.push(transforms[transform].ofValue(piece));
  }
  return concat(pieces);
}

/** The position of the first number that is not finite, or not greater than its column's bound; else -1. */
function firstWrong(data: ArrayLike<number>, above: readonly number[]): number {
  const bounded = above.some((bound) => bound > -Infinity);
  if (!bounded && data instanceof Float32Array && areFinite(data)) return -1;
  // A call for each number would take as long as many a prediction.
  for (let at = 0; at < data.length; at++) {
    const number = data[at];
    if (number - number !== 0 || bounded && number <= above[at % above.length]) return at;
  }
  return -1;
}
