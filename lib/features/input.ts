import { type Form, list, number, object, text, whole } from "../errors/forms.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import { type Feature, featuresForm, groupsOf } from "./table.ts";

/** A width of real numbers, or named features with their encoding. */
export type InputSpec =
  | { readonly width: number }
  | { readonly features: Features };

/** A part of the input: features by name, or columns by number where the input is a width. */
export type StreamSpec = readonly string[] | readonly number[];

/**
 * The input of a model: named features in a fixed order, as stored in its Spec. Plain JSON.
 *
 * The encoding (mean, scale, vocabulary) is part of the model and fitted on training rows only; `encode` computes it, and
 * models read its numbers and codes, `[batch, width]` for each kind. Saved and exported models hold it, so that
 * rows can be encoded with nothing beside them. Features of one kind come in the order of the record's keys.
 */
export type Features = Readonly<Record<string, Feature>>;

/** The most units that an input or a layer can have. */
export const mostUnits = 2 ** 24;

/** The width of the stream `input`, in which features lie side by side. */
export function inputWidth(input: InputSpec): number {
  if ("width" in input) return input.width;
  return groupsOf(input.features).reduce(
    (total, { kind, features }) => features.reduce((sum, [, feature]) => sum + kind.width(feature), total),
    0,
  );
}

/**
 * The fitted features of a model, for `encode`.
 *
 * @throws {TypeError} if the model reads a width of numbers.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, encode, featuresOf, fit, numeric } from "@gatehouse/gatehouse";
 *
 * const spec = define({ input: fit({ age: numeric() }, { age: [20, 40] }), tasks: { click: binary() } });
 * assertEquals(encode(featuresOf(spec), { age: [40] }).inputs.numeric, Float32Array.of(1));
 * ```
 */
export function featuresOf(spec: { readonly input: InputSpec }): Features {
  if (!isRecord(spec) || !isRecord(spec.input)) {
    throw new TypeError(`Cannot find features: wanted a spec, as define() returns it, found ${kindOf(spec)}`);
  }
  const { input } = spec;
  if ("features" in input) return input.features;
  throw new TypeError(`Cannot find features: the model reads ${input.width} numbers a row, without names`);
}

/** The form of a stream, a part of the input: names of features, or numbers of columns. */
export const streamForm: Form = (found, path) =>
  list(Array.isArray(found) && typeof found[0] === "number" ? number : text)(found, path);

/** The form of an input: a width, or features. */
export const inputForm: Form = (found, path) => {
  if (!isRecord(found) || found.features === undefined) return object({ width: whole(1, mostUnits) })(found, path);
  const issues = object({ features: featuresForm })(found, path);
  return isRecord(found.features) && Object.keys(found.features).length === 0
    ? [...issues, { path: `${path}.features`, message: "a model needs at least one feature" }]
    : issues;
};
