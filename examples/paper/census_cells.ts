import { median } from "simple-statistics";
import type { Difference } from "./bootstrap.ts";
import { methods } from "./census_space.ts";
import { bestTrial, type CensusTable, runsOfTables } from "./census_stages.ts";
import { deviationOf, meanOf } from "./moments.ts";
import { type Budget, type Result, resultsOf, type Setting } from "./study.ts";
import { meanDifference } from "./welch.ts";

/** The results of a cell's runs on the test rows, by task; NaN where there is no AUC. */
export interface Aucs {
  readonly main: readonly number[];
  readonly marital: readonly number[];
}

/** The middle and the spread of a sample. */
export interface Middle {
  readonly mean: number;
  readonly sd: number;
  readonly median: number;
}

/** A sample in numbers; of marital status the best is that of the run which is best by the main task. */
export interface Spread {
  readonly runs: number;
  readonly main: Middle & { readonly best: number };
  readonly marital: Middle & { readonly withBest: number };
}

/** The cells of a table: of each method the seeds of its best trial, then logistic regression. */
export function cellsOf(
  results: readonly Result[],
  table: CensusTable,
  budget: Budget,
): Readonly<Record<string, Setting>> {
  const { trials } = runsOfTables(budget);
  const found = methods.map((method) => {
    const trial = bestTrial(results, table, method, trials);
    return trial === undefined ? [] : [[method, { stage: "seeds", method, trial }] as const];
  });
  return { ...Object.fromEntries(found.flat()), logistic: { stage: "logistic" } };
}

/** The AUC of a cell's runs on the test rows. */
export function aucsOf(results: readonly Result[], { name, main }: CensusTable, setting: Setting): Aucs {
  const found = resultsOf(results, name, setting).map(({ found }) =>
    found.test as Readonly<Record<string, number | null>>
  );
  const of = (task: string) => found.map((aucs) => aucs[task] ?? NaN);
  return { main: of(main), marital: of("marital") };
}

/** Mean, spread and best of a cell's runs. */
export function spreadOf({ main, marital }: Aucs): Spread {
  const best = Math.max(...main);
  const withBest = marital[main.indexOf(best)] ?? NaN;
  return {
    runs: main.length,
    main: { ...middleOf(main), best },
    marital: { ...middleOf(marital), withBest },
  };
}

/** The distance of a method from MMoE on a task, with intervals of 95 %. */
export interface Gap {
  /** Over seeds: other initial values and orders, the same test rows. Of the means, Welch's. */
  readonly seeds: Difference;
  /** Over test rows: other people, the same models. By the paired bootstrap, the mean of the runs that compare. */
  readonly rows: Difference;
  /** Over both: the difference of the means over seeds, with the variances of both added. */
  readonly both: Difference;
  /** The degrees of freedom of all three: those of the means over seeds, which are the fewer. */
  readonly freedom: number;
}

/** The distance of a cell from MMoE; undefined until its runs are known. */
export function gapOf(
  results: readonly Result[],
  table: CensusTable,
  cells: Readonly<Record<string, Setting>>,
  name: string,
  task: "main" | "marital",
): Gap | undefined {
  const rows = rowsGap(results, table, name, task === "main" ? table.main : task);
  if (rows === undefined || cells.mmoe === undefined) return undefined;
  const [own, mmoe] = [name, "mmoe"].map((of) => aucsOf(results, table, cells[of])[task]);
  if (own.length < 2 || mmoe.length < 2) return undefined;
  const { difference, sd, freedom, reach } = meanDifference(own, mmoe);
  const within = (sd: number) => ({ difference, sd, low: difference - reach * sd, high: difference + reach * sd });
  return { seeds: within(sd), rows, both: within(Math.hypot(sd, rows.sd)), freedom };
}

/** Paired bootstraps as one: the mean of their numbers, and of standard deviations the root of the mean square. */
function rowsGap(
  results: readonly Result[],
  { name: study }: CensusTable,
  name: string,
  task: string,
): Difference | undefined {
  const found = results.filter((result) => result.study === study && result.setting.stage === "bootstrap")
    .map(({ found }) => (found[task] as Readonly<Record<string, Record<string, number | null>>>)[name]);
  if (found.length === 0) return undefined;
  const of = (what: string) => found.map((each) => each[what] ?? NaN);
  return {
    difference: meanOf(of("difference")),
    sd: Math.sqrt(meanOf(of("sd").map((sd) => sd ** 2))),
    low: meanOf(of("low")),
    high: meanOf(of("high")),
  };
}

function middleOf(sample: readonly number[]): Middle {
  const middle = sample.length === 0 ? NaN : median([...sample]);
  return { mean: meanOf(sample), sd: deviationOf(sample), median: middle };
}
