import { gateChart, page as picture } from "@gatehouse/gatehouse/svg";
import { mean, sampleStandardDeviation } from "simple-statistics";
import { apart, figure6Cells, type Figure6Found, sortedGates } from "../figure6.ts";
import { figure6Gates } from "../printed.ts";
import { resultsOf } from "../study.ts";
import { absent, digits, escape, figure, numbers, paragraph, type Section, table } from "./html.ts";
import type { Known } from "./known.ts";

const names: Readonly<Record<string, string>> = { census: "Census-Income", kuairand: "KuaiRand-Pure" };

/** Figure 6: the gates of trained MMoE models beside the paper's. */
export function figure6Section({ results }: Known): Section {
  const head = { id: "figure6", title: "Figure 6: what gates make of the experts" };
  const of = (cell: keyof typeof figure6Cells) => resultsOf(results.figure6 ?? [], "figure6", figure6Cells[cell]);
  const data = (["kuairand", "census"] as const).map((name) => ({ name, runs: sortedGates(of(name)) }));
  const made = data.filter(({ runs }) => runs.length > 0);
  const missing = data.filter(({ runs }) => runs.length === 0).map(({ name }) => `figure6: ${names[name]}`);
  const printed = gateChart(
    Object.entries(figure6Gates).map(([name, experts]) => ({ name, experts: [...experts] })),
    { title: "In the paper", most: 1 },
  );
  const charts = made.map(({ name, runs }) => ({
    name,
    chart: gateChart(
      runs[0].map(({ task }, gate) => ({
        name: task,
        experts: runs[0][gate].mean.map((_, expert) => mean(runs.map((gates) => gates[gate].mean[expert]))),
      })),
      { title: `${names[name]}, mean of ${runs.length} runs`, most: 1 },
    ),
  }));
  const all = [printed, ...charts.map(({ chart }) => chart)];
  const rows = made.flatMap(({ name, runs }) =>
    runs[0].map(({ task }, gate) => [
      gate === 0 ? names[name] : "",
      escape(task),
      spread(runs.map((gates) => Math.max(...gates[gate].mean))),
      spread(runs.map((gates) => gates[gate].effective)),
      gate === 0 ? spread(runs.map(([first, second]) => apart(first.mean, second.mean))) : "",
      gate === 0
        ? `${runs.filter(([first, second]) => top(first.mean) === top(second.mean)).length} of ${runs.length}`
        : "",
    ])
  );
  const aucs = (["kuairand", "logistic", "census"] as const).flatMap((cell) => {
    const found = of(cell).map(({ found }) => (found as unknown as Figure6Found).auc.test);
    return Object.keys(found[0] ?? {}).map((task) => [
      `${names[figure6Cells[cell].data]}, ${cell === "logistic" ? "logistic regression" : "MMoE"}`,
      escape(task),
      spread(found.map((auc) => auc[task] ?? NaN), 4),
      String(found.length),
    ]);
  });
  const about =
    "The paper shows the gates of its own recommender, on data that are not public; these are two public data " +
    "sets: whether a video was clicked and liked, and Census-Income. Experts have no order of their own: in every run they " +
    "are put in that of the first gate’s mean weights, the largest first, so that only the second gate of a picture can " +
    "show whether tasks use experts differently.";
  return {
    ...head,
    missing,
    files: made.length === 0 ? {} : { "figure6.svg": picture(all, "Mean gate weights: the paper’s and ours") },
    body: paragraph(about) +
      figure(all.map((chart) => picture([chart])), "Mean weights of four experts on test rows.") +
      (made.length === 0 ? absent("No runs yet: deno task paper figure6.") : table(
        ["", "gate", ...["largest mean weight", "effective experts", "gates apart", "same favourite"].map(numbers)],
        [
          [
            "in the paper",
            "engagement",
            "0.440",
            "",
            digits(apart(figure6Gates.engagement, figure6Gates.satisfaction)),
            "no",
          ],
          ["", "satisfaction", "0.775", "", "", ""],
          ...rows,
        ],
        "Gates: mean ± standard deviation over runs; apart: half the sum of the differences of mean weights, 0 to 1",
      ) + table(["", "task", numbers("test AUC"), numbers("runs")], aucs, "AUC: mean ± standard deviation over runs")),
  };
}

/** Mean and standard deviation. */
function spread(found: readonly number[], places = 3): string {
  const middle = digits(mean([...found]), places);
  return found.length < 2 ? middle : `${middle} ± ${digits(sampleStandardDeviation([...found]), places)}`;
}

function top(weights: readonly number[]): number {
  return weights.indexOf(Math.max(...weights));
}
