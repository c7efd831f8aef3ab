import type { Sorting } from "../files/sorter.ts";
import type { Scored } from "../heads/folds.ts";
import { measuresApart, measuresOf } from "../heads/heads.ts";
import { type Judgement, tallyOf } from "../heads/judge.ts";
import type { TaskSpec } from "../spec/spec.ts";
import { type Judges, rulesFor } from "./judges.ts";

/** Some rows of one task, as it is judged. */
export interface TaskRows extends Scored {
  readonly weights: ArrayLike<number>;
  /** `[rows]`, or row-major `[rows x classes]`. */
  readonly logits: ArrayLike<number>;
  /** The number of each row's key by the name of the keys, NaN where it has none. */
  readonly keys: Readonly<Record<string, ArrayLike<number>>>;
}

/** The numbers of a task on rows that were judged. */
export interface Verdict {
  /** The metrics of its head, but those that are its loss, and the values of judges, by name. */
  readonly metrics: Readonly<Record<string, number>>;
  /** The judgements, by name. */
  readonly judged: Readonly<Record<string, Judgement>>;
}

/** The metrics and judges of one task, at work on rows that come in pieces. */
export interface TaskJudge {
  readonly add: (rows: TaskRows) => Promise<void>;
  readonly end: () => Promise<Verdict>;
  readonly dispose: () => Promise<void>;
}

/**
 * Begins to judge a task.
 *
 * @param apart True if the mean loss of these rows is not at hand: then metrics that equal it are computed too.
 */
export function taskJudge({ head }: TaskSpec, judges: Judges, sorting: Sorting, apart: boolean): TaskJudge {
  const measures = Object.entries(apart ? measuresApart(head) : measuresOf(head)).flatMap(([name, { begin, of }]) => {
    return of === "loss" ? [] : [{ name, of, fold: begin(sorting) }];
  });
  const tallies = rulesFor(head, judges).map(([name, { by, of, ...rule }]) => {
    return { name, by, of, tally: tallyOf({ by, of, ...rule }, sorting) };
  });
  return {
    add: async ({ predictions, logits, keys, ...rows }) => {
      for (const { of, fold } of measures) {
        await fold.add({ ...rows, predictions: of === "logits" ? logits : predictions });
      }
      for (const { by, of, tally } of tallies) {
        const groups = by === undefined ? undefined : keys[by];
        await tally.add({ ...rows, groups, predictions: of === "logits" ? logits : predictions });
      }
    },
    end: async () => {
      const metrics: Record<string, number> = {};
      const judged: Record<string, Judgement> = {};
      for (const { name, fold } of measures) metrics[name] = await fold.end();
      for (const { name, tally } of tallies) metrics[name] = (judged[name] = await tally.end()).value;
      return { metrics, judged };
    },
    dispose: async () => {
      for (const { fold } of measures) await fold.dispose?.();
      for (const { tally } of tallies) await tally.dispose?.();
    },
  };
}
