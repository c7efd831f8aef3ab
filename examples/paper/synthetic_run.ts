import { adam, compile, evaluate } from "@gatehouse/gatehouse";
import { type LabelOptions, synthetic } from "@gatehouse/gatehouse/datasets";
import { type ModelName, models } from "./synthetic_models.ts";
import { learn } from "./learn.ts";
import type { Result, Tools } from "./study.ts";

/** The settings of the synthetic experiments that the paper does not print, as we chose them. */
export interface Recipe {
  /** The rows to train on, passed over as often as the steps need. */
  readonly rows: number;
  /** The rows of a step. */
  readonly batch: number;
  /** True if labels have mean 0 and variance 1. */
  readonly standardise: boolean;
  /** The form of the labels as functions of the inputs. */
  readonly labels: LabelOptions;
}

/** The recipe of the figures: with 64 rows a step the final losses come nearest to those of figure 5. */
export const recipe: Recipe = { rows: 50_000, batch: 64, standardise: true, labels: {} };

/** The steps after which the loss is kept, as the mean over the 100 steps before. */
export const marks: readonly number[] = [
  ...Array.from({ length: 10 }, (_, i) => 100 * (i + 1)),
  ...Array.from({ length: 17 }, (_, i) => 1500 + 500 * i),
  9900,
  10_000,
];

/**
 * Trains a model on synthetic data of its own for 10,000 steps.
 *
 * @returns `curve`: the mean training loss of the first task before each mark; `last`: that of both tasks over the last
 * 100 steps; `held`: the loss of both on 10,000 other rows. All in units of the label's variance where it is not
 * standardised.
 */
export async function syntheticRun(
  { model: name, correlation, rate }: {
    readonly model: ModelName;
    readonly correlation: number;
    readonly rate: number;
  },
  { rows, batch, standardise, labels }: Recipe,
  tools: Tools,
): Promise<Result["found"]> {
  const { engine, seed, budget } = tools;
  const draw = { ...labels, correlation, seed, standardise };
  const data = synthetic({ ...draw, rows: budget.smoke ? 500 : rows });
  const held = synthetic({ ...draw, rows: budget.smoke ? 100 : 10_000, part: "held out" });
  const steps = budget.smoke ? 200 : 10_000;
  const model = await compile(models[name], { engine, seed });
  const curve: number[] = [];
  let sums = [0, 0];
  let last: readonly number[] = [];
  try {
    for await (const { step, loss } of learn(name, model, data, { steps, batch, optimiser: adam(rate) }, tools)) {
      sums = [sums[0] + loss.first, sums[1] + loss.second];
      if (step % 100 !== 0) continue;
      last = sums.map((sum) => rounded(sum / 100));
      sums = [0, 0];
      if (marks.includes(step)) curve.push(last[0]);
    }
    const { loss } = await evaluate(model, held);
    return { curve, last, held: [rounded(loss.first), rounded(loss.second)] };
  } finally {
    model.dispose();
  }
}

/** Four digits: the spread over runs is in the first. */
function rounded(loss: number): number {
  return Number(loss.toPrecision(4));
}
