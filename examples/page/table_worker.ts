/** Looks at a CSV file, and trains on it, away from the thread that draws. Runs in a worker. */
import {
  adam,
  binary,
  categorical,
  category,
  type Columns,
  compile,
  define,
  dense,
  encode,
  evaluate,
  fit,
  labels,
  mlp,
  mmoe,
  type Model,
  numeric,
  pipe,
  type Progress,
  readCsv,
  regression,
  relu,
  type Rows,
  rows,
  standardise,
  take,
  train,
} from "@gatehouse/gatehouse";
import { permutation, random } from "@gatehouse/gatehouse/datasets";
import { type Look, lookAt, missing, mostClasses, type Use } from "./columns.ts";
import { engineOf } from "./engine.ts";
import type { EngineName } from "./engine_names.ts";
import { messageOf } from "./failed.ts";
import { meanWeights } from "./gates.ts";
import { type Bases, basesOf, type Judged, judgedBy } from "./judged.ts";

/** A training on a file. */
export interface TableOrder {
  readonly id: number;
  readonly file: Blob;
  readonly name: string;
  readonly separator: string;
  /** The names of all columns, of a file whose first line is a row. */
  readonly header?: readonly string[];
  /** The columns that are used; of a label of two, its values in their order. */
  readonly columns: readonly { readonly name: string; readonly use: Use; readonly two?: readonly [string, string] }[];
  readonly experts: number;
  readonly passes: number;
  readonly seed: number;
  readonly engine: EngineName;
}

/** A message to the worker: a file to look at, a training, or that it stops. */
export type TableMessage = { readonly id: number; readonly look: Blob } | TableOrder | "stop";

/** The state of a training. */
export interface TableMoment {
  readonly step: number;
  readonly steps: number;
  /** The losses of late, and those on held-out rows at their last judgement, by task. */
  readonly loss: Readonly<Record<string, number>>;
  readonly held?: Readonly<Record<string, number>>;
  readonly judged?: readonly Judged[];
  readonly gates?: Readonly<Record<string, readonly number[]>>;
  readonly rate: number;
  readonly isLast: boolean;
}

/** A message from the worker. */
export type TableAnswer =
  & { readonly id: number }
  & (
    | { readonly look: Look }
    | {
      readonly began: { readonly rows: number; readonly held: number; readonly engine: string; readonly why: string };
    }
    | { readonly moment: TableMoment }
    | { readonly failed: string }
  );

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<TableMessage>) => void) | null;
  postMessage(answer: TableAnswer): void;
};

/** The rows of a step, and the most held-out rows that are judged at a time. */
const [batch, judged] = [256, 20_000];
/** The most threads of a training. */
const threads = 8;
/** The judgements of a training. */
const judgements = 40;
/** The answer to a visitor who stops while the file is read. */
const stopped = "Stopped before the first step";

scope.onmessage = answers();

/** Answers messages: the next order ends the training before it. */
function answers(): (event: MessageEvent<TableMessage>) => void {
  let stop = new AbortController();
  return ({ data: message }) => {
    stop.abort();
    if (message === "stop") return;
    stop = new AbortController();
    const { id } = message;
    const work = "look" in message
      ? lookAt(message.look).then((look) => scope.postMessage({ id, look }))
      : learn(message, stop.signal);
    work.catch((error) => scope.postMessage({ id, failed: messageOf(error) }));
  };
}

/** Reads the file, fits, trains, and judges on a fifth of the rows that is held out. */
async function learn(order: TableOrder, signal: AbortSignal): Promise<void> {
  const { id, experts, passes, seed } = order;
  const table = listed(order, await read(order));
  if (signal.aborted) throw new Error(stopped);
  const { features, data, held } = prepared(order, table);
  const tower = pipe(dense(8), relu);
  const labelled = order.columns.filter(({ use }) => use.startsWith("label"));
  const isScaled = labelled.some(({ use }) => use === "label of numbers");
  const tasks = Object.fromEntries(labelled.map(({ name, use }) => {
    if (use === "label of two") return [name, binary(tower)];
    if (use === "label of classes") return [name, categorical(wordsOf(table, name).length, tower)];
    return [name, regression(tower, { standardise: true })];
  }));
  const spec = define(mmoe({ input: features, expert: mlp([32, 16]), experts, tasks }));
  const { engine, name, why } = await engineOf(order.engine, threads);
  scope.postMessage({ id, began: { rows: data.count, held: held.count, engine: name, why } });
  const model = await compile(isScaled ? standardise(spec, data) : spec, { engine, seed });
  try {
    const bases = basesOf(spec, data, held, (task) => wordsOf(table, task));
    await run(model, data, held, bases, { id, passes, signal });
  } finally {
    model.dispose();
  }
}

