/** Trains one MMoE on Census-Income from many seeds, by several initial values, rates and warm-ups, and counts the runs that lose a tower. */
import {
  adam,
  binary,
  compile,
  define,
  dense,
  type DenseOptions,
  type Engine,
  evaluate,
  type Features,
  inits,
  leakyRelu,
  mmoe,
  type Net,
  pipe,
  relu,
  type Spec,
  train,
  warmUp,
} from "../../mod.ts";
import { type Census, census } from "../../lib/datasets.ts";
import { sliceRows } from "../../lib/data/rows.ts";
import { unitsOf } from "../../lib/inspect/units.ts";
import { commandLine, run } from "../../examples/cli.ts";
import { engineNames, engineOf } from "./engines.ts";
import { type SeedRun, seedTable } from "./seeds_table.ts";

/** What is varied: the initial values of hidden layers, what follows them, the rate, its warm-up and clipping. */
interface Setting {
  readonly begin: keyof typeof begins;
  readonly rate: number;
  readonly warm: number;
  readonly clip: boolean;
}

/** The initial values of the layers before relus; and towers of another function than relu. */
const begins = {
  glorot: { layer: {}, tower: relu },
  he: { layer: { init: inits.heUniform }, tower: relu },
  "glorot, bias .1": { layer: { biasInit: inits.value(0.1) }, tower: relu },
  "towers leaky": { layer: {}, tower: leakyRelu },
} as const satisfies Readonly<Record<string, { readonly layer: DenseOptions; readonly tower: Net }>>;

/** The settings: all rates and warm-ups by today's initial values, and others by the rates at which towers die. */
export const settings: readonly Setting[] = [
  ...[0.001, 0.003, 0.01].flatMap((rate) =>
    [0, 100, 300].map((warm): Setting => ({ begin: "glorot", rate, warm, clip: false }))
  ),
  ...[0.003, 0.01].flatMap((rate): Setting[] => [
    { begin: "glorot", rate, warm: 0, clip: true },
    { begin: "he", rate, warm: 0, clip: false },
    { begin: "glorot, bias .1", rate, warm: 0, clip: false },
    { begin: "towers leaky", rate, warm: 0, clip: false },
  ]),
];

/** The MMoE of table 1 that lost a tower: 4 experts of 64 and 32 units, towers of 8. */
function specOf(begin: Setting["begin"], input: Features, labels: readonly string[]): Spec {
  const { layer, tower } = begins[begin];
  const expert = pipe(dense(64, layer), relu, dense(32, layer), relu);
  const tasks = Object.fromEntries(labels.map((task) => [task, binary(pipe(dense(8, layer), tower))]));
  return define(mmoe({ input, experts: 4, expert, tasks }));
}

const command = commandLine(
  "bench:seeds",
  "Counts the runs that lose a tower, by initial values, rates and warm-ups.",
  {
    seeds: { kind: "number", help: "seeds of each setting", default: 30, from: 1, whole: true },
    first: { kind: "number", help: "the first of them", default: 0, from: 0, whole: true },
    epochs: { kind: "number", help: "passes over the training rows", default: 3, from: 1, whole: true },
    engine: { kind: "choice", help: "what computes", of: engineNames, default: "wasm" },
    parts: {
      kind: "number",
      help: "the parts into which runs are divided among processes",
      default: 1,
      from: 1,
      whole: true,
    },
    part: { kind: "number", help: "the one that is made, from 0", default: 0, from: 0, whole: true },
    data: { kind: "path", help: "the folder of the data; else GATEHOUSE_DATA, else ./data" },
  },
  "--seeds 3 --epochs 1",
);

await run(command, async ({ seeds, first, epochs, engine, parts, part, data: folder }, { say, record, signal }) => {
  const on = await engineOf(engine, 1);
  const data = await census({ group: 1, folder, signal });
  const runs = Array.from({ length: seeds }, (_, at) => settings.map((setting) => ({ setting, seed: first + at })))
    .flat();
  const found: SeedRun[] = [];
  for (const { setting, seed } of runs.filter((_, at) => at % parts === part)) {
    signal.throwIfAborted();
    const one = await made(setting, seed, data, on, epochs);
    record({ ...one });
    found.push(one);
  }
  say(seedTable(found));
});

/** Trains from a seed, and looks at its towers and its AUC on the validation rows. */
async function made(setting: Setting, seed: number, data: Census, engine: Engine, epochs: number): Promise<SeedRun> {
  const { begin, rate, warm, clip } = setting;
  const began = performance.now();
  const model = await compile(specOf(begin, data.features, Object.keys(data.train.labels!)), { engine, seed });
  const optimiser = adam(warm === 0 ? rate : warmUp(warm, rate), clip ? { clipNorm: 1 } : {});
  for await (const _ of train(model, data.train, { epochs, batch: 1024, optimiser })) { /* steps */ }
  const { metrics } = await evaluate(model, data.validation);
  const layers = await unitsOf(model, sliceRows(data.validation, 0, 1024), "count units");
  model.dispose();
  const dead = (start: string) =>
    layers.filter(({ path }) => path.startsWith(start)).map(({ dead, units }) => dead / units);
  return {
    ...{ begin, rate, warm, clip, seed },
    auc: Object.fromEntries(Object.entries(metrics).map(([task, { auc }]) => [task, Number(auc.toFixed(5))])),
    towers: dead("tasks/"),
    experts: dead("levels/"),
    seconds: Number(((performance.now() - began) / 1000).toFixed(2)),
  };
}
