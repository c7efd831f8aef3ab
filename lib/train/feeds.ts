import { beginning, type Position, type Window } from "../data/dataset.ts";
import { random } from "../data/random.ts";
import { pickRows, type Rows, sliceRows } from "../data/rows.ts";
import { kindOf } from "../errors/kinds.ts";
import type { Graph } from "../graph/graph.ts";
import { checkRows } from "../model/check_rows.ts";
import { groupsOf } from "../heads/heads.ts";
import { anyCounts, batchTensors, columnOf, noiseTensors, scalesOf } from "../model/feed.ts";
import type { Model } from "../model/model.ts";
import { type Data, isDataset, isInMemory } from "../model/pieces.ts";
import type { Tensor } from "../ops/tensor.ts";
import { passOver } from "./pass.ts";

/** The batches of a step as its graph takes them, one after the other. */
export interface Feed {
  /** The number of rows of all. */
  readonly count: number;
  /** Inputs, labels, weights, groups and noise of each batch, by name. */
  readonly batches: readonly Readonly<Record<string, Tensor>>[];
  /** The position in the data after the last batch, from which an epoch can be begun. */
  readonly after: Position;
}

/** The order in which an epoch goes through the data. */
export interface Order {
  /** The rows of a batch, about as many of a model that ranks within groups. */
  readonly batch: number;
  /** The batches of a step; the last step of an epoch may have fewer. Default 1. */
  readonly accumulate?: number;
  /** True if rows are shuffled. */
  readonly shuffle: boolean;
  /** The epoch, from 1, by which the order of rows is drawn. */
  readonly epoch: number;
  /** The position to begin at. Default: the beginning of the epoch. */
  readonly start?: Position;
  /** Aborting it ends the waiting for data. */
  readonly signal: AbortSignal | undefined;
  /** Returns true if no more batches are wanted. */
  readonly enough: () => boolean;
}

/**
 * Yields the batches of the steps of an epoch, without the scalars. Those from a position on are the same as
 * where the epoch was begun at its beginning, if the data is.
 *
 * @param graph The graph that reads the batch and its noise.
 * @param step The number of steps before, by which noise is drawn.
 */
export function feedsOf(
  model: Model,
  graph: Graph,
  data: Data,
  order: Order,
  step: number,
): AsyncGenerator<Feed, void, void> {
  const left = new AbortController(); // a dataset stops reading at once, where a generator waits for what it was asked for
  const signals = [left.signal, ...order.signal === undefined ? [] : [order.signal]];
  const feeds = fed(model, graph, data, { ...order, reading: AbortSignal.any(signals) }, step);
  const close = feeds.return.bind(feeds);
  return Object.assign(feeds, {
    return: () => {
      left.abort();
      return close();
    },
  });
}

/** An order, and the signal that ends the reading of a dataset. */
interface ReadOrder extends Order {
  readonly reading: AbortSignal;
}

async function* fed(
  model: Model,
  graph: Graph,
  data: Data,
  order: ReadOrder,
  step: number,
): AsyncGenerator<Feed, void, void> {
  const { accumulate = 1 } = order;
  let drawn = step * accumulate;
  let open: Batch[] = [];
  const close = (): Feed => {
    const scales = scalesOf(model.spec, ...open.map(({ rows }) => rows));
    const batches = open.map(({ rows }) => {
      const noise = noiseTensors(graph, rows.count, `${model.seed}:${++drawn}`);
      return { ...batchTensors(model.spec, rows, scales), ...noise };
    });
    const count = open.reduce((sum, { rows }) => sum + rows.count, 0);
    const { after } = open.pop()!;
    open = [];
    return { count, batches, after };
  };
  for await (const batch of batches(model, data, order)) {
    open.push(batch);
    if (open.length === accumulate) yield close();
  }
  if (open.length > 0) yield close();
}

/** The rows of a batch, and the position after them. */
interface Batch {
  readonly rows: Rows;
  readonly after: Position;
}

