import { assert, assertAlmostEquals, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { dselectK, type DSelectKOptions, SpecError } from "../mod.ts";
import type { Tensor } from "../lib/graph.ts";
import { drawn, gated, product, seen, slopeError, softmaxOf } from "./gated.ts";
import { sample } from "./models.ts";

const data = sample(7, 3);
const x = Array.from({ length: data.count }, (_, row) => [...data.inputs.input.subarray(3 * row, 3 * row + 3)]);
const path = "levels/0/gates/y";

Deno.test("dselectK() weighs by its selectors, expert by expert and bit by bit, and has their losses", async () => {
  for (const [k, experts] of [[1, 2], [2, 4], [2, 3], [1, 5], [3, 8], [2, 6]]) {
    for (const still of [false, true]) {
      for (const gamma of [1, 3]) {
        const spec = gated({ y: dselectK(k, { gamma, entropy: 0.3, static: still }) }, experts);
        const parameters = drawn(spec, `${k} of ${experts}`);
        const { gates, auxiliary } = await seen(spec, data, parameters);
        const bits = Math.ceil(Math.log2(experts));
        const selectors = x.map((row) => {
          const z = still ? [...parameters[`${path}/1/bits`].data] : product(row, parameters[`${path}/1/kernel`]);
          return Array.from({ length: k }, (_, i) => selectorOf(z.slice(i * bits, (i + 1) * bits), experts, gamma));
        });
        const scales = x.map((row) =>
          softmaxOf(still ? [...parameters[`${path}/0/selectors`].data] : product(row, parameters[`${path}/0/kernel`]))
        );
        gates["0/y"].forEach((weights, row) =>
          weights.forEach((weight, expert) => {
            const wanted = selectors[row].reduce((sum, one, i) => sum + scales[row][i] * one[expert], 0);
            assertAlmostEquals(weight, wanted, 1e-12);
          })
        );
        const mean = (of: (selector: number[]) => number) =>
          selectors.reduce((sum, row) => sum + row.reduce((sum, one) => sum + of(one), 0), 0) / x.length;
        const entropy = 0.3 * mean((one) => -one.reduce((sum, r) => sum + r * Math.log(r + 1e-6), 0));
        assertAlmostEquals(auxiliary[`${path}/entropy`], entropy, 1e-12);
        const outside = mean((one) => 1 / Math.max(one.reduce((a, b) => a + b), 1e-6));
        const wanted = experts === 2 ** bits ? undefined : outside;
        assertAlmostEquals(auxiliary[`${path}/outside`] ?? 0, wanted ?? 0, 1e-6 * (wanted ?? 0));
        assertEquals(Object.keys(auxiliary).length, wanted === undefined ? 1 : 2);
      }
    }
  }
});

Deno.test("dselectK() that has decided chooses k experts, and its losses are at their least", async () => {
  const spec = gated({ y: dselectK(2, { static: true, entropy: 1 }) }, 6);
  const parameters: Record<string, Tensor> = {
    ...drawn(spec, "decided"),
    [`${path}/0/selectors`]: { shape: [2], data: Float64Array.of(Math.log(3), 0) },
    [`${path}/1/bits`]: { shape: [2, 3], data: Float64Array.of(9, -9, 9, -9, 9, -9) }, // 1 + 4 and 2
  };
  const { gates, auxiliary } = await seen(spec, data, parameters);
  for (const row of gates["0/y"]) assertEquals(row.map((weight) => weight.toFixed(9)), decided);
  assert(Math.abs(auxiliary[`${path}/entropy`]) < 1e-5);
  assertAlmostEquals(auxiliary[`${path}/outside`], 2, 1e-12);
  const powers = gated({ y: dselectK(3) }, 8);
  const sums = (await seen(powers, data, drawn(powers, "sums"))).gates["0/y"].map((row) => row.reduce((a, b) => a + b));
  sums.forEach((sum) => assertAlmostEquals(sum, 1, 1e-12));
});

const decided = [0, 0, 0.25, 0, 0, 0.75].map((weight) => weight.toFixed(9));

Deno.test("dselectK() and its losses have the gradient of their formulas", async () => {
  for (const [k, experts] of [[2, 4], [2, 5]]) {
    for (const still of [false, true]) {
      const spec = gated({ y: dselectK(k, { gamma: 9, entropy: 0.3, static: still }) }, experts);
      assert(await slopeError(spec, data, drawn(spec, `slope ${k}`)) < 1e-7);
    }
  }
});

Deno.test("dselectK() refuses what cannot be, with the path and the way out", () => {
  const wrong = assertThrows(() => gated({ y: dselectK(3) }, 2), SpecError);
  assertStringIncludes(wrong.message, `at levels[0].gates.y: Cannot apply dselectK: k must be at most the number of`);
  for (
    const [options, message] of [
      [{ gamma: 0 }, "gamma must be above 0, found 0"],
      [{ entropy: -1 }, "entropy must be at least 0, found -1"],
      [{ entropy: NaN }, "the weight must be a finite number, found NaN"],
    ] as const
  ) {
    assertThrows(() => dselectK(2, options), RangeError, `Cannot apply dselectK: ${message}`);
  }
  assertThrows(() => dselectK(0), RangeError, "k must be a whole number of at least 1, found 0");
  assertThrows(() => dselectK(2, { statik: true } as DSelectKOptions), TypeError, 'did you mean "static"?');
});

/** `r(z)`: for every expert the product over the bits of its number, lowest first. */
function selectorOf(z: readonly number[], experts: number, gamma: number): number[] {
  return Array.from({ length: experts }, (_, expert) =>
    z.reduce((product, t, bit) => {
      const step = t <= -gamma / 2 ? 0 : t >= gamma / 2 ? 1 : -2 / gamma ** 3 * t ** 3 + 3 / (2 * gamma) * t + 0.5;
      return product * ((expert >> bit) % 2 === 1 ? step : 1 - step);
    }, 1));
}
