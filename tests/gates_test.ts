import { assert, assertAlmostEquals, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { permutation, random } from "../lib/data/random.ts";
import { gateSummary, gateTable } from "../lib/report/gates.ts";

Deno.test("gateSummary() is as written from its definitions", () => {
  for (const experts of [1, 2, 3, 8]) {
    const gate = sample(experts, 50);
    const rows = Array.from({ length: 50 }, (_, row) => [...gate.slice(row * experts, (row + 1) * experts)]);
    const found = gateSummary(gate, experts);
    assertEquals(found.rows, 50);
    for (let expert = 0; expert < experts; expert++) {
      assertAlmostEquals(found.mean[expert], average(rows.map((row) => row[expert])), 1e-12);
      const wins = rows.map((row) => {
        const best = row.filter((weight) => weight === Math.max(...row)).length;
        return row[expert] === Math.max(...row) ? 1 / best : 0;
      });
      assertAlmostEquals(found.top[expert], average(wins), 1e-12);
    }
    assertAlmostEquals(found.entropy, average(rows.map(entropyOf)), 1e-12);
    assertAlmostEquals(Math.log(found.effective), entropyOf(found.mean), 1e-12);
  }
});

Deno.test("gateSummary() keeps to its bounds, and permuted experts give permuted means", () => {
  for (const experts of [1, 2, 5, 16]) {
    const gate = sample(experts, 40);
    const found = gateSummary(gate, experts);
    assertAlmostEquals(found.mean.reduce((a, b) => a + b), 1, 1e-6);
    assertAlmostEquals(found.top.reduce((a, b) => a + b), 1, 1e-12);
    assert(found.effective >= 1 - 1e-6 && found.effective <= experts + 1e-6);
    assert(found.entropy <= Math.log(found.effective) + 1e-6); // entropy is concave
    const order = [...permutation(experts, random(experts))];
    const permuted = gateSummary(gate.map((_, i) => gate[i - i % experts + order[i % experts]]), experts);
    assertEquals(permuted.mean, order.map((expert) => found.mean[expert]));
    assertAlmostEquals(permuted.effective, found.effective, 1e-12);
  }
});

Deno.test("gateSummary() tells a healthy gate from one that has collapsed or left experts unused", () => {
  const repeated = (row: readonly number[]) => Float32Array.from(Array(1000).fill(row).flat());
  const cases: [string, Float32Array, number, number | undefined, number[]][] = [
    ["uniform", repeated([0.25, 0.25, 0.25, 0.25]), 4, undefined, []],
    ["uneven", repeated([0.8, 0.2]), 2, undefined, []],
    ["collapsed", repeated([0.01, 0.98, 0.01]), 3, 1, [0, 2]],
    ["not yet collapsed", repeated([0.9375, 0.0625]), 2, undefined, []],
    ["one expert", repeated([1]), 1, undefined, []],
    ["one unused", repeated([0.5, 0.49, 0.01]), 3, undefined, [2]],
    ["a tenth of its share and more", repeated([0.5, 0.46, 0.04]), 3, undefined, []],
    ["rarely on top", rows(999, 1), 2, 0, []],
    ["on top, with little weight in all", rows(1000, 10), 2, 0, []],
    ["no rows", new Float32Array(), 2, undefined, []],
  ];
  for (const [name, gate, experts, collapsed, dead] of cases) {
    const found = gateSummary(gate, experts);
    assertEquals([found.collapsed, found.dead], [collapsed, dead], name);
  }
});

Deno.test("gateSummary() of no rows knows nothing", () => {
  const { mean, top, entropy, effective } = gateSummary(new Float32Array(), 2);
  assertEquals([mean, top, entropy, effective], [[NaN, NaN], [NaN, NaN], NaN, NaN]);
});

Deno.test("gateSummary() throws for weights that are no rows of that many experts", () => {
  for (const [length, experts] of [[3, 2], [2, 0], [2, -1], [2, 1.5], [2, NaN]]) {
    assertThrows(
      () => gateSummary(new Float32Array(length), experts),
      RangeError,
      `Cannot sum up a gate: ${length} weights are no rows of ${experts} experts`,
    );
  }
});

Deno.test("gateTable() shows gates of different widths, and warns", () => {
  const text = gateTable({
    income: gateSummary(Float32Array.of(0.5, 0.25, 0.25), 3),
    marital: gateSummary(Float32Array.of(0.01, 0.99), 2),
  });
  assertEquals(
    text,
    [
      "gate     entropy  effective    e0    e1    e2  warning",
      "───────  ───────  ─────────  ────  ────  ────  ──────────────",
      "income      1.04       2.83  0.50  0.25  0.25",
      "marital     0.06       1.06  0.01  0.99        collapsed on 1",
    ].join("\n"),
  );
  assertStringIncludes(gateTable({ a: gateSummary(Float32Array.of(0.6, 0.4, 0, 0), 4) }), "dead: 2 3");
  assertEquals(gateTable({}), "");
});

/** Softmax of random logits; some rows put everything on one expert. */
function sample(experts: number, count: number): Float32Array {
  const { normal, uniform } = random(`gates:${experts}`);
  const gates = Array.from({ length: count }, () => {
    const logits = Array.from({ length: experts }, () => Math.exp(2 * normal()));
    const total = logits.reduce((a, b) => a + b);
    const one = Math.floor(uniform() * experts);
    return uniform() < 0.2 ? logits.map((_, expert) => expert === one ? 1 : 0) : logits.map((w) => w / total);
  });
  return Float32Array.from(gates.flat());
}

/** Rows of a gate over two experts: some wholly on the first one, some wholly on the other. */
function rows(first: number, second: number): Float32Array {
  return Float32Array.from([...Array(first).fill([1, 0]), ...Array(second).fill([0, 1])].flat());
}

function average(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b) / numbers.length;
}

function entropyOf(weights: readonly number[]): number {
  return -weights.reduce((sum, weight) => weight > 0 ? sum + weight * Math.log(weight) : sum, 0);
}

Deno.test("gateSummary() judges only weights that are shares", () => {
  const { mean, top, entropy, effective, collapsed, dead } = gateSummary(Float32Array.of(1.25, -0.25, 1.5, -0.5), 2);
  assertEquals([mean, top, entropy, effective, collapsed, dead], [[1.375, -0.375], [1, 0], NaN, NaN, undefined, []]);
  assertEquals(gateSummary(Float32Array.of(0.5, 0), 2).collapsed, undefined);
});
