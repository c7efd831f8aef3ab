import { correlations, figure5Losses } from "../printed.ts";
import { histogram } from "./histogram.ts";
import { absent, digits, figure, numbers, type Section, sentence, table } from "./html.ts";
import { cell, finals, type Known, looks, models, readings } from "./known.ts";
import { lossCells, lossColumns, meanOf, percent } from "./losses.ts";
import { draw } from "./plot.ts";

/** Figure 5: the distribution of final losses. */
export async function figure5Section(known: Known): Promise<Section> {
  const head = { id: "figure5", title: "Figure 5: how final losses are spread" };
  if ((known.results.figure4 ?? []).length === 0) {
    return { ...head, body: absent("No runs yet: deno task paper figure5.") };
  }
  const parts: string[] = [];
  const files: Record<string, string> = {};
  for (const { id, title: which, rateOf } of readings(known)) {
    const samples = correlations.map((correlation) =>
      models.map((model) => ({
        ...looks[model],
        losses: finals(
          cell(known, "figure4", model, correlation, rateOf(model)),
          "training",
        ),
        paper: figure5Losses[model][correlation].mean,
      }))
    );
    const all = samples.flat().flatMap(({ losses }) => losses);
    if (all.length === 0) continue;
    const most = Math.min(0.8, Math.max(0.4, Math.ceil(Math.max(...all) * 10) / 10));
    const drawings = await Promise.all(
      correlations.map((correlation, at) =>
        draw(histogram(`p = ${correlation}`, samples[at], most), `Final losses at p = ${correlation}`)
      ),
    );
    if (id === "best") drawings.forEach(({ file }, at) => files[`figure5-p${correlations[at]}.svg`] = file);
    parts.push(
      `<h3>${sentence(which)}</h3>` +
        figure(
          drawings.map(({ inline }) => inline),
          `Shares of runs by final training loss of the first task; losses above ${most} count in the last bar. Solid line: our mean, dashed: the paper's.`,
        ) +
        table(
          [
            "",
            numbers("p"),
            numbers("rate"),
            ...lossColumns.map(numbers),
            numbers("held out"),
            numbers("paper's mean"),
            numbers("sd"),
            numbers("above 0.4"),
          ],
          models.flatMap((model) => correlations.map((correlation) => row(known, model, correlation, rateOf(model)))),
          "Final loss of the first task: training rows, and the mean on other rows",
        ),
    );
  }
  return { ...head, files, body: parts.join("\n") };
}

function row(known: Known, model: typeof models[number], correlation: number, rate: number | undefined): string[] {
  const curves = cell(known, "figure4", model, correlation, rate);
  const paper = figure5Losses[model][correlation];
  return [
    looks[model].name,
    String(correlation),
    String(rate ?? "–"),
    ...lossCells(finals(curves, "training")),
    digits(meanOf(finals(curves, "held out"))),
    digits(paper.mean),
    digits(paper.sd),
    percent(paper.above),
  ];
}
