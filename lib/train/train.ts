import { permutation, random } from "../data/random.ts";
import { pickRows, type Rows, sliceRows } from "../data/rows.ts";
import { checkRows } from "../model/check_rows.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Graph } from "../graph/graph.ts";
import { flatName, type Layout } from "../graph/layout.ts";
import { checkOptions, kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { evaluate, type Evaluation } from "../model/evaluate.ts";
import { batchTensors, noiseTensors } from "../model/feed.ts";
import { beginning, droppedPrefix } from "../model/graphs.ts";
import { auxiliaryIn, auxiliaryPrefix } from "../trace/losses.ts";
import { checkModel, type Model } from "../model/model.ts";
import { adam, checkOptimiser, type Optimiser } from "../optimisers/optimisers.ts";
import { runs } from "../model/parameters.ts";
import { type Steps, stepsOf } from "./steps.ts";
import { type Stopping, watcher } from "./stopping.ts";
import { checkWeighting, type Weighting } from "../weighting/weighting.ts";

/**
 * What is trained on: rows in memory, or a function that begins a pass over pieces of any size, called once an epoch.
 * Of the latter only one piece at a time is held in memory, and rows are shuffled within their piece.
 */
export type Data = Rows | (() => AsyncIterable<Rows>);

/** The options of {@linkcode train}. */
export interface TrainOptions<Tasks extends string = string> {
  /**
   * The epochs and steps that the model has seen before, of its last record: the order of rows, noise, learning rates
   * and records are numbered on from there, so that a second training repeats nothing of the first. Optimisers and
   * weightings begin anew all the same. Default `{ epoch: 0, step: 0 }`.
   */
  readonly from?: { readonly epoch: number; readonly step: number };
  /** The passes over the data. Default 1, or as many as `steps` needs. */
  readonly epochs?: number;
  /** The most steps in all. Default: as many as the epochs have. */
  readonly steps?: number;
  /** The rows of a step. Default 256. The last batch of an epoch may be smaller. */
  readonly batch?: number;
  /** How parameters follow their gradient. Default `adam(1e-3)`. */
  readonly optimiser?: Optimiser;
  /**
   * How the tasks' losses or gradients are weighed, beside the static weights of the tasks: `uncertainty()`, `dwa()`,
   * `gradNorm()`, `pcgrad()`, `cagrad()`, `mgda()`, `upgrad()`, or one of your own. Default: by the static weights alone.
   */
  readonly weighting?: Weighting;
  /** Whether rows are shuffled before every epoch. Default true. */
  readonly shuffle?: boolean;
  /** Rows to evaluate on after every epoch. */
  readonly validation?: Rows;
  /**
   * When to stop early, by the validation. The parameters of the best epoch are restored before the last record, when
   * training stops early or all epochs or steps are done; not where it is aborted or left, or fails.
   */
  readonly stopping?: Stopping<Tasks>;
  /** Aborting it ends the training after the running step; what was learnt stays, the latest parameters. */
  readonly signal?: AbortSignal;
}

/** What is known after a step. */
export interface Progress<Tasks extends string = string> {
  /** The epoch, from 1. */
  readonly epoch: number;
  /** The step, from 1, counted over all epochs. */
  readonly step: number;
  /** The number of steps in all, where it is known. */
  readonly steps: number | undefined;
  /** The mean loss of the batch by task, before the step; 0 for a task without a labelled row in the batch. */
  readonly loss: Readonly<Record<Tasks, number>>;
  /**
   * The losses of gates and banks, by path: `levels/0/gates/click/zLoss`, `levels/0/experts/shared/balance`. Each is what
   * is added to the total, its weight included.
   */
  readonly auxiliary: Readonly<Record<string, number>>;
  /**
   * The share of the experts that the rows of the batch were to use for which these had no room, by gate
   * `<level>/<stream>`: 0 to 1. Only of gates over banks with a capacity.
   */
  readonly dropped: Readonly<Record<string, number>>;
  /**
   * The weight of each task in the step, its static weight included; under a weighting of gradients that of its gradient
   * with respect to shared parameters, 0 without a labelled row in the batch.
   */
  readonly weights: Readonly<Record<Tasks, number>>;
  /** The weighted sum of the losses, those of gates and banks included; weights of gradients do not count. */
  readonly total: number;
  /** The norm of the gradient over all parameters, before clipping. */
  readonly norm: number;
  /** The rows seen so far. */
  readonly rows: number;
  /** Rows a second since the training began, evaluation left out. */
  readonly rate: number;
  /** After the last step of an epoch, if there are validation rows: what they say. */
  readonly validation?: Evaluation<Tasks>;
  /** Why this is the last record, if training ends before its time. An abort after a record was given leaves none. */
  readonly ended?: "aborted" | "stopped early";
}

/**
 * Trains a model: runs one step after the other and yields what is known after each. Leaving the loop ends the training.
 *
 * The same seed, engine, data and kind of machine give the same parameters. A step whose losses, gradients or new
 * parameters are not finite changes nothing and ends the training with an error.
 *
 * @throws {TypeError | RangeError} for rows that do not fit, and options out of range.
 * @throws {RangeError} if a loss is not finite, naming the step, the task and the largest parameter.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { adam, binary, compile, define, reference, rows, train } from "@gatehouse/gatehouse";
 *
 * const spec = define({ input: 1, tasks: { click: binary() } });
 * const model = await compile(spec, { engine: reference() });
 * const data = rows([[-1], [1]], { labels: { click: [0, 1] } });
 * const losses: number[] = [];
 * for await (const at of train(model, data, { steps: 20, optimiser: adam(0.1) })) losses.push(at.loss.click);
 * assert(losses[19] < losses[0]);
 * model.dispose();
 * ```
 */
export async function* train<Tasks extends string>(
  model: Model<Tasks>,
  data: Data,
  options: TrainOptions<Tasks> = {},
): AsyncGenerator<Progress<Tasks>, void, void> {
  checkModel(model, "train");
  if (model.state.training) {
    throw new TypeError("Cannot train: the model is being trained already: wanted that loop to end first");
  }
  const { batch, epochs, most, optimiser, weighting, shuffle, from } = settings(options);
  const { validation, signal } = options;
  const { spec, store } = model;
  if (validation !== undefined) checkRows(spec, validation, "evaluate");
  if (typeof data !== "function") checkRows(spec, data, "train");
  const watch = options.stopping && watcher(options.stopping, spec, validation !== undefined && validation.count > 0);
  const steps = typeof data === "function" ? undefined : Math.min(most, epochs * Math.ceil(data.count / batch));
  const tasks = Object.keys(spec.tasks) as Tasks[];

  const clock = stopwatch();
  let stepping: Steps | undefined;
  let feeds: AsyncGenerator<Feed, void, void> | undefined;
  let best: Tensor | undefined;
  let step = 0;
  let rows = 0;
  let computing = false;
  const enough = () => signal?.aborted === true || step === most;
  model.state.training = true;
  try {
    stepping = stepsOf(model, optimiser, weighting);
    for (let epoch = 1; epoch <= epochs && step < most; epoch++) {
      let last: Progress<Tasks> | undefined;
      const order = { batch, shuffle, epoch: from.epoch + epoch, signal, enough };
      feeds = feedsOf(model, stepping.graph, batches(model, data, order), from.step + step);
      for (let next = feeds.next();;) {
        const { value: feed, done } = await next;
        if (done || enough()) break;
        if (last !== undefined) {
          yield last;
          if (signal?.aborted) return;
        }
        step++;
        rows += feed.count;
        const rate = rateOf(optimiser, from.step + step);
        const scalars = { rate, ...optimiser.scalars(step, rate) };
        const at = { epoch: from.epoch + epoch, step: from.step + step };
        const running = stepping.run({ ...feed.tensors, ...scalarTensors(scalars) }, at);
        next = feeds.next(); // while the engine computes
        next.catch(() => {}); // told when its turn comes
        computing = true;
        const { outputs, weights } = await running;
        await finite(outputs, at.step, model);
        computing = false;
        const loss = Object.fromEntries(tasks.map((task) => [task, outputs[`loss/${task}`].data[0]]));
        last = {
          ...at,
          steps: steps && from.step + steps,
          loss: loss as Record<Tasks, number>,
          weights: weights as Record<Tasks, number>,
          auxiliary: Object.fromEntries(auxiliaryIn(outputs).map(([path, { data }]) => [path, data[0]])),
          dropped: droppedIn(outputs),
          total: outputs.loss.data[0],
          norm: outputs.norm.data[0],
          rows,
          rate: rows / clock.seconds(),
        };
        await clock.breathe();
      }
      await feeds.return();
      if (last === undefined) {
        if (signal?.aborted) return;
        const wanted = typeof data === "function" ? ": wanted a function that begins a new pass at each call" : "";
        throw new RangeError(`Cannot train: epoch ${epoch} of the data has no rows${wanted}`);
      }
      if (signal?.aborted) {
        yield { ...last, ended: "aborted" };
        return;
      }
      if (validation === undefined) {
        yield last;
        if (signal?.aborted) return;
        continue;
      }
      clock.pause();
      const found = await evaluate(model, validation);
      const verdict = watch?.(found);
      if (verdict?.best) best = await store.read(flatName);
      clock.resume();
      const ended = verdict?.stop ? "stopped early" : signal?.aborted ? "aborted" : undefined;
      const over = verdict?.stop || epoch === epochs || step === most;
      if (over && best !== undefined && ended !== "aborted") store.write(flatName, best);
      yield { ...last, validation: found, ended };
      if (ended !== undefined) return;
    }
  } finally {
    const closing = feeds?.return();
    if (computing) closing?.catch(() => {}); // the data may not come, and the error has gone before
    else await closing;
    model.state.training = false;
    stepping?.dispose();
  }
}

/** A batch as the graph of a step takes it. */
interface Feed {
  readonly count: number;
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** What the steps after some number of them are fed, but for the scalars. */
async function* feedsOf(
  { spec, seed }: Model,
  graph: Graph,
  pieces: AsyncIterable<Rows>,
  step: number,
): AsyncGenerator<Feed, void, void> {
  for await (const piece of pieces) {
    const noise = noiseTensors(graph, piece.count, `${seed}:${++step}`);
    yield { count: piece.count, tensors: { ...batchTensors(spec, piece), ...noise } };
  }
}

/** The batches of an epoch, none pulled from the data once there are enough. */
async function* batches(
  { spec, seed }: Model,
  data: Data,
  { batch, shuffle, epoch, signal, enough }: {
    readonly batch: number;
    readonly shuffle: boolean;
    readonly epoch: number;
    readonly signal: AbortSignal | undefined;
    readonly enough: () => boolean;
  },
): AsyncGenerator<Rows> {
  let piece = 0;
  const memory: (Rows | undefined)[] = [undefined, undefined]; // one batch is computed while the next is prepared
  for await (const rows of pulled(data, signal, enough)) {
    if (typeof data === "function") checkRows(spec, rows, "train");
    const order = shuffle ? permutation(rows.count, random(`${seed}:order:${epoch}:${piece++}`)) : undefined;
    for (let start = 0; start < rows.count && !enough(); start += batch) {
      const count = Math.min(batch, rows.count - start);
      if (order === undefined) yield sliceRows(rows, start, count);
      else {
        const picked = pickRows(rows, order.subarray(start, start + count), memory.shift());
        memory.push(picked);
        yield picked;
      }
    }
  }
}

/** The pieces of the data. An abort ends the waiting for one that does not come. */
async function* pulled(
  data: Data,
  signal: AbortSignal | undefined,
  enough: () => boolean,
): AsyncGenerator<Rows> {
  if (typeof data !== "function") return yield data;
  const source: unknown = data();
  const begin = Object(source)[Symbol.asyncIterator] ?? Object(source)[Symbol.iterator];
  if (typeof begin !== "function") {
    throw new TypeError(`Cannot train: the data function must return an async iterable, found ${kindOf(source)}`);
  }
  const iterator: AsyncIterator<Rows> = begin.call(source);
  const aborted = new Promise<"aborted">((resolve) => signal?.addEventListener("abort", () => resolve("aborted")));
  let stuck = false;
  let over = false;
  try {
    while (!enough()) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (next === "aborted") stuck = true;
      else if (!next.done) yield next.value;
      over = next !== "aborted" && next.done === true;
      if (stuck || over) return;
    }
  } catch (error) {
    over = true; // what has thrown is closed
    throw error;
  } finally {
    const closing = over ? undefined : iterator.return?.();
    if (stuck) Promise.resolve(closing).catch(() => {});
    else await closing;
  }
}

const optionNames = [
  "epochs",
  "steps",
  "batch",
  "optimiser",
  "weighting",
  "shuffle",
  "validation",
  "stopping",
  "signal",
  "from",
];

function settings<Tasks extends string>(
  options: TrainOptions<Tasks>,
): {
  epochs: number;
  most: number;
  batch: number;
  optimiser: Optimiser;
  weighting: Weighting | undefined;
  shuffle: boolean;
  from: { epoch: number; step: number };
} {
  checkOptions("train", options, optionNames);
  const { epochs, steps, batch = 256, optimiser = adam(), weighting, shuffle = true, signal } = options;
  const { from = { epoch: 0, step: 0 } } = options;
  checkOptimiser("train", optimiser);
  if (weighting !== undefined) checkWeighting(weighting);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`Cannot train: signal must be an AbortSignal, found ${kindOf(signal)}`);
  }
  if (typeof shuffle !== "boolean") {
    throw new TypeError(`Cannot train: shuffle must be true or false, found ${kindOf(shuffle)}`);
  }
  for (const [name, value] of Object.entries({ epochs, steps, batch })) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1)) {
      throw new RangeError(`Cannot train: ${name} must be a whole number of at least 1, found ${kindOf(value)}`);
    }
  }
  if (![from?.epoch, from?.step].every((number) => Number.isSafeInteger(number) && number >= 0)) {
    throw new RangeError("Cannot train: from must be { epoch, step }, whole numbers of at least 0");
  }
  const most = steps ?? Infinity;
  return { epochs: epochs ?? (steps === undefined ? 1 : Infinity), most, batch, optimiser, weighting, shuffle, from };
}

