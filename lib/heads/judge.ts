import { keyNumbers, type Keys, keysOf } from "../data/keys.ts";
import { kindOf } from "../errors/kinds.ts";
import { inOrder, sorter, type Sorting } from "../files/sorter.ts";
import { checkLengths, isCounted } from "./counted.ts";
import type { Records, Scored, Walk } from "./folds.ts";
import type { HeadKind } from "./spec.ts";

/** A number that judges predictions, and the rows that it is of. */
export interface Judgement {
  /** The number; NaN if there are no rows that make one, or a prediction of them is NaN. */
  readonly value: number;
  /** The number of rows that it is made of: those with a label, a weight and, of a judge by groups, in groups that count. */
  readonly rows: number;
  /** The number of groups that it is made of, of a judge by groups. */
  readonly groups?: number;
  /** The groups left out, such as those of one class, and their rows together with those without a key. */
  readonly left?: { readonly groups: number; readonly rows: number };
  /** The standard error of the number, where there is one. */
  readonly error?: number;
  /** The interval of a confidence level, of a judge that has one. */
  readonly interval?: readonly [lower: number, upper: number];
}

/**
 * A judge of predictions: a metric that `evaluate` and `train` take as an option, and that reports what it left out. Called
 * as a function it returns the number alone, as any {@linkcode Metric} does, of rows that are there at once.
 */
export interface Judge {
  /** The number from predictions, labels, any weights, all `[rows]`, and of a judge by groups a key of each row. */
  (
    predictions: ArrayLike<number>,
    labels: ArrayLike<number>,
    weights?: ArrayLike<number>,
    groups?: Keys,
  ): number;
  /** Its name and options, as JSON. */
  readonly settings: { readonly kind: string; readonly [option: string]: string | number };
  /** The name of the rows' keys by which it groups them; absent: it does not. */
  readonly by?: string;
  /** The end at which its values are better; absent: neither, and no training stops by it. */
  readonly best?: "most" | "least";
  /** The same as a call, with what was left out. */
  readonly judge: (
    predictions: ArrayLike<number>,
    labels: ArrayLike<number>,
    weights?: ArrayLike<number>,
    groups?: Keys,
  ) => Judgement;
}

/** The rows that a judge has seen. */
export interface Seen {
  /** Those with a label, a weight and, of a judge by groups, a key. */
  rows: number;
  /** The sum of their weights. */
  weight: number;
  /** Those with a label and a weight, but no key. */
  outside: number;
}

/** A judgement of rows that come one piece after the other. */
export interface Tally {
  readonly add: (piece: Scored) => void | Promise<void>;
  readonly end: () => Judgement | Promise<Judgement>;
  /** Frees what it holds outside of memory. */
  readonly dispose?: () => Promise<void>;
}

/** The way in which a judge reads rows: as they come, or sorted. */
export type Reading =
  | { readonly begin: (of: "predictions" | "logits") => { add(piece: Scored, row: number): void; end(): Judgement } }
  | { readonly records: Records; readonly walk: (seen: Seen) => Walk<Judgement> };

/** A judge's rule. */
export interface JudgeRule {
  /** Its name in errors. */
  readonly title: string;
  readonly settings: Judge["settings"];
  readonly by?: string;
  readonly best?: "most" | "least";
  /** The numbers that it reads of a model: logits rank rows whose probabilities are equal in float32. */
  readonly of: "predictions" | "logits";
  /** The heads whose predictions it judges. */
  readonly heads: readonly HeadKind[];
  readonly reading: Reading;
}

/** Returns the judge of a rule. */
export function judgeOf(rule: JudgeRule): Judge {
  const judge: Judge["judge"] = (predictions, labels, weights, groups) => {
    checkLengths(rule.title, predictions, labels, weights);
    const where = `Cannot compute ${rule.title}: groups`;
    if (rule.by !== undefined && groups === undefined) throw new TypeError(`${where} are missing, wanted a key a row`);
    const numbers = groups === undefined ? undefined : keyNumbers(keysOf(groups, labels.length, where));
    return judgementOf(rule, { predictions, labels, weights, groups: numbers });
  };
  const { settings, by, best } = rule;
  const metric = (...rows: Parameters<Judge>) => judge(...rows).value;
  const made: Judge = Object.assign(metric, {
    settings,
    judge,
    ...(by !== undefined && { by }),
    ...(best && { best }),
  });
  rules.set(made, rule);
  return made;
}

/**
 * Returns the rule of a judge.
 *
 * @throws {TypeError} if this library did not make it.
 */
export function judgeRule(judge: unknown, where: string): JudgeRule {
  const rule = typeof judge === "function" ? rules.get(judge) : undefined;
  if (rule !== undefined) return rule;
  const hint = typeof judge === "function" ? `, a function that returns a judge or another` : "";
  throw new TypeError(`${where} must be a judge, such as gauc({ by: "user" }), found ${kindOf(judge)}${hint}`);
}

const rules = new WeakMap<object, JudgeRule>();

/** Returns the judgement of rows that are there at once. */
export function judgementOf({ reading, of }: JudgeRule, rows: Scored, reads: typeof of = "predictions"): Judgement {
  if ("begin" in reading) {
    const running = reading.begin(reads);
    eachCounted(rows, (row) => running.add(rows, row));
    return running.end();
  }
  const { records: { width, keys }, walk } = reading;
  const seen = { rows: 0, weight: 0, outside: 0 };
  const records = recordsOf(reading.records, rows, seen);
  if (records === undefined) return { value: NaN, rows: seen.rows };
  const walked = walk(seen);
  for (const some of inOrder(records, { count: records.length / width, width, keys })) walked.add(some);
  return walked.end();
}

/** Begins a judgement of rows that come in pieces, which are sorted, if they are, in the given way. */
export function tallyOf({ reading, of }: JudgeRule, sorting: Sorting): Tally {
  if ("begin" in reading) {
    const running = reading.begin(of);
    return { add: (piece) => eachCounted(piece, (row) => running.add(piece, row)), end: running.end };
  }
  const { records: form, walk } = reading;
  const sorted = sorter(form.width, form.keys, sorting, "evaluate");
  const seen = { rows: 0, weight: 0, outside: 0 };
  let isNaN = false;
  return {
    add: (piece) => {
      const records = recordsOf(form, piece, seen);
      isNaN ||= records === undefined;
      if (records !== undefined && !isNaN) return sorted.add(records);
    },
    end: async () => {
      if (isNaN) return { value: NaN, rows: seen.rows };
      const walked = walk(seen);
      for await (const records of sorted.sorted()) walked.add(records);
      return walked.end();
    },
    dispose: sorted.dispose,
  };
}

/** Returns the records of the rows that count, which are counted; undefined if a prediction of them is NaN. */
function recordsOf({ width, write }: Records, piece: Scored, seen: Seen): Float64Array | undefined {
  const records = new Float64Array(piece.labels.length * width);
  let end = 0;
  let isNaN = false;
  eachCounted(piece, (row) => {
    const isIn = write(piece, row, records, end);
    seen[isIn ? "rows" : "outside"]++;
    if (!isIn) return;
    seen.weight += piece.weights?.[row] ?? 1;
    isNaN ||= Number.isNaN(piece.predictions[row]);
    end += width;
  });
  return isNaN ? undefined : records.subarray(0, end);
}

function eachCounted({ labels, weights }: Scored, use: (row: number) => void): void {
  for (let row = 0; row < labels.length; row++) if (isCounted(labels, weights, row)) use(row);
}
