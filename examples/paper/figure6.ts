import {
  adam,
  bank,
  binary,
  compile,
  define,
  dense,
  evaluate,
  type Features,
  gateReport,
  level,
  mix,
  mmoe,
  type Model,
  pipe,
  relu,
  type Rows,
  softmax,
  type Spec,
  textTable,
} from "@gatehouse/gatehouse";
import { census } from "@gatehouse/gatehouse/datasets";
import { kuairand } from "./kuairand.ts";
import { learn } from "./learn.ts";
import { figure6Gates } from "./printed.ts";
import { type Result, resultsOf, runsOf, type Setting, type Study, type Tools } from "./study.ts";
import { deviationOf, meanOf } from "./moments.ts";

/** The cells: MMoE on both data sets, and what it is to be measured by on the one that the paper does not have. */
export const figure6Cells = {
  census: { data: "census", model: "mmoe" },
  kuairand: { data: "kuairand", model: "mmoe" },
  logistic: { data: "kuairand", model: "logistic" },
} as const satisfies Readonly<Record<string, Setting>>;

/** The use that the gate of a task makes of the experts on the test rows. */
export interface GateFound {
  readonly task: string;
  /** The mean weight of each expert. */
  readonly mean: readonly number[];
  /** The share of rows in which each has the largest weight. */
  readonly top: readonly number[];
  /** The mean entropy of a row's weights, in nats. */
  readonly entropy: number;
  /** The effective number of experts: exp of the entropy of the mean weights. */
  readonly effective: number;
}

/** The result of one run; without gates for logistic regression. */
export interface Figure6Found {
  readonly epochs: number;
  readonly auc: Readonly<Record<"validation" | "test", Readonly<Record<string, number | null>>>>;
  readonly gates: readonly GateFound[];
}

/** Figure 6: how the gates of a trained MMoE share the experts, on two public data sets instead of the paper's own. */
export const figure6: Study = {
  name: "figure6",
  about: "how much of each expert the gates of two tasks take, on Census-Income and KuaiRand-Pure",
  jobs: (_, { smoke, runs }) => {
    const { census, kuairand, logistic } = figure6Cells;
    return [
      ...runsOf("figure6", kuairand, runs ?? (smoke ? 2 : 10)),
      ...runsOf("figure6", census, runs ?? (smoke ? 1 : 10)),
      ...runsOf("figure6", logistic, Math.min(runs ?? 3, smoke ? 1 : 3)),
    ];
  },
  async run({ setting: { data, model } }, tools) {
    const { smoke } = tools.budget;
    const where = smoke ? { folder: "examples/sample", verify: false } : { folder: tools.data };
    const rows = data === "census" ? await census({ group: 1, ...where }) : await kuairand(where);
    const spec = specOf(rows.features, Object.keys(rows.train.labels!), data === "census", model === "logistic");
    const rate = model === "logistic" ? 0.003 : 0.001;
    return await learnt(`${model}`, spec, rows, rate, tools) as unknown as Result["found"];
  },
  summary(results) {
    const { census, kuairand, logistic } = figure6Cells;
    const of = (cell: Setting) => resultsOf(results, "figure6", cell);
    return [
      "Mean weights of 4 experts on test rows, means over runs. Experts have no order of their own: in every run they are put",
      "in that of the first gate's weights, the largest first. In the paper and on KuaiRand MMoE is above a shared layer.",
      textTable([...weightsOf("kuairand", of(kuairand)), ...weightsOf("census", of(census)), ...printed]),
      "",
      "How concentrated gates are, and how far they are apart: half the sum of differences of mean weights, 0 to 1.",
      "Mean and standard deviation over runs",
      textTable([...spreadOf("kuairand", of(kuairand)), ...spreadOf("census", of(census)), ...printedSpread]),
      "",
      "AUC: mean and standard deviation over runs",
      textTable([
        ...aucsOf("kuairand", "MMoE", of(kuairand)),
        ...aucsOf("kuairand", "logistic regression", of(logistic)),
        ...aucsOf("census", "MMoE", of(census)),
      ]),
    ].join("\n");
  },
};

/**
 * MMoE of 4 experts. On Census-Income experts and gates read the input; where inputs are many thousand ids, they read a
 * layer that all share, of which section 6.4 says that MMoE replaces the top layer only.
 */
function specOf(input: Features, labels: readonly string[], direct: boolean, logistic: boolean): Spec {
  const [wide, narrow] = [pipe(dense(64), relu), pipe(dense(32), relu)];
  const tower = logistic ? undefined : pipe(dense(16), relu);
  const tasks = Object.fromEntries(labels.map((task) => [task, binary(tower)]));
  if (logistic) return define({ input, tasks });
  if (direct) return define(mmoe({ input, expert: pipe(wide, narrow), experts: 4, tasks }));
  const gates = Object.fromEntries(labels.map((task) => [task, mix("experts", softmax)]));
  return define({
    input,
    levels: [level({ bottom: bank(1, wide) }, { shared: mix("bottom") }), level({ experts: bank(4, narrow) }, gates)],
    tasks,
  });
}

