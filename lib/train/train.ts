import { flatName } from "../graph/layout.ts";
import { part } from "../graph/values.ts";
import { checkRows } from "../model/check_rows.ts";
import { evaluate } from "../model/evaluate.ts";
import type { Evaluation } from "../model/evaluation.ts";
import { anyCounts } from "../model/feed.ts";
import { type Best, type Insides, insidesOf } from "../model/insides.ts";
import { checkJudges, checkKeysOf } from "../model/judges.ts";
import { split } from "../model/parameters.ts";
import type { Model } from "../model/model.ts";
import { type Data, isDataset, isInMemory } from "../model/pieces.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Spec } from "../spec/spec.ts";
import { mapEntries } from "../trace/entries.ts";
import { type ByChanges, byChanges } from "./changes.ts";
import { checkStep } from "./check_step.ts";
import { feedsOf, unlabelled } from "./feeds.ts";
import { observer } from "./health.ts";
import { identityOf } from "./identity.ts";
import { type Keeper, keeperOf } from "./keeper.ts";
import { type Onward, onward } from "./onward.ts";
import { settings, type TrainOptions } from "./options.ts";
import type { Progress } from "./progress.ts";
import { scalarsOf } from "./rates.ts";
import { type Begun, resumed, warmed } from "./resume.ts";
import type { Now, Run } from "./run.ts";
import { type Steps, stepsOf } from "./steps.ts";
import { watcher } from "./stopping.ts";
import { stopwatch } from "./stopwatch.ts";
import { unseenWords } from "./unseen.ts";

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
 * @throws {Error} if a checkpoint cannot be written, or the one to go on from is damaged or of something else: the message
 * has the path, what is wrong and the way out.
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
export function train<Tasks extends string>(
  model: Model<Tasks>,
  data: Data,
  options: TrainOptions<NoInfer<Tasks>> = {}, // the model alone says which tasks there are
): AsyncGenerator<Progress<Tasks>, void, void> {
  return trainBy(model, data, options, byChanges);
}

/**
 * Trains a model as {@linkcode train} does.
 *
 * @param form The way in which checkpoints are written by changes.
 */
export async function* trainBy<Tasks extends string>(
  model: Model<Tasks>,
  data: Data,
  options: TrainOptions<NoInfer<Tasks>>,
  form: ByChanges,
): AsyncGenerator<Progress<Tasks>, void, void> {
  const insides = insidesOf(model, "train");
  const { state } = insides;
  if (state.training) {
    throw new TypeError("Cannot train: the model is being trained already: wanted that loop to end first");
  }
  const given = settings(options);
  const { validation, judges, stopping } = given;
  checkJudges(judges, model.spec, "train");
  if (validation !== undefined && isInMemory(validation)) {
    checkRows(model.spec, validation, "evaluate");
    checkKeysOf(validation, judges, {}, "evaluate");
  }
  if (isInMemory(data)) {
    checkRows(model.spec, data, "train");
    if (data.count > 0 && !anyCounts(model.spec, data)) throw new RangeError(unlabelled("no row"));
    if (!state.trained && given.from.step === 0) {
      unseenWords(model.spec.input, data).forEach((note) => console.error(note));
    }
  }
  const watch = stopping === undefined ? undefined : watcher(stopping, model.spec as Spec, validation, judges);
  let keeper: Keeper | undefined;
  let steps: Steps | undefined;
  let reading: Onward | undefined;
  const outdated = { largest: undefined, bests: undefined, calibration: undefined };
  Object.assign(state, { training: true, trained: true, ...outdated });
  try {
    const isKept = given.checkpoint !== undefined || given.resume !== undefined;
    const identity = isKept ? identityOf(model, data, given) : {};
    keeper = given.checkpoint && await keeperOf(given.checkpoint, given.resume, form);
    const begun = given.resume === undefined ? undefined : await resumed(model, given.resume, given, identity);
    const isWarm = begun === undefined && given.warm !== undefined;
    const warm = isWarm ? await warmed(model, given.warm!, given) : undefined;
    const { from } = begun ?? warm ?? given;
    const decay = given.average;
    const average = decay === undefined ? undefined : { decay, first: await insides.store.read(flatName) };
    steps = stepsOf(model, { ...given, average }, begun?.steps ?? warm?.steps);
    if (keeper !== undefined) await steps.state(); // a weighting that cannot be saved is refused at once
    if (begun?.facts.stopping !== undefined) watch?.begin(begun.facts.stopping);
    reading = isDataset(data) ? onward(data, from.epoch + given.epochs) : undefined;
    const run: Run<Tasks> = {
      ...{ model, insides, data: reading ?? data, given: { ...given, from }, steps, clock: stopwatch(), watch },
      now: nowOf(begun, warm?.count),
      identity: { ...identity, from },
      observer: given.health && validation !== undefined ? observer(model, begun?.facts.health) : undefined,
      before: begun?.facts.rows ?? 0,
      bests: begun?.bests ?? new Map(),
    };
    yield* epochsOf(run, keeper);
  } finally {
    if (!state.disposed) await steps?.averages?.enter();
    state.training = false;
    await reading?.close();
    steps?.dispose();
    await keeper?.release();
  }
}

