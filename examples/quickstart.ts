/**
 * Shared-bottom, MoE with one gate and MMoE with matched parameters on the paper's synthetic data: the model tables, the
 * losses of both tasks, what the gates do, and a picture.
 */
import {
  adam,
  compile,
  define,
  dense,
  type Engine,
  entriesOf,
  evaluate,
  type GateReport,
  gateReport,
  gateTable,
  mmoe,
  omoe,
  pipe,
  progressBar,
  regression,
  relu,
  type Rows,
  save,
  sharedBottom,
  sideBySide,
  type Spec,
  textTable,
  train,
} from "@gatehouse/gatehouse";
import { labelCorrelation, synthetic } from "@gatehouse/gatehouse/datasets";
import { gateChart, gateWeights, lossChart, page } from "@gatehouse/gatehouse/svg";
import { commandLine, type Context, run, type Values } from "./cli.ts";
import { engineOf } from "./engine.ts";
import { gateRecords } from "./gates.ts";
import { writePicture } from "./picture.ts";

type Task = "first" | "second";

// Section 5.1 of the paper: 8 experts of 16 units, or one of 113, have about as many parameters.
const layer = (units: number) => pipe(dense(units), relu);
const tasks = { first: regression(layer(8)), second: regression(layer(8)) };
const models: Readonly<Record<string, Spec<Task>>> = {
  "shared-bottom": define(sharedBottom({ input: 100, expert: layer(113), tasks })),
  omoe: define(omoe({ input: 100, expert: layer(16), experts: 8, tasks })),
  mmoe: define(mmoe({ input: 100, expert: layer(16), experts: 8, tasks })),
};

const command = commandLine(
  "quickstart",
  "Trains shared-bottom, OMoE and MMoE on two synthetic tasks and compares them.",
  {
    steps: { kind: "number", help: "training steps of each model", default: 2000, from: 1, whole: true },
    rows: { kind: "number", help: "training rows", default: 50000, from: 1, whole: true },
    correlation: { kind: "number", help: "how related the tasks are", default: 0.5, from: -1, to: 1 },
    batch: { kind: "number", help: "rows of a step", default: 256, from: 1, whole: true },
    rate: { kind: "number", help: "learning rate of Adam", default: 0.01, from: 1e-9 },
    save: { kind: "path", help: "the folder in which every model is saved under its name", default: "out/quickstart" },
    svg: { kind: "path", help: "where the picture is written", default: "out/quickstart.svg" },
  },
  "--steps 500 --correlation 0.9",
);

/** What is known of one trained model. */
interface Result {
  readonly points: Readonly<Record<Task, readonly { readonly step: number; readonly loss: number }[]>>;
  readonly loss: Readonly<Record<Task, number>>;
  readonly gates: GateReport;
  readonly steps: number;
  readonly seconds: number;
}

await run(command, async (options, context) => {
  const { say, signal } = context;
  const { seed, correlation } = options;
  const data = synthetic({ correlation, rows: options.rows, seed });
  const held = synthetic({ correlation, rows: 10000, seed, part: "validation" });
  say(
    `Two tasks whose labels correlate at ${
      labelCorrelation(correlation).toFixed(3)
    } (task correlation ${correlation}), ` +
      `${options.rows} training rows, ${held.count} held out\n`,
  );
  say(sideBySide(Object.entries(models).map(([name, spec]) => `${name}\n${summary(spec)}`)));

  const engine = await engineOf(options.engine);
  await Deno.mkdir(options.save, { recursive: true });
  const results: Record<string, Result> = {};
  for (const [name, spec] of Object.entries(models)) {
    if (signal.aborted) break;
    const result = await trained(name, spec, { engine, data, held, options, context });
    if (result !== undefined) results[name] = result;
  }

  if (Object.keys(results).length === 0) return say("Stopped before a model was trained: nothing was written");

  say(
    `\nMean squared error on held-out rows, in units of the label's variance, after steps of ${options.batch} rows`,
  );
  say(
    textTable(Object.entries(results).map(([model, { steps, loss, seconds }]) => ({ model, steps, ...loss, seconds }))),
  );
  const reports = Object.entries(results).filter(([, { gates }]) => gates.gates.length > 0);
  for (const [name, { gates }] of reports) say(`\nWhat the gates of ${name} do on held-out rows\n${gateTable(gates)}`);

  const losses = Object.entries(results).flatMap(([name, { points }]) =>
    (["first", "second"] as const).map((task) => ({ name, task, points: points[task] }))
  );
  const weights = reports.flatMap(([name, { gates }]) => gateWeights(gates, { prefix: `${name} ` }));
  const charts = [lossChart(losses, { title: "Training loss" }), ...(weights.length > 0 ? [gateChart(weights)] : [])];
  await writePicture(options.svg, page(charts));
  say(`\nThe picture is ${options.svg}, the models are saved in ${options.save}`);
  if (signal.aborted) say("Stopped before its time: numbers, picture and models are of what was trained");
});

/** Trains one model, with progress on standard error. */
async function trained(
  name: string,
  spec: Spec<Task>,
  { engine, data, held, options, context }: {
    readonly engine: Engine;
    readonly data: Rows;
    readonly held: Rows;
    readonly options: Values<Record<never, never>> & { steps: number; batch: number; rate: number; save: string };
    readonly context: Context;
  },
): Promise<Result | undefined> {
  const start = performance.now();
  const { steps, batch, rate, seed } = options;
  const model = await compile(spec, { engine, seed });
  const progress = progressBar(name.padEnd("shared-bottom".length));
  const every = Math.max(1, Math.round(steps / 50));
  const points: Result["points"] & Record<Task, { step: number; loss: number }[]> = { first: [], second: [] };
  const sums = { first: 0, second: 0, count: 0 };
  let done = 0;
  try {
    const { signal } = context;
    for await (const at of train(model, data, { steps, batch, optimiser: adam(rate), signal })) {
      progress.update(at);
      done = at.step;
      sums.first += at.loss.first;
      sums.second += at.loss.second;
      sums.count++;
      if (at.step % every !== 0 && at.step !== steps) continue;
      for (const task of ["first", "second"] as const) {
        const point = { step: at.step, loss: sums[task] / sums.count };
        points[task].push(point);
        context.record({ model: name, task, ...point });
      }
      Object.assign(sums, { first: 0, second: 0, count: 0 });
    }
    progress.end(signal.aborted ? "stopped" : "done");
    if (done === 0) return undefined; // stopped before its first step: there is nothing to keep
    await save(model, `${options.save}/${name}`);
    const { loss } = await evaluate(model, held);
    const gates = await gateReport(model, held);
    gateRecords(name, gates).forEach(context.record);
    return { points, loss, gates, steps: done, seconds: (performance.now() - start) / 1000 };
  } finally {
    model.dispose();
  }
}

/** The entries of a model in few columns, so that three fit side by side. */
function summary(spec: Spec): string {
  const entries = entriesOf(spec).slice(1);
  const total = entries.reduce((sum, { parameters }) => sum + parameters, 0);
  const lines = entries.map(({ path, parameters }) => ({ path: path.replace("levels/0/", ""), parameters }));
  return textTable([...lines, { path: "total", parameters: total }]);
}
