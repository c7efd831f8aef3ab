import { type Form, list, object, text, whole, word } from "../errors/forms.ts";
import { isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { multiHot } from "../ops/functions.ts";
import type { CodeRange } from "../formats/translation.ts";
import type { FeatureKind, Named } from "./kind.ts";
import { wordsOf } from "./tabular.ts";

/** A category before its words are known. */
export interface UnfittedCategory {
  /** The kind of the feature. */
  readonly kind: "category";
  /** The number of training rows that a word must occur in to be known. */
  readonly minCount: number;
  /** Present if a missing text counts as an unknown word. */
  readonly missing?: "unknown";
}

/**
 * A word that the model reads as a one-hot vector, a column for each code.
 *
 * The reserved codes come first: 0 stands for a missing text, 1 for every unknown word; `words[i]` has code `i + 2`. If
 * `missing` is `"unknown"`, code 0 stands for both, and `words[i]` has code `i + 1`. The model's weights of reserved codes
 * begin at 0.
 */
export interface CategoryFeature {
  /** The kind of the feature. */
  readonly kind: "category";
  /** The known words, each once. */
  readonly words: readonly string[];
  /** Present if a missing text counts as an unknown word; absent: it has a code of its own. */
  readonly missing?: "unknown";
}

/**
 * A feature that is one of some words, read by the model as a one-hot vector with a column for missing texts and one for
 * unknown words.
 *
 * A text is missing where a list holds `null` or `undefined`, and where `readCsv` found a text of its option `missing`.
 *
 * @param options `minCount` is how often a word must occur in the training rows to be known, by default once. `missing`
 * is `"unknown"` if a missing text counts as an unknown word; by default it has a column of its own.
 * @throws {TypeError} if an option is unknown, or `missing` is anything else.
 * @throws {RangeError} if `minCount` is not an integer of at least 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { category, encode, fit } from "@gatehouse/gatehouse";
 *
 * const features = fit({ job: category({ minCount: 2 }) }, { job: ["smith", "clerk", "cook", "clerk", "smith"] });
 * assertEquals(features.job, { kind: "category", words: ["clerk", "smith"] });
 * const { inputs } = encode(features, { job: [null, "cook", "clerk", "smith"] });
 * assertEquals(inputs.category, Int32Array.of(0, 1, 2, 3));
 * ```
 */
export function category(
  options: { readonly minCount?: number; readonly missing?: "unknown" } = {},
): UnfittedCategory {
  const { minCount = 1, missing } = optionsOf("define category", options, ["minCount", "missing"]);
  if (!(Number.isSafeInteger(minCount) && minCount >= 1)) {
    throw new RangeError(
      `Cannot define category\n  at minCount: found ${kindOf(minCount)}, wanted an integer of at least 1`,
    );
  }
  if (missing !== undefined && missing !== "unknown") {
    throw new TypeError(`Cannot define category\n  at missing: found ${kindOf(missing)}, wanted "unknown" or nothing`);
  }
  return missing === undefined ? { kind: "category", minCount } : { kind: "category", minCount, missing };
}

const asUnknown: Form = word("unknown");

const wordsForm: Form = (found, path) => {
  if (isRecord(found) && typeof found.file === "string") {
    const wanted = "wanted load(), which reads it with its folder";
    return [{ path, message: `the words are in the file ${quoted(found.file)}: ${wanted}` }];
  }
  const right = Array.isArray(found) && found.every((item) => typeof item === "string");
  return right ? [] : list(text)(found, path); // which takes longer, for a million of them
};

const categoryForm: Form = object({ kind: word("category"), words: wordsForm }, { missing: asUnknown });

/** Categories: one code each of the int input `category`, one-hot in the stream `input`. */
export const categoryKind: FeatureKind<UnfittedCategory, CategoryFeature> = {
  unfitted: object({ kind: word("category"), minCount: whole(1, Number.MAX_SAFE_INTEGER) }, { missing: asUnknown }),
  fitted: (found, path) => {
    const issues = categoryForm(found, path);
    if (issues.length > 0) return issues;
    const { words } = found as CategoryFeature;
    if (words.length > mostWords) {
      return [{ path: `${path}.words`, message: `found ${words.length} words, wanted at most ${mostWords}` }];
    }
    return areDistinct(words) ? [] : [{ path: `${path}.words`, message: "a word stands twice" }];
  },
  upgraded: (feature) => ({ ...feature, missing: "unknown" }), // they had one code
  columns: (name) => ({ [name]: "text" }),
  fit: ({ minCount, ...rest }, name, records) => {
    const { codes, words } = wordsOf(records, name);
    const strange = words.findIndex((word) => typeof word !== "string");
    if (strange >= 0) {
      const found = `the column's word ${strange} is ${kindOf(words[strange])}, wanted a text`;
      throw new TypeError(`Cannot ${records.action}\n  at feature ${quoted(name)}: ${found}`);
    }
    const counts = new Float64Array(words.length);
    for (const code of codes) if (code >= 0) counts[code]++;
    const kept = words.filter((_, code) => counts[code] >= minCount).sort();
    if (kept.length > mostWords) {
      const found = `found ${kept.length} words, wanted at most ${mostWords}: a greater minCount leaves rare ones out`;
      throw new RangeError(`Cannot ${records.action}\n  at feature ${quoted(name)}: ${found}`);
    }
    return { ...rest, words: Object.freeze(kept) };
  },
  width: (feature) => feature.words.length + reserved(feature),
  reserved: (feature) => Array.from({ length: reserved(feature) }, (_, code) => code),
  inputs: (features) => [{ name: "category", type: "int", width: features.length, codes: codesOf(features) }],
  encode: (features, records) => {
    const category = new Int32Array(records.count * features.length);
    features.forEach(([name, feature], column) => {
      const { codes, words } = wordsOf(records, name);
      const [known, first] = [placesOf(feature.words), reserved(feature)];
      const slotOf = (code: number): number => {
        if (code < 0) return 0;
        const place = known.get(words[code]);
        return place === undefined ? first - 1 : first + place;
      };
      // A chunk of a stream may have few rows and all words so far: those of its rows alone are looked up.
      const slots = words.length > codes.length ? undefined : Int32Array.from(words, (_, code) => slotOf(code));
      for (let row = 0; row < codes.length; row++) {
        const code = codes[row];
        category[row * features.length + column] = slots === undefined || code < 0 ? slotOf(code) : slots[code];
      }
    });
    return { category };
  },
  value: (features, { category }) => multiHot(category, codesOf(features).map(({ size }) => size)),
  wrong: (features, { category }) => {
    const most = codesOf(features).map(({ size }) => size - 1);
    const at = outOfRange(category, most);
    if (at < 0) return undefined;
    const column = at % features.length;
    return {
      row: Math.floor(at / features.length),
      at: `feature ${quoted(features[column][0])}`,
      message: `found code ${category[at]}, wanted 0 to ${most[column]}: encode rows with the model's features`,
    };
  },
  unseen: (features, { category }) => {
    const seen = codesOf(features).map(({ size }) => new Uint8Array(size));
    for (let at = 0; at < category.length;) {
      for (let column = 0; column < seen.length; column++, at++) seen[column][category[at]] = 1;
    }
    return features.map(([, feature], column) => {
      const first = reserved(feature);
      return feature.words.filter((_, place) => seen[column][first + place] === 0);
    });
  },
  differs: "other words, or another code for missing texts",
  segments: (features, name) => {
    const column = features.findIndex(([feature]) => feature === name);
    const [, feature] = features[column];
    const first = reserved(feature);
    return {
      codes: [...feature.words.map((_, place) => first + place), first - 1, ...(first > 1 ? [0] : [])],
      code: ({ category }, row) => category[row * features.length + column],
      value: (code) => {
        if (code >= first) return { value: feature.words[code - first] };
        return { value: null, reserved: code === first - 1 ? "unknown" : "missing" };
      },
    };
  },
};

/** The most words of a feature: as many as a Map and a Set hold beside the reserved codes. */
const mostWords = 2 ** 24 - 2;

/** Returns the number of codes that stand for no word, which come first: the last of them is that of unknown words. */
function reserved({ missing }: CategoryFeature): number {
  return missing === "unknown" ? 1 : 2;
}

/** Returns true if no word stands twice: those that `fit` returns are in order, which is seen at once. */
function areDistinct(words: readonly string[]): boolean {
  return words.every((word, place) => place === 0 || words[place - 1] < word) || placesOf(words).size === words.length;
}

/** The place of each word of a frozen list, as `fit` returns and a spec holds: found once, however often it is asked for. */
const placesOfFrozen = new WeakMap<readonly string[], ReadonlyMap<string, number>>();

/** Returns the place of each word in the list. */
function placesOf(words: readonly string[]): ReadonlyMap<string, number> {
  const known = placesOfFrozen.get(words);
  if (known !== undefined) return known;
  const places = new Map<string, number>();
  words.forEach((word, place) => places.set(word, place));
  if (Object.isFrozen(words)) placesOfFrozen.set(words, places);
  return places;
}

/** Returns the codes of each feature. */
function codesOf(features: readonly Named<CategoryFeature>[]): readonly CodeRange[] {
  return features.map(([, feature]) => {
    const first = reserved(feature);
    return { size: feature.words.length + first, ...(first > 1 ? { missing: 0 } : {}), unknown: first - 1 };
  });
}

/** The position of the first code that is negative or above its column's greatest; else -1. */
function outOfRange(codes: ArrayLike<number>, most: readonly number[]): number {
  for (let at = 0; at < codes.length;) {
    for (let column = 0; column < most.length; column++, at++) {
      if (codes[at] < 0 || codes[at] > most[column]) return at;
    }
  }
  return -1;
}
