import { checkNumbers, checkSeed, checkText, kindOf, optionsOf } from "../errors/kinds.ts";
import { fillNormal, random } from "../data/random.ts";
import type { Rows } from "../data/rows.ts";

/** Options of {@linkcode synthetic}. The defaults are our calibration of the paper's unprinted values. */
export interface SyntheticOptions extends LabelOptions {
  /** The cosine `p` of the angle between the two tasks, -1 to 1. */
  readonly correlation: number;
  /** The number of rows. */
  readonly rows: number;
  /** The seed of all numbers: the two tasks follow from the seed, the rows from the seed and the part. */
  readonly seed: number | string;
  /** The part of the rows: another name gives other rows of the same tasks, to test on. By default `train`. */
  readonly part?: string;
  /** The number of inputs `d`, at least 2. By default 100, as in the paper. */
  readonly width?: number;
  /** True if labels are brought to mean 0 and variance 1, by the closed form of both. By default true. */
  readonly standardise?: boolean;
}

/** Options of labels: how they follow from the inputs. */
export interface LabelOptions {
  /** The length `c` of both tasks' weights, greater than 0. By default 0.5. */
  readonly scale?: number;
  /** The frequencies `a_i`. By default 3, 6, 9, 12, 15. */
  readonly frequencies?: readonly number[];
  /** The phases `b_i`, as many as frequencies. By default 1.5, 3, 4.5, 6, 7.5; 0 where other frequencies are given. */
  readonly phases?: readonly number[];
  /** The standard deviation of the noise, at least 0. By default 0.1. */
  readonly noise?: number;
}

/**
 * Synthetic rows of two regression tasks, `first` and `second`, whose relatedness is chosen.
 *
 * With orthogonal unit vectors `u1` and `u2`, weights `w1 = c u1` and `w2 = c (p u1 + sqrt(1 - p^2) u2)`, inputs
 * `x ~ N(0, I)` and noise `e_t`: `y_t = w_t'x + sum_i sin(a_i w_t'x + b_i) + e_t`. The correlation of the labels is
 * {@linkcode labelCorrelation}, much smaller than `p` between 0 and 1.
 *
 * Labels are standardised by the closed form of their mean and variance, not by the rows at hand, so that all parts
 * are transformed alike. The first rows do not depend on how many are drawn.
 *
 * @returns Inputs `{ input: [rows x width] }` and labels `{ first: [rows], second: [rows] }`.
 * @throws {RangeError} if an option is out of range.
 *
 * Source: Ma et al., KDD 2018, section 3.2, equations 2 to 4. The paper prints neither `c`, `a` nor `b`; the defaults
 * reproduce its Figure 2 within 0.012.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 * import { labelCorrelation, synthetic } from "@gatehouse/gatehouse/datasets";
 *
 * const { first, second } = synthetic({ correlation: 0.9, rows: 1000, seed: 7 }).labels!;
 * const products = [...first].map((label, row) => label * second[row]);
 * assertAlmostEquals(products.reduce((sum, product) => sum + product) / 1000, labelCorrelation(0.9), 0.1);
 *
 * const few = synthetic({ correlation: 0.9, rows: 2, seed: 7 });
 * assertEquals(few.labels!.first, first.slice(0, 2));
 * ```
 */
export function synthetic(options: SyntheticOptions): Rows {
  const { correlation, rows, seed, part = "train", width = 100, standardise = true, ...label } = optionsOf(
    "draw synthetic rows",
    options,
    [...labelOptions, ...rowOptions],
    ["standardise"],
  );
  const { scale, frequencies, phases, noise } = checkLabels("draw synthetic rows", label);
  wantCorrelation("draw synthetic rows", correlation);
  checkSeed("draw synthetic rows", seed);
  checkText("draw synthetic rows", "part", part);
  want("draw synthetic rows", "rows", rows, Number.isSafeInteger(rows) && rows >= 0, "an integer of at least 0");
  want("draw synthetic rows", "width", width, Number.isSafeInteger(width) && width >= 2, "an integer of at least 2");

  const [first, second] = weights(correlation, width, scale, seed);
  const { mean, deviation } = standardise
    ? labelMoments({ scale, frequencies, phases, noise })
    : { mean: 0, deviation: 1 };
  const numbers = random(`${seed}:${part}:inputs`);
  const errors = random(`${seed}:${part}:noise`);
  const input = new Float32Array(rows * width);
  const labels = { first: new Float32Array(rows), second: new Float32Array(rows) };
  const labelOf = (product: number): number => {
    let sum = product + noise * errors.normal();
    for (let i = 0; i < frequencies.length; i++) sum += Math.sin(frequencies[i] * product + phases[i]);
    return (sum - mean) / deviation;
  };
  for (let row = 0; row < rows; row++) {
    const x = fillNormal(input.subarray(row * width, (row + 1) * width), numbers);
    labels.first[row] = labelOf(dot(first, x));
    labels.second[row] = labelOf(dot(second, x));
  }
  return { count: rows, inputs: { input }, labels };
}

