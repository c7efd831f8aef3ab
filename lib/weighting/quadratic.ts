/** A convex problem over numbers of at least 0. */
export interface Problem {
  /** The square part, symmetric, positive definite up to rounding, its diagonal of about the size 1. */
  readonly square: readonly (readonly number[])[];
  /** The linear part. */
  readonly linear: readonly number[];
  /** Factors above 0: the numbers times these must add up to 1. Absent: they need not. */
  readonly unit?: readonly number[];
}

/**
 * Returns the `y` with the least `y . Q y / 2 + b . y` over `y >= 0` and, if there is a unit `a`, `a . y = 1`: exact up
 * to rounding, by the active set method of Lawson and Hanson (1974, chapter 23), for as many numbers as there are
 * tasks. Numbers whose rows depend on those of others stay 0.
 */
export function leastSquare({ square, linear, unit }: Problem): number[] {
  const y = linear.map(() => 0);
  let support: number[] = [];
  if (unit !== undefined) {
    const alone = unit.map((share, i) => square[i][i] / (2 * share ** 2) + linear[i] / share);
    const first = alone.indexOf(Math.min(...alone));
    y[first] = 1 / unit[first];
    support = [first];
  }
  for (let turn = 0; turn < 20 * y.length; turn++) {
    const slope = linear.map((number, i) => number + dot(square[i], y));
    const level = unit === undefined ? 0 : dot(slope, y);
    const falls = slope.map((number, i) => number - level * (unit?.[i] ?? 0));
    const entering = falling(falls, { square, linear }, y, support).find((i) => {
      return decomposed(partOf(square, [...support, i])) !== undefined;
    });
    if (entering === undefined) return y;
    support = [...support, entering];
    let whole = false;
    while (!whole && support.length > 0) {
      const target = stationary({ square, linear, unit }, support);
      const shares = support.map((i, at) => target[at] < 0 ? y[i] / (y[i] - target[at]) : 1);
      const share = Math.min(...shares);
      support.forEach((i, at) => y[i] = shares[at] === share && share < 1 ? 0 : y[i] + share * (target[at] - y[i]));
      whole = share === 1;
      support = support.filter((_, at) => whole || shares[at] > share);
      if (!whole && !support.includes(entering) && share === 0) return y; // nothing is left but rounding
    }
  }
  return y;
}

/** Returns the numbers of 0 that would lessen the sum if they grew, beyond rounding; the steepest first. */
function falling(
  slope: readonly number[],
  { square, linear }: Problem,
  y: readonly number[],
  support: readonly number[],
): number[] {
  const sizes = linear.map((number, i) =>
    Math.abs(number) + square[i].reduce((sum, part, j) => sum + Math.abs(part) * y[j], 0)
  );
  const found = slope.map((_, i) => i).filter((i) => !support.includes(i) && slope[i] < -1e-11 * sizes[i]);
  return found.sort((i, j) => slope[i] - slope[j]);
}

/** Returns the numbers of the support for which the sum is stationary, all others being 0. */
function stationary({ square, linear, unit }: Problem, support: readonly number[]): number[] {
  const lower = decomposed(partOf(square, support))!;
  const free = solved(lower, support.map((i) => -linear[i]));
  if (unit === undefined) return free;
  const shares = support.map((i) => unit[i]);
  const along = solved(lower, shares);
  const missing = (1 - dot(shares, free)) / dot(shares, along);
  return free.map((number, at) => number + missing * along[at]);
}

function partOf(square: Problem["square"], support: readonly number[]): number[][] {
  return support.map((i) => support.map((j) => square[i][j]));
}

/** Returns the lower factor of Cholesky's decomposition; undefined if rows depend on each other up to rounding. */
function decomposed(square: readonly (readonly number[])[]): number[][] | undefined {
  const lower = square.map((row) => row.map(() => 0));
  for (let i = 0; i < lower.length; i++) {
    for (let j = 0; j <= i; j++) {
      const rest = square[i][j] - dot(lower[i].slice(0, j), lower[j]);
      if (i === j && rest < 1e-7) return undefined;
      lower[i][j] = i === j ? Math.sqrt(rest) : rest / lower[j][j];
    }
  }
  return lower;
}

/** Returns `x` with `L L' x = b`. */
function solved(lower: readonly (readonly number[])[], right: readonly number[]): number[] {
  const half: number[] = [];
  right.forEach((number, i) => half.push((number - dot(half, lower[i])) / lower[i][i]));
  const x = right.map(() => 0);
  for (let i = x.length - 1; i >= 0; i--) {
    const known = x.reduce((sum, number, j) => j > i ? sum + lower[j][i] * number : sum, 0);
    x[i] = (half[i] - known) / lower[i][i];
  }
  return x;
}

/** Returns the inner product, over the length of the first. */
export function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, number, i) => sum + number * b[i], 0);
}
