import { checkNumbers, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { logit } from "../heads/calibrators.ts";

/** The rule that makes one score of a row's predictions; plain JSON. */
export interface Scoring<Tasks extends string = string> {
  /** A sum of weighted logits, or a product of powers. */
  readonly kind: "logits" | "powers";
  /** The weight, or the exponent, of each task that counts. */
  readonly weights: { readonly [task in Tasks]?: number };
}

/**
 * Returns the rule of a sum over tasks, `sum_k w_k log(p_k / (1 - p_k))`, of probabilities.
 *
 * @param weights By task; one below 0 is of a task that a list should have little of, such as reports of a video.
 * @throws {TypeError} if there is none, or one is not a finite number.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { rank, weightedLogits } from "@gatehouse/gatehouse";
 *
 * const [score] = rank({ click: [0.75], like: [0.1] }, weightedLogits({ click: 1, like: 0.5 }));
 * assertAlmostEquals(score, Math.log(3) + 0.5 * Math.log(1 / 9), 1e-12);
 * ```
 */
export function weightedLogits<const Tasks extends string>(weights: Readonly<Record<Tasks, number>>): Scoring<Tasks> {
  return scoringOf("weigh tasks", { kind: "logits", weights });
}

/**
 * Returns the rule of a product over tasks, `prod_k p_k ** w_k`, of any predictions of at least 0: probabilities, counts,
 * seconds. Industry calls it the ensemble sort.
 *
 * @param weights The exponents by task; one below 0 is of a task that a list should have little of.
 * @throws {TypeError} if there is none, or one is not a finite number.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { powers, rank } from "@gatehouse/gatehouse";
 *
 * const scores = rank({ click: [0.5, 0.25], like: [0.01, 0.09] }, powers({ click: 1, like: 0.5 }));
 * assertAlmostEquals(scores[0], 0.5 * 0.1, 1e-12);
 * assertAlmostEquals(scores[1], 0.25 * 0.3, 1e-12);
 * ```
 */
export function powers<const Tasks extends string>(weights: Readonly<Record<Tasks, number>>): Scoring<Tasks> {
  return scoringOf("weigh tasks", { kind: "powers", weights });
}

/**
 * Returns one score a row from the predictions of several tasks, the greater the earlier in a list, `[rows]`.
 *
 * @param predictions By task, `[rows]`, as `predict` returns them; calibrated ones, where a weight means a value.
 * @param scoring The rule, as {@linkcode weightedLogits} or {@linkcode powers} returns it.
 * @throws {TypeError | RangeError} if the rule has a task that was not predicted, or a prediction is out of its range:
 * logits are of probabilities, powers of numbers of at least 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { powers, rank } from "@gatehouse/gatehouse";
 *
 * const predictions = { click: Float32Array.of(0.5, 0.25), spend: Float32Array.of(2, 8) };
 * const scores = rank(predictions, powers({ click: 1, spend: 1 }));
 * assertEquals(Array.from(scores, (score) => score.toFixed(6)), ["1.000000", "2.000000"]);
 * ```
 */
export function rank<Tasks extends string>(
  predictions: Readonly<Record<Tasks, ArrayLike<number>>>,
  scoring: Scoring<NoInfer<Tasks>>,
): Float64Array {
  if (!isRecord(predictions)) {
    throw new TypeError(`Cannot rank: predictions must be by task, found ${kindOf(predictions)}`);
  }
  const { kind, weights } = scoringOf("rank", scoring);
  const known = Object.keys(predictions);
  const terms = Object.entries<number | undefined>(weights).flatMap(([task, weight]) => {
    if (!Object.hasOwn(predictions, task)) {
      throw new TypeError(`Cannot rank: no task ${quoted(task)} is predicted${advice(task, known)}`);
    }
    const column: unknown = predictions[task as Tasks];
    checkNumbers("rank", `predictions of ${quoted(task)}`, column);
    const { length } = column as ArrayLike<number>;
    return weight === undefined || weight === 0 ? [] : [{ task, weight, column: column as ArrayLike<number>, length }];
  });
  const count = terms[0]?.length ?? (predictions[known[0] as Tasks]?.length ?? 0);
  const other = terms.find(({ length }) => length !== count);
  if (other !== undefined) {
    throw new RangeError(`Cannot rank: ${quoted(other.task)} has ${other.length} predictions, wanted ${count}`);
  }
  const scores = new Float64Array(count);
  for (const { task, weight, column } of terms) {
    for (let row = 0; row < count; row++) scores[row] += weight * logOf(kind, task, column[row], row);
  }
  return kind === "logits" ? scores : scores.map(Math.exp);
}

/** Returns the logit, or the logarithm, of a prediction. */
function logOf(kind: Scoring["kind"], task: string, p: number, row: number): number {
  if (kind === "logits" ? p >= 0 && p <= 1 : p >= 0 && p < Infinity) return kind === "logits" ? logit(p) : logarithm(p);
  const wanted = kind === "logits" ? "a probability" : "a finite number of at least 0";
  throw new RangeError(`Cannot rank\n  at row ${row}, task ${quoted(task)}: wanted ${wanted}, found ${kindOf(p)}`);
}

/** Returns the logarithm of a number as float32 holds it, never infinite. */
function logarithm(p: number): number {
  return Math.log(Math.max(p, 2 ** -149));
}

/**
 * Returns a rule, once it is checked.
 *
 * @throws {TypeError} if it is malformed.
 */
export function scoringOf<Tasks extends string>(action: string, found: Scoring<Tasks>): Scoring<Tasks> {
  const wanted = "wanted a rule such as powers({ click: 1, like: 0.3 })";
  if (!isRecord(found)) throw new TypeError(`Cannot ${action}: ${wanted}, found ${kindOf(found)}`);
  const { kind, weights } = optionsOf(action, found, ["kind", "weights"]);
  if (kind !== "logits" && kind !== "powers") {
    throw new TypeError(`Cannot ${action}: kind must be "logits" or "powers", found ${kindOf(kind)}`);
  }
  if (!isRecord(weights)) throw new TypeError(`Cannot ${action}: weights must be by task, found ${kindOf(weights)}`);
  const entries = Object.entries<unknown>(weights).filter(([, weight]) => weight !== undefined);
  if (entries.length === 0) throw new TypeError(`Cannot ${action}: weights has no task: wanted at least one`);
  const wrong = entries.find(([, weight]) => !Number.isFinite(weight));
  if (wrong !== undefined) {
    throw new TypeError(
      `Cannot ${action}: the weight of ${quoted(wrong[0])} must be a finite number, found ${kindOf(wrong[1])}`,
    );
  }
  return { kind, weights };
}