/** The table with labels of classes as words in their order: its codes are the classes. */
function listed({ columns }: TableOrder, table: Columns): Columns {
  const classes = columns.filter(({ use }) => use === "label of classes").map(({ name }) => {
    const column = table.columns[name];
    const count = wordsOf(table, name).length;
    if (column.kind === "text" && count >= 2 && count <= mostClasses) {
      return [name, { ...column, listed: true }] as const;
    }
    const where = `column ${JSON.stringify(name)} has ${count.toLocaleString("en")} classes`;
    throw new Error(`Cannot train: ${where}, wanted 2 to ${mostClasses}; use it as a feature, or leave it out`);
  });
  return { ...table, columns: { ...table.columns, ...Object.fromEntries(classes) } };
}

/** The words of a column; none of one of numbers. */
function wordsOf({ columns }: Columns, name: string): readonly string[] {
  const column = columns[name];
  return column.kind === "text" ? column.words : [];
}

/** Features that are fitted to the rows of training, and these and the held-out ones. */
function prepared({ columns, seed }: TableOrder, table: Columns) {
  if (table.count < 10) throw new Error(`Cannot train: wanted at least 10 rows, found ${table.count}`);
  const order = permutation(table.count, random(seed));
  const cut = Math.min(judged, Math.floor(table.count / 5));
  const [heldRows, trained] = [order.subarray(0, cut), order.subarray(cut)].map((some) => take(table, some));
  const read = columns.filter(({ use }) => use === "number" || use === "category").map(({ name, use }) => {
    return [name, use === "number" ? numeric({ missing: "mean" }) : category()] as const;
  });
  const features = fit(Object.fromEntries(read), trained);
  const labelled = columns.filter(({ use }) => use.startsWith("label")).map(({ name }) => [name, name] as const);
  const [held, data] = [heldRows, trained].map((part) =>
    rows(encode(features, part), { labels: labels(part, Object.fromEntries(labelled)) })
  );
  return { features, data, held };
}

/** Runs the steps; posts a moment every tenth of a second, and judgements from time to time. */
async function run(
  model: Model,
  data: Rows,
  held: Rows,
  bases: Bases,
  { id, passes, signal }: { readonly id: number; readonly passes: number; readonly signal: AbortSignal },
): Promise<void> {
  const steps = passes * Math.ceil(data.count / batch);
  const every = Math.max(1, Math.floor(steps / judgements));
  const post = async ({ step, loss, rate }: Pick<Progress, "step" | "loss" | "rate">, isJudged: boolean) => {
    const isLast = step === steps || signal.aborted;
    const judgement = isJudged || isLast ? await judge(model, held, bases) : {};
    scope.postMessage({ id, moment: { step, steps, loss, rate, isLast, ...judgement } });
    await new Promise((resolve) => setTimeout(resolve)); // messages are read
  };
  let last = -Infinity;
  for await (const at of train(model, data, { epochs: passes, batch, optimiser: adam(3e-3), signal })) {
    const isJudged = at.step === 1 || at.step % every === 0;
    if (!isJudged && at.step < steps && performance.now() - last < 100) continue;
    await post(at, isJudged);
    last = performance.now();
    if (!signal.aborted) continue;
    await post(at, true);
    break;
  }
  if (last === -Infinity) throw new Error(stopped);
}

/** Losses, metrics and weights of gates on held-out rows. */
async function judge(model: Model, held: Rows, bases: Bases) {
  const found = await evaluate(model, held);
  return { held: found.loss, judged: judgedBy(model, found, bases), gates: await gatesOf(model, held) };
}

async function read({ file, name, separator, header, columns }: TableOrder): Promise<Columns> {
  const kinds = columns.filter(({ use }) => use !== "left out").map(({ name, use, two }) => {
    const isText = use === "category" || use === "label of classes";
    return [name, use === "label of two" ? two! : isText ? "text" as const : "number" as const] as const;
  });
  return await readCsv(file, { columns: Object.fromEntries(kinds), separator, header, missing, name });
}

/** The mean weights of the gates on some rows, by stream: the model has one level. */
async function gatesOf(model: Model, held: Rows): Promise<Record<string, readonly number[]>> {
  const means = Object.entries(await meanWeights(model, held));
  return Object.fromEntries(means.map(([gate, weights]) => [gate.replace(/^.*\//, ""), weights]));
}
