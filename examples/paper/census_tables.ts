import { censusRun, keptTrials } from "./census_run.ts";
import { type Method, methods } from "./census_space.ts";
import { bestTrial, type CensusTable, runsOfTables } from "./census_stages.ts";
import { censusSummary } from "./census_summary.ts";
import { runsOf, type Study } from "./study.ts";

/** Table 1: income, and never married. */
export const table1: Study = study("what seven methods make of income and marital status on Census-Income", {
  name: "table1",
  group: 1,
  main: "income",
});

/** Table 2: education, and never married. */
export const table2: Study = study("what seven methods make of education and marital status on Census-Income", {
  name: "table2",
  group: 2,
  main: "education",
});

/** First the search, then the best trial of each method with many seeds, and all of them on the same test rows. */
function study(about: string, table: CensusTable): Study {
  const { name, group } = table;
  return {
    name,
    about,
    jobs(results, budget) {
      const { trials, seeds, kept, bootstrap } = runsOfTables(budget);
      const best = Object.fromEntries(
        methods.map((method) => [method, bestTrial(results, table, method, trials)] as const)
          .filter((entry): entry is [Method, number] => entry[1] !== undefined),
      );
      const whole = Object.keys(best).length === methods.length;
      return [
        ...methods.flatMap((method) =>
          Array.from({ length: trials }, (_, trial) => ({ stage: "search", method, trial }))
        ).flatMap((setting) => runsOf(name, setting, 1)),
        ...runsOf(name, { stage: "logistic" }, seeds),
        ...(group === 1 ? Object.keys(keptTrials) : [])
          .flatMap((method) => runsOf(name, { stage: "education kept", method }, kept)),
        ...Object.entries(best).flatMap(([method, trial]) => runsOf(name, { stage: "seeds", method, trial }, seeds)),
        ...(whole ? runsOf(name, { stage: "bootstrap", ...best }, bootstrap) : []),
      ];
    },
    run: ({ setting }, tools) => censusRun({ group, setting }, tools),
    summary: (results, budget) => censusSummary(results, table, budget),
  };
}
