import { parametersOf } from "@gatehouse/gatehouse/graph";
import type { Result } from "../study.ts";
import { models as specs } from "../synthetic_models.ts";
import { recipe } from "../synthetic_run.ts";
import { absent, digits, escape, numbers, paragraph, type Section, table, wide } from "./html.ts";
import type { Known } from "./known.ts";

/** The recipe: what is printed, what we chose, what it cost, and how to do it again. */
export function recipeSection({ results, machines, budget }: Known): Section {
  const costs = Object.entries(results).filter(([, all]) => all.length > 0);
  return {
    id: "recipe",
    title: "Recipe, cost and commands",
    body: "<h3>Synthetic experiments</h3>" +
      table(["", "in the paper", "here"], choices.map(([what, paper, here]) => [what, wide(paper), wide(here)])) +
      "<h3>Parameters</h3>" +
      paragraph(
        "Section 5.1 counts the weights of experts and towers, without biases, gates and heads, as 100 × 16 × 8 + " +
          "16 × 8 × 2 = 13,056; a shared bottom of 113 units comes nearest to it.",
      ) +
      table(
        ["", ...["experts and towers", "biases", "gates", "heads", "all"].map(numbers)],
        Object.entries(specs).map(counts),
      ) +
      "<h3>Runs</h3>" +
      (costs.length === 0 ? absent("No runs yet.") : table(
        ["study", numbers("runs"), numbers("hours of one worker"), "engine"],
        [...costs.map(([study, all]) => costRow(study, all)), costRow("all", costs.flatMap(([, all]) => all))],
      ) +
        paragraph(
          "Hours are the sum of the wall times of the runs, each on one thread: N workers need about an Nth of them.",
        )) +
      (machines.length === 0
        ? paragraph("The machine that made the runs was not recorded.")
        : `<ul>${machines.map((each) => `<li>${escape(each)}</li>`).join("")}</ul>`) +
      (budget.smoke
        ? absent("These are the tiny budgets of --smoke, which show that everything runs, and nothing else.")
        : "") +
      "<h3>Commands</h3>" + `<pre>${commands}</pre>`,
  };
}

const choices: readonly (readonly string[])[] = [
  [
    "inputs, experts, towers",
    "100 inputs; 8 experts of one layer of 16; towers of one layer of 8; ReLU; gates linear, without bias",
    "the same",
  ],
  ["Shared-Bottom", "one layer of 113 (figure 4), of 16 (figure 3)", "the same"],
  [
    "steps and optimiser",
    "10,000 steps (figure 4’s axis); Adam, learning rate 0.0001, 0.001 or 0.01; which won is not printed",
    "the same; all three searched for each model with 10 runs a cell, by mean training loss over all p; the two best then " +
    "with all runs, those of the search among them",
  ],
  [
    "runs",
    "200 of each model and correlation, each with data and initial values of its own",
    "30 by default, <code>--runs 200</code> for as many",
  ],
  [
    "loss shown",
    "of one task, for the two are symmetric",
    "of the first task: mean over the 100 steps before; held out: on 10,000 other rows",
  ],
  [
    "rows of a step",
    "not printed",
    `${recipe.batch}, chosen by looking: with it the final losses are nearer to those of figure 5 than with 256`,
  ],
  ["rows to train on", "not printed", `${recipe.rows.toLocaleString("en-US")}, drawn for each run`],
  [
    "sines of the labels",
    "not printed: number m, frequencies a, phases b, scale c",
    "m = 5, c = 0.5, a = 3i, b = 1.5i: fitted to figure 2",
  ],
  ["scale of the labels", "not printed; losses begin at about 1", "standardised to variance 1"],
  ["noise", "N(0, 0.01)", "variance 0.01, which figure 2 shows at p = 1"],
  ["initial values", "not printed", "Glorot uniform, biases 0"],
];

const commands = [
  "deno task paper figure2      # or figure3, figure4, figure5, figure6, table1, table2, sensitivity",
  "deno task paper all          # all of them, then this report; goes on where it was stopped",
  "deno task paper figure4 --runs 200",
  "deno task paper report       # this page from examples/paper/results",
].join("\n");

/** The parameters of a model by what they belong to. */
function counts([name, spec]: [string, typeof specs[keyof typeof specs]]): string[] {
  const sizes: Record<string, number> = { weights: 0, biases: 0, gates: 0, heads: 0 };
  for (const { path, shape } of parametersOf(spec)) {
    sizes[kindOf(path)] += shape.reduce((size, side) => size * side, 1);
  }
  const all = Object.values(sizes).reduce((sum, size) => sum + size, 0);
  return [name, ...[...Object.values(sizes), all].map((size) => size.toLocaleString("en-US"))];
}

function kindOf(path: string): string {
  if (path.includes("/gates/")) return "gates";
  if (path.includes("/head/")) return "heads";
  return path.endsWith("/bias") ? "biases" : "weights";
}

function costRow(study: string, all: readonly Result[]): string[] {
  const hours = all.reduce((sum, { seconds }) => sum + seconds, 0) / 3600;
  return [
    study,
    all.length.toLocaleString("en-US"),
    digits(hours, 2),
    [...new Set(all.map(({ engine }) => engine))].join(", "),
  ];
}
