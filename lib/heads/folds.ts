import { type Sorter, sorter, type Sorting } from "../files/sorter.ts";
import { isCounted } from "./counted.ts";

/** Some rows, as a metric reads them. */
export interface Scored {
  /** `[rows]`, or row-major `[rows x classes]`. */
  readonly predictions: ArrayLike<number>;
  /** NaN where missing, `[rows]`. */
  readonly labels: ArrayLike<number>;
  /** At least 0, `[rows]`; 1 where absent. */
  readonly weights?: ArrayLike<number>;
  /** A number for each group, NaN for rows outside of all, `[rows]`; if absent, all rows are one group. */
  readonly groups?: ArrayLike<number>;
}

/** A metric of rows that come in pieces. */
export interface Fold {
  /** Adds rows. */
  readonly add: (piece: Scored) => void | Promise<void>;
  /** Returns the metric of all rows that were added. */
  readonly end: () => number | Promise<number>;
  /** Frees what it holds outside of memory. */
  readonly dispose?: () => Promise<void>;
}

/** A fold that needs no files. */
export interface PlainFold extends Fold {
  readonly add: (piece: Scored) => void;
  readonly end: () => number;
}

/** Begins a fold, which sorts rows, if it does, in the given way. */
export type Begin = (sorting: Sorting) => Fold;

/** Returns the metric of rows that are there at once. */
export function whole(begin: () => PlainFold, rows: Scored): number {
  const fold = begin();
  fold.add(rows);
  return fold.end();
}

/**
 * Returns what begins the weighted mean of a term over the rows with a label and a weight; NaN of no rows. It is the same to
 * the last bit however rows are cut into pieces.
 *
 * @param term Returns the function from a row of a piece to its term.
 */
export function meanOf(term: (piece: Scored) => (row: number) => number): () => PlainFold {
  return () => {
    let sum = 0;
    let total = 0;
    return {
      add: (piece) => {
        const { labels, weights } = piece;
        const of = term(piece);
        for (let row = 0; row < labels.length; row++) {
          if (!isCounted(labels, weights, row)) continue;
          const weight = weights?.[row] ?? 1;
          sum += weight * of(row);
          total += weight;
        }
      },
      end: () => sum / total,
    };
  };
}

/** A metric of rows that come in an order, or what else is made of them. */
export interface Walk<Made = number> {
  /** Adds records `[count, width]` that come after those before. */
  readonly add: (records: Float64Array) => void;
  readonly end: () => Made;
}

/** The form of records that are walked over in order. */
export interface Records {
  /** The numbers of a record. */
  readonly width: number;
  /** The number of the first of them by which records are sorted. */
  readonly keys: number;
  /** Writes the record of a row, and returns false if it has none, as one outside of all groups. */
  readonly write: (piece: Scored, row: number, to: Float64Array, at: number) => boolean;
}

/** Returns what begins a metric that walks over rows in an order: NaN if a prediction that counts is NaN. */
export function walkOf({ width, keys, write }: Records, walk: () => Walk): Begin {
  return (sorting) => {
    const rows: Sorter = sorter(width, keys, sorting, "evaluate");
    let isNaN = false;
    return {
      add: (piece) => {
        const { predictions, labels, weights } = piece;
        const records = new Float64Array(labels.length * width);
        let end = 0;
        for (let row = 0; row < labels.length; row++) {
          if (!isCounted(labels, weights, row) || !write(piece, row, records, end)) continue;
          isNaN ||= Number.isNaN(predictions[row]);
          end += width;
        }
        if (!isNaN) return rows.add(records.subarray(0, end));
      },
      end: async () => {
        if (isNaN) return NaN;
        const { add, end } = walk();
        for await (const records of rows.sorted()) add(records);
        return end();
      },
      dispose: rows.dispose,
    };
  };
}

/**
 * Returns a walk over records of groups, which come one group after the other: the group of a record is its first number.
 *
 * @param add Adds the records of a whole group, `[count, width]`.
 */
export function byGroup<Made>(width: number, { add, end }: Walk<Made>): Walk<Made> {
  let open: Float64Array[] = []; // of the group that the last record is in
  const close = () => {
    if (open.length > 0) add(open.length === 1 ? open[0] : joined(open));
    open = [];
  };
  return {
    add: (records) => {
      for (let start = 0, stop = 0; start < records.length; start = stop) {
        const group = records[start];
        while (stop < records.length && records[stop] === group) stop += width;
        if (open.length > 0 && open[0][0] !== group) close();
        open.push(records.subarray(start, stop));
      }
    },
    end: () => {
      close();
      return end();
    },
  };
}

function joined(pieces: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
