import type { Rows } from "../data/rows.ts";
import { quoted } from "../errors/quoted.ts";
import { advice } from "../errors/nearest.ts";
import { groupsOf, lossOverAll, measuresOf } from "../heads/heads.ts";
import type { JudgeRule } from "../heads/judge.ts";
import { checkCombined } from "../spec/combine.ts";
import type { Spec } from "../spec/spec.ts";
import { checkWord, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import type { Evaluation } from "../model/evaluation.ts";
import { labelled } from "../model/feed.ts";
import { judgementAt, type Judges, rulesFor } from "../model/judges.ts";
import { type Data, isInMemory } from "../model/pieces.ts";

/** A rule to stop training early: once what is watched has not improved for some evaluations. */
export interface Stopping<Tasks extends string = string> {
  /** The task that is watched, or several with their weights in the sum: tasks disagree on when they are at their best. */
  readonly task: Tasks | { readonly [task in Tasks]?: number };
  /** The watched number of each task: `loss`, a metric of their heads such as `auc`, or the name of a judge. Default `loss`. */
  readonly metric?: string;
  /** The evaluations in a row without improvement after which training stops: one an epoch, or more by `evaluate`. Default 1. */
  readonly patience?: number;
  /**
   * The best parameters that are kept: those of the `sum` of what is watched, which the model has at the end, or those for
   * `each` watched task too, of which {@linkcode bestByTask} makes a model that predicts each task by its own best. Then
   * training stops once neither the sum nor a task has improved. Memory: of each task one copy of the parameters, and of
   * the vectors that have changed since, with `average` of all. Default `"sum"`.
   */
  readonly best?: "sum" | "each";
}

/** A watcher of one evaluation after the other. */
export interface Watcher<Tasks extends string = string> {
  /** Looks at an evaluation; returns what it is the best so far for: "" for the sum, and tasks if each counts. */
  readonly see: (evaluation: Evaluation<Tasks>) => readonly string[];
  /** Returns the tasks whose own best is kept, and of each and of the sum the number of its best evaluation. */
  readonly bests: () => ReadonlyMap<string, number>;
  /** Returns true if training should stop. */
  readonly stops: () => boolean;
  /** Returns what it knows, as JSON holds it. */
  readonly saved: () => Watched;
  /** Goes on from what it knew before. */
  readonly begin: (saved: Watched) => void;
}

/**
 * The knowledge of a watcher: the best sum of what is watched, if there was one, and the evaluations since; where each task
 * counts also the number of evaluations, and the best of each with the number of its evaluation, "" for the sum.
 */
export type Watched = {
  readonly best: number | null;
  readonly since: number;
  readonly seen?: number;
  readonly each?: { readonly [name: string]: readonly [best: number, at: number] };
};

/**
 * Returns a watcher of one evaluation after the other.
 *
 * @param validation The rows that are evaluated.
 * @param judges The judges of their evaluation.
 * @throws {TypeError} if an option, a task or the metric is unknown.
 * @throws {RangeError} if a weight or the patience is out of range, or there are no validation rows
 * whose labels make a number of what is watched, as those of one class make no AUC; when it looks, if it is NaN. Rows that are
 * not in memory are not read before: their labels are found out when they are evaluated first, after an epoch.
 */
export function watcher<Tasks extends string>(
  stopping: Stopping<Tasks>,
  spec: Spec<Tasks>,
  validation: Data | undefined,
  judges: Judges = {},
): Watcher<Tasks> {
  const names = ["task", "metric", "patience", "best"];
  const { task, metric = "loss", patience = 1, best = "sum" } = optionsOf("stop early", stopping, names);
  checkWord("stop early", "best", best, ["sum", "each"]);
  if (best === "each") checkCombined(spec, "stop early");
  const weights = (typeof task === "string" ? { [task]: 1 } : task) as Record<Tasks, number>;
  if (!isRecord(weights)) {
    throw new TypeError(`Cannot stop early: wanted a task, or weights by task, found ${kindOf(weights)}`);
  }
  const rows = validation !== undefined && isInMemory(validation) ? validation : undefined;
  if (validation === undefined || rows?.count === 0) {
    throw new RangeError("Cannot stop early: there are no validation rows to watch");
  }
  const ruleOf = (name: Tasks) => rulesFor(spec.tasks[name].head, judges).find(([judge]) => judge === metric)?.[1];
  const numbered = (name: Tasks, value: number) => {
    if (!Number.isNaN(value)) return value;
    const cause = rows === undefined || ruleOf(name) !== undefined ? unread : causeOf(spec, rows, name, metric);
    throw new RangeError(`Cannot stop early: the ${metric} of task ${quoted(name)} is NaN: ${cause}`);
  };
  if (!(Number.isSafeInteger(patience) && patience >= 1)) {
    throw new RangeError(`Cannot stop early: patience must be a whole number of at least 1, found ${kindOf(patience)}`);
  }
  const watched = Object.entries<number>(weights) as [Tasks, number][];
  if (watched.length === 0) throw new RangeError("Cannot stop early: no task is watched");
  checkWatched(watched, metric, spec, judges);
  if (rows !== undefined) {
    for (const [name] of watched) numbered(name, ofAlike(metric, spec, rows, name, ruleOf(name)));
  }
  const signs = Object.fromEntries(watched.map(([name]) => {
    return [name, (ruleOf(name) ?? measuresOf(spec.tasks[name].head)[metric])?.best === "most" ? 1 : -1];
  }));
  return watching(patience, best === "each", ({ loss, metrics }) => {
    const scores = watched.map(([name]) => {
      return [name, signs[name] * numbered(name, metric === "loss" ? loss[name] : metrics[name][metric])] as const;
    });
    return new Map([["", scores.reduce((total, [name, score]) => total + weights[name] * score, 0)], ...scores]);
  });
}

/** Makes sure that a model has the tasks that are watched, each with the metric, or a judge of that name. */
function checkWatched(
  watched: readonly (readonly [string, number])[],
  metric: string,
  spec: Spec,
  judges: Judges,
): void {
  for (const [name, weight] of watched) {
    if (!Object.hasOwn(spec.tasks, name)) {
      const near = advice(name, Object.keys(spec.tasks));
      throw new TypeError(`Cannot stop early: the model has no task ${quoted(name)}${near}`);
    }
    if (!(Number.isFinite(weight) && weight > 0)) {
      const found = `found ${kindOf(weight)}`;
      throw new RangeError(`Cannot stop early: the weight of task ${quoted(name)} must be above 0, ${found}`);
    }
    const { head } = spec.tasks[name];
    const stops = rulesFor(head, judges).filter(([, { best }]) => best !== undefined).map(([judge]) => judge);
    const known = ["loss", ...Object.keys(measuresOf(head)), ...stops];
    if (!known.includes(metric)) {
      const head = `task ${quoted(name)} has no metric ${kindOf(metric)}`;
      throw new TypeError(`Cannot stop early: ${head}${advice(metric, known)}`);
    }
  }
}

/**
 * Returns a watcher of scores, the larger the better.
 *
 * @param each True if each score counts, not the sum alone.
 * @param scoresOf Returns the scores of tasks by name, and their sum by "".
 */
function watching<Tasks extends string>(
  patience: number,
  each: boolean,
  scoresOf: (evaluation: Evaluation<Tasks>) => ReadonlyMap<string, number>,
): Watcher<Tasks> {
  const bests = new Map<string, readonly [best: number, at: number]>();
  let [seen, since] = [0, 0];
  return {
    see: (evaluation) => {
      seen++;
      const scores = [...scoresOf(evaluation)].filter(([name]) => each || name === "");
      const better = scores.filter(([name, score]) => score > (bests.get(name)?.[0] ?? -Infinity));
      for (const [name, score] of better) bests.set(name, [score, seen]);
      since = better.length > 0 ? 0 : since + 1;
      return better.map(([name]) => name);
    },
    bests: () => new Map([...bests].map(([name, [, at]]) => [name, at])),
    stops: () => since >= patience,
    saved: () => {
      const best = bests.get("")?.[0] ?? null;
      return { best, since, ...each && { seen, each: Object.fromEntries(bests) } };
    },
    begin: (saved) => {
      if (saved.best !== null) bests.set("", [saved.best, 0]);
      for (const [name, best] of Object.entries(saved.each ?? {})) bests.set(name, best);
      [seen, since] = [saved.seen ?? 0, saved.since];
    },
  };
}

/** Returns the end of the name of what is kept for a task; none for the sum, whose name is "". */
export function ofTask(name: string): string {
  return name === "" ? "" : ` of ${name}`;
}

/** The reasons why a number of rows that are not in memory may be NaN. */
const unread =
  "no validation row counts for it, or their labels are of one class, in all or in each group, of which there is no " +
  "AUC, or predictions are not finite";

/** Returns the reason, in words, why a number of a task is NaN on rows. */
function causeOf(spec: Spec, rows: Rows, task: string, metric: string): string {
  const { head, only } = spec.tasks[task];
  const { labels, weights, groups } = labelled(spec, rows, task);
  const counted = labels.filter((_, row) => weights[row] > 0);
  const [space, within] = [only === undefined ? "" : ` where ${quoted(only)} is 1`, groupsOf(head)];
  if (counted.length === 0) {
    const group = within === undefined ? "" : `, a group in ${quoted(within)}`;
    return `no validation row${space} has its label${group} and a weight above 0`;
  }
  const measure = measuresOf(head)[metric];
  const numberOf = metric === "loss" || measure.of === "loss" ? lossOverAll(head)?.metric : measure.metric;
  const flat = new Float32Array(rows.count * head.units);
  if (!Number.isNaN(numberOf?.(flat, labels, weights, groups) ?? 0)) {
    return "predictions of validation rows are not finite";
  }
  const alike = counted.every((label) => label === counted[0]);
  if (alike) return `its labels are all ${counted[0]} on the validation rows${space}`;
  return `no two validation rows${space} of one group in ${quoted(within ?? "")} differ in its label`;
}

/** Returns what is watched if all rows were predicted alike: NaN if the labels make no number of any predictions. */
function ofAlike(name: string, spec: Spec, rows: Rows, task: string, rule: JudgeRule | undefined): number {
  if (rule !== undefined) return judgementAt(rule, spec, rows, task, new Float32Array(rows.count).fill(0.5)).value;
  const { labels, weights, groups } = labelled(spec, rows, task);
  const { head } = spec.tasks[task];
  const measure = name === "loss" ? undefined : measuresOf(head)[name];
  if (measure === undefined || measure.of === "loss") return weights.some((weight) => weight > 0) ? 0 : NaN;
  return measure.metric(new Float32Array(rows.count * head.units).fill(0.5), labels, weights, groups);
}
