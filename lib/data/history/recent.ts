import { room } from "../../files/room.ts";

/**
 * The last items of every key, as lists that are linked from the oldest item to the newest, so that memory is taken for
 * items that are there alone. Of a key's items the first `settled` count, and the `pending` ones after them not yet.
 */
export interface Recent {
  /** The most items of a key that count. */
  readonly most: number;
  /** The settled and the pending number of items of every key, side by side. */
  counts: Int32Array<ArrayBuffer>;
  /** The places of the oldest item, the newest settled one and the newest one of every key, side by side. */
  ends: Int32Array<ArrayBuffer>;
  /** The items. */
  items: Int32Array<ArrayBuffer>;
  /** The place + 1 of the item that follows each one; of a place that is free, that of another free one. */
  newer: Int32Array<ArrayBuffer>;
  /** The number of places that were ever taken. */
  used: number;
  /** A place + 1 that is free; 0 if there is none. */
  free: number;
}

/** Items of keys as they are stored: those of one key after those of another, oldest first. */
export interface StoredRecent {
  readonly counts: Int32Array<ArrayBuffer>;
  readonly items: Int32Array<ArrayBuffer>;
}

/** Returns lists of at most so many items that count, which begin as they were stored, or empty. */
export function recentOf(most: number, stored?: StoredRecent): Recent {
  const recent: Recent = {
    most,
    counts: new Int32Array(0),
    ends: new Int32Array(0),
    items: new Int32Array(0),
    newer: new Int32Array(0),
    used: 0,
    free: 0,
  };
  if (stored === undefined) return recent;
  growRecent(recent, stored.counts.length / 2);
  let at = 0;
  for (let key = 0; 2 * key < stored.counts.length; key++) {
    const [settled, pending] = [stored.counts[2 * key], stored.counts[2 * key + 1]];
    for (let place = 0; place < settled; place++) push(recent, key, stored.items[at++]);
    settle(recent, key);
    for (let place = 0; place < pending; place++) push(recent, key, stored.items[at++]);
  }
  return recent;
}

/** Returns the lists of the first keys as they are stored. */
export function storedOf({ counts, ends, items, newer }: Recent, keys: number): StoredRecent {
  const kept = new Int32Array(2 * keys);
  kept.set(counts.subarray(0, 2 * keys));
  const all = new Int32Array(kept.reduce((sum, count) => sum + count, 0));
  let at = 0;
  for (let key = 0; key < keys; key++) {
    const end = at + kept[2 * key] + kept[2 * key + 1];
    for (let node = ends[3 * key]; at < end; node = newer[node] - 1) all[at++] = items[node];
  }
  return { counts: kept, items: all };
}

/** Makes room for keys. */
export function growRecent(recent: Recent, keys: number): void {
  recent.counts = room(recent.counts, 2 * keys);
  recent.ends = room(recent.ends, 3 * keys);
}

/** Adds an item to a key's pending ones, of which the last ones that could count stay. */
export function push(recent: Recent, key: number, item: number): void {
  const node = taken(recent);
  const { counts, ends, newer, most } = recent;
  const [settled, pending] = [counts[2 * key], counts[2 * key + 1]];
  recent.items[node] = item;
  newer[node] = 0;
  if (settled + pending > 0) newer[ends[3 * key + 2]] = node + 1;
  else ends[3 * key] = node;
  ends[3 * key + 2] = node;
  if (pending < most) {
    counts[2 * key + 1]++;
    return;
  }
  const last = ends[3 * key + 1];
  const oldest = settled > 0 ? newer[last] - 1 : ends[3 * key]; // of the pending ones
  if (settled > 0) newer[last] = newer[oldest];
  else ends[3 * key] = newer[oldest] - 1;
  leave(recent, oldest);
}

/** Makes a key's pending items count. */
export function settle(recent: Recent, key: number): void {
  const { counts, ends, newer, most } = recent;
  if (counts[2 * key + 1] === 0) return;
  let count = counts[2 * key] + counts[2 * key + 1];
  for (; count > most; count--) {
    const oldest = ends[3 * key];
    ends[3 * key] = newer[oldest] - 1;
    leave(recent, oldest);
  }
  counts[2 * key] = count;
  counts[2 * key + 1] = 0;
  ends[3 * key + 1] = ends[3 * key + 2];
}

/**
 * Copies the items of a key that count, oldest first, into an array, which has room for the most; returns their number.
 *
 * @param all True if the pending ones count too.
 */
export function copyRecent(recent: Recent, key: number, all: boolean, to: Int32Array, at: number): number {
  const { counts, ends, items, newer, most } = recent;
  const count = counts[2 * key] + (all ? counts[2 * key + 1] : 0);
  let node = ends[3 * key];
  for (let skipped = count - most; skipped > 0; skipped--) node = newer[node] - 1;
  const length = Math.min(count, most);
  for (let i = 0; i < length; i++, node = newer[node] - 1) to[at + i] = items[node];
  return length;
}

/** Returns a place for an item. */
function taken(recent: Recent): number {
  const node = recent.free - 1;
  if (node >= 0) {
    recent.free = recent.newer[node];
    return node;
  }
  recent.items = room(recent.items, recent.used + 1);
  recent.newer = room(recent.newer, recent.used + 1);
  return recent.used++;
}

/** Makes the place of an item free. */
function leave(recent: Recent, node: number): void {
  recent.newer[node] = recent.free;
  recent.free = node + 1;
}
