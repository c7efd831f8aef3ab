import { labelCorrelation } from "@gatehouse/gatehouse/datasets";
import { mean, quantile } from "simple-statistics";
import { figure2Points } from "../printed.ts";
import { resultsOf } from "../study.ts";
import { absent, digits, figure, numbers, paragraph, type Section, table } from "./html.ts";
import type { Known } from "./known.ts";
import { draw, type Picture } from "./plot.ts";
import { light } from "./style.ts";

/** Figure 2: our trials, the closed form and the paper's points. */
export async function figure2Section({ results }: Known): Promise<Section> {
  const points = figure2Points.map(([correlation, paper]) => {
    const found = resultsOf(results.figure2 ?? [], "figure2", { correlation }).map(({ found }) =>
      Number(found.pearson)
    );
    const spread = found.length === 0 ? {} : {
      mean: mean(found),
      low: quantile(found, 0.1),
      high: quantile(found, 0.9),
    };
    return { correlation, paper, trials: found.length, closed: labelCorrelation(correlation), ...spread };
  });
  const made = points.filter((point) => point.mean !== undefined);
  const missing = made.length < points.length ? [`figure 2: ${points.length - made.length} of its points`] : [];
  const farthest = Math.max(...made.map(({ mean, paper }) => Math.abs(mean! - paper)));
  const drawing = await draw(spec(points), "Label correlation by task correlation: our trials, closed form, the paper");
  const rows = points.map(({ correlation, trials, mean, low, high, closed, paper }) => [
    digits(correlation, 2),
    digits(mean, 4),
    mean === undefined ? "–" : `${digits(low, 4)} to ${digits(high, 4)}`,
    digits(closed, 4),
    digits(paper, 4),
    digits(mean === undefined ? undefined : mean - paper, 4),
    String(trials),
  ]);
  const text =
    "Task correlation p is what the paper sets; the correlation of the labels follows from the sines, whose " +
    "number, frequencies and phases it does not print. Ours were fitted to its nine points once.";
  const verdict = made.length === 0 ? absent("No trials yet: deno task paper figure2.") : paragraph(
    `The mean of our trials is at most <strong>${digits(farthest, 4)}</strong> from the points of the paper.`,
  );
  return {
    id: "figure2",
    title: "Figure 2: how far labels correlate",
    missing,
    files: { "figure2.svg": drawing.file },
    body: verdict + figure(
      [drawing.inline],
      `${text} Dots: means of our trials, bars: 10 % to 90 % of the trials; line: closed form; diamonds: the paper, ` +
        "read off its figure.",
    ) + table(
      ["p", ...["mean", "10 % to 90 %", "closed form", "paper", "difference", "trials"].map(numbers)],
      rows,
    ),
  };
}

function spec(points: readonly Readonly<Record<string, number | undefined>>[]): Picture {
  const line = Array.from({ length: 121 }, (_, i) => {
    const x = 0.4 + 0.6 * i / 120;
    return { x, y: labelCorrelation(Math.min(1, x)) };
  });
  const x = {
    field: "correlation",
    type: "quantitative",
    title: "task correlation p",
    scale: { domain: [0.4, 1] },
    axis: { format: ".1f", values: [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1] },
  };
  const y = (field: string) => ({
    field,
    type: "quantitative",
    title: "label correlation",
    scale: { domain: [0, 1.02], nice: false },
  });
  return {
    width: 340,
    height: 240,
    layer: [
      {
        data: { values: line },
        mark: { type: "line", color: light.soft, strokeWidth: 1.5 },
        encoding: { x: { ...x, field: "x" }, y: y("y") },
      },
      {
        data: { values: points.filter(({ mean }) => mean !== undefined) },
        layer: [
          {
            mark: { type: "rule", color: light.mmoe, strokeWidth: 2 },
            encoding: { x, y: y("low"), y2: { field: "high" } },
          },
          {
            mark: { type: "point", filled: true, color: light.mmoe, size: 50, opacity: 1 },
            encoding: { x, y: y("mean") },
          },
        ],
      },
      {
        data: { values: points },
        mark: { type: "point", shape: "diamond", size: 130, color: light.ink, strokeWidth: 1.5, opacity: 1 },
        encoding: { x, y: y("paper") },
      },
    ],
  };
}
