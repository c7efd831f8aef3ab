import { labelMoments } from "@gatehouse/gatehouse/datasets";
import { mean } from "simple-statistics";
import { type Claim, claimsOf, type Model, type Tested, tested } from "../claims.ts";
import { curvesOf, rates as searchedRates, runsOfCurves } from "../curves.ts";
import { correlations } from "../printed.ts";
import { ends, tried, variations } from "../sensitivity.ts";
import { absent, digits, escape, numbers, paragraph, type Section, table } from "./html.ts";
import { cell, finals, type Known, looks, models, picked } from "./known.ts";
import { meanOf } from "./losses.ts";
import { sign } from "./marks.ts";

/** Under which choice of what the paper leaves out each claim holds, and what the search of the rates found. */
export function sensitivitySection(known: Known): Section {
  const head = { id: "sensitivity", title: "What if the silence of the paper is filled otherwise" };
  const choices = [ours(known), ...Object.keys(variations).map((choice) => varied(known, choice))];
  const made = choices.filter(({ any }) => any);
  const missing = choices.filter(({ any }) => !any).map(({ name }) => `sensitivity: ${name}`);
  const claims = claimsOf(ends);
  const lines = made.flatMap((choice) => linesOf(choice, claims));
  const rows = lines.map(({ name, rates, tests }, at) => [
    lines[at - 1]?.name === name ? "" : escape(name),
    `<span class="nowrap">${rates}</span>`,
    ...tests.map(found),
  ]);
  const means = made.flatMap(({ name, losses, best }) =>
    models.map((model, at) => [
      at === 0 ? escape(name) : "",
      looks[model].name,
      String(best(model) ?? "–"),
      ...tried.flatMap((rate) =>
        ends.map((correlation) => {
          const found = losses(model, correlation, rate);
          return found.length === 0 ? "–" : digits(mean([...found]));
        })
      ),
      String(Math.max(...tried.flatMap((rate) => ends.map((correlation) => losses(model, correlation, rate).length)))),
    ])
  );
  const about =
    "One choice at a time is made otherwise, all else as in our recipe; p is 0.5 or 1 only, and runs are fewer, " +
    "so that intervals are wider and more is undecided. Claims as above, on the training loss: ✓ holds, ✗ does not hold, " +
    "? undecided. Learning rates: of each model the best of two under that choice, chosen by the same runs, or the same for " +
    "all. Losses are in units of the variance of the labels. Intervals hold for each line by itself: of so many lines one " +
    "that stands alone says little. And percentile intervals of 8 runs are rather too narrow.";
  return {
    ...head,
    missing,
    body: paragraph(about) + (made.length === 0 ? absent("No runs yet: deno task paper sensitivity.") : table(
      ["choice", "rates", ...claims.map(({ name }) => numbers(name))],
      rows,
      "Which claims hold under which choice",
    ) + `<ul>${claims.map((claim, at) => `<li>${where(claim, at, lines)}</li>`).join("")}</ul>` + table(
      [
        "choice",
        "model",
        numbers("best rate"),
        ...tried.flatMap((rate) => ends.map((p) => numbers(`rate ${rate}, p = ${p}`))),
        numbers("runs"),
      ],
      means,
      "Mean final training loss of the first task",
    )) + "<h3>Search of the learning rates</h3>" + searchTable(known),
  };
}

/** The final losses under a choice, and the best rate of each model. */
interface Choice {
  readonly name: string;
  readonly any: boolean;
  readonly losses: (model: Model, correlation: number, rate: number | undefined) => readonly number[];
  readonly best: (model: Model) => number | undefined;
}

/** A choice with learning rates, and what was found of every claim. */
interface Line {
  readonly name: string;
  readonly rates: string;
  readonly tests: readonly Tested[];
}

/** A choice with the best rates, and with each rate for all models. */
function linesOf({ name, losses, best }: Choice, claims: readonly Claim[]): Line[] {
  const line = (rates: string, rateOf: Choice["best"]): Line => ({
    name,
    rates,
    tests: claims.map((claim) => tested(claim, ({ model, correlation }) => losses(model, correlation, rateOf(model)))),
  });
  const same = tried.find((rate) => models.every((model) => best(model) === rate));
  return [
    ...(same === undefined ? [line("best each", best)] : []),
    ...tried.map((rate) => line(`all ${rate}${rate === same ? ", best each" : ""}`, () => rate)),
  ];
}

/** The choices under which a claim holds, in words. */
function where({ name, says }: Claim, at: number, all: readonly Line[]): string {
  const lines = all.filter(({ tests }) => tests[at].parts.every(({ estimate }) => estimate !== undefined));
  const holds = lines.filter(({ tests }) => tests[at].verdict === "holds");
  const fails = lines.filter(({ tests }) => tests[at].verdict === "does not hold").length;
  const names = holds.map(({ name, rates }) => `${name} (${rates})`).join(", ");
  return `<strong>${name}. ${escape(says)}</strong>: holds in ${holds.length} of ${lines.length} lines, ` +
    `does not hold in ${fails}, undecided in ${lines.length - holds.length - fails}. ` +
    (holds.length === 0 ? "None of our choices makes it hold." : `It holds with ${escape(names)}.`);
}

function ours(known: Known): Choice {
  const losses: Choice["losses"] = (model, correlation, rate) =>
    finals(cell(known, "figure4", model, correlation, rate), "training");
  const any = (known.results.figure4 ?? []).length > 0;
  return { name: "our recipe", any, losses, best: (model) => picked(known, "figure4", model)?.rate };
}

function varied({ results }: Known, choice: string): Choice {
  const all = results.sensitivity ?? [];
  const { standardise = true, labels } = variations[choice];
  const unit = standardise ? 1 : labelMoments(labels).deviation ** 2;
  const losses: Choice["losses"] = (model, correlation, rate) =>
    rate === undefined
      ? []
      : finals(curvesOf(all, "sensitivity", { choice, model, correlation, rate }), "training").map((loss) =>
        loss / unit
      );
  const best = (model: Model) => {
    const means = tried.map((rate) => {
      const found = ends.map((correlation) => losses(model, correlation, rate));
      return found.some((each) => each.length === 0) ? Infinity : mean(found.flat());
    });
    const least = Math.min(...means);
    return least === Infinity ? undefined : tried[means.indexOf(least)];
  };
  return { name: choice, any: all.some(({ setting }) => setting.choice === choice), losses, best };
}

/** The sign of what was found of a claim; a dash where nothing could be tested. */
function found({ verdict, parts }: Tested): string {
  return parts.every(({ estimate }) => estimate === undefined) ? "–" : sign(verdict);
}

/** The results of the search of the rates. */
function searchTable(known: Known): string {
  const { search } = runsOfCurves(known.budget);
  const rates = searchedRates;
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
