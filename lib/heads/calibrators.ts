import { fitting, type Form, list, object } from "../errors/forms.ts";
import { checkNumbers, isRecord, kindOf } from "../errors/kinds.ts";
import { checkLengths, counted } from "./counted.ts";

/** A map of probabilities by a line over their logits: `sigmoid(slope logit(p) + intercept)`. */
export interface Platt {
  /** The kind of the map. */
  readonly kind: "platt";
  /** The factor of the logit. */
  readonly slope: number;
  /** The number that is added. */
  readonly intercept: number;
}

/** A map of probabilities by a function that never falls: straight between points, level beyond them. */
export interface Isotonic {
  /** The kind of the map. */
  readonly kind: "isotonic";
  /** The probabilities of the points, each above the one before. */
  readonly from: readonly number[];
  /** The probabilities that these become, none below the one before. */
  readonly to: readonly number[];
}

/** A map from the probabilities that a model predicts to calibrated ones; plain JSON. */
export type Calibrator = (Platt | Isotonic) & {
  /** The share of negative rows that the rows of fitting had kept, which is undone afterwards; absent: all. */
  readonly sampled?: number;
};

/**
 * Returns the line over logits that fits labels best, by Platt's scaling: `sigmoid(slope z + intercept)` with
 * `z = log(p / (1 - p))`, of the least cross-entropy against smoothed labels, `(N1 + 1) / (N1 + 2)` for a positive row and
 * `1 / (N0 + 2)` for a negative one, with the weights N1 and N0 of all such rows. So no probability becomes 0 or 1, and
 * the order of rows stays. It is `CalibratedClassifierCV(method="sigmoid")` of scikit-learn, over logits.
 *
 * @param probabilities `[rows]`, float32 as models predict them: those that round to 0 or 1 count as 2 ** -149 and
 * 1 - 2 ** -25.
 * @param labels 0 to 1, NaN where missing, `[rows]`.
 * @param weights At least 0, `[rows]`; 1 where absent.
 * @throws {RangeError} if the lengths differ, or no row is positive, or negative.
 * @see Platt, Probabilistic outputs for support vector machines, 1999, section 2.2; Lin, Lin and Weng, A note on Platt's
 * probabilistic outputs, 2007, algorithm 1.
 *
 * @example Rows of one probability get its smoothed share of positives
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { applyCalibrator, platt } from "@gatehouse/gatehouse/metrics";
 *
 * const half = [0.5, 0.5, 0.5, 0.5];
 * const [p] = applyCalibrator(platt(half, [1, 0, 0, 0]), [0.5]);
 * assertAlmostEquals(p, (2 / 3 + 3 * (1 / 5)) / 4, 1e-9);
 * ```
 */
export function platt(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights?: ArrayLike<number>,
): Platt {
  const rows = fitted("Platt scaling", probabilities, labels, weights);
  const [positive, negative] = classes("Platt scaling", rows);
  const [high, low] = [(positive + 1) / (positive + 2), 1 / (negative + 2)];
  const smoothed = rows.map(({ p, y, w }) => ({ z: logit(p), t: y * high + (1 - y) * low, w }));
  return { kind: "platt", ...line(smoothed, Math.log((positive + 1) / (negative + 1))) };
}

/**
 * Returns the function that never falls and fits labels best, by squared error: the mean label of each run of rows that
 * pool adjacent violators makes, rows of equal probability taken together. Between the ends of runs it is straight, beyond
 * them level, as `IsotonicRegression(out_of_bounds="clip")` of scikit-learn has it. Rows of one run become equal, and
 * some may become 0 or 1.
 *
 * @param probabilities `[rows]`.
 * @param labels 0 to 1, NaN where missing, `[rows]`.
 * @param weights At least 0, `[rows]`; 1 where absent.
 * @throws {RangeError} if the lengths differ, or no row is positive, or negative.
 * @see Zadrozny and Elkan, Transforming classifier scores into accurate multiclass probability estimates, 2002.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { applyCalibrator, isotonic } from "@gatehouse/gatehouse/metrics";
 *
 * const map = isotonic([0.1, 0.2, 0.3, 0.5], [0, 1, 0, 1]);
 * assertEquals(map, { kind: "isotonic", from: [0.1, 0.2, 0.3, 0.5], to: [0, 0.5, 0.5, 1] });
 * assertEquals(applyCalibrator(map, [0, 0.25, 0.4, 0.9]), Float64Array.of(0, 0.5, 0.75, 1));
 * ```
 */
