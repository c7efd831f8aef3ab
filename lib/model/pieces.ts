import type { Dataset } from "../data/dataset.ts";
import type { Rows } from "../data/rows.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import { mostRows } from "./feed.ts";

/**
 * Data to train or evaluate on: rows in memory, a {@linkcode Dataset}, or a function that begins a pass over pieces of any
 * size, called once an epoch. Of the latter only one piece at a time is held in memory, and where rows are shuffled, they
 * are within their piece.
 */
export type Data = Rows | Dataset | (() => AsyncIterable<Rows>);

/** Returns true if data is a dataset. */
export function isDataset(data: Data): data is Dataset {
  return isRecord(data) && typeof data.pass === "function";
}

/** Returns true if data is rows in memory, and neither a dataset nor a function that begins a pass over pieces. */
export function isInMemory(data: Data): data is Rows {
  return typeof data !== "function" && !isDataset(data);
}

/** Yields rows in their order, a piece at a time: those in memory at once, those of a dataset by windows. */
export async function* piecesOf(data: Data, action: string): AsyncGenerator<Rows> {
  if (isInMemory(data)) return yield data;
  if (typeof data !== "function") {
    // Its windows have whole pieces to run, so that losses have the same bits as those of rows in memory.
    for await (const { rows } of data.pass({ seed: 0, epoch: 1, shuffle: false, batch: mostRows })) yield rows;
    return;
  }
  const source: unknown = data();
  const begin = Object(source)[Symbol.asyncIterator] ?? Object(source)[Symbol.iterator];
  if (typeof begin !== "function") {
    const found = kindOf(source);
    throw new TypeError(`Cannot ${action}: the data function must return an async iterable, found ${found}`);
  }
  yield* source as AsyncIterable<Rows>;
}
