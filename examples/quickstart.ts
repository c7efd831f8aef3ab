/**
 * Shared-bottom, MoE with one gate and MMoE with matched parameters on the paper's synthetic data: several seeds of
 * each at two learning rates, how far the models are apart and how sure that is, what the gates do, and a picture.
 */
import { entriesOf, gateTable, progressBar, sideBySide, type Spec, textTable } from "@gatehouse/gatehouse";
import { labelCorrelation } from "@gatehouse/gatehouse/datasets";
import { commandLine, type Context, run, type Values } from "./cli.ts";
import { digestOfAll } from "./digest.ts";
import { gateRecords } from "./gates.ts";
import { placePicture, writePicture } from "./picture.ts";
import type { Options } from "./options.ts";
import { type Keeping, keptAs, trainingOptions } from "./resumable.ts";
import { type Done, pictureOf } from "./quickstart/charts.ts";
import { baseline, comparisonText, differencesOf, type Findings, verdicts } from "./quickstart/comparison.ts";
import { crewOf } from "./quickstart/crew.ts";
import { type ModelName, modelNames, models, taskNames } from "./quickstart/models.ts";
import type { Moment, Request, Run } from "./quickstart/training.ts";
import { makeFolder } from "./make_folder.ts";

const settings = {
  seeds: { kind: "number", help: "runs of each model, each with data of its own", default: 8, from: 1, whole: true },
  steps: { kind: "number", help: "training steps of each run", default: 1500, from: 1, whole: true },
  rows: { kind: "number", help: "training rows", default: 50000, from: 1, whole: true },
  correlation: { kind: "number", help: "how related the tasks are", default: 0.5, from: -1, to: 1 },
  batch: { kind: "number", help: "rows of a step", default: 256, from: 1, whole: true },
  rate: { kind: "number", help: "learning rate of Adam; without it both 0.01 and 0.003", from: 1e-9 },
  workers: { kind: "number", help: "runs at once; without it as many as processors", from: 1, to: 64, whole: true },
  save: {
    kind: "path",
    help: "the folder in which the models of the first seed are saved by name",
    default: "out/quickstart",
  },
  svg: { kind: "path", help: "where the picture is written", default: "out/quickstart.svg" },
  ...trainingOptions,
} as const satisfies Options;

const command = commandLine(
  "quickstart",
  "Compares shared-bottom, OMoE and MMoE on two synthetic tasks over several seeds, in about a minute.",
  settings,
  "--seeds 1 --correlation 0.9",
);

await run(command, async (options, context) => {
  const { say, signal } = context;
  const requests = requestsOf(options, context.keeping);
  say(introduction(options));
  say(sideBySide(modelNames.map((name) => `${name}\n${summary(models[name])}`)));

  await makeFolder(options.save, "save models");
  await placePicture(options.svg);
  const done = await made(requests, options, context);
  if (done.length === 0) return say("\nStopped before a run was complete: there is nothing to compare");

  say(`\nMean squared error on held-out rows by seed, mean of both tasks, in units of the label's variance,`);
  say(`after ${options.steps.toLocaleString("en-US")} steps\n`);
  const findings = [...new Set(done.map(({ run }) => run.rate))].map((rate) => findingsAt(rate, done));
  say(comparisonText(findings));
  const said = verdicts(findings);
  if (said.length > 0) say(`\n${said.join("\n")}`);
  for (const { rate, losses } of findings) {
    for (const { model, seeds, difference, interval: [low, high] = [] } of differencesOf({ rate, losses })) {
      context.record({ model, rate, less: baseline, seeds, difference, ...(low === undefined ? {} : { low, high }) });
    }
  }

  for (const { run: { model, seed, rate }, outcome: { gates } } of done) {
    if (gates === undefined || gates.gates.length === 0) continue;
    say(`\nWhat the gates of ${model} do on held-out rows, seed ${seed}, rate ${rate}\n${gateTable(gates)}`);
  }
  await writePicture(options.svg, pictureOf(done));
  say(`\nThe picture is ${options.svg}; the models of seed ${options.seed} are saved in ${options.save}`);
  say("Runs of 10,000 steps at three rates are in examples/paper/report/index.html");
  if (done.length < requests.length || signal.aborted) {
    return say(`Stopped before its time: the numbers are of ${done.length} of ${requests.length} runs`);
  }
  context.record({ sha256: digestOfAll(done.map(({ run, outcome }) => [nameOf(run), outcome.digest])) });
});

/** The name of a run, and of the folder in which it is kept. */
function nameOf({ model, rate, seed }: Run): string {
  return `${model}-rate-${rate}-seed-${seed}`;
}

