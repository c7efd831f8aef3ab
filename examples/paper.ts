/**
 * The figures and tables of the MMoE paper, made again: runs on all workers, results that are kept as they come, tables
 * beside the paper's numbers, and a report with tests of its claims.
 */
import { progressBar } from "@gatehouse/gatehouse";
import { kindAt } from "../lib/files/place.ts";
import { commandLine, common, type Context, run } from "./cli.ts";
import { digestOfAll } from "./digest.ts";
import { UsageError } from "./options.ts";
import { keepMachine } from "./paper/machines.ts";
import { writeReport } from "./paper/report.ts";
import { openResults } from "./paper/results.ts";
import { studies } from "./paper/studies.ts";
import { type Job, keyOf, type Result, type Study } from "./paper/study.ts";
import { answers } from "./paper/workers.ts";
import { type Keeping, keptAs, trainingOptions } from "./resumable.ts";

/** The things to ask for: the studies, figures that other studies' runs show, all of them, the report. */
const wanted: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(Object.keys(studies).map((name) => [name, [name]])),
  figure5: ["figure4"],
  all: Object.keys(studies),
  report: [],
};
/** The ones that end with the report. */
const reported: readonly string[] = ["all", "report"];

const command = commandLine(
  "paper",
  "Reproduces the figures and tables of the MMoE paper. What was done is not done again when it is started again.",
  {
    what: { kind: "choice", help: "what is made", of: Object.keys(wanted).sort(), bare: true },
    runs: { kind: "number", help: "runs of a cell; without it each study's own number", from: 1, whole: true },
    workers: { kind: "number", help: "runs at once", default: 2, from: 1, to: 64, whole: true },
    results: { kind: "path", help: "the folder of results; default examples/paper/results, or out/paper-smoke" },
    out: { kind: "path", help: "the folder of the report; default examples/paper/report, or out/paper-smoke/report" },
    data: { kind: "path", help: "the folder of the real data; else GATEHOUSE_DATA, else ./data" },
    smoke: { kind: "flag", help: "show that everything runs, on tiny budgets" },
    ...trainingOptions,
    engine: { ...common.engine, of: ["onnx", "wasm", "cpu", "reference"], default: "onnx" },
  },
  "figure4 --runs 200",
);

await run(command, async (options, context) => {
  const { what, smoke } = options;
  const { signal } = context;
  if (what === undefined) {
    throw new UsageError(`Cannot run paper: wanted one of ${Object.keys(wanted).sort().join(", ")}`);
  }
  const folder = options.results ?? (smoke ? "out/paper-smoke" : "examples/paper/results");
  const results: Result[] = [];
  for (const name of wanted[what]) {
    if (signal.aborted) break;
    results.push(...await made(studies[name], folder, options, context));
  }
  if (signal.aborted) return;
  if (reported.includes(what)) await report(folder, options, context);
  if (results.length > 0) context.record({ sha256: digestOfResults(results) });
});

/** Returns the digest of what runs trained, by their keys; of those that have no digest their keys alone count. */
function digestOfResults(results: readonly Result[]): string {
  const named = results.map((result) => [keyOf(result), result.sha256 ?? ""] as const);
  return digestOfAll(named.sort(([a], [b]) => a < b ? -1 : 1));
}

/** Writes the report, and shows its verdicts. */
async function report(
  folder: string,
  { out: path, smoke, seed, runs }: ReturnType<typeof command.read>,
  { say }: Context,
): Promise<void> {
  const out = path ?? (smoke ? `${folder}/report` : "examples/paper/report");
  const files = await writeReport(folder, out, { seed, budget: { smoke, runs } });
  say(`\n${files["verdicts.txt"]}\nThe report is in ${out}/index.html`);
}

/** Makes what is left of a study, shows what is known of it, and returns the results. */
async function made(
  study: Study,
  folder: string,
  options: ReturnType<typeof command.read>,
  context: Context,
): Promise<readonly Result[]> {
  const { say, record, signal, keeping } = context;
  const { seed, engine, workers, data, smoke, runs } = options;
  const budget = { smoke, runs };
  const results = await openResults(folder, study.name, seed);
  const left = () => {
    const done = new Set(results.all.map(keyOf));
    return study.jobs(results.all, budget).filter((job) => !done.has(keyOf(job)));
  };
  say(`\n${study.name}: ${study.about}`);
  const before = results.all.length;
  const progress = progressBar(study.name);
  let end = "failed";
  try {
    await forget(results.all, keeping); // of a run that was ended in between
    for (let jobs = left(); jobs.length > 0 && !signal.aborted; jobs = left()) {
      const steps = results.all.length - before + jobs.length; // what follows from results that are to come, comes later
      const requests = jobs.map((job: Job) => ({
        ...{ job, seed, engine, budget, data },
        keeping: keptAs(folderOf({ ...job, seed }), keeping),
      }));
      for await (const result of answers(requests, { workers, signal })) {
        await results.append(result);
        await forget([result], keeping);
        record({ ...result });
        const step = results.all.length - before;
        progress.update({ step, steps, unit: "run" });
      }
    }
    end = signal.aborted ? "stopped" : "done";
  } finally {
    results.close();
    if (results.all.length > before) progress.end(end);
  }
  if (results.all.length > before) await keepMachine(folder);
  if (signal.aborted) {
    say(`Stopped: ${results.all.length} runs are kept in ${folder}/${study.name}.jsonl`);
    return results.all;
  }
  say(study.summary(results.all, budget));
  const hours = results.all.reduce((sum, { seconds }) => sum + seconds, 0) / 3600;
  say(`${results.all.length} runs, ${hours.toFixed(2)} hours of one worker, in ${folder}/${study.name}.jsonl`);
  return results.all;
}

/** Removes the checkpoints of runs whose results are kept. */
async function forget(results: readonly Result[], keeping: Keeping | undefined): Promise<void> {
  if (keeping === undefined) return;
  for (const result of results) {
    const path = `${keeping.folder}/${folderOf(result)}`;
    if (await kindAt(path) === "folder") await Deno.remove(path, { recursive: true });
  }
}

/** Returns the name of the folder in which a run is kept. */
function folderOf(job: Job & Pick<Result, "seed">): string {
  return `seed=${job.seed}-${keyOf(job).replace(/[^\w.=-]+/g, "-")}`;
}
