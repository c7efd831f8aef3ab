import type { Method } from "./census_space.ts";
import { type Budget, type Result, resultsOf } from "./study.ts";

/** The subject of a table of the paper. */
export interface CensusTable {
  readonly name: string;
  readonly group: 1 | 2;
  /** The task by whose validation AUC trials are chosen. */
  readonly main: string;
}

/** The number of trials of a method in the search, and of runs in the later stages. */
export function runsOfTables({ smoke, runs = smoke ? 2 : 10 }: Budget): Readonly<Record<string, number>> {
  return { trials: smoke ? 2 : 8, seeds: runs, kept: Math.min(3, runs), bootstrap: Math.min(smoke ? 1 : 3, runs) };
}

/** The trial of a method whose validation AUC of the main task is most, once all trials are known. */
export function bestTrial(
  results: readonly Result[],
  { name, main }: CensusTable,
  method: Method,
  trials: number,
): number | undefined {
  const found = Array.from(
    { length: trials },
    (_, trial) => resultsOf(results, name, { stage: "search", method, trial })[0],
  );
  if (found.includes(undefined!)) return undefined;
  const aucs = found.map(({ found }) => (found.validation as Readonly<Record<string, number | null>>)[main] ?? 0);
  return aucs.indexOf(Math.max(...aucs));
}
