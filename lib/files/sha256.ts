import { builtin } from "./builtin.ts";

/** A SHA-256 of bytes that come in pieces. */
export interface Sha256 {
  update(bytes: Uint8Array): void;
  /** Returns the digest of all of them, in hexadecimal digits. */
  digest(): string;
}

/** Returns the SHA-256 of bytes, which may come in pieces, or of a text in UTF-8, in hexadecimal digits. */
export function sha256(content: string | Uint8Array | Iterable<Uint8Array>): string {
  const hash = sha256Of();
  if (typeof content === "string") hash.update(new TextEncoder().encode(content));
  else if (content instanceof Uint8Array) hash.update(content);
  else for (const piece of content) hash.update(piece);
  return hash.digest();
}

/** Returns a SHA-256 of no bytes so far: the runtime's where it has one that takes pieces, else loops. */
export function sha256Of(): Sha256 {
  const hash = builtin("node:crypto")?.createHash("sha256");
  return hash === undefined
    ? plainSha256()
    : { update: (bytes) => void hash.update(bytes), digest: () => hash.digest("hex") };
}

/** The first 64 primes. */
const primes = Array.from({ length: 310 }, (_, i) => i + 2).filter((n) =>
  [2, 3, 5, 7, 11, 13, 17].every((prime) => n === prime || n % prime !== 0)
);

/** The first 32 bits after the point. */
const fraction = (x: number) => Math.floor((x - Math.floor(x)) * 2 ** 32);

const starts = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));
const constants = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));

/** Returns a SHA-256 by loops. Source: FIPS 180-4, sections 4.1.2, 4.2.2, 5.1.1 and 6.2. */
export function plainSha256(): Sha256 {
  const [hash, words, rest] = [starts.slice(), new Int32Array(64), new Uint8Array(64)];
  let length = 0;
  const update = (bytes: Uint8Array): void => {
    const held = length % 64;
    length += bytes.length;
    let at = held > 0 ? Math.min(64 - held, bytes.length) : 0;
    if (at > 0) {
      rest.set(bytes.subarray(0, at), held);
      if (held + at < 64) return;
      mix(hash, words, rest, 0);
    }
    for (; at + 64 <= bytes.length; at += 64) mix(hash, words, bytes, at);
    rest.set(bytes.subarray(at));
  };
  const digest = (): string => {
    const bits = BigInt(length) * 8n;
    const end = new Uint8Array((length % 64 < 56 ? 64 : 128) - length % 64);
    end[0] = 0x80;
    new DataView(end.buffer).setBigUint64(end.length - 8, bits);
    update(end);
    return [...hash].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  };
  return { update, digest };
}

/** Mixes the 64 bytes at a place into a hash; `w` is room for the words that they are spread to. */
function mix(hash: Int32Array, w: Int32Array, bytes: Uint8Array, at: number): void {
  for (let t = 0; t < 16; t++, at += 4) {
    w[t] = bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
  }
  for (let t = 16; t < 64; t++) {
    const [x, y] = [w[t - 15], w[t - 2]];
    const low = (x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3;
    const high = (y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10;
    w[t] = w[t - 16] + low + w[t - 7] + high;
  }
  let [a, b, c, d, e, f, g, h] = hash;
  for (let t = 0; t < 64; t++) {
    const turned = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
    const one = h + turned + (e & f ^ ~e & g) + constants[t] + w[t] | 0;
    const two = ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + (a & b ^ a & c ^ b & c) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, d + one | 0, c, b, a, one + two | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => hash[i] += word);
}
