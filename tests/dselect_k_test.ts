import { assert, assertAlmostEquals, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { adam, compile, dselectK, type DSelectKOptions, reference, rows, SpecError, train } from "../mod.ts";
import { initialise, type Tensor } from "../lib/graph.ts";
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
        const zs = x.map((row) => {
          const z = still ? [...parameters[`${path}/1/bits`].data] : product(row, parameters[`${path}/1/kernel`]);
          return Array.from({ length: k }, (_, i) => z.slice(i * bits, (i + 1) * bits));
        });
        const selectors = zs.map((row) => row.map((z) => selectorOf(z, experts, gamma)));
        const scales = x.map((row) =>
          softmaxOf(still ? [...parameters[`${path}/0/selectors`].data] : product(row, parameters[`${path}/0/kernel`]))
        );
        gates["0/y"].forEach((weights, row) =>
          weights.forEach((weight, expert) => {
            const wanted = selectors[row].reduce((sum, one, i) => sum + scales[row][i] * one[expert], 0);
            assertAlmostEquals(weight, wanted, 1e-12);
          })
        );
        const mean = (of: (selector: number[], z: number[]) => number) =>
          selectors.reduce((sum, row, at) => sum + row.reduce((sum, one, i) => sum + of(one, zs[at][i]), 0), 0) /
          x.length;
        const entropy = 0.3 * mean((one) => -one.reduce((sum, r) => sum + r * Math.log(r + 1e-6), 0));
        assertAlmostEquals(auxiliary[`${path}/entropy`], entropy, 1e-12);
        const outside = mean((one, z) => {
          const inside = one.reduce((a, b) => a + b);
          const far = z.reduce((sum, t) => sum + Math.max(0, t / gamma + 0.5), 0);
          return 1 / Math.max(inside, 0.1) + (1 - inside) * Math.log(1 + far);
        });
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

Deno.test("dselectK() of any number of experts weighs them by 1 in all in evaluation, also where it has chosen none", async () => {
  for (const experts of [3, 5, 6, 7, 9]) {
    for (const size of [1, 100, 1e4]) {
      const spec = gated({ y: dselectK(2) }, experts);
      const parameters = Object.fromEntries(
        Object.entries(drawn(spec, `${experts}`)).map(([name, { shape, data }]) =>
          [name, { shape, data: data.map((number) => number * size) }] as const
        ),
      );
      for (const row of (await seen(spec, data, parameters, { training: false })).gates["0/y"]) {
        assertAlmostEquals(row.reduce((a, b) => a + b), 1, 1e-12);
      }
    }
  }
  const none = gated({ y: dselectK(1, { static: true }) }, 5);
  const parameters = { ...drawn(none, "none"), [`${path}/1/bits`]: { shape: [1, 3], data: Float64Array.of(9, 9, 9) } };
  assertEquals((await seen(none, data, parameters, { training: false })).gates["0/y"][0], Array(5).fill(0.2));
});

Deno.test("dselectK() that has decided for a number that no expert has is led back, by a loss that is bounded", async () => {
  for (const [experts, bits] of [[3, 2], [5, 3], [6, 3], [7, 3]]) {
    const spec = gated({ y: dselectK(1, { static: true }) }, experts);
    const lost = { shape: [1, bits], data: new Float32Array(bits).fill(100) }; // the highest number
    const parameters = { ...initialise(spec, 0), [`${path}/1/bits`]: lost };
    const model = await compile(spec, { engine: reference(), parameters });
    const seen: number[] = [];
    const known = rows([[1, 1, 1]], { labels: { y: [0] } });
    for await (const { auxiliary } of train(model, known, { steps: 150, epochs: 150, optimiser: adam(1) })) {
      seen.push(auxiliary[`${path}/outside`]);
    }
    assert(Math.max(...seen) <= 10 + Math.log(1 + bits * 101), `${Math.max(...seen)}`);
    assertAlmostEquals(seen[149], 1, 1e-6);
    model.dispose();
  }
});

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
