import { room } from "../files/room.ts";

/** The most distinct texts whose hashes are kept: 384 MiB of them. */
const mostKept = 2 ** 24;

/** The buckets of distinct texts that come piece by piece. */
export interface Distinct {
  /**
   * Takes a text: its bucket, and 64 bits of hashes that stand for it.
   *
   * @param hash The first 32 bits, of which the bucket is made.
   * @param other Another 32 bits.
   */
  add(hash: number, other: number): void;
  /** Returns the first hash of each distinct text. */
  end(): Uint32Array;
}

/**
 * Returns the distinct texts of none so far, by 64 bits of hashes: of 16 million texts, two are taken for one in a case of
 * 100,000. A hash table with linear probing, at most half full.
 *
 * @param most The number of distinct texts that are kept; later ones are left out. Default 2 ** 24.
 */
export function distinct(most: number = mostKept): Distinct {
  let slots = new Int32Array(128);
  let hashes = new Uint32Array(64), others = new Uint32Array(64);
  let count = 0;
  const spread = (): void => {
    slots = new Int32Array(2 * slots.length);
    const mask = slots.length - 1;
    for (let at = 0; at < count; at++) {
      let slot = (hashes[at] ^ others[at]) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = at + 1;
    }
  };
  return {
    add: (given, other) => {
      const [hash, rest] = [given >>> 0, other >>> 0];
      const mask = slots.length - 1;
      let slot = (hash ^ rest) & mask;
      for (let at = slots[slot] - 1; at >= 0; at = slots[slot] - 1) {
        if (hashes[at] === hash && others[at] === rest) return;
        slot = (slot + 1) & mask;
      }
      if (count === most) return;
      [hashes, others] = [room(hashes, count + 1), room(others, count + 1)];
      [hashes[count], others[count]] = [hash, rest];
      slots[slot] = ++count;
      if (2 * count === slots.length) spread();
    },
    end: () => hashes.subarray(0, count),
  };
}
