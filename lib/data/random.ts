import { checkCount, checkSeed, isRecord, kindOf } from "../errors/kinds.ts";
import { writeNormals } from "./box_muller.ts";
import { fillBlocks, keyOf } from "./threefry.ts";

/** A source of random numbers that its seed determines: the same on every machine and engine. */
export interface Random {
  /** The next 32 random bits, an integer in [0, 2^32). */
  bits(): number;
  /** The next number of the uniform distribution on [0, 1), of 53 random bits. */
  uniform(): number;
  /** The next number of the normal distribution of mean 0 and variance 1. */
  normal(): number;
}

/**
 * A source of random numbers. Equal seeds give equal numbers; different seeds, however alike, give independent ones,
 * so `${seed}:${name}` is a source of its own for every name. A number is the same seed as its decimal text.
 *
 * The generator is Threefry-2x32 of 20 rounds (Salmon et al., SC 2011), as JAX has it: word `i` of a seed is a function of
 * the seed and `i`, so that any place is reached at once, and computed by any other program. `bits` takes a word,
 * `uniform` two, and `normal` two for each pair of numbers (Box and Muller, 1958). The README of `lib/data` has the rule.
 *
 * @param seed Any text or number.
 * @param at The number of words that come before the first one, at least 0. Default: none.
 * @throws {TypeError | RangeError} if the seed is neither, or the number of words is not whole.
 *
 * @example
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { random } from "@gatehouse/gatehouse/datasets";
 *
 * assertEquals(random(7).uniform(), random("7").uniform());
 * assert(random("7:kernel").normal() !== random("7:bias").normal());
 *
 * const source = random(7);
 * for (let word = 0; word < 1000; word++) source.bits();
 * assertEquals(source.bits(), random(7, 1000).bits());
 * ```
 */
export function random(seed: number | string, at = 0): Random {
  checkSeed("draw random numbers", seed);
  checkCount("draw random numbers", "at", at);
  const key = keyOf(String(seed));
  const words = new Int32Array(2 * blocksAtOnce);
  let block = Math.floor(at / 2);
  let next = words.length;
  const word = (): number => {
    if (next === words.length) {
      fillBlocks(words, key, block | 0, block / 2 ** 32 | 0);
      block += blocksAtOnce;
      next = 0;
    }
    return words[next++];
  };
  const uniform = (): number => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) * 2 ** -53;
  const pair: [number, number] = [0.5, 0.5];
  let spare = false;
  const normal = (): number => {
    spare = !spare;
    if (!spare) return pair[1];
    writeNormals(word(), word(), pair);
    return pair[0];
  };
  if (at % 2 === 1) word();
  return { bits: () => word() >>> 0, uniform, normal };
}

/** The blocks of words that are made at once. */
const blocksAtOnce = 16;

/**
 * Fills an array with numbers of the uniform distribution on [0, 1), multiples of 2^-24, so that float32 holds each
 * exactly and none is rounded up to 1.
 *
 * @returns The array.
 *
 * @example
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { fillUniform, random } from "@gatehouse/gatehouse/datasets";
 *
 * const numbers = fillUniform(new Float32Array(1000), random(7));
 * assert(numbers.every((number) => number >= 0 && number < 1 && Number.isInteger(number * 2 ** 24)));
 * assertEquals(fillUniform(new Float32Array(10), random(7)), numbers.slice(0, 10));
 * ```
 */
export function fillUniform<A extends Float32Array | Float64Array>(array: A, random: Random): A {
  checkFloats("fill", array);
  checkSource("fill", random);
  for (let i = 0; i < array.length; i++) array[i] = (random.bits() >>> 8) * 2 ** -24;
  return array;
}

/**
 * Fills an array with numbers of the normal distribution of mean 0 and variance 1.
 *
 * @returns The array.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fillNormal, random } from "@gatehouse/gatehouse/datasets";
 *
 * const [numbers, source] = [fillNormal(new Float64Array(2), random(7)), random(7)];
 * assertEquals(numbers, Float64Array.of(source.normal(), source.normal()));
 * ```
 */
export function fillNormal<A extends Float32Array | Float64Array>(array: A, random: Random): A {
  checkFloats("fill", array);
  checkSource("fill", random);
  for (let i = 0; i < array.length; i++) array[i] = random.normal();
  return array;
}

/**
 * The integers from 0 to `count - 1` in a random order, each order equally likely.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { permutation, random } from "@gatehouse/gatehouse/datasets";
 *
 * const order = permutation(5, random(7));
 * assertEquals(order.toSorted(), Uint32Array.of(0, 1, 2, 3, 4));
 * assertEquals(order, permutation(5, random(7)));
 * ```
 */
export function permutation(count: number, random: Random): Uint32Array {
  checkCount("permute", "count", count);
  if (count > 2 ** 32) throw new RangeError(`Cannot permute: count must be at most 2 ** 32, found ${count}`);
  checkSource("permute", random);
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const j = Math.floor(random.uniform() * (i + 1));
    order[i] = order[j];
    order[j] = i;
  }
  return order;
}

function checkFloats(action: string, found: unknown): void {
  if (found instanceof Float32Array || found instanceof Float64Array) return;
  throw new TypeError(`Cannot ${action}: array must be a Float32Array or Float64Array, found ${kindOf(found)}`);
}

function checkSource(action: string, found: unknown): void {
  if (isRecord(found) && ["bits", "uniform", "normal"].every((name) => typeof found[name] === "function")) return;
  throw new TypeError(`Cannot ${action}: random must be a generator, such as random(7), found ${kindOf(found)}`);
}
