import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { apply, ops, type Rule } from "../lib/ops/table.ts";
import * as f from "../lib/ops/functions.ts";
import { type Shape, withBatch } from "../lib/ops/shape.ts";
import type { Op, Value } from "../lib/ops/value.ts";
import { graphOf } from "../lib/graph/graph.ts";
import { inOrder } from "../lib/graph/walk.ts";
import { gradients } from "../lib/graph/differentiate.ts";
import type { Tensor } from "../lib/ops/tensor.ts";
import { reference } from "../lib/engines/reference/reference.ts";
import { random } from "../lib/data/random.ts";
import { type Case, cases } from "./cases.ts";

const engine = reference();

Deno.test("cases hold every op, each as the root of an expression", () => {
  const roots = new Set(cases.map((row) => row.build().op));
  assertEquals(Object.keys(ops).filter((op) => !roots.has(op as Op)), ["inTraining"]);
  assertEquals(new Set(cases.map(({ name }) => name)).size, cases.length);
});

Deno.test("ops promise the shape that is returned", async () => {
  for (const row of cases) {
    const value = row.build();
    const numbers = numbersOf(row);
    const { result } = await runner({ result: value }, numbers)();
    assertEquals(result.shape, withBatch(value.shape, batchOf(value, numbers)), row.name);
    assertEquals(result.data.length, sizeOf(result.shape), row.name);
    assert(result.data.every(Number.isFinite), row.name);
  }
});

Deno.test("functions promise the shape that is returned, at every size that is sampled", async () => {
  assertEquals(Object.keys(sampled).sort(), Object.keys(f).filter((name) => name !== "inTraining").sort());
  const { uniform } = random("sizes");
  for (let turn = 0; turn < 8; turn++) {
    const [batch, width, units, experts] = Array.from(
      { length: 4 },
      () => turn === 0 ? 1 : 1 + Math.floor(5 * uniform()),
    );
    const numbers = {
      rows: { shape: [batch, width], data: new Float64Array(batch * width).fill(0.5) },
      codes: { shape: [batch, units], data: new Int32Array(batch * units) },
    };
    for (const [name, written] of Object.entries(sampled)) {
      const value = written({
        rows: input("rows", ["batch", width]),
        codes: apply("input", [], { name: "codes", shape: ["batch", units], type: "int" }),
        width,
        units,
        experts,
      });
      const { result } = await runner({ result: value }, numbers)();
      const text = `${name} of batch ${batch}, width ${width}, units ${units}, experts ${experts}`;
      assertEquals(result.shape, withBatch(value.shape, batch), text);
      assertEquals(result.data.length, sizeOf(result.shape), text);
    }
  }
});

/** The arguments of a function's samples: rows `[batch, width]`, codes `[batch, units]`, and three lengths. */
interface Sampled {
  readonly rows: Value;
  readonly codes: Value;
  readonly width: number;
  readonly units: number;
  readonly experts: number;
}

/** Zeros of a shape. */
const zeroed = (...shape: number[]): Value => f.constant(Array(sizeOf(shape)).fill(0), shape);

