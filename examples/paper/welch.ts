import { mean, probit, sampleVariance } from "simple-statistics";

/** A difference of two means. */
export interface MeanDifference {
  readonly difference: number;
  /** Its standard error. */
  readonly sd: number;
  /** The degrees of freedom of Student's t; infinitely many where there is no spread. */
  readonly freedom: number;
  /** The number of standard errors that the interval of 95 % reaches to either side. */
  readonly reach: number;
}

/**
 * The difference of the means of two independent samples of at least two numbers, whose variances may differ.
 *
 * With variances `v` over `n` numbers the square of the standard error is `v_a / n_a + v_b / n_b`, and the interval that of
 * Student's t with `(v_a / n_a + v_b / n_b) ** 2 / sum((v / n) ** 2 / (n - 1))` degrees of freedom.
 *
 * @see Welch, The generalization of "Student's" problem when several different population variances are involved, 1947.
 */
export function meanDifference(a: readonly number[], b: readonly number[]): MeanDifference {
  const parts = [a, b].map((sample) => ({ part: sampleVariance([...sample]) / sample.length, count: sample.length }));
  const square = parts.reduce((sum, { part }) => sum + part, 0);
  const freedom = square ** 2 / parts.reduce((sum, { part, count }) => sum + part ** 2 / (count - 1), 0);
  const known = Number.isNaN(freedom) ? Infinity : freedom; // of equal numbers there is no spread
  return { difference: mean([...a]) - mean([...b]), sd: Math.sqrt(square), freedom: known, reach: studentReach(known) };
}

/** The quantile 0.975 of the normal distribution. */
const normal = 1.959964;

/**
 * Returns the number of standard errors that the interval of a level reaches to either side: a quantile of Student's t,
 * that of 0.975 where the level is 0.95. Exact for 1 and 2 degrees of freedom; else by its expansion about the quantile of the normal
 * distribution, which for the level 0.95 is good to 0.004 for 3 degrees, 0.001 for 4 and 0.0003 from 5 on, and for 0.99
 * to 0.01 from 9 on.
 *
 * @see Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
 */
export function studentReach(freedom: number, level = 0.95): number {
  if (freedom === 1) return Math.tan(Math.PI / 2 * level);
  if (freedom === 2) return level * Math.sqrt(2 / (1 - level ** 2));
  const x = normal * (probit((1 + level) / 2) / probit(0.975)); // the ratio is nearer than either of the two
  return x + (x ** 3 + x) / 4 / freedom + (5 * x ** 5 + 16 * x ** 3 + 3 * x) / 96 / freedom ** 2 +
    (3 * x ** 7 + 19 * x ** 5 + 17 * x ** 3 - 15 * x) / 384 / freedom ** 3 +
    (79 * x ** 9 + 776 * x ** 7 + 1482 * x ** 5 - 1920 * x ** 3 - 945 * x) / 92160 / freedom ** 4;
}
