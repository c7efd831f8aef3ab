import type { Random } from "../../lib/data/random.ts";
import { pick } from "./kind.ts";

/** Bytes that mean something to a reader of text or of archives. */
const special = [
  0x22,
  0x2c,
  0x0a,
  0x0d,
  0x00,
  0x20,
  0x09,
  0xff,
  0xc2,
  0xef,
  0x7b,
  0x7d,
  0x5b,
  0x5d,
  0x3a,
  0x2d,
  0x2e,
  0x39,
];

const edits: readonly ((bytes: number[], at: number, source: Random) => void)[] = [
  (bytes, at, source) => bytes[at] ^= 1 << source.bits() % 8,
  (bytes, at, source) => bytes[at] = pick(source, special),
  (bytes, at, source) => bytes.splice(at, 0, pick(source, special)),
  (bytes, at, source) => bytes.splice(at, 1 + source.bits() % 8),
  (bytes, at) => bytes.splice(at),
  (bytes, at) => bytes.splice(0, at),
  (bytes, at, source) => bytes.splice(source.bits() % bytes.length, 0, ...bytes.slice(at, at + 1 + source.bits() % 16)),
];

/** Returns bytes with one to four edits: flipped, replaced, put in, cut out, cut short or repeated. */
export function edited(given: Uint8Array, source: Random): Uint8Array<ArrayBuffer> {
  const bytes = Array.from(given);
  for (let times = 1 + source.bits() % 4; times > 0 && bytes.length > 0; times--) {
    const at = source.uniform() < 0.3 ? source.bits() % Math.min(bytes.length, 64) : source.bits() % bytes.length;
    pick(source, edits)(bytes, at, source);
  }
  return Uint8Array.from(bytes);
}
