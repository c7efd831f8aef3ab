import { sizeOf, withBatch } from "../../ops/shape.ts";
import type { Tensor } from "../../ops/tensor.ts";
import { type Lists, named, naming, rowSums, scratchFor, type SumRows } from "../row_sums.ts";
import type { Reals } from "./regions.ts";
import type { RowSum } from "./stages.ts";

/** Sums of rows for runs, in memory that is kept as long as batches have the same number of rows. */
export interface Summing {
  /**
   * Begins a run.
   *
   * @throws {RangeError} if there is not enough memory for the batch.
   */
  begin(batch: number): void;
  /** Returns where what is summed is read: whoever computes it may write it there. Undefined if it is not summed. */
  placeOf(name: string): Reals | undefined;
  /** Makes a sum. The next run writes it again. */
  sum(sum: RowSum, given: Readonly<Record<string, Tensor>>): Tensor;
}

/** The arrays of all sums, in one memory. */
interface Places {
  /** The arrays that are summed, by name. */
  readonly sources: ReadonlyMap<string, Reals>;
  /** The results, by name. */
  readonly results: ReadonlyMap<string, Reals>;
  /** The address of memory that a sum needs while it is made. */
  readonly scratch: number;
}

/**
 * Sums of rows in a WebAssembly memory. Parameters are copied there whenever they may have changed.
 *
 * @param stored The numbers of a parameter, by its name.
 * @param version A number that is another one whenever parameters have changed.
 */
export function summingOf(
  sums: readonly RowSum[],
  stored: (name: string) => Float32Array,
  version: () => number,
): Summing {
  const memory = sums.length === 0 ? undefined : new WebAssembly.Memory({ initial: 1 });
  const copied = new Map<string, number>();
  const lists = new Map<string, Lists>();
  let [now, places]: [number, Places] = [-1, { sources: new Map(), results: new Map(), scratch: 0 }];
  let sumRows: SumRows | undefined;

  const source = ({ summed, stored: kept }: RowSum, given: Readonly<Record<string, Tensor>>): Reals => {
    const place = places.sources.get(summed)!;
    if (!kept && given[summed] !== place) place.data.set(given[summed].data);
    if (kept && copied.get(summed) !== version()) {
      place.data.set(stored(summed));
      copied.set(summed, version());
    }
    return place;
  };
  const listed = (sum: RowSum, given: Readonly<Record<string, Tensor>>): Lists => {
    const own = JSON.stringify([sum.codes, sum.columns]);
    const { shape: [, width], data } = given[sum.codes];
    const gathered = known(lists, own, () => named(data, width, sum.columns));
    if (sum.op === "gatherSum") return gathered;
    const height = sum.shape[0] as number;
    return known(lists, `${own} ${height}`, () => naming(gathered, height));
  };
  return {
    begin: (batch) => {
      lists.clear();
      if (batch === now || memory === undefined) return;
      copied.clear();
      places = placesIn(memory, sums, batch);
      sumRows ??= rowSums({ memory, take: () => places.scratch, free: () => {} });
      now = batch;
    },
    placeOf: (name) => places.sources.get(name),
    sum: (sum, given) => {
      const [from, result] = [source(sum, given), places.results.get(sum.name)!];
      const [height, width] = from.shape;
      sumRows!(result.data.byteOffset, from.data.byteOffset, listed(sum, given), height, width);
      return result;
    },
  };
}

/** Lays arrays out one after the other, each with what a sum may write or read behind it. */
function placesIn(memory: WebAssembly.Memory, sums: readonly RowSum[], batch: number): Places {
  let end = 0;
  const take = (numbers: number): number => {
    const start = end;
    end += Math.ceil((4 * numbers + 12) / 64) * 64;
    return start;
  };
  const laid = (shapes: readonly (readonly [name: string, shape: RowSum["shape"]])[]) =>
    [...new Map(shapes)].map(([name, shape]) => {
      const own = withBatch(shape, batch);
      return { name, shape: own, start: take(sizeOf(own)) };
    });
  const [sources, results] = [
    laid(sums.map(({ summed, from }) => [summed, from])),
    laid(sums.map(({ name, shape }) => [name, shape])),
  ];
  const scratch = end;
  const needs = sums.map(({ from, shape, columns }) => {
    const [height, count] = [from, shape].map((some) => withBatch(some, batch)[0]);
    return scratchFor(count, batch * columns.length, height);
  });
  grow(memory, scratch + Math.max(...needs), batch);
  const buffer = memory.buffer as ArrayBuffer;
  const seen = (all: typeof sources) =>
    new Map(all.map(({ name, shape, start }) => {
      return [name, { shape, data: new Float32Array(buffer, start, sizeOf(shape)) }];
    }));
  return { sources: seen(sources), results: seen(results), scratch };
}

/**
 * Makes a memory of at least so many bytes.
 *
 * @throws {RangeError} if it cannot be so large.
 */
function grow(memory: WebAssembly.Memory, bytes: number, batch: number): void {
  const pages = Math.ceil((bytes - memory.buffer.byteLength) / 2 ** 16);
  if (pages <= 0) return;
  try {
    memory.grow(pages);
  } catch {
    const need = `the gathered rows of a batch of ${batch} need ${Math.ceil(bytes / 2 ** 20)} MiB`;
    throw new RangeError(`Cannot run graph: ${need}, more than WebAssembly has: wanted smaller batches`);
  }
}

function known<Key, T>(all: Map<Key, T>, key: Key, make: () => T): T {
  const found = all.get(key) ?? make();
  all.set(key, found);
  return found;
}
