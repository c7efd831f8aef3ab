import { mean, min, sampleStandardDeviation } from "simple-statistics";
import { runsOfCurves } from "../curves.ts";
import { correlations, figure4Losses, figure4Steps, figure5Losses } from "../printed.ts";
import { curvePanel, type Line, shapes } from "./curve_panels.ts";
import { histogram } from "./histogram.ts";
import { absent, digits, figure, numbers, type Section, table } from "./html.ts";
import { cell, finals, type Known, looks, models, picked } from "./known.ts";
import { draw } from "./plot.ts";

const dashes = [[6, 3], [2, 2], [1, 0]] as const;
const places = ["best", "second"] as const;

/** Figure 3: a shared bottom of 16 units, at each correlation. */
export async function figure3Section(known: Known): Promise<Section> {
  const head = { id: "figure3", title: "Figure 3: a shared bottom of 16 units" };
  const rate = picked(known, "figure3", "shared-bottom 16");
  const lines = correlations.map((correlation, at): Line => ({
    name: `p = ${correlation}`,
    color: "var(--bottom)",
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
      table(["", ...[...columns, "held out"].map(numbers)], rows, "Final training loss of the first task"),
  };
}

/** Figure 4: the mean losses of the three models at their two best rates. */
export async function figure4Section(known: Known): Promise<Section> {
  const head = { id: "figure4", title: "Figure 4: mean losses of three models" };
  const missing = gaps(known, "figure4", models);
  if ((known.results.figure4 ?? []).length === 0) {
    return { ...head, missing, body: absent("No runs yet: deno task paper figure4.") };
  }
  const parts: string[] = [];
  const files: Record<string, string> = {};
  for (const [place, which] of places.entries()) {
    const panels = correlations.map((correlation) => ({
      title: `p = ${correlation}`,
      lines: linesOf(known, correlation, place),
    }));
    if (panels.every(({ lines }) => lines.every(({ curves }) => curves.length === 0))) continue;
    const drawings = await Promise.all(
      panels.map(({ title, lines }) => draw(curvePanel(title, lines, {}), `Mean losses by step, ${title}`)),
    );
    const whole = await draw({
      title: "Mean loss (lines, ours) and the paper's (points)",
      spacing: 12,
      resolve: { scale: { color: "independent", shape: "independent", strokeDash: "independent" } },
      vconcat: panels.map(({ title, lines }, at) =>
        curvePanel(title, lines, { width: 400, height: 150, key: at === 0, last: at === panels.length - 1 })
      ),
    }, "Mean losses by step of Shared-Bottom, OMoE and MMoE at three task correlations; points: the paper");
    files[place === 0 ? "figure4.svg" : "figure4-second.svg"] = whole.file;
    const rates = models.map((model) => `${looks[model].name} ${picked(known, "figure4", model, place)?.rate ?? "–"}`)
      .join(", ");
    parts.push(
      `<h3>Each model at its ${which === "best" ? "best" : "second best"} learning rate</h3>` +
        figure(
          drawings.map(({ inline }) => inline),
          `Learning rates: ${rates}. ${bands} Points: the paper's means over 200 runs, read off its figure 4.`,
          key,
        ),
    );
  }
  return { ...head, missing, files, body: parts.join("\n") };
}

/** Figure 5: the distribution of final losses. */
export async function figure5Section(known: Known): Promise<Section> {
  const head = { id: "figure5", title: "Figure 5: how final losses are spread" };
  if ((known.results.figure4 ?? []).length === 0) {
    return { ...head, body: absent("No runs yet: deno task paper figure5.") };
  }
  const parts: string[] = [];
  const files: Record<string, string> = {};
  for (const [place, which] of places.entries()) {
    const samples = correlations.map((correlation) =>
      models.map((model) => ({
        ...looks[model],
        losses: finals(
          cell(known, "figure4", model, correlation, picked(known, "figure4", model, place)?.rate),
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
    if (place === 0) drawings.forEach(({ file }, at) => files[`figure5-p${correlations[at]}.svg`] = file);
    parts.push(
      `<h3>Each model at its ${which === "best" ? "best" : "second best"} learning rate</h3>` +
        figure(
          drawings.map(({ inline }) => inline),
          `Shares of runs by final training loss of the first task; losses above ${most} count in the last bar. Solid line: our mean, dashed: the paper's.`,
        ) +
        table(
          [
            "",
            numbers("p"),
            numbers("rate"),
            ...columns.map(numbers),
            numbers("held out"),
            numbers("paper's mean"),
            numbers("sd"),
            numbers("above 0.4"),
          ],
          models.flatMap((model) => correlations.map((correlation) => row(known, model, correlation, place))),
          "Final loss of the first task: training rows, and the mean on other rows",
        ),
    );
  }
  return { ...head, files, body: parts.join("\n") };
}

/** What the rates of the search led to. */
export function searchTable(known: Known): string {
  const { search } = runsOfCurves(known.budget);
  const rates = [0.01, 0.001, 0.0001];
  const rows = [["figure3", "shared-bottom 16"], ...models.map((model) => ["figure4", model])].map(([study, model]) => {
    const best = picked(known, study, model)?.rate;
    return [
      model === "shared-bottom 16" ? "Shared-Bottom of 16 (figure 3)" : looks[model as keyof typeof looks].name,
      ...rates.map((rate) => {
        const losses = correlations.map((correlation) =>
          finals(cell(known, study, model, correlation, rate), "training").slice(0, search)
        );
        const text = losses.some((each) => each.length === 0) ? "–" : digits(meanOf(losses.flat()), 4);
        return rate === best ? `<span class="best">${text}</span>` : text;
      }),
    ];
  });
  return table(
    ["", ...rates.map((rate) => numbers(`rate ${rate}`))],
    rows,
    `Mean final training loss over p = ${correlations.join(", ")}, first ${search} runs of each cell; the best in bold`,
  );
}

const bands =
  "Lines: mean loss of the first task over the 100 steps before, of all runs; bands: two standard errors of that mean.";
const columns = ["runs", "mean", "sd", "least", "above 0.4"] as const;

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
  return `<svg width="40" height="18" viewBox="0 0 40 18" aria-hidden="true" style="stroke:${color};stroke-width:2">` +
    `<path d="M0 9h40" stroke-dasharray="${dash.join(" ")}"/>${point} fill="var(--paper)" stroke-width="1.5"/></svg>`;
}

/** The lines of a panel of figure 4. */
function linesOf(known: Known, correlation: number, place: number): Line[] {
  return models.map((model, at) => ({
    ...looks[model],
    dash: dashes[at],
    curves: cell(known, "figure4", model, correlation, picked(known, "figure4", model, place)?.rate),
    paper: figure4Losses[model][correlation].map((loss, i) => [figure4Steps[i], loss] as const),
  }));
}

function row(known: Known, model: typeof models[number], correlation: number, place: number): string[] {
  const rate = picked(known, "figure4", model, place)?.rate;
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

/** Runs, mean, sd, least, share above 0.4. */
function lossCells(losses: readonly number[]): string[] {
  const all = [...losses];
  return [
    String(all.length),
    digits(meanOf(all)),
    digits(all.length < 2 ? undefined : sampleStandardDeviation(all)),
    digits(all.length === 0 ? undefined : min(all)),
    percent(all.length === 0 ? undefined : all.filter((loss) => loss > 0.4).length / all.length),
  ];
}

function meanOf(losses: readonly number[]): number | undefined {
  return losses.length === 0 ? undefined : mean([...losses]);
}

function percent(share: number | undefined): string {
  return share === undefined ? "–" : `${digits(100 * share, 1)} %`;
}

/** Which cells have fewer runs than are wanted at the best rate. */
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
