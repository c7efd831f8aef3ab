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
  let support: Support = { members: [], lower: [] };
  if (unit !== undefined) {
    const alone = unit.map((share, i) => square[i][i] / (2 * share ** 2) + linear[i] / share);
    const first = alone.indexOf(Math.min(...alone));
    y[first] = 1 / unit[first];
    support = joined(support, square, first);
  }
  for (let turn = 0; turn < 20 * y.length; turn++) {
    const entering = enteringOf({ square, linear, unit }, y, support);
    if (entering === undefined) return y;
    support = joined(support, square, entering);
    let whole = false;
    while (!whole && support.members.length > 0) {
      const { members } = support;
      const target = stationary({ square, linear, unit }, support);
      const shares = members.map((i, at) => target[at] < 0 ? y[i] / (y[i] - target[at]) : 1);
      const share = Math.min(...shares);
      members.forEach((i, at) => y[i] = shares[at] === share && share < 1 ? 0 : y[i] + share * (target[at] - y[i]));
      whole = share === 1;
      if (!whole) support = kept(support, square, members.filter((_, at) => shares[at] > share));
      if (!whole && !support.members.includes(entering) && share === 0) return y; // nothing is left but rounding
    }
  }
  return y;
}

/**
 * The numbers above 0, in the order in which they came, and the lower factor of Cholesky's decomposition of their part of
 * the square, row by row. A number that joins adds a row; to begin anew each time would cost the third power, not the
 * second.
 */
interface Support {
  readonly members: readonly number[];
  readonly lower: readonly (readonly number[])[];
}

/** The least square on the factor's diagonal for which a row does not depend on the others up to rounding. */
const least = 1e-7;

/** Returns the row of the factor for a number that joins; its last element is NaN if the part is not positive definite. */
function rowOf({ members, lower }: Support, square: Problem["square"], joining: number): number[] {
  const row: number[] = [];
  for (let j = 0; j < lower.length; j++) row.push((square[joining][members[j]] - dot(row, lower[j])) / lower[j][j]);
  row.push(Math.sqrt(square[joining][joining] - dot(row, row)));
  return row;
}

/** Returns the support with one number more. */
function joined(support: Support, square: Problem["square"], joining: number): Support {
  return { members: [...support.members, joining], lower: [...support.lower, rowOf(support, square, joining)] };
}

/** Returns the support with only some of its members: rows before the first that leaves stay what they are. */
function kept({ members, lower }: Support, square: Problem["square"], staying: readonly number[]): Support {
  const same = members.findIndex((i, at) => staying[at] !== i);
  return staying.slice(same).reduce<Support>(
    (support, i) => joined(support, square, i),
    { members: members.slice(0, same), lower: lower.slice(0, same) },
  );
}

/**
 * Returns the number of 0 that would lessen the sum most if it grew, beyond rounding, and whose row does not depend on
 * those of the support; undefined if there is none.
 */
function enteringOf({ square, linear, unit }: Problem, y: readonly number[], support: Support): number | undefined {
  const held = support.members.toSorted((i, j) => i - j); // all others are 0
  const slope = (i: number) => held.reduce((sum, j) => sum + square[i][j] * y[j], 0) + linear[i];
  const size = (i: number) => held.reduce((sum, j) => sum + Math.abs(square[i][j]) * y[j], Math.abs(linear[i]));
  const level = unit === undefined ? 0 : held.reduce((sum, i) => sum + slope(i) * y[i], 0);
  const free = linear.map((_, i) => i).filter((i) => !held.includes(i));
  const falls = new Map(free.map((i) => [i, slope(i) - level * (unit?.[i] ?? 0)]));
  const falling = free.filter((i) => falls.get(i)! < 0 && falls.get(i)! < -1e-11 * size(i));
  falling.sort((i, j) => falls.get(i)! - falls.get(j)!);
  return falling.find((i) => rowOf(support, square, i).at(-1)! ** 2 >= least);
}

/** Returns the numbers of the support for which the sum is stationary, all others being 0. */
function stationary({ linear, unit }: Problem, { members, lower }: Support): number[] {
  const free = solved(lower, members.map((i) => -linear[i]));
  if (unit === undefined) return free;
  const shares = members.map((i) => unit[i]);
  const along = solved(lower, shares);
  const missing = (1 - dot(shares, free)) / dot(shares, along);
  return free.map((number, at) => number + missing * along[at]);
}

/** Returns `x` with `L L' x = b`. */
function solved(lower: Support["lower"], right: readonly number[]): number[] {
  const half: number[] = [];
  right.forEach((number, i) => half.push((number - dot(half, lower[i])) / lower[i][i]));
  const x = half.slice();
  for (let i = x.length - 1; i >= 0; i--) {
    let known = 0;
    for (let j = i + 1; j < x.length; j++) known += lower[j][i] * x[j];
    x[i] = (half[i] - known) / lower[i][i];
  }
  return x;
}

/** Returns the inner product, over the length of the first. */
export function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
