import { evaluate, type Model, type Rows, textTable } from "@gatehouse/gatehouse";
import { delong, gauc, type Judgement, predictedOverObserved } from "@gatehouse/gatehouse/metrics";
import type { Inputs } from "./inputs.ts";
import { tasks } from "./log.ts";

/** A model, and how it was made. */
export interface Judged {
  readonly model: string;
  readonly inputs: Inputs;
  readonly seed: number;
  /** The seconds of its training; 0 if it was loaded. */
  readonly seconds: number;
  /** The memory of the program after it, in MiB. */
  readonly mib: number;
}

/** The quality of a model's predictions of a task in a part of the rows. */
export interface Measure extends Judged {
  readonly task: string;
  readonly split: string;
  readonly auc: number;
  readonly gauc: number;
  /** The 95 % interval of the AUC (DeLong). */
  readonly interval: readonly [lower: number, upper: number];
  /** The sum of the predictions over the number of positive rows. */
  readonly calibration: number;
  /** The users of one class, of whom no AUC is. */
  readonly left: number;
}

/** Returns the quality of a model's predictions of each task in a part of the rows: GAUC is by user, weighted by rows. */
export async function measured(model: Model, rows: Rows, split: string, how: Judged): Promise<Measure[]> {
  const judges = { auc95: delong(), gauc: gauc({ by: "user" }), calibration: predictedOverObserved };
  const { judged = {} } = await evaluate(model, rows, { judges });
  return tasks.map((task) => {
    const { auc95, gauc, calibration } = judged[task] as Readonly<Record<keyof typeof judges, Judgement>>;
    return {
      ...how,
      task,
      split,
      auc: auc95.value,
      gauc: gauc.value,
      interval: auc95.interval ?? [NaN, NaN],
      calibration: calibration.value,
      left: gauc.left?.groups ?? 0,
    };
  });
}

/** Returns what `--json` writes of a measure. */
export function recordOf({ model, inputs, task, split, auc, gauc, seed, seconds, mib }: Measure) {
  return { model, inputs, task, split, auc, gauc, seed, seconds, mib };
}

/** Returns measures as a table for people. */
export function measureTable(measures: readonly Measure[]): string {
  return textTable(
    measures.map(({ model, split, task, auc, interval, gauc, calibration, seconds, mib }) => ({
      model,
      rows: split,
      task,
      AUC: auc.toFixed(4),
      "95 %": interval.map((end) => end.toFixed(4)).join(" to "),
      GAUC: gauc.toFixed(4),
      "predicted/observed": calibration.toFixed(3),
      seconds: Math.round(seconds),
      MiB: mib,
    })),
  );
}
