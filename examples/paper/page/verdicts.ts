import { claimsOf, type Tested, tested } from "../claims.ts";
import type { Estimate, Verdict } from "../statistics.ts";
import { absent, digits, escape, numbers, paragraph, type Section, table } from "./html.ts";
import { type Kind, type Known, lossesOf, picked } from "./known.ts";
import type { TableVerdict } from "../table_claims.ts";

const kinds: readonly Kind[] = ["training", "held out"];

/** The claims of the paper with what was found, in short, then how each was tested. */
export function verdictSection(known: Known, ofTables: readonly TableVerdict[]): Section {
  const found = claimsOf().map((claim) =>
    kinds.map((kind) => tested(claim, lossesOf(known, (model) => picked(known, "figure4", model)?.rate, kind)))
  );
  const rows = [
    ...found.map(([training, heldOut]) => [
      `${training.claim.name}. ${escape(training.claim.says)}`,
      badge(training),
      badge(heldOut),
      runsOf(training),
    ]),
    ...ofTables.map((
      { name, says, verdict, runs },
    ) => [`${name}. ${escape(says)}`, mark(verdict, runs > 0), "", runs > 0 ? String(runs) : "none"]),
  ];
  const about =
    "Each test was fixed before the results were looked at. A claim holds if the intervals of all its parts lie within " +
    "its bounds, does not hold if one of them lies outside, and is else undecided. The intervals of one claim hold all at " +
    "once with a chance of 95 % (Bonferroni). Synthetic data: percentile bootstrap over runs, 4,000 resamples, each model " +
    "at its best learning rate of three. Loss on the rows that are trained on is what the paper shows; that on other rows " +
    "is held out from the same task.";
  return {
    id: "verdicts",
    title: "Do the claims hold?",
    body: table(["claim", "training loss / AUC", "held-out loss", numbers("runs a cell")], rows, "", "cards") +
      paragraph(about) +
      "<h3>How each was tested</h3>\n" + found.map(details).join("\n") + ofTables.map(tableDetails).join("\n"),
  };
}

/** A verdict in colour and in words. */
export function mark(verdict: Verdict, any = true): string {
  if (!any) return '<span class="verdict undecided">no runs</span>';
  const sign = { holds: "✓ holds", "does not hold": "✗ does not hold", undecided: "? undecided" }[verdict];
  const kind = { holds: "holds", "does not hold": "fails", undecided: "undecided" }[verdict];
  return `<span class="verdict ${kind}">${sign}</span>`;
}

/** An estimate with its verdict and its interval. */
function interval({ value, low, high }: Estimate, verdict: Verdict, places: number): string {
  return `${sign(verdict)} ${digits(value, places)} ` +
    `<span class="soft range">[${digits(low, places)}, ${digits(high, places)}]</span>`;
}

function badge(found: Tested): string {
  return mark(found.verdict, found.runs[1] > 0);
}

function runsOf({ runs: [fewest, most] }: Tested): string {
  return fewest === most ? String(fewest) : `${fewest} to ${most}`;
}

function details([training, heldOut]: readonly Tested[]): string {
  const { claim } = training;
  const rows = claim.parts.map(({ what, paper }, at) => [
    escape(what),
    digits(paper),
    ...[training, heldOut].map(({ parts }) => {
      const { estimate, verdict } = parts[at];
      return estimate === undefined ? "–" : interval(estimate, verdict, 3);
    }),
  ]);
  return `<div class="claim"><div><h3>${claim.name}. ${escape(claim.says)}</h3>` +
    `<p class="soft">${escape(claim.test)}</p><p>Training ${badge(training)}, held out ${badge(heldOut)}</p></div>` +
    table(["", numbers("paper"), numbers("training loss"), numbers("held-out loss")], rows) + "</div>";
}

function tableDetails({ name, says, test, verdict, parts, runs }: TableVerdict): string {
  const rows = parts.map(({ what, paper, estimate, verdict }) => [
    escape(what),
    digits(paper, 4),
    estimate === undefined ? "–" : interval(estimate, verdict, 4),
  ]);
  const found = parts.length === 0 ? absent("No runs yet.") : table(["", numbers("paper"), numbers("AUC")], rows);
  return `<div class="claim"><div><h3>${name}. ${escape(says)}</h3><p class="soft">${escape(test)}</p>` +
    `<p>${mark(verdict, runs > 0)}</p></div>${found}</div>`;
}

function sign(verdict: Verdict): string {
  const [text, kind] =
    { holds: ["✓", "holds"], "does not hold": ["✗", "fails"], undecided: ["?", "undecided"] }[verdict];
  return `<span class="verdict ${kind}" title="${verdict}">${text}</span>`;
}
