import { murmurs } from "../data/murmur.ts";
import { type Form, object, whole, word } from "../errors/forms.ts";
import { kindOf } from "../errors/kinds.ts";
import { room } from "../files/room.ts";
import { coded, codesByWord, mostBuckets } from "./coded.ts";
import { distinct } from "./distinct.ts";
import type { FeatureKind, Vocabulary } from "./kind.ts";
import { textIn, type Words, wordsOf } from "./tabular.ts";

/** A hashed word before it is known how many words of the training rows share a bucket. */
export interface UnfittedHashed {
  /** The kind of the feature. */
  readonly kind: "hashed";
  /** The number of buckets. */
  readonly buckets: number;
}

/**
 * A word of which the model reads the bucket that its hash falls in, as a one-hot vector: no vocabulary is kept.
 *
 * Code 0 stands for a missing text, code `1 + hash % buckets` for any other, where the hash is MurmurHash3 (x86, 32 bits,
 * seed 0) of its UTF-8 bytes: the same in every language. The model's weights of code 0 begin at 0.
 */
export interface HashedFeature {
  /** The kind of the feature. */
  readonly kind: "hashed";
  /** The number of buckets. */
  readonly buckets: number;
  /** The number of distinct words of the training rows that share their bucket with another; it changes no code. */
  readonly collisions: number;
}

/**
 * A feature that is any word, read by the model as a one-hot vector with a column for missing texts and one for each
 * bucket that words are hashed into. For identifiers that are too many to list, or of which new ones come every day.
 *
 * A word's code is `1 + hash % buckets`, where the hash is MurmurHash3 (x86, 32 bits, seed 0) of its UTF-8 bytes; whole
 * numbers in lists are their decimal texts. Python's `1 + mmh3.hash(word, signed=False) % buckets` is the same. To the
 * model, words of one bucket are one word: `collisions` of the fitted feature is the number of those that share theirs.
 *
 * @param buckets How many there are, from 1 to 2 ** 24 - 1. With 10 times as many as words, one word in 10 collides.
 * @throws {TypeError | RangeError} if it is anything else.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encode, fit, hashed } from "@gatehouse/gatehouse";
 *
 * const features = fit({ user: hashed(10) }, { user: ["ann", "bob", "cid", "ann", null] });
 * assertEquals(features.user, { kind: "hashed", buckets: 10, collisions: 0 });
 * const { inputs } = encode(features, { user: [null, "ann", "bob", "cid", "someone new"] });
 * assertEquals(inputs.hashed, Int32Array.of(0, 9, 5, 1, 2));
 * ```
 */
export function hashed(buckets: number): UnfittedHashed {
  checkBuckets("define hashed feature", buckets);
  return { kind: "hashed", buckets };
}

/**
 * Makes sure that something is a number of buckets.
 *
 * @throws {TypeError | RangeError} if it is not.
 */
export function checkBuckets(action: string, found: unknown): void {
  if (bucketsForm(found, "").length === 0) return;
  const text = `Cannot ${action}\n  at buckets: found ${kindOf(found)}, wanted a whole number from 1 to ${mostBuckets}`;
  throw typeof found === "number" ? new RangeError(text) : new TypeError(text);
}

/** The form of a number of buckets. */
export const bucketsForm: Form = whole(1, mostBuckets);

/** The form of a number of collisions. */
export const collisionsForm: Form = whole(0, Number.MAX_SAFE_INTEGER);

/** The codes of hashed words. */
const hashedWords: Vocabulary<HashedFeature> = {
  codes: hashRange,
  reserved: () => 1,
  codesOf: ({ buckets }, words, name, records) =>
    hashCodes(words.length, (at) => textIn(words, at, records, name), buckets),
  textOf: (_, code) => `bucket ${code - 1}`,
};

/** Hashed words: one code each of the int input `hashed`, one-hot in the stream `input`. */
export const hashedKind: FeatureKind<UnfittedHashed, HashedFeature> = {
  unfitted: object({ kind: word("hashed"), buckets: bucketsForm }),
  fitted: object({ kind: word("hashed"), buckets: bucketsForm, collisions: collisionsForm }),
  columns: (name) => ({ [name]: "text" }),
  fitting: ({ kind, buckets }, name) => {
    const [fresh, texts] = [firstSeen(), distinct()];
    return {
      add: (records) => {
        const { words, ...rest } = wordsOf(records, name);
        const places = fresh({ words, ...rest });
        const [hashes, others] = [0, otherSeed].map((seed) =>
          murmurs(places.length, (at) => textIn(words, places[at], records, name), seed)
        );
        hashes.forEach((hash, at) => texts.add(hash, others[at]));
      },
      end: () => ({ kind, buckets, collisions: collisionsAmong(texts.end(), buckets) }),
    };
  },
  changed: ({ buckets }, before) => changedBuckets(buckets, before),
  encoding: ({ buckets }) => ({ buckets }),
  vocabulary: hashedWords,
  differs: "another number of buckets",
  about: ({ buckets, collisions }) => `${buckets} buckets, ${collisions} collisions`,
  ...coded<HashedFeature>({
    input: "hashed",
    ...hashedWords,
    encode: (feature, name, records) => {
      const codesOf = (words: readonly string[]) => hashedWords.codesOf(feature, words, name, records);
      return codesByWord(wordsOf(records, name), codesOf, 0);
    },
  }),
};

/** Returns the codes of so many buckets: that of missing texts, and theirs. */
export function hashRange(
  { buckets }: { readonly buckets: number },
): { readonly size: number; readonly missing: number; readonly unknown: number } {
  return { size: buckets + 1, missing: 0, unknown: 0 };
}

/** Returns the codes of texts, which leave 0 for missing ones. */
function hashCodes(count: number, textOf: (at: number) => string, buckets: number): Int32Array<ArrayBuffer> {
  const codes = new Int32Array(count);
  murmurs(count, textOf).forEach((hash, at) => codes[at] = 1 + hash % buckets);
  return codes;
}

/** The seed of the other hash of the texts that are counted. */
export const otherSeed = 0x9747b28c;

/** Returns the number of distinct texts, by their hashes, that share their bucket with another. */
export function collisionsAmong(hashes: Uint32Array, buckets: number): number {
  const sorted = hashes.map((hash) => hash % buckets).sort();
  let collisions = 0;
  for (let at = 0; at < sorted.length; at++) {
    if (sorted[at] === sorted[at - 1] || sorted[at] === sorted[at + 1]) collisions++;
  }
  return collisions;
}

/** Returns the difference of a number of buckets from that of a feature fitted before, in words. */
export function changedBuckets(buckets: number, before: { readonly buckets: number }): string | undefined {
  return buckets === before.buckets ? undefined : `found ${buckets} buckets, wanted ${before.buckets}`;
}

/** Returns a function that returns the places of the words in a list that no rows had before, also of a list that grows. */
function firstSeen(): (words: Words) => ArrayLike<number> {
  let list: readonly string[] = [];
  let seen = new Uint8Array(64);
  return ({ codes, words, repeated }) => {
    if (repeated) return codes.filter((code) => code >= 0);
    if (words !== list) [list, seen] = [words, new Uint8Array(words.length)];
    seen = room(seen, words.length);
    return codes.filter((code) => code >= 0 && seen[code] === 0 && (seen[code] = 1));
  };
}
