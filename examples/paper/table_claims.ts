import { mean } from "simple-statistics";
import type { Difference } from "./bootstrap.ts";
import { aucsOf, cellsOf, gapOf } from "./census_cells.ts";
import { methods } from "./census_space.ts";
import type { CensusTable } from "./census_stages.ts";
import { tableAucs } from "./printed.ts";
import { bootstrap, type Bounds, type Estimate, levelOf, together, type Verdict, verdictOf } from "./statistics.ts";
import type { Budget, Result } from "./study.ts";
import { meanDifference, studentReach } from "./welch.ts";

/** A claim about tables 1 and 2, tested. */
export interface TableVerdict {
  readonly name: string;
  readonly says: string;
  readonly test: string;
  readonly verdict: Verdict;
  /** The fewest runs of its cells; 0 where there are none. */
  readonly runs: number;
  readonly parts: readonly TablePart[];
}

/** One quantity of a claim. */
export interface TablePart {
  readonly what: string;
  /** The paper's value. */
  readonly paper?: number;
  /** Undefined until its runs are there. */
  readonly estimate?: Estimate;
  readonly verdict: Verdict;
}

/** The two tables. */
export const tables: readonly CensusTable[] = [
  { name: "table1", group: 1, main: "income" },
  { name: "table2", group: 2, main: "education" },
];

/** The name of each method. */
export const methodNames: Readonly<Record<string, string>> = {
  "single-task": "Single-Task",
  "shared-bottom": "Shared-Bottom",
  "l2-constrained": "L2-Constrained",
  "cross-stitch": "Cross-Stitch",
  "tensor-factorisation": "Tensor-Factorization",
  omoe: "OMoE",
  mmoe: "MMoE",
  logistic: "logistic regression",
};

/** The least distance of a method that is far behind; in the paper Tensor-Factorization is 0.15 or more behind. */
const far = 0.05;
/** The most that our mean may be below the paper's. */
const margin = 0.003;

/** The claims about the tables, tested on what is known of them. */
export function tableVerdicts(results: Readonly<Record<string, readonly Result[]>>, budget: Budget): TableVerdict[] {
  const known = tables.map((table) => tableOf(results[table.name] ?? [], table, budget));
  const how = "means over seeds, interval over seeds and test rows";
  return [
    ...known.map((table, at) =>
      claim(
        `6${"ab"[at]}`,
        `MMoE has the best AUC of all seven methods for ${table.main}`,
        `AUC of MMoE less that of each other, ${how}: above 0`,
        methods.filter((method) => method !== "mmoe").map((method) => ({
          what: `less ${methodNames[method]}`,
          paper: table.printed("mmoe") - table.printed(method),
          bounds: { above: 0 },
          gap: table.over(method),
        })),
        known[at].runs,
      )
    ),
    claim(
      "7",
      "Both mixtures are above Shared-Bottom on the main task",
      `AUC of the mixture less that of Shared-Bottom, ${how}: above 0`,
      known.flatMap((table) =>
        (["omoe", "mmoe"] as const).map((method) => ({
          what: `${methodNames[method]}, ${table.main}`,
          paper: table.printed(method) - table.printed("shared-bottom"),
          bounds: { above: 0 },
          gap: method === "mmoe" ? table.over("shared-bottom") : table.between(method, "shared-bottom"),
        }))
      ),
      Math.min(...known.map(({ runs }) => runs)),
    ),
    claim(
      "8",
      "Tensor-Factorization is far behind",
      `AUC of MMoE less that of Tensor-Factorization, ${how}: above ${far}`,
      known.map((table) => ({
        what: table.main,
        paper: table.printed("mmoe") - table.printed("tensor-factorisation"),
        bounds: { above: far },
        gap: table.over("tensor-factorisation"),
      })),
      Math.min(...known.map(({ runs }) => runs)),
    ),
    claim(
      "A",
      "Not in the paper: our MMoE reaches the AUC that the paper prints",
      `mean AUC of MMoE less the paper's, bootstrap over seeds, on our half of the test file: above −${margin}`,
      known.flatMap((table) =>
        (["main", "marital"] as const).map((task) => ({
          what: task === "main" ? table.main : `never married, with ${table.main}`,
          paper: 0,
          bounds: { above: -margin },
          gap: table.overPaper(task),
        }))
      ),
      Math.min(...known.map(({ runs }) => runs)),
    ),
    claim(
      "B",
      "Not in the paper: MMoE is above logistic regression on the main task",
      `AUC of MMoE less that of logistic regression, ${how}: above 0`,
      known.map((table) => ({ what: table.main, bounds: { above: 0 }, gap: table.over("logistic") })),
      Math.min(...known.map(({ runs }) => runs)),
    ),
  ];
}

