/**
 * Two facts about 199,523 people learnt together: single-task models, shared-bottom, OMoE, MMoE, logistic regression and,
 * if they are named, the other architectures on Census-Income, with the paper's tasks and inputs.
 */
import {
  adam,
  compile,
  describe,
  evaluate,
  type GateReport,
  gateReport,
  gateTable,
  type HealthWarning,
  type Model,
  progressBar,
  type Rows,
  save,
  textTable,
} from "@gatehouse/gatehouse";
import { plan } from "@gatehouse/gatehouse/graph";
import { census, downloadCensus } from "@gatehouse/gatehouse/datasets";
import { gateChart, gateWeights, page, segmentWeights } from "@gatehouse/gatehouse/svg";
import { basic, names, tableOf } from "./census_models.ts";
import { commandLine, type Context, run } from "./cli.ts";
import { digestOf, digestOfAll } from "./digest.ts";
import { UsageError } from "./options.ts";
import { engineOf } from "./engine.ts";
import { gateRecords } from "./gates.ts";
import { placePicture, writePicture } from "./picture.ts";
import { keptAs, maySave, taken, trainingOptions } from "./resumable.ts";
import { makeFolder } from "./make_folder.ts";

const command = commandLine(
  "census",
  "Trains architectures and logistic regression on Census-Income and compares their test AUC.",
  {
    group: {
      kind: "choice",
      help: "1: income and never married; 2: education and never married",
      of: ["1", "2"],
      default: "1",
    },
    model: { kind: "choices", help: "what is trained", of: [...names, "all"], default: basic },
    inputs: { kind: "choice", help: "what is read", of: ["paper", "education kept"], default: "paper" },
    epochs: { kind: "number", help: "most passes over the training rows", default: 5, from: 1, whole: true },
    batch: { kind: "number", help: "rows of a step", default: 1024, from: 1, whole: true },
    rate: {
      kind: "number",
      help: "learning rate of Adam; default 0.01 for logistic, 0.001 for the others",
      from: 1e-9,
    },
    data: { kind: "path", help: "the folder of the data; else GATEHOUSE_DATA, else ./data" },
    unverified: { kind: "flag", help: "read files that are not the official ones, such as those of examples/sample" },
    download: { kind: "flag", help: "first download the data to ./data" },
    save: {
      kind: "path",
      help: "the folder in which every trained model is saved under its name",
      default: "out/census",
    },
    by: {
      kind: "choice",
      help: "look at the gates by this feature too",
      of: ["education", "class of worker", "race", "sex"],
    },
    svg: { kind: "path", help: "where the picture of the gates is written", default: "out/census.svg" },
    ...trainingOptions,
  },
  "--model mmoe,logistic --epochs 2",
);

await run(command, async (options, context) => {
  const { say, record, signal } = context;
  if (options.download) await downloadCensus({ signal });
  const group = options.group === "1" ? 1 : 2;
  const start = performance.now();
  const verify = !options.unverified;
  const data = await census({ group, inputs: options.inputs, folder: options.data, verify, signal });
  if (options.by !== undefined && !Object.hasOwn(data.features, options.by)) {
    throw new UsageError(`Cannot run census: no model reads ${options.by}: wanted --inputs "education kept" with it`);
  }
  const specs = tableOf(data.features, Object.keys(data.train.labels!));
  const wanted = options.model.includes("all") ? names : names.filter((name) => options.model.includes(name));
  const { train: { count }, validation, test } = data;
  say(
    `${count} training, ${validation.count} validation and ${test.count} test rows ` +
      `read in ${seconds(start).toFixed(1)} s\n`,
  );
  say(describe(specs[wanted.at(-1)!]));

  const engine = await engineOf(options.engine);
  await makeFolder(options.save, "save models");
  await placePicture(options.svg);
  const results: Record<string, string | number>[] = [];
  const gates: Record<string, GateReport> = {};
  const digests: [name: string, digest: string][] = [];
  for (const name of wanted) {
    if (signal.aborted) break;
    const began = performance.now();
    const model = await compile(specs[name], { engine, seed: options.seed });
    try {
      const rate = options.rate ?? (name === "logistic" ? 0.01 : 0.001);
      const learnt = await learn(name, model, data.train, data.validation, { ...options, rate, context });
      const path = `${options.save}/${name}`;
      if (await maySave(path, context)) await save(model, path);
      digests.push([name, await digestOf(model)]);
      const found = await measured(model, { validation, test });
      const took = learnt ?? seconds(began);
      for (const one of found) record({ model: name, ...one, seed: options.seed, seconds: took });
      const row = { parameters: plan(model.spec).layout.size, seconds: Math.round(took) };
      results.push({ model: name, ...rowOf(found), ...row });
      const report = await gateReport(model, test, options.by === undefined ? {} : { by: options.by });
      gateRecords(name, report).forEach(record);
      if (report.gates.length > 0) gates[name] = report;
    } finally {
      model.dispose();
    }
  }
  if (results.length > 0) say(`\nOn ${test.count} test rows, seed ${options.seed}\n${textTable(results)}`);
  for (const [name, found] of Object.entries(gates)) {
    say(`\nWhat the gates of ${name} do on test rows\n${gateTable(found)}`);
  }
  say(`\nThe models are saved in ${options.save}`);
  if (Object.keys(gates).length > 0) {
    await writePicture(options.svg, picture(gates));
    say(`The picture of their gates is ${options.svg}`);
  }
  if (signal.aborted) return say("Stopped before its time: the numbers and models are of what was trained");
  record({ sha256: digestOfAll(digests) });
});