/** The learning rate of a step: a schedule is the author's own function. */
function rateOf(optimiser: Optimiser, step: number): number {
  const rate = optimiser.rate(step);
  if (Number.isFinite(rate) && rate >= 0) return rate;
  throw new RangeError(`Cannot train\n  at step ${step}: the learning rate must be at least 0, found ${kindOf(rate)}`);
}

/** The dropped shares among the outputs of a step, by gate. */
function droppedIn(outputs: Readonly<Record<string, Tensor>>): Record<string, number> {
  const found = Object.entries(beginning(droppedPrefix, outputs));
  return Object.fromEntries(found.map(([name, { data }]) => [name.slice(droppedPrefix.length), data[0]]));
}

/** Ends the training if a loss, the gradient or a parameter after the step is not finite. The step has changed nothing then. */
async function finite(
  outputs: Readonly<Record<string, Tensor>>,
  step: number,
  { layout, store }: Model,
): Promise<void> {
  const wrong = Object.keys(outputs).filter((name) => !Number.isFinite(outputs[name].data[0]));
  if (wrong.length === 0) return;
  const what = whatIs(wrong[0]);
  const { path, size } = largest(layout, await store.read(flatName));
  throw new RangeError(
    `Cannot train\n  at step ${step}: ${what} is ${outputs[wrong[0]].data[0]}` +
      `\n  the largest parameter is ${path}, ${size.toPrecision(3)} in size` +
      `\n  the step was not taken: try a smaller learning rate, or clipNorm`,
  );
}