/** Yields the batches of an epoch, none pulled from the data once there are enough. */
async function* batches({ spec, seed }: Model, data: Data, given: ReadOrder): AsyncGenerator<Batch> {
  const { batch, accumulate = 1, shuffle, epoch, enough, start } = given;
  const within = Object.values(spec.tasks).map(({ head }) => groupsOf(head)).find((column) => column !== undefined);
  let counted = start !== undefined; // rows before it were trained on
  let count = 0;
  const memory: (Rows | undefined)[] = Array(2 * accumulate).fill(undefined); // a step is computed, the next prepared
  for await (const { rows, place } of windowsOf(seed, data, given)) {
    if (!isInMemory(data)) { // rows in memory were checked before the first epoch
      checkRows(spec, rows, "train");
      counted ||= anyCounts(spec, rows);
      count += rows.count;
    }
    const source = shuffle ? random(`${seed}:order:${epoch}:${place.window}`) : undefined;
    const groups = within === undefined ? undefined : columnOf(rows.labels, within);
    const { order, ends } = passOver(rows.count, { batch, source, groups });
    const first = place.window === start?.place.window ? start.batch : 0;
    if (first > ends.length) throw shorter(epoch, `${ends.length} batches in window ${place.window}`, `${first}`);
    for (let i = first; i < ends.length && !enough(); i++) {
      const [from, to] = [ends[i - 1] ?? 0, ends[i]];
      const after = { place, batch: i + 1 };
      if (order === undefined && accumulate === 1) yield { rows: sliceRows(rows, from, to - from), after };
      else { // a step of several batches may outlast their windows
        const places = order?.subarray(from, to) ?? Uint32Array.from({ length: to - from }, (_, at) => from + at);
        const picked = pickRows(rows, places, memory.shift());
        memory.push(picked);
        yield { rows: picked, after };
      }
    }
  }
  if (count > 0 && !counted && !enough()) throw new RangeError(unlabelled(`no row of epoch ${epoch}`));
}

/** Returns the error of data without labels: training on it changes nothing. */
export function unlabelled(none: string): string {
  return `Cannot train: ${none} has a label of any task (all are missing, or the weights 0): nothing would be learnt`;
}

/** Returns the error of data that ends before a position which was in it once. */
function shorter(epoch: number, found: string, wanted: string): RangeError {
  const must = "data must repeat its rows for a training that goes on";
  return new RangeError(`Cannot train\n  at epoch ${epoch}: found ${found}, wanted at least ${wanted}: ${must}`);
}

/** Yields the windows of an epoch from its start on: rows in memory are one, and so is each piece of a function. */
async function* windowsOf(
  seed: number,
  data: Data,
  { batch, shuffle, epoch, start, signal, reading, enough }: ReadOrder,
): AsyncGenerator<Window> {
  if (isDataset(data)) {
    return yield* pulled<Window>(
      data.pass({ seed, epoch, shuffle, batch, from: start?.place, signal: reading }),
      signal,
      enough,
    );
  }
  if (typeof data !== "function") return yield { rows: data, place: beginning };
  const skipped = start?.place.window ?? 0;
  let window = 0;
  for await (const rows of pulled<Rows>(data(), signal, enough)) {
    if (window >= skipped) yield { rows, place: { ...beginning, window } };
    window++;
  }
  if (window <= skipped && start !== undefined && !enough()) {
    throw shorter(epoch, window === 1 ? "1 piece" : `${window} pieces`, `${skipped + 1}`);
  }
}

/** Yields the pieces of a source. An abort ends the waiting for one that does not come. */
async function* pulled<T>(
  source: unknown,
  signal: AbortSignal | undefined,
  enough: () => boolean,
): AsyncGenerator<T> {
  const begin = Object(source)[Symbol.asyncIterator] ?? Object(source)[Symbol.iterator];
  if (typeof begin !== "function") {
    throw new TypeError(`Cannot train: the data function must return an async iterable, found ${kindOf(source)}`);
  }
  const iterator: AsyncIterator<T> = begin.call(source);
  let abort = () => {};
  const aborted = new Promise<"aborted">((resolve) => abort = () => resolve("aborted"));
  signal?.addEventListener("abort", abort);
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
    over = true; // an iterator that has thrown is closed
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort); // a signal outlives the epochs, and often the training
    const closing = over ? undefined : iterator.return?.();
    if (stuck) Promise.resolve(closing).catch(() => {});
    else await closing;
  }
}
