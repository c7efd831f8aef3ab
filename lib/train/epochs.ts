import { flatName } from "../graph/layout.ts";
import { part } from "../graph/values.ts";
import { evaluate } from "../model/evaluate.ts";
import type { Evaluation } from "../model/evaluation.ts";
import { insidesOf } from "../model/insides.ts";
import { isInMemory } from "../model/pieces.ts";
import type { Tensor } from "../ops/tensor.ts";
import { mapEntries } from "../trace/entries.ts";
import { finish } from "./bests.ts";
import { checkStep } from "./check_step.ts";
import { feedsOf } from "./feeds.ts";
import type { Keeper } from "./keeper.ts";
import type { Progress } from "./progress.ts";
import { scalarsOf } from "./rates.ts";
import type { Run } from "./run.ts";

/** Takes the steps of all epochs that are left, and yields their records. */
export async function* epochsOf<Tasks extends string>(
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
  const names = watch?.see(evaluated) ?? [];
  const flat = names.length > 0 ? await store.read(flatName) : undefined;
  for (const name of names) {
    run.bests.set(name, flat!);
    steps.keep(name);
  }
  await steps.averages?.leave();
  clock.resume();
  return { validation: evaluated, ...health && { health } };
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
      await checkStep(outputs, at.step, run.insides, feed.batches);
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
  const seconds = clock.seconds();
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
    seconds,
    rate: (now.rows - before.rows) / (seconds - before.seconds),
  };
}
