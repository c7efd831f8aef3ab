import { kindOf, optionsOf } from "../errors/kinds.ts";
import { filled } from "./read.ts";
import { explained, message, placeOf } from "./place.ts";
import { room } from "./room.ts";
import { files, system, unreachable } from "./runtime.ts";
import type { OpenFile } from "./system.ts";
import { removed } from "./staged.ts";

/** The options of sorting numbers of rows that may be more than memory holds. */
export interface Sorting {
  /** The most rows that are sorted in memory; those of more are sorted in files. Default 2^22. */
  readonly most?: number;
  /** The folder for these files, which are removed afterwards. Default: the system's for temporary files. */
  readonly folder?: string;
}

/** Records of some numbers each, sorted by the first of them: in memory up to a number of records, beyond it in files. */
export interface Sorter {
  /** Adds records, one after the other, `[count, width]`. */
  readonly add: (records: Float64Array) => void | Promise<void>;
  /** Yields all records in order, some at a time, `[count, width]`; those that are alike as they came. */
  readonly sorted: () => AsyncIterable<Float64Array>;
  /** Removes its files. */
  readonly dispose: () => Promise<void>;
}

/**
 * Returns a sorter: an external merge sort, which writes sorted runs of as many records as memory may hold and merges them.
 *
 * @param width The numbers of a record.
 * @param keys The number of those by which records are sorted, the first before the second and so on. None is NaN.
 * @param action The action that errors name.
 */
export function sorter(width: number, keys: number, { most = 2 ** 22, folder }: Sorting, action: string): Sorter {
  let records = new Float64Array(0);
  let count = 0;
  let place: string | undefined;
  const runs: string[] = [];
  let written = 0;
  const spill = async () => {
    place ??= await temporary(folder, most, action);
    const path = `${place}/${written++}`;
    await writeRun(path, inOrder(records, { count, width, keys }), action);
    runs.push(path);
    count = 0;
  };
  const fewer = async () => {
    // Runs that are next to each other, so that records that are alike stay as they came.
    for (const [at, some] of groupsOf(runs.splice(0), mostOpen).entries()) {
      const path = `${place}/${written++}`;
      await writeRun(path, merged(some, width, keys, action), action);
      for (const run of some) await removed(run);
      runs[at] = path;
    }
  };
  const hold = (more: Float64Array) => {
    records = room(records, count * width + more.length);
    records.set(more, count * width);
    count += more.length / width;
  };
  return {
    add: (more) => {
      if (count === 0 || count + more.length / width <= most) return hold(more);
      return spill().then(() => hold(more));
    },
    sorted: async function* () {
      if (runs.length === 0) return yield* inOrder(records, { count, width, keys });
      await spill();
      records = new Float64Array(0);
      while (runs.length > mostOpen) await fewer();
      yield* merged(runs, width, keys, action);
    },
    dispose: async () => {
      if (place !== undefined) await removed(place);
    },
  };
}

/**
 * Makes sure that a way to sort is one.
 *
 * @throws {TypeError | RangeError} if it is not.
 */
export function checkSorting(sorting: Sorting, action: string): void {
  const { most = 1, folder } = optionsOf(action, sorting, ["most", "folder"]);
  if (!(most === Infinity || Number.isSafeInteger(most) && most >= 1)) {
    throw new RangeError(`Cannot ${action}: sorting.most must be a whole number of at least 1, found ${kindOf(most)}`);
  }
  if (folder !== undefined && typeof folder !== "string") {
    throw new TypeError(`Cannot ${action}: sorting.folder must be the path of a folder, found ${kindOf(folder)}`);
  }
}

/** The runs that are merged at once: systems let a program open some hundreds of files, and it may need others. */
const mostOpen = 128;

/** Returns a list in parts of so many items. */
function groupsOf<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, at) => list.slice(at * size, (at + 1) * size));
}

/** Returns a new folder for files. */
async function temporary(folder: string | undefined, most: number, action: string): Promise<string> {
  const way = "wanted sorting: { folder } with a folder that may be written, or { most: Infinity }, to sort in memory";
  const failed = (why: string, cause?: unknown) => {
    return new Error(`Cannot ${action}: more than ${most} rows are sorted in files, ${why}: ${way}`, { cause });
  };
  if (system() === undefined) throw failed(unreachable);
  try {
    return await files().temporary(folder);
  } catch (error) {
    const where = folder === undefined ? "the system's folder for temporary files" : folder;
    throw failed(`and none can be made in ${where} (${(error as Error).message})`, error);
  }
}

/** The records that are read or written at a time. */
const some = 4096;