/** Trains until the sum of the validation losses no longer improves, keeps the best parameters, and looks at them. */
async function learnt(
  name: string,
  spec: Spec,
  { train: rows, validation, test }: { readonly train: Rows; readonly validation: Rows; readonly test: Rows },
  rate: number,
  tools: Tools,
): Promise<Figure6Found> {
  const { engine, seed, budget: { smoke } } = tools;
  const model = await compile(spec, { engine, seed });
  const tasks = Object.keys(spec.tasks);
  const stopping = { task: Object.fromEntries(tasks.map((task) => [task, 1])), metric: "loss", patience: 1 };
  let epochs = 0;
  try {
    const how = { epochs: smoke ? 1 : 10, batch: smoke ? 32 : 1024, optimiser: adam(rate), validation, stopping };
    for await (const { epoch } of learn(name, model, rows, how, tools)) epochs = epoch;
    const { gates } = await gateReport(model, test);
    return {
      epochs,
      auc: { validation: await aucs(model, validation), test: await aucs(model, test) },
      gates: gates.map(({ stream, mean, top, entropy, effective }) => ({
        task: stream,
        mean: mean.map(rounded),
        top: top.map(rounded),
        entropy: rounded(entropy!), // of softmax: never null
        effective: rounded(effective!),
      })),
    };
  } finally {
    model.dispose();
  }
}

/** AUC by task, null where rows are all of one class. */
async function aucs(model: Model, rows: Rows): Promise<Record<string, number | null>> {
  const { metrics } = await evaluate(model, rows);
  return Object.fromEntries(
    Object.entries(metrics).map(([task, { auc }]) => [task, Number.isNaN(auc) ? null : rounded(auc)]),
  );
}

/** The gates of all runs, each run's experts in the order of the first gate's mean weights, largest first. */
export function sortedGates(results: readonly Result[]): readonly (readonly GateFound[])[] {
  return results.map(({ found }) => {
    const { gates } = found as unknown as Figure6Found;
    const order = gates[0].mean.map((_, expert) => expert).sort((a, b) => gates[0].mean[b] - gates[0].mean[a]);
    const sorted = (of: readonly number[]) => order.map((expert) => of[expert]);
    return gates.map((gate) => ({ ...gate, mean: sorted(gate.mean), top: sorted(gate.top) }));
  });
}

/** Half the sum of the differences of two gates' mean weights: 0 where they are equal, 1 where they share no expert. */
export function apart(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, weight, expert) => sum + Math.abs(weight - b[expert]), 0) / 2;
}

type Line = Readonly<Record<string, string | number>>;

/** The mean weights of every gate, a line each. */
function weightsOf(data: string, results: readonly Result[]): Line[] {
  const runs = sortedGates(results);
  return (runs[0] ?? []).map(({ task }, gate) => ({
    data,
    gate: task,
    ...weightColumns(runs[0][gate].mean.map((_, expert) => meanOf(runs.map((gates) => gates[gate].mean[expert])))),
    runs: runs.length,
  }));
}

function weightColumns(weights: readonly number[]): Line {
  return Object.fromEntries(weights.map((weight, expert) => [`expert ${expert + 1}`, weight.toFixed(3)]));
}

/** The concentration of every gate, and the distance of the two. */
function spreadOf(data: string, results: readonly Result[]): Line[] {
  const runs = sortedGates(results);
  const found = (of: (gates: readonly GateFound[]) => number) => spread(runs.map(of));
  return (runs[0] ?? []).map(({ task }, at) => ({
    data,
    gate: task,
    "largest mean weight": found((gates) => Math.max(...gates[at].mean)),
    "effective experts": found((gates) => gates[at].effective),
    "entropy of a row": found((gates) => gates[at].entropy),
    apart: at === 0 ? found(([first, second]) => apart(first.mean, second.mean)) : "",
    "runs with the same favourite": at === 0 ? share(runs) : "",
  }));
}

/** In how many runs both gates give the same expert the most. */
function share(runs: readonly (readonly GateFound[])[]): string {
  const same = runs.filter(([first, second]) => best(first.mean) === best(second.mean)).length;
  return `${same} of ${runs.length}`;
}

function best(weights: readonly number[]): number {
  return weights.indexOf(Math.max(...weights));
}

/** The paper's gates as lines of the two tables. */
const printed: readonly Line[] = Object.entries(figure6Gates).map(([gate, weights]) => ({
  data: "in the paper",
  gate,
  ...weightColumns(weights),
}));
const printedSpread: readonly Line[] = Object.entries(figure6Gates).map(([gate, weights], at) => ({
  data: "in the paper",
  gate,
  "largest mean weight": Math.max(...weights).toFixed(3),
  "effective experts": effectiveOf(weights).toFixed(3),
  apart: at === 0 ? apart(figure6Gates.engagement, figure6Gates.satisfaction).toFixed(3) : "",
  "runs with the same favourite": at === 0 ? "0 of 1" : "",
}));

/** exp of the entropy of weights over their sum. */
function effectiveOf(weights: readonly number[]): number {
  const total = weights.reduce((sum, weight) => sum + weight);
  return Math.exp(-weights.reduce((sum, weight) => sum + weight / total * Math.log(weight / total), 0));
}

/** The AUC of every task, a line each. */
function aucsOf(data: string, model: string, results: readonly Result[]): Line[] {
  const found = results.map(({ found }) => (found as unknown as Figure6Found).auc);
  return Object.keys(found[0]?.test ?? {}).map((task) => ({
    data,
    model,
    task,
    validation: spread(found.map(({ validation }) => validation[task] ?? NaN), 4),
    test: spread(found.map(({ test }) => test[task] ?? NaN), 4),
    runs: results.length,
  }));
}

/** Mean and standard deviation. */
function spread(of: readonly number[], digits = 3): string {
  const middle = meanOf(of).toFixed(digits);
  return of.length < 2 ? middle : `${middle} ± ${deviationOf(of).toFixed(digits)}`;
}

function rounded(number: number): number {
  return Number(number.toFixed(5));
}
