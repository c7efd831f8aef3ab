import type { Lists, Rows } from "../data/rows.ts";
import { object, text, word } from "../errors/forms.ts";
import { kindOf, optionsOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { concat, slice, weightedHot } from "../ops/functions.ts";
import { apply } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
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
import { type ListedNumbers, type ListedWords, type Records, weightsOf } from "./tabular.ts";

/** A bag before its words and its length are known. */
export interface UnfittedBag extends ListOptions {
  /** The kind of the feature. */
  readonly kind: "bag";
  /** The way in which the words of a row become one. */
  readonly pooling: "sum" | "mean";
  /** The column of the words' weights; absent: all are 1. */
  readonly weights?: string;
}

/**
 * Words in no order, of which the model reads the sum or the mean of their one-hot vectors.
 *
 * The codes are those of a {@linkcode CategoryFeature}, its own or those of the feature that it is `like`. With weights
 * `w` of the words' vectors `v`, the sum is `sum(w v)` and the mean `sum(w v) / sum(w)`; of no words, or of weights that are
 * all 0, both are 0.
 */
export interface BagFeature extends Listed {
  /** The kind of the feature. */
  readonly kind: "bag";
  /** The way in which the words of a row become one. */
  readonly pooling: "sum" | "mean";
  /** The column of the words' weights; absent: all are 1. */
  readonly weights?: string;
}

/** The options of {@linkcode bag}. */
export interface BagOptions extends ListOptions {
  /**
   * The way in which the words of a row become one, with weights `w` of their vectors `v`: `"mean"`, `sum(w v) / sum(w)`, or
   * `"sum"`, `sum(w v)`. Default `"mean"`, whose size does not grow with the number of words.
   */
  readonly pooling?: "sum" | "mean";
  /** The column of the words' weights, as lists of as many numbers of at least 0, or such texts. Default: all are 1. */
  readonly weights?: string;
}

/**
 * A feature that is several words a row, such as the tags of a video: the model reads the mean or the sum of their vectors.
 *
 * A row is a list, `["a", "b"]`, or a text that `separator` splits, `"a|b"`; null, an empty list and an empty text are an
 * empty bag. Whole numbers are their decimal texts. A word that stands twice counts twice, an unknown word as one, and a
 * missing one, null in a list or nothing between two separators, is left out with its weight. Words are taken as they are,
 * spaces too. The model reads nothing of an empty bag: its vector is 0.
 *
 * The mean is the default as in PyTorch's EmbeddingBag, DeepCTR, FuxiCTR and torch-rechub; TorchRec and TorchEasyRec take
 * the sum. A weighted mean is `sum(w v) / sum(w)`, as in TensorFlow.
 *
 * @throws {TypeError} if an option is unknown or of another type, or one of a vocabulary is given beside `like`.
 * @throws {RangeError} if `most`, `minCount`, `mostWords` or `unknowns` is not an integer of at least 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bag, encode, fit } from "@gatehouse/gatehouse";
 *
 * const table = { tags: ["cat|dog", "dog|dog|eel", null], shares: ["1|3", "1|1|2", null] };
 * const features = fit({ tags: bag({ separator: "|", weights: "shares" }) }, table);
 * const { lists } = encode(features, table);
 * assertEquals(lists!.tags.codes, Int32Array.of(2, 3, 3, 3, 4)); // 0: missing, 1: unknown, then cat, dog, eel
 * assertEquals(lists!.tags.weights, Float32Array.of(1, 3, 1, 1, 2));
 * assertEquals(lists!.tags.starts, Int32Array.of(0, 2, 5, 5));
 * ```
 */
export function bag(options: BagOptions = {}): UnfittedBag {
  const action = "define bag";
  const { pooling = "mean", weights, ...given } = optionsOf(action, options, [...listOptions, "pooling", "weights"]);
  const listed = listedBy(action, given);
  if (pooling !== "mean" && pooling !== "sum") {
    throw new TypeError(`Cannot ${action}\n  at pooling: found ${kindOf(pooling)}, wanted "mean" or "sum"`);
  }
  if (weights !== undefined && typeof weights !== "string") {
    throw new TypeError(`Cannot ${action}\n  at weights: found ${kindOf(weights)}, wanted the name of a column`);
  }
  return { kind: "bag", pooling, ...listed, ...(weights === undefined ? {} : { weights }) };
}

const own = { kind: word("bag"), pooling: word("sum", "mean") };
const form = object({ ...own, items: itemsForm }, { ...listForms, weights: text });

/** Bags: codes of the int input `bag`, and of the float input `bagWeights` what each adds to the stream `input`. */
export const bagKind: FeatureKind<UnfittedBag, BagFeature> = {
  unfitted: object(own, { ...unfittedListForms, weights: text }),
  fitted: (found, path) => {
    const issues = form(found, path);
    return issues.length > 0 ? issues : listedIssues(found as BagFeature, path);
  },
  columns: (name, { weights }) => ({ [name]: "text", ...(weights === undefined ? {} : { [weights]: "text" }) }),
  lists: (name, { weights }) => ({ [name]: "texts", ...(weights === undefined ? {} : { [weights]: "numbers" }) }),
  fitting: ({ kind, pooling, weights, ...unfitted }, name, after) => {
    const lists = fittingLists(unfitted, first, name, after, (lists, records) => {
      weightsBeside(lists, name, { weights, separator: unfitted.separator }, records);
    });
    return {
      add: lists.add,
      end: (action) => ({ kind, pooling, ...lists.end(action), ...(weights === undefined ? {} : { weights }) }),
    };
  },
  changed: (unfitted, before) => {
    const { pooling, weights } = unfitted;
    if (pooling !== before.pooling) return `found pooling ${quoted(pooling)}, wanted ${quoted(before.pooling)}`;
    if (weights !== before.weights) return `found weights ${kindOf(weights)}, wanted ${kindOf(before.weights)}`;
    return changedList(unfitted, before);
  },
  grown: (before, now) => {
    const other = (["pooling", "weights"] as const).find((name) => before[name] !== now[name]);
    if (other !== undefined) return `its ${other} was ${kindOf(before[other])}, is ${kindOf(now[other])}`;
    return grownList(before, now);
  },
  width: (feature) => vocabularyOf(feature).range.size,
  reserved: (feature) => Array.from({ length: vocabularyOf(feature).reserved }, (_, code) => code),
  inputs: (features) => {
    const codes = rangesOf(features);
    return [
      { name: "bag", type: "int", width: codes.length, codes },
      { name: "bagWeights", type: "float", width: codes.length },
    ];
  },
  encode: (features, records) => {
    const encoded = features.map(([name, feature]) => {
      const lists = readLists(feature, name, records);
      const kept = first(lists, feature.items, weightsBeside(lists, name, feature, records));
      return [name, codesOfLists(feature, kept, name, records)];
    });
    return { lists: Object.fromEntries(encoded) };
  },
  padded: (features, { lists }) => ({ bag: paddedCodes(features, lists), bagWeights: paddedWeights(features, lists) }),
  value: (features, { bag, bagWeights }) => {
    let end = 0;
    return concat(features.map(([, feature]) => {
      const start = end;
      end += feature.items;
      const { size } = vocabularyOf(feature).range;
      return weightedHot(codesFrom(bag, start, feature.items), numbersFrom(bagWeights, start, feature.items), size);
    }));
  },
  wrong: (features, rows) => wrongInLists(features, rows) ?? wrongWeight(features, rows),
  unseen: unseenInLists,
  textOf: (feature, code) => vocabularyOf(feature).textOf(code),
  encoding: ({ items, like, words, unknowns, separator, weights }) => ({
    ...{ items, like, words, unknowns, separator, weights },
  }),
  differs: "other words, or another length, separator or column of weights",
  about: ({ items, pooling, like }) => `${pooling} of ${items}${like === undefined ? "" : `, like ${like}`}`,
};

/** The weights of the words of lists, if they have any; there is one for each word. */
function weightsBeside(
  { starts }: ListedWords,
  name: string,
  { weights, separator }: Pick<BagFeature, "weights" | "separator">,
  records: Records,
): ListedNumbers | undefined {
  if (weights === undefined) return undefined;
  const found = weightsOf(records, weights, name, separator);
  for (let row = 0; row + 1 < starts.length; row++) {
    const [words, numbers] = [starts, found.starts].map((starts) => starts[row + 1] - starts[row]);
    if (words === numbers) continue;
    const where = `Cannot ${records.action}\n  at feature ${quoted(name)}, row ${records.first + row}`;
    throw new RangeError(
      `${where}: found ${numbers} weights in column ${quoted(weights)}, wanted ${words}: one a word`,
    );
  }
  return found;
}

/** Returns the words of lists that stand first, with their weights, without missing ones. */
function first({ starts, codes, words }: ListedWords, most: number, weights?: ListedNumbers): Kept {
  const kept = new Int32Array(starts.length);
  const own = new Int32Array(codes.length);
  const weighed = weights && new Float32Array(codes.length);
  let end = 0;
  for (let row = 0; row + 1 < starts.length; row++) {
    for (let at = starts[row]; at < starts[row + 1] && end - kept[row] < most; at++) {
      if (codes[at] < 0) continue;
      own[end] = codes[at];
      if (weighed) weighed[end] = weights.numbers[at];
      end++;
    }
    kept[row + 1] = end;
  }
  return { starts: kept, codes: own.slice(0, end), words, ...(weighed && { weights: weighed.slice(0, end) }) };
}

/** Returns weights `[rows x sum of items]` by which the codes of a row are summed: of a mean, they are 1 together. */
function paddedWeights(features: readonly Named<BagFeature>[], lists: Rows["lists"] = {}): Float32Array {
  const width = features.reduce((sum, [, { items }]) => sum + items, 0);
  const count = lists[features[0][0]].starts.length - 1;
  const all = new Float32Array(count * width);
  let place = 0;
  for (const [name, { items, pooling }] of features) {
    const { starts, weights } = lists[name];
    for (let row = 0; row < count; row++) {
      const scale = pooling === "mean" ? total(lists[name], row) : 1;
      if (scale === 0) continue;
      const to = row * width + place - starts[row];
      for (let at = starts[row]; at < starts[row + 1]; at++) {
        all[to + at] = (weights === undefined ? 1 : weights[at]) / scale;
      }
    }
    place += items;
  }
  return all;
}

/** Returns the sum of the weights of a row. */
function total({ starts, weights }: Lists, row: number): number {
  if (weights === undefined) return starts[row + 1] - starts[row];
  let sum = 0;
  for (let at = starts[row]; at < starts[row + 1]; at++) sum += weights[at];
  return sum;
}

/** Returns the first weight that is not a finite number of at least 0. */
function wrongWeight(features: readonly Named<BagFeature>[], { lists = {} }: Encoded): Wrong | undefined {
  for (const [name] of features) {
    const { starts, weights } = lists[name];
    const at = weights?.findIndex((weight) => !(weight >= 0 && weight < Infinity)) ?? -1;
    if (at < 0) continue;
    const row = starts.findIndex((start) => start > at) - 1;
    return {
      row,
      at: `feature ${quoted(name)}`,
      message: `the weight is ${weights![at]}, wanted a finite number of at least 0`,
    };
  }
  return undefined;
}

/** Returns neighbouring columns of codes. */
function codesFrom(codes: Value, start: number, count: number): Value {
  if (count === codes.shape[1]) return codes;
  const columns = Array.from({ length: count }, (_, at) => start + at);
  return apply("pick", [codes], { columns, first: columns.map(() => 0) });
}

/** Returns neighbouring columns of numbers. */
function numbersFrom(numbers: Value, start: number, count: number): Value {
  return count === numbers.shape[1] ? numbers : slice(numbers, start, count);
}
