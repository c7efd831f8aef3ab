import { textTable } from "@gatehouse/gatehouse";
import { correlations, figure5Losses } from "./printed.ts";
import { type Budget, type Result, resultsOf, runsOf, type Setting, type Study } from "./study.ts";
import type { ModelName } from "./synthetic_models.ts";
import { recipe, syntheticRun } from "./synthetic_run.ts";
import { deviationOf, meanOf } from "./moments.ts";

/** The learning rates that the paper searches. */
export const rates = [1e-2, 1e-3, 1e-4] as const;

/** Figure 3: a shared bottom of 16 units. */
export const figure3: Study = study("figure3", "the losses of a shared bottom of 16 units", ["shared-bottom 16"]);

/** Figures 4 and 5: the mean losses of the three models, and how their final losses are distributed. */
export const figure4: Study = study("figure4", "the losses of shared-bottom, OMoE and MMoE, and how they are spread", [
  "shared-bottom",
  "omoe",
  "mmoe",
]);

/** The result of one run. */
export interface Curve {
  /** The mean training loss of the first task over the 100 steps before each mark. */
  readonly curve: readonly number[];
  /** The loss of both tasks over the last 100 steps. */
  readonly last: readonly number[];
  /** The loss of both tasks on other rows. */
  readonly held: readonly number[];
}

/** The runs of a cell as curves. */
export function curvesOf(results: readonly Result[], study: string, setting: Setting): readonly Curve[] {
  return resultsOf(results, study, setting).map(({ found }) => found as unknown as Curve);
}

/** A learning rate and the mean final loss over all correlations that it led to. */
export interface Tried {
  readonly rate: number;
  readonly loss: number;
}

/** The rates of a model from the best on, by the first `runs` runs of all cells; undefined until these are there. */
export function searched(
  results: readonly Result[],
  study: string,
  model: string,
  runs: number,
): readonly Tried[] | undefined {
  const tried = rates.map((rate) => {
    const cells = correlations.map((correlation) =>
      curvesOf(results, study, { model, correlation, rate }).slice(0, runs).map(({ last }) => last[0])
    );
    return { rate, loss: meanOf(cells.flat()), whole: cells.every((losses) => losses.length === runs) };
  });
  if (!tried.every(({ whole }) => whole)) return undefined;
  return tried.map(({ rate, loss }) => ({ rate, loss })).sort((a, b) => a.loss - b.loss);
}

/** The number of runs that search for the rate, and of runs that its cells have in the end. */
export function runsOfCurves(
  { smoke, runs = smoke ? 2 : 30 }: Budget,
): { readonly search: number; readonly all: number } {
  return { search: Math.min(smoke ? 1 : 10, runs), all: runs };
}

/**
 * First every model with every rate, then the rest of the runs with the two best: how far the second is behind shows how
 * much the search matters.
 */
function study(name: string, about: string, models: readonly ModelName[]): Study {
  return {
    name,
    about,
    jobs(results, budget) {
      const { search, all } = runsOfCurves(budget);
      return models.flatMap((model) => {
        const best = searched(results, name, model, search)?.slice(0, 2).map(({ rate }) => rate) ?? [];
        return correlations.flatMap((correlation) =>
          rates.flatMap((rate) => runsOf(name, { model, correlation, rate }, best.includes(rate) ? all : search))
        );
      });
    },
    run: ({ setting }, tools) =>
      syntheticRun(setting as { model: ModelName; correlation: number; rate: number }, recipe, tools),
    summary(results, budget) {
      const { search } = runsOfCurves(budget);
      const found = models.map((model) => ({ model, tried: searched(results, name, model, search) ?? [] }));
      const losses = textTable(found.map(({ model, tried }) => ({
        model,
        ...Object.fromEntries(rates.map((rate) => [`rate ${rate}`, lossAt(tried, rate)])),
        best: String(tried[0]?.rate ?? ""),
      })));
      const cells = [0, 1].flatMap((place) =>
        found.flatMap(({ model, tried }) =>
          (tried.length === 0 ? [] : correlations).map((correlation) => {
            const { rate } = tried[place];
            const curves = curvesOf(results, name, { model, correlation, rate });
            const cell = { rate: String(rate), model, correlation: String(correlation) };
            return { "": ["best", "second"][place], ...cell, ...spread(curves), ...paper(model, correlation) };
          })
        )
      );
      return `Mean final loss over all correlations, ${search} runs each\n${losses}\n\n` +
        `Final training loss of the first task at the two best rates\n${textTable(cells)}`;
    },
  };
}

/** The loss that a rate led to, as text. */
function lossAt(tried: readonly Tried[], rate: number): string {
  return tried.find((each) => each.rate === rate)?.loss.toFixed(4) ?? "";
}

/** The final losses of a cell, in columns. */
function spread(curves: readonly Curve[]): Record<string, string | number> {
  const losses = curves.map(({ last }) => last[0]);
  return {
    runs: losses.length,
    mean: meanOf(losses).toFixed(3),
    sd: deviationOf(losses).toFixed(3),
    least: Math.min(...losses).toFixed(3),
    most: Math.max(...losses).toFixed(3),
    "held out": meanOf(curves.map(({ held }) => held[0])).toFixed(3),
  };
}

/** The paper's values of a cell. */
function paper(model: string, correlation: number): Record<string, string> {
  const printed = figure5Losses[model]?.[correlation];
  return printed === undefined ? {} : { "paper's mean": printed.mean.toFixed(3), "paper's sd": printed.sd.toFixed(3) };
}
