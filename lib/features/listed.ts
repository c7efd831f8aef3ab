import type { Lists, Rows } from "../data/rows.ts";
import type { Form } from "../errors/forms.ts";
import { fitting, text, whole } from "../errors/forms.ts";
import type { Issue } from "../errors/issues.ts";
import { kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import type { CodeRange } from "../formats/translation.ts";
import {
  categoryWords,
  checkCounts,
  fittingWords,
  movedWord,
  unknownsForm,
  wordIssues,
  wordsForm,
} from "./category.ts";
import { codesByWord } from "./coded.ts";
import type { Encoded, Fitting, Named, Vocabulary, Wrong } from "./kind.ts";
import { type ListedWords, listsOf, type Records } from "./tabular.ts";

/** The options of features of lists, which they have until they are fitted. */
export interface ListOptions {
  /** The name of a feature, by `category` or `hashed`, whose vocabulary it has. Default: its own. */
  readonly like?: string;
  /**
   * The most words of a row that are read: of a bag the first, of a sequence the latest. Default: as many as the longest
   * list of the training rows has.
   */
  readonly most?: number;
  /** The text between the words where a list is a text, such as `"|"`. Default: texts are refused. */
  readonly separator?: string;
  /** The number of times that a word must occur in what is read of the training rows to be known. Default 1. */
  readonly minCount?: number;
  /** The most words that are known: the most frequent, of equally frequent ones the first in order. Default: all. */
  readonly mostWords?: number;
  /** The number of codes that unknown words are hashed into, so that they are not all alike. Default 1. */
  readonly unknowns?: number;
}

/** The words that a feature of lists knows, or the name of the feature that does. */
export interface Listed {
  /** The most words of a row that are read. */
  readonly items: number;
  /** The feature whose vocabulary it has; absent: its own. */
  readonly like?: string;
  /** The known words, each once; absent if it has another's vocabulary. Codes are those of a {@linkcode CategoryFeature}. */
  readonly words?: readonly string[];
  /** The number of codes that unknown words are hashed into, at least 2; absent: 1. */
  readonly unknowns?: number;
  /** The text between the words where a list is a text; absent: texts are refused. */
  readonly separator?: string;
}

/** A feature of lists with the words that it shares, if it does. */
export type Resolved = Listed & { readonly of?: WordCodes };

/** The options that a vocabulary of its own has. */
const ownOptions = ["minCount", "mostWords", "unknowns"] as const;

/** The names of these options. */
export const listOptions: readonly string[] = ["like", "most", "separator", ...ownOptions];

/** The most words of a row. */
const mostItems = 2 ** 16;

/**
 * Returns what the options of a feature of lists say, without those that are absent.
 *
 * @throws {TypeError | RangeError} if one is of another type, out of range, or of no use beside `like`.
 */
export function listedBy(action: string, options: ListOptions): ListOptions {
  const { like, most, separator, minCount, mostWords, unknowns } = options;
  for (const [name, value] of Object.entries({ like, separator })) {
    if (value === undefined || typeof value === "string" && value !== "") continue;
    throw new TypeError(`Cannot ${action}\n  at ${name}: found ${kindOf(value)}, wanted a text that is not empty`);
  }
  checkCounts(action, { most, minCount, mostWords, unknowns });
  if (most !== undefined && most > mostItems) {
    throw new RangeError(`Cannot ${action}\n  at most: found ${most}, wanted at most ${mostItems} words a row`);
  }
  const useless = like === undefined ? undefined : ownOptions.find((name) => options[name] !== undefined);
  if (useless !== undefined) {
    const why = `the vocabulary is that of ${quoted(like!)}`;
    throw new TypeError(
      `Cannot ${action}\n  at ${useless}: it is given beside like, but ${why}: leave one of both out`,
    );
  }
  return {
    ...(like === undefined ? {} : { like }),
    ...(most === undefined ? {} : { most }),
    ...(separator === undefined ? {} : { separator }),
    ...(minCount === undefined ? {} : { minCount }),
    ...(mostWords === undefined ? {} : { mostWords }),
    ...(unknowns === undefined || unknowns === 1 ? {} : { unknowns }),
  };
}

const nameForm: Form = fitting("a text that is not empty", (found) => typeof found === "string" && found !== "");
const countForm: Form = whole(1, Number.MAX_SAFE_INTEGER);

/** The forms of what features of lists have before they are fitted, all of it optional. */
export const unfittedListForms: Readonly<Record<string, Form>> = {
  like: nameForm,
  most: whole(1, mostItems),
  separator: nameForm,
  minCount: countForm,
  mostWords: countForm,
  unknowns: unknownsForm,
};

/** The forms of what fitted features of lists have beside their kind and `items`, all of it optional. */
export const listForms: Readonly<Record<string, Form>> = {
  like: text,
  words: wordsForm,
  unknowns: unknownsForm,
  separator: nameForm,
};

/** The form of the most words of a row. */
export const itemsForm: Form = whole(1, mostItems);

/** Returns the issues of a fitted feature of lists whose properties have the right form. */
export function listedIssues({ like, words, unknowns }: Listed, path: string): Issue[] {
  if (like !== undefined) {
    const own = words !== undefined ? "words" : unknowns !== undefined ? "unknowns" : undefined;
    return own === undefined ? [] : [{ path, message: `${quoted(own)} is given beside "like": wanted one of both` }];
  }
  if (words === undefined) return [{ path, message: '"words" is missing: wanted it, or "like"' }];
  return wordIssues(words, unknowns ?? 1, path);
}

/** The codes of the words of a feature of lists. */
export interface WordCodes {
  /** The codes. */
  readonly range: CodeRange;
  /** The number of codes that come first, those of missing and unknown words. */
  readonly reserved: number;
  /** Returns the text of a code; undefined for those of missing and unknown words. */
  readonly textOf: (code: number) => string | undefined;
  /** Returns the codes of words. */
  readonly codesOf: (words: readonly string[], name: string, records: Records) => Int32Array;
}

/** Returns the codes of the words that a feature knows. */
export function wordsBy<F>({ codes, reserved, textOf, codesOf }: Vocabulary<F>, feature: F): WordCodes {
  return {
    textOf: (code) => code < reserved(feature) ? undefined : textOf(feature, code),
    range: codes(feature),
    reserved: reserved(feature),
    codesOf: (words, name, records) => codesOf(feature, words, name, records),
  };
}

/** Returns the codes of the words of a feature of lists, its own or those that it shares. */
export function vocabularyOf({ words = [], unknowns, of }: Resolved): WordCodes {
  return of ?? wordsBy(categoryWords, { words, ...(unknowns === undefined ? {} : { unknowns }) });
}

/** Words of lists, of which each row has at most so many. */
export type Kept = Pick<ListedWords, "starts" | "codes" | "words"> & Pick<Lists, "weights">;

/**
 * Returns the fit of `items` and, if it has one of its own, of the vocabulary of a feature of lists.
 *
 * @param keptOf Returns what is read of lists of which each row has at most so many words.
 * @param after The same of a feature fitted before, whose codes stay.
 * @param check Refuses lists that do not fit what stands beside them.
 */
export function fittingLists(
  unfitted: ListOptions,
  keptOf: (lists: ListedWords, most: number) => Kept,
  name: string,
  after?: Listed,
  check: (lists: ListedWords, records: Records) => void = () => {},
): Fitting<Listed> {
  const { like, separator, minCount = 1, mostWords, unknowns } = unfitted;
  const most = after?.items ?? unfitted.most;
  const words = fittingWords({ minCount, most: mostWords, unknowns }, name, after?.words);
  let longest = 1;
  return {
    add: (records) => {
      const lists = readLists(unfitted, name, records);
      check(lists, records);
      longest = Math.max(longest, longestOf(lists.starts));
      if (like === undefined) words.add(keptOf(lists, most ?? mostItems), records);
    },
    end: (action) => {
      const shown = { items: most ?? longest, ...(separator === undefined ? {} : { separator }) };
      if (like !== undefined) return { ...shown, like };
      return { ...shown, words: words.end(action), ...(unknowns === undefined ? {} : { unknowns }) };
    },
  };
}

/** Returns the first option of a feature of lists that one fitted before had otherwise, in words. */
export function changedList(unfitted: ListOptions, before: Listed): string | undefined {
  const { like, separator, unknowns = 1, most = before.items } = unfitted;
  if (most !== before.items) return `found most ${most}, wanted ${before.items}`;
  for (const [option, found, wanted] of [["like", like, before.like], ["separator", separator, before.separator]]) {
    const text = (value: string | undefined) => value === undefined ? `no ${option}` : `${option} ${quoted(value)}`;
    if (found !== wanted) return `found ${text(found)}, wanted ${text(wanted)}`;
  }
  const wanted = before.unknowns ?? 1;
  return unknowns === wanted || like !== undefined ? undefined : `found ${unknowns} unknowns, wanted ${wanted}`;
}

/** Returns the reason why a code or place of a feature of lists means something else than before, in words. */
export function grownList(before: Listed, now: Listed): string | undefined {
  const same = (["items", "like", "unknowns", "separator"] as const).find((name) => before[name] !== now[name]);
  if (same !== undefined) return `its ${same} was ${kindOf(before[same])}, is ${kindOf(now[same])}`;
  return movedWord(before.words ?? [], now.words ?? []);
}

/** The length of the longest list, at least 1. */
function longestOf(starts: Int32Array): number {
  let longest = 1;
  for (let row = 1; row < starts.length; row++) longest = Math.max(longest, starts[row] - starts[row - 1]);
  if (longest > mostItems) return mostItems;
  return longest;
}

/** Returns the codes of words of lists. */
export function codesOfLists(
  feature: Listed,
  { starts, codes, words, weights }: Kept,
  name: string,
  records: Records,
): Lists {
  const { codesOf } = vocabularyOf(feature);
  const own = codesByWord({ codes, words }, (words) => codesOf(words, name, records), 0);
  return { starts, codes: own, ...(weights && { weights }) };
}

/** Reads the lists of a feature's column. */
export function readLists({ separator }: Pick<Listed, "separator">, name: string, records: Records): ListedWords {
  return listsOf(records, name, separator);
}

/** Returns the codes of each element of an input in which features stand side by side, each padded to its `items`. */
export function rangesOf(features: readonly Named<Listed>[]): readonly CodeRange[] {
  return features.flatMap(([, feature]) => Array<CodeRange>(feature.items).fill(vocabularyOf(feature).range));
}

/** Returns codes `[rows x sum of items]`, each row's lists from the first place on, then code 0. */
export function paddedCodes(features: readonly Named<Listed>[], lists: Rows["lists"] = {}): Int32Array {
  const width = features.reduce((sum, [, { items }]) => sum + items, 0);
  const count = lists[features[0][0]].starts.length - 1;
  const all = new Int32Array(count * width);
  let first = 0;
  for (const [name, { items }] of features) {
    const { starts, codes } = lists[name];
    for (let row = 0; row < count; row++) {
      const to = row * width + first - starts[row];
      for (let at = starts[row]; at < starts[row + 1]; at++) all[to + at] = codes[at];
    }
    first += items;
  }
  return all;
}

/** Returns the first code or length that features of lists cannot take. */
export function wrongInLists(features: readonly Named<Listed>[], { lists = {} }: Encoded): Wrong | undefined {
  for (const [name, feature] of features) {
    const { starts, codes } = lists[name];
    const at = `feature ${quoted(name)}`;
    const { size } = vocabularyOf(feature).range;
    for (let row = 0; row + 1 < starts.length; row++) {
      const length = starts[row + 1] - starts[row];
      if (length > feature.items) {
        const way = "encode rows with the model's features";
        return { row, at, message: `found ${length} codes, wanted at most ${feature.items}: ${way}` };
      }
      for (let place = starts[row]; place < starts[row + 1]; place++) {
        if (codes[place] >= 0 && codes[place] < size) continue;
        const way = "encode rows with the model's features";
        return { row, at, message: `found code ${codes[place]}, wanted 0 to ${size - 1}: ${way}` };
      }
    }
  }
  return undefined;
}

/** Returns the words of each feature's own vocabulary that no list has. */
export function unseenInLists(features: readonly Named<Listed>[], { lists = {} }: Encoded): readonly string[][] {
  return features.map(([name, feature]) => {
    const { range, reserved } = vocabularyOf(feature);
    const seen = new Uint8Array(range.size);
    for (const code of lists[name].codes) seen[code] = 1;
    return (feature.words ?? []).filter((_, place) => seen[reserved + place] === 0);
  });
}