/** The runs in the order in which they are made. Models are kept of the first seed at the first rate. */
function requestsOf(options: Values<typeof settings>, keeping: Keeping | undefined): Request[] {
  const { engine, correlation, rows, batch, steps, save } = options;
  const rates = options.rate === undefined ? [0.01, 0.003] : [options.rate];
  const seeds = Array.from({ length: options.seeds }, (_, at) => options.seed + at);
  return rates.flatMap((rate) =>
    modelNames.flatMap((model) =>
      seeds.map((seed): Request => {
        const keep = rate === rates[0] && seed === seeds[0] ? { keep: `${save}/${model}` } : {};
        const kept = keptAs(nameOf({ model, rate, seed }), keeping);
        return { model, rate, seed, engine, correlation, rows, batch, steps, ...keep, keeping: kept };
      })
    )
  );
}

/** Makes the runs, those of a model at a rate together with a line of progress, and returns those that are complete. */
async function made(
  requests: readonly Request[],
  { seeds, workers = navigator.hardwareConcurrency }: Values<typeof settings>,
  { signal, record }: Context,
): Promise<readonly Done[]> {
  const crew = crewOf(Math.min(workers, seeds), signal);
  const done: Done[] = [];
  try {
    for (let first = 0; first < requests.length && !signal.aborted; first += seeds) {
      const group = requests.slice(first, first + seeds);
      const show = progressOf(group);
      const outcomes = await crew.make(group, show.update);
      show.end(signal.aborted ? "stopped" : "done");
      outcomes.forEach((outcome, at) => {
        if (outcome === undefined || outcome.steps < group[at].steps) return;
        const found = { run: group[at], outcome };
        recordsOf(found).forEach(record);
        done.push(found);
      });
    }
  } finally {
    crew.dismiss();
  }
  return done;
}

/** A line of progress for runs of one model at one rate: the steps of all, the mean of their losses. */
function progressOf(group: readonly Request[]) {
  const [{ model, rate, batch, steps }] = group;
  const bar = progressBar(`rate ${String(rate).padEnd(5)}  ${model.padEnd(baseline.length)}`);
  const start = performance.now();
  const latest = new Map<number, Moment>();
  return {
    update(at: number, moment: Moment): void {
      latest.set(at, moment);
      const moments = [...latest.values()];
      const step = moments.reduce((sum, { step }) => sum + step, 0);
      const loss = Object.fromEntries(
        taskNames.map((task) => [task, moments.reduce((sum, { loss }) => sum + loss[task], 0) / moments.length]),
      );
      bar.update({ step, steps: steps * group.length, loss, rate: batch * step / (performance.now() - start) * 1000 });
    },
    end: bar.end,
  };
}

/** A run as records: its training losses, its losses on held-out rows, and its gates if it has a report on them. */
function recordsOf({ run: { model, rate, seed }, outcome: { curve, held, gates } }: Done): Record<string, unknown>[] {
  const of = { model, rate, seed };
  return [
    ...curve.flatMap(({ step, loss }) => taskNames.map((task) => ({ ...of, task, step, loss: loss[task] }))),
    ...taskNames.map((task) => ({ ...of, task, held: held[task] })),
    ...(gates === undefined ? [] : gateRecords(model, gates).map((record) => ({ ...of, ...record }))),
  ];
}

/** The held-out losses of the runs at one rate. */
function findingsAt(rate: number, done: readonly Done[]): Findings {
  const lossesOf = (model: ModelName) =>
    new Map(
      done.filter(({ run }) => run.rate === rate && run.model === model)
        .map(({ run, outcome: { held } }) => [run.seed, (held.first + held.second) / 2]),
    );
  return {
    rate,
    losses: { "shared-bottom": lossesOf("shared-bottom"), omoe: lossesOf("omoe"), mmoe: lossesOf("mmoe") },
  };
}

/** The lines before the first run: the data, the models and the steps. */
function introduction({ correlation, rows, seeds, rate, batch, steps }: Values<typeof settings>): string {
  const count = (number: number, what: string) => `${number.toLocaleString("en-US")} ${what}${number === 1 ? "" : "s"}`;
  return `Two tasks whose labels correlate at ${labelCorrelation(correlation).toFixed(3)} ` +
    `(task correlation ${correlation}), ${count(rows, "training row")}, 10,000 held out.\n` +
    `${count(modelNames.length, "model")}, ${count(seeds, "seed")} of each` +
    `${rate === undefined ? " at learning rates 0.01 and 0.003" : ` at learning rate ${rate}`}: ` +
    `${count(steps, "step")} of ${count(batch, "row")} each time\n`;
}

/** The entries of a model in few columns, so that three fit side by side. */
function summary(spec: Spec): string {
  const entries = entriesOf(spec).slice(1);
  const total = entries.reduce((sum, { parameters }) => sum + parameters, 0);
  const lines = entries.map(({ path, parameters }) => ({ path: path.replace("levels/0/", ""), parameters }));
  return textTable([...lines, { path: "total", parameters: total }]);
}
