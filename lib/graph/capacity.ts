import {
  add,
  broadcast,
  concat,
  constant,
  div,
  equal,
  greater,
  mul,
  select,
  slice,
  sub,
  sum,
} from "../ops/functions.ts";
import { apply } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import type { LevelSpec } from "../spec/spec.ts";
import { startOf } from "./routing.ts";

/** What gates over banks with a capacity do with a batch, by stream. */
export interface Roomed {
  /** The weights where experts have room, 0 where they have none: `[batch, experts]`; as they were of all other gates. */
  readonly weights: Readonly<Record<string, Value>>;
  /** The share of a gate's uses of experts for which these have no room, `[]`; only of gates over banks with a capacity. */
  readonly dropped: Readonly<Record<string, Value>>;
}

/**
 * Gives the rows of a batch room at the experts of a level.
 *
 * A bank with a capacity c gives each of its n experts room for `ceil(c * uses / n)` rows, where uses counts the experts
 * of the bank that the rows of the batch use by all gates over it, `k * batch` for each gate that chooses k: the
 * capacity of GShard (Lepikhin et al. 2021, algorithm 1) and of the Switch Transformer (Fedus et al. 2022, eq. 3). Rows
 * take the room in the order of the batch, in a row its gates in the order of the level. GShard serves all first choices
 * before second ones; here the choices of a row come together, as by position in DeepSpeed's top-k gating. Weights that
 * stay are not scaled up, as in GShard and unlike there.
 *
 * @param weights The weights as the gates have them, by stream; none where a single expert has weight 1.
 */
export function withinCapacity(level: LevelSpec, weights: Readonly<Record<string, Value>>): Roomed {
  const rooms = new Map<string, Readonly<Record<string, Value>>>();
  for (const [bank, { count, capacity }] of Object.entries(level.experts)) {
    if (capacity !== undefined) rooms.set(bank, roomsOf(usesOf(level, bank, weights), count, capacity));
  }
  const within: Record<string, Value> = { ...weights };
  const dropped: Record<string, Value> = {};
  for (const [stream, value] of Object.entries(weights)) {
    const { mix } = level.gates[stream];
    if (!mix.some((bank) => rooms.has(bank))) continue;
    const room = concat(
      mix.map((bank) => rooms.get(bank)?.[stream] ?? broadcast(constant(1), ["batch", level.experts[bank].count])),
    );
    const use = used(value);
    const [left, all] = [mul(use, room), use].map((marks) => sum(marks, { axes: [0, 1] }));
    within[stream] = mul(value, room);
    dropped[stream] = div(sub(all, left), select(greater(all, 0), all, 1));
  }
  return { weights: within, dropped };
}

/**
 * A capacity as it is compared: an expert that has taken `taken` rows has room where `limit * uses > taken * experts`,
 * which is `ceil(capacity * uses / experts) > taken`. It is just below the capacity, so that where both sides are one
 * whole number they compare alike at every precision.
 */
export function limitOf(capacity: number): number {
  return capacity * (1 - 1e-6);
}

/** 1 where a row uses an expert of a bank, by the gate over it: `[batch, experts]` by stream. */
function usesOf(
  level: LevelSpec,
  bank: string,
  weights: Readonly<Record<string, Value>>,
): Readonly<Record<string, Value>> {
  const readers = Object.entries(weights).filter(([stream]) => level.gates[stream].mix.includes(bank));
  const uses = readers.map(([stream, value]) => {
    const part = slice(value, startOf(level, stream, bank), level.experts[bank].count);
    return [stream, used(part)];
  });
  return Object.fromEntries(uses);
}

function used(weights: Value): Value {
  return sub(1, equal(weights, 0));
}

/** 1 where an expert has room for a row, by the gate by which it is used: `[batch, experts]` by stream. */
function roomsOf(
  uses: Readonly<Record<string, Value>>,
  experts: number,
  capacity: number,
): Readonly<Record<string, Value>> {
  const rooms: Record<string, Value> = {};
  if (Object.keys(uses).length === 0) return rooms;
  const all = Object.values(uses).reduce((total, use) => add(total, use));
  const most = mul(sum(all, { axes: [0, 1] }), limitOf(capacity));
  let taken = apply("runningSum", [all]);
  for (const [stream, use] of Object.entries(uses)) {
    rooms[stream] = greater(most, mul(taken, experts));
    taken = add(taken, use);
  }
  return rooms;
}
