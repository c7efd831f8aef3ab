import { textTable } from "@gatehouse/gatehouse";
import type { Difference } from "./bootstrap.ts";
import { aucsOf, cellsOf, gapOf, spreadOf } from "./census_cells.ts";
import { keptTrials, logisticTrial, mostEpochs } from "./census_run.ts";
import { methods, type Trial, trialText } from "./census_space.ts";
import { bestTrial, type CensusTable, runsOfTables } from "./census_stages.ts";
import { tableAucs } from "./printed.ts";
import { type Budget, type Result, resultsOf } from "./study.ts";

/** A table of the paper in text: AUC beside the paper's, what was found by the search, differences, the yardstick. */
export function censusSummary(results: readonly Result[], of: CensusTable, budget: Budget): string {
  const { trials, bootstrap } = runsOfTables(budget);
  const parts: readonly (readonly [string, string])[] = [
    [`Test AUC of ${of.main}`, aucTable(results, of, budget, "main")],
    [
      `Test AUC of never married; with best: that of the run whose ${of.main} is best`,
      aucTable(results, of, budget, "marital"),
    ],
    [
      `The best of ${trials} random trials each by validation AUC of ${of.main}, at most ${mostEpochs} epochs`,
      trialTable(results, of, trials),
    ],
    ...(["main", "marital"] as const).map((task) =>
      [
        `AUC of ${
          task === "main" ? of.main : "never married"
        } less that of mmoe, intervals of 95 %: of the means over ` +
        `seeds\n(Welch); over test rows (paired bootstrap, mean of ${bootstrap} runs); of the means over both`,
        gapTable(results, of, budget, task),
      ] as const
    ),
    ...(of.group === 1
      ? [["Yardstick: test AUC with education among the inputs", keptTable(results, of)] as const]
      : []),
  ];
  return parts.map(([title, text]) => `${title}\n${text}`).join("\n\n");
}

/** The results of each method's runs, and the paper's. */
function aucTable(results: readonly Result[], of: CensusTable, budget: Budget, task: "main" | "marital"): string {
  return textTable(
    Object.entries(cellsOf(results, of, budget)).map(([method, setting]) => {
      const { runs, ...spread } = spreadOf(aucsOf(results, of, setting));
      const printed = tableAucs[of.name][method];
      const best = task === "main" ? "best" : "with best";
      return {
        method,
        runs,
        mean: digits(spread[task].mean),
        sd: digits(spread[task].sd),
        [best]: digits(task === "main" ? spread.main.best : spread.marital.withBest),
        "paper's mean": printed === undefined ? "" : digits(printed[task].mean),
        [`paper's ${best}`]: printed === undefined
          ? ""
          : digits(task === "main" ? printed.main.best : printed.marital.withBest),
      };
    }),
  );
}

/** The chosen trials. */
function trialTable(results: readonly Result[], of: CensusTable, trials: number): string {
  const chosen = methods.flatMap((method) => {
    const trial = bestTrial(results, of, method, trials);
    if (trial === undefined) return [];
    const { found, seconds } = resultsOf(results, of.name, { stage: "search", method, trial })[0];
    const { drawn, validation, epochs, parameters } = found as unknown as {
      readonly drawn: Trial;
      readonly validation: Readonly<Record<string, number | null>>;
      readonly epochs: number;
      readonly parameters: number;
    };
    return [{
      method,
      trial,
      validation: digits(validation[of.main] ?? NaN),
      epochs,
      parameters,
      seconds: Math.round(seconds),
      "hyper-parameters": trialText(drawn),
    }];
  });
  return `${textTable(chosen)}\nlogistic, not searched: ${trialText(logisticTrial)}`;
}

/** The distance of each method from MMoE. */
function gapTable(results: readonly Result[], of: CensusTable, budget: Budget, task: "main" | "marital"): string {
  const cells = cellsOf(results, of, budget);
  return textTable(
    Object.keys(cells).filter((method) => method !== "mmoe").flatMap((method) => {
      const gap = gapOf(results, of, cells, method, task);
      if (gap === undefined) return [];
      return [{
        method,
        difference: digits(gap.both.difference),
        "over seeds": interval(gap.seeds),
        "of the runs": digits(gap.rows.difference),
        "over rows": interval(gap.rows),
        "over both": interval(gap.both),
        better: better(gap.both, method),
      }];
    }),
  );
}

/** The peers' example. */
function keptTable(results: readonly Result[], of: CensusTable): string {
  return textTable(
    Object.entries(keptTrials).map(([method, trial]) => {
      const { runs, main, marital } = spreadOf(aucsOf(results, of, { stage: "education kept", method }));
      return {
        method,
        runs,
        income: digits(main.mean),
        sd: digits(main.sd),
        "never married": digits(marital.mean),
        "hyper-parameters": trialText(trial),
      };
    }),
  );
}

/** The better of the two, where the interval decides it. */
function better({ low, high }: Difference, method: string): string {
  if (low > 0) return method;
  return high < 0 ? "mmoe" : "undecided";
}

function interval({ low, high }: Difference): string {
  return `${digits(low)} to ${digits(high)}`;
}

/** Four digits, and nothing where there is no number. */
function digits(number: number): string {
  return Number.isNaN(number) ? "" : number.toFixed(4);
}
