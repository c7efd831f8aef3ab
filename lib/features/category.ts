import { type Form, list, object, text, whole, word } from "../errors/forms.ts";
import { kindOf, optionsOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { multiHot } from "../ops/functions.ts";
import type { FeatureKind, Named } from "./kind.ts";
import { wordsOf } from "./tabular.ts";

/** A category before its words are known. */
export interface UnfittedCategory {
  /** The kind of the feature. */
  readonly kind: "category";
  /** The number of training rows that a word must occur in to be known. */
  readonly minCount: number;
}

/**
 * A word that the model reads as a one-hot vector, `words.length + 1` inputs wide.
 *
 * Code 0 stands for every unknown word, code `i + 1` for `words[i]`.
 */
export interface CategoryFeature {
  /** The kind of the feature. */
  readonly kind: "category";
  /** The known words, each once. */
  readonly words: readonly string[];
}

/**
 * A feature that is one of some words, read by the model as a one-hot vector with a slot for unknown words.
 *
 * @param options `minCount` is how often a word must occur in the training rows to be known, by default once.
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if `minCount` is not an integer of at least 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { category, fit } from "@gatehouse/gatehouse";
 *
 * const features = fit({ job: category({ minCount: 2 }) }, { job: ["smith", "clerk", "cook", "clerk", "smith"] });
 * assertEquals(features.job, { kind: "category", words: ["clerk", "smith"] });
 * ```
 */
export function category(options: { readonly minCount?: number } = {}): UnfittedCategory {
  const { minCount = 1 } = optionsOf("define category", options, ["minCount"]);
  if (!(Number.isSafeInteger(minCount) && minCount >= 1)) {
    throw new RangeError(
      `Cannot define category\n  at minCount: found ${kindOf(minCount)}, wanted an integer of at least 1`,
    );
  }
  return { kind: "category", minCount };
}

/** Categories: one code each of the int input `category`, one-hot in the stream `input`. */
export const categoryKind: FeatureKind<UnfittedCategory, CategoryFeature> = {
  unfitted: object({ kind: word("category"), minCount: whole(1, Number.MAX_SAFE_INTEGER) }),
  fitted: (found, path) => {
    const issues = categoryForm(found, path);
    if (issues.length > 0) return issues;
    const { words } = found as CategoryFeature;
    return new Set(words).size === words.length ? [] : [{ path: `${path}.words`, message: "a word stands twice" }];
  },
  columns: (name) => ({ [name]: "text" }),
  fit: ({ minCount }, name, records) => {
    const { codes, words } = wordsOf(records, name);
    const counts = new Float64Array(words.length);
    for (const code of codes) counts[code]++;
    return { kind: "category", words: Object.freeze(words.filter((_, code) => counts[code] >= minCount).sort()) };
  },
  width: ({ words }) => words.length + 1,
  inputs: (features) => [{ name: "category", type: "int", width: features.length, sizes: sizesOf(features) }],
  encode: (features, records) => {
    const category = new Int32Array(records.count * features.length);
    features.forEach(([name, feature], column) => {
      const { codes, words } = wordsOf(records, name);
      const known = codesOf(feature.words);
      const slotOf = (code: number): number => known.get(words[code]) ?? 0;
      // A chunk of a stream may have few rows and all words so far: those of its rows alone are looked up.
      const slots = words.length > codes.length ? undefined : Int32Array.from(words, (_, code) => slotOf(code));
      for (let row = 0; row < codes.length; row++) {
        category[row * features.length + column] = slots === undefined ? slotOf(codes[row]) : slots[codes[row]];
      }
    });
    return { category };
  },
  value: (features, { category }) => multiHot(category, sizesOf(features)),
  wrong: (features, { category }) => {
    const most = features.map(([, { words }]) => words.length);
    const at = outOfRange(category, most);
    if (at < 0) return undefined;
    const column = at % features.length;
    return {
      row: Math.floor(at / features.length),
      at: `feature ${quoted(features[column][0])}`,
      message: `found code ${category[at]}, wanted 0 to ${most[column]}: encode rows with the model's features`,
    };
  },
  differs: "other words",
  segments: (features, name) => {
    const column = features.findIndex(([feature]) => feature === name);
    const [, { words }] = features[column];
    return {
      codes: [...words.map((_, position) => position + 1), 0],
      code: ({ category }, row) => category[row * features.length + column],
      word: (code) => code === 0 ? null : words[code - 1],
    };
  },
};

/** The code of each word of a frozen list, as `fit` returns and a spec holds: found once, however often it is asked for. */
const codesOfFrozen = new WeakMap<readonly string[], ReadonlyMap<string, number>>();

/** Returns the code of each word. */
function codesOf(words: readonly string[]): ReadonlyMap<string, number> {
  const known = codesOfFrozen.get(words);
  if (known !== undefined) return known;
  const codes = new Map(words.map((word, position) => [word, position + 1]));
  if (Object.isFrozen(words)) codesOfFrozen.set(words, codes);
  return codes;
}

/** Returns the number of codes of each feature: its words, and the unknown one. */
function sizesOf(features: readonly Named<CategoryFeature>[]): readonly number[] {
  return features.map(([, { words }]) => words.length + 1);
}

const categoryForm: Form = object({ kind: word("category"), words: list(text) });

/** The position of the first code that is negative or above its column's greatest; else -1. */
function outOfRange(codes: ArrayLike<number>, most: readonly number[]): number {
  for (let at = 0; at < codes.length;) {
    for (let column = 0; column < most.length; column++, at++) {
      if (codes[at] < 0 || codes[at] > most[column]) return at;
    }
  }
  return -1;
}
