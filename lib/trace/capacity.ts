import { add, broadcast, concat, constant, div, greater, mul, select, slice, sub, sum } from "../ops/functions.ts";
import { apply } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import type { LevelSpec } from "../spec/spec.ts";
import { startOf } from "../spec/routing.ts";

/** The gates of a level over a batch, by stream, after rows have found room at experts. */
export interface Roomed {
  /** The weights `[batch, experts]`, 0 where an expert has no room; those of all other gates are as they were. */
  readonly weights: Readonly<Record<string, Value>>;
  /** The share of a gate's uses of experts that find no room, `[]`; only of gates over banks with a capacity. */
  readonly dropped: Readonly<Record<string, Value>>;
}

/**
 * Returns gate weights after the rows of a batch have found room at the experts of a level, in their order.
 *
 * Of a bank with n experts and the capacity c an expert has room for a row if gates use it fewer than
 * `ceil(c * uses / n)` times in the rows before, where uses counts those of all experts of the bank, in all rows and by
 * all gates over it: `k * batch` for each gate that chooses k. That is the capacity of GShard (Lepikhin et al. 2021,
 * algorithm 1) and of the Switch Transformer (Fedus et al. 2022, eq. 3). The gates of one row find room together, so that
 * their order does not matter; then the last row to find some may take more than is left, one for each further gate.
 *
 * GShard serves all first choices of rows before the second ones; here those of a row come together, as by position in
 * DeepSpeed's top-k gating. Unlike there, and as in GShard, weights that stay are not scaled up.
 *
 * @param weights The weights that the gates give, by stream; none of a gate over a single expert, whose weight is 1.
 */
export function withinCapacity(level: LevelSpec, weights: Readonly<Record<string, Value>>): Roomed {
  const rooms = new Map<string, Value>();
  for (const [bank, { count, capacity }] of Object.entries(level.experts)) {
    const all = capacity === undefined ? undefined : usesOf(level, bank, weights);
    if (all !== undefined) rooms.set(bank, roomOf(all, count, capacity!));
  }
  const within: Record<string, Value> = { ...weights };
  const dropped: Record<string, Value> = {};
  for (const [stream, value] of Object.entries(weights)) {
    const { mix } = level.gates[stream];
    if (!mix.some((bank) => rooms.has(bank))) continue;
    const room = concat( // [batch, experts]
      mix.map((bank) => rooms.get(bank) ?? broadcast(constant(1), ["batch", level.experts[bank].count])),
    );
    const use = used(value);
    const [left, all] = [mul(use, room), use].map((marks) => sum(marks, { axes: [0, 1] }));
    within[stream] = mul(value, room);
    dropped[stream] = div(sub(all, left), select(greater(all, 0), all, 1));
  }
  return { weights: within, dropped };
}

/**
 * Returns a capacity as it is compared: an expert that was used `taken` times has room where
 * `limit * uses > taken * experts`, which is `ceil(capacity * uses / experts) > taken`. It is just below the capacity, so
 * that where both sides are one whole number they compare alike at every precision.
 */
export function limitOf(capacity: number): number {
  return capacity * (1 - 1e-6);
}

/** Returns the number of gates that use each expert of a bank for a row, `[batch, experts]`; undefined if none weighs it. */
function usesOf(level: LevelSpec, bank: string, weights: Readonly<Record<string, Value>>): Value | undefined {
  const readers = Object.entries(weights).filter(([stream]) => level.gates[stream].mix.includes(bank));
  if (readers.length === 0) return undefined;
  return readers
    .map(([stream, value]) => used(slice(value, startOf(level, stream, bank), level.experts[bank].count)))
    .reduce((all, use) => add(all, use));
}

/** Returns 1 where an expert is used, `[batch, experts]`: where its weight is more than {@linkcode nothing} in size. */
export function used(weights: Value): Value {
  return add(greater(weights, nothing), greater(-nothing, weights));
}

/** A weight at which, and below, an expert is not used, as engines differ in the smallest numbers that they know. */
const nothing = 1e-30;

/** Returns 1 where an expert of a bank has room for a row, `[batch, experts]`. */
function roomOf(uses: Value, experts: number, capacity: number): Value {
  const taken = apply("runningSum", [uses]); // [batch, experts], of the rows before
  return greater(mul(sum(uses, { axes: [0, 1] }), limitOf(capacity)), mul(taken, experts));
}