/** Every function that yields a value, written for some sizes; `inTraining` is not an op of an engine. */
const sampled: Readonly<Record<Exclude<keyof typeof f, "inTraining">, (of: Sampled) => Value>> = {
  constant: ({ width, units }) => zeroed(width, units),
  input: ({ rows }) => rows,
  add: ({ rows, experts }) => f.add(rows, zeroed(experts, 1, 1)),
  sub: ({ rows, width }) => f.sub(zeroed(width), rows),
  mul: ({ rows }) => f.mul(rows, 2),
  div: ({ rows, experts }) => f.div(zeroed(experts, 1, 1), rows),
  matmul: ({ rows, width, units }) => f.matmul(rows, zeroed(width, units)),
  neg: ({ rows }) => f.neg(rows),
  square: ({ rows }) => f.square(rows),
  exp: ({ rows }) => f.exp(rows),
  log: ({ rows }) => f.log(rows),
  sqrt: ({ rows }) => f.sqrt(rows),
  abs: ({ rows }) => f.abs(rows),
  relu: ({ rows }) => f.relu(rows),
  sigmoid: ({ rows }) => f.sigmoid(rows),
  tanh: ({ rows }) => f.tanh(rows),
  softplus: ({ rows }) => f.softplus(rows),
  swish: ({ rows }) => f.swish(rows),
  normalCdf: ({ rows }) => f.normalCdf(rows),
  greater: ({ rows, experts }) => f.greater(rows, zeroed(experts, 1, 1)),
  equal: ({ rows, width }) => f.equal(zeroed(width), rows),
  select: ({ rows, width, experts }) => f.select(zeroed(experts, 1, width), rows, 1),
  topMask: ({ rows, width }) => f.topMask(rows, Math.ceil(width / 2)),
  sum: ({ rows, experts }) => f.sum(f.add(rows, zeroed(experts, 1, 1)), { axes: [0, -1] }),
  max: ({ rows }) => f.max(rows, { axes: [0], keep: true }),
  mean: ({ rows }) => f.mean(rows),
  softmax: ({ rows }) => f.softmax(rows),
  logSumExp: ({ rows }) => f.logSumExp(rows),
  reshape: ({ units, experts }) => f.reshape(zeroed(units, experts), [experts, units, 1]),
  broadcast: ({ rows, width, experts }) => f.broadcast(rows, [experts, "batch", width]),
  transpose: ({ rows, experts }) => f.transpose(f.add(rows, zeroed(experts, 1, 1)), [1, 2, 0]),
  concat: ({ rows, units }) => f.concat([rows, f.broadcast(f.constant(0), ["batch", units]), rows]),
  slice: ({ rows, width }) => f.slice(rows, width - 1, 1),
  pad: ({ rows, units, experts }) => f.pad(rows, units, experts),
  multiHot: ({ codes, units, experts }) => f.multiHot(codes, Array(units).fill(experts)),
  gatherSum: ({ codes, width, units, experts }) =>
    f.gatherSum(zeroed(units * experts, width), codes, Array(units).fill(experts)),
  weightedHot: ({ codes, units, experts }) => f.weightedHot(codes, f.broadcast(zeroed(1), ["batch", units]), experts),
  weightedSum: ({ codes, width, units, experts }) =>
    f.weightedSum(zeroed(experts, width), codes, f.broadcast(zeroed(1), ["batch", units])),
  stopGradient: ({ rows }) => f.stopGradient(rows),
};

Deno.test("ops give every argument a gradient of its own shape, but for a listed few", () => {
  const flat = Object.entries<Rule>(ops).filter(([, rule]) => rule.gradient === undefined).map(([op]) => op);
  const leaves = ["input", "parameter", "noise", "constant"];
  assertEquals(flat, [
    ...leaves,
    "greater",
    "equal",
    "topMask",
    "pick",
    "multiHot",
    "topPlaces",
    "stopGradient",
    "inTraining",
  ]);
  const blocked = new Set<string>();
  for (const value of cases.flatMap((row) => inOrder([row.build()]))) {
    const rule: Rule = ops[value.op];
    const parts = rule.gradient?.(value, input("g", value.shape)) ?? [];
    if (rule.gradient !== undefined) assertEquals(parts.length, value.of.length, value.op);
    parts.forEach((part, position) => {
      if (part === undefined) blocked.add(`${value.op} ${position}`);
      else assertEquals(part.shape, value.of[position].shape, value.op);
    });
  }
  assertEquals([...blocked].sort(), [
    ...["gatherSum 1", "routed 2", "routedKernels 2", "scatterAdd 0", "select 0"],
    ...["weightedHot 0", "weightedScatter 0", "weightedSum 1"], // codes
  ]);
});

Deno.test("ops are 0 where their row says so", async () => {
  const { uniform } = random("zeros");
  for (const [op, { arity = 1, zeros = [] }] of Object.entries<Rule>(ops)) {
    for (const positions of zeros) {
      const numbers = (at: number) => Array.from({ length: 8 }, () => positions.includes(at) ? 0 : 1 + uniform());
      const y = apply(op as Op, Array.from({ length: arity }, (_, at) => f.constant(numbers(at))));
      const { data } = (await runner({ y }, {})()).y;
      assert([...data].every((number) => number === 0), `${op} of 0 at ${positions}`);
    }
  }
});

