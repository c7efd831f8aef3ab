import { flatName } from "../graph/layout.ts";
import { part } from "../graph/values.ts";
import { checkRows } from "../model/check_rows.ts";
import { evaluate } from "../model/evaluate.ts";
import { anyCounts } from "../model/feed.ts";
import { type Insides, insidesOf } from "../model/insides.ts";
import type { Model } from "../model/model.ts";
import { isInMemory } from "../model/pieces.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Optimiser } from "../optimisers/optimiser.ts";
import type { Spec } from "../spec/spec.ts";
import { mapEntries } from "../trace/entries.ts";
import { checkStep } from "./check_step.ts";
import { feedsOf, unlabelled } from "./feeds.ts";
import { type Data, type Settings, settings, type TrainOptions } from "./options.ts";
import type { Progress } from "./progress.ts";
import { rateOf } from "./rates.ts";
import { unseenWords } from "./unseen.ts";
import { type Steps, stepsOf } from "./steps.ts";
import { watcher } from "./stopping.ts";
import { type Stopwatch, stopwatch } from "./stopwatch.ts";

/**
 * Trains a model: takes one step after the other and yields a record of each. Leaving the loop ends the training.
 *
 * Where rows in memory lack words that a feature knows, a line on standard error says so once, when a model is first
 * trained: nothing trains the weights of these words.
 *
 * The same seed, engine, data and kind of machine give the same parameters. A step whose losses, gradients or new
 * parameters are not finite changes nothing and ends the training with an error.
 *
 * @throws {TypeError | RangeError} if rows do not fit the model, or an option is out of range.
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
  options: TrainOptions<NoInfer<Tasks>> = {}, // the model alone says which tasks there are
): AsyncGenerator<Progress<Tasks>, void, void> {
  const insides = insidesOf(model, "train");
  const { state } = insides;
  if (state.training) {
    throw new TypeError("Cannot train: the model is being trained already: wanted that loop to end first");
  }
  const given = settings(options);
  const { validation, stopping, signal } = given;
  if (validation !== undefined && isInMemory(validation)) checkRows(model.spec, validation, "evaluate");
  if (typeof data !== "function") {
    checkRows(model.spec, data, "train");
    if (data.count > 0 && !anyCounts(model.spec, data)) throw new RangeError(unlabelled("no row"));
    if (!state.trained && given.from.step === 0) {
      unseenWords(model.spec.input, data).forEach((note) => console.error(note));
    }
  }
  const watch = stopping === undefined ? undefined : watcher(stopping, model.spec as Spec, validation);
  const clock = stopwatch();
  let steps: Steps | undefined;
  let best: { readonly restore: () => void } | undefined;
  Object.assign(state, { training: true, trained: true, largest: undefined });
  try {
    steps = stepsOf(model, given);
    const run: Run<Tasks> = { model, insides, data, given, signal, steps, clock, seen: { step: 0, rows: 0 } };
    for (let epoch = 1; epoch <= given.epochs && run.seen.step < given.most; epoch++) {
      const last = yield* recordsOf(run, epoch);
      if (last === undefined) return;
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
      const evaluated = await evaluate(model, validation, { sorting: given.sorting });
      insidesOf(model, "train"); // it may be disposed meanwhile
      const verdict = watch?.(evaluated);
      if (verdict?.best) best = await bestOf(run);
      clock.resume();
      const ended = verdict?.stop ? "stopped early" : signal?.aborted ? "aborted" : undefined;
      const over = verdict?.stop || epoch === given.epochs || run.seen.step === given.most;
      if (over && ended !== "aborted") best?.restore();
      yield { ...last, validation: evaluated, ended };
      if (ended !== undefined) return;
    }
  } finally {
    state.training = false;
    steps?.dispose();
  }
}

/** Keeps the parameters and vectors as they are now. */
async function bestOf<Tasks extends string>(
  { insides: { store }, steps }: Run<Tasks>,
): Promise<{ readonly restore: () => void }> {
  const flat = await store.read(flatName);
  steps.keep();
  return {
    restore: () => {
      store.write(flatName, flat);
      steps.restore();
    },
  };
}

