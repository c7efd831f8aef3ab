import * as f from "../../ops/functions.ts";
import { apply } from "../../ops/table.ts";
import { sizeOf } from "../../ops/shape.ts";
import type { Tensor } from "../../ops/tensor.ts";
import type { Value } from "../../ops/value.ts";
import type { Computed } from "./loop.ts";

/**
 * Each op as a backend that is not ours is tried on it before it is used, in the places where backends have ways of their
 * own. Axes of length 1 and none, arrays that are stretched, inner axes, codes, marks (a comparison's 0 and 1), lengths
 * above and below those of a tile, far and missing numbers. The first are those that went wrong elsewhere. No result is
 * a small difference of large numbers.
 */
export const trials: Readonly<Record<Computed, () => readonly Value[]>> = {
  matmul: () => [
    f.matmul(some(5, 3), some(3, 4)),
    f.matmul(some(1, 7), some(7, 1)),
    f.matmul(some(4, 8), some(8, 8)),
    f.matmul(some(3, 300), some(300, 5)),
    f.matmul(some(33, 34), some(34, 35)),
    f.matmul(some(2, 5, 3), some(2, 3, 4)),
    f.matmul(f.transpose(some(3, 5)), f.transpose(some(4, 3))),
    f.matmul(marks(5, 3), some(3, 4)),
  ],

  add: () => [...paired(f.add), ...stretched(f.add)],
  sub: () => paired((a, b) => f.sub(a, f.add(b, 3))),
  mul: () => paired(f.mul),
  div: () => paired(f.div),

  neg: () => shaped(f.neg),
  exp: () => [...shaped(f.exp), f.exp(numbers(-200, -80, 0, 80))],
  log: () => [...shaped((x) => f.log(f.add(x, 1))), f.log(numbers(1e-20, 0.25, 1e20))],
  sqrt: () => [...shaped(f.sqrt), f.sqrt(numbers(0, 1e-20, 4, 1e20))],
  relu: () => [...shaped(f.relu), f.relu(numbers(-2, -0, 0, 3))],
  sigmoid: () => [...shaped(f.sigmoid), f.sigmoid(far)],
  tanh: () => [...shaped(f.tanh), f.tanh(far)],
  softplus: () => [...shaped(f.softplus), f.softplus(far)],

  greater: () => [...paired(f.greater), f.greater(ties, 0), f.greater(missing, 0)],
  equal: () => [...paired(f.equal), f.equal(some(5, 3), some(5, 3)), f.equal(ties, -0), f.equal(missing, missing)],
  select: () => [
    f.select(marks(5, 3), some(5, 3), f.neg(some(5, 3))),
    f.select(marks(5, 1), some(5, 3), f.constant(-1)),
    f.select(marks(1), some(2, 3, 1), some(1)),
    f.select(marks(), some(), f.constant(-1)),
    f.select(numbers(-2, 0, 0.5, -0, 1), some(5), f.neg(some(5))),
    f.select(f.equal(missing, missing), missing, 0),
  ],

  sum: () => reduced("sum", (x) => x),
  max: () => [...reduced("max", (x) => x), ...reduced("max", f.neg)],
  softmax: () => [
    f.softmax(some(5, 4)),
    f.softmax(some(1, 1)),
    f.softmax(some(3)),
    f.softmax(some(2, 3, 70)),
    f.softmax(f.constant([1000, 999, -1000, 0, 80, -80], [2, 3])),
  ],
  topMask: () => [
    f.topMask(some(5, 4), 2),
    f.topMask(some(1, 1), 1),
    f.topMask(some(7), 3),
    f.topMask(some(2, 3, 5), 1),
    f.topMask(some(3, 64), 3),
    f.topMask(f.constant([1, 1, 1, 0, 2, 2, 2, 2], [2, 4]), 2),
  ],
  runningSum: () => [[5, 3], [7], [1, 2], [3, 2, 4]].map((shape) => apply("runningSum", [some(...shape)])),

  reshape: () => [f.reshape(f.neg(some(2, 3)), [3, 2]), f.reshape(f.neg(some(1)), [])],
  stopGradient: () => [f.stopGradient(f.neg(some(5, 3)))],
  broadcast: () => [
    f.broadcast(some(5, 1), [5, 3]),
    f.broadcast(some(3), [2, 3]),
    f.broadcast(f.constant(2), [2, 3]),
    f.broadcast(marks(1, 3, 1), [2, 3, 5]),
  ],
  transpose: () =>
    [marks, some].flatMap((of) => [
      f.transpose(of(2, 3, 5), [1, 0, 2]),
      f.transpose(of(17, 35), [1, 0]),
      f.transpose(of(4), [0]),
      f.transpose(of(), []),
      f.transpose(of(5, 1), [1, 0]),
      f.transpose(of(2, 3, 5), [0, 2, 1]),
      f.transpose(of(2, 3, 4, 5), [3, 1, 0, 2]),
    ]),
  concat: () =>
    [marks, some].flatMap((of) => [
      f.concat([of(3, 2), of(3, 1), of(3, 3)]),
      f.concat([of(1, 3), of(2, 3)], 0),
      f.concat([of(2), of(1)]),
      f.concat([of(3, 2, 4), of(3, 1, 4)], 1),
      apply("concat", [of(3, 2)], { axis: 1 }),
    ]),
  slice: () =>
    [marks, some].flatMap((of) => [
      f.slice(of(5, 5), 1, 3),
      f.slice(of(4, 3, 2), 1, 2, 0),
      f.slice(of(3, 4, 2), 3, 1, 1),
      f.slice(of(1, 7), 6, 1),
      f.slice(of(7), 6, 1),
    ]),
  pad: () =>
    [marks, some].flatMap((of) => [
      f.pad(of(5, 3), 1, 2),
      f.pad(of(1, 1), 3, 0),
      f.pad(of(1), 3, 0),
      f.pad(of(2, 3), 0, 0),
      f.pad(of(3, 2, 3), 2, 1, 1),
    ]),

  pick: () => [
    apply("pick", [codes], { columns: [1], first: [0] }),
    apply("pick", [codes], { columns: [1, 0, 1], first: [0, 1, 2] }),
  ],
  multiHot: () => [f.multiHot(codes, [3, 4]), f.multiHot(code, [1]), f.transpose(f.multiHot(codes, [2, 2]))],
  gatherSum: () => [f.gatherSum(some(7, 3), codes, [3, 4]), f.gatherSum(some(1, 1), code, [1])],
  scatterAdd: () => [
    apply("scatterAdd", [codes, some(4, 3)], { sizes: [3, 4] }),
    apply("scatterAdd", [code, some(1, 1)], { sizes: [1] }),
  ],

  weightedHot: () => [
    f.weightedHot(codes, some(4, 2), 4),
    f.weightedHot(code, some(1, 1), 1),
    f.transpose(f.weightedHot(codes, some(4, 2), 3)),
  ],
  weightedSum: () => [f.weightedSum(some(4, 3), codes, some(4, 2)), f.weightedSum(some(1, 1), code, some(1, 1))],
  weightedScatter: () => [
    apply("weightedScatter", [codes, some(4, 2), some(4, 3)], { size: 4 }),
    apply("weightedScatter", [code, some(1, 1), some(1, 1)], { size: 1 }),
  ],

  topPlaces: () => [places(2, some(5, 4)), places(1, some(2, 1)), places(2, some(3, 5), f.neg(some(3, 5))), chosen],
  routed: () => [
    apply("routed", [some(3, 2, 4), some(6, 4, 2), chosen]),
    apply("routed", [some(3, 4), some(6, 4, 2), chosen]),
    apply("routed", [some(3, 1), some(6, 1, 3), chosen]),
  ],
  routedKernels: () => [
    apply("routedKernels", [some(3, 4), some(3, 2, 5), chosen], { experts: 6 }),
    apply("routedKernels", [some(3, 2, 1), some(3, 2, 5), chosen], { experts: 6 }),
  ],
};

