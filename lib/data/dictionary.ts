import { room } from "../files/room.ts";

/**
 * Distinct texts, each once, found by their UTF-8 bytes: a hash table with linear probing over bytes in one buffer,
 * so that a text which is known already costs no string.
 */
export interface Dictionary {
  /** The texts in the order in which they came, so that a text's position, its code, never changes. */
  readonly words: string[];
  /** Code + 1 by place in the table, 0 where a place is free; a power of two long, at most half full. */
  slots: Int32Array;
  /** The hash of every text. */
  hashes: Int32Array;
  /** The offsets at which the bytes of each text begin, and the one at which the last text ends. */
  starts: Uint32Array;
  /** The bytes of all texts. */
  bytes: Uint8Array;
}

/** A dictionary of some words, whose codes are their positions. */
export function dictionary(words: readonly string[] = []): Dictionary {
  const made: Dictionary = {
    words: [],
    slots: new Int32Array(64),
    hashes: new Int32Array(32),
    starts: new Uint32Array(33),
    bytes: new Uint8Array(512),
  };
  for (const word of words) {
    const bytes = new TextEncoder().encode(word);
    codeOf(made, bytes, 0, bytes.length, hashOf(bytes, 0, bytes.length));
  }
  return made;
}

/** The value from which hashes of texts start. */
export const hashStart = 0x811c9dc5 | 0;

/** A text's hash with one more byte (FNV-1a). */
export function hashStep(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193);
}

/** The hash of the bytes from `start` to `end`. */
export function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = hashStart;
  for (let i = start; i < end; i++) hash = hashStep(hash, bytes[i]);
  return hash;
}

/**
 * The code of the text of the bytes from `start` to `end`, which is added as a word if it is new.
 *
 * @param hash The {@linkcode hashOf} these bytes.
 * @returns The code, or -1 if the bytes are not UTF-8.
 */
export function codeOf(known: Dictionary, bytes: Uint8Array, start: number, end: number, hash: number): number {
  const slot = slotOf(known, bytes, start, end, hash);
  const code = known.slots[slot] - 1;
  return code >= 0 ? code : add(known, bytes.subarray(start, end), hash, slot);
}

/**
 * The code of the text of the bytes from `start` to `end`, or -1 if it is not a word.
 *
 * @param hash The {@linkcode hashOf} these bytes.
 */
export function find(known: Dictionary, bytes: Uint8Array, start: number, end: number, hash: number): number {
  return known.slots[slotOf(known, bytes, start, end, hash)] - 1;
}

/** The place in the table at which a text is, or the free one at which it would be. */
function slotOf(known: Dictionary, bytes: Uint8Array, start: number, end: number, hash: number): number {
  const { slots, hashes, starts } = known;
  const mask = slots.length - 1;
  let slot = (hash ^ hash >>> 15) & mask;
  for (let code = slots[slot] - 1; code >= 0; code = slots[slot] - 1) {
    if (hashes[code] === hash && equal(known.bytes, starts[code], starts[code + 1], bytes, start, end)) break;
    slot = (slot + 1) & mask;
  }
  return slot;
}

/** Returns true if two ranges hold the same bytes. */
function equal(x: Uint8Array, from: number, to: number, y: Uint8Array, start: number, end: number): boolean {
  if (to - from !== end - start) return false;
  while (from < to) if (x[from++] !== y[start++]) return false;
  return true;
}

/** Adds a word at a free place of the table. */
function add(known: Dictionary, text: Uint8Array, hash: number, slot: number): number {
  const code = known.words.length;
  const word = decoded(text);
  if (word === undefined) return -1;
  const start = known.starts[code];
  known.bytes = room(known.bytes, start + text.length);
  known.hashes = room(known.hashes, code + 1);
  known.starts = room(known.starts, code + 2);
  known.bytes.set(text, start);
  known.hashes[code] = hash;
  known.starts[code + 1] = start + text.length;
  known.slots[slot] = code + 1;
  known.words.push(word);
  if (known.words.length * 2 > known.slots.length) spread(known);
  return code;
}

/** Forgets the words added last, so that some remain. */
export function forget(known: Dictionary, count: number): void {
  while (known.words.length > count) {
    known.words.pop();
    const code = known.words.length;
    const [start, end] = [known.starts[code], known.starts[code + 1]];
    known.slots[slotOf(known, known.bytes, start, end, known.hashes[code])] = 0; // no later word was put behind it
  }
}

/** The text of some bytes, or undefined if they are not UTF-8. */
export function decoded(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Doubles the table. */
function spread(known: Dictionary): void {
  const slots = new Int32Array(known.slots.length * 2);
  const mask = slots.length - 1;
  for (let code = 0; code < known.words.length; code++) {
    const hash = known.hashes[code];
    let slot = (hash ^ hash >>> 15) & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = code + 1;
  }
  known.slots = slots;
}
