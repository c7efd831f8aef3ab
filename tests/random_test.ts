import { assert, assertEquals } from "@std/assert";
import { fillNormal, fillUniform, permutation, random } from "../lib/data/random.ts";

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
  assertEquals([source.bits(), source.bits(), source.bits()], [4256756819, 2650029915, 4199345864]);
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
