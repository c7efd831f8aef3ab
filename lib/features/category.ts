import { mostPlaces, type Places, places } from "../data/places.ts";
import { murmurs } from "../data/murmur.ts";
import { type Form, list, object, text, whole, word } from "../errors/forms.ts";
import type { Issue } from "../errors/issues.ts";
import { isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { coded, codesByWord } from "./coded.ts";
import type { FeatureKind, Vocabulary } from "./kind.ts";
import { type Tally, tally } from "./tally.ts";
import { type Records, textIn, type Words, wordsOf } from "./tabular.ts";

/** A category before its words are known. */
export interface UnfittedCategory {
  /** The kind of the feature. */
  readonly kind: "category";
  /** The number of training rows that a word must occur in to be known. */
  readonly minCount: number;
  /** The most words that are known, of which the most frequent are; absent: any number. */
  readonly most?: number;
  /** The number of codes that unknown words are hashed into; absent: 1. */
  readonly unknowns?: number;
  /** Present if a missing text counts as an unknown word. */
  readonly missing?: "unknown";
}

/**
 * A word that the model reads as a one-hot vector, a column for each code.
 *
 * The reserved codes come first: 0 stands for a missing text, 1 for every unknown word; `words[i]` has code `i + 2`. If
 * `missing` is `"unknown"`, code 0 stands for both, and `words[i]` has code `i + 1`. If there are several `unknowns`, an
 * unknown word has code `1 + hash % unknowns`, with the hash of {@linkcode hashed}, and `words[i]` code
 * `i + 1 + unknowns`. The model's weights of reserved codes begin at 0.
 */
export interface CategoryFeature {
  /** The kind of the feature. */
  readonly kind: "category";
  /** The known words, each once. */
  readonly words: readonly string[];
  /** The number of codes that unknown words are hashed into, at least 2; absent: 1. */
  readonly unknowns?: number;
  /** Present if a missing text counts as an unknown word; absent: it has a code of its own. */
  readonly missing?: "unknown";
}

/** Words that have codes, and the codes before them. */
type KnownWords = Omit<CategoryFeature, "kind">;

/** Options of {@linkcode category}. */
export interface CategoryOptions {
  /** The number of training rows that a word must occur in to be known. Default 1. */
  readonly minCount?: number;
  /** The most words that are known: the most frequent, of equally frequent ones the first in order. Default: all. */
  readonly most?: number;
  /** The number of codes that unknown words are hashed into, so that they are not all alike. Default 1. */
  readonly unknowns?: number;
  /** `"unknown"` if a missing text counts as an unknown word. By default it has a code of its own. */
  readonly missing?: "unknown";
}

/**
 * A feature that is one of some words, read by the model as a one-hot vector with a column for missing texts and one for
 * unknown words.
 *
 * A text is missing where a list holds `null` or `undefined`, and where `readCsv` found a text of its option `missing`.
 *
 * @throws {TypeError} if an option is unknown, or `missing` is anything else, or is given beside `unknowns`.
 * @throws {RangeError} if `minCount`, `most` or `unknowns` is not an integer of at least 1.
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
 *
 * @example The most frequent words, and two codes for all others
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { category, encode, fit } from "@gatehouse/gatehouse";
 *
 * const features = fit({ job: category({ most: 1, unknowns: 2 }) }, { job: ["smith", "clerk", "baker", "clerk"] });
 * assertEquals(features.job, { kind: "category", words: ["clerk"], unknowns: 2 });
 * const { inputs } = encode(features, { job: [null, "baker", "smith", "clerk"] });
 * assertEquals(inputs.category, Int32Array.of(0, 1, 2, 3));
 * ```
 */
export function category(
  options: CategoryOptions = {},
): UnfittedCategory {
  const action = "define category";
  const { minCount = 1, most, unknowns, missing } = optionsOf(action, options, [...counts, "missing"]);
  checkCounts(action, { minCount, most, unknowns });
  if (unknowns !== undefined && unknowns > 1 && missing === "unknown") {
    const why = 'with missing: "unknown" they have one code';
    throw new TypeError(`Cannot ${action}\n  at unknowns: found ${unknowns}, but ${why}: leave one of both out`);
  }
  if (missing !== undefined && missing !== "unknown") {
    throw new TypeError(`Cannot define category\n  at missing: found ${kindOf(missing)}, wanted "unknown" or nothing`);
  }
  return {
    kind: "category",
    minCount,
    ...(most === undefined ? {} : { most }),
    ...(unknowns === undefined || unknowns === 1 ? {} : { unknowns }),
    ...(missing === undefined ? {} : { missing }),
  };
}

const counts = ["minCount", "most", "unknowns"];

/** The most codes of unknown words: as many words fit beside them. */
const mostUnknowns = 2 ** 23;

/** Makes sure that the counts of a vocabulary are whole numbers of at least 1, if they are given, and unknowns not too many. */
export function checkCounts(action: string, counts: Readonly<Record<string, number | undefined>>): void {
  for (const [name, count] of Object.entries(counts)) {
    if (count === undefined || Number.isSafeInteger(count) && count >= 1) continue;
    throw new RangeError(`Cannot ${action}\n  at ${name}: found ${kindOf(count)}, wanted an integer of at least 1`);
  }
  const { unknowns } = counts;
  if (unknowns !== undefined && unknowns > mostUnknowns) {
    throw new RangeError(`Cannot ${action}\n  at unknowns: found ${unknowns}, wanted at most ${mostUnknowns}`);
  }
}

const asUnknown: Form = word("unknown");

/** The form of a list of words, which may be a million. */
export const wordsForm: Form = (found, path) => {
  if (isRecord(found) && typeof found.file === "string") {
    const wanted = "wanted load(), which reads it with its folder";
    return [{ path, message: `the words are in the file ${quoted(found.file)}: ${wanted}` }];
  }
  const right = Array.isArray(found) && found.findIndex((item) => typeof item !== "string") < 0; // which sees holes
  return right ? [] : list(text)(found, path); // which takes longer, for a million of them
};

/** The form of a number of codes of unknown words. */
export const unknownsForm: Form = whole(2, mostUnknowns);

/** Returns the issues of the words of a vocabulary: too many, or one that stands twice. */
export function wordIssues(words: readonly string[], unknowns: number, path: string): Issue[] {
  const most = mostCodes - 1 - unknowns;
  if (words.length > most) {
    return [{ path: `${path}.words`, message: `found ${words.length} words, wanted at most ${most}` }];
  }
  return areDistinct(words) ? [] : [{ path: `${path}.words`, message: "a word stands twice" }];
}

const categoryForm: Form = object(
  { kind: word("category"), words: wordsForm },
  { missing: asUnknown, unknowns: unknownsForm },
);

/** The codes of the words of a category. */
export const categoryWords: Vocabulary<KnownWords> = {
  codes: (feature) => {
    const { missing, unknowns = 1, words } = feature;
    const size = words.length + reserved(feature);
    if (missing === "unknown") return { size, unknown: 0 };
    return { size, missing: 0, unknown: 1, ...(unknowns > 1 ? { unknowns } : {}) };
  },
  reserved,
  codesOf: codesOfWords,
  textOf: (feature, code) => feature.words[code - reserved(feature)],
};

/** Categories: one code each of the int input `category`, one-hot in the stream `input`. */
export const categoryKind: FeatureKind<UnfittedCategory, CategoryFeature> = {
  unfitted: object(
    { kind: word("category"), minCount: whole(1, Number.MAX_SAFE_INTEGER) },
    { missing: asUnknown, most: whole(1, Number.MAX_SAFE_INTEGER), unknowns: unknownsForm },
  ),
  fitted: (found, path) => {
    const issues = categoryForm(found, path);
    if (issues.length > 0) return issues;
    const { words, missing, unknowns = 1 } = found as CategoryFeature;
    if (missing !== undefined && unknowns > 1) {
      return [{ path, message: '"unknowns" is given beside "missing": wanted one of both' }];
    }
    return wordIssues(words, unknowns, path);
  },
  upgraded: (feature) => ({ ...feature, missing: "unknown" }), // they had one code
  columns: (name) => ({ [name]: "text" }),
  fitting: ({ minCount, most, ...rest }, name, after) => {
    const known = fittingWords({ minCount, most, unknowns: rest.unknowns }, name, after?.words);
    return {
      add: (records) => known.add(wordsOf(records, name), records),
      end: (action) => ({ ...rest, words: known.end(action) }),
    };
  },
  changed: ({ missing, unknowns = 1 }, before) => {
    const [found, wanted] = [missing, before.missing].map((as) => as === undefined ? "a code of their own" : "unknown");
    if (found !== wanted) return `found missing texts as ${found}, wanted ${wanted}`;
    const wantedUnknowns = before.unknowns ?? 1;
    return unknowns === wantedUnknowns ? undefined : `found ${unknowns} unknowns, wanted ${wantedUnknowns}`;
  },
  grown: (before, now) => {
    const [reservedNow, reservedBefore] = [now, before].map((feature) => reserved(feature));
    if (now.missing !== before.missing || reservedNow !== reservedBefore) {
      return "other codes for missing and unknown texts";
    }
    return movedWord(before.words, now.words);
  },
  unseen: (features, { inputs: { category } }) => {
    const seen = features.map(([, feature]) => new Uint8Array(reserved(feature) + feature.words.length));
    for (let at = 0; at < category.length;) {
      for (let column = 0; column < seen.length; column++, at++) seen[column][category[at]] = 1;
    }
    return features.map(([, feature], column) => {
      const first = reserved(feature);
      return feature.words.filter((_, place) => seen[column][first + place] === 0);
    });
  },
  vocabulary: categoryWords,
  differs: "other words, or other codes for missing and unknown texts",
  ...coded<CategoryFeature>({
    input: "category",
    ...categoryWords,
    encode: (feature, name, records) => {
      const plain = plainCodes(feature, records.columns[name]);
      if (plain !== undefined) return plain;
      const codesOf = (words: readonly string[]) => codesOfWords(feature, words, name, records);
      return codesByWord(wordsOf(records, name), codesOf, 0);
    },
  }),
};

/** The most codes of a feature: as many words as are looked up. */
const mostCodes = mostPlaces;

/** The fit of a vocabulary that goes on. */
interface WordsFitting {
  /** Takes the words of more rows. */
  add(words: Words, records: Records): void;
  /** Returns the words that are known, frozen; the action is that of errors. */
  end(action: string): readonly string[];
}

/**
 * Returns the fit of a vocabulary.
 *
 * @param name The feature, for errors.
 * @param before The words that stay, which come first. Default: none.
 */
export function fittingWords(
  { minCount, most, unknowns = 1 }: Pick<UnfittedCategory, "minCount" | "most" | "unknowns">,
  name: string,
  before: readonly string[] = [],
): WordsFitting {
  const counted = tally();
  return {
    add: (words, records) => counted.add(words, records, name),
    end: (action) => {
      const added = fresh(counted.end(), before, minCount, most);
      const words = before.length === 0 ? added : [...before, ...added];
      const mostWords = mostCodes - 1 - unknowns;
      if (words.length > mostWords) {
        const found = `found ${words.length} words, wanted at most ${mostWords}`;
        const advice = "a greater minCount leaves rare ones out";
        throw new RangeError(`Cannot ${action}\n  at feature ${quoted(name)}: ${found}: ${advice}`);
      }
      return Object.freeze(words);
    },
  };
}

/** Returns the first word that is gone, or has another place, in words; undefined if there is none. */
export function movedWord(before: readonly string[], now: readonly string[]): string | undefined {
  const at = before.findIndex((word, at) => word !== now[at]);
  if (at < 0) return undefined;
  const found = at < now.length ? `is ${kindOf(now[at])} now` : "is not there any more";
  return `word ${at}, which was ${quoted(before[at])}, ${found}`;
}

/**
 * Returns the words that are known beside those before, in order: frequent enough, and no more than the most. The list that
 * is given becomes that, as a copy of a vocabulary may not fit in memory.
 */
function fresh(
  { words, counts }: ReturnType<Tally["end"]>,
  before: readonly string[],
  minCount: number,
  most: number = Infinity,
): readonly string[] {
  const old = before.length > 0 ? placesOf(before) : undefined;
  let kept = 0;
  for (let place = 0; place < words.length; place++) {
    if (counts[place] < minCount || old?.find(words[place]) !== undefined) continue;
    [words[kept], counts[kept]] = [words[place], counts[place]];
    kept++;
  }
  words.length = kept;
  if (kept <= most) return words.sort();
  const places = Array.from(words.keys());
  const order = (a: number, b: number) => counts[b] - counts[a] || (words[a] < words[b] ? -1 : 1);
  return places.sort(order).slice(0, most).map((place) => words[place]).sort();
}

/** Returns the number of codes that stand for no word, which come first: those of unknown words are the last of them. */
function reserved({ missing, unknowns = 1 }: KnownWords): number {
  return missing === "unknown" ? 1 : 1 + unknowns;
}

/** Returns true if no word stands twice: those that `fit` returns are in order, which is seen at once. */
function areDistinct(words: readonly string[]): boolean {
  if (words.every((word, place) => place === 0 || words[place - 1] < word)) return true;
  const { find } = placesOf(words);
  return words.every((word, place) => find(word) === place);
}

/** The places of the words of a frozen list, as `fit` returns and a spec holds: found once, however often asked for. */
const placesOfFrozen = new WeakMap<readonly string[], Found>();

/** The places of words. */
type Found = Pick<Places, "find">;

/** The most words of which a Map is made: of the texts that come again, as a server's do, it has no hash to compute. */
const few = 2 ** 12;

/** Returns the place of each word in the list, the first one of those that are the same. */
function placesOf(words: readonly string[]): Found {
  const known = placesOfFrozen.get(words);
  if (known !== undefined) return known;
  const found = words.length > few ? places(words) : fewPlaces(words);
  if (Object.isFrozen(words)) placesOfFrozen.set(words, found);
  return found;
}

function fewPlaces(words: readonly string[]): Found {
  const known = new Map<string, number>();
  for (let place = words.length - 1; place >= 0; place--) known.set(words[place], place);
  return { find: (word) => known.get(word) };
}

/**
 * Returns the codes of a plain list of texts, row by row; undefined if it is another, or has a text that several codes of
 * unknown words share. A request of one row is encoded in the time that it takes to look its words up.
 */
function plainCodes(feature: KnownWords, column: Records["columns"][string]): Int32Array | undefined {
  if (!Array.isArray(column)) return undefined;
  const { unknowns = 1 } = feature;
  const [known, first] = [placesOf(feature.words), reserved(feature)];
  const codes = new Int32Array(column.length);
  for (let row = 0; row < codes.length; row++) {
    const value: unknown = column[row];
    if (typeof value === "string") {
      const place = known.find(value) ?? -1;
      if (place < 0 && unknowns > 1) return undefined;
      codes[row] = first + place;
    } else if (value !== null && value !== undefined) return undefined;
  }
  return codes;
}

/** Returns the codes of words. */
function codesOfWords(feature: KnownWords, words: readonly string[], name: string, records: Records): Int32Array {
  const { unknowns = 1 } = feature;
  const [known, first] = [placesOf(feature.words), reserved(feature)];
  const strange: number[] = [];
  const codes = new Int32Array(words.length);
  for (let at = 0; at < words.length; at++) {
    const place = known.find(words[at]) ?? -1;
    codes[at] = first + place;
    if (place < 0 && unknowns > 1) strange.push(at);
  }
  if (strange.length === 0) return codes;
  const hashes = murmurs(strange.length, (at) => textIn(words, strange[at], records, name));
  hashes.forEach((hash, at) => codes[strange[at]] = 1 + hash % unknowns);
  return codes;
}
