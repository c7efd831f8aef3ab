import type { Rows } from "../data/rows.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { measuresOf } from "../heads/heads.ts";
import { type Judge, type Judgement, judgementOf, type JudgeRule, judgeRule } from "../heads/judge.ts";
import type { HeadForm } from "../heads/spec.ts";
import type { Spec } from "../spec/spec.ts";
import { columnOf, labelled } from "./feed.ts";
import { keyNumbering } from "./key_numbers.ts";

/** Judges by name, as an option takes them. */
export type Judges = Readonly<Record<string, Judge>>;

/** Returns the rules of the judges that fit a head, by name. */
export function rulesFor({ kind }: Pick<HeadForm, "kind">, judges: Judges): [name: string, rule: JudgeRule][] {
  return Object.entries(judges).map(([name, judge]): [string, JudgeRule] => [name, judgeRule(judge, name)])
    .filter(([, { heads }]) => heads.includes(kind));
}

/**
 * Makes sure that judges are judges, each of some task of a model, none of which has a metric of that name.
 *
 * @throws {TypeError} if they are not.
 */
export function checkJudges(judges: unknown, { tasks }: Pick<Spec, "tasks">, action: string): asserts judges is Judges {
  if (!isRecord(judges)) {
    throw new TypeError(`Cannot ${action}: judges must be an object of judges by name, found ${kindOf(judges)}`);
  }
  for (const [name, judge] of Object.entries(judges)) {
    const rule = judgeRule(judge, `Cannot ${action}: judge ${quoted(name)}`);
    const fit = Object.entries(tasks).filter(([, { head }]) => rule.heads.includes(head.kind));
    if (fit.length === 0) {
      const kinds = rule.heads.join(" or ");
      throw new TypeError(`Cannot ${action}: judge ${quoted(name)} is of ${kinds} tasks, and the model has none`);
    }
    const taken = fit.find(([, { head }]) => name === "loss" || Object.hasOwn(measuresOf(head), name));
    if (taken !== undefined) {
      const why = `task ${quoted(taken[0])} has a metric of that name`;
      throw new TypeError(`Cannot ${action}: judge ${quoted(name)} needs another name: ${why}`);
    }
  }
}

/**
 * Makes sure that rows have the keys by which they are judged and cut into segments.
 *
 * @throws {TypeError} naming the judge or the segments whose keys they lack.
 */
export function checkKeysOf(
  rows: Rows,
  judges: Judges,
  segments: Readonly<Record<string, string>>,
  action: string,
): void {
  const wanted = [
    ...Object.entries(judges).map(([name, { by }]) => [`judge ${quoted(name)}`, by] as const),
    ...Object.entries(segments).map(([name, by]) => [`segments ${quoted(name)}`, by] as const),
  ];
  for (const [what, by] of wanted) {
    if (by === undefined || Object.hasOwn(rows.by ?? {}, by) || columnOf(rows.labels, by) !== undefined) continue;
    const lack = `${what} groups rows by ${quoted(by)}, keys that they lack${advice(by, Object.keys(rows.by ?? {}))}`;
    throw new TypeError(
      `Cannot ${action}: ${lack}; rows(inputs, { labels, by: { ${quoted(by)}: column } }) gives them keys`,
    );
  }
}

/** Returns the judgement of predictions of a task for rows in memory, each of them one number. */
export function judgementAt(
  rule: JudgeRule,
  spec: Spec,
  rows: Rows,
  task: string,
  predictions: Float32Array,
): Judgement {
  const groups = rule.by === undefined ? undefined : keyNumbering().numbersOf(rows, rule.by);
  const { labels, weights } = labelled(spec, rows, task);
  return judgementOf(rule, { predictions, labels, weights, groups });
}
