import { random } from "../data/random.ts";
import { pickRows, type Rows, sliceRows } from "../data/rows.ts";
import { kindOf } from "../errors/kinds.ts";
import type { Graph } from "../graph/graph.ts";
import { checkRows } from "../model/check_rows.ts";
import { groupsOf } from "../heads/heads.ts";
import { anyCounts, batchTensors, columnOf, noiseTensors } from "../model/feed.ts";
import type { Model } from "../model/model.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Data } from "./options.ts";
import { passOver } from "./pass.ts";

/** A batch as the graph of a step takes it. */
export interface Feed {
  /** The number of rows. */
  readonly count: number;
  /** Inputs, labels, weights, groups and noise, by name. */
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** The order in which an epoch goes through the data. */
export interface Order {
  /** The rows of a batch, about as many of a model that ranks within groups. */
  readonly batch: number;
  /** True if rows are shuffled. */
  readonly shuffle: boolean;
  /** The epoch, from 1, by which the order of rows is drawn. */
  readonly epoch: number;
  /** Aborting it ends the waiting for data. */
  readonly signal: AbortSignal | undefined;
  /** Returns true if no more batches are wanted. */
  readonly enough: () => boolean;
}

/**
 * Yields the batches of an epoch as its steps take them, without the scalars.
 *
 * @param graph The graph that reads the batch and its noise.
 * @param step The number of steps before, by which noise is drawn.
 */
export async function* feedsOf(
  model: Model,
  graph: Graph,
  data: Data,
  order: Order,
  step: number,
): AsyncGenerator<Feed, void, void> {
  for await (const piece of batches(model, data, order)) {
    const noise = noiseTensors(graph, piece.count, `${model.seed}:${++step}`);
    yield { count: piece.count, tensors: { ...batchTensors(model.spec, piece), ...noise } };
  }
}

/** Yields the batches of an epoch, none pulled from the data once there are enough. */
async function* batches(
  { spec, seed }: Model,
  data: Data,
  { batch, shuffle, epoch, signal, enough }: Order,
): AsyncGenerator<Rows> {
  const within = Object.values(spec.tasks).map(({ head }) => groupsOf(head)).find((column) => column !== undefined);
  let piece = 0;
  let counted = false;
  let count = 0;
  const memory: (Rows | undefined)[] = [undefined, undefined]; // one batch is computed while the next is prepared
  for await (const rows of pulled(data, signal, enough)) {
    if (typeof data === "function") { // rows in memory were checked before the first epoch
      checkRows(spec, rows, "train");
      counted ||= anyCounts(spec, rows);
      count += rows.count;
    }
    const source = shuffle ? random(`${seed}:order:${epoch}:${piece++}`) : undefined;
    const groups = within === undefined ? undefined : columnOf(rows.labels, within);
    const { order, ends } = passOver(rows.count, { batch, source, groups });
    for (let i = 0; i < ends.length && !enough(); i++) {
      const [start, end] = [ends[i - 1] ?? 0, ends[i]];
      if (order === undefined) yield sliceRows(rows, start, end - start);
      else {
        const picked = pickRows(rows, order.subarray(start, end), memory.shift());
        memory.push(picked);
        yield picked;
      }
    }
  }
  if (count > 0 && !counted && !enough()) throw new RangeError(unlabelled(`no row of epoch ${epoch}`));
}

/** Returns the error of data without labels: training on it changes nothing. */
export function unlabelled(none: string): string {
  return `Cannot train: ${none} has a label of any task (all are missing, or the weights 0): nothing would be learnt`;
}

/** Yields the pieces of the data. An abort ends the waiting for one that does not come. */
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
