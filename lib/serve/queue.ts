import type { Rows } from "../data/rows.ts";
import { checkCount } from "../errors/kinds.ts";
import type { Model } from "../model/model.ts";
import { mapEntries } from "../trace/entries.ts";
import type { AskedRows, Encoder } from "./inputs.ts";
import { Refusal } from "./refusal.ts";

/** The answer of a model for some rows. */
export interface Answer {
  /** Predictions by task, `[rows]` or `[rows x classes]`. */
  readonly predictions: Readonly<Record<string, Float32Array>>;
  /** Weights of gates, `[rows x experts]`, by `<level>/<stream>`; empty if they were not asked for. */
  readonly gates: Readonly<Record<string, Float32Array>>;
}

/** A queue of requests for one model, which are encoded and predicted together. */
export interface Queue {
  /**
   * Returns the answer for rows, once their turn has come.
   *
   * @throws {Refusal} 400 if a row is refused, 503 if too many wait, 504 if the deadline passes before.
   */
  ask(rows: AskedRows, gates: boolean, until: number): Promise<Answer>;
}

/** The limits of a queue. */
export interface QueueLimits {
  /** The most rows that are predicted together; a request of more is predicted alone. */
  readonly maxBatch: number;
  /** The milliseconds that a request waits for others. */
  readonly maxDelay: number;
  /** The most requests that wait. */
  readonly maxQueue: number;
}

/**
 * Returns the limits of a queue, checked, with nothing left to default.
 *
 * @throws {TypeError | RangeError} if one is not a whole number in reach.
 */
export function limitsOf(action: string, given: Partial<QueueLimits>): QueueLimits {
  const { maxBatch = 1024, maxDelay = 0, maxQueue = 1024 } = given;
  checkCount(action, "maxBatch", maxBatch, 1);
  checkCount(action, "maxDelay", maxDelay);
  checkCount(action, "maxQueue", maxQueue, 1);
  return { maxBatch, maxDelay, maxQueue };
}

/** Sees what a queue does: the milliseconds that a request waited, and those that a batch took. */
export interface QueueWatch {
  waited(milliseconds: number): void;
  encoded(milliseconds: number): void;
  predicted(rows: number, milliseconds: number): void;
}

/** A request that waits. */
interface Waiting {
  readonly rows: AskedRows;
  readonly gates: boolean;
  readonly since: number;
  readonly until: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Returns a queue of requests for a model. While a batch is predicted the next requests gather, so that batches grow with
 * the load; `maxDelay` makes them larger where the load is small, and costs a request at most half of the time to its
 * deadline.
 */
export function queue(model: Model, encoder: Encoder, limits: QueueLimits, watch: QueueWatch): Queue {
  const waiting: Waiting[] = [];
  const answering: Answering = { model, encoder, watch };
  let running = false;
  let wake: (() => void) | undefined;
  let wakesAt = Infinity;
  const rowsWaiting = () => waiting.reduce((sum, { rows }) => sum + rows.count, 0);
  const run = async () => {
    await turn();
    while (waiting.length > 0) {
      wakesAt = limits.maxDelay === 0 ? 0 : Math.min(...waiting.map((one) => latestOf(one, limits)));
      const left = wakesAt - performance.now();
      if (left > 0 && rowsWaiting() < limits.maxBatch) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        wake = undefined;
      }
      await answer(taken(waiting, limits.maxBatch, watch), answering);
    }
    running = false;
  };
  return {
    ask: (rows, gates, until) => {
      if (waiting.length >= limits.maxQueue) {
        const wanted = "wanted fewer at a time, or the option maxQueue with a larger number";
        throw new Refusal(503, `Cannot predict: ${waiting.length} requests wait already: ${wanted}`, {
          "retry-after": "1",
        });
      }
      return new Promise((resolve, reject) => {
        const own = { rows, gates, since: performance.now(), until, resolve, reject };
        waiting.push(own);
        if (wake !== undefined && (rowsWaiting() >= limits.maxBatch || latestOf(own, limits) < wakesAt)) wake();
        if (running) return;
        running = true;
        void run();
      });
    },
  };
}

