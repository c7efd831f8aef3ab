import { checkCount, checkSeed, isRecord, kindOf } from "../errors/kinds.ts";

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
 * The generator is sfc32 (Doty-Humphrey, PractRand), a counter and three mixed words of state, so no seed is a weak
 * one and no cycle is shorter than 2^32. Normal numbers are made in pairs by the polar method (Marsaglia, 1964).
 *
 * @param seed Any text or number.
 *
 * @example
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 *
 * assertEquals(random(7).uniform(), random("7").uniform());
 * assert(random("7:kernel").normal() !== random("7:bias").normal());
 * ```
 */
export function random(seed: number | string): Random {
  checkSeed("draw random numbers", seed);
  return sourceOf(hash(String(seed)));
}

/** Returns a function that returns `random(prefix + rest)`, for many texts that begin alike. */
export function randoms(prefix: string): (rest: string) => Random {
  const begun = hash(prefix);
  return (rest) => sourceOf(hash(rest, begun));
}

/** Returns the source that begins with three words. */
function sourceOf([a, b, c]: Words): Random {
  let counter = 1;
  let spare: number | undefined;

  const bits = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21 | c >>> 11) + sum) | 0;
    return sum >>> 0;
  };
  const uniform = (): number => ((bits() >>> 5) * 2 ** 26 + (bits() >>> 6)) * 2 ** -53;
  const normal = (): number => {
    if (spare !== undefined) {
      const number = spare;
      spare = undefined;
      return number;
    }
    let x: number, y: number, square: number;
    do {
      x = (bits() + 0.5) * 2 ** -31 - 1;
      y = (bits() + 0.5) * 2 ** -31 - 1;
      square = x * x + y * y;
    } while (square >= 1);
    const stretch = Math.sqrt(-2 * Math.log(square) / square);
    spare = y * stretch;
    return x * stretch;
  };

  for (let round = 0; round < 15; round++) bits();
  return { bits, uniform, normal };
}

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

type Words = readonly [number, number, number];

/**
 * Three words of 32 bits, in each of which every character of the text flips about half the bits.
 *
 * @param begun The words of a text that comes before.
 */
function hash(text: string, begun: Words = [0x9e3779b9, 0x243f6a88, 0xb7e15162]): Words {
  const words: [number, number, number] = [...begun];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    words[0] = mix(words[0] ^ unit);
    words[1] = mix((words[1] + unit) ^ words[0]);
    words[2] = mix((words[2] ^ unit) + words[1]);
  }
  return words;
}

/** The finaliser of MurmurHash3 (Appleby), a bijection of 32-bit words, after a step that moves 0. */
function mix(word: number): number {
  word = (word + 0x6d2b79f5) | 0;
  word = Math.imul(word ^ word >>> 16, 0x85ebca6b);
  word = Math.imul(word ^ word >>> 13, 0xc2b2ae35);
  return word ^ word >>> 16;
}

function checkFloats(action: string, found: unknown): void {
  if (found instanceof Float32Array || found instanceof Float64Array) return;
  throw new TypeError(`Cannot ${action}: array must be a Float32Array or Float64Array, found ${kindOf(found)}`);
}

function checkSource(action: string, found: unknown): void {
  if (isRecord(found) && ["bits", "uniform", "normal"].every((name) => typeof found[name] === "function")) return;
  throw new TypeError(`Cannot ${action}: random must be a generator, such as random(7), found ${kindOf(found)}`);
}
