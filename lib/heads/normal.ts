/**
 * The probability that a standard normal number is above another, `P(Z > z)`: by its series near 0 and its continued
 * fraction far from it, exact to about 1e-14 of itself.
 *
 * @see Abramowitz and Stegun, Handbook of mathematical functions, 1964, 26.2.11 and 26.2.14.
 */
export function normalAbove(z: number): number {
  if (z < 0) return 1 - normalAbove(-z);
  const density = Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
  if (z < 3) {
    let [term, sum] = [z, z];
    for (let i = 3; term > sum * 1e-17; i += 2) sum += term *= z * z / i;
    return 0.5 - density * sum;
  }
  let fraction = z;
  for (let i = 100; i >= 1; i--) fraction = z + i / fraction;
  return density / fraction;
}

/** The number that a standard normal one is within, on both sides of 0, with some probability: 1.96 of 0.95. */
export function normalWithin(level: number): number {
  let [low, high] = [0, 40];
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    if (2 * normalAbove(middle) > 1 - level) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
