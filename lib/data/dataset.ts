import { isRecord, kindOf } from "../errors/kinds.ts";
import type { Columns } from "./columns.ts";
import type { Rows } from "./rows.ts";

/** A value that JSON holds. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/**
 * A table that is read in parts, such as files or the row groups of one, each from any of its rows on. As a stream it is
 * all rows in order, which is what `fit` takes.
 */
export interface TableParts extends AsyncIterable<Columns> {
  /** The facts that make it this table and no other, as checkpoints compare them: kind, names, sizes, columns. */
  readonly identity: Json;
  /** Returns the parts in the order of the table. */
  readonly parts: (signal?: AbortSignal) => Promise<readonly TablePart[]>;
}

/** A part of a table. */
export interface TablePart {
  /** Its name in errors. */
  readonly name: string;
  /** Yields its rows from one on, counted from 0, some at a time. */
  readonly read: (from: number, signal?: AbortSignal) => AsyncIterable<Columns>;
}

/** Rows to train on that are read as they are needed, in an order that seed and epoch determine, from any position on. */
export interface Dataset {
  /** The facts that make it this data and no other, as checkpoints compare them. */
  readonly identity: Json;
  /** Yields the rows of an epoch in windows, within each of which rows are shuffled. */
  readonly pass: (order: PassOrder) => AsyncIterable<Window>;
}

/** A pass over a dataset. */
export interface PassOrder {
  /** The seed, which determines the order of rows together with the epoch. */
  readonly seed: number;
  /** The epoch, from 1. */
  readonly epoch: number;
  /** True if parts come in a random order; rows are shuffled by who reads the windows. */
  readonly shuffle: boolean;
  /** The rows of a batch: each window but the last has a whole number of batches. */
  readonly batch: number;
  /** The place of the window to begin with. Default: the first. */
  readonly from?: Place;
  /** Ends the reading. */
  readonly signal?: AbortSignal;
  /** Called once all rows are read, as the last window is yielded, so that the next epoch can be begun. It need not be. */
  readonly ended?: () => void;
}

/** A window: rows that are in memory at once, until the window after the next one is asked for, which may take their place. */
export interface Window {
  /** The rows. */
  readonly rows: Rows;
  /** The place where it begins, from which a pass can begin. */
  readonly place: Place;
}

/** The beginning of a window: its number within the epoch, and where its first row lies. All are counted from 0. */
export interface Place {
  /** The number of windows before. */
  readonly window: number;
  /** The number of parts before, in the order of the epoch. */
  readonly part: number;
  /** The number of rows before within the part. */
  readonly row: number;
}

/** A position within an epoch: a window, and the number of its batches before. */
export interface Position {
  readonly place: Place;
  readonly batch: number;
}

/** The beginning of an epoch. */
export const beginning: Place = { window: 0, part: 0, row: 0 };

/** Returns a table of parts, which is also all its rows in order, as a stream. */
export function tableParts(identity: Json, parts: TableParts["parts"]): TableParts {
  return {
    identity,
    parts,
    async *[Symbol.asyncIterator](): AsyncGenerator<Columns> {
      for (const { read } of await parts()) yield* read(0);
    },
  };
}

/**
 * Makes sure that something is a table in parts.
 *
 * @throws {TypeError} if it is not.
 */
export function checkParts(action: string, found: unknown): asserts found is TableParts {
  if (isRecord(found) && typeof found.parts === "function") return;
  const hint = found instanceof Promise ? ": await csvParts(...)" : ", such as await csvParts(...)";
  const kind = isRecord(found) && isRecord(found.columns) ? "a table in memory" : kindOf(found);
  throw new TypeError(`Cannot ${action}: wanted a table in parts${hint}, found ${kind}`);
}

/**
 * Returns the parts of a table.
 *
 * @throws {TypeError} if they are not a list of such.
 */
export async function partsIn(action: string, table: TableParts, signal?: AbortSignal): Promise<readonly TablePart[]> {
  const parts: unknown = await table.parts(signal);
  if (Array.isArray(parts) && parts.every((part) => isRecord(part) && typeof part.read === "function")) return parts;
  throw new TypeError(`Cannot ${action}: parts must return a list of parts, { name, read }, found ${kindOf(parts)}`);
}
