import { sameShape, type Shape, shapeText, sizeOf } from "./shape.ts";
import {
  areCodes,
  areRouted,
  batchAxes,
  beforeBatch,
  both,
  elementwise,
  fail,
  joined,
  type Pad,
  padded,
  permuted,
  productShape,
  reshaped,
  type Slice,
  sliced,
  stretched,
  total,
} from "./shape_rules.ts";
import {
  brief,
  isAxes,
  isAxis,
  isCount,
  isFeature,
  isFixedShape,
  isInit,
  isName,
  isNumbers,
  isPlaces,
  isRows,
  isShape,
  isSizes,
  isType,
  oneOf,
} from "./settings.ts";
import type { Attrs, Json, Op, Type, Value } from "./value.ts";
import { misapplied } from "../errors/misapplied.ts";

/**
 * An op: its arity, its settings, its shape rule and its gradient rule.
 *
 * Every op of Gatehouse is one row of {@linkcode ops}, and one row in the table of each engine.
 */
export interface Rule {
  /** The number of values that the op takes; undefined: one or more. */
  readonly arity: number | undefined;
  /** The settings that the op takes, each with a check of its value. */
  readonly attrs: Readonly<Record<string, (value: Json | undefined) => boolean>>;
  /** The result's shape; it throws a RangeError that names the shapes that do not fit. */
  readonly shape: (of: readonly Value[], attrs: Attrs) => Shape;
  /**
   * The axes of the first argument along which the op runs: elements of different places meet along them, or are
   * distinguished by their place. Along all others, one place of the result needs one place of the argument.
   */
  readonly along: (result: Value) => readonly number[];
  /** True if each place of the result depends on the same place of every argument alone, but along those axes. */
  readonly inPlace: boolean;
  /** Arithmetic stretches two values to one shape; a reduction takes away, or makes 1, the axes of its setting `axes`. */
  readonly kind?: "arithmetic" | "reduction";
  /** Positions of arguments: the result is 0 wherever all arguments of one of these lists are 0. */
  readonly zeros?: readonly (readonly number[])[];
  /** The result's type, float where absent. */
  readonly type?: (attrs: Attrs) => Type;
  /** The positions whose values must be codes, not real numbers. */
  readonly codes?: readonly number[];
  /** The gradient of each argument, given the result and its gradient; undefined where none flows. */
  readonly gradient?: (result: Value, gradient: Value) => readonly (Value | undefined)[];
}

