import { permutation, type Random } from "../data/random.ts";

/** A pass over rows. */
export interface Pass {
  /** The positions of rows in the order of the pass; undefined if they come as they are. */
  readonly order: Uint32Array | undefined;
  /** The end of each batch within that order. */
  readonly ends: readonly number[];
}

/** The options of {@linkcode passOver}. */
export interface PassOptions {
  /** The rows of a batch. */
  readonly batch: number;
  /** The source by which rows are shuffled; undefined if they come as they are. */
  readonly source: Random | undefined;
  /** The groups of the rows that belong in one batch, NaN for rows outside of all, `[rows]`; undefined if there are none. */
  readonly groups: Float32Array | Float64Array | undefined;
}

/**
 * Returns a pass over rows: as many batches as there would be without groups, each with all rows of its groups. Such a
 * batch ends with the last group that is whole, so it may have more rows than wanted, though fewer than twice as many.
 *
 * Shuffled groups change places as wholes. One of more rows than a batch is cut into parts at random; rows that are not
 * shuffled stay where they are, and a group is what is next to each other.
 */
export function passOver(count: number, { batch, source, groups }: PassOptions): Pass {
  if (groups === undefined) return { order: source && permutation(count, source), ends: endsOf(count, batch) };
  if (source === undefined) return { order: undefined, ends: endsOf(count, batch, wholesInPlace(groups)) };
  const shuffled = permutation(count, source);
  const { wholes, sizes } = wholesOf(shuffled, groups, batch);
  const starts = new Uint32Array(sizes.length);
  let stop = 0;
  const stops = Array.from(permutation(sizes.length, source), (whole) => {
    starts[whole] = stop;
    return stop += sizes[whole];
  });
  const order = new Uint32Array(count);
  shuffled.forEach((row, at) => order[starts[wholes[at]]++] = row);
  return { order, ends: endsOf(count, batch, stops) };
}

/** Returns the whole that each of some rows is in: a group, or a part of one, of at most as many rows as a batch. */
function wholesOf(
  rows: Uint32Array,
  groups: Float32Array | Float64Array,
  batch: number,
): { readonly wholes: Uint32Array; readonly sizes: readonly number[] } {
  const wholes = new Uint32Array(rows.length);
  const sizes: number[] = [];
  const open = new Map<number, number>();
  rows.forEach((row, at) => {
    const group = groups[row];
    const known = Number.isNaN(group) ? undefined : open.get(group);
    const whole = known === undefined || sizes[known] === batch ? sizes.push(0) - 1 : known;
    open.set(group, whole);
    wholes[at] = whole;
    sizes[whole]++;
  });
  return { wholes, sizes };
}

/** Returns the ends of runs of one group; a row outside of all groups is a run of its own. */
function wholesInPlace(groups: Float32Array | Float64Array): number[] {
  return Array.from(groups.keys(), (row) => row + 1).filter((end) => groups[end] !== groups[end - 1]);
}

/** Returns the ends of batches: each the last stop that is within it, where there is one. Stops grow up to the count. */
function endsOf(count: number, batch: number, stops?: readonly number[]): number[] {
  let at = 0;
  let before = 0;
  return Array.from({ length: Math.ceil(count / batch) }, (_, i) => {
    const most = Math.min((i + 1) * batch, count);
    if (stops === undefined) return most;
    while (at + 1 < stops.length && stops[at + 1] <= most) at++;
    before = stops[at] > before && stops[at] <= most ? stops[at] : most;
    return before;
  });
}
