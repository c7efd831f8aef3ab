import { assertEquals, assertRejects } from "@std/assert";
import * as f from "../lib/ops/functions.ts";
import { apply } from "../lib/ops/table.ts";
import type { Value } from "../lib/ops/value.ts";
import { compute, type ComputeOptions, type Nested } from "../lib/engines/reference/compute.ts";
import { reference } from "../lib/engines/reference/reference.ts";
import { graphOf } from "../lib/graph/graph.ts";
import { cases } from "./cases.ts";

Deno.test("compute() returns the numbers of the reference engine, one level of lists for each axis", async () => {
  const unheld = cases.filter(({ store }) => Object.keys(store ?? {}).length === 0);
  for (const { name, build, inputs } of unheld) {
    const value = build();
    const engine = reference();
    const { wanted } = await engine.load(graphOf({ wanted: value }), engine.store({})).run(inputs());
    const given = Object.entries(inputs()).map(([name, { shape, data }]) => [name, listed(shape, [...data])]);
    const found = await compute(value, { inputs: Object.fromEntries(given) });
    assertEquals(found, listed(wanted.shape, [...wanted.data]), name);
  }
});

Deno.test("compute() takes evaluation for the phase, or training where asked to", async () => {
  const x = f.input("x", [2]);
  const inner = f.inTraining(f.mul(x, 10), x);
  const value = f.inTraining(f.add(inner, 1), f.neg(inner));
  const inputs = { x: [1, 2] };
  assertEquals(await compute(value, { inputs }), [-1, -2]);
  assertEquals(await compute(value, { inputs, training: true }), [11, 21]);
});

Deno.test("compute() takes noise as it is given", async () => {
  const noise = apply("noise", [], { name: "noise", shape: ["batch"], kind: "uniform" });
  assertEquals(await compute(f.mul(noise, 2), { inputs: { noise: [0.25, 0.5] } }), [0.5, 1]);
});

Deno.test("compute() refuses what it cannot compute", async () => {
  const x = f.input("x", ["batch", 2]);
  const codes = f.input("codes", ["batch"], "int");
  const held = apply("parameter", [], { name: "w", shape: [2], init: { kind: "constant", value: 0 } });
  const given = (x: unknown): ComputeOptions => ({ inputs: { x: x as Nested } });
  const uneven = 'Cannot compute value: "x" must be numbers in lists of one length for each axis';
  const table: [value: unknown, options: ComputeOptions, kind: typeof TypeError | typeof RangeError, text: string][] = [
    [3, {}, TypeError, "Cannot compute value: wanted a value, found 3"],
    [x, { input: {} } as ComputeOptions, TypeError, 'Cannot compute value: option "input" is unknown'],
    [x, {}, TypeError, 'Cannot run graph: the input "x" is missing'],
    [x, { inputs: { x: [[1, 2]], y: 1 } }, TypeError, 'Cannot run graph: no input is named "y": wanted "x"'],
    [x, given([1, 2]), RangeError, 'the input "x" must be [batch, 2], found [2]'],
    [x, given([]), RangeError, 'the input "x" must be [batch, 2], found [0]'],
    [x, given([[1, 2], [3]]), RangeError, uneven],
    [x, given([[1, 2], 3]), RangeError, uneven],
    [x, given([[1, [2]]]), RangeError, uneven],
    [x, given([["1", "2"]]), RangeError, uneven],
    [x, given(undefined), RangeError, uneven],
    [codes, { inputs: { codes: [1, 0.5] } }, TypeError, '"codes" holds codes: wanted whole numbers, found 0.5'],
    [held, {}, TypeError, 'Cannot load graph: the store lacks the parameter "w"'],
  ];
  for (const [value, options, kind, text] of table) {
    await assertRejects(() => compute(value as Value, options), kind, text);
  }
});

/** Numbers in row-major order as lists of lists. */
function listed([length, ...rest]: readonly number[], numbers: readonly number[]): Nested {
  if (length === undefined) return numbers[0];
  const size = numbers.length / length;
  return Array.from({ length }, (_, at) => listed(rest, numbers.slice(at * size, (at + 1) * size)));
}
