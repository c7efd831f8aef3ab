import { textTable } from "@gatehouse/gatehouse";
import type { Curve } from "./curves.ts";
import { type Budget, type Result, resultsOf, runsOf, type Study } from "./study.ts";
import type { ModelName } from "./synthetic_models.ts";
import { type Recipe, recipe, syntheticRun } from "./synthetic_run.ts";
import { meanOf } from "./moments.ts";

/** The choices that the paper leaves open, made otherwise, one at a time. */
export const variations: Readonly<Record<string, Partial<Recipe>>> = {
  "10,000 rows": { rows: 10_000 },
  "every row once": { rows: 640_000 },
  "256 rows a step": { batch: 256 },
  "labels not standardised": { standardise: false },
  "one sine": { labels: { frequencies: [3], phases: [1.5] } },
  "scale 1": { labels: { scale: 1 } },
};

const names: readonly ModelName[] = ["shared-bottom", "omoe", "mmoe"];
/** The correlations at which choices are varied. */
export const ends = [0.5, 1] as const;

/** The rates that are tried with every choice; 0.0001 learns too little in 10,000 steps. */
export const tried = [1e-2, 1e-3] as const;

/** Sensitivity: what becomes of the claims where the paper's silence is filled otherwise. */
export const sensitivity: Study = {
  name: "sensitivity",
  about: "final losses where what the paper leaves out is chosen otherwise",
  jobs: (_, { smoke, runs = smoke ? 2 : 8 }: Budget) =>
    Object.keys(variations).flatMap((choice) =>
      names.flatMap((model) =>
        ends.flatMap((correlation) =>
          tried.flatMap((rate) => runsOf("sensitivity", { choice, model, correlation, rate }, runs))
        )
      )
    ),
  run({ setting }, tools) {
    const { choice, model, correlation, rate } = setting;
    const varied = { ...recipe, ...variations[choice] };
    return syntheticRun(
      { model: model as ModelName, correlation: Number(correlation), rate: Number(rate) },
      varied,
      tools,
    );
  },
  summary(results) {
    const lines = Object.keys(variations).flatMap((choice) =>
      names.flatMap((model) => tried.map((rate) => ({ choice, model, rate })))
    );
    return textTable(lines.map((line) => {
      const cells = ends.map((correlation) => finals(results, { ...line, correlation }));
      return {
        ...line,
        rate: String(line.rate),
        ...Object.fromEntries(ends.map((p, i) => [`p = ${p}`, cells[i].training])),
        ...Object.fromEntries(ends.map((p, i) => [`held out, p = ${p}`, cells[i].held])),
        runs: cells[0].runs,
      };
    }));
  },
};

/** The final losses of a cell. */
function finals(results: readonly Result[], setting: Record<string, string | number>) {
  const curves = resultsOf(results, "sensitivity", setting).map(({ found }) => found as unknown as Curve);
  return {
    training: meanOf(curves.map(({ last }) => last[0])).toFixed(3),
    held: meanOf(curves.map(({ held }) => held[0])).toFixed(3),
    runs: curves.length,
  };
}
