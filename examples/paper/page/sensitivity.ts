import { labelMoments } from "@gatehouse/gatehouse";
import { mean } from "simple-statistics";
import { claimsOf, type Model, type Tested, tested } from "../claims.ts";
import { curvesOf } from "../curves.ts";
import { ends, tried, variations } from "../sensitivity.ts";
import { absent, digits, escape, numbers, paragraph, type Section, table } from "./html.ts";
import { cell, finals, type Known, looks, models, picked } from "./known.ts";
import { searchTable } from "./losses.ts";

/** Under which choice of what the paper leaves out each claim holds, and what the search of the rates found. */
export function sensitivitySection(known: Known): Section {
  const head = { id: "sensitivity", title: "What if the silence of the paper is filled otherwise" };
  const choices = [ours(known), ...Object.keys(variations).map((choice) => varied(known, choice))];
  const made = choices.filter(({ any }) => any);
  const missing = choices.filter(({ any }) => !any).map(({ name }) => `sensitivity: ${name}`);
  const claims = claimsOf(ends);
  const rows = made.flatMap(({ name, losses, best }) =>
    ([["best each", best], ...tried.map((rate) => [`all ${rate}`, () => rate] as const)] as const).map((
      [rates, rateOf],
      at,
    ) => [
      at === 0 ? escape(name) : "",
      rates,
      ...claims.map((claim) =>
        sign(tested(claim, ({ model, correlation }) => losses(model, correlation, rateOf(model))))
      ),
    ])
  );
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
    "? undecided. Learning rates: of each model the best of two under that choice, or the same for all. Losses are in units of the variance of the labels.";
  return {
    ...head,
    missing,
    body: paragraph(about) + (made.length === 0 ? absent("No runs yet: deno task paper sensitivity.") : table(
      ["choice", "rates", ...claims.map(({ name }) => numbers(name))],
      rows,
      "Which claims hold under which choice",
    ) + table(
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

function sign({ verdict, parts }: Tested): string {
  if (parts.every(({ estimate }) => estimate === undefined)) return "–";
  const [text, kind] =
    { holds: ["✓", "holds"], "does not hold": ["✗", "fails"], undecided: ["?", "undecided"] }[verdict];
  return `<span class="verdict ${kind}" title="${verdict}">${text}</span>`;
}