Deno.test("gradients() equals central finite differences, for every real number that a case reads", async () => {
  for (const row of cases.filter(({ kink, build }) => !kink && build().type === "float")) {
    const { loss, leaves, numbers } = contracted(row);
    const named = gradients(loss, leaves).map((gradient, i) => [leaves[i].attrs.name as string, gradient] as const);
    const exact = await runner({ loss, ...Object.fromEntries(named) }, numbers)();
    const run = runner({ loss }, numbers);
    for (const [name] of named) {
      const { shape, data } = numbers[name];
      assertEquals(exact[name].shape, shape, `${row.name}: ${name}`);
      for (let i = 0; i < data.length; i++) {
        const wanted = await slope(data, i, async () => (await run()).loss.data[0]);
        const error = Math.abs(exact[name].data[i] - wanted) / Math.max(1, Math.abs(wanted));
        assertLess(error, 1e-7, `${row.name}: ${name}[${i}] is ${exact[name].data[i]}, differences give ${wanted}`);
      }
    }
  }
});

Deno.test("gradients() at kinks is the one that is documented", async () => {
  const table: [name: string, expression: (x: Value) => Value, at: number[], wanted: number[]][] = [
    ["max shares among ties", (x) => f.max(x), [1, 1, 0], [0.5, 0.5, 0]],
    ["max shares among all", (x) => f.max(x), [2, 2, 2], [1 / 3, 1 / 3, 1 / 3]],
    ["relu is 0 at 0", (x) => f.sum(f.relu(x)), [-1, 0, 1], [0, 0, 1]],
    ["abs is 0 at 0", (x) => f.sum(f.abs(x)), [-1, 0, 1], [-1, 0, 1]],
    ["greater is flat", (x) => f.sum(f.mul(f.greater(x, 0), x)), [-1, 0, 1], [0, 0, 1]],
    ["equal is flat", (x) => f.sum(f.mul(f.equal(x, 1), x)), [-1, 0, 1], [0, 0, 1]],
    ["select has no gradient to its condition", (x) => f.sum(f.select(x, f.mul(x, 2), 5)), [-1, 0, 1], [2, 0, 2]],
    ["stopGradient stops", (x) => f.sum(f.mul(f.stopGradient(x), x)), [-1, 0, 3], [-1, 0, 3]],
    ["what is not read has gradient 0", () => f.constant(1), [-1, 0, 3], [0, 0, 0]],
  ];
  for (const [name, expression, at, wanted] of table) {
    const leaf = input("x", [at.length]);
    const loss = expression(leaf);
    const numbers = { x: { shape: [at.length], data: Float64Array.from(at) } };
    const [gradient] = gradients(loss, [leaf]);
    const found = await runner({ gradient, read: leaf }, numbers)();
    assertEquals([...found.gradient.data].map((number) => number + 0), wanted, name);
  }
});

Deno.test("gradients() wants a scalar", () => {
  assertThrows(
    () => gradients(input("x", ["batch"]), []),
    RangeError,
    "Cannot differentiate: the loss must be a scalar, found [batch]",
  );
});

