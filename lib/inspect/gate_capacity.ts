import { limitOf } from "../trace/capacity.ts";
import { startOf } from "../spec/routing.ts";
import type { Spec } from "../spec/spec.ts";

/** The rows that a gate sends to experts and training drops, as the experts have no room for them. Plain JSON. */
export interface GateCapacity {
  /** The rows of a batch. */
  readonly batch: number;
  /** The share of all that the gate sends, a row to k experts k times, that is dropped: 0 to 1. */
  readonly dropped: number;
  /** The same share by expert, `[experts]`; 0 for experts to which the gate sends nothing. */
  readonly experts: readonly number[];
}

/** Counts what is dropped of the rows of one batch. */
export type Drops = (weights: readonly ArrayLike<number>[], from: number, to: number) => void;

/**
 * Counts rows for which experts have no room, as `withinCapacity` drops them in training.
 *
 * @param gates The gates whose weights are known, in the order of the model: level, stream and number of experts.
 * @returns `counts`, for each gate those of its experts, undefined for gates that mix no bank with a capacity; and
 * `add`, which adds to them the rows of a batch, from one row of the gates' weights to before another. Undefined if no
 * bank has a capacity.
 */
export function dropsOf(
  { levels }: Spec,
  gates: readonly { readonly level: number; readonly stream: string; readonly experts: readonly string[] }[],
): { readonly counts: readonly (Float64Array | undefined)[]; readonly add: Drops } | undefined {
  const counts = gates.map((): Float64Array | undefined => undefined);
  const banks = levels.flatMap((level, at) =>
    Object.entries(level.experts).flatMap(([bank, { count, capacity }]) => {
      if (capacity === undefined) return [];
      const readers = gates.flatMap((gate, place) => {
        if (gate.level !== at || !level.gates[gate.stream].mix.includes(bank)) return [];
        counts[place] ??= new Float64Array(gate.experts.length);
        return [{ place, start: startOf(level, gate.stream, bank), width: gate.experts.length }];
      });
      return [{ count, limit: limitOf(capacity), readers }];
    })
  );
  if (banks.length === 0) return undefined;
  const add: Drops = (weights, from, to) => {
    for (const { count, limit, readers } of banks) {
      const each = (row: number, use: (place: number, at: number, expert: number) => void) => {
        for (const { place, start, width } of readers) {
          for (let expert = 0; expert < count; expert++) {
            if (weights[place][row * width + start + expert] !== 0) use(place, start + expert, expert);
          }
        }
      };
      let uses = 0;
      for (let row = from; row < to; row++) each(row, () => uses++);
      const taken = new Float64Array(count);
      for (let row = from; row < to; row++) {
        each(row, (place, at, expert) => counts[place]![at] += Number(limit * uses <= taken[expert] * count));
        each(row, (_, __, expert) => taken[expert]++);
      }
    }
  };
  return { counts, add };
}

/** Returns the shares that were dropped, from the numbers that were dropped and sent, `[experts]`. */
export function capacityOf(batch: number, dropped: Float64Array, sent: Float64Array): GateCapacity {
  const total = (numbers: Float64Array) => numbers.reduce((a, b) => a + b, 0);
  const share = (part: number, whole: number) => whole > 0 ? part / whole : 0;
  const experts = [...dropped].map((count, expert) => share(count, sent[expert]));
  return { batch, dropped: share(total(dropped), total(sent)), experts };
}