export function isotonic(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights?: ArrayLike<number>,
): Isotonic {
  const rows = fitted("isotonic regression", probabilities, labels, weights);
  classes("isotonic regression", rows);
  const runs: Run[] = [];
  for (const { p, y, w } of rows.sort((a, b) => a.p - b.p)) {
    const last = runs.at(-1);
    if (last?.last === p && last.first === p) [last.sum, last.weight] = [last.sum + w * y, last.weight + w];
    else {
      pool(runs); // the run before is whole
      runs.push({ first: p, last: p, sum: w * y, weight: w });
    }
  }
  pool(runs);
  const points = runs.flatMap(({ first, last, sum, weight }) => {
    return (first === last ? [first] : [first, last]).map((p) => [p, sum / weight] as const);
  });
  return { kind: "isotonic", from: points.map(([p]) => p), to: points.map(([, mean]) => mean) };
}

/**
 * Returns calibrated probabilities in float64, `[rows]`.
 *
 * Where `sampled` is a share w of negatives, a probability p that is calibrated on such rows becomes that of all rows,
 * `p / (p + (1 - p) / w)` (He et al., Practical lessons from predicting clicks on ads at Facebook, 2014, section 6.3).
 *
 * @param probabilities `[rows]`, as the model predicts them.
 * @throws {TypeError} if the map is malformed.
 *
 * @example A tenth of the negatives was kept
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { applyCalibrator } from "@gatehouse/gatehouse/metrics";
 *
 * const [p] = applyCalibrator({ kind: "platt", slope: 1, intercept: 0, sampled: 0.1 }, [0.5]);
 * assertAlmostEquals(p, 1 / 11, 1e-12);
 * ```
 */
export function applyCalibrator(calibrator: Calibrator, probabilities: ArrayLike<number>): Float64Array {
  const [issue] = calibratorForm(calibrator, "the map");
  if (issue !== undefined) throw new TypeError(`Cannot calibrate\n  at ${issue.path}: ${issue.message}`);
  checkNumbers("calibrate", "probabilities", probabilities);
  const map = calibrator.kind === "platt"
    ? (p: number) => sigmoid(calibrator.slope * logit(p) + calibrator.intercept)
    : (p: number) => between(calibrator, p);
  const share = calibrator.sampled ?? 1;
  return Float64Array.from(probabilities, (p) => {
    const own = map(p);
    return share === 1 ? own : own * share / (own * share + (1 - own));
  });
}

/** The form of a map of probabilities. */
export const calibratorForm: Form = (found, path) => {
  if (!isRecord(found)) return [{ path, message: `wanted a map such as platt() returns, found ${kindOf(found)}` }];
  if (found.kind === "platt" || found.kind === "isotonic") return forms[found.kind](found, path);
  return [{ path: `${path}.kind`, message: `wanted "platt" or "isotonic", found ${kindOf(found.kind)}` }];
};

const finite = fitting("a finite number", Number.isFinite);
const probability = fitting("a probability, 0 to 1", (found) => typeof found === "number" && found >= 0 && found <= 1);
const share = fitting("a share above 0, at most 1", (found) => typeof found === "number" && found > 0 && found <= 1);

const forms = {
  platt: object({ kind: fitting('"platt"', (kind) => kind === "platt"), slope: finite, intercept: finite }, {
    sampled: share,
  }),
  isotonic: ((found, path) => {
    const kind = fitting('"isotonic"', (kind) => kind === "isotonic");
    const issues = object({ kind, from: list(finite), to: list(probability) }, { sampled: share })(found, path);
    if (issues.length > 0) return issues;
    const { from, to } = found as unknown as Isotonic;
    const falls = (list: readonly number[]) => list.some((number, at) => at > 0 && number < list[at - 1]);
    const rising = from.length > 0 && from.length === to.length && !falls(from) && !falls(to);
    return rising ? [] : [{ path, message: "wanted as many points in from as in to, which never fall, at least one" }];
  }) as Form,
};

/** A row that counts. */
interface FittedRow {
  readonly p: number;
  readonly y: number;
  readonly w: number;
}

