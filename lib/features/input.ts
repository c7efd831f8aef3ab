import type { Features } from "./feature.ts";
import type { InputSpec } from "./feature.ts";
import { featureWidth } from "./columns.ts";
import { finite, fitting, type Form, list, number, object, record, text, whole, word } from "../errors/forms.ts";
import { isRecord } from "../errors/kinds.ts";

export { featureWidth };

/** The most units that an input or a layer can have. */
export const mostUnits = 2 ** 24;

/** The width of the stream `input`: numeric features first, then the one-hot slots of the categories. */
export function inputWidth(input: InputSpec): number {
  if ("width" in input) return input.width;
  return Object.values(input.features).reduce((total, feature) => total + featureWidth(feature), 0);
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
 * assertEquals(encode(featuresOf(spec), { age: [30] }).inputs.numeric, Float32Array.of(30));
 * ```
 */
export function featuresOf({ input }: { readonly input: InputSpec }): Features {
  if ("features" in input) return input.features;
  throw new TypeError(`Cannot find features: the model reads ${input.width} numbers a row, without names`);
}

/** What a part of the input can be: names of features, or numbers of columns. */
export const streamForm: Form = (found, path) =>
  list(Array.isArray(found) && typeof found[0] === "number" ? number : text)(found, path);

/** What an input can be: a width, or features. */
export const inputForm: Form = (found, path) => {
  if (!isRecord(found) || found.features === undefined) return object({ width: whole(1, mostUnits) })(found, path);
  const issues = object({ features: record(featureForm) })(found, path);
  return isRecord(found.features) && Object.keys(found.features).length === 0
    ? [...issues, { path: `${path}.features`, message: "a model needs at least one feature" }]
    : issues;
};

/** What a fitted feature can be. */
export const featureForm: Form = (found, path) => {
  const kind = isRecord(found) ? found.kind : undefined;
  if (kind === "numeric") return numericForm(found, path);
  if (kind === "category") return categoryForm(found, path);
  return object({ kind: word("numeric", "category") })(isRecord(found) ? { kind } : found, path);
};

const numericForm: Form = object({
  kind: word("numeric"),
  transform: word("none", "log1p"),
  mean: finite,
  scale: fitting("a finite number above 0", (found) => {
    return typeof found === "number" && Math.fround(found) > 0 && Number.isFinite(Math.fround(found));
  }),
});

const categoryForm: Form = (found, path) => {
  const issues = object({ kind: word("category"), words: list(text) })(found, path);
  const words = (found as { words?: unknown }).words;
  return issues.length === 0 && new Set(words as string[]).size !== (words as string[]).length
    ? [{ path: `${path}.words`, message: "a word stands twice" }]
    : issues;
};
