import { geometricMean, mean } from "simple-statistics";
import type { Model } from "../claims.ts";
import { type Curve, curvesOf } from "../curves.ts";
import { figure4Losses, figure4Steps } from "../printed.ts";
import { ends, tried } from "../sensitivity.ts";
import { marks } from "../synthetic_run.ts";
import { digits, numbers, paragraph, table } from "./html.ts";
import { cell, finals, type Known, models } from "./known.ts";

/**
 * The pace at which losses fall, here and where choices are varied, and what is left of it on other rows; empty
 * until all their runs are there.
 */
export function pace(known: Known): string {
  const all: readonly (readonly [string, Curves])[] = [
    ["our recipe", (model, correlation, rate) => cell(known, "figure4", model, correlation, rate)],
    ...["256 rows a step", "10,000 rows"].map((choice) =>
      [
        choice,
        (model: Model, correlation: number, rate: number) =>
          curvesOf(known.results.sensitivity ?? [], "sensitivity", { choice, model, correlation, rate }),
      ] as const
    ),
  ];
  const lines = all.flatMap(([choice, curves]) =>
    tried.map((rate) => {
      const cells = models.flatMap((model) => ends.map((correlation) => curves(model, correlation, rate)));
      const whole = cells.every((each) => each.length > 0 && each.every(({ curve }) => curve.length === marks.length));
      return { choice, rate, cells, ratios: whole ? early.map((step) => ratio(curves, rate, step)) : [] };
    })
  );
  if (lines.some(({ ratios }) => ratios.length === 0)) return "";
  const follows = lines.some(({ ratios }) => ratios.every((each) => each > 0.8 && each < 1.25));
  const kinds = ["training", "held out"] as const;
  const rows = lines.map(({ choice, rate, cells, ratios }) => [
    choice,
    String(rate),
    ...ratios.map((each) => digits(each, 2)),
    ...kinds.map((kind) => digits(mean(cells.map((curves) => mean(finals(curves, kind)))))),
  ]);
  const text =
    "How fast losses fall follows from the rows of a step and the rows there are, neither of which is printed. " +
    "Few rows are passed over so often that they are learnt by heart: compare the loss on held out rows, where to guess " +
    "the mean is a loss of 1." +
    (follows ? "" : " None of these choices follows the paper's curves from beginning to end.");
  return paragraph(text) + table(
    [
      "choice",
      "rate",
      ...early.map((step) => numbers(`after ${step.toLocaleString("en-US")} steps`)),
      numbers("final training loss"),
      numbers("final held out loss"),
    ],
    rows,
    `Mean training loss as a multiple of the paper's, geometric mean over models and p = ${
      ends.join(", ")
    }; mean final losses`,
  );
}

const early = [1000, 4000, 9900] as const;

type Curves = (model: Model, correlation: number, rate: number) => readonly Curve[];

/** The mean loss after a step over the paper's, as the geometric mean. */
function ratio(curves: Curves, rate: number, step: typeof figure4Steps[number]): number {
  return geometricMean(
    models.flatMap((model) =>
      ends.map((correlation) =>
        mean(curves(model, correlation, rate).map(({ curve }) => curve[marks.indexOf(step)])) /
        figure4Losses[model][correlation][figure4Steps.indexOf(step)]
      )
    ),
  );
}