Deno.test("apply() refuses shapes that do not fit", () => {
  const table: [wrong: () => Value, message: string][] = [
    [() => f.constant([1, 2], [3]), "Cannot apply constant: [3] needs 3 numbers, found 2"],
    [() => f.matmul(a(2, 3), a(2, 3)), "[m, k] x [k, n] or [e, m, k] x [e, k, n] is needed, found [2, 3] x [2, 3]"],
    [() => f.matmul(a(2, 3), a(3)), "Cannot apply matmul: "],
    [() => f.matmul(a(3), a(3)), "Cannot apply matmul: "],
    [() => f.matmul(a(2, 3, 4), a(4, 5)), "Cannot apply matmul: "],
    [() => f.matmul(a(2, 3, 4), a(3, 4, 5)), "Cannot apply matmul: "],
    [() => f.matmul(a(1, 3, 4), a(2, 4, 5)), "Cannot apply matmul: "],
    [() => f.matmul(a(1, 1, 3, 4), a(1, 1, 4, 5)), "Cannot apply matmul: "],
    [() => f.matmul(a("batch", 3), a("batch", 4)), "Cannot apply matmul: "],
    [() => f.add(a(2), a(3)), "Cannot apply add: the shapes [2] and [3] do not broadcast"],
    [() => f.sub(a("batch", 2), a(5, 2)), "Cannot apply sub: the shapes [batch, 2] and [5, 2] do not broadcast"],
    [() => f.mul(a("batch", 3), a("batch")), "Cannot apply mul: the shapes [batch, 3] and [batch] do not broadcast"],
    [() => f.div(a(2, 1, 3), a(3, 2)), "Cannot apply div: "],
    [() => f.greater(a(2), a(3)), "Cannot apply greater: the shapes [2] and [3] do not broadcast"],
    [() => f.equal(a(2), a(3)), "Cannot apply equal: the shapes [2] and [3] do not broadcast"],
    [() => f.select(a(2), a(3), a(1)), "Cannot apply select: the shapes [2] and [3] do not broadcast"],
    [() => f.select(a(1), a(3), a(2)), "Cannot apply select: the shapes [3] and [2] do not broadcast"],
    [() => f.sum(a("batch", 3), { axes: [2] }), "Cannot apply sum: [batch, 3] has no axis 2"],
    [() => f.max(a("batch", 3), { axes: [0, 3] }), "Cannot apply max: [batch, 3] has no axis 3"],
    [() => f.softmax(a()), "Cannot apply softmax: a scalar has no axis to normalise over"],
    [() => f.topMask(a("batch", 3), 4), "Cannot apply topMask: the last axis of [batch, 3] has no 4 elements"],
    [() => f.topMask(a(2, "batch"), 1), "Cannot apply topMask: the last axis of [2, batch] has no 1 elements"],
    [() => f.topMask(a(), 1), "Cannot apply topMask: the last axis of [] has no 1 elements"],
    [() => apply("runningSum", [a()]), "Cannot apply runningSum: a scalar has no axis to sum along"],
    [() => f.mean(a("batch", 3), { axes: [0] }), "Cannot apply mean: the batch has no fixed length"],
    [() => f.mean(a("batch", 3), { axes: [2] }), "Cannot apply sum: [batch, 3] has no axis 2"],
    [() => f.reshape(a(2, 3), [4]), "Cannot apply reshape: [2, 3] and [4] do not hold the same number of elements"],
    [() => f.reshape(a("batch", 3), [3]), "Cannot apply reshape: "],
    [() => f.reshape(a("batch", 3), ["batch", 4]), "Cannot apply reshape: "],
    [() => f.broadcast(a(2), [3]), "Cannot apply broadcast: [2] cannot be stretched to [3]"],
    [() => f.broadcast(a(2, 3), [3]), "Cannot apply broadcast: [2, 3] cannot be stretched to [3]"],
    [() => f.broadcast(a("batch"), [1]), "Cannot apply broadcast: [batch] cannot be stretched to [1]"],
    [() => f.transpose(a(2, 3), [0]), "Cannot apply transpose: [0] does not order the axes of [2, 3]"],
    [() => f.transpose(a(2, 3), [0, 2]), "Cannot apply transpose: [0,2] does not order the axes of [2, 3]"],
    [() => f.concat([a(2, 3), a(3, 3)]), "Cannot apply concat: [2, 3], [3, 3] cannot be joined along axis 1"],
    [() => f.concat([a(2, 3), a(2)]), "Cannot apply concat: "],
    [() => f.concat([a(2, 3), a(2, 3)], 2), "Cannot apply concat: "],
    [() => f.concat([a("batch", 3), a("batch", 3)], 0), "Cannot apply concat: "],
    [() => f.slice(a("batch", 3), 2, 2), "Cannot apply slice: [batch, 3] has no elements 2 to 4 along axis 1"],
    [() => f.slice(a("batch", 3), 0, 1, 0), "Cannot apply slice: [batch, 3] has no elements 0 to 1 along axis 0"],
    [() => f.slice(a(3), 0, 1, 1), "Cannot apply slice: "],
    [() => f.pad(a("batch", 3), 1, 1, 0), "Cannot apply pad: axis 0 of [batch, 3] has no fixed length"],
    [() => f.pad(a(3), 1, 1, 1), "Cannot apply pad: "],
    [
      () => f.multiHot(codes("batch", 2), [3]),
      "Cannot apply multiHot: codes must be [batch, 1], one column per size, found [batch, 2]",
    ],
    [() => f.multiHot(codes("batch"), [3]), "Cannot apply multiHot: "],
    [
      () => apply("pick", [codes("batch", 2)], { columns: [2], first: [0] }),
      "Cannot apply pick: columns of codes [batch, columns], and the first code of each, are needed, found [batch, 2] " +
      "and columns [2] from [0]",
    ],
    [() => apply("pick", [codes("batch", 2)], { columns: [1], first: [0, 1] }), "Cannot apply pick: "],
    [
      () => f.gatherSum(a(4), codes("batch", 1), [4]),
      "Cannot apply gatherSum: a table [4, width] and codes [batch, 1] are needed, found [4] and [batch, 1]",
    ],
    [() => f.gatherSum(a(4, 2), codes("batch"), [4]), "Cannot apply gatherSum: "],
    [() => f.gatherSum(a(4, 2), codes("batch", 2), [3, 2]), "Cannot apply gatherSum: "],
    [() => f.gatherSum(a("batch", 2), codes("batch", 1), [4]), "Cannot apply gatherSum: "],
    [
      () => apply("scatterAdd", [codes(3, 1), a(4, 2)], { sizes: [5] }),
      "Cannot apply scatterAdd: codes [batch, 1] and rows [batch, width] are needed, found [3, 1] and [4, 2]",
    ],
    [() => apply("scatterAdd", [codes(3, 1), a(3)], { sizes: [5] }), "Cannot apply scatterAdd: "],
    [
      () => f.weightedHot(codes("batch", 2), a("batch", 3), 4),
      "Cannot apply weightedHot: codes [batch, items] and weights [batch, items] are needed, found [batch, 2] and " +
      "[batch, 3]",
    ],
    [() => f.weightedHot(codes("batch"), a("batch"), 4), "Cannot apply weightedHot: "],
    [
      () => f.weightedSum(a(4), codes("batch", 2), a("batch", 2)),
      "Cannot apply weightedSum: a table [size, width], codes [batch, items] and weights [batch, items] are needed, " +
      "found [4] and [batch, 2] and [batch, 2]",
    ],
    [() => f.weightedSum(a("batch", 2), codes("batch", 2), a("batch", 2)), "Cannot apply weightedSum: "],
    [() => f.weightedSum(a(4, 2), codes("batch", 2), a("batch", 1)), "Cannot apply weightedSum: "],
    [
      () => apply("weightedScatter", [codes("batch", 2), a("batch", 2), a(3, 2)], { size: 5 }),
      "Cannot apply weightedScatter: codes [batch, items], weights [batch, items] and rows [batch, width] are needed, " +
      "found [batch, 2] and [batch, 2] and [3, 2]",
    ],
    [
      () => apply("weightedScatter", [codes(3, 1), a(3, 2), a(3, 2)], { size: 5 }),
      "Cannot apply weightedScatter: ",
    ],
    [
      () => apply("topPlaces", [a("batch", 3), a("batch", 4)], { k: 2 }),
      "Cannot apply topPlaces: values [batch, n] of one shape, n at least 2, are needed, found [batch, 3], [batch, 4]",
    ],
    [() => apply("topPlaces", [a("batch", 3)], { k: 4 }), "Cannot apply topPlaces: "],
    [() => apply("topPlaces", [a(2, "batch")], { k: 1 }), "Cannot apply topPlaces: "],
    [() => apply("topPlaces", [a(2, "batch", 3)], { k: 1 }), "Cannot apply topPlaces: "],
    [
      () => apply("routed", [a("batch", 3), a(4, 2, 5), codes("batch", 2)]),
      "Cannot apply routed: rows [batch, width] or [batch, k, width], kernels [experts, width, units] and codes " +
      "[batch, k] are needed, found [batch, 3] and [4, 2, 5] and [batch, 2]",
    ],
    [() => apply("routed", [a("batch", 3, 2), a(4, 2, 5), codes("batch", 2)]), "Cannot apply routed: "],
    [() => apply("routed", [a("batch", 2), a(2, 5), codes("batch", 2)]), "Cannot apply routed: "],
    [() => apply("routed", [a("batch", 2), a(4, 2, 5), codes("batch")]), "Cannot apply routed: "],
    [() => apply("routed", [a(7, 2), a(4, 2, 5), codes("batch", 2)]), "Cannot apply routed: "],
    [
      () => apply("routedKernels", [a("batch", 3), a("batch", 4), codes("batch", 2)], { experts: 2 }),
      "Cannot apply routedKernels: rows [batch, width] or [batch, k, width], gradients [batch, k, units] and codes " +
      "[batch, k] are needed, found [batch, 3] and [batch, 4] and [batch, 2]",
    ],
    [
      () => apply("routedKernels", [a("batch", 3), a("batch", 3, 4), codes("batch", 2)], { experts: 2 }),
      "Cannot apply routedKernels: ",
    ],
    [() => f.inTraining(a(2), a(3)), "Cannot apply inTraining: both phases need one shape, found [2] and [3]"],
  ];
  for (const [wrong, message] of table) assertThrows(wrong, RangeError, message);
  const refused = new Set(table.map(([, message]) => /^Cannot apply (\w+)/.exec(message)?.[1]));
  const fitting = ["input", "parameter", "noise", "neg", "exp", "log", "sqrt", "relu", "sigmoid", "tanh", "softplus"];
  const silent = Object.keys(ops).filter((op) => !refused.has(op));
  assertEquals(silent, [...fitting, "stopGradient"]);
});

