import { attend, embed, type Features, type Net, type Rows } from "../../mod.ts";
import type { Feature } from "../../lib/graph.ts";
import { fillNormal, type Random, random } from "../../lib/datasets.ts";

/** The input of a recommender: numbers, and ids of which each has a vector. */
export interface Ids {
  /** The number of numeric features. */
  readonly numbers: number;
  /** The number of ids of each feature, none of them missing or unknown. */
  readonly vocabularies: readonly number[];
  /** The size of a vector. */
  readonly k: number;
  /** A bag of up to so many words, and the number of words there are; absent: none. */
  readonly bag?: { readonly most: number; readonly vocabulary: number };
  /** A sequence of up to so many ids of the last vocabulary, which is pooled by attention to the row's; absent: none. */
  readonly sequence?: { readonly most: number };
  /**
   * The way vectors follow their gradient: by row-wise Adagrad those that a batch has, or by Adam, where peers move all of
   * them and we those that a batch has.
   */
  readonly vectors: "touched" | "all";
}

/** The sizes of 26 vocabularies, from 10 ids to 1,000,000: 2.9 million in all. */
export const vocabularies: readonly number[] = [
  ...[10, 100, 1000, 10_000, 100_000].flatMap((size) => [1, 2, 3, 5, 6].map((times) => times * size)),
  1_000_000,
];

/** Returns true if the input of a case is one of ids. */
export function isIds(input: unknown): input is Ids {
  return typeof input === "object";
}

/** The name of a feature. */
export function idName(at: number): string {
  return `id ${at}`;
}

/**
 * The features of such an input. Ids are hashed ones: a model has as many vectors of them as of a list of as many words,
 * and no text of them all.
 */
export function idFeatures({ numbers, vocabularies, bag, sequence }: Ids): Features {
  const numeric: Feature = { kind: "numeric", transform: "none", mean: 0, scale: 1 };
  const id = (buckets: number): Feature => ({ kind: "hashed", buckets, collisions: 0 });
  return Object.fromEntries([
    ...Array.from({ length: numbers }, (_, at) => [`number ${at}`, numeric] as const),
    ...vocabularies.map((size, at) => [idName(at), id(size)] as const),
    ...bag === undefined ? [] : [["tags", tagsOf(bag)] as const],
    ...sequence === undefined ? [] : [["watched", watchedOf(sequence.most, vocabularies.length - 1)] as const],
  ]);
}

function tagsOf({ most, vocabulary }: { readonly most: number; readonly vocabulary: number }): Feature {
  const words = Array.from({ length: vocabulary }, (_, at) => `tag ${at}`);
  return { kind: "bag", pooling: "mean", items: most, words };
}

function watchedOf(items: number, at: number): Feature {
  return { kind: "sequence", items, like: idName(at) };
}

/** The net that looks up vectors: of a sequence what attention to the last feature makes of it. */
export function embedding({ k, vocabularies, sequence }: Ids): Net {
  if (sequence === undefined) return embed(k);
  return embed(k, { pool: { watched: attend({ query: idName(vocabularies.length - 1) }) } });
}

/**
 * Normal numbers, ids of which the n-th most frequent occurs 1 / n times as often as the first (Zipf's law), and lists of
 * any length up to the most.
 */
export function idRows(
  { numbers, vocabularies, bag, sequence }: Ids,
  count: number,
): Pick<Rows, "inputs" | "lists"> {
  const source = random(`bench:ids:${numbers}:${vocabularies}:${count}`);
  const hashed = new Int32Array(count * vocabularies.length);
  for (let at = 0; at < hashed.length; at++) hashed[at] = 1 + zipf(vocabularies[at % vocabularies.length], source);
  const numeric = numbers > 0 && { numeric: fillNormal(new Float32Array(count * numbers), source) };
  const lists = {
    ...bag && { tags: listsOf(count, bag.most, () => 2 + zipf(bag.vocabulary, source), source) },
    ...sequence && { watched: listsOf(count, sequence.most, () => 1 + zipf(vocabularies.at(-1)!, source), source) },
  };
  return { inputs: { ...numeric, hashed }, ...(bag || sequence) && { lists } };
}

function listsOf(count: number, most: number, code: () => number, source: Random): NonNullable<Rows["lists"]>[string] {
  const starts = new Int32Array(count + 1);
  for (let row = 0; row < count; row++) starts[row + 1] = starts[row] + Math.floor(source.uniform() * (most + 1));
  return { starts, codes: Int32Array.from({ length: starts[count] }, code) };
}

/** One of so many things, the frequent ones spread among all, as they are in a vocabulary that is sorted or hashed. */
export function zipf(size: number, { uniform }: { uniform(): number }): number {
  return (Math.floor((size + 1) ** uniform()) - 1) * spread % size;
}

/** A prime number, which no size of a vocabulary here has for a factor. */
const spread = 611_953;
