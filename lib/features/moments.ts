/** The sums of numbers that come piece by piece, from which their mean and deviation follow. */
export interface Moments {
  /** Takes more numbers. */
  add(number: number): void;
  /** Returns what is known of all of them, at least one. */
  end(): {
    /** Their mean: exact where all are equal. */
    readonly mean: number;
    /** Their standard deviation, of which the divisor is their number. */
    readonly deviation: number;
    /** The first of them. */
    readonly first: number;
    /** The greatest difference from the first. */
    readonly widest: number;
  };
}

/** The numbers whose squares are summed about their own mean. */
const block = 4096;

/**
 * Returns the moments of no numbers so far.
 *
 * Sums are those of differences from the first number. Squares are summed about the mean of each block of 4096 numbers,
 * then about that of all (Chan, Golub, LeVeque, The American Statistician 37 (1983), eq. 2.1): however the numbers are cut
 * into pieces, the results are the same to the last bit, and those of few numbers are what two passes give.
 */
export function moments(): Moments {
  const held = new Float64Array(block);
  let filled = 0, count = 0, first = 0, widest = 0;
  let sum = 0, squares = 0; // of the blocks that are summed
  const settle = (): void => {
    let own = 0, about = 0;
    for (let at = 0; at < filled; at++) own += held[at] - first;
    const mean = first + own / filled;
    for (let at = 0; at < filled; at++) about += (held[at] - mean) ** 2;
    if (count > 0) about += (own / filled - sum / count) ** 2 * (count / (count + filled)) * filled;
    [sum, squares, count, filled] = [sum + own, squares + about, count + filled, 0];
  };
  return {
    add: (number) => {
      if (count === 0 && filled === 0) first = number;
      widest = Math.max(widest, Math.abs(number - first));
      held[filled++] = number;
      if (filled === block) settle();
    },
    end: () => {
      if (filled > 0) settle();
      return { mean: first + sum / count, deviation: Math.sqrt(squares / count), first, widest };
    },
  };
}