/** The ops, one row each: leaves, product, arithmetic, functions, choices, reductions, rearrangements, rows, phases. */
export const ops: Readonly<Record<Op, Rule>> = {
  input: leaf({ name: isName, shape: isShape, type: isType }, (attrs) => attrs.type as Type),
  parameter: leaf({ name: isName, shape: isFixedShape, init: isInit, rows: isRows, feature: isFeature }),
  noise: leaf({ name: isName, shape: isShape, kind: oneOf("uniform", "normal") }),
  constant: leaf({ shape: isFixedShape, data: isNumbers }),

  matmul: {
    arity: 2,
    attrs: {},
    shape: ([a, b]) => productShape(a.shape, b.shape),
    along: ({ of: [a] }) => [a.shape.length - 1],
    inPlace: false,
    gradient: ({ of: [a, b] }, g) => [apply("matmul", [g, swap(b)]), apply("matmul", [swap(a), g])],
  },

  add: binary("add", (_, g) => [g, g]),
  sub: binary("sub", (_, g) => [g, neg(g)]),
  mul: binary("mul", ({ of: [a, b] }, g) => [mul(g, b), mul(g, a)], [[0], [1]]),
  div: binary("div", (y, g) => [div(g, y.of[1]), neg(mul(g, div(y, y.of[1])))], [[0]]),

  neg: unary((_, g) => neg(g), [[0]]),
  exp: unary((y, g) => mul(g, y)),
  log: unary(({ of: [x] }, g) => div(g, x)),
  sqrt: unary((y, g) => div(mul(g, scalar(0.5)), y)),
  relu: unary((y, g) => mul(g, apply("greater", [y, scalar(0)]))), // y is above 0 where x is, and stays anyway
  sigmoid: unary((y, g) => mul(g, mul(y, apply("sub", [scalar(1), y])))),
  tanh: unary((y, g) => mul(g, apply("sub", [scalar(1), mul(y, y)]))),
  softplus: unary(({ of: [x] }, g) => mul(g, apply("sigmoid", [x]))),

  greater: binary("greater"),
  equal: binary("equal"),
  select: {
    arity: 3,
    attrs: {},
    shape: ([condition, a, b]) => elementwise("select", condition.shape, elementwise("select", a.shape, b.shape)),
    along: noAxis,
    inPlace: true,
    zeros: [[1, 2]],
    gradient: ({ of: [condition, a, b] }, g) => [
      undefined,
      unbroadcast(apply("select", [condition, g, scalar(0)]), a.shape),
      unbroadcast(apply("select", [condition, scalar(0), g]), b.shape),
    ],
  },

  sum: reduction("sum", ({ of: [x], attrs }, g) => spread(g, x.shape, attrs)),
  max: reduction("max", (y, g) => {
    const [x] = y.of;
    const winners = apply("equal", [x, spread(y, x.shape, y.attrs)]);
    const ties = apply("sum", [winners], { axes: y.attrs.axes, keep: true });
    return mul(div(winners, ties), spread(g, x.shape, y.attrs));
  }),
  softmax: {
    arity: 1,
    attrs: {},
    shape: ([x]) => x.shape.length > 0 ? x.shape : fail("softmax", "a scalar has no axis to normalise over"),
    along: ({ shape }) => [shape.length - 1],
    inPlace: true,
    gradient: (y, g) => {
      const last = y.shape.length - 1;
      return [mul(y, apply("sub", [g, apply("sum", [mul(g, y)], { axes: [last], keep: true })]))];
    },
  },

  topMask: {
    arity: 1,
    attrs: { k: isCount },
    shape: ([x], attrs) => {
      const width = x.shape[x.shape.length - 1];
      const k = attrs.k as number;
      if (typeof width === "number" && k <= width) return x.shape;
      return fail("topMask", `the last axis of ${shapeText(x.shape)} has no ${k} elements`);
    },
    along: ({ shape }) => [shape.length - 1],
    inPlace: true,
  },
  runningSum: {
    arity: 1,
    attrs: {},
    shape: ([x]) => x.shape.length > 0 ? x.shape : fail("runningSum", "a scalar has no axis to sum along"),
    along: () => [0],
    inPlace: true,
    gradient: ({ of: [x] }, g) => {
      const all = spread(apply("sum", [g], { axes: [0], keep: true }), x.shape, { axes: [0] });
      return [apply("sub", [apply("sub", [all, apply("runningSum", [g])]), g])]; // what comes after
    },
  },

  reshape: {
    arity: 1,
    attrs: { shape: isShape },
    shape: ([x], attrs) => reshaped(x.shape, attrs.shape as Shape),
    along: ({ of: [x], shape }) =>
      String(beforeBatch(x.shape)) === String(beforeBatch(shape)) ? [] : batchAxes(x.shape),
    inPlace: false,
    gradient: ({ of: [x] }, g) => [reshape(g, x.shape)],
  },
  broadcast: {
    arity: 1,
    attrs: { shape: isShape },
    shape: ([x], attrs) => stretched(x.shape, attrs.shape as Shape),
    along: noAxis,
    inPlace: false,
    gradient: ({ of: [x] }, g) => [unbroadcast(g, x.shape)],
  },
  transpose: {
    arity: 1,
    attrs: { order: isAxes },
    shape: ([x], attrs) => permuted(x.shape, attrs.order as number[]),
    along: noAxis,
    inPlace: false,
    gradient: ({ attrs }, g) => {
      const order = attrs.order as number[];
      return [apply("transpose", [g], { order: order.map((_, axis) => order.indexOf(axis)) })];
    },
  },
  concat: {
    arity: undefined,
    attrs: { axis: isAxis },
    shape: (of, attrs) => joined(of.map((value) => value.shape), attrs.axis as number),
    along: ({ attrs }) => [attrs.axis as number],
    inPlace: false,
    gradient: ({ of, attrs }, g) => {
      const axis = attrs.axis as number;
      let start = 0;
      return of.map((value) => {
        const size = value.shape[axis] as number;
        start += size;
        return apply("slice", [g], { axis, start: start - size, size });
      });
    },
  },
  slice: {
    arity: 1,
    attrs: { axis: isAxis, start: isAxis, size: isCount },
    shape: ([x], attrs) => sliced(x.shape, attrs as unknown as Slice),
    along: ({ attrs }) => [attrs.axis as number],
    inPlace: false,
    gradient: ({ of: [x], attrs }, g) => {
      const { axis, start, size } = attrs as unknown as Slice;
      return [apply("pad", [g], { axis, before: start, after: (x.shape[axis] as number) - start - size })];
    },
  },
  pad: {
    arity: 1,
    attrs: { axis: isAxis, before: isAxis, after: isAxis },
    shape: ([x], attrs) => padded(x.shape, attrs as unknown as Pad),
    along: ({ attrs }) => [attrs.axis as number],
    inPlace: false,
    gradient: ({ of: [x], attrs }, g) => {
      const { axis, before } = attrs as unknown as Pad;
      return [apply("slice", [g], { axis, start: before, size: x.shape[axis] })];
    },
  },

  pick: {
    arity: 1,
    attrs: { columns: isPlaces, first: isPlaces },
    type: () => "int",
    codes: [0],
    along: () => [1],
    inPlace: false,
    shape: ([{ shape }], attrs) => {
      const [columns, first] = [attrs.columns as number[], attrs.first as number[]];
      const fits = shape.length === 2 && columns.length === first.length &&
        columns.every((column) => column < (shape[1] as number));
      if (fits) return [shape[0], columns.length];
      const wanted = `columns of codes [batch, columns], and the first code of each, are needed`;
      return fail("pick", `${wanted}, found ${shapeText(shape)} and columns [${columns}] from [${first}]`);
    },
  },
  multiHot: {
    arity: 1,
    attrs: { sizes: isSizes },
    codes: [0],
    along: () => [1],
    inPlace: false,
    shape: ([codes], attrs) => {
      const sizes = attrs.sizes as number[];
      if (!areCodes(codes.shape, sizes)) {
        fail(
          "multiHot",
          `codes must be [batch, ${sizes.length}], one column per size, found ${shapeText(codes.shape)}`,
        );
      }
      return [codes.shape[0], total(sizes)];
    },
  },
  gatherSum: {
    arity: 2,
    attrs: { sizes: isSizes },
    codes: [1],
    along: () => [0],
    inPlace: false,
    shape: ([table, codes], attrs) => {
      const sizes = attrs.sizes as number[];
      if (table.shape.length !== 2 || table.shape[0] !== total(sizes) || !areCodes(codes.shape, sizes)) {
        const wanted = `a table [${total(sizes)}, width] and codes [batch, ${sizes.length}] are needed`;
        fail("gatherSum", `${wanted}, found ${both(table.shape, codes.shape)}`);
      }
      return [codes.shape[0], table.shape[1]];
    },
    gradient: ({ of: [, codes], attrs }, g) => [apply("scatterAdd", [codes, g], attrs), undefined],
  },
  scatterAdd: {
    arity: 2,
    attrs: { sizes: isSizes },
    codes: [0],
    along: () => [0],
    inPlace: false,
    shape: ([codes, x], attrs) => {
      const sizes = attrs.sizes as number[];
      if (!areCodes(codes.shape, sizes) || x.shape.length !== 2 || codes.shape[0] !== x.shape[0]) {
        const wanted = `codes [batch, ${sizes.length}] and rows [batch, width] are needed`;
        fail("scatterAdd", `${wanted}, found ${both(codes.shape, x.shape)}`);
      }
      return [total(sizes), x.shape[1]];
    },
    gradient: ({ of: [codes], attrs }, g) => [undefined, apply("gatherSum", [g, codes], attrs)],
  },

  topPlaces: {
    arity: undefined,
    attrs: { k: isCount },
    type: () => "int",
    along: () => [1],
    inPlace: false,
    shape: (of, attrs) => {
      const [{ shape }] = of;
      const k = attrs.k as number;
      const fits = shape.length === 2 && shape[1] !== "batch" && k <= shape[1] &&
        of.every((value) => sameShape(value.shape, shape));
      if (fits) return [shape[0], of.length * k];
      const found = of.map((value) => shapeText(value.shape)).join(", ");
      return fail("topPlaces", `values [batch, n] of one shape, n at least ${k}, are needed, found ${found}`);
    },
  },
  routed: {
    arity: 3,
    attrs: {},
    codes: [2],
    along: ({ of: [x] }) => [x.shape.length - 1],
    inPlace: false,
    shape: ([x, kernels, codes]) => {
      const [, width, units] = kernels.shape;
      if (kernels.shape.length !== 3 || !areRouted(x.shape, codes.shape) || x.shape[x.shape.length - 1] !== width) {
        const wanted = "rows [batch, width] or [batch, k, width], kernels [experts, width, units] and codes [batch, k]";
        fail("routed", `${wanted} are needed, found ${both(x.shape, kernels.shape)} and ${shapeText(codes.shape)}`);
      }
      return [...codes.shape, units];
    },
    gradient: ({ of: [x, kernels, codes] }, g) => [
      perRow(apply("routed", [g, swap(kernels), codes]), x.shape),
      apply("routedKernels", [x, g, codes], { experts: kernels.shape[0] }),
      undefined,
    ],
  },
  routedKernels: {
    arity: 3,
    attrs: { experts: isCount },
    codes: [2],
    along: () => [0],
    inPlace: false,
    shape: ([x, g, codes], attrs) => {
      if (g.shape.length !== 3 || !areRouted(g.shape, codes.shape) || !areRouted(x.shape, codes.shape)) {
        const wanted = "rows [batch, width] or [batch, k, width], gradients [batch, k, units] and codes [batch, k]";
        fail("routedKernels", `${wanted} are needed, found ${both(x.shape, g.shape)} and ${shapeText(codes.shape)}`);
      }
      return [attrs.experts as number, x.shape[x.shape.length - 1], g.shape[2]];
    },
    gradient: ({ of: [x, g, codes] }, kernels) => [
      perRow(apply("routed", [g, swap(kernels), codes]), x.shape),
      apply("routed", [x, kernels, codes]),
      undefined,
    ],
  },

  stopGradient: unary(),
  inTraining: {
    arity: 2,
    attrs: {},
    along: noAxis,
    inPlace: true,
    shape: ([training, evaluation]) => {
      if (!sameShape(training.shape, evaluation.shape)) {
        fail("inTraining", `both phases need one shape, found ${both(training.shape, evaluation.shape)}`);
      }
      return training.shape;
    },
  },
};