/**
 * The correlation of the labels of two synthetic tasks of correlation `p`, in closed form.
 *
 * With `v = c^2` and `f(u) = u + sum_i sin(a_i u + b_i)`, it is `Cov(p) / (Cov(1) + noise^2)`, where `Cov(p)` is the
 * covariance of `f(U)` and `f(V)` for normal `U` and `V` of variance `v` and correlation `p`.
 *
 * @param correlation `p`, -1 to 1.
 * @returns The Pearson correlation of `first` and `second`.
 * @throws {RangeError} if an option is out of range.
 *
 * Source: the expectations of sines of normal variables; Figure 2 of Ma et al., KDD 2018, shows sampled values.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { labelCorrelation } from "@gatehouse/gatehouse/datasets";
 *
 * assertAlmostEquals(labelCorrelation(0.5), 0.08, 0.01);
 * assertAlmostEquals(labelCorrelation(1), 0.9965, 0.0005);
 * ```
 */
export function labelCorrelation(correlation: number, options: LabelOptions = {}): number {
  const label = checkLabels("find the label correlation", options);
  wantCorrelation("find the label correlation", correlation);
  return covariance(correlation, label) / (covariance(1, label) + label.noise ** 2);
}

/**
 * The mean and the standard deviation of a synthetic label before it is standardised, in closed form.
 *
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if an option is out of range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { labelMoments } from "@gatehouse/gatehouse/datasets";
 *
 * assertEquals(labelMoments({ scale: 3, noise: 4, frequencies: [] }), { mean: 0, deviation: 5 });
 * ```
 */
export function labelMoments(options: LabelOptions = {}): { readonly mean: number; readonly deviation: number } {
  const label = checkLabels("find the moments of labels", options);
  return { mean: labelMean(label), deviation: Math.sqrt(covariance(1, label) + label.noise ** 2) };
}

const labelOptions = ["scale", "frequencies", "phases", "noise"];
const rowOptions = ["correlation", "rows", "seed", "part", "width"];

/** `w1 = c u1` and `w2 = c (p u1 + sqrt(1 - p^2) u2)`, `[width]` each (equation 2). */
function weights(
  correlation: number,
  width: number,
  scale: number,
  seed: number | string,
): [Float64Array, Float64Array] {
  const source = random(`${seed}:tasks`);
  const u1 = unit(fillNormal(new Float64Array(width), source));
  const other = fillNormal(new Float64Array(width), source);
  const along = dot(u1, other);
  const u2 = unit(other.map((number, i) => number - along * u1[i]));
  const across = Math.sqrt(1 - correlation ** 2);
  return [u1.map((number) => scale * number), u1.map((number, i) => scale * (correlation * number + across * u2[i]))];
}

/** A vector divided by its length. */
function unit(vector: Float64Array): Float64Array {
  const length = Math.sqrt(dot(vector, vector));
  return vector.map((number) => number / length);
}

/** The inner product of two vectors. */
function dot(x: Float64Array, y: Float64Array | Float32Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}

/** `E f(U)`. */
function labelMean({ scale, frequencies: a, phases: b }: Required<LabelOptions>): number {
  return a.reduce((sum, _, i) => sum + Math.exp(-((a[i] * scale) ** 2) / 2) * Math.sin(b[i]), 0);
}

/** `Cov(f(U), f(V))` for normal `U` and `V` of variance `scale^2` and correlation `p`. */
function covariance(p: number, label: Required<LabelOptions>): number {
  const { scale, frequencies: a, phases: b } = label;
  const v = scale ** 2;
  let sum = p * v;
  for (let i = 0; i < a.length; i++) {
    sum += 2 * a[i] * p * v * Math.exp(-(a[i] ** 2) * v / 2) * Math.cos(b[i]);
    for (let j = 0; j < a.length; j++) {
      const squares = a[i] ** 2 + a[j] ** 2;
      const cross = 2 * a[i] * a[j] * p;
      sum += Math.exp(-v * (squares - cross) / 2) * Math.cos(b[i] - b[j]) / 2;
      sum -= Math.exp(-v * (squares + cross) / 2) * Math.cos(b[i] + b[j]) / 2;
    }
  }
  return sum - labelMean(label) ** 2;
}

/** Label options with nothing left to default. */
function checkLabels(action: string, options: LabelOptions): Required<LabelOptions> {
  const given = optionsOf(action, options, labelOptions);
  const { scale = 0.5, frequencies = [3, 6, 9, 12, 15], noise = 0.1 } = given;
  checkNumbers(action, "frequencies", frequencies);
  const { phases = given.frequencies ? frequencies.map(() => 0) : [1.5, 3, 4.5, 6, 7.5] } = given;
  checkNumbers(action, "phases", phases);
  want(action, "scale", scale, Number.isFinite(scale) && scale > 0, "a number greater than 0");
  want(action, "noise", noise, Number.isFinite(noise) && noise >= 0, "a number of at least 0");
  frequencies.forEach((a, i) => want(action, `frequencies[${i}]`, a, Number.isFinite(a), "a number"));
  phases.forEach((b, i) => want(action, `phases[${i}]`, b, Number.isFinite(b), "a number"));
  const paired = phases.length === frequencies.length;
  want(action, "phases", phases.length, paired, `one for each of the ${frequencies.length} frequencies`);
  return { scale, frequencies, phases, noise };
}

/** The correlation is one. */
function wantCorrelation(action: string, correlation: number): void {
  want(
    action,
    "correlation",
    correlation,
    typeof correlation === "number" && correlation >= -1 && correlation <= 1,
    "a number from -1 to 1",
  );
}

/** An option is in its range. */
function want(action: string, option: string, found: number, right: boolean, wanted: string): void {
  if (!right) throw new RangeError(`Cannot ${action}\n  at ${option}: found ${kindOf(found)}, wanted ${wanted}`);
}
