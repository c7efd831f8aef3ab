import { checkCount, optionsOf } from "../../errors/kinds.ts";
import { type Columns, take } from "../columns.ts";
import { checkParts, partsIn, type TablePart, type TableParts, tableParts } from "../dataset.ts";
import type { Where } from "./keys.ts";
import type { Run } from "./run.ts";
import { digestOf } from "./save.ts";
import type { HistoryState } from "./state.ts";

/** Options of the parts of a history. */
export interface PartsOptions {
  /** The state before the first part. Default: that before any row. */
  readonly state?: HistoryState;
  /** The most states at the beginnings of parts that are kept beside the last one. Default 8. */
  readonly states?: number;
}

/** The functions of a history that parts are read with. */
export interface Reader {
  /** Its features and options as JSON. */
  readonly form: string;
  readonly begin: (state?: HistoryState) => Run;
  /** Adds rows to what is known, and returns them with the features where these are read. */
  readonly pass: (run: Run, table: Columns, where: Where, reading: boolean) => Columns;
  readonly end: (run: Run) => HistoryState;
}

/** Returns a table in parts with the features of a history. */
export function historyParts(
  action: string,
  reader: Reader,
  table: TableParts,
  options: PartsOptions = {},
): TableParts {
  checkParts(action, table);
  const { state, states = 8 } = optionsOf(action, options, ["state", "states"]);
  checkCount(action, "states", states);
  reader.begin(state); // checks it
  const kept = keeping(state, states);
  const identity = {
    kind: "history",
    parts: table.identity,
    form: reader.form,
    state: state === undefined ? null : digestOf(state),
  };
  return tableParts(identity, async (signal) => {
    const parts = await partsIn(action, table, signal);
    return parts.map(({ name }, at) => ({
      name,
      read: (from, signal) => rowsOf(reader, parts, at, from, kept, signal),
    }));
  });
}

/** Returns what is known after a table in parts. */
export async function afterParts(
  action: string,
  reader: Reader,
  table: TableParts,
  state: HistoryState | undefined,
): Promise<HistoryState> {
  checkParts(action, table);
  const run = reader.begin(state);
  for (const part of await partsIn(action, table)) await pass(reader, run, part, undefined);
  return reader.end(run);
}

/** Adds the rows of a part to what is known. */
async function pass(
  reader: Reader,
  run: Run,
  { name, read }: TablePart,
  signal: AbortSignal | undefined,
): Promise<void> {
  let first = 0;
  for await (const piece of read(0, signal)) {
    signal?.throwIfAborted();
    reader.pass(run, piece, { at: name, first }, false);
    first += piece.count;
  }
}

/** Yields the rows of a part from one on, with the features. */
async function* rowsOf(
  reader: Reader,
  parts: readonly TablePart[],
  at: number,
  from: number,
  kept: Kept,
  signal: AbortSignal | undefined,
): AsyncGenerator<Columns> {
  const nearest = kept.before(at);
  const run = reader.begin(nearest.state);
  for (let part = nearest.part; part < at; part++) {
    await pass(reader, run, parts[part], signal);
    kept.keep(part + 1, () => reader.end(run));
  }
  const { name, read } = parts[at];
  let first = 0;
  for await (const piece of read(0, signal)) {
    signal?.throwIfAborted();
    const end = first + piece.count;
    const all = reader.pass(run, piece, { at: name, first }, end > from);
    const some = first >= from || end <= from ? all : take(all, rowsFrom(from - first, piece.count));
    if (end > from) yield some;
    first = end;
  }
  kept.keep(at + 1, () => reader.end(run));
}

function rowsFrom(from: number, end: number): Int32Array {
  return Int32Array.from({ length: end - from }, (_, at) => from + at);
}

/** States at the beginnings of parts. */
interface Kept {
  /** Returns the nearest one at or before the beginning of a part. */
  readonly before: (part: number) => { readonly part: number; readonly state: HistoryState | undefined };
  /** Keeps that of a part as the last one, and as one of those at equal distances if it is at such. */
  readonly keep: (part: number, state: () => HistoryState) => void;
}

function keeping(first: HistoryState | undefined, most: number): Kept {
  const spread = new Map<number, HistoryState>();
  let last: { readonly part: number; readonly state: HistoryState } | undefined;
  let distance = 1;
  return {
    before: (part) => {
      let nearest: { part: number; state: HistoryState | undefined } = { part: 0, state: first };
      for (const [at, state] of [...spread, ...(last === undefined ? [] : [[last.part, last.state] as const])]) {
        if (at <= part && at > nearest.part) nearest = { part: at, state };
      }
      return nearest;
    },
    keep: (part, end) => {
      const state = spread.get(part) ?? end();
      last = { part, state };
      if (most > 0 && part % distance === 0) spread.set(part, state);
      while (spread.size > most) {
        distance *= 2;
        for (const at of [...spread.keys()]) if (at % distance !== 0) spread.delete(at);
      }
    },
  };
}