/** The inputs that the trials read beside constants, by name. */
export const inputsOfTrials: Readonly<Record<string, Tensor>> = {
  codes: { shape: [4, 2], data: Int32Array.of(0, 3, 2, 1, -1, 4, 0, 1000) },
  code: { shape: [1, 1], data: Int32Array.of(0) },
  missing: { shape: [4], data: Float32Array.of(NaN, 0.5, NaN, -2) },
};
const [codes, code, missing] = Object.entries(inputsOfTrials).map(([name, { shape, data }]) =>
  apply("input", [], { name, shape, type: data instanceof Int32Array ? "int" : "float" })
);

const far = numbers(-80, -20, -5, 0.25, 5, 20, 80);
const ties = numbers(-1, -0, 0, 1e-20, 3);

/** Rows that go to the experts 0 and 3, 1 and 5, 0 and 3: none to the others. */
const chosen = places(2, f.constant([3, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 3, 0, 0, 2, 0, 0], [3, 6]));

/** Numbers in [0.5, 2.5), no two of one array alike. */
function some(...shape: number[]): Value {
  const data = Array.from({ length: sizeOf(shape) }, (_, at) => 0.5 + 2 * ((at * 0.6180339887) % 1));
  return f.constant(data.map(Math.fround), shape);
}

/** Marks, some of which are 0. */
function marks(...shape: number[]): Value {
  return f.greater(some(...shape), 1.25);
}

function numbers(...data: number[]): Value {
  return f.constant(data, [data.length]);
}

function places(k: number, ...of: Value[]): Value {
  return apply("topPlaces", of, { k });
}

/** An op of one value, on arrays of several shapes. */
function shaped(op: (x: Value) => Value): readonly Value[] {
  return [[5, 3], [], [1, 1], [4, 4], [2, 1, 5]].map((shape) => op(some(...shape)));
}

/** An op of two values of one shape, or one of which is stretched. */
function paired(op: (a: Value, b: Value) => Value): readonly Value[] {
  return [
    op(some(5, 3), f.sqrt(some(5, 3))),
    op(some(4, 4), f.sqrt(some(4, 4))),
    op(some(1, 1), f.sqrt(some(1, 1))),
    op(some(5, 3), f.constant(1.5)),
    op(some(5, 3), some(5, 1)),
    op(some(2, 1, 3), some(2, 4, 1)),
    op(marks(5, 3), some(3)),
  ];
}

/** An op of two values that stretch each other, or lack an axis. */
function stretched(op: (a: Value, b: Value) => Value): readonly Value[] {
  return [
    op(f.constant(1.5), f.constant(2)),
    op(some(3, 1), some(1, 4)),
    op(some(2), some(2, 3, 2)),
  ];
}

/** A reduction over every kind of axes, of numbers and of marks. */
function reduced(op: "sum" | "max", sign: (x: Value) => Value): readonly Value[] {
  const over = (x: Value, axes: readonly number[], keep = false) => apply(op, [sign(x)], { axes, keep });
  return [marks, some].flatMap((of) => [
    over(of(2, 3, 5), [1]),
    over(of(5, 3), [0]),
    over(of(5, 3), [1], true),
    over(of(5, 3), [0, 1]),
    over(of(5, 3), []),
    over(of(1, 1), [0]),
    over(of(7), [0]),
    over(of(2, 3, 5), [0, 2], true),
    over(of(2, 300), [1]),
    over(of(257, 2), [0]),
  ]);
}
