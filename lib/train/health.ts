import type { Rows } from "../data/rows.ts";
import { type Health, health, mostSampled, sampled } from "../inspect/health.ts";
import { digits, fewestRows, type HealthWarning, overfitting, unlabelledTask } from "../inspect/health_warnings.ts";
import { addLabels, noTallies, type Tally } from "../inspect/tally.ts";
import type { Evaluation } from "../model/evaluation.ts";
import type { Model } from "../model/model.ts";
import { type Data, isInMemory, piecesOf } from "../model/pieces.ts";
import type { Spec } from "../spec/spec.ts";
import { mapEntries } from "../trace/entries.ts";
import type { Progress } from "./progress.ts";

/** The observer of a training's health, from one evaluation to the next. */
export interface Observer<Tasks extends string> {
  /** Takes the record of a step. */
  readonly add: (record: Pick<Progress<Tasks>, "loss" | "rows">) => void;
  /** Returns rows as they are to be evaluated: of those that are not in memory, labels are seen as they pass. */
  readonly passing: (validation: Data) => Data;
  /** Returns the health at an evaluation of the rows that were passing. */
  readonly at: (evaluation: Evaluation<Tasks>) => Promise<Health<Tasks>>;
  /** Returns what it knows, from which it goes on. */
  readonly saved: () => Observed;
}

/** The knowledge of an observer between two steps of a training. */
export type Observed = {
  /** The rows that were seen, and those that had been when units were last looked at. */
  readonly seen: number;
  readonly rows: number;
  /** The steps since the last evaluation, and of each task the sum of their losses and the number of those with a label. */
  readonly steps: number;
  readonly losses: { readonly [task: string]: { readonly sum: number; readonly labelled: number } };
  /** The losses of each task at its best evaluation so far. */
  readonly best: { readonly [task: string]: Past };
};

/** The losses of a task at an evaluation: there, and the mean in training since the one before. */
type Past = { readonly loss: number; readonly training: number };

/** The share of the rows in training, at most, by which units and vectors are looked at. */
const share = 0.02;

/**
 * Returns an observer of a training.
 *
 * @param begun What another one knew, of the training that goes on. Default: it begins.
 */
export function observer<Tasks extends string>(model: Model<Tasks>, begun?: Observed): Observer<Tasks> {
  const spec = model.spec as Spec;
  const none = (): Record<string, { sum: number; labelled: number }> =>
    mapEntries(spec.tasks, () => ({ sum: 0, labelled: 0 }));
  const now = { seen: begun?.seen ?? 0, rows: begun?.rows ?? 0, steps: begun?.steps ?? 0 };
  const best: Record<string, Past> = { ...begun?.best };
  let losses = begun === undefined ? none() : mapEntries(begun.losses, (_, of) => ({ ...of }));
  let tallies: Record<string, Tally> = noTallies(spec);
  let inMemory: Rows | undefined;
  let sample: Rows | undefined;
  const look = (from: Rows) => {
    const most = Math.min(mostSampled, Math.floor(share * (now.seen - now.rows)));
    if (most < fewestRows) return;
    sample = sampled(from, most);
    now.rows = now.seen;
  };
  return {
    add: ({ loss, rows }) => {
      now.seen = rows;
      now.steps++;
      for (const [task, of] of Object.entries(losses)) {
        of.sum += loss[task as Tasks];
        if (loss[task as Tasks] !== 0) of.labelled++;
      }
    },
    passing: (validation) => {
      sample = undefined;
      if (isInMemory(validation)) {
        if (inMemory !== validation) addLabels(tallies, spec, validation);
        inMemory = validation;
        look(validation);
        return validation;
      }
      const passed = tallies = noTallies(spec);
      return async function* () {
        for await (const piece of piecesOf(validation, "evaluate")) {
          yield piece; // which is checked there
          addLabels(passed, spec, piece);
          if (sample === undefined) look(piece);
        }
      };
    },
    at: async (evaluation) => {
      const means = mapEntries(losses, (_, { sum, labelled }) => labelled === 0 ? NaN : sum / labelled);
      const training = { loss: means as Record<Tasks, number> };
      const found = await health(model, { sample, evaluation, tallies, training });
      const known = Object.entries(tallies).filter(([, { rows }]) => rows >= fewestRows).map(([task]) => task);
      const more = known.flatMap((task): HealthWarning[] => {
        if (now.steps > 0 && Number.isNaN(means[task])) return [unlabelledTask(task, "the training rows")];
        return risen(task, { loss: evaluation.loss[task as Tasks], training: means[task] }, best);
      });
      now.steps = 0;
      losses = none();
      const others = found.warnings.filter(({ path }) => more.every((one) => one.path !== path));
      return { ...found, warnings: [...others, ...more] };
    },
    saved: () => ({ ...now, losses: mapEntries(losses, (_, of) => ({ ...of })), best: { ...best } }),
  };
}

/**
 * Returns the warning that the loss of a task is above its lowest so far, while that in training fell.
 *
 * @param best The losses at the best evaluation of each task so far, to which this one is added where it is better.
 */
function risen(task: string, now: Past, best: Record<string, Past>): HealthWarning[] {
  const before = Object.hasOwn(best, task) ? best[task] : undefined;
  if (Number.isNaN(now.training)) return [];
  if (before === undefined || now.loss < before.loss) best[task] = now;
  if (before === undefined || !(now.loss > 1.02 * before.loss && now.training < before.training)) return [];
  const found = `its loss is ${digits(now.loss)}, and was ${digits(before.loss)} before, while that in training fell ` +
    `from ${digits(before.training)} to ${digits(now.training)}`;
  return [overfitting(task, found)];
}
