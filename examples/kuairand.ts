/**
 * A recommender of four tasks on KuaiRand-Pure, a video is played, for long, liked, and its author's profile opened: logistic
 * regression, shared-bottom, MMoE, PLE and the best recipe, of raw inputs or with the past of earlier days or moments.
 */
import { gateReport, gateTable, type Model } from "@gatehouse/gatehouse";
import { commandLine, type Context, run } from "./cli.ts";
import { digestOf, digestOfAll } from "./digest.ts";
import { engineOf } from "./engine.ts";
import { gateRecords } from "./gates.ts";
import { downloadKuairand } from "./kuairand/download.ts";
import { inputNames, prepare, type Prepared } from "./kuairand/inputs.ts";
import { type Judged, type Measure, measured, measureTable, recordOf } from "./kuairand/judged.ts";
import { learn } from "./kuairand/learn.ts";
import { readLog, readLogs, readTables, type Task } from "./kuairand/log.ts";
import { names } from "./kuairand/models.ts";
import { judgeSaved } from "./kuairand/other_days.ts";
import type { Plan } from "./kuairand/plan.ts";
import { writePredictions } from "./kuairand/predictions.ts";
import { saveWithPast } from "./kuairand/saved.ts";
import { playTechjam } from "./kuairand/techjam_run.ts";
import { maySave, trainingOptions } from "./resumable.ts";
import { makeFolder } from "./make_folder.ts";

const command = commandLine(
  "kuairand",
  "Trains a recommender of four tasks on KuaiRand-Pure to 4 May, and judges it on 5 May (validation) and 6 May (test).",
  {
    inputs: {
      kind: "choice",
      help: "what is read: the log and its tables, or what was known a day or a moment before too",
      of: inputNames,
      default: "lag",
    },
    model: { kind: "choices", help: "what is trained", of: [...names, "all"], default: ["all"] },
    epochs: { kind: "number", help: "most passes over the training rows; default by model", from: 1, whole: true },
    data: { kind: "path", help: "the folder of the data; else GATEHOUSE_DATA, else ./data" },
    unverified: { kind: "flag", help: "read files that are not the official ones, such as those of examples/sample" },
    save: {
      kind: "path",
      help: "the folder in which every trained model is saved, as INPUTS/MODEL, with what it knows of the past",
      default: "out/kuairand",
    },
    test: {
      kind: "path",
      help: "train nothing: judge the saved models on other days, files of the log with commas between them",
    },
    predictions: { kind: "path", help: "the folder in which predictions are written, a CSV file a model" },
    techjam: {
      kind: "flag",
      help: "train and judge by the protocol of TechJam 2026, on all 31 days, beside what was published",
    },
    download: { kind: "flag", help: "first download all days to ./data/kuairand, for --techjam, which it implies" },
    engine: { kind: "choice", help: "what computes", of: ["wasm", "cpu", "reference", "onnx"], default: "wasm" },
    ...trainingOptions,
  },
  "--model mmoe,best --inputs raw --engine onnx",
);

await run(command, async (options, context) => {
  const { seed, inputs, epochs, save, predictions } = options;
  const { signal } = context;
  const wanted = options.model.includes("all") ? names : names.filter((name) => options.model.includes(name));
  if (options.download) await downloadKuairand({ signal });
  const folder = options.data ?? (options.download ? "data" : undefined);
  const reading = { folder, verify: !options.unverified, signal };
  const engine = await engineOf(options.engine);
  const plan = { wanted, inputs, seed, epochs, engine, save, predictions, context };
  if (options.download || options.techjam) return await playTechjam(plan, reading);
  const tables = await readTables(reading);
  if (options.test === undefined) return await trainAll(prepare(await readLog(tables, reading), inputs), plan);
  await judgeSaved(await readLogs(options.test.split(",").map((path) => path.trim()), tables, { signal }), plan);
});

/** Trains, saves and judges models, and compares how well they do on the test day. */
async function trainAll(data: Prepared, plan: Plan): Promise<void> {
  const { wanted, inputs, seed, save, predictions, context } = plan;
  const { say, record, signal } = context;
  const { train: { count }, validation, test } = data;
  // before hours of training, not after: a folder that may not be written
  for (const path of [`${save}/${inputs}`, predictions]) if (path) await makeFolder(path, "save models");
  say(`${count} training, ${validation.count} validation and ${test.count} test rows, inputs ${inputs}`);
  const digests: [name: string, digest: string][] = [];
  const measures: Measure[] = [];
  for (const name of wanted) {
    if (signal.aborted) break;
    const { model, how } = await learn(name, data, plan);
    try {
      const path = `${save}/${inputs}/${name}`;
      if (await maySave(path, context)) await saveWithPast(path, { model, past: data.past });
      digests.push([name, await digestOf(model)]);
      for (const [split, rows] of Object.entries({ validation, test })) {
        const found = await measured(model, rows, split, how);
        found.forEach((measure) => record(recordOf(measure)));
        if (split === "test") measures.push(...found);
      }
      if (predictions !== undefined) await predict(model, data, how, predictions);
      await showGates(name, model, data, context);
    } finally {
      model.dispose();
    }
  }
  if (measures.length > 0) {
    say(`\nOn ${test.count} test rows, inputs ${inputs}, seed ${seed}\n${measureTable(measures)}`);
  }
  say(`\nThe models are saved in ${save}/${inputs}`);
  if (signal.aborted) return say("Stopped before its time: the numbers and models are of what was trained");
  record({ sha256: digestOfAll(digests) });
}

/** Shows what the gates do, by the part of the app in which videos were shown. */
async function showGates(
  name: string,
  model: Model<Task>,
  { test }: Prepared,
  { say, record }: Context,
): Promise<void> {
  const report = await gateReport(model, test, { by: "tab" });
  gateRecords(name, report).forEach(record);
  if (report.gates.length > 0) say(`\nWhat the gates of ${name} do on test rows, by tab\n${gateTable(report)}`);
}

/** Writes what a model predicts of each part of the rows to judge it on. */
async function predict(
  model: Model<Task>,
  { validation, test }: Prepared,
  { model: name, inputs, seed }: Judged,
  folder: string,
): Promise<void> {
  for (const [split, rows] of Object.entries({ validation, test })) {
    await writePredictions(folder, { model: name, inputs, seed, split }, await model.predict(rows));
  }
}