Deno.test("apply() refuses settings, types and counts that the op does not take", () => {
  const attrs = { name: "a", shape: [2], type: "float" };
  const table: [wrong: () => Value, message: string][] = [
    [() => apply("add", [a(2)]), "Cannot apply add: it takes 2 values, found 1"],
    [() => apply("concat", [], { axis: 0 }), "Cannot apply concat: it takes at least 1 values, found 0"],
    [() => apply("input", [], { ...attrs, name: "" }), 'Cannot apply input: "" is an invalid "name"'],
    [() => apply("input", [], { ...attrs, shape: [0] }), 'Cannot apply input: [0] is an invalid "shape"'],
    [() => apply("input", [], { ...attrs, shape: ["rows"] }), 'Cannot apply input: ["rows"] is an invalid "shape"'],
    [() => apply("input", [], { ...attrs, type: "text" }), 'Cannot apply input: "text" is an invalid "type"'],
    [() => apply("input", [], { ...attrs, init: 0 }), 'Cannot apply input: it has no setting "init"'],
    [() => apply("parameter", [], { name: "w", shape: ["batch"], init: zeros }), 'Cannot apply parameter: ["batch"]'],
    [() => apply("parameter", [], { name: "w", shape: [2], init: { kind: "zeros" } }), "Cannot apply parameter: "],
    [() => apply("parameter", [], { name: "w", shape: [2], init: { ...zeros, scale: 1 } }), "Cannot apply parameter: "],
    [
      () => apply("noise", [], { name: "n", shape: [2], kind: "cauchy" }),
      'Cannot apply noise: "cauchy" is an invalid',
    ],
    [() => f.constant([NaN]), 'Cannot apply constant: [NaN] is an invalid "data"'],
    [() => f.constant(Infinity), "Cannot apply constant: "],
    [() => apply("sum", [a(2)], { axes: [0] }), ' is an invalid "keep"'],
    [() => f.sum(a(2, 2), { axes: [0, 0] }), 'Cannot apply sum: [0,0] is an invalid "axes"'],
    [() => f.sum(a(2), { axes: [-2] }), 'Cannot apply sum: [-1] is an invalid "axes"'],
    [() => f.sum(a()), 'Cannot apply sum: [-1] is an invalid "axes"'],
    [() => f.topMask(a(3), 0), 'Cannot apply topMask: 0 is an invalid "k"'],
    [() => f.topMask(a(3), 1.5), 'Cannot apply topMask: 1.5 is an invalid "k"'],
    [() => f.slice(a(3), -1, 1), 'Cannot apply slice: -1 is an invalid "start"'],
    [() => f.slice(a(3), 0, 0), 'Cannot apply slice: 0 is an invalid "size"'],
    [() => f.pad(a(3), -1, 0), 'Cannot apply pad: -1 is an invalid "before"'],
    [() => f.transpose(a(2, 2), [0, 0]), 'Cannot apply transpose: [0,0] is an invalid "order"'],
    [() => f.reshape(a(2), [-1]), 'Cannot apply reshape: [-1] is an invalid "shape"'],
    [() => f.multiHot(codes("batch", 1), [0]), 'Cannot apply multiHot: [0] is an invalid "sizes"'],
    [
      () => apply("scatterAdd", [codes(3, 1), a(3, 2)], { sizes: [1.5] }),
      'Cannot apply scatterAdd: [1.5] is an invalid "sizes"',
    ],
    [() => f.multiHot(a("batch", 1), [2]), "Cannot apply multiHot: argument 0 must be int, found float"],
    [() => f.gatherSum(a(4, 2), a("batch", 1), [4]), "Cannot apply gatherSum: argument 1 must be int, found float"],
    [() => f.add(codes("batch"), 1), "Cannot apply add: argument 0 must be float, found int"],
    [() => f.inTraining(codes("batch"), a("batch")), "Cannot apply inTraining: argument 0 must be float, found int"],
  ];
  for (const [wrong, message] of table) assertThrows(wrong, TypeError, message);
});

