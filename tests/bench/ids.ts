import type { Features, Rows } from "../../mod.ts";
import type { Feature } from "../../lib/graph.ts";
import { fillNormal, random } from "../../lib/datasets.ts";

/** The input of a recommender: numbers, and ids of which each has a vector. */
export interface Ids {
  /** The number of numeric features. */
  readonly numbers: number;
  /** The number of ids of each feature, none of them missing or unknown. */
  readonly vocabularies: readonly number[];
  /** The size of a vector. */
  readonly k: number;
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
export function idFeatures({ numbers, vocabularies }: Ids): Features {
  const numeric: Feature = { kind: "numeric", transform: "none", mean: 0, scale: 1 };
  const id = (buckets: number): Feature => ({ kind: "hashed", buckets, collisions: 0 });
  return Object.fromEntries([
    ...Array.from({ length: numbers }, (_, at) => [`number ${at}`, numeric] as const),
    ...vocabularies.map((size, at) => [idName(at), id(size)] as const),
  ]);
}

/** Normal numbers, and ids of which the n-th most frequent occurs 1 / n times as often as the first (Zipf's law). */
export function idInputs({ numbers, vocabularies }: Ids, count: number): Rows["inputs"] {
  const source = random(`bench:ids:${numbers}:${vocabularies}:${count}`);
  const hashed = new Int32Array(count * vocabularies.length);
  for (let at = 0; at < hashed.length; at++) hashed[at] = 1 + zipf(vocabularies[at % vocabularies.length], source);
  if (numbers === 0) return { hashed };
  return { numeric: fillNormal(new Float32Array(count * numbers), source), hashed };
}

/** One of so many things, the frequent ones spread among all, as they are in a vocabulary that is sorted or hashed. */
export function zipf(size: number, { uniform }: { uniform(): number }): number {
  return (Math.floor((size + 1) ** uniform()) - 1) * spread % size;
}

/** A prime number, which no size of a vocabulary here has for a factor. */
const spread = 611_953;