/** Returns the place at which a training begins or goes on. */
function nowOf<Tasks extends string>(begun: Begun | undefined, count = 0): Now<Tasks> {
  const first = { step: 0, rows: 0, count, epoch: 1, position: undefined, validated: false, last: undefined };
  if (begun === undefined) return first;
  const { step, rows, count: taken, epoch, position, validated, last } = begun.facts;
  return { step, rows, count: taken, epoch, position, validated, last: last as Progress<Tasks> | undefined };
}

/** Takes the steps of all epochs that are left, and yields their records. */
async function* epochsOf<Tasks extends string>(
  run: Run<Tasks>,
  keeper: Keeper | undefined,
): AsyncGenerator<Progress<Tasks>, void, void> {
  const { given, now, watch } = run;
  const { validation, signal } = given;
  const isOver = () => now.epoch > given.epochs || now.step >= given.most || watch?.stops() === true;
  const lacksValidation = () => validation !== undefined && now.last !== undefined && !now.validated;
  if (isOver() && !lacksValidation()) return await finish(run);
  while (!isOver() || lacksValidation()) {
    const { record, isNew, isWhole, evaluated: before } = yield* recordsOf(run, keeper);
    if (record === undefined || signal?.aborted) {
      await keeper?.write(run);
      if (record !== undefined) yield { ...record, ...before, ended: "aborted" };
      return;
    }
    const evaluated = lacksValidation() ? await evaluatedIn(run) : before;
    if (isWhole) Object.assign(now, { epoch: now.epoch + 1, position: undefined, last: undefined });
    const ended = watch?.stops() ? "stopped early" : signal?.aborted ? "aborted" : undefined;
    if (isOver() || ended !== undefined) await keeper?.write(run);
    else await keeper?.writeIfDue(run);
    if (isOver() && ended !== "aborted") await finish(run);
    if (evaluated !== undefined) yield { ...record, ...evaluated, ended };
    else if (isNew) yield record;
    if (ended !== undefined) return;
    if (signal?.aborted) return await keeper?.write(run);
  }
}

/** The part of a record that is of an evaluation. */
type Evaluated<Tasks extends string> = Pick<Progress<Tasks>, "health"> & { readonly validation: Evaluation<Tasks> };

/** Evaluates the validation rows, and keeps the parameters and vectors as they are now if they are the best so far. */
async function evaluatedIn<Tasks extends string>(run: Run<Tasks>): Promise<Evaluated<Tasks>> {
  const { model, insides: { store }, steps, clock, watch, observer, now } = run;
  clock.pause();
  await steps.averages?.enter();
  const { sorting, judges } = run.given;
  const validation = run.given.validation!;
  const evaluated = await evaluate(model, observer?.passing(validation) ?? validation, { sorting, judges });
  const health = await observer?.at(evaluated);
  insidesOf(model, "train"); // it may be disposed meanwhile
  now.validated = true;
  const names = watch?.judge(evaluated) ?? [];
  const flat = names.length > 0 ? await store.read(flatName) : undefined;
  for (const name of names) {
    run.bests.set(name, flat!);
    steps.keep(name);
  }
  await steps.averages?.leave();
  clock.resume();
  return { validation: evaluated, ...health && { health } };
}

/** Puts the model where a training leaves it: at its best evaluation, if there is one, or else at its averages, if they are taken. */
async function finish<Tasks extends string>({ insides, steps, bests, watch }: Run<Tasks>): Promise<void> {
  const best = bests.get("");
  if (best === undefined) return await steps.averages?.enter();
  if (bests.size > 1) insides.state.bests = bestsIn(insides, steps, bests, watch!.bests());
  insides.store.write(flatName, best);
  steps.restore("");
  steps.averages?.stay();
}

/** Returns the parameters that were best for each task, one set for tasks that were at their best together. */
function bestsIn<Tasks extends string>(
  { plan: { layout, spec }, tables }: Insides<Tasks>,
  steps: Steps,
  flats: ReadonlyMap<string, Tensor>,
  at: ReadonlyMap<string, number>,
): Best[] {
  const tasks = Object.keys(spec.tasks).map((task) => ({ task, own: at.has(task) ? task : "" }));
  return [...Map.groupBy(tasks, ({ own }) => at.get(own))].map(([, alike]) => {
    const [{ own }] = alike;
    const kept = steps.wholes(own);
    const vectors = [...tables].map(([path, { rows, units, vectors }]) => {
      return [path, { shape: [rows, units], data: kept.get(path) ?? vectors.slice() }] as const;
    });
    const parameters = { ...split(layout, flats.get(own)!), ...Object.fromEntries(vectors) };
    return { tasks: alike.map(({ task }) => task), parameters };
  });
}

