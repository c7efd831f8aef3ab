import { room } from "../files/room.ts";
import type { Table } from "../model/tables.ts";

/** Vectors as they were, of rows that have changed since. */
export interface Kept {
  /**
   * Forgets all that was remembered: the vectors are kept as they are now.
   *
   * @param before Vectors that were remembered before. Default: none.
   */
  readonly begin: (before?: KeptVectors) => void;
  /** Returns what is remembered, valid until more is. */
  readonly kept: () => KeptVectors;
  /** From here on, what is remembered already counts as the same. */
  readonly mark: () => void;
  /** Remembers rows before they change. */
  readonly remember: (rows: Int32Array, count: number) => void;
  /** Returns all vectors as they were. */
  readonly whole: () => Float32Array;
  /** Writes back what is remembered. */
  readonly restore: () => void;
}

/** Returns what keeps vectors of a table as they were, in memory of those that change. */
export function keeping({ vectors, rows: size, units }: Table): Kept {
  const isKept = new Uint8Array(size);
  let rows: Int32Array = new Int32Array(1024);
  let old: Float32Array = new Float32Array(1024 * units);
  let [end, same] = [0, 0];
  const write = (to: Float32Array) => {
    for (let at = 0; at < end; at++) {
      for (let unit = 0; unit < units; unit++) to[rows[at] * units + unit] = old[at * units + unit];
    }
  };
  return {
    begin: (before) => {
      same = 0;
      for (let at = 0; at < end; at++) isKept[rows[at]] = 0;
      end = before?.rows.length ?? 0;
      if (before !== undefined) {
        [rows, old] = [before.rows, before.vectors];
        for (const row of rows) isKept[row] = 1;
      }
    },
    kept: () => ({ rows: rows.subarray(0, end), vectors: old.subarray(0, end * units), same }),
    mark: () => same = end,
    remember: (changing, count) => {
      for (let at = 0; at < count; at++) {
        const row = changing[at];
        if (isKept[row] === 1) continue;
        isKept[row] = 1;
        [rows, old] = [room(rows, end + 1), room(old, (end + 1) * units)];
        rows[end] = row;
        for (let unit = 0; unit < units; unit++) old[end * units + unit] = vectors[row * units + unit];
        end++;
      }
    },
    whole: () => {
      const all = vectors.slice();
      write(all);
      return all;
    },
    restore: () => write(vectors),
  };
}

/** Returns what keeps all vectors of a table as they are when it begins, such as the averages of the best evaluation. */
export function keepingAll({ vectors, rows }: Table): Kept {
  let copy: Float32Array = vectors; // until it begins
  let same = 0;
  return {
    begin: (before) => {
      copy = before?.vectors ?? vectors.slice();
      same = 0;
    },
    kept: () => ({ rows: Int32Array.from({ length: rows }, (_, row) => row), vectors: copy, same }),
    mark: () => same = rows,
    remember: () => {},
    whole: () => copy.slice(),
    restore: () => vectors.set(copy),
  };
}

/**
 * The rows that have changed since vectors were kept, and their vectors as they were, of which the first `same` are those
 * that there were at {@linkcode Kept.mark}.
 */
export interface KeptVectors {
  readonly rows: Int32Array;
  readonly vectors: Float32Array;
  readonly same?: number;
}