/** Yields records by their keys, some at a time; those that are alike as they came. */
export function* inOrder(
  records: Float64Array,
  { count, width, keys }: { readonly count: number; readonly width: number; readonly keys: number },
): Generator<Float64Array> {
  const order = new Uint32Array(count);
  const first = new Float64Array(count); // apart from the rest, so that most comparisons find it in the cache
  for (let at = 0; at < count; at++) [order[at], first[at]] = [at, records[at * width]];
  order.sort((a, b) => {
    if (first[a] !== first[b]) return first[a] < first[b] ? -1 : 1;
    return keys === 1 ? 0 : compared(records, a * width, records, b * width, keys);
  });
  for (let start = 0; start < count; start += some) {
    const piece = new Float64Array(Math.min(some, count - start) * width);
    for (let at = 0; at * width < piece.length; at++) {
      const from = order[start + at] * width;
      for (let i = 0; i < width; i++) piece[at * width + i] = records[from + i];
    }
    yield piece;
  }
}

/** Returns a number below 0 if one record comes before another, 0 if their keys are alike. */
function compared(one: Float64Array, at: number, other: Float64Array, from: number, keys: number): number {
  for (let key = 0; key < keys; key++) {
    const [a, b] = [one[at + key], other[from + key]];
    if (a !== b) return a < b ? -1 : 1;
  }
  return 0;
}

async function writeRun(
  path: string,
  pieces: Iterable<Float64Array> | AsyncIterable<Float64Array>,
  action: string,
): Promise<void> {
  try {
    const file = await files().create(path, 0o600);
    try {
      for await (const { buffer, byteOffset, byteLength } of pieces) {
        const bytes = new Uint8Array(buffer, byteOffset, byteLength);
        for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    throw explained(error, placeOf(path, action));
  }
}

/** A run that is read: the records of it in memory, and the place of the next. */
interface Run {
  readonly file: OpenFile;
  /** The place among the runs, by which records that are alike come. */
  readonly number: number;
  records: Float64Array;
  at: number;
}

/** Yields the records of sorted runs in order, by a heap of the runs' next records. */
async function* merged(
  paths: readonly string[],
  width: number,
  keys: number,
  action: string,
): AsyncGenerator<Float64Array> {
  const opened: Run[] = [];
  try {
    for (const [number, path] of paths.entries()) {
      opened.push({ file: await files().open(path), number, records: new Float64Array(0), at: 0 });
    }
    const isBefore = (a: Run, b: Run) => {
      return (compared(a.records, a.at, b.records, b.at, keys) || a.number - b.number) < 0;
    };
    const heap: Run[] = [];
    for (const run of opened) if (await advance(run, width, paths, action)) lift(heap, run, isBefore);
    let piece = new Float64Array(some * width);
    let end = 0;
    while (heap.length > 0) {
      const [run] = heap;
      for (let i = 0; i < width; i++) piece[end++] = run.records[run.at + i];
      run.at += width;
      const more = run.at < run.records.length || await advance(run, width, paths, action);
      const last = more ? run : heap.pop()!;
      if (heap.length > 0) sink(heap, last, isBefore);
      if (end === piece.length) {
        yield piece;
        [piece, end] = [new Float64Array(some * width), 0];
      }
    }
    if (end > 0) yield piece.subarray(0, end);
  } finally {
    for (const { file } of opened) await file.close();
  }
}

/** Reads the next records of a run; returns false at its end. */
async function advance(run: Run, width: number, paths: readonly string[], action: string): Promise<boolean> {
  const bytes = await filled(run.file, new Uint8Array(some * width * 8));
  if (bytes.length % (8 * width) !== 0) {
    throw new Error(message({ action, path: paths[run.number] }, "the file changed while it was read"));
  }
  run.records = new Float64Array(bytes.buffer, 0, bytes.length / 8);
  run.at = 0;
  return bytes.length > 0;
}

/** Adds a run at the end of a heap, and moves it up to its place. */
function lift(heap: Run[], run: Run, isBefore: (a: Run, b: Run) => boolean): void {
  let at = heap.push(run) - 1;
  for (let above = (at - 1) >> 1; at > 0 && isBefore(run, heap[above]); at = above, above = (at - 1) >> 1) {
    heap[at] = heap[above];
  }
  heap[at] = run;
}

/** Puts a run at the top of a heap, in the place of the one there, and moves it down to its place. */
function sink(heap: Run[], run: Run, isBefore: (a: Run, b: Run) => boolean): void {
  let at = 0;
  for (let below = 1; below < heap.length; at = below, below = 2 * at + 1) {
    if (below + 1 < heap.length && isBefore(heap[below + 1], heap[below])) below++;
    if (!isBefore(heap[below], run)) break;
    heap[at] = heap[below];
  }
  heap[at] = run;
}