function fitted(
  what: string,
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights: ArrayLike<number> | undefined,
): FittedRow[] {
  checkLengths(what, probabilities, labels, weights);
  return Array.from(counted(labels, weights), (row) => {
    const [p, y] = [probabilities[row], labels[row]];
    if (!(p >= 0 && p <= 1)) {
      throw new RangeError(`Cannot compute ${what}: probability ${p} of row ${row} is not in [0, 1]`);
    }
    if (!(y >= 0 && y <= 1)) throw new RangeError(`Cannot compute ${what}: label ${y} of row ${row} is not in [0, 1]`);
    return { p, y, w: weights?.[row] ?? 1 };
  });
}

/** Returns the weights of positive and of negative rows. */
function classes(what: string, rows: readonly FittedRow[]): [positive: number, negative: number] {
  const positive = rows.reduce((sum, { y, w }) => sum + w * y, 0);
  const negative = rows.reduce((sum, { y, w }) => sum + w * (1 - y), 0);
  if (positive > 0 && negative > 0) return [positive, negative];
  const found = `found rows of weight ${positive} that are positive and ${negative} that are not`;
  throw new RangeError(`Cannot compute ${what}: ${found}, wanted some of both`);
}

/** Returns the slope and the intercept of least cross-entropy, by Newton's method with steps that are halved. */
function line(
  rows: readonly { readonly z: number; readonly t: number; readonly w: number }[],
  first: number,
): { readonly slope: number; readonly intercept: number } {
  const total = rows.reduce((sum, { w }) => sum + w, 0);
  const lossAt = (slope: number, intercept: number) =>
    rows.reduce((sum, { z, t, w }) => {
      const f = slope * z + intercept;
      return sum + w * (Math.max(f, 0) + Math.log1p(Math.exp(-Math.abs(f))) - t * f);
    }, 0);
  let [slope, intercept] = [0, first];
  let loss = lossAt(slope, intercept);
  for (let round = 0; round < 100; round++) {
    let [gz, g, hzz, hz, h] = [0, 0, 1e-12 * total, 0, 1e-12 * total];
    for (const { z, t, w } of rows) {
      const p = sigmoid(slope * z + intercept);
      const [d, v] = [w * (p - t), w * p * (1 - p)];
      [gz, g, hzz, hz, h] = [gz + d * z, g + d, hzz + v * z * z, hz + v * z, h + v];
    }
    if (Math.max(Math.abs(gz), Math.abs(g)) < 1e-10 * total) break;
    const determinant = hzz * h - hz * hz;
    const [dz, d] = [(h * gz - hz * g) / determinant, (hzz * g - hz * gz) / determinant];
    let step = 1;
    let next = lossAt(slope - dz, intercept - d);
    while (!(next < loss) && step > 1e-10) next = lossAt(slope - (step /= 2) * dz, intercept - step * d);
    if (!(next < loss)) break;
    [slope, intercept, loss] = [slope - step * dz, intercept - step * d, next];
  }
  return { slope, intercept };
}

/** Rows that stand side by side, and become their mean label. */
interface Run {
  readonly first: number;
  readonly last: number;
  sum: number;
  weight: number;
}

/** Joins the last runs as long as their means do not rise. */
function pool(runs: Run[]): void {
  while (runs.length > 1) {
    const [before, last] = runs.slice(-2);
    if (before.sum * last.weight < last.sum * before.weight) return;
    const joined = {
      first: before.first,
      last: last.last,
      sum: before.sum + last.sum,
      weight: before.weight + last.weight,
    };
    runs.splice(-2, 2, joined);
  }
}

/** Returns the value of a function between its points. */
function between({ from, to }: Isotonic, p: number): number {
  if (Number.isNaN(p)) return NaN;
  let [low, high] = [0, from.length]; // the first point above p
  while (low < high) {
    const middle = (low + high) >> 1;
    if (from[middle] > p) high = middle;
    else low = middle + 1;
  }
  if (low === 0) return to[0];
  if (low === from.length) return to[low - 1];
  const part = (p - from[low - 1]) / (from[low] - from[low - 1]);
  return to[low - 1] + part * (to[low] - to[low - 1]);
}

/** Returns the logit of a probability as float32 holds it, never infinite. */
export function logit(p: number): number {
  return Math.log(Math.max(p, 2 ** -149)) - Math.log(Math.max(1 - p, 2 ** -25));
}

function sigmoid(z: number): number {
  return z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z));
}
