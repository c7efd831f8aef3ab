import { assert, assertEquals } from "@std/assert";
import { category, define, dense, embed, fit, inits, pipe, regression } from "../mod.ts";
import { type Graph, initialise } from "../lib/graph.ts";
import { writeNormals } from "../lib/data/box_muller.ts";
import { fillNormal, fillUniform, permutation, type Random, random } from "../lib/data/random.ts";
import { fillBlocks, type Key, keyOf } from "../lib/data/threefry.ts";
import { noiseTensors } from "../lib/model/feed.ts";

const COUNT = 200_000;

Deno.test("random() gives the same numbers for the same seed, and a number is its decimal text", () => {
  const draw = (seed: number | string) => {
    const source = random(seed);
    return [source.bits(), source.uniform(), source.normal(), source.normal(), source.bits()];
  };
  assertEquals(draw(7), draw("7"));
  assertEquals(draw("7:levels/0"), draw("7:levels/0"));
  assertEquals(new Set(["", "0", 1, -1, "a", "b", "ab", "ba", "aa"].map((seed) => random(seed).bits())).size, 9);
});

Deno.test("random() gives these numbers for ever, since saved seeds rely on them", () => {
  const source = random("gatehouse");
  assertEquals([source.bits(), source.bits(), source.bits()], [499844201, 4273744576, 3337118563]);
});

/** Returns hexadecimal words. */
const hex = (words: Iterable<number>) => [...words].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join(" ");

Deno.test("fillBlocks() has the known answers of Random123 for threefry2x32 of 20 rounds", () => {
  const known: readonly (readonly [low: number, high: number, key: Key, words: string])[] = [
    [0, 0, [0, 0], "6b200159 99ba4efe"],
    [0xffffffff, 0xffffffff, [0xffffffff, 0xffffffff], "1cb996fc bb002be7"],
    [0x243f6a88, 0x85a308d3, [0x13198a2e, 0x03707344], "c4923a9c 483df7a0"],
  ];
  for (const [low, high, key, wanted] of known) {
    for (const signed of [(word: number) => word, (word: number) => word | 0]) {
      const words = new Int32Array(2);
      fillBlocks(words, [signed(key[0]), signed(key[1])], signed(low), signed(high));
      assertEquals(hex(words), wanted);
    }
  }
});

Deno.test("fillBlocks() counts on in its high word", () => {
  const key: Key = [1, 2];
  const [words, next] = [new Int32Array(4), new Int32Array(2)];
  fillBlocks(words, key, 0xffffffff, 4);
  fillBlocks(next, key, 0, 5);
  assertEquals(words.subarray(2), next);
});

Deno.test("random() begins at any word", () => {
  const all = Array.from({ length: 200 }, ((source) => () => source.bits())(random("place")));
  for (const at of [0, 1, 2, 31, 32, 33, 64, 100, 159]) {
    const source = random("place", at);
    assertEquals(Array.from({ length: 40 }, () => source.bits()), all.slice(at, at + 40), `${at}`);
  }
  for (const [at, low, high] of [[2 ** 33 - 2, 0xffffffff, 0], [2 ** 33, 0, 1], [2 ** 45 + 6, 3, 2 ** 12]]) {
    const words = new Int32Array(2);
    fillBlocks(words, keyOf("place"), low, high);
    const source = random("place", at);
    assertEquals([source.bits(), source.bits()], [...words].map((word) => word >>> 0), `${at}`);
  }
});

Deno.test("fillUniform() and fillNormal() make each element of its own words, so that a part is filled alone", () => {
  for (const fill of [fillUniform, fillNormal]) {
    const all = fill(new Float32Array(301), random("part"));
    for (const at of [0, 2, 30, 32, 100, 298]) {
      assertEquals(fill(new Float32Array(301 - at), random("part", at)), all.slice(at));
    }
  }
});

Deno.test("noiseTensors() are numbers of random(), by seed and name", () => {
  const nodes = ["normal", "uniform"].map((kind) => ({
    op: "noise",
    attrs: { kind, name: `a ${kind}` },
    shape: ["batch", 5],
  }));
  const found = noiseTensors({ nodes } as unknown as Graph, 333, "7:3");
  assertEquals(found["a normal"].data, fillNormal(new Float32Array(333 * 5), random("7:3:a normal")));
  assertEquals(found["a uniform"].data, fillUniform(new Float32Array(333 * 5), random("7:3:a uniform")));
});

Deno.test("initialise() gives numbers of random(), by seed, path and word", () => {
  const input = fit({ user: category() }, { user: ["ann", "bob"] });
  const [normal, around] = [{ init: inits.normal(2) }, { init: inits.uniform(2) }];
  const tower = pipe(embed(5, normal), dense(401, normal), dense(3, around));
  const found = initialise(define({ input, tasks: { y: regression(tower) } }), 7);
  const wanted: Readonly<Record<string, (source: Random) => number>> = {
    "tasks/y/tower/1/kernel": (source) => source.normal() * 2,
    "tasks/y/tower/2/kernel": (source) => ((source.bits() | 0) + 0.5) * 2 ** -31 * 2,
  };
  for (const [path, draw] of Object.entries(wanted)) {
    const source = random(`7:${path}`);
    assertEquals(found[path].data, Float32Array.from(found[path].data, () => draw(source)));
  }
  const path = "tasks/y/tower/0/user";
  for (const [row, word] of ["ann", "bob"].entries()) {
    const source = random(`7:${path}:${word}`);
    const vector = Float32Array.from({ length: 5 }, () => source.normal() * 2);
    assertEquals(found[path].data.slice(5 * (row + 1), 5 * (row + 2)), vector);
  }
});

