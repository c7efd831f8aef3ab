import {
  adagrad,
  adam,
  bank,
  binary,
  cagrad,
  category,
  type Columns,
  compile,
  type CompileOptions,
  cpu,
  csvParts,
  type Data,
  type Dataset,
  dataset,
  define,
  dense,
  dwa,
  embed,
  encode,
  type Engine,
  firstEpochs,
  fit,
  gradNorm,
  type Label,
  labels,
  lazyAdam,
  level,
  mgda,
  mix,
  mlp,
  mmoe,
  type Model,
  momentum,
  numeric,
  type Optimiser,
  pcgrad,
  reference,
  regression,
  type Rows,
  rows,
  rowwiseAdagrad,
  sgd,
  type Spec,
  topK,
  type TrainOptions,
  uncertainty,
  upgrad,
  wasm,
  type Weighting,
} from "../mod.ts";
import { random } from "../lib/data/random.ts";
import { sliceRows } from "../lib/data/rows.ts";
import { sha256Of } from "../lib/files/sha256.ts";
import { flatName } from "../lib/graph/layout.ts";
import { insidesOf } from "../lib/model/insides.ts";

/** The kinds that a training is made of, by name: all that one which goes on has to keep. */
export interface Kinds {
  readonly engine: string;
  readonly table: string;
  readonly data: string;
  readonly optimiser: string;
  readonly vectors: string;
  readonly weighting: string;
  /** `none`, `rows` that are evaluated, `stopping` by them, at the best of `each` task, or that `often` within an epoch too. */
  readonly validation: string;
  readonly shuffle: boolean;
  /** The batches of a step, averages and parts. */
  readonly steps: string;
}

type Tasks = "click" | "spend";

const engines: Readonly<Record<string, () => Promise<Engine> | Engine>> = {
  reference,
  cpu,
  wasm,
  onnx: async () => await (await import("../lib/onnx.ts")).onnx({ threads: 1 }),
};

const count = 70;

/** Columns in which both tasks can be learnt from user, item and a number. */
export function columnsOf(seed: string): { user: string[]; item: string[]; x: number[] } {
  const source = random(`runs:${seed}`);
  const of = <T>(draw: () => T) => Array.from({ length: count }, draw);
  return {
    user: of(() => `u${Math.floor(30 * source.uniform() ** 2)}`),
    item: of(() => `i${Math.floor(20 * source.uniform())}`),
    x: of(() => Math.round(8 * source.normal()) / 8),
  };
}

/** The kinds of the columns, and what they are once fitted. */
export const columnKinds = { user: category(), item: category(), x: numeric() };
export const features = fit(columnKinds, columnsOf("train"));

const gate = topK(2, { noise: true });
const tasks = { click: binary(mlp([3], { dropout: 0.2 })), spend: regression(mlp([3])) };

/** The tables of models: all draw noise, and one looks vectors up. */
const tables: Readonly<Record<string, Spec<Tasks>>> = {
  noisy: define(mmoe({ input: 2, experts: 3, expert: mlp([4], { dropout: 0.3 }), gate, tasks })),
  embedded: define({
    input: features,
    levels: [
      level({ ids: bank(1, embed(3)) }, { shared: mix("ids") }),
      level({ shared: bank(3, dense(4)) }, { click: mix("shared", gate), spend: mix("shared", gate) }),
    ],
    tasks,
  }),
};

/** Rows for a table of models, with labels that are missing now and then. */
function rowsFor(table: string, seed: string): Rows {
  const { user, item, x } = columnsOf(seed);
  const labels = labelsOf({ user, item, x });
  if (table === "embedded") return rows(encode(features, { user, item, x }), { labels });
  return rows(x.map((x, row) => [x, tasteOf(user[row], item[row])]), { labels });
}

/** The number that stands for a user and an item in labels. */
function tasteOf(user: string, item: string): number {
  return Number(user.slice(1)) / 30 - Number(item.slice(1)) / 20;
}

/** Returns the labels of columns. */
export function labelsOf({ user, item, x }: ReturnType<typeof columnsOf>): Readonly<Record<Tasks, Label[]>> {
  const taste = (row: number) => tasteOf(user[row], item[row]);
  return {
    click: x.map((x, row) => row % 7 === 3 ? null : x + taste(row) > 0),
    spend: x.map((x, row) => row % 5 === 4 ? null : x - 2 * taste(row)),
  };
}

/** The forms that data comes in: several windows of the same rows, but for rows in memory. */
const forms: Readonly<Record<string, (rows: Rows, table: string) => Data | Promise<Data>>> = {
  rows: (rows) => rows,
  function: (rows) =>
    async function* pass() {
      for (const at of [0, 24, 48]) yield await Promise.resolve(sliceRows(rows, at, Math.min(24, count - at)));
    },
  dataset: (rows): Dataset => ({
    identity: ["three windows", count],
    async *pass({ from }) {
      for (const [window, at] of [0, 24, 48].entries()) {
        if (window < (from?.window ?? 0)) continue;
        const place = { window, part: 0, row: at };
        yield await Promise.resolve({ rows: sliceRows(rows, at, Math.min(24, count - at)), place });
      }
    },
  }),
  csv: async (_, name) => {
    const some = columnsOf("train");
    const { click, spend } = labelsOf(some);
    const lines = some.x.map((x, row) => {
      return [some.user[row], some.item[row], x, click[row] === null ? "" : Number(click[row]), spend[row]].join();
    });
    const files = [0, 30, 50].map((at, part) => {
      return new Blob([["user,item,x,click,spend", ...lines.slice(at, [30, 50, count][part])].join("\n")]);
    });
    const columns = { user: "text", item: "text", x: "number", click: "number", spend: "number" } as const;
    const parts = await csvParts(files, { columns, missing: [""] });
    return dataset(parts, (table) => {
      const given = { labels: labels(table, { click: "click", spend: "spend" }) };
      return name === "embedded" ? rows(encode(features, table), given) : rows(pairsOf(table), given);
    }, { buffer: 20 });
  },
};

