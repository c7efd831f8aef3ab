import { median } from "simple-statistics";
import { aucsOf, cellsOf, gapOf, spreadOf } from "../census_cells.ts";
import { keptTrials, logisticTrial, mostEpochs } from "../census_run.ts";
import { methods, space, trialOf, trialText } from "../census_space.ts";
import { bestTrial, type CensusTable, runsOfTables } from "../census_stages.ts";
import type { Difference } from "../bootstrap.ts";
import { tableAucs } from "../printed.ts";
import { resultsOf } from "../study.ts";
import { methodNames, tables } from "../table_claims.ts";
import { absent, digits, escape, figure, numbers, paragraph, type Section, table, wide } from "./html.ts";
import type { Known } from "./known.ts";
import { draw, type Picture } from "./plot.ts";
import { light } from "./style.ts";

/** Tables 1 and 2 beside the paper's. */
export function tableSections(known: Known): Promise<readonly Section[]> {
  return Promise.all(tables.map((of) => section(known, of)));
}

async function section({ results, budget }: Known, of: CensusTable): Promise<Section> {
  const all = results[of.name] ?? [];
  const cells = cellsOf(all, of, budget);
  const { trials, seeds } = runsOfTables(budget);
  const head = { id: of.name, title: `Table ${of.group}: ${of.main}, and never married` };
  const short = [...methods, "logistic"].filter((method) =>
    cells[method] === undefined || aucsOf(all, of, cells[method]).main.length < seeds
  );
  const missing = short.length === 0 ? [] : [`${of.name}: ${short.map((method) => methodNames[method]).join(", ")}`];
  if (all.length === 0) return { ...head, missing, body: absent(`No runs yet: deno task paper ${of.name}.`) };
  const forest = gaps(known(all, of), of);
  const drawing = forest.length === 0
    ? undefined
    : await draw(forestPlot(forest), `AUC of each method less that of MMoE, ${of.main}`);
  return {
    ...head,
    missing,
    files: drawing === undefined ? {} : { [`${of.name}.svg`]: drawing.file },
    body: aucTable(`Test AUC of ${of.main}`, "main") +
      strays() +
      aucTable("Test AUC of never married; with best: that of the run whose main task is best", "marital") +
      (drawing === undefined ? "" : figure(
        [drawing.inline],
        `AUC of ${of.main} of each method less that of MMoE: means over seeds; bars: 95 % over seeds and test rows. Diamonds: the paper's means. What is more than ${outside} away is left out, such as the paper's Tensor-Factorization.`,
      )) +
      gapTable() + trialTable() + keptTable(),
  };

  function known(all: Known["results"][string], of: CensusTable) {
    return (method: string, task: "main" | "marital") => gapOf(all, of, cells, method, task);
  }

  function aucTable(caption: string, task: "main" | "marital"): string {
    const best = task === "main" ? "best" : "with best";
    const rows = [...methods, "logistic"].map((method) => {
      const setting = cells[method];
      const spread = setting === undefined ? undefined : spreadOf(aucsOf(all, of, setting));
      const printed = tableAucs[of.name][method];
      const own = spread?.[task];
      return [
        methodNames[method],
        digits(own?.mean, 4),
        digits(own?.sd, 4),
        digits(own?.median, 4),
        digits(task === "main" ? spread?.main.best : spread?.marital.withBest, 4),
        digits(printed?.[task].mean, 4),
        digits(task === "main" ? printed?.main.best : printed?.marital.withBest, 4),
        String(spread?.runs ?? 0),
      ];
    });
    return table(
      ["", ...["mean", "sd", "median", best, "paper's mean", `paper's ${best}`, "runs"].map(numbers)],
      rows,
      caption,
    );
  }

  function strays(): string {
    const found = [...methods, "logistic"].flatMap((method) => {
      const { main } = cells[method] === undefined ? { main: [] } : aucsOf(all, of, cells[method]);
      return main.flatMap((auc, run) =>
        median([...main]) - auc > 0.02 ? [`run ${run} of ${methodNames[method]}, ${digits(auc, 4)}`] : []
      );
    });
    if (found.length === 0) return "";
    return paragraph(
      `More than 0.02 below the median of their cell: ${found.join("; ")}. They count in all means and tests.`,
    );
  }

  function gapTable(): string {
    const rows = (["main", "marital"] as const).flatMap((task) =>
      [...methods, "logistic"].filter((method) => method !== "mmoe").flatMap((method) => {
        const gap = gapOf(all, of, cells, method, task);
        if (gap === undefined) return [];
        return [[
          methodNames[method],
          task === "main" ? of.main : "never married",
          digits(gap.both.difference, 4),
          range(gap.seeds),
          range(gap.rows),
          range(gap.both),
        ]];
      })
    );
    if (rows.length === 0) return absent("The runs that compare all methods on the same test rows are not there yet.");
    return table(
      ["", "task", ...["less MMoE", "over seeds", "over test rows", "over both"].map(numbers)],
      rows,
      "AUC of each method less that of MMoE, intervals of 95 %: over seeds (Welch), over test rows (paired bootstrap), over both",
    );
  }

  function trialTable(): string {
    const rows = methods.flatMap((method) => {
      const trial = bestTrial(all, of, method, trials);
      if (trial === undefined) return [];
      const { validation, test, epochs, parameters } =
        resultsOf(all, of.name, { stage: "search", method, trial })[0].found;
      return [[
        methodNames[method],
        ...[validation, test].map((aucs) => digits((aucs as Record<string, number>)[of.main] ?? undefined, 4)),
        String(epochs),
        Number(parameters).toLocaleString("en-US"),
        wide(escape(trialText(trialOf(method, trial)))),
      ]];
    });
    const text =
      `Every method had ${trials} random trials, and the one with the best validation AUC of ${of.main} was trained with ` +
      `${seeds} seeds, for at most ${mostEpochs} epochs each, fewer where the validation loss stopped falling. All trials are in the ` +
      `file of results. The paper tuned by a Gaussian process, allowed 2,048 hidden units in a layer where we allow ${hiddenMost}, and shows the best and the mean of 400 runs: its best is the best of many more than ours. ` +
      `Rows to train on, to validate on and to test on are the same in all runs. Which half of the test file is which was drawn ` +
      `at random, by the paper and by us: how far the halves are apart is seen below, and is in no interval that compares ` +
      `with the paper. Logistic regression was ` +
      `not searched: ${trialText(logisticTrial)}.`;
    return "<h3>What the search chose</h3>" + paragraph(escape(text)) +
      table(["", ...["validation AUC", "test AUC", "epochs", "parameters"].map(numbers), "hyper-parameters"], rows);
  }

  function keptTable(): string {
    if (of.group !== 1) return "";
    const rows = Object.entries(keptTrials).map(([method, trial]) => {
      const { runs, main, marital } = spreadOf(aucsOf(all, of, { stage: "education kept", method }));
      return [
        methodNames[method],
        digits(main.mean, 4),
        digits(main.sd, 4),
        digits(marital.mean, 4),
        String(runs),
        wide(escape(trialText(trial))),
      ];
    });
    return "<h3>Yardstick: education among the inputs</h3>" +
      paragraph(
        "The protocol of other libraries’ examples, with which torch-rechub reaches .9579 and .9950 with MMoE, .9560 and .9948 with Shared-Bottom.",
      ) +
      table(["", ...["income", "sd", "never married", "runs"].map(numbers), "hyper-parameters"], rows);
  }
}