/** The end of an epoch's steps. */
interface End<Tasks extends string> {
  /** The record of the last step; absent if the training was aborted and the record is out, or before there was one. */
  readonly record?: Progress<Tasks>;
  /** True if the record is not out yet. */
  readonly isNew?: boolean;
  /** True if the epoch has no more steps. */
  readonly isWhole?: boolean;
  /** The evaluation after that step, if training ends with it within an epoch. */
  readonly evaluated?: Evaluated<Tasks>;
}

/** Takes the steps of an epoch that are left: yields all records but the last one, which is returned. */
async function* recordsOf<Tasks extends string>(
  run: Run<Tasks>,
  keeper: Keeper | undefined,
): AsyncGenerator<Progress<Tasks>, End<Tasks>, void> {
  const { model, data, clock, now, watch } = run;
  const { batch, accumulate, shuffle, from, most, epochs, signal } = run.given;
  let taken = now.step; // the running one counted
  const enough = () => signal?.aborted === true || taken >= most || now.epoch > epochs;
  const order = { batch, accumulate, shuffle, epoch: from.epoch + now.epoch, start: now.position, signal, enough };
  const feeds = feedsOf(model, run.steps.graph, data, order, from.step + now.step);
  let computing = false;
  let isNew = false;
  let isWhole = false;
  try {
    for (let next = feeds.next();;) {
      const { value: feed, done } = await next;
      isWhole = done === true && !enough();
      if (done || enough()) break;
      const evaluated = isDue(run) ? await evaluatedIn(run) : undefined;
      if (evaluated !== undefined && (watch?.stops() || enough())) return { record: now.last, isNew: true, evaluated };
      if (isNew || evaluated !== undefined) {
        await keeper?.writeIfDue(run);
        yield evaluated === undefined ? now.last! : { ...now.last!, ...evaluated };
        if (signal?.aborted) return {};
      }
      const [at, count] = [{ epoch: order.epoch, step: from.step + ++taken }, now.count + 1];
      const scalars = scalarsOf(run.given, count, at);
      const running = run.steps.run(feed.batches.map((batch) => ({ ...batch, ...scalars })), { ...at, count });
      next = feeds.next(); // while the engine computes
      next.catch(() => {}); // thrown when its turn comes
      computing = true;
      const { outputs, weights } = await running;
      await checkStep(outputs, at.step, run.insides);
      computing = false;
      const rows = now.rows + feed.count;
      Object.assign(now, { step: taken, rows, count, position: feed.after, validated: false });
      now.last = { ...at, ...recordOf(run, outputs, weights) };
      run.observer?.add(now.last);
      isNew = true;
      await clock.breathe();
    }
  } finally {
    const closing = feeds.return();
    if (computing) closing.catch(() => {}); // the data may not come, and the error has gone before
    else await closing;
  }
  if (isNew || now.last !== undefined && !signal?.aborted) return { record: now.last, isNew, isWhole };
  if (signal?.aborted) return {};
  const wanted = typeof data === "function" ? ": wanted a function that begins a new pass at each call" : "";
  throw new RangeError(`Cannot train: epoch ${now.epoch} of the data has no rows${wanted}`);
}

/** Returns true if an evaluation follows the last step, where it is not the last of its epoch. */
function isDue<Tasks extends string>({ given, now: { last, validated } }: Run<Tasks>): boolean {
  return last !== undefined && !validated && last.step % given.evaluateEvery === 0;
}

/** Returns the record of a step, without its epoch and step. */
function recordOf<Tasks extends string>(
  { insides, data, given, clock, now, before }: Run<Tasks>,
  outputs: Readonly<Record<string, Tensor>>,
  weights: Readonly<Record<string, number>>,
): Omit<Progress<Tasks>, "epoch" | "step"> {
  const { spec, training } = insides.plan;
  const { epochs, most, batch, accumulate, from } = given;
  const count = isInMemory(data) ? data.count : undefined;
  const numbers = <Name extends string>(word: string, names: readonly Name[]) =>
    mapEntries(part(outputs, word, names), (_, { data }) => data[0]);
  return {
    steps: count === undefined
      ? undefined
      : from.step + Math.min(most, epochs * Math.ceil(Math.ceil(count / batch) / accumulate)),
    loss: numbers("loss", Object.keys(spec.tasks) as Tasks[]),
    weights: weights as Record<Tasks, number>,
    auxiliary: numbers("auxiliary", Object.keys(training.auxiliary)),
    dropped: numbers("dropped", Object.keys(training.dropped)),
    total: outputs.loss.data[0],
    norm: outputs.norm.data[0],
    rows: now.rows,
    rate: (now.rows - before) / clock.seconds(),
  };
}