interface Asked {
  readonly what: string;
  readonly paper?: number;
  readonly bounds: Bounds;
  /** The estimate, its intervals at a level. */
  readonly gap: (level: number) => Estimate | undefined;
}

function claim(name: string, says: string, test: string, asked: readonly Asked[], runs: number): TableVerdict {
  const level = levelOf(asked.length);
  const parts = asked.map(({ what, paper, bounds, gap }): TablePart => {
    const estimate = gap(level);
    return { what, paper, estimate, verdict: estimate === undefined ? "undecided" : verdictOf(estimate, bounds) };
  });
  return { name, says, test, verdict: together(parts.map(({ verdict }) => verdict)), runs, parts };
}

/** The test of a table. */
function tableOf(results: readonly Result[], table: CensusTable, budget: Budget) {
  const cells = cellsOf(results, table, budget);
  const aucs = (method: string) => cells[method] === undefined ? undefined : aucsOf(results, table, cells[method]);
  const gap = (method: string) => gapOf(results, table, cells, method, "main");
  return {
    main: table.main,
    runs: Math.min(...methods.map((method) => aucs(method)?.main.length ?? 0)),
    printed: (method: string) => tableAucs[table.name][method].main.mean,
    /** MMoE less another. */
    over: (method: string) => (level: number): Estimate | undefined => {
      const found = gap(method);
      return found === undefined ? undefined : widened(found.both, found.freedom, level, -1);
    },
    /** One less another; the spread over rows is that of both from MMoE, as if independent: rather too wide. */
    between: (method: string, other: string) => (level: number): Estimate | undefined => {
      const [a, b] = [aucs(method)?.main ?? [], aucs(other)?.main ?? []];
      const rows = [gap(method), gap(other)].map((found) => found?.rows.sd);
      if (a.length < 2 || b.length < 2 || rows.includes(undefined)) return undefined;
      const { difference, sd, freedom, reach } = meanDifference(a, b);
      const both = Math.hypot(sd, rows[0]!, rows[1]!);
      return widened(
        { difference, sd: both, low: difference - reach * both, high: difference + reach * both },
        freedom,
        level,
        1,
      );
    },
    overPaper: (task: "main" | "marital") => (level: number): Estimate | undefined => {
      const found = aucs("mmoe")?.[task] ?? [];
      const paper = tableAucs[table.name].mmoe[task].mean;
      if (found.length < 2 || found.some(Number.isNaN)) return undefined;
      return bootstrap([found], ([sample]) => mean([...sample]) - paper, { level, seed: `${table.name}: ${task}` });
    },
  };
}

/** The interval of 95 % at another level, as Student's t widens it; the difference or its negative. */
function widened(
  { difference, low, high }: Difference,
  freedom: number,
  level: number,
  sign: 1 | -1,
): Estimate | undefined {
  if (![difference, low, high].every(Number.isFinite)) return undefined;
  const reach = (high - low) / 2 * (studentReach(freedom, level) / studentReach(freedom));
  const value = sign * difference;
  return { value, low: value - reach, high: value + reach, level };
}