const zeros = { kind: "constant", value: 0 };

function a(...shape: Shape): Value {
  return input("a", shape);
}

function codes(...shape: Shape): Value {
  return apply("input", [], { name: "codes", shape, type: "int" });
}

function input(name: string, shape: Shape): Value {
  return apply("input", [], { name, shape, type: "float" });
}

// Running and differencing cases.

/** Float64 numbers that may be changed in place, or codes. */
interface Numbers {
  readonly shape: readonly number[];
  readonly data: Float64Array | Int32Array;
}

/** Inputs and parameters of a case, by name. */
function numbersOf({ inputs, store }: Case): Record<string, Numbers> {
  const named = Object.entries({ ...inputs(), ...store }).map(([name, { shape, data }]) =>
    [name, { shape, data: data instanceof Int32Array ? data : Float64Array.from(data) }] as const
  );
  return Object.fromEntries(named);
}

/** A case's result, contracted to a scalar with a random direction; its real leaves; and the numbers of all leaves. */
function contracted(row: Case): { loss: Value; leaves: Value[]; numbers: Record<string, Numbers> } {
  const value = row.build();
  const leaves = inOrder([value]).filter(({ op, type }) =>
    op !== "constant" && ops[op].arity === 0 && type === "float"
  );
  const product = f.mul(value, input("direction", value.shape));
  const numbers = numbersOf(row);
  const shape = withBatch(value.shape, batchOf(value, numbers));
  const { uniform } = random(`${row.name}:direction`);
  const direction = { shape, data: new Float64Array(sizeOf(shape)).map(() => 2 * uniform() - 1) };
  const loss = f.sum(product, { axes: shape.map((_, axis) => axis) });
  return { loss, leaves, numbers: { ...numbers, direction } };
}

