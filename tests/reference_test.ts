import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import * as f from "../lib/ops/functions.ts";
import { apply } from "../lib/ops/table.ts";
import type { Shape } from "../lib/ops/shape.ts";
import type { Op, Value } from "../lib/ops/value.ts";
import { type Graph, graphOf } from "../lib/graph/graph.ts";
import type { Program } from "../lib/engines/engine.ts";
import type { Tensor } from "../lib/ops/tensor.ts";
import { reference } from "../lib/engines/reference/reference.ts";
import { kernels } from "../lib/engines/reference/kernels.ts";

Deno.test("reference() computes what was computed by hand, for every op", async () => {
  const { E, LN2, PI } = Math;
  const c = f.constant;
  const grid = c([1, 2, 3, 4, 5, 6], [2, 3]);
  const cube = c([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [2, 3, 2]);
  const chosen = apply("topPlaces", [c([2, 0, 1, 0, 1, 2], [2, 3])], { k: 2 }); // 0, 2 and 2, 1
  const table: [expression: Value, shape: number[], numbers: number[]][] = [
    [c([1, -2]), [2], [1, -2]],
    [f.matmul(c([1, 2, 3, 4], [2, 2]), c([5, 6, 7, 8], [2, 2])), [2, 2], [19, 22, 43, 50]],
    [f.matmul(c([1, 2, 3], [1, 3]), c([4, 5, 6], [3, 1])), [1, 1], [32]],
    [f.matmul(grid, c([1, 0, 0, 1, 1, 1], [3, 2])), [2, 2], [4, 5, 10, 11]],
    [f.matmul(c([1, 2, 3, 4], [2, 1, 2]), c([5, 6, 7, 8], [2, 2, 1])), [2, 1, 1], [17, 53]],
    [f.add(grid, c([10, 20, 30])), [2, 3], [11, 22, 33, 14, 25, 36]],
    [f.add(grid, c([10, 20], [2, 1])), [2, 3], [11, 12, 13, 24, 25, 26]],
    [f.sub(c([1, 2], [2, 1]), c([10, 20, 30])), [2, 3], [-9, -19, -29, -8, -18, -28]],
    [f.mul(c([1, 2], [2, 1, 1]), c([3, 4])), [2, 1, 2], [3, 4, 6, 8]],
    [f.div(c([1, 9]), 4), [2], [0.25, 2.25]],
    [f.neg(c([1, -2])), [2], [-1, 2]],
    [f.exp(c([0, 1, -LN2])), [3], [1, E, 0.5]],
    [f.log(c([1, E, 0.5])), [3], [0, 1, -LN2]],
    [f.sqrt(c([0, 9, 2])), [3], [0, 3, Math.SQRT2]],
    [f.relu(c([-1, 0, 2])), [3], [0, 0, 2]],
    [f.sigmoid(c([0, Math.log(3), -Math.log(3), 1000, -1000])), [5], [0.5, 0.75, 0.25, 1, 0]],
    [f.tanh(c([0, LN2, -LN2, 1000])), [4], [0, 0.6, -0.6, 1]],
    [f.softplus(c([0, Math.log(E - 1), 1000, -1000])), [4], [LN2, 1, 1000, 0]],
    [f.greater(c([1, 2, 3]), 2), [3], [0, 0, 1]],
    [f.equal(c([1, 2, 3]), 2), [3], [0, 1, 0]],
    [f.select(c([0, 1, -3]), c([1, 2, 3]), 9), [3], [9, 2, 3]],
    [f.sum(grid), [2], [6, 15]],
    [f.sum(grid, { axes: [0], keep: true }), [1, 3], [5, 7, 9]],
    [f.sum(cube, { axes: [0, 2] }), [3], [18, 26, 34]],
    [f.max(c([1, 5, 3, -4, -6, -5], [2, 3])), [2], [5, -4]],
    [f.max(cube, { axes: [1], keep: true }), [2, 1, 2], [5, 6, 11, 12]],
    [f.softmax(c([0, LN2, Math.log(5), 7, 7, 7], [2, 3])), [2, 3], [1 / 8, 2 / 8, 5 / 8, 1 / 3, 1 / 3, 1 / 3]],
    [f.softmax(c([1000, 1000 + LN2])), [2], [1 / 3, 2 / 3]],
    [f.topMask(c([3, 1, 2, 5, 5, 5], [2, 3]), 2), [2, 3], [1, 0, 1, 1, 1, 0]],
    [f.topMask(c([-1, -2, -2]), 1), [3], [1, 0, 0]],
    [apply("runningSum", [c([1, 2, 3, 4, 5, 6], [3, 2])]), [3, 2], [0, 0, 1, 2, 4, 6]],
    [apply("runningSum", [cube]), [2, 3, 2], [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6]],
    [apply("topPlaces", [c([3, 1, 2, 5, 6, 6], [2, 3]), c([1, 2, 3, 4, 4, 4], [2, 3])], { k: 2 }), [2, 4], [
      ...[0, 2, 2, 1],
      ...[1, 2, 0, 1],
    ]],
    [
      apply("routed", [c([1, 2, 3, 4], [2, 2]), c([1, 2, 3, 4, 5, 6], [3, 2, 1]), chosen]),
      [2, 2, 1],
      [1 + 4, 5 + 12, 15 + 24, 9 + 16],
    ],
    [
      apply("routedKernels", [c([1, 2, 3, 4], [2, 2]), c([1, 10, 100, 1000], [2, 2, 1]), chosen], { experts: 3 }),
      [3, 2, 1],
      [1, 2, 3000, 4000, 10 + 300, 20 + 400],
    ],
    [f.reshape(grid, [3, 2]), [3, 2], [1, 2, 3, 4, 5, 6]],
    [f.broadcast(c([1, 2], [2, 1]), [2, 3]), [2, 3], [1, 1, 1, 2, 2, 2]],
    [f.transpose(grid), [3, 2], [1, 4, 2, 5, 3, 6]],
    [f.transpose(cube, [1, 2, 0]), [3, 2, 2], [1, 7, 2, 8, 3, 9, 4, 10, 5, 11, 6, 12]],
    [f.concat([grid, c([7, 8], [2, 1])]), [2, 4], [1, 2, 3, 7, 4, 5, 6, 8]],
    [f.concat([c([7, 8, 9], [1, 3]), grid], 0), [3, 3], [7, 8, 9, 1, 2, 3, 4, 5, 6]],
    [f.slice(grid, 1, 2), [2, 2], [2, 3, 5, 6]],
    [f.slice(cube, 1, 1, 1), [2, 1, 2], [3, 4, 9, 10]],
    [f.pad(grid, 1, 0), [2, 4], [0, 1, 2, 3, 0, 4, 5, 6]],
    [f.pad(c([1, 2]), 1, 2), [5], [0, 1, 2, 0, 0]],
    [f.stopGradient(c([PI])), [1], [PI]],
    [f.logSumExp(c([0, LN2, Math.log(5)], [1, 3])), [1], [Math.log(8)]],
    [f.mean(grid), [2], [2, 5]],
    [f.swish(c([Math.log(3)])), [1], [0.75 * Math.log(3)]],
    [f.abs(c([-2, 0, 3])), [3], [2, 0, 3]],
  ];
  for (const [expression, shape, numbers] of table) await assertResult(expression, {}, shape, numbers);
  const shown = new Set<Op>(table.map(([expression]) => expression.op));
  const silent = (Object.keys(kernels) as Op[]).filter((op) => !shown.has(op));
  assertEquals(silent, [
    ...["input", "noise", "parameter", "pick", "multiHot", "gatherSum", "scatterAdd"],
    ...["weightedHot", "weightedSum", "weightedScatter"],
  ]);
});

Deno.test("reference() picks, marks and adds rows by code, and leaves out codes out of range", async () => {
  const codes = int("codes", "batch", 1);
  const inputs = (...numbers: number[]) => ({ codes: { shape: [numbers.length, 1], data: Int32Array.from(numbers) } });
  const rows = f.constant([1, 2, 3, 4, 5, 6], [3, 2]);
  await assertResult(f.gatherSum(rows, codes, [3]), inputs(2, 0, 2), [3, 2], [5, 6, 1, 2, 5, 6]);
  await assertResult(f.gatherSum(rows, codes, [3]), inputs(-1, 3, 1), [3, 2], [0, 0, 0, 0, 3, 4]);
  const added = apply("scatterAdd", [codes, f.broadcast(f.constant([1, 10]), ["batch", 2])], { sizes: [3] });
  await assertResult(added, inputs(2, 0, 2), [3, 2], [1, 10, 0, 0, 2, 20]);
  await assertResult(added, inputs(-1, 3, 1), [3, 2], [0, 0, 1, 10, 0, 0]);
  const lists = {
    codes: { shape: [3, 2], data: Int32Array.of(0, 2, 1, 1, -1, 3) },
    weights: { shape: [3, 2], data: Float32Array.of(2, 0.5, 1, 3, 7, 7) },
  };
  const [listed, weights] = [int("codes", "batch", 2), f.input("weights", ["batch", 2])];
  await assertResult(f.weightedHot(listed, weights, 3), lists, [3, 3], [2, 0, 0.5, 0, 4, 0, 0, 0, 0]);
  await assertResult(f.weightedSum(rows, listed, weights), lists, [3, 2], [4.5, 7, 12, 16, 0, 0]);
  const ones = f.broadcast(f.constant([1, 10]), ["batch", 2]);
  const spread = apply("weightedScatter", [listed, weights, ones], { size: 3 });
  await assertResult(spread, lists, [3, 2], [2, 20, 4, 40, 0.5, 5]);
  const pair = { codes: { shape: [3, 2], data: Int32Array.of(0, 1, 0, 0, 1, -1) } };
  await assertResult(f.gatherSum(rows, int("codes", "batch", 2), [1, 2]), pair, [3, 2], [6, 8, 4, 6, 0, 0]);
  const second = apply("pick", [int("codes", "batch", 2)], { columns: [1, 0], first: [1, 0] });
  await assertResult(second, pair, [3, 2], [0, 0, -1, 0, -2, 1]);
  const columns = { codes: { shape: [3, 2], data: Int32Array.of(0, 2, 1, -1, 2, 3) } };
  const marked = f.multiHot(int("codes", "batch", 2), [2, 3]);
  await assertResult(marked, columns, [3, 5], [1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
});

Deno.test("run() replaces arrays only if every output is finite", async () => {
  const w = parameter("w", 2);
  const graph = graphOf({ loss: f.sum(f.log(w)) }, { w: f.sub(w, 1), slot: f.add(parameter("slot"), 1) });
  const engine = reference();
  const store = engine.store({ w: vector(2, 3), slot: { shape: [], data: Float32Array.of(0) } });
  const program = engine.load(graph, store);
  const state = async () => [...(await store.read("w")).data, ...(await store.read("slot")).data];
  const losses = [];
  for (let step = 0; step < 3; step++) losses.push((await program.run({})).loss.data[0]);
  assertEquals(losses, [Math.log(2) + Math.log(3), Math.log(2), -Infinity]);
  assertEquals(await state(), [0, 1, 2]);
  store.write("w", vector(-1, 3));
  assertEquals((await program.run({})).loss.data, Float64Array.of(NaN));
  assertEquals(await state(), [-1, 3, 2]);
});

Deno.test("run() computes every update from the arrays as they were", async () => {
  const [a, b] = [parameter("a", 1), parameter("b", 1)];
  const engine = reference();
  const store = engine.store({ a: vector(1), b: vector(2) });
  await engine.load(graphOf({}, { a: b, b: a }), store).run({});
  assertEquals([await store.read("a"), await store.read("b")], [float64(2), float64(1)]);
});

Deno.test("run() and read() return copies", async () => {
  const engine = reference();
  const given = Float64Array.of(1, 2);
  const store = engine.store({ w: { shape: [2], data: given } });
  const program = engine.load(graphOf({ w: parameter("w", 2) }), store);
  given.fill(9);
  (await store.read("w")).data.fill(9);
  (await program.run({})).w.data.fill(9);
  assertEquals((await program.run({})).w, float64(1, 2));
});

Deno.test("run() refuses inputs that are missing, unknown or misshapen", async () => {
  const [x, y] = [float("x", "batch", 2), float("y", "batch")];
  const graph = graphOf({ sum: f.add(x, f.reshape(y, ["batch", 1])), hot: f.multiHot(int("c", "batch", 1), [3]) });
  const fine = { x: zeros(3, 2), y: zeros(3), c: { shape: [3, 1], data: new Int32Array(3) } };
  const program = loaded(graph);
  await program.run(fine);
  const { x: _, ...withoutX } = fine;
  const table: [inputs: Record<string, Tensor>, kind: typeof TypeError | typeof RangeError, message: string][] = [
    [withoutX, TypeError, 'Cannot run graph: the input "x" is missing: found "y", "c"'],
    [{ ...fine, z: zeros(3) }, TypeError, 'Cannot run graph: no input is named "z": wanted "x", "y", "c"'],
    [{ ...fine, c: zeros(3, 1) }, TypeError, 'the input "c" holds codes: wanted an Int32Array, found a Float32Array'],
    [{ ...fine, x: zeros(3, 3) }, RangeError, 'Cannot run graph: the input "x" must be [batch, 2], found [3, 3]'],
    [{ ...fine, x: zeros(6) }, RangeError, 'the input "x" must be [batch, 2], found [6]'],
    [{ ...fine, x: zeros(0, 2) }, RangeError, 'the input "x" must be [batch, 2], found [0, 2]'],
    [
      { ...fine, x: { shape: [3, 2], data: new Float32Array(5) } },
      RangeError,
      "of shape [3, 2] needs 6 numbers, found 5",
    ],
    [{ ...fine, y: zeros(4) }, RangeError, "Cannot run graph: the inputs differ in the number of rows: x 3, y 4, c 3"],
  ];
  for (const [inputs, kind, message] of table) await assertRejects(() => program.run(inputs), kind, message);
  const rowless = loaded(graphOf({ rows: f.broadcast(f.constant(1), ["batch"]) }));
  await assertRejects(() => rowless.run({}), RangeError, "no input has the number of rows in the batch");
});

Deno.test("load() refuses phases, unknown ops, and parameters that the store lacks or holds in another shape", () => {
  const engine = reference();
  const store = engine.store({ w: vector(1, 2) });
  const w = parameter("w", 2);
  const unknown = { nodes: [{ op: "sin", of: [], attrs: {}, shape: [], type: "float" }], outputs: {}, updates: {} };
  const table: [graph: Graph, message: string][] = [
    [graphOf({ w: f.inTraining(w, w) }), "Cannot load graph: the op inTraining is left: trace for training"],
    [unknown as unknown as Graph, "Cannot load graph: the reference engine has no op sin"],
    [graphOf({ v: parameter("v", 2) }), 'Cannot load graph: the store lacks the parameter "v"'],
    [graphOf({ w: parameter("w", 3) }), 'Cannot load graph: the parameter "w" must be [3], found [2]'],
    [graphOf({}, { v: w }), 'Cannot load graph: the store lacks "v", which the graph updates'],
    [graphOf({}, { w: f.sum(w) }), 'Cannot load graph: the update of "w" must be [2], found []'],
  ];
  for (const [graph, message] of table) assertThrows(() => engine.load(graph, store), TypeError, message);
  const other = reference().store({});
  assertThrows(() => engine.load(graphOf({}), other), TypeError, "Cannot load graph: the store is of another engine");
});

Deno.test("write() puts and replaces arrays, remove() frees one", async () => {
  const store = reference().store({ w: vector(1, 2) });
  store.write("w", vector(3, 4));
  store.write("v", vector(5));
  assertEquals([await store.read("w"), await store.read("v")], [float64(3, 4), float64(5)]);
  store.remove("w");
  await assertRejects(() => store.read("w"), TypeError, 'Cannot read "w": the store holds no array of that name');
  assertEquals(await store.read("v"), float64(5));
});

Deno.test("store() refuses unknown names and wrong shapes, and everything once disposed", async () => {
  const engine = reference();
  assertThrows(
    () => engine.store({ w: { shape: [3], data: new Float32Array(2) } }),
    RangeError,
    'Cannot hold "w": [3] needs 3',
  );
  const store = engine.store({ w: vector(1, 2) });
  await assertRejects(() => store.read("v"), TypeError, 'Cannot read "v": the store holds no array of that name');
  assertThrows(() => store.write("w", vector(1)), RangeError, 'Cannot write "w": its shape is [2], found [1]');
  const programs = [0, 1].map(() => engine.load(graphOf({ w: parameter("w", 2) }), store));
  programs[0].dispose();
  await assertRejects(() => programs[0].run({}), TypeError, "Cannot run graph: the program is disposed");
  store.dispose();
  await assertRejects(() => programs[1].run({}), TypeError, 'Cannot run graph: the parameter "w" is missing');
  await assertRejects(() => store.read("w"), TypeError, 'Cannot read "w"');
});

async function assertResult(
  value: Value,
  inputs: Record<string, Tensor>,
  shape: number[],
  numbers: number[],
): Promise<void> {
  const { result } = await loaded(graphOf({ result: value })).run(inputs);
  const text = `${value.op} [${numbers}]`;
  assertEquals(result.shape, shape, text);
  assertEquals(result.data.length, numbers.length, text);
  numbers.forEach((number, i) =>
    assertAlmostEquals(result.data[i], number, 1e-13 * Math.max(1, Math.abs(number)), text)
  );
}

function loaded(graph: Graph): Program {
  const engine = reference();
  return engine.load(graph, engine.store({}));
}

function float(name: string, ...shape: Shape): Value {
  return apply("input", [], { name, shape, type: "float" });
}

function int(name: string, ...shape: Shape): Value {
  return apply("input", [], { name, shape, type: "int" });
}

function parameter(name: string, ...shape: number[]): Value {
  return apply("parameter", [], { name, shape, init: { kind: "constant", value: 0 } });
}

function vector(...numbers: number[]): Tensor {
  return { shape: [numbers.length], data: Float32Array.from(numbers) };
}

function float64(...numbers: number[]): Tensor {
  return { shape: [numbers.length], data: Float64Array.from(numbers) };
}

function zeros(...shape: number[]): Tensor {
  return { shape, data: new Float32Array(shape.reduce((size, length) => size * length, 1)) };
}
