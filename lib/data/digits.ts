import { room } from "../files/room.ts";

/**
 * Returns two different whole numbers of at least 2 ** 24 that are one number once they are encoded in float32, if there
 * are such. Below, float32 holds all whole numbers; others are measured, and rounded anyway.
 *
 * @param encoded Returns the encoding of a number before it is rounded, which grows with it.
 */
export function mergedBy(
  numbers: Float64Array,
  encoded: (number: number) => number,
): readonly [number, number] | undefined {
  const large = numbers.filter(isLarge).sort();
  for (let at = 1; at < large.length; at++) {
    const [one, other] = [large[at - 1], large[at]];
    if (one !== other && Math.fround(encoded(one)) === Math.fround(encoded(other))) return [one, other];
  }
  return undefined;
}

/** Whole numbers of at least 2 ** 24 that come piece by piece. */
export interface LargeWholes {
  /** Takes a number; others are left out. */
  add(number: number): void;
  /** Returns the distinct ones, or the first `most` of them. */
  end(): Float64Array;
}

/** Returns what {@linkcode mergedBy} compares, of no numbers so far. */
export function largeWholes(most: number = 2 ** 22): LargeWholes {
  let kept = new Float64Array(1024);
  let count = 0;
  const compact = (): void => {
    const sorted = kept.subarray(0, count).sort();
    count = 0;
    sorted.forEach((number, at) => {
      if (at === 0 || number !== kept[count - 1]) kept[count++] = number;
    });
  };
  return {
    add: (number) => {
      if (!isLarge(number) || count === most) return;
      if (count === kept.length) {
        compact();
        if (2 * count > kept.length) kept = room(kept, Math.min(most, kept.length + 1));
      }
      kept[count++] = number;
    },
    end: () => kept.slice(0, count),
  };
}

function isLarge(number: number): boolean {
  return (number >= 2 ** 24 || number <= -(2 ** 24)) && Number.isInteger(number);
}
