import { gateChart, gateWeights, lossChart, type LossPoint, page, type Series } from "@gatehouse/gatehouse/svg";
import { meanOf } from "../paper/moments.ts";
import { modelNames, type Task, taskNames } from "./models.ts";
import type { Moment, Outcome, Run } from "./training.ts";

/** A run that was completed. */
export interface Done {
  readonly run: Run;
  readonly outcome: Outcome;
}

/** The training losses at each rate, the range of the seeds as bands, and the gates of the models that were kept. */
export function pictureOf(done: readonly Done[]): string {
  const rates = [...new Set(done.map(({ run }) => run.rate))];
  const losses = rates.map((rate) => lossesAt(rate, done.filter(({ run }) => run.rate === rate)));
  const kept = done.filter(({ outcome }) => (outcome.gates?.gates ?? []).length > 0);
  const lines = kept.flatMap(({ run, outcome }) => gateWeights(outcome.gates!, { prefix: `${run.model} ` }));
  const title = (run: Run) => `Mean gate weights, seed ${run.seed}, rate ${run.rate}`;
  const gates = lines.length === 0 ? [] : [gateChart(lines, { title: title(kept[0].run) })];
  return page([...losses, ...gates], "Shared-bottom, OMoE and MMoE on two synthetic tasks");
}

/** The losses of the models at one rate. */
function lossesAt(rate: number, done: readonly Done[]): ReturnType<typeof lossChart> {
  const series = taskNames.flatMap((task) =>
    modelNames.flatMap((name): Series[] => {
      const curves = done.filter(({ run }) => run.model === name).map(({ outcome }) => outcome.curve);
      return curves.length === 0 ? [] : [{ name, task, points: pointsOf(curves, task) }];
    })
  );
  const seeds = new Set(done.map(({ run }) => run.seed)).size;
  const note = seeds > 1 ? `mean and range of ${seeds} seeds` : `seed ${done[0].run.seed}`;
  return lossChart(series, { title: `Training loss at rate ${rate}`, scale: "log", note });
}

/** The mean of curves over the same steps, and their range if there are several. */
function pointsOf(curves: readonly (readonly Moment[])[], task: Task): LossPoint[] {
  return curves[0].map(({ step }, at) => {
    const losses = curves.map((curve) => curve[at].loss[task]);
    const range = curves.length > 1 ? { low: Math.min(...losses), high: Math.max(...losses) } : {};
    return { step, loss: meanOf(losses), ...range };
  });
}
