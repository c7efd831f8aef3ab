import { checkCount, checkFunction, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { ahead } from "./ahead.ts";
import type { Columns } from "./columns.ts";
import { beginning, checkParts, partsIn } from "./dataset.ts";
import type { Dataset, PassOrder, Place, TableParts, Window } from "./dataset.ts";
import { type Gathered, gathered } from "./gathered.ts";
import { permutation, random } from "./random.ts";
import type { Rows } from "./rows.ts";

/** Options of {@linkcode dataset}. */
export interface DatasetOptions {
  /**
   * The rows of a window, within which rows are shuffled, rounded up to whole batches. Default 131,072 (2 ** 17). Three
   * windows of encoded rows are in memory, and two more where an epoch ends and the next one is begun.
   */
  readonly buffer?: number;
}

/**
 * A table in parts as rows to train on, in an order that seed and epoch determine, from any position on, at bounded memory.
 *
 * In each epoch the parts come in the order of `permutation(parts, random("<seed>:parts:<epoch>"))`, where rows are
 * shuffled at all; their rows, one part after the other, are cut into windows, which run across parts; and `train`
 * shuffles the rows of the n-th window, from 0, by `random("<seed>:order:<epoch>:<n>")`. So the order of rows depends on
 * the seed, the epoch, the files and their order, the buffer and the rows of a batch, and on nothing else. While batches of
 * a window are computed the next one is read, of the next epoch after the last one. Rows of a group of a ranking that a window cuts are in two batches: write
 * files in which a group's rows stand together, and a large buffer cuts few.
 *
 * @param parts The table, such as `await csvParts(...)`.
 * @param make Returns the encoded rows of some rows of the table, as many as these.
 * @param options The rows of a window.
 * @throws {TypeError | RangeError} if an argument is wrong.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, compile, csvParts, dataset, define, encode, fit, labels, numeric, rows, train } from "@gatehouse/gatehouse";
 *
 * const files = [new Blob(["age,click\n20,no\n40,yes\n"]), new Blob(["age,click\n60,yes\n"])];
 * const parts = await csvParts(files, { columns: { age: "number", click: ["no", "yes"] } });
 * const features = await fit({ age: numeric() }, parts); // in one pass
 * const data = dataset(parts, (table) => rows(encode(features, table), { labels: labels(table, { click: "click" }) }));
 * const model = await compile(define({ input: features, tasks: { click: binary() } }), { seed: 7 });
 * let seen = 0;
 * for await (const at of train(model, data, { epochs: 2, batch: 2 })) seen = at.rows;
 * assertEquals(seen, 6);
 * model.dispose();
 * ```
 */
export function dataset(parts: TableParts, make: (table: Columns) => Rows, options: DatasetOptions = {}): Dataset {
  checkParts(action, parts);
  checkFunction(action, "make", make);
  const { buffer = 2 ** 17 } = optionsOf(action, options, ["buffer"]);
  checkCount(action, "buffer", buffer, 1);
  return {
    identity: { kind: "table", parts: parts.identity, buffer },
    pass: (order) => ahead((signal) => windowsOf(parts, make, buffer, order, signal), order.signal),
  };
}

const action = "make a dataset";

/** Yields the windows of an epoch, in memory that is used again for every third. */
async function* windowsOf(
  table: TableParts,
  make: (table: Columns) => Rows,
  buffer: number,
  { seed, epoch, shuffle, batch, from = beginning, ended }: PassOrder,
  signal: AbortSignal,
): AsyncGenerator<Window, void, void> {
  const size = Math.ceil(buffer / batch) * batch;
  const parts = await partsIn(action, table, signal);
  const order = shuffle ? permutation(parts.length, random(`${seed}:parts:${epoch}`)) : [...parts.keys()];
  const memories = [gathered(size), gathered(size), gathered(size)];
  let [window, count] = [from.window, 0];
  let place: Place | undefined;
  for (let part = from.part; part < parts.length; part++) {
    const { name, read } = parts[order[part]];
    const first = part === from.part ? from.row : 0;
    let row = first;
    for await (const piece of read(first, signal)) {
      signal.throwIfAborted();
      if (piece.count === 0) continue;
      const made = madeOf(make, piece, name, row);
      for (let at = 0; at < made.count;) {
        place ??= { window, part, row: row + at };
        const some = Math.min(size - count, made.count - at);
        added(memories[window % 3], made, at, some, { name, row });
        count += some;
        at += some;
        if (count < size) continue;
        yield { rows: memories[window % 3].take(), place };
        [window, count, place] = [window + 1, 0, undefined];
      }
      row += made.count;
    }
    if (row === first && first > 0) throw new RangeError(gone(name, first));
  }
  ended?.();
  if (place !== undefined) yield { rows: memories[window % 3].take(), place };
  else if (window === from.window && window > 0) throw new RangeError(gone(`part ${from.part} of the data`, from.row));
}

/** Returns the error of a row at which an epoch is to be begun, but which is not there. */
function gone(name: string, row: number): string {
  return `Cannot read ${name}\n  at row ${row}, counted from 0: found its end: data must repeat its rows at every epoch`;
}

/** Returns the encoded rows of a piece of a part. */
function madeOf(make: (table: Columns) => Rows, piece: Columns, name: string, row: number): Rows {
  let made: Rows;
  try {
    made = make(piece);
  } catch (error) {
    throw within(name, row, error);
  }
  const count: unknown = isRecord(made) ? made.count : undefined;
  if (count === piece.count && isRecord(made.inputs)) return made;
  const found = typeof count === "number" ? `${count} rows of ${piece.count}` : kindOf(made);
  throw within(name, row, new TypeError(`make must return a row for each row of the table, found ${found}`));
}

/** Adds some of the rows of a piece to a window. */
function added(
  memory: Gathered,
  rows: Rows,
  from: number,
  count: number,
  { name, row }: { readonly name: string; readonly row: number },
): void {
  try {
    memory.add(rows, from, count);
  } catch (error) {
    throw within(name, row, error);
  }
}

/** Returns an error of the same kind that names the part, and the row from which rows in it are counted. */
function within(name: string, row: number, error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const message =
    `Cannot read ${name}\n  at the rows from ${row} on, in which they are counted from 0: ${error.message}`;
  const kind = error instanceof RangeError ? RangeError : error instanceof SyntaxError ? SyntaxError : TypeError;
  return new kind(message, { cause: error });
}
