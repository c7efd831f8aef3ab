import { adam, compile, evaluate, type Model, type Spec } from "@gatehouse/gatehouse";
import { plan } from "@gatehouse/gatehouse/graph";
import { type Census, census } from "@gatehouse/gatehouse/datasets";
import { pairedBootstrap } from "./bootstrap.ts";
import { censusModel, logistic } from "./census_methods.ts";
import { type Method, methods, space, type Trial, trialOf } from "./census_space.ts";
import { learn } from "./learn.ts";
import type { Job, Json, Result, Tools } from "./study.ts";

/** The settings of a run: tasks, inputs, and the models to train. */
export interface CensusJob {
  readonly group: 1 | 2;
  readonly setting: Job["setting"];
}

/** The most epochs. Training stops once the sum of both tasks' validation losses is not less than before. */
export const mostEpochs = 6;

/** The resamples of the paired bootstrap. */
export const resamples = 1000;

/** Logistic regression: no search, for it has little to search. */
export const logisticTrial: Trial = { rate: 0.01, batch: 1024 };

/** The yardstick, with education among the inputs: sizes, rate and batch of torch-rechub's Census-Income example. */
export const keptTrials: Readonly<Partial<Record<Method, Trial>>> = {
  "shared-bottom": { rate: 1e-3, batch: 1024, hidden: 117, layers: 1, tower: 8 },
  mmoe: { rate: 1e-3, batch: 1024, hidden: 128, layers: 1, tower: 8, experts: 8 },
};

/**
 * Trains the model of a setting, or all methods to be compared on the same rows, on Census-Income.
 *
 * Every run has the same rows to train on, to validate on and to test on: the split is that of seed 0. What differs
 * between runs are the initial values and the order of rows.
 *
 * @returns `drawn`: the hyper-parameters; `validation` and `test`: AUC by task; `epochs`: the epochs trained;
 * `parameters`; `seconds` of training. Of the stage `bootstrap`: by task and method, how far its AUC is from MMoE's.
 */
export async function censusRun({ group, setting }: CensusJob, tools: Tools): Promise<Result["found"]> {
  const { stage, trial } = setting;
  const method = setting.method as Method;
  const kept = stage === "education kept";
  const data = await read(group, kept ? "education kept" : "paper", tools);
  const labels = Object.keys(data.train.labels!);
  const specOf = (method: Method, trial: Trial) => censusModel(method, trial, data.features, labels);
  if (stage === "bootstrap") {
    const models = Object.fromEntries(methods.map((method) => {
      const drawn = trialOf(method, Number(setting[method]));
      return [method, { drawn, spec: specOf(method, drawn) }];
    }));
    const all = { ...models, logistic: { drawn: logisticTrial, spec: logistic(data.features, labels) } };
    return await compared(all, data, tools);
  }
  if (stage === "logistic") {
    const one = { name: "logistic", spec: logistic(data.features, labels), drawn: logisticTrial };
    return await trained(one, data, tools, measures);
  }
  const drawn = kept ? keptTrials[method]! : trialOf(method, Number(trial));
  const found = await trained({ name: method, spec: specOf(method, drawn), drawn }, data, tools, measures);
  return stage === "search" ? { ...found, space: space[method] as Json } : found;
}

/** The result of a trained model: its AUC by split and task. */
async function measures(model: Model, { validation, test }: Census): Promise<Result["found"]> {
  const of = async (rows: Census["test"]) => {
    const { metrics } = await evaluate(model, rows);
    return Object.fromEntries(Object.entries(metrics).map(([task, { auc }]) => [task, digits(auc)]));
  };
  return { validation: await of(validation), test: await of(test) };
}

/** Trains all models, one after the other, and compares their AUC on the test rows. */
async function compared(
  models: Readonly<Record<string, { readonly drawn: Trial; readonly spec: Spec }>>,
  data: Census,
  tools: Tools,
): Promise<Result["found"]> {
  const labels = data.test.labels as Readonly<Record<string, Float32Array>>;
  const scores: Record<string, Record<string, Float32Array>> = {};
  for (const [name, { drawn, spec }] of Object.entries(models)) {
    await trained({ name, spec, drawn }, data, tools, async (model) => {
      for (const [task, found] of Object.entries(await model.predict(data.test))) {
        scores[task] = { ...scores[task], [name]: found };
      }
      return {};
    });
  }
  const count = tools.budget.smoke ? 20 : resamples;
  return Object.fromEntries(
    Object.entries(scores).map(([task, of]) => {
      const found = pairedBootstrap(of, labels[task], { against: "mmoe", resamples: count, seed: tools.seed });
      return [
        task,
        Object.fromEntries(
          Object.entries(found).filter(([name]) => name !== "mmoe").map(([name, { difference, sd, low, high }]) => [
            name,
            { difference: digits(difference), sd: digits(sd), low: digits(low), high: digits(high) },
          ]),
        ),
      ];
    }),
  );
}

/** Trains a model, asks what is wanted of it, and frees it. */
async function trained(
  { name, spec, drawn }: { readonly name: string; readonly spec: Spec; readonly drawn: Trial },
  data: Census,
  tools: Tools,
  wanted: (model: Model, data: Census) => Promise<Result["found"]>,
): Promise<Result["found"]> {
  const begun = performance.now();
  const { engine, seed, budget } = tools;
  const model = await compile(spec, { engine, seed });
  const { rate, batch } = drawn;
  const task = Object.fromEntries(Object.keys(spec.tasks).map((task) => [task, 1]));
  let epochs = 0;
  try {
    const options = {
      epochs: budget.smoke ? 1 : mostEpochs,
      batch,
      optimiser: adam(rate),
      validation: data.validation,
      stopping: { task, patience: 1 },
    };
    for await (const { epoch } of learn(name, model, data.train, options, tools)) epochs = epoch;
    const seconds = Math.round(performance.now() - begun) / 1000;
    return { drawn, ...await wanted(model, data), epochs, parameters: plan(model.spec).layout.size, seconds };
  } finally {
    model.dispose();
  }
}

/** The data that were read in this worker, for its next runs. */
const known = new Map<string, Promise<Census>>();

function read(
  group: 1 | 2,
  inputs: "paper" | "education kept",
  { budget: { smoke }, data, signal }: Tools,
): Promise<Census> {
  const folder = smoke ? "examples/sample" : data;
  const key = JSON.stringify([group, inputs, folder]);
  const found = known.get(key) ?? census({ group, inputs, folder, verify: !smoke, signal });
  known.set(key, found);
  return found;
}

/** A number as results keep it: six digits, and null where it is none, as the AUC of one class is. */
function digits(number: number): number | null {
  return Number.isFinite(number) ? Number(number.toFixed(6)) : null;
}
