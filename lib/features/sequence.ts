import { object, text, word } from "../errors/forms.ts";
import { kindOf, optionsOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { multiHot } from "../ops/functions.ts";
import type { Encoded, FeatureKind, Named, Wrong } from "./kind.ts";
import {
  changedList,
  codesOfLists,
  fittingLists,
  grownList,
  itemsForm,
  type Kept,
  type Listed,
  listedBy,
  listedIssues,
  listForms,
  type ListOptions,
  listOptions,
  paddedCodes,
  rangesOf,
  readLists,
  unfittedListForms,
  unseenInLists,
  vocabularyOf,
  wrongInLists,
} from "./listed.ts";
import { type ListedWords, listStarts, type Records } from "./tabular.ts";

/** A sequence before its words and its length are known. */
export interface UnfittedSequence extends ListOptions {
  /** The kind of the feature. */
  readonly kind: "sequence";
  /** The group of features whose lists have one length in each row; absent: none. */
  readonly group?: string;
}

/**
 * Ordered words, of which the model reads the latest: those that stand last in a row's list.
 *
 * The codes are those of a {@linkcode CategoryFeature}, its own or those of the feature that it is `like`. In the stream
 * `input` it is `items` places one after the other, a one-hot vector each; a list that is shorter fills the first of them,
 * and the others have code 0, as a missing word has.
 */
export interface SequenceFeature extends Listed {
  /** The kind of the feature. */
  readonly kind: "sequence";
  /** The group of features whose lists have one length in each row; absent: none. */
  readonly group?: string;
}

/** The options of {@linkcode sequence}. */
export interface SequenceOptions extends ListOptions {
  /** A name that features share whose lists have one length in each row, such as what was watched, and when. */
  readonly group?: string;
}

/**
 * A feature that is a list of words in order, oldest first, such as the videos that a user watched: the model reads the
 * latest of them.
 *
 * A row is a list, `["a", "b"]`, or a text that `separator` splits, `"a|b"`; null, an empty list and an empty text are a
 * list of nothing. Whole numbers are their decimal texts. A missing word, null in a list or nothing between two
 * separators, keeps its place and has code 0. Words are taken as they are, spaces too.
 *
 * @throws {TypeError} if an option is unknown or of another type, or one of a vocabulary is given beside `like`.
 * @throws {RangeError} if `most`, `minCount`, `mostWords` or `unknowns` is not an integer of at least 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { category, encode, fit, sequence } from "@gatehouse/gatehouse";
 *
 * const table = { video: ["a", "b", "c"], watched: [["a", "b", "a", "c"], "b|zzz", null] };
 * const features = fit({ video: category(), watched: sequence({ like: "video", most: 3, separator: "|" }) }, table);
 * const { lists } = encode(features, table);
 * assertEquals(lists!.watched.codes, Int32Array.of(3, 2, 4, 3, 1)); // b, a, c; b and an unknown word
 * assertEquals(lists!.watched.starts, Int32Array.of(0, 3, 5, 5));
 * ```
 */
export function sequence(options: SequenceOptions = {}): UnfittedSequence {
  const action = "define sequence";
  const { group, ...given } = optionsOf(action, options, [...listOptions, "group"]);
  const listed = listedBy(action, given);
  if (group !== undefined && (typeof group !== "string" || group === "")) {
    throw new TypeError(`Cannot ${action}\n  at group: found ${kindOf(group)}, wanted a text that is not empty`);
  }
  return { kind: "sequence", ...listed, ...(group === undefined ? {} : { group }) };
}

const form = object({ kind: word("sequence"), items: itemsForm }, { ...listForms, group: text });

/** Sequences: codes of the int input `sequence`, of each place one-hot in the stream `input`. */
export const sequenceKind: FeatureKind<UnfittedSequence, SequenceFeature> = {
  unfitted: object({ kind: word("sequence") }, { ...unfittedListForms, group: text }),
  fitted: (found, path) => {
    const issues = form(found, path);
    return issues.length > 0 ? issues : listedIssues(found as SequenceFeature, path);
  },
  columns: (name) => ({ [name]: "text" }),
  lists: (name) => ({ [name]: "texts" }),
  fitting: ({ kind, group, ...unfitted }, name, after) => {
    const lists = fittingLists(unfitted, latest, name, after);
    return {
      add: lists.add,
      end: (action) => ({ kind, ...lists.end(action), ...(group === undefined ? {} : { group }) }),
    };
  },
  changed: (unfitted, before) => {
    if (unfitted.group === before.group) return changedList(unfitted, before);
    return `found group ${kindOf(unfitted.group)}, wanted ${kindOf(before.group)}`;
  },
  grown: (before, now) => {
    if (before.group !== now.group) return `its group was ${kindOf(before.group)}, is ${kindOf(now.group)}`;
    return grownList(before, now);
  },
  width: (feature) => feature.items * vocabularyOf(feature).range.size,
  items: ({ items }) => items,
  reserved: (feature) => {
    const { range: { size }, reserved } = vocabularyOf(feature);
    return Array.from(
      { length: feature.items * reserved },
      (_, at) => Math.floor(at / reserved) * size + at % reserved,
    );
  },
  inputs: (features) => {
    const codes = rangesOf(features);
    return [{ name: "sequence", type: "int", width: codes.length, codes }];
  },
  together: (features, records) => {
    const startsOf = (name: string, separator?: string) => () => listStarts(records, name, separator);
    checkGroups(features.map(([name, { group, separator }]) => [name, group, startsOf(name, separator)]), records);
  },
  encode: (features, records) => {
    const read = features.map(([name, feature]) => [name, feature, readLists(feature, name, records)] as const);
    checkGroups(read.map(([name, { group }, { starts }]) => [name, group, () => starts]), records);
    const encoded = read.map(([name, feature, lists]) => {
      return [name, codesOfLists(feature, latest(lists, feature.items), name, records)];
    });
    return { lists: Object.fromEntries(encoded) };
  },
  padded: (features, { lists }) => ({ sequence: paddedCodes(features, lists) }),
  value: (features, { sequence }) => multiHot(sequence, rangesOf(features).map(({ size }) => size)),
  wrong: (features, rows) => wrongInLists(features, rows) ?? wrongLength(features, rows),
  unseen: unseenInLists,
  textOf: (feature, code) => vocabularyOf(feature).textOf(code),
  encoding: ({ items, like, words, unknowns, separator, group }) => ({
    items,
    like,
    words,
    unknowns,
    separator,
    group,
  }),
  differs: "other words, or another length, separator or group",
  about: ({ items, like }) => `${items} places${like === undefined ? "" : `, like ${like}`}`,
};

/** Returns the words of lists that stand last. */
function latest({ starts, codes, words }: ListedWords, most: number): Kept {
  const kept = new Int32Array(starts.length);
  for (let row = 0; row + 1 < starts.length; row++) {
    kept[row + 1] = kept[row] + Math.min(most, starts[row + 1] - starts[row]);
  }
  const own = new Int32Array(kept[kept.length - 1]);
  for (let row = 0; row + 1 < starts.length; row++) {
    own.set(codes.subarray(starts[row + 1] - (kept[row + 1] - kept[row]), starts[row + 1]), kept[row]);
  }
  return { starts: kept, codes: own, words };
}

/** Returns the first row in which the lists of two features of a group have different lengths. */
function wrongLength(features: readonly Named<SequenceFeature>[], { lists = {} }: Encoded): Wrong | undefined {
  const firsts = new Map<string, string>();
  for (const [name, { group }] of features) {
    if (group === undefined) continue;
    const other = firsts.get(group) ?? name;
    firsts.set(group, other);
    const row = oddRow(lists[other].starts, lists[name].starts);
    if (row < 0) continue;
    const [wanted, found] = [other, name].map((name) => lists[name].starts[row + 1] - lists[name].starts[row]);
    const message = `found ${found} codes, but ${wanted} of feature ${quoted(other)}: wanted lists of one length`;
    return { row, at: `feature ${quoted(name)}`, message: `${message} in group ${quoted(group)}` };
  }
  return undefined;
}

/** Returns the first row whose lists have different lengths; -1 if there is none. */
function oddRow(first: Int32Array, second: Int32Array): number {
  return first.findIndex((start, row) =>
    row + 1 < first.length && first[row + 1] - start !== second[row + 1] - second[row]
  );
}

/** Makes sure that the lists of the features of a group have one length in each row. */
function checkGroups(
  features: readonly (readonly [name: string, group: string | undefined, starts: () => Int32Array])[],
  { action, first }: Records,
): void {
  const firsts = new Map<string, readonly [name: string, starts: Int32Array]>();
  for (const [name, group, startsOf] of features) {
    if (group === undefined) continue;
    const starts = startsOf();
    const [other, wanted] = firsts.get(group) ?? [name, starts];
    firsts.set(group, [other, wanted]);
    const row = oddRow(wanted, starts);
    if (row < 0) continue;
    const [most, found] = [wanted, starts].map((starts) => starts[row + 1] - starts[row]);
    const lengths = `found ${found} words, but ${most} of feature ${quoted(other)}`;
    const where = `Cannot ${action}\n  at feature ${quoted(name)}, row ${first + row}`;
    throw new RangeError(`${where}: ${lengths}: wanted lists of one length in group ${quoted(group)}`);
  }
}
