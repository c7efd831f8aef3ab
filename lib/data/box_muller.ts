/**
 * Writes the two independent normal numbers that two random words make: `sqrt(-2 ln u) cos t` and `sqrt(-2 ln u) sin t`
 * with `u = (first + 1/2) / 2 ** 32` and `t = 2 pi second / 2 ** 32`. No number is beyond 6.77.
 *
 * Logarithm, cosine and sine are their series: additions, multiplications, a division and a root, which IEEE 754 rounds
 * in one way. `Math.log` and the like may differ in the last digit from one runtime to another.
 *
 * Source: Box and Muller, A note on the generation of random normal deviates, 1958.
 *
 * @param first A word of 32 bits, signed or not; `second` likewise.
 */
export function writeNormals(first: number, second: number, pair: [number, number]): void {
  const radius = Math.sqrt(-2 * logarithm(first >>> 0));
  const quarter = (second + 2 ** 29) >>> 30; // the nearest quarter turn
  const angle = ((second - (quarter << 30)) | 0) * (Math.PI * 2 ** -31); // from there, at most pi / 4
  const [cosine, sine] = [radius * cosineOf(angle), radius * sineOf(angle)];
  const odd = quarter & 1;
  const sign = 1 - (quarter & 2);
  pair[0] = sign * (odd === 1 ? -sine : cosine);
  pair[1] = sign * (odd === 1 ? cosine : sine);
}

/** Returns the logarithm of `(word + 1/2) / 2 ** 32`, as `2 artanh s` of a number next to 1 and a power of 2. */
function logarithm(word: number): number {
  const zeros = Math.clz32(word);
  const next = (word + 0.5) * scales[zeros]; // from sqrt(1/2) to sqrt(2)
  const s = (next - 1) / (next + 1);
  const z = s * s;
  let sum = 1 / 21;
  sum = sum * z + 1 / 19;
  sum = sum * z + 1 / 17;
  sum = sum * z + 1 / 15;
  sum = sum * z + 1 / 13;
  sum = sum * z + 1 / 11;
  sum = sum * z + 1 / 9;
  sum = sum * z + 1 / 7;
  sum = sum * z + 1 / 5;
  sum = sum * z + 1 / 3;
  sum = sum * z + 1;
  return 2 * s * sum - (zeros + 0.5) * Math.LN2;
}

/** The powers of 2 by which a word with so many zeros in front is next to 1, over the root of 2. */
const scales: readonly number[] = Array.from({ length: 33 }, (_, zeros) => Math.SQRT1_2 * 2 ** (zeros - 31));

/** Returns the sine of an angle from -pi / 4 to pi / 4. */
function sineOf(angle: number): number {
  const z = angle * angle;
  let sum = -1 / 1307674368000;
  sum = sum * z + 1 / 6227020800;
  sum = sum * z - 1 / 39916800;
  sum = sum * z + 1 / 362880;
  sum = sum * z - 1 / 5040;
  sum = sum * z + 1 / 120;
  sum = sum * z - 1 / 6;
  return angle + angle * z * sum;
}

/** Returns the cosine of an angle from -pi / 4 to pi / 4. */
function cosineOf(angle: number): number {
  const z = angle * angle;
  let sum = 1 / 20922789888000;
  sum = sum * z - 1 / 87178291200;
  sum = sum * z + 1 / 479001600;
  sum = sum * z - 1 / 3628800;
  sum = sum * z + 1 / 40320;
  sum = sum * z - 1 / 720;
  sum = sum * z + 1 / 24;
  sum = sum * z - 1 / 2;
  return 1 + z * sum;
}