/**
 * Applies an op: checks arity, settings, types and shapes, and returns the value.
 *
 * @param owner The owner of a parameter or a noise, see {@linkcode Value}.
 * @throws {TypeError} if the op does not take these settings, types or number of values.
 * @throws {RangeError} if the shapes do not fit.
 */
export function apply(op: Op, of: readonly Value[], attrs: Attrs = {}, owner?: object): Value {
  const rule: Rule = ops[op];
  if (rule.arity === undefined ? of.length === 0 : of.length !== rule.arity) {
    throw misapplied(
      new TypeError(`Cannot apply ${op}: it takes ${rule.arity ?? "at least 1"} values, found ${of.length}`),
    );
  }
  for (const [name, fits] of Object.entries(rule.attrs)) {
    if (!fits(attrs[name])) {
      throw misapplied(
        new TypeError(`Cannot apply ${op}: ${brief(attrs[name])} is an invalid ${JSON.stringify(name)}`),
      );
    }
  }
  const extra = Object.keys(attrs).find((name) => !Object.hasOwn(rule.attrs, name));
  if (extra !== undefined) {
    throw misapplied(new TypeError(`Cannot apply ${op}: it has no setting ${JSON.stringify(extra)}`));
  }
  of.forEach((value: unknown, position) => {
    if (!isValue(value)) {
      const found = typeof value === "function" ? "a function" : brief(value as Json | undefined);
      throw misapplied(new TypeError(`Cannot apply ${op}: argument ${position} must be a value, found ${found}`));
    }
    const wanted: Type = rule.codes?.includes(position) ? "int" : "float";
    if (value.type !== wanted) {
      throw misapplied(
        new TypeError(`Cannot apply ${op}: argument ${position} must be ${wanted}, found ${value.type}`),
      );
    }
  });
  const shape = rule.shape(of, attrs);
  return Object.freeze({ op, of: Object.freeze([...of]), attrs, shape, type: rule.type?.(attrs) ?? "float", owner });
}