/** Runs expressions on numbers, as they are when it is called; those that the expressions do not read are left out. */
function runner(
  outputs: Record<string, Value>,
  numbers: Record<string, Numbers>,
): () => Promise<Record<string, Tensor>> {
  const graph = graphOf(outputs);
  const read = (...kinds: Op[]) =>
    graph.nodes.filter(({ op }) => kinds.includes(op)).map(({ attrs }) => attrs.name as string);
  const pick = (names: string[]) => Object.fromEntries(names.map((name) => [name, numbers[name]]));
  const parameters = read("parameter");
  const store = engine.store(pick(parameters));
  const program = engine.load(graph, store);
  const inputs = pick(read("input", "noise"));
  return () => {
    for (const name of parameters) store.write(name, numbers[name]);
    return program.run(inputs);
  };
}

/** The central difference of a function of one number of an array. */
async function slope(data: Float64Array | Int32Array, i: number, run: () => Promise<number>): Promise<number> {
  const [at, step] = [data[i], 1e-5];
  const [below, above] = [at - step, at + step];
  data[i] = above;
  const high = await run();
  data[i] = below;
  const low = await run();
  data[i] = at;
  return (high - low) / (above - below);
}

function batchOf(value: Value, numbers: Record<string, Numbers>): number {
  for (const { op, shape, attrs } of inOrder([value])) {
    if (op === "input" || op === "noise") {
      const axis = shape.indexOf("batch");
      if (axis >= 0) return numbers[attrs.name as string].shape[axis];
    }
  }
  return 1;
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, length) => size * length, 1);
}