Deno.test("writeNormals() is Box and Muller's pair, at the ends of both words too", () => {
  const pair: [number, number] = [0, 0];
  const source = random("pairs");
  const ends = [0, 1, 2, 2 ** 29 - 1, 2 ** 29, 2 ** 30, 3 * 2 ** 29, 2 ** 31 - 1, 2 ** 31, 3 * 2 ** 30, 2 ** 32 - 1];
  const words = [...ends, ...Array.from({ length: 200 }, () => source.bits())];
  for (const first of words) {
    const square = -2 * Math.log1p(-(2 ** 32 - 0.5 - first) / 2 ** 32);
    const radius = Math.sqrt(square);
    for (const second of words) {
      writeNormals(first, second | 0, pair);
      const turn = 2 * Math.PI * second / 2 ** 32;
      const within = 2e-15 * Math.max(1, radius, 1 / radius);
      near(pair[0], radius * Math.cos(turn), within);
      near(pair[1], radius * Math.sin(turn), within);
    }
  }
});

Deno.test("fillUniform() has the moments of the uniform distribution and never reaches 1", () => {
  for (const seed of [0, 1, "7:noise"]) {
    const numbers = fillUniform(new Float32Array(COUNT), random(seed));
    const { mean, variance } = moments(numbers);
    near(mean, 1 / 2, 5 * Math.sqrt(1 / 12 / COUNT));
    near(variance, 1 / 12, 5 * Math.sqrt((1 / 80 - 1 / 144) / COUNT));
    assert(numbers.every((number) => number >= 0 && number < 1));
  }
});

Deno.test("random().uniform() falls into 64 equal bins equally often", () => {
  const source = random(3);
  const bins = new Float64Array(64);
  for (let i = 0; i < COUNT; i++) bins[Math.floor(source.uniform() * 64)]++;
  const expected = COUNT / 64;
  const chi = bins.reduce((sum, found) => sum + (found - expected) ** 2 / expected, 0);
  near(chi, 63, 5 * Math.sqrt(2 * 63));
});

Deno.test("fillNormal() has the first four moments and the tails of the normal distribution", () => {
  for (const seed of [0, 1, "7:kernel"]) {
    const numbers = fillNormal(new Float64Array(COUNT), random(seed));
    const power = (p: number) => numbers.reduce((sum, number) => sum + number ** p, 0) / COUNT;
    near(power(1), 0, 5 / Math.sqrt(COUNT));
    near(power(2), 1, 5 * Math.sqrt(2 / COUNT));
    near(power(3), 0, 5 * Math.sqrt(15 / COUNT));
    near(power(4), 3, 5 * Math.sqrt(96 / COUNT));
    const beyond = numbers.filter((number) => Math.abs(number) > 3).length / COUNT;
    near(beyond, 0.0026998, 5 * Math.sqrt(0.0027 / COUNT));
  }
});

Deno.test("random() of neighbouring seeds, and one source at neighbouring steps, are uncorrelated", () => {
  const of = (seed: number | string) => fillNormal(new Float64Array(COUNT), random(seed));
  const correlation = (x: Float64Array, y: Float64Array) =>
    x.reduce((sum, number, i) => sum + number * y[i], 0) / COUNT;
  const first = of(1);
  for (const other of [2, 10, "1:", "1:a"]) near(correlation(first, of(other)), 0, 5 / Math.sqrt(COUNT));
  for (const lag of [1, 2, 3]) near(correlation(first.subarray(lag), first), 0, 5 / Math.sqrt(COUNT));
});

Deno.test("random() of many seeds starts with uniform first numbers", () => {
  const firsts = Float64Array.from({ length: COUNT }, (_, seed) => random(seed).uniform());
  const { mean, variance } = moments(firsts);
  near(mean, 1 / 2, 5 * Math.sqrt(1 / 12 / COUNT));
  near(variance, 1 / 12, 5 * Math.sqrt((1 / 80 - 1 / 144) / COUNT));
});

Deno.test("permutation() gives every order equally often and each number once", () => {
  const source = random(11);
  const orders = new Map<string, number>();
  for (let trial = 0; trial < 24_000; trial++) {
    const order = permutation(4, source).join("");
    orders.set(order, (orders.get(order) ?? 0) + 1);
  }
  assertEquals(orders.size, 24);
  const chi = [...orders.values()].reduce((sum, found) => sum + (found - 1000) ** 2 / 1000, 0);
  near(chi, 23, 5 * Math.sqrt(2 * 23));
  for (const count of [0, 1, 2, 1000]) {
    assertEquals([...permutation(count, source)].sort((a, b) => a - b), Array.from({ length: count }, (_, i) => i));
  }
});

function moments(numbers: ArrayLike<number>): { mean: number; variance: number } {
  let sum = 0, squares = 0;
  for (let i = 0; i < numbers.length; i++) sum += numbers[i];
  const mean = sum / numbers.length;
  for (let i = 0; i < numbers.length; i++) squares += (numbers[i] - mean) ** 2;
  return { mean, variance: squares / numbers.length };
}

function near(found: number, wanted: number, within: number): void {
  assert(Math.abs(found - wanted) <= within, `found ${found}, wanted ${wanted} within ${within}`);
}
