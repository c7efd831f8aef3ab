import type { Rows } from "../data/rows.ts";
import { checkRecord, checkWord, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import type { Judge } from "../heads/judge.ts";
import { columnOf } from "./feed.ts";
import { rank, type Scoring } from "./rank.ts";

/** The aim of {@linkcode searchRank}. */
export interface RankAim<Tasks extends string = string> {
  /** The task of which a list should have the most. */
  readonly most: Tasks;
  /**
   * The least that other tasks keep, by task: the share, in (0, 1], of what a list in the order of that task alone has.
   * Default: nothing.
   */
  readonly within?: { readonly [task in Tasks]?: number };
  /** The judge of a list, such as `ndcg({ by: "user", at: 10 })`, whose keys the rows have: greater is better. */
  readonly judge: Judge;
  /** The tasks whose predictions are combined. Default: those of `most` and `within`. */
  readonly tasks?: readonly Tasks[];
  /** The rule: a product of powers, or a sum of weighted logits. Default `"powers"`. */
  readonly kind?: Scoring["kind"];
}

/** A list that was tried. */
export interface RankTrial<Tasks extends string = string> {
  /** The weights. */
  readonly weights: Readonly<Record<Tasks, number>>;
  /** The judge's number for each task of the aim. */
  readonly values: Readonly<Record<Tasks, number>>;
  /** True if every other task keeps what the aim says. */
  readonly within: boolean;
}

/** The result of {@linkcode searchRank}. */
export interface RankSearch<Tasks extends string = string> {
  /** The best rule. */
  readonly scoring: Scoring<Tasks>;
  /** The trial of it. */
  readonly best: RankTrial<Tasks>;
  /** The lists in the order of one task alone, by task of the aim. */
  readonly alone: Readonly<Record<Tasks, RankTrial<Tasks>>>;
  /**
   * The trade-off: the trials that no other beats in one task of the aim without being worse in another, from the most of
   * the wanted one down.
   */
  readonly tradeOff: readonly RankTrial<Tasks>[];
  /** The number of lists that were tried. */
  readonly tried: number;
}

/**
 * Returns the weights by which the predictions of several tasks make the best lists for an aim on rows with labels, those
 * of validation: the most of one task among all that keep what `within` says of the others; where none does, the list that
 * comes nearest.
 *
 * One task's weight is 1, as a factor of all weights changes no list. The others are 0 or powers of 2, from 1/256 to 256,
 * searched task by task until none improves, then in steps of 1/2 and 1/4 of an exponent: the same trials for the same
 * rows, without random numbers.
 *
 * @param predictions By task, `[rows]`, as `predict` returns them.
 * @param rows The rows that were predicted, with labels and the keys of the judge: `rows(encoded, { labels, by: { user } })`.
 * @throws {TypeError | RangeError} if the aim is malformed, a task has no labels or predictions, the judge's keys are
 * missing, or no group of rows has a positive label of a task.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { rows, searchRank } from "@gatehouse/gatehouse";
 * import { ndcg } from "@gatehouse/gatehouse/metrics";
 *
 * const labels = { click: [1, 0, 1, 0], like: [0, 0, 1, 0] };
 * const data = rows([[1], [2], [3], [4]], { labels, by: { user: ["ann", "ann", "ann", "ann"] } });
 * const predictions = { click: [0.9, 0.2, 0.8, 0.1], like: [0.1, 0.2, 0.3, 0.05] };
 * const found = searchRank(predictions, data, {
 *   most: "like",
 *   within: { click: 0.99 },
 *   judge: ndcg({ by: "user", at: 2 }),
 * });
 * assertEquals(found.best.within, true);
 * assertEquals(found.best.values, { like: 1, click: 1 }); // the row that is liked first, then the other click
 * ```
 */
export function searchRank<Tasks extends string>(
  predictions: Readonly<Record<Tasks, ArrayLike<number>>>,
  rows: Rows,
  aim: RankAim<NoInfer<Tasks>>,
): RankSearch<Tasks> {
  const trials = trialsOf(predictions, rows, aimOf(predictions, aim));
  const { most, tasks } = trials;
  let best = trials.of(recordOf(tasks, () => 1));
  const improve = (weights: Readonly<Record<Tasks, number>>): boolean => {
    const found = trials.of(weights);
    if (!trials.isBetter(found, best)) return false;
    best = found;
    return true;
  };
  tasks.forEach((task) => improve(recordOf(tasks, (other) => other === task ? 1 : 0)));
  const others = tasks.filter((task) => task !== most);
  for (const step of [1, 1 / 2, 1 / 4]) {
    for (let round = 0, improved = true; improved && round < 8; round++) {
      improved = false;
      for (const task of others) {
        const from = best.weights[task];
        const near = [-1, 1].map((sign) => from * 2 ** (sign * step));
        const choices = step === 1 ? [0, ...Array.from({ length: 17 }, (_, at) => 2 ** (at - 8))] : near;
        const { weights } = best;
        for (const choice of choices) {
          if (improve({ ...weights, [most]: 1, [task]: choice })) improved = true;
        }
      }
    }
  }
  return { scoring: { kind: trials.kind, weights: best.weights }, best, ...trials.end() };
}

const action = "search rank";

/** Checks an aim, and returns it with nothing left to default. */
function aimOf<Tasks extends string>(predictions: unknown, aim: RankAim<Tasks>): Required<RankAim<Tasks>> {
  checkRecord(action, "predictions", predictions);
  const given = optionsOf(action, aim, ["most", "within", "judge", "tasks", "kind"]);
  const { most, within = {}, judge, kind = "powers" } = given;
  checkRecord(action, "within", within);
  const named = [most, ...Object.keys(within)];
  const tasks: unknown = given.tasks ?? [...new Set(named)];
  if (!Array.isArray(tasks)) throw new TypeError(`Cannot ${action}: tasks must be a list, found ${kindOf(tasks)}`);
  const known = Object.keys(predictions as object);
  for (const task of [...named, ...tasks] as unknown[]) {
    if (typeof task === "string" && Object.hasOwn(predictions as object, task)) continue;
    const near = typeof task === "string" ? advice(task, known) : "";
    throw new TypeError(`Cannot ${action}: no task ${kindOf(task)} is predicted${near}`);
  }
  for (const [task, share] of Object.entries<unknown>(within)) {
    if (typeof share === "number" && share > 0 && share <= 1) continue;
    throw new RangeError(`Cannot ${action}: within of ${quoted(task)} must be in (0, 1], found ${kindOf(share)}`);
  }
  if (typeof judge !== "function" || typeof judge.judge !== "function" || judge.best !== "most") {
    const wanted = 'a judge whose greater values are better, such as ndcg({ by: "user", at: 10 })';
    throw new TypeError(`Cannot ${action}: judge must be ${wanted}, found ${kindOf(judge)}`);
  }
  checkWord(action, "kind", kind, ["powers", "logits"]);
  return { most, within, judge, kind, tasks: [...new Set([most, ...tasks])] as Tasks[] } as Required<RankAim<Tasks>>;
}

/** The lists that were tried so far. */
interface Trials<Tasks extends string> {
  readonly most: Tasks;
  readonly tasks: readonly Tasks[];
  readonly kind: Scoring["kind"];
  /** Returns the trial of some weights, judged once. */
  readonly of: (weights: Readonly<Record<Tasks, number>>) => RankTrial<Tasks>;
  /** Returns true if the first list serves the aim better than the second. */
  readonly isBetter: (a: RankTrial<Tasks>, b: RankTrial<Tasks>) => boolean;
  readonly end: () => Pick<RankSearch<Tasks>, "alone" | "tradeOff" | "tried">;
}

function trialsOf<Tasks extends string>(
  predictions: Readonly<Record<Tasks, ArrayLike<number>>>,
  rows: Rows,
  { most, within, judge, tasks, kind }: Required<RankAim<Tasks>>,
): Trials<Tasks> {
  const judged = [...new Set([most, ...Object.keys(within) as Tasks[]])];
  const valuesOf = valuesBy(rows, judged, judge);
  const tried = new Map<string, RankTrial<Tasks>>();
  const numbersOf = (weights: Readonly<Record<Tasks, number>>) => {
    return valuesOf(rank(predictions, { kind, weights } as Scoring<Tasks>));
  };
  const single = (task: Tasks) => recordOf([...new Set([...tasks, task])], (other) => other === task ? 1 : 0);
  const aloneValues = recordOf(judged, (task) => numbersOf(single(task)));
  const leastOf = (task: Tasks) => (within[task] ?? 0) * aloneValues[task][task];
  const slack = ({ values }: Pick<RankTrial<Tasks>, "values">) => {
    return Math.min(
      ...judged.map((task) => task === most && within[task] === undefined ? 0 : values[task] - leastOf(task)),
    );
  };
  const trialOf = (weights: Readonly<Record<Tasks, number>>, values: Record<Tasks, number>) => {
    return { weights, values, within: slack({ values }) >= 0 };
  };
  const of = (weights: Readonly<Record<Tasks, number>>) => {
    const key = JSON.stringify(tasks.map((task) => weights[task]));
    const found = tried.get(key) ?? trialOf(weights, numbersOf(weights));
    tried.set(key, found);
    return found;
  };
  return {
    ...{ most, tasks, kind, of },
    isBetter: (a, b) => {
      if (a.within !== b.within) return a.within;
      return a.within ? a.values[most] > b.values[most] : slack(a) > slack(b);
    },
    end: () => {
      const all = [...tried.values()];
      return {
        alone: recordOf(judged, (task) => trialOf(single(task), aloneValues[task])),
        tradeOff: all.filter((trial) => isUnbeaten(trial, all, judged)).sort((a, b) => b.values[most] - a.values[most]),
        tried: all.length,
      };
    },
  };
}

/** Returns true if no other trial is at least as good for all tasks, and better for one; of equal ones the first. */
function isUnbeaten<Tasks extends string>(
  { values }: RankTrial<Tasks>,
  all: readonly RankTrial<Tasks>[],
  tasks: readonly Tasks[],
): boolean {
  const first = all.find((other) => tasks.every((task) => other.values[task] === values[task]))!;
  return first.values === values && !all.some((other) => {
    return tasks.every((task) => other.values[task] >= values[task]) &&
      tasks.some((task) => other.values[task] > values[task]);
  });
}

/** Returns the function from scores to the judge's number for each task. */
function valuesBy<Tasks extends string>(
  rows: Rows,
  tasks: readonly Tasks[],
  judge: Judge,
): (scores: Float64Array) => Record<Tasks, number> {
  if (!isRecord(rows) || !isRecord(rows.inputs)) {
    throw new TypeError(`Cannot ${action}: wanted the rows that were predicted, found ${kindOf(rows)}`);
  }
  const groups = judge.by === undefined ? undefined : rows.by?.[judge.by];
  if (judge.by !== undefined && groups === undefined) {
    const wanted = `rows(encoded, { labels, by: { ${judge.by}: keys } })`;
    throw new TypeError(`Cannot ${action}: the rows have no keys ${quoted(judge.by)}: wanted ${wanted}`);
  }
  for (const columns of [rows.labels, rows.weights]) {
    if (columns !== undefined) checkRecord(action, "labels and weights", columns);
  }
  const labelled = recordOf(tasks, (task) => {
    const labels = columnOf(rows.labels, task);
    if (labels !== undefined) return { labels, weights: columnOf(rows.weights, task) };
    throw new TypeError(`Cannot ${action}: the rows have no labels of task ${quoted(task)}`);
  });
  return (scores) =>
    recordOf(tasks, (task) => {
      const { labels, weights } = labelled[task];
      const value = judge(scores, labels, weights, groups);
      if (!Number.isNaN(value)) return value;
      throw new RangeError(`Cannot ${action}\n  at task ${quoted(task)}: no rows make a list that can be judged`);
    });
}

function recordOf<Names extends string, T>(names: readonly Names[], of: (name: Names) => T): Record<Names, T> {
  return Object.fromEntries(names.map((name) => [name, of(name)])) as Record<Names, T>;
}
