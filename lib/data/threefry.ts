/** The key of a generator: two words of 32 bits, signed. */
export type Key = readonly [first: number, second: number];

/**
 * Fills an array with the words of Threefry-2x32 of 20 rounds, block by block, from one on. A block is two words that the
 * key and the number of the block determine.
 *
 * Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011, section 4.2.
 *
 * @param words Whole blocks: an even number of words, signed.
 * @param low The low 32 bits of the number of the first block, and `high` its high ones.
 */
export function fillBlocks(words: Int32Array, [k0, k1]: Key, low: number, high = 0): void {
  const k2 = k0 ^ k1 ^ 0x1bd11bda;
  for (let at = 0; at < words.length; at += 2) {
    let x = (low + k0) | 0;
    let y = (high + k1) | 0;
    y = turned(y, 13) ^ (x = (x + y) | 0);
    y = turned(y, 15) ^ (x = (x + y) | 0);
    y = turned(y, 26) ^ (x = (x + y) | 0);
    y = turned(y, 6) ^ (x = (x + y) | 0);
    x = (x + k1) | 0;
    y = (y + k2 + 1) | 0;
    y = turned(y, 17) ^ (x = (x + y) | 0);
    y = turned(y, 29) ^ (x = (x + y) | 0);
    y = turned(y, 16) ^ (x = (x + y) | 0);
    y = turned(y, 24) ^ (x = (x + y) | 0);
    x = (x + k2) | 0;
    y = (y + k0 + 2) | 0;
    y = turned(y, 13) ^ (x = (x + y) | 0);
    y = turned(y, 15) ^ (x = (x + y) | 0);
    y = turned(y, 26) ^ (x = (x + y) | 0);
    y = turned(y, 6) ^ (x = (x + y) | 0);
    x = (x + k0) | 0;
    y = (y + k1 + 3) | 0;
    y = turned(y, 17) ^ (x = (x + y) | 0);
    y = turned(y, 29) ^ (x = (x + y) | 0);
    y = turned(y, 16) ^ (x = (x + y) | 0);
    y = turned(y, 24) ^ (x = (x + y) | 0);
    x = (x + k1) | 0;
    y = (y + k2 + 4) | 0;
    y = turned(y, 13) ^ (x = (x + y) | 0);
    y = turned(y, 15) ^ (x = (x + y) | 0);
    y = turned(y, 26) ^ (x = (x + y) | 0);
    y = turned(y, 6) ^ (x = (x + y) | 0);
    words[at] = x + k2;
    words[at + 1] = y + k0 + 5;
    low = (low + 1) | 0;
    if (low === 0) high++;
  }
}

/** Returns a word whose bits are moved to the left in a circle. */
function turned(word: number, bits: number): number {
  return word << bits | word >>> (32 - bits);
}

/**
 * Returns the key of a text, in both words of which every character flips about half the bits.
 *
 * @param begun The key of a text that comes before.
 */
export function keyOf(text: string, begun: Key = [0x9e3779b9, 0x243f6a88]): Key {
  let [first, second] = begun;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    first = mixed(first ^ unit);
    second = mixed((second + unit) ^ first);
  }
  return [first | 0, second | 0];
}

/** The finaliser of MurmurHash3 (Appleby), a bijection of 32-bit words, after a step that moves 0. */
function mixed(word: number): number {
  word = (word + 0x6d2b79f5) | 0;
  word = Math.imul(word ^ word >>> 16, 0x85ebca6b);
  word = Math.imul(word ^ word >>> 13, 0xc2b2ae35);
  return word ^ word >>> 16;
}
