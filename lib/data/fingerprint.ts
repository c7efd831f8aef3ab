import { mixed } from "./murmur.ts";

/**
 * Returns 16 hexadecimal digits that are the same for equal lists of texts on every machine, and differ for others but
 * for chance. Not for secrets: whoever wants to can find two lists of one fingerprint.
 *
 * Two hashes of 32 bits are computed over the UTF-16 code units of each text, with 2 ** 16 after its last one: FNV-1a,
 * `a = (a ^ unit) * 16777619`, and `b = (rotl(b, 15) ^ unit) * 0xcc9e2d51`, modulo 2 ** 32. Then the bits of each are
 * mixed as the last step of MurmurHash3 does, and `a` is written before `b`.
 */
export function fingerprint(texts: readonly string[]): string {
  let a = 0x811c9dc5, b = 0x9747b28c;
  for (const text of texts) {
    for (let at = 0; at <= text.length; at++) {
      const unit = at < text.length ? text.charCodeAt(at) : 0x10000;
      a = Math.imul(a ^ unit, 0x01000193);
      b = Math.imul((b << 15 | b >>> 17) ^ unit, 0xcc9e2d51);
    }
  }
  return [a, b].map((hash) => (mixed(hash) >>> 0).toString(16).padStart(8, "0")).join("");
}