interface Row extends Difference {
  readonly name: string;
  readonly paper: number | null;
}

/** The differences that are drawn. */
function gaps(
  gap: (method: string, task: "main") => { readonly both: Difference } | undefined,
  { name }: CensusTable,
): Row[] {
  const printed = tableAucs[name];
  return [...methods, "logistic"].flatMap((method) => {
    const found = method === "mmoe" ? undefined : gap(method, "main");
    if (found === undefined || Math.abs(found.both.difference) > outside) return [];
    const paper = printed[method] === undefined ? null : printed[method].main.mean - printed.mmoe.main.mean;
    return [{ name: methodNames[method], ...found.both, paper: paper !== null && paper > -outside ? paper : null }];
  });
}

/** The most hidden units that the search may choose. */
const hiddenMost = Math.max(...space.mmoe.hidden as readonly number[]);

/** Differences beyond this are not drawn: nothing else could be seen. */
const outside = 0.05;

function forestPlot(rows: readonly Row[]): Picture {
  const y = {
    field: "name",
    type: "nominal",
    sort: rows.map(({ name }) => name),
    title: null,
    axis: { ticks: false, domain: false, grid: false, labelLimit: 300 },
  };
  const x = (field: string) => ({
    field,
    type: "quantitative",
    title: "AUC less that of MMoE",
    axis: { grid: true, tickCount: 5 },
    scale: { zero: true },
  });
  return {
    width: 270,
    height: { step: 28 },
    data: { values: rows },
    layer: [
      { mark: { type: "rule", color: light.line }, encoding: { x: { datum: 0 } } },
      {
        mark: { type: "rule", strokeWidth: 2, color: light.mmoe },
        encoding: { y, x: x("low"), x2: { field: "high" } },
      },
      {
        mark: { type: "point", filled: true, size: 55, opacity: 1, color: light.mmoe },
        encoding: { y, x: x("difference") },
      },
      {
        transform: [{ filter: "isValid(datum.paper)" }],
        mark: { type: "point", shape: "diamond", size: 110, strokeWidth: 1.5, opacity: 1, color: light.ink },
        encoding: { y, x: x("paper") },
      },
    ],
  };
}

function range({ low, high }: Difference): string {
  return `${digits(low, 4)} to ${digits(high, 4)}`;
}