/** An output of a training step in words. */
function whatIs(name: string): string {
  const others: Readonly<Record<string, string>> = {
    loss: "the sum of the losses",
    norm: "the gradient",
    moved: "the sum of the parameters after it",
  };
  if (name.startsWith("loss/")) return `the loss of task ${quoted(name.slice("loss/".length))}`;
  return others[name] ?? `the loss ${name.slice(auxiliaryPrefix.length)}`;
}

function largest({ places }: Layout, { data }: Tensor): { path: string; size: number } {
  let found = { path: "", size: -1 };
  for (const place of places) {
    for (const { start, end } of runs(place)) {
      for (const number of data.subarray(start, end)) {
        const size = Number.isNaN(number) ? Infinity : Math.abs(number);
        if (size > found.size) found = { path: place.path, size };
      }
    }
  }
  return found;
}

function scalarTensors(values: Readonly<Record<string, number>>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, { shape: [], data: Float64Array.of(value) }]),
  );
}

/** Seconds of work, and a pause for the event loop now and then so that signals and timers get their turn. */
function stopwatch(): { seconds(): number; pause(): void; resume(): void; breathe(): Promise<void> } {
  let start = performance.now();
  let paused = 0;
  let breath = start;
  return {
    seconds: () => (performance.now() - start) / 1000,
    pause: () => paused = performance.now(),
    resume: () => start += performance.now() - paused,
    breathe: async () => {
      if (performance.now() - breath < 100) return;
      await turn();
      breath = performance.now();
    },
  };
}

/** A turn of the event loop. A timer of no time would take two milliseconds. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