/** The numbers of rows for a model without features. */
function pairsOf({ columns: { user, item, x } }: Columns): number[][] {
  if (user.kind !== "text" || item.kind !== "text" || x.kind !== "number") throw new TypeError("other columns");
  return Array.from(x.values, (x, row) => [x, tasteOf(user.words[user.codes[row]], item.words[item.codes[row]])]);
}

const optimisers: Readonly<Record<string, () => Optimiser>> = {
  sgd: () => sgd(0.05),
  momentum: () => momentum(0.02),
  adam: () => adam((step) => 0.02 / (1 + step / 10), { weightDecay: 0.01 }),
  adagrad: () => adagrad(0.05, { clipNorm: 0.5 }),
};

const vectorOptimisers: Readonly<Record<string, () => TrainOptions["vectors"]>> = {
  sgd: () => sgd(0.1),
  adagrad: () => adagrad(0.1),
  rowwiseAdagrad: () => rowwiseAdagrad(0.1),
  lazyAdam: () => lazyAdam(0.02),
  byTable: () => ({
    default: rowwiseAdagrad(firstEpochs(2, 0.1), { touchedDecay: 0.01 }),
    user: lazyAdam(0.02),
  }),
};

const weightings: Readonly<Record<string, () => Weighting | undefined>> = {
  none: () => undefined,
  uncertainty: () => uncertainty(),
  dwa: () => dwa(),
  gradNorm: () => gradNorm({ optimiser: adam(0.01) }),
  pcgrad: () => pcgrad(),
  cagrad: () => cagrad(),
  mgda: () => mgda(),
  upgrad: () => upgrad(),
};

/** Steps of one batch or more, with averages or without, by one optimiser or several. */
const steps: Readonly<Record<string, Pick<TrainOptions, "accumulate" | "average" | "parts">>> = {
  plain: {},
  accumulated: { accumulate: 2 },
  averaged: { average: 0.9 },
  parts: { parts: { tasks: adagrad(0.05), "tasks/click": adam(firstEpochs(2, 0.02), { weightDecay: 0.1 }) } },
  both: { accumulate: 3, average: 0.8 },
};

/** Evaluations, and stopping by them. */
const validations: Readonly<Record<string, TrainOptions<Tasks>>> = {
  none: {},
  rows: {},
  stopping: { stopping: { task: "spend", patience: 1 } },
  each: { stopping: { task: { spend: 1, click: 1 }, patience: 2, best: "each" } },
  often: { stopping: { task: { spend: 1, click: 0.5 }, patience: 3 }, evaluate: { every: { steps: 4 } } },
};

/** All kinds by name. */
export const kinds: Readonly<Record<keyof Kinds, readonly (string | boolean)[]>> = {
  engine: Object.keys(engines),
  table: Object.keys(tables),
  data: Object.keys(forms),
  optimiser: Object.keys(optimisers),
  vectors: Object.keys(vectorOptimisers),
  weighting: Object.keys(weightings),
  validation: Object.keys(validations),
  shuffle: [true, false],
  steps: Object.keys(steps),
};

/** Returns a model of some kinds, at its beginning. */
export async function modelOf({ engine, table }: Kinds, options: CompileOptions = {}): Promise<Model<Tasks>> {
  return await compile(tables[table], { engine: await engines[engine](), seed: 5, ...options });
}

/** Returns the data of some kinds. */
export async function dataOf({ table, data }: Kinds): Promise<Data> {
  return await forms[data](rowsFor(table, "train"), table);
}

/** Returns the options of some kinds: 3 epochs of 9 steps, or fewer with stopping. */
export function optionsOf(kinds: Kinds): TrainOptions<Tasks> {
  const { table, optimiser, vectors, weighting, validation, shuffle } = kinds;
  const held = validation === "none" ? undefined : rowsFor(table, "held");
  return {
    epochs: 3,
    batch: 8,
    optimiser: optimisers[optimiser](),
    vectors: vectorOptimisers[vectors](),
    weighting: weightings[weighting](),
    validation: held,
    ...validations[validation],
    shuffle,
    ...steps[kinds.steps],
  };
}

/** Returns the SHA-256 of a model's parameters and vectors, of every bit that its engine holds. */
export async function bitsOf<Names extends string>(model: Model<Names>): Promise<string> {
  const { store, tables } = insidesOf(model, "test");
  const hash = sha256Of();
  const arrays = [(await store.read(flatName)).data, ...[...tables.values()].map(({ vectors }) => vectors)];
  for (const { buffer, byteOffset, byteLength } of arrays) hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest();
}
