import { geometricMean, mean } from "simple-statistics";
import { runsOfCurves } from "../curves.ts";
import { correlations, figure4Losses, figure4Steps } from "../printed.ts";
import { marks } from "../synthetic_run.ts";
import { curvePanel, type Line, shapes } from "./curve_panels.ts";
import { absent, digits, figure, numbers, paragraph, type Section, sentence, table } from "./html.ts";
import { cell, finals, type Known, looks, models, picked, type Reading, readings } from "./known.ts";
import { lossCells, lossColumns, meanOf } from "./losses.ts";
import { draw } from "./plot.ts";
import { light } from "./style.ts";

const dashes = [[6, 3], [2, 2], [1, 0]] as const;

/** Figure 3: a shared bottom of 16 units, at each correlation. */
export async function figure3Section(known: Known): Promise<Section> {
  const head = { id: "figure3", title: "Figure 3: a shared bottom of 16 units" };
  const rate = picked(known, "figure3", "shared-bottom 16");
  const lines = correlations.map((correlation, at): Line => ({
    name: `p = ${correlation}`,
    color: light.bottom,
    dash: dashes[at],
    curves: cell(known, "figure3", "shared-bottom 16", correlation, rate?.rate),
    paper: [],
  }));
  const missing = gaps(known, "figure3", ["shared-bottom 16"]);
  if (rate === undefined) return { ...head, missing, body: absent("No runs yet: deno task paper figure3.") };
  const drawing = await draw(
    curvePanel(`Learning rate ${rate.rate}`, lines, { key: true }),
    "Mean loss by step of a shared bottom of 16 units, by task correlation",
  );
  const rows = lines.map((
    { name, curves },
  ) => [name, ...lossCells(finals(curves, "training")), digits(meanOf(finals(curves, "held out")))]);
  return {
    ...head,
    missing,
    files: { "figure3.svg": drawing.file },
    body: figure([drawing.inline], `${bands} The paper prints no numbers of this figure.`) +
      table(["", ...[...lossColumns, "held out"].map(numbers)], rows, "Final training loss of the first task"),
  };
}

/** Figure 4: the mean losses of the three models at their best rates, and at the one nearest to the paper. */
export async function figure4Section(known: Known): Promise<Section> {
  const head = { id: "figure4", title: "Figure 4: mean losses of three models" };
  const missing = gaps(known, "figure4", models);
  if ((known.results.figure4 ?? []).length === 0) {
    return { ...head, missing, body: absent("No runs yet: deno task paper figure4.") };
  }
  const parts: string[] = [];
  const files: Record<string, string> = {};
  for (const { id, title: which, rateOf } of readings(known)) {
    const panels = correlations.map((correlation) => ({
      title: `p = ${correlation}`,
      lines: linesOf(known, correlation, rateOf),
    }));
    if (panels.every(({ lines }) => lines.every(({ curves }) => curves.length === 0))) continue;
    const drawings = await Promise.all(
      panels.map(({ title, lines }) => draw(curvePanel(title, lines, {}), `Mean losses by step, ${title}`)),
    );
    const whole = await draw({
      title: "Lines: ours; points: the paper",
      spacing: 12,
      vconcat: panels.map(({ title, lines }, at) =>
        curvePanel(title, lines, { width: 400, height: 150, key: true, last: at === panels.length - 1 })
      ),
    }, "Mean losses by step of Shared-Bottom, OMoE and MMoE at three task correlations; points: the paper");
    files[id === "best" ? "figure4.svg" : "figure4-nearest.svg"] = whole.file;
    const rates = models.map((model) => `${looks[model].name} ${rateOf(model) ?? "–"}`)
      .join(", ");
    parts.push(
      `<h3>${sentence(which)}</h3>` +
        figure(
          drawings.map(({ inline }) => inline),
          `Learning rates: ${rates}. ${bands} Points: the paper's means over 200 runs, read off its figure 4.`,
          key,
        ) + ratios(panels.map(({ lines }) => lines).flat()),
    );
  }
  return { ...head, missing, files, body: parts.join("\n") };
}

/** Our losses as multiples of the paper's, early and late: the geometric mean over models and correlations. */
function ratios(lines: readonly Line[]): string {
  if (lines.some(({ curves }) => curves.every(({ curve }) => curve.length < marks.length))) return "";
  const at = [1000, 4000, 9900].map((step) => {
    const ratios = lines.map(({ curves, paper }) => {
      const losses = curves.flatMap(({ curve }) => curve[marks.indexOf(step)] ?? []);
      return losses.length === 0 ? NaN : mean(losses) / new Map(paper).get(step)!;
    });
    return `${digits(geometricMean(ratios), 2)} times the paper's after ${step.toLocaleString("en-US")} steps`;
  });
  return paragraph(`Over models and correlations our mean losses are ${at.join(", ")} (geometric mean).`);
}

const bands =
  "Lines: mean loss of the first task over the 100 steps before, of all runs; bands: two standard errors of that mean.";
const key = `<ul class="key">${
  models.map((model, at) => `<li>${swatch(looks[model].color, dashes[at], shapes[at])}${looks[model].name}</li>`).join(
    "",
  )
}<li class="soft">points: the paper</li></ul>`;

/** A line with a point on it. */
function swatch(color: string, dash: readonly number[], shape: typeof shapes[number]): string {
  const point = {
    square: `<rect x="16" y="5" width="8" height="8"`,
    "triangle-up": `<path d="M20 4l5 9h-10z"`,
    circle: `<circle cx="20" cy="9" r="4.5"`,
  }[shape];
  const line = `<path d="M0 9h40" stroke-dasharray="${dash.join(" ")}"/>`;
  return `<svg class="plot" width="40" height="18" viewBox="0 0 40 18" aria-hidden="true">` +
    `<g stroke="${color}" stroke-width="2">${line}${point} fill="${light.paper}" stroke-width="1.5"/></g></svg>`;
}

/** The lines of a panel of figure 4. */
function linesOf(known: Known, correlation: number, rateOf: Reading["rateOf"]): Line[] {
  return models.map((model, at) => ({
    ...looks[model],
    dash: dashes[at],
    curves: cell(known, "figure4", model, correlation, rateOf(model)),
    paper: figure4Losses[model][correlation].map((loss, i) => [figure4Steps[i], loss] as const),
  }));
}

/** The cells that have fewer runs than are wanted at the best rate. */
function gaps(known: Known, study: string, names: readonly string[]): string[] {
  const { all } = runsOfCurves(known.budget);
  return names.flatMap((model) => {
    const rate = picked(known, study, model);
    const fewest = Math.min(
      ...correlations.map((correlation) => cell(known, study, model, correlation, rate?.rate).length),
    );
    const search = rate?.searched ? [] : [`${study}: the search of ${model}'s learning rate is not complete`];
    return fewest < all ? [...search, `${study}: ${model} has ${fewest} of ${all} runs in its smallest cell`] : search;
  });
}
