import { room } from "../../files/room.ts";

/**
 * Sums of every key, each in two parts: the settled one counts, and the pending one, of the key's last moment, counts from
 * the next moment on. So rows of one moment do not see each other, and no row is held.
 */
export interface Sums {
  /** For each sum of a key, true if it is not a sum but the last number that was added, NaN without one. */
  readonly last: readonly boolean[];
  /** `[keys x sums]`. */
  settled: Float64Array<ArrayBuffer>;
  /** `[keys x sums]`. */
  pending: Float64Array<ArrayBuffer>;
  /** The moment of each key's pending part, -Infinity where there never was one: `[keys]`. */
  moments: Float64Array<ArrayBuffer>;
  /** The number of keys. */
  keys: number;
}

/** Returns the sums of no key. */
export function sumsOf(last: readonly boolean[]): Sums {
  const [settled, pending, moments] = [new Float64Array(0), new Float64Array(0), new Float64Array(0)];
  return { last, settled, pending, moments, keys: 0 };
}

/** Makes sure that there are so many keys, of which the new ones have no row. */
export function growSums(sums: Sums, keys: number): void {
  const { last } = sums;
  if (keys <= sums.keys) return;
  sums.settled = room(sums.settled, keys * last.length);
  sums.pending = room(sums.pending, keys * last.length);
  sums.moments = room(sums.moments, keys);
  sums.moments.fill(-Infinity, sums.keys, keys);
  for (const [at, isLast] of last.entries()) {
    if (!isLast) continue;
    for (let key = sums.keys; key < keys; key++) {
      sums.settled[key * last.length + at] = NaN;
      sums.pending[key * last.length + at] = NaN;
    }
  }
  sums.keys = keys;
}

/** Returns a key's sum as rows of a moment see it. */
export function sumAt(sums: Sums, key: number, at: number, moment: number): number {
  const place = key * sums.last.length + at;
  if (!(sums.moments[key] < moment)) return sums.settled[place];
  if (!sums.last[at]) return sums.settled[place] + sums.pending[place];
  return Number.isNaN(sums.pending[place]) ? sums.settled[place] : sums.pending[place];
}

/** Makes what is pending of a key from before a moment count; returns true if there may be such. */
export function settleSums(sums: Sums, key: number, moment: number): boolean {
  const { last, settled, pending, moments } = sums;
  if (!(moments[key] < moment)) return false;
  const first = key * last.length;
  for (let at = 0; at < last.length; at++) {
    settled[first + at] = sumAt(sums, key, at, moment);
    pending[first + at] = last[at] ? NaN : 0;
  }
  moments[key] = moment;
  return true;
}

/** Adds the numbers of a row to a key, whose older numbers are settled; NaN adds nothing. */
export function addSums({ last, pending }: Sums, key: number, numbers: readonly Float64Array[], row: number): void {
  const first = key * last.length;
  for (let at = 0; at < numbers.length; at++) {
    const number = numbers[at][row];
    if (Number.isNaN(number)) continue;
    if (last[at]) pending[first + at] = number;
    else pending[first + at] += number;
  }
}
