import { mixed } from "./murmur.ts";

/** Distinct words, and the place of each in the order in which they came. */
export interface Places {
  /** The words. */
  readonly words: readonly string[];
  /** Returns the place of a word; undefined if there is none. */
  find(word: string): number | undefined;
  /** Returns the place of a word, which is the last one if the word is new. */
  add(word: string): number;
}

/**
 * Distinct words with their places, as many as memory holds: a Map up to as many as one can have, then a hash table with
 * linear probing, of 5 to 11 bytes a word, that compares the words themselves.
 *
 * @param words The first words; of those that are the same, the first one's place counts. A frozen list is not copied, and
 * no word can be added to it.
 * @param mostInMap The number of words from which on they are in the table. Default: 2 ** 24, the most of a Map in V8.
 */
export function places(words: readonly string[] = [], mostInMap: number = 2 ** 24): Places {
  const known = Object.isFrozen(words) ? words as string[] : [...words];
  let map = known.length > mostInMap ? undefined : new Map<string, number>();
  let slots = map === undefined ? tableOf(known) : new Int32Array(0);
  for (let place = known.length - 1; place >= 0; place--) map?.set(known[place], place);
  const slotOf = (word: string) => slotIn(slots, word, known);
  const find = (word: string): number | undefined => {
    if (map !== undefined) return map.get(word);
    const place = slots[slotOf(word)] - 1;
    return place < 0 ? undefined : place;
  };
  const add = (word: string): number => {
    const found = find(word);
    if (found !== undefined) return found;
    const place = known.push(word) - 1;
    if (map !== undefined && place < mostInMap) map.set(word, place);
    else if (map === undefined && 4 * known.length <= 3 * slots.length) slots[slotOf(word)] = place + 1;
    else [map, slots] = [undefined, tableOf(known)];
    return place;
  };
  return { words: known, find, add };
}

/** Returns a table of the places of words, each place + 1: from three eighths to three quarters of it are taken. */
function tableOf(words: readonly string[]): Int32Array<ArrayBuffer> {
  const slots = new Int32Array(2 ** Math.ceil(Math.log2((words.length + 1) / 0.75)));
  words.forEach((word, place) => {
    const slot = slotIn(slots, word, words);
    if (slots[slot] === 0) slots[slot] = place + 1;
  });
  return slots;
}

/** Returns the slot of a word, or the free one at which it would be. */
function slotIn(slots: Int32Array, word: string, words: readonly string[]): number {
  const mask = slots.length - 1;
  let slot = hashOf(word) & mask;
  while (slots[slot] !== 0 && words[slots[slot] - 1] !== word) slot = (slot + 1) & mask;
  return slot;
}

/** Returns a hash of the UTF-16 code units of a word (FNV-1a), whose high bits reach its low ones. */
function hashOf(word: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < word.length; at++) hash = Math.imul(hash ^ word.charCodeAt(at), 0x01000193);
  return mixed(hash);
}
