/**
 * Returns the hashes of texts, the same on every machine and in every language: MurmurHash3, its variant for x86 with 32
 * bits, of the text's UTF-8 bytes, as a number from 0 to 2 ** 32 - 1. Half a surrogate pair is hashed as U+FFFD.
 *
 * Source: Austin Appleby, MurmurHash3, in the public domain. Not for secrets: whoever wants to can find texts of one hash.
 *
 * @param count The number of texts.
 * @param textOf Returns the text at a position.
 * @param seed Default 0.
 */
export function murmurs(count: number, textOf: (at: number) => string, seed: number = 0): Uint32Array {
  const hashes = new Uint32Array(count);
  const encoder = new TextEncoder();
  let bytes = new Uint8Array(96);
  for (let at = 0; at < count; at++) {
    const text = textOf(at);
    if (bytes.length < 3 * text.length) bytes = new Uint8Array(6 * text.length);
    let length = 0;
    for (; length < text.length; length++) {
      const unit = text.charCodeAt(length);
      if (unit >= 0x80) break; // ASCII is by far the most, and quicker without an encoder
      bytes[length] = unit;
    }
    hashes[at] = murmur(bytes, length === text.length ? length : encoder.encodeInto(text, bytes).written, seed);
  }
  return hashes;
}

/** Returns the hash of the first bytes, as {@linkcode murmurs} that of a text. */
export function murmur(bytes: Uint8Array, length: number, seed: number = 0): number {
  const whole = length & ~3;
  let hash = seed;
  for (let at = 0; at < whole; at += 4) {
    hash ^= scrambled(bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24);
    hash = Math.imul(hash << 13 | hash >>> 19, 5) + 0xe6546b64 | 0;
  }
  let tail = 0;
  for (let at = length - 1; at >= whole; at--) tail = tail << 8 | bytes[at];
  return mixed(hash ^ scrambled(tail) ^ length) >>> 0;
}

/** Returns a block of 4 bytes as it enters the hash; 0 for 0. */
function scrambled(block: number): number {
  const product = Math.imul(block, 0xcc9e2d51);
  return Math.imul(product << 15 | product >>> 17, 0x1b873593);
}

/** Returns a hash in which every bit depends on every bit of the given one. */
export function mixed(hash: number): number {
  let bits = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  bits = Math.imul(bits ^ bits >>> 13, 0xc2b2ae35);
  return bits ^ bits >>> 16;
}
