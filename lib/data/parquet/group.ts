import { quoted } from "../../errors/quoted.ts";
import type { Ranged } from "../../files/source.ts";
import type { Column, Columns, ListColumn } from "../columns.ts";
import { type ParquetKind, rowsOf } from "./columns.ts";
import type { Chunk, Group } from "./footer.ts";
import type { Leaf } from "./leaf.ts";
import { pagesOf } from "./pages.ts";

/** A column that is read, and what as. */
export interface Wanted {
  readonly leaf: Leaf;
  readonly kind: ParquetKind;
}

/**
 * Yields the rows of a row group from one on, some at a time.
 *
 * @param place The number of row groups before.
 * @throws {SyntaxError} if it is damaged.
 * @throws {RangeError} if a value cannot be held.
 */
export async function* groupRows(
  file: Ranged,
  group: Group,
  place: number,
  wanted: readonly Wanted[],
  from: number,
  signal?: AbortSignal,
): AsyncGenerator<Columns> {
  if (from >= group.rows) return;
  const where = (name: string) => `Cannot read ${file.name}\n  at row group ${place}, column ${quoted(name)}`;
  const damaged = (name: string, error: unknown) => {
    const { message } = error as Error;
    if (error instanceof Error && message.startsWith("Cannot read ")) return error;
    return new SyntaxError(`${where(name)}: the data is damaged: ${message}`, { cause: error });
  };
  const chunks = wanted.map(({ leaf }) => {
    const chunk = group.chunks.get(leaf.path);
    const found = chunk === undefined ? "it has none" : `it has ${chunk.values}`;
    if (chunk !== undefined && (leaf.listed !== undefined || chunk.values === group.rows)) return chunk;
    throw damaged(leaf.name, new RangeError(`${found} of the ${group.rows} values`));
  });
  const bytes = await bytesOf(file, chunks, signal);
  const columns = wanted.map(({ leaf, kind }, at) => {
    const pages = pagesOf(bytes[at], chunks[at], leaf, from);
    const fail = (row: number, found: string) =>
      new RangeError(`${where(leaf.name)}, row ${group.first + from + row} of the file: found ${found}`);
    return { name: leaf.name, rows: rowsOf(leaf, kind, pages, fail) };
  });
  const isListed = wanted.some(({ leaf }) => leaf.listed !== undefined);
  const most = Math.max(1024, Math.min(65536, Math.floor(2 ** 20 / wanted.length)));
  for (let row = from; row < group.rows; row += most) {
    signal?.throwIfAborted();
    const count = Math.min(most, group.rows - row);
    const read: Record<string, Column> = {};
    const lists: Record<string, ListColumn> = {};
    for (const { name, rows } of columns) {
      try {
        const column = rows(count);
        if ("kind" in column) read[name] = column;
        else lists[name] = column;
      } catch (error) {
        throw damaged(name, error);
      }
    }
    yield { count, columns: read, ...(isListed && { lists }) };
  }
}

/** Reads the bytes of chunks; those that lie close to each other at once. */
async function bytesOf(file: Ranged, chunks: readonly Chunk[], signal?: AbortSignal): Promise<Uint8Array[]> {
  const order = chunks.map((_, at) => at).sort((a, b) => chunks[a].start - chunks[b].start);
  const runs: number[][] = [];
  let end = -Infinity;
  for (const at of order) {
    if (chunks[at].start > end + gap) runs.push([]);
    runs[runs.length - 1].push(at);
    end = Math.max(end, chunks[at].end);
  }
  const bytes: Uint8Array[] = [];
  for (const run of runs) {
    const start = chunks[run[0]].start;
    const read = await file.read(start, Math.max(...run.map((at) => chunks[at].end)), signal);
    for (const at of run) bytes[at] = read.subarray(chunks[at].start - start, chunks[at].end - start);
  }
  return bytes;
}

/** The bytes between two chunks that are read rather than left out: as many as a request costs. */
const gap = 65536;
