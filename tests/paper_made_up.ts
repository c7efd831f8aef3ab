import { random } from "../lib/datasets.ts";
import { methods } from "../examples/paper/census_space.ts";
import { figure2Points, figure4Losses, figure4Steps, figure5Losses, tableAucs } from "../examples/paper/printed.ts";
import { studies } from "../examples/paper/studies.ts";
import { type Budget, type Job, keyOf, type Result } from "../examples/paper/study.ts";
import { marks } from "../examples/paper/synthetic_run.ts";

/** Results of whole studies as if the paper's numbers had been found again, spread as they are there. */
export function madeUp(names: readonly string[], budget: Budget): Record<string, readonly Result[]> {
  return Object.fromEntries(names.map((name) => {
    const all: Result[] = [];
    const done = new Set<string>();
    for (;;) {
      const jobs = studies[name].jobs(all, budget).filter((job) => !done.has(keyOf(job)));
      if (jobs.length === 0) return [name, all];
      for (const job of jobs) {
        done.add(keyOf(job));
        all.push({ ...job, seed: 7, engine: "onnx", seconds: 10, found: found(job) });
      }
    }
  }));
}

/** Returns a possible result of a run. */
function found(job: Job): Result["found"] {
  const { study, setting } = job;
  const { normal } = random(keyOf(job));
  if (study === "figure2") {
    const [, middle] = figure2Points.find(([correlation]) => correlation === setting.correlation)!;
    return { pearson: middle + 0.005 * normal() };
  }
  if (study === "table1" || study === "table2") return census(study, setting, normal);
  if (study === "figure6") return gates(setting, normal);
  const model = String(setting.model).replace(" 16", "");
  const p = Number(setting.correlation);
  const { mean, sd } = figure5Losses[model][p];
  const rate = setting.rate === 0.01 ? 1 : setting.rate === 0.001 ? 1.3 : 3;
  const final = rate * Math.max(0.02, mean + sd * normal());
  const curve = marks.map((step) => {
    const next = figure4Steps.findIndex((each) => each >= step);
    const printed = next < 0 ? figure4Losses[model][p].at(-1)! : figure4Losses[model][p][next];
    return printed * final / mean;
  });
  return { curve, last: [final, final], held: [1.1 * final, 1.1 * final] };
}

function census(study: string, setting: Job["setting"], normal: () => number): Result["found"] {
  const main = study === "table1" ? "income" : "education";
  const printed = tableAucs[study];
  if (setting.stage === "bootstrap") {
    const of = (task: "main" | "marital") =>
      Object.fromEntries(
        [...methods, "logistic"].filter((method) => method !== "mmoe").map((method) => {
          const difference = (printed[method]?.[task].mean ?? 0.9) - printed.mmoe[task].mean;
          return [method, { difference, sd: 0.0005, low: difference - 0.001, high: difference + 0.001 }];
        }),
      );
    return { [main]: of("main"), marital: of("marital") };
  }
  const { main: of, marital } = printed[String(setting.method)] ?? printed["shared-bottom"];
  const aucs = { [main]: of.mean + 0.0002 * normal(), marital: marital.mean + 0.0002 * normal() };
  return { drawn: { rate: 0.001 }, validation: aucs, test: aucs, epochs: 3, parameters: 12_345, seconds: 5 };
}

function gates(setting: Job["setting"], normal: () => number): Result["found"] {
  const tasks = setting.data === "census" ? ["income", "marital"] : ["is_click", "is_like"];
  const gate = (task: string, at: number) => {
    const weights = [0.5, 0.3, 0.15, 0.05].map((weight, i) => at === 0 ? weight : [0.1, 0.7, 0.15, 0.05][i]);
    const mean = weights.map((weight) => Math.abs(weight + 0.01 * normal()));
    return { task, mean, top: weights, entropy: 1, effective: 3 };
  };
  const auc = Object.fromEntries(tasks.map((task) => [task, 0.9 + 0.001 * normal()]));
  return { epochs: 3, auc: { validation: auc, test: auc }, gates: setting.model === "mmoe" ? tasks.map(gate) : [] };
}
