import type { Dataset, PassOrder, Window } from "../data/dataset.ts";
import { kindOf } from "../errors/kinds.ts";

/** A dataset that reads on from one epoch to the next. */
export interface Onward extends Dataset {
  /** Ends the reading of an epoch that was not come to. */
  readonly close: () => Promise<void>;
}

/** The pass of an epoch whose reading has begun. */
interface Pass {
  readonly epoch: number;
  readonly windows: AsyncIterator<Window, void>;
  /** Makes it the pass of the epoch that is trained on, until a signal is aborted. */
  readonly take: (signal: AbortSignal | undefined) => void;
}

/**
 * Returns a dataset of the same windows, which reads the first ones of the next epoch while the last ones of an epoch are
 * in use, where the data says that it has read them all.
 *
 * @param last The last epoch.
 */
export function onward(data: Dataset, last: number): Onward {
  let next: Pass | undefined;
  const begin = (order: PassOrder): Pass => {
    const readOn = () => {
      if (order.epoch < last) next = readAhead(begin({ ...order, epoch: order.epoch + 1, from: undefined }));
    };
    return passOf(data, order, readOn);
  };
  return {
    identity: data.identity,
    pass: (order) => {
      const pass = next?.epoch === order.epoch && order.from === undefined ? next : begin(order);
      next = undefined;
      pass.take(order.signal);
      return { [Symbol.asyncIterator]: () => pass.windows };
    },
    close: async () => {
      await next?.windows.return?.().catch(() => {}); // the error of data that was not used
    },
  };
}

/**
 * Begins a pass.
 *
 * @param readOn Called once it is taken and all its rows are read.
 */
function passOf(data: Dataset, order: PassOrder, readOn: () => void): Pass {
  const left = new AbortController();
  let [isTaken, isRead] = [false, false];
  const ended = () => {
    isRead = true;
    if (isTaken) readOn();
  };
  const windows = iteratorOf(data.pass({ ...order, signal: left.signal, ended }));
  return {
    epoch: order.epoch,
    windows: {
      next: async () => {
        let isOver = true;
        try {
          const item = await windows.next();
          isOver = item.done === true;
          return item;
        } finally {
          if (isOver) left.abort(); // which forgets the signal that outlives this pass
        }
      },
      return: async () => {
        left.abort();
        await windows.return?.();
        return { done: true, value: undefined };
      },
    },
    take: (signal) => {
      const stop = () => left.abort(signal?.reason);
      if (signal?.aborted) stop();
      signal?.addEventListener("abort", stop, { signal: left.signal });
      isTaken = true;
      if (isRead) readOn();
    },
  };
}

/** Returns an iterator over what a pass returned. */
function iteratorOf(source: unknown): AsyncIterator<Window, void> | Iterator<Window, void> {
  const begin = Object(source)[Symbol.asyncIterator] ?? Object(source)[Symbol.iterator];
  if (typeof begin === "function") return begin.call(source);
  throw new TypeError(`Cannot train: the pass of a dataset must return an async iterable, found ${kindOf(source)}`);
}

/** Returns a pass whose first window is asked for now. */
function readAhead(pass: Pass): Pass {
  const { windows } = pass;
  let first: Promise<IteratorResult<Window, void>> | undefined = windows.next();
  first.catch(() => {}); // thrown when its turn comes
  const next = () => {
    const item = first ?? windows.next();
    first = undefined;
    return item;
  };
  return { ...pass, windows: { ...windows, next } };
}