/** Returns true if something is a value, as {@linkcode apply} returns it. */
export function isValue(found: unknown): found is Value {
  return typeof found === "object" && found !== null && "op" in found && typeof found.op === "string" &&
    Object.hasOwn(ops, found.op) && "of" in found && Array.isArray(found.of) && "shape" in found;
}

/** Sums a gradient over the axes along which a value was stretched, back to the value's shape. */
function unbroadcast(g: Value, shape: Shape): Value {
  if (sameShape(g.shape, shape)) return g;
  const lead = g.shape.length - shape.length;
  const axes = g.shape.flatMap((dim, axis) => axis < lead || (shape[axis - lead] === 1 && dim !== 1) ? [axis] : []);
  const summed = axes.length === 0 ? g : apply("sum", [g], { axes, keep: false });
  return sameShape(summed.shape, shape) ? summed : reshape(summed, shape);
}

// Kinds of rows.

function leaf(attrs: Rule["attrs"], type?: Rule["type"]): Rule {
  return {
    arity: 0,
    attrs,
    type,
    along: noAxis,
    inPlace: false,
    shape: (_, attrs) => {
      const shape = attrs.shape as Shape;
      if (Array.isArray(attrs.data) && attrs.data.length !== sizeOf(shape)) {
        fail("constant", `${shapeText(shape)} needs ${sizeOf(shape)} numbers, found ${attrs.data.length}`);
      }
      const values = (attrs.init as { values?: readonly number[] } | undefined)?.values;
      if (values !== undefined && values.length !== sizeOf(shape)) {
        fail("parameter", `${shapeText(shape)} begins with ${sizeOf(shape)} numbers, found ${values.length}`);
      }
      return shape;
    },
  };
}