/** The mean weights of the gates, model by model and, if a feature was named, by its values. */
function picture(gates: Readonly<Record<string, GateReport>>): string {
  const charts = Object.entries(gates).flatMap(([name, report]) => [
    gateChart(gateWeights(report), { title: `${name}: mean gate weights` }),
    ...(report.segments === undefined ? [] : report.gates).map(({ gate, stream }) =>
      gateChart(segmentWeights(report, gate), { title: `${name} ${stream} by ${report.by}` })
    ),
  ]);
  return page(charts, "Gates on Census-Income");
}

/** Trains until the sum of the validation losses no longer improves, keeps the best parameters, and returns the seconds of it. */
async function learn(
  name: string,
  model: Model,
  rows: Rows,
  validation: Rows,
  { epochs, batch, rate, context: { signal, keeping } }: {
    readonly epochs: number;
    readonly batch: number;
    readonly rate: number;
    readonly context: Context;
  },
): Promise<number | undefined> {
  const progress = progressBar(name.padEnd("shared-bottom".length));
  const task = Object.fromEntries(Object.keys(model.spec.tasks).map((task) => [task, 1]));
  const stopping = { task, metric: "loss", patience: 2 };
  const how = { epochs, batch, optimiser: adam(rate), validation, stopping, signal };
  let warnings: readonly HealthWarning[] = [];
  let seconds: number | undefined; // those before a stop counted
  for await (const at of taken(model, rows, how, keptAs(name, keeping))) {
    progress.update({ ...at, epochs });
    warnings = at.health?.warnings ?? warnings;
    seconds = at.seconds ?? seconds;
  }
  progress.end(signal.aborted ? "stopped" : "done");
  for (const { message } of warnings) console.error(`${name}: ${message}`);
  return seconds;
}

/** The measures of a model on the rows of a split. */
interface Measured {
  readonly task: string;
  readonly split: string;
  readonly auc: number;
  readonly logloss: number;
}

/** Evaluates a model on the rows of each split. */
async function measured(model: Model, splits: Readonly<Record<string, Rows>>): Promise<readonly Measured[]> {
  const found: Measured[] = [];
  for (const [split, rows] of Object.entries(splits)) {
    const { metrics } = await evaluate(model, rows);
    for (const [task, { auc, logloss }] of Object.entries(metrics)) found.push({ task, split, auc, logloss });
  }
  return found;
}

/** The measures on test rows, as a row of the table has them. */
function rowOf(found: readonly Measured[]): Readonly<Record<string, number>> {
  const ofTest = found.filter(({ split }) => split === "test");
  return Object.fromEntries(
    ofTest.flatMap(({ task, auc, logloss }) => [[`${task} AUC`, auc], [`${task} log loss`, logloss]]),
  );
}

function seconds(since: number): number {
  return (performance.now() - since) / 1000;
}
