import { textTable } from "@gatehouse/gatehouse";
import { labelCorrelation, synthetic } from "@gatehouse/gatehouse/datasets";
import { resultsOf, runsOf, type Study } from "./study.ts";
import { figure2Points } from "./printed.ts";
import { meanOf } from "./moments.ts";

const rows = 10_000;

/** Figure 2: how the correlation of the labels follows from that of the tasks; 100 trials of 10,000 points, as printed. */
export const figure2: Study = {
  name: "figure2",
  about: "how far labels correlate, by the correlation of the tasks",
  jobs: (_, { smoke, runs = smoke ? 2 : 100 }) =>
    figure2Points.flatMap(([correlation]) => runsOf("figure2", { correlation }, runs)),
  run({ setting: { correlation } }, { seed, budget }) {
    const { first, second } = synthetic({ correlation: Number(correlation), rows: budget.smoke ? 1000 : rows, seed })
      .labels as Readonly<Record<string, Float32Array>>;
    return Promise.resolve({ pearson: Number(pearson(first, second).toPrecision(6)) });
  },
  summary(results) {
    const lines = figure2Points.map(([correlation, paper]) => {
      const found = resultsOf(results, "figure2", { correlation }).map(({ found }) => Number(found.pearson));
      const mean = meanOf(found);
      return {
        "task correlation": String(correlation),
        trials: found.length,
        "mean label correlation": mean.toFixed(4),
        "in closed form": labelCorrelation(correlation).toFixed(4),
        "in the paper": paper.toFixed(4),
        difference: (mean - paper).toFixed(4),
      };
    });
    return textTable(lines);
  },
};

/** The correlation of two samples. */
function pearson(x: Float32Array, y: Float32Array): number {
  const mean = (of: Float32Array) => of.reduce((sum, each) => sum + each, 0) / of.length;
  const [mx, my] = [mean(x), mean(y)];
  let [xx, xy, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    xx += (x[i] - mx) ** 2;
    xy += (x[i] - mx) * (y[i] - my);
    yy += (y[i] - my) ** 2;
  }
  return xy / Math.sqrt(xx * yy);
}