function unary(gradient?: (result: Value, gradient: Value) => Value, zeros?: Rule["zeros"]): Rule {
  return {
    arity: 1,
    attrs: {},
    shape: ([x]) => x.shape,
    along: noAxis,
    inPlace: true,
    zeros,
    gradient: gradient && ((y, g) => [gradient(y, g)]),
  };
}

function binary(
  op: string,
  gradient?: (result: Value, gradient: Value) => [Value, Value],
  zeros?: Rule["zeros"],
): Rule {
  return {
    arity: 2,
    attrs: {},
    shape: ([a, b]) => elementwise(op, a.shape, b.shape),
    along: noAxis,
    inPlace: true,
    kind: gradient && "arithmetic", // comparisons have no gradient
    zeros,
    gradient: gradient && ((y, g) => gradient(y, g).map((part, i) => unbroadcast(part, y.of[i].shape))),
  };
}

function reduction(op: string, gradient: (result: Value, gradient: Value) => Value): Rule {
  return {
    arity: 1,
    attrs: { axes: isAxes, keep: (value) => typeof value === "boolean" },
    shape: ([x], attrs) => {
      const axes = attrs.axes as number[];
      const wrong = axes.find((axis) => axis >= x.shape.length);
      if (wrong !== undefined) fail(op, `${shapeText(x.shape)} has no axis ${wrong}`);
      return attrs.keep
        ? x.shape.map((dim, axis) => axes.includes(axis) ? 1 : dim)
        : x.shape.filter((_, axis) => !axes.includes(axis));
    },
    along: ({ attrs }) => attrs.axes as number[],
    inPlace: true,
    kind: "reduction",
    gradient: (y, g) => [gradient(y, g)],
  };
}

function noAxis(): readonly number[] {
  return [];
}

// What the gradient rules are written with.

function scalar(value: number): Value {
  return apply("constant", [], { shape: [], data: [value] });
}

function neg(x: Value): Value {
  return apply("neg", [x]);
}

function mul(a: Value, b: Value): Value {
  return apply("mul", [a, b]);
}

function div(a: Value, b: Value): Value {
  return apply("div", [a, b]);
}

function reshape(x: Value, shape: Shape): Value {
  return apply("reshape", [x], { shape });
}

function swap(x: Value): Value {
  const rank = x.shape.length;
  return apply("transpose", [x], { order: rank === 2 ? [1, 0] : [0, 2, 1] });
}

/** A gradient `[batch, k, width]` of rows of which there was one for each code, or one for all codes of a row. */
function perRow(g: Value, shape: Shape): Value {
  return shape.length === 3 ? g : apply("sum", [g], { axes: [1], keep: false });
}

/** Stretches the gradient or the result of a reduction back over the reduced axes. */
function spread(x: Value, shape: Shape, attrs: Attrs): Value {
  const axes = attrs.axes as number[];
  const kept = shape.map((dim, axis) => axes.includes(axis) ? 1 : dim);
  const aligned = sameShape(x.shape, kept) ? x : reshape(x, kept);
  return sameShape(kept, shape) ? aligned : apply("broadcast", [aligned], { shape });
}