/** Returns the moment to which a request waits for others: at most half of the time that it has. */
function latestOf({ since, until }: Waiting, { maxDelay }: QueueLimits): number {
  return Math.min(since + maxDelay, (since + until) / 2);
}

/** Resolves when what came in meanwhile has been read: at once where the runtime has a way, for a timer takes a millisecond. */
function turn(): Promise<void> {
  const { setImmediate: immediate = setTimeout }: { readonly setImmediate?: (next: () => void) => unknown } =
    globalThis;
  return new Promise((resolve) => void immediate(resolve));
}

/** Takes the next requests of one kind, as many rows as fit; those whose time is over are refused. */
function taken(waiting: Waiting[], maxBatch: number, watch: QueueWatch): readonly Waiting[] {
  const now = performance.now();
  const some: Waiting[] = [];
  let rows = 0;
  while (waiting.length > 0) {
    const next = waiting[0];
    if (next.until < now) {
      waiting.shift();
      next.reject(
        new Refusal(504, `Cannot predict: the request waited ${Math.round(now - next.since)} ms, its deadline passed`),
      );
      continue;
    }
    const fits = some.length === 0 || next.gates === some[0].gates && rows + next.rows.count <= maxBatch;
    if (!fits) break;
    waiting.shift();
    watch.waited(now - next.since);
    some.push(next);
    rows += next.rows.count;
  }
  return some;
}

/** The parts that answer a batch. */
interface Answering {
  readonly model: Model;
  readonly encoder: Encoder;
  readonly watch: QueueWatch;
}

/** Answers requests together; where that fails each alone, so that none pays for the rows of another. */
async function answer(some: readonly Waiting[], answering: Answering): Promise<void> {
  const { encoder, watch } = answering;
  if (some.length === 0) return;
  const began = performance.now();
  if (some.length === 1) {
    const [{ rows, gates, resolve, reject }] = some;
    try {
      const encoded = encoder.alone(rows);
      watch.encoded(performance.now() - began);
      resolve(await asked(encoded, gates, answering));
    } catch (error) {
      reject(error);
    }
    return;
  }
  const alone = async (all: readonly Waiting[]) => {
    for (const one of all) await answer([one], answering);
  };
  let encoded: Rows;
  try {
    encoded = encoder.together(some.map(({ rows }) => rows));
  } catch {
    const right = encodable(some, encoder);
    return await (right.length < some.length ? answer(right, answering) : alone(some));
  }
  watch.encoded(performance.now() - began);
  try {
    share(await asked(encoded, some[0].gates, answering), encoded.count, some);
  } catch {
    await alone(some);
  }
}

/** Refuses the requests whose rows cannot be encoded; returns the others. */
function encodable(some: readonly Waiting[], encoder: Encoder): readonly Waiting[] {
  return some.filter(({ rows, reject }) => {
    try {
      encoder.alone(rows);
      return true;
    } catch (error) {
      reject(error);
      return false;
    }
  });
}

/** Gives each request its part of an answer. */
function share(all: Answer, count: number, some: readonly Waiting[]): void {
  let from = 0;
  for (const { rows, resolve } of some) {
    const [first, end] = [from, from + rows.count];
    const part = (columns: Answer["gates"]) =>
      mapEntries(columns, (_, data) => data.slice(first * data.length / count, end * data.length / count));
    resolve({ predictions: part(all.predictions), gates: part(all.gates) });
    from = end;
  }
}

/** Returns what the model says of rows; rows that it refuses are the caller's fault. */
async function asked(rows: Rows, gates: boolean, { model, watch }: Answering): Promise<Answer> {
  const began = performance.now();
  try {
    const found = gates ? await model.inspect(rows) : { predictions: await model.predict(rows), gates: {} };
    watch.predicted(rows.count, performance.now() - began);
    return found;
  } catch (error) {
    throw error instanceof RangeError ? new Refusal(400, error.message) : error;
  }
}
