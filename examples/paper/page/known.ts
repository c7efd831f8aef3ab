import type { Cell, Losses, Model } from "../claims.ts";
import { type Curve, curvesOf, rates, runsOfCurves, searched } from "../curves.ts";
import { meanOf } from "../moments.ts";
import { correlations, figure5Losses } from "../printed.ts";
import type { Budget, Result } from "../study.ts";
import { light } from "./style.ts";

/** All that is known when the report is written. */
export interface Known {
  /** Results by study. */
  readonly results: Readonly<Record<string, readonly Result[]>>;
  readonly budget: Budget;
  /** The processors and programs that made the results, where that was kept. */
  readonly machines: readonly string[];
}

/** A kind of loss: of the rows that are trained on, as in the paper, or of others. */
export type Kind = "training" | "held out";

/** The three models, in the order of the paper. */
export const models = ["shared-bottom", "omoe", "mmoe"] as const;

/** The name of each model, and its colour. */
export const looks: Readonly<Record<Model, { readonly name: string; readonly color: string }>> = {
  "shared-bottom": { name: "Shared-Bottom", color: light.bottom },
  omoe: { name: "OMoE", color: light.omoe },
  mmoe: { name: "MMoE", color: light.mmoe },
};

/** A learning rate of a model, and whether all rates were searched before it was chosen. */
export interface Picked {
  readonly rate: number;
  readonly searched: boolean;
}

/**
 * The best rate of a model. Before the search has ended: that of the rates with most runs whose mean loss
 * is less. Undefined where the model has no run at all.
 */
export function picked(
  { results, budget }: Known,
  study: string,
  model: string,
): Picked | undefined {
  const all = results[study] ?? [];
  const found = searched(all, study, model, runsOfCurves(budget).search);
  if (found !== undefined) return { rate: found[0].rate, searched: true };
  const tried = rates.map((rate) => {
    const cells = correlations.map((correlation) => curvesOf(all, study, { model, correlation, rate }));
    const losses = cells.flat().map(({ last }) => last[0]);
    return {
      rate,
      fewest: Math.min(...cells.map((cell) => cell.length)),
      runs: losses.length,
      loss: meanOf(losses),
    };
  }).filter(({ runs }) => runs > 0).sort((a, b) => b.fewest - a.fewest || a.loss - b.loss);
  return tried.length > 0 ? { rate: tried[0].rate, searched: false } : undefined;
}

/** A way to choose the learning rates of the three models. */
export interface Reading {
  readonly id: "best" | "nearest";
  /** The way, in words. */
  readonly title: string;
  readonly rateOf: (model: Model) => number | undefined;
  /** The mean distance of our nine mean final losses from those of figure 5; undefined until all are there. */
  readonly distance: number | undefined;
}

/**
 * The rates that the search found best, and the one rate for all models at which the final losses are nearest to figure 5;
 * that is left out where it is the same.
 */
export function readings(known: Known): readonly Reading[] {
  const reading = (id: Reading["id"], title: string, rateOf: Reading["rateOf"]) => ({
    id,
    title,
    rateOf,
    distance: distanceOf(known, rateOf),
  });
  const best = reading(
    "best",
    "each model at its best learning rate",
    (model) => picked(known, "figure4", model)?.rate,
  );
  const common = rates.map((rate) => reading("nearest", `all models at learning rate ${rate}`, () => rate))
    .filter(({ distance }) => distance !== undefined).sort((a, b) => a.distance! - b.distance!);
  const same = common.length > 0 && models.every((model) => best.rateOf(model) === common[0].rateOf(model));
  return common.length === 0 || same ? [best] : [best, common[0]];
}

/** The distance of the mean final losses from the paper's, on average over models and correlations. */
function distanceOf(known: Known, rateOf: Reading["rateOf"]): number | undefined {
  const distances = models.flatMap((model) =>
    correlations.map((correlation) => {
      const losses = finals(cell(known, "figure4", model, correlation, rateOf(model)), "training");
      return Math.abs(meanOf(losses) - figure5Losses[model][correlation].mean);
    })
  );
  return distances.some(Number.isNaN) ? undefined : meanOf(distances);
}

/** The curves of a cell of figure 3 or 4 at a rate. */
export function cell(
  { results }: Known,
  study: string,
  model: string,
  correlation: number,
  rate: number | undefined,
): readonly Curve[] {
  return rate === undefined ? [] : curvesOf(results[study] ?? [], study, { model, correlation, rate });
}

/** Final losses of curves: of the first task, for the paper shows one and the two are alike. */
export function finals(curves: readonly Curve[], kind: Kind): number[] {
  return curves.map(({ last, held }) => kind === "training" ? last[0] : held[0]);
}

/** The final losses of figure 4, each model at its own rate. */
export function lossesOf(known: Known, rateOf: (model: Model) => number | undefined, kind: Kind): Losses {
  return ({ model, correlation }: Cell) => finals(cell(known, "figure4", model, correlation, rateOf(model)), kind);
}