/** A training that is going on. */
interface Run<Tasks extends string> {
  readonly model: Model<Tasks>;
  readonly insides: Insides<Tasks>;
  readonly data: Data;
  readonly given: Settings;
  readonly signal: AbortSignal | undefined;
  readonly steps: Steps;
  readonly clock: Stopwatch;
  /** The steps and rows so far. */
  readonly seen: { step: number; rows: number };
}

/**
 * Takes the steps of an epoch: yields all records but the last one, which is returned; undefined if the training was
 * aborted and the last record is out, or before there was one.
 */
async function* recordsOf<Tasks extends string>(
  run: Run<Tasks>,
  epoch: number,
): AsyncGenerator<Progress<Tasks>, Progress<Tasks> | undefined, void> {
  const { model, data, signal, clock, seen } = run;
  const { batch, shuffle, from, most } = run.given;
  const enough = () => signal?.aborted === true || seen.step === most;
  const order = { batch, shuffle, epoch: from.epoch + epoch, signal, enough };
  const feeds = feedsOf(model, run.steps.graph, data, order, from.step + seen.step);
  let computing = false;
  let last: Progress<Tasks> | undefined;
  try {
    for (let next = feeds.next();;) {
      const { value: feed, done } = await next;
      if (done || enough()) break;
      if (last !== undefined) {
        yield last;
        if (signal?.aborted) return undefined;
      }
      seen.step++;
      seen.rows += feed.count;
      const at = { epoch: from.epoch + epoch, step: from.step + seen.step };
      const running = run.steps.run({ ...feed.tensors, ...scalarsOf(run.given.optimiser, seen.step, at.step) }, {
        ...at,
        count: seen.step,
      });
      next = feeds.next(); // while the engine computes
      next.catch(() => {}); // thrown when its turn comes
      computing = true;
      const { outputs, weights } = await running;
      await checkStep(outputs, at.step, run.insides);
      computing = false;
      last = { ...at, ...recordOf(run, outputs, weights) };
      await clock.breathe();
    }
  } finally {
    const closing = feeds.return();
    if (computing) closing.catch(() => {}); // the data may not come, and the error has gone before
    else await closing;
  }
  if (last !== undefined || signal?.aborted) return last;
  const wanted = typeof data === "function" ? ": wanted a function that begins a new pass at each call" : "";
  throw new RangeError(`Cannot train: epoch ${epoch} of the data has no rows${wanted}`);
}

/** Returns the record of a step, without its epoch and step. */
function recordOf<Tasks extends string>(
  { insides, data, given, clock, seen }: Run<Tasks>,
  outputs: Readonly<Record<string, Tensor>>,
  weights: Readonly<Record<string, number>>,
): Omit<Progress<Tasks>, "epoch" | "step"> {
  const { spec, training } = insides.plan;
  const { epochs, most, batch, from } = given;
  const numbers = <Name extends string>(word: string, names: readonly Name[]) =>
    mapEntries(part(outputs, word, names), (_, { data }) => data[0]);
  return {
    steps: typeof data === "function" ? undefined : from.step + Math.min(most, epochs * Math.ceil(data.count / batch)),
    loss: numbers("loss", Object.keys(spec.tasks) as Tasks[]),
    weights: weights as Record<Tasks, number>,
    auxiliary: numbers("auxiliary", Object.keys(training.auxiliary)),
    dropped: numbers("dropped", Object.keys(training.dropped)),
    total: outputs.loss.data[0],
    norm: outputs.norm.data[0],
    rows: seen.rows,
    rate: seen.rows / clock.seconds(),
  };
}

/** Returns the learning rate and the optimiser's scalars of a step, as inputs. */
function scalarsOf(optimiser: Optimiser, count: number, step: number): Record<string, Tensor> {
  const rate = rateOf(optimiser, step);
  return mapEntries({ rate, ...optimiser.scalars(count, rate) }, (_, value) => {
    return { shape: [], data: Float64Array.of(value) };
  });
}
