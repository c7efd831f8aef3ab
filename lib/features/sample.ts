import { random } from "../data/random.ts";
import { room } from "../files/room.ts";

/** The most numbers that are all kept: 32 MiB of them. */
export const mostKept: number = 2 ** 22;

/** Numbers that come piece by piece, all of them or a sample. */
export interface Sample {
  /** Takes one more number. */
  add(number: number): void;
  /** Returns the numbers that are kept, in no order. */
  end(): Float64Array;
}

/**
 * Returns a sample of no numbers so far: all of them up to `most`, then as many at random, each with the same chance. It
 * depends on the numbers and their order alone, not on how they are cut into pieces.
 *
 * Source: Vitter, ACM Transactions on Mathematical Software 11 (1985), algorithm R.
 *
 * @param most How many are kept. Default {@linkcode mostKept}: the share of numbers below a quantile of 4 million is that
 * of the sample within 0.001, but for one case in 10,000.
 */
export function sample(most: number = mostKept): Sample {
  const source = random("sample");
  let kept = new Float64Array(Math.min(most, 1024));
  let count = 0;
  return {
    add: (number) => {
      const place = count < most ? count : Math.floor(source.uniform() * (count + 1));
      count++;
      if (place >= most) return;
      kept = room(kept, place + 1);
      kept[place] = number;
    },
    end: () => kept.subarray(0, Math.min(count, most)),
  };
}
