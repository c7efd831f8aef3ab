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
  const large = numbers.filter((number) => (number >= 2 ** 24 || number <= -(2 ** 24)) && Number.isInteger(number));
  large.sort();
  for (let at = 1; at < large.length; at++) {
    const [one, other] = [large[at - 1], large[at]];
    if (one !== other && Math.fround(encoded(one)) === Math.fround(encoded(other))) return [one, other];
  }
  return undefined;
}
