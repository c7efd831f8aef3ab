import { room } from "../../files/room.ts";
import { mixed } from "../murmur.ts";

/** Distinct numbers, and the place of each in the order in which they came. */
export interface NumberPlaces {
  /** Returns the number of them. */
  count(): number;
  /** Returns the place of a number; -1 if there is none. */
  find(value: number): number;
  /** Returns the place of a number, which is the last one if the number is new. */
  add(value: number): number;
  /** Returns the number at a place. */
  at(place: number): number;
  /** Returns the numbers in the order of their places. */
  values(): Float64Array<ArrayBuffer>;
}

/**
 * Distinct numbers with their places: a hash table with linear probing, of 16 to 32 bytes a number. 0 and -0 are one number.
 *
 * @param first The first numbers, each once; they are copied.
 */
export function numberPlaces(first: Float64Array = new Float64Array(0)): NumberPlaces {
  const hashOf = hasher();
  let count = first.length;
  let values = room(Float64Array.from(first), 16);
  let slots = spread(values, count, hashOf);
  const slotOf = (value: number): number => {
    const mask = slots.length - 1;
    let slot = hashOf(value) & mask;
    for (let place = slots[slot]; place !== 0; place = slots[slot = slot + 1 & mask]) {
      if (values[place - 1] === value) break;
    }
    return slot;
  };
  return {
    count: () => count,
    find: (value) => slots[slotOf(value + 0)] - 1,
    add: (value) => {
      const slot = slotOf(value + 0);
      if (slots[slot] !== 0) return slots[slot] - 1;
      values = room(values, count + 1);
      values[count++] = value + 0;
      slots[slot] = count;
      if (2 * count > slots.length) slots = spread(values, count, hashOf);
      return count - 1;
    },
    at: (place) => values[place],
    values: () => values.slice(0, count),
  };
}

/** Returns a table of the places of numbers, each place + 1, of which at most half are taken. */
function spread(values: Float64Array, count: number, hashOf: (value: number) => number): Int32Array {
  const slots = new Int32Array(Math.max(64, 2 ** Math.ceil(Math.log2(3 * (count + 1)))));
  const mask = slots.length - 1;
  for (let place = 0; place < count; place++) {
    let slot = hashOf(values[place]) & mask;
    while (slots[slot] !== 0) slot = slot + 1 & mask;
    slots[slot] = place + 1;
  }
  return slots;
}

/** Returns a function that returns a hash of the bits of a number. */
function hasher(): (value: number) => number {
  const number = new Float64Array(1);
  const bits = new Int32Array(number.buffer);
  return (value) => {
    number[0] = value;
    return mixed(bits[0] ^ Math.imul(bits[1], 0x9e3779b1));
  };
}
