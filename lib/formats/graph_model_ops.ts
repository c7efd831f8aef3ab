import type { Shape } from "../ops/shape.ts";
import type { Op } from "../ops/value.ts";
import { type DataType, typeOf, type Writer } from "./graph_model_writer.ts";
import { type CodeRange, columnsOf, type Place, type Translated, type Translation } from "./translation.ts";

/** Each op as nodes of standard TensorFlow ops, those that TensorFlow.js runs on every backend: op to translation. */
export const translations: Readonly<Record<Translated, Translation<Writer>>> = {
  matmul: (write, of, { shape }) => write.node(shape.length === 2 ? "MatMul" : "BatchMatMulV2", of, float),

  add: direct("AddV2"),
  sub: direct("Sub"),
  mul: direct("Mul"),
  div: direct("RealDiv"),

  neg: direct("Neg"),
  exp: direct("Exp"),
  log: direct("Log"),
  sqrt: direct("Sqrt"),
  relu: direct("Relu"),
  sigmoid: direct("Sigmoid"),
  tanh: direct("Tanh"),
  softplus: direct("Softplus"),

  greater: (write, of) => number(write, write.node("Greater", of, float)),
  equal: (write, of) => number(write, write.node("Equal", of, float)),
  select: (write, [condition, a, b]) => {
    const chosen = write.node("NotEqual", [condition, write.floats([0], [])], float);
    return write.node("SelectV2", [chosen, a, b], float);
  },

  sum: reduction("Sum"),
  max: reduction("Max"),
  softmax: direct("Softmax"),
  topMask: (write, [x], { attrs, shape }) => {
    const top = write.node("TopKV2", [x, write.ints([attrs.k as number], [])], { ...float, sorted: { b: true } });
    const all = write.ints(Array.from({ length: shape[shape.length - 1] as number }, (_, at) => at));
    const places = write.node("ExpandDims", [`${top}:1`, write.ints([-1], [])], { T: int, Tdim: int }); // [..., k, 1]
    const marks = number(write, write.node("Equal", [places, all], { T: int })); // [..., k, width]
    return write.node("Sum", [marks, write.ints([shape.length - 1])], { ...float, Tidx: int, keep_dims: { b: false } });
  },
  runningSum: (write, [x]) => {
    const settings = { ...float, Tidx: int, exclusive: { b: true }, reverse: { b: false } };
    return write.node("Cumsum", [x, write.ints([0], [])], settings);
  },

  reshape: (write, [x], { shape }) => {
    const counted = shape.filter((dim) => dim === "batch").length > 1;
    const lengths = counted ? write.lengths(shape) : write.ints(shape.map((dim) => dim === "batch" ? -1 : dim));
    return write.node("Reshape", [x, lengths], { ...float, Tshape: int });
  },
  broadcast: (write, [x], { shape, of: [from] }) => {
    const missing = shape.map((dim, axis) => dim === from[axis - shape.length + from.length] ? 1 : dim);
    if (missing.includes("batch")) {
      return write.node("BroadcastTo", [x, write.lengths(shape)], { ...float, Tidx: int });
    }
    const lengths = missing as number[];
    const size = lengths.reduce((product, length) => product * length, 1);
    return write.node("Mul", [x, write.floats(Array(size).fill(1), lengths)], float);
  },
  transpose: (write, [x], { attrs }) =>
    write.node("Transpose", [x, write.ints(attrs.order as number[])], { ...float, Tperm: int }),
  concat: (write, of, { attrs }) => concat(write, of, attrs.axis as number),
  slice: (write, [x], { attrs, shape }) => {
    const begin = shape.map((_, axis) => axis === attrs.axis ? attrs.start as number : 0);
    const size = shape.map((_, axis) => axis === attrs.axis ? attrs.size as number : -1);
    return write.node("Slice", [x, write.ints(begin), write.ints(size)], { ...float, Index: int });
  },
  pad: (write, [x], { attrs, shape }) => {
    const sides = shape.flatMap((_, axis) =>
      axis === attrs.axis ? [attrs.before as number, attrs.after as number] : [0, 0]
    );
    const inputs = [x, write.ints(sides, [shape.length, 2]), write.floats([0], [])];
    return write.node("PadV2", inputs, { ...float, Tpaddings: int });
  },

  pick: (write, [codes], { attrs }) => {
    const own = gathered(write, "DT_INT32", codes, write.ints(attrs.columns as number[]), 1);
    return write.node("Sub", [own, write.ints(attrs.first as number[])], { T: int });
  },
  multiHot,
  gatherSum,
  scatterAdd: (write, [codes, x], place) => {
    const turned = write.node("Transpose", [multiHot(write, [codes], place), write.ints([1, 0])], {
      ...float,
      Tperm: int,
    });
    return write.node("MatMul", [turned, x], float);
  },

  weightedHot,
  weightedSum: (write, [table, codes, weights], { of: [[size]] }) => {
    const near = nearest(write, codes, [0], [(size as number) - 1]);
    const rows = gathered(write, "DT_FLOAT", table, near, 0); // [batch, items, width]
    const inside = number(write, write.node("Equal", [codes, near], { T: int }));
    return weighed(write, write.node("Mul", [weights, inside], float), rows);
  },
  weightedScatter: (write, [codes, weights, x], place) => {
    const order = { ...float, Tperm: int };
    const turned = write.node("Transpose", [weightedHot(write, [codes, weights], place), write.ints([1, 0])], order);
    return write.node("MatMul", [turned, x], float);
  },

  topPlaces: (write, of, { attrs }) => {
    const places = of.map((x) => {
      const settings = { ...float, sorted: { b: true } };
      return `${write.node("TopKV2", [x, write.ints([attrs.k as number], [])], settings)}:1`;
    });
    if (places.length === 1) return write.node("Identity", places, { T: int });
    return write.node("ConcatV2", [...places, write.ints([1], [])], {
      T: int,
      Tidx: int,
      N: { i: `${places.length}` },
    });
  },
  routed: (write, [x, kernels, codes], { of: [rows, , chosen] }) => {
    const own = gathered(write, "DT_FLOAT", kernels, codes, 0); // [batch, k, width, units]
    const [width, k] = [rows[rows.length - 1] as number, chosen[1] as number];
    const products = write.node("BatchMatMulV2", [eachOnce(write, x, rows, k, [1, width]), own], float);
    return write.node("Squeeze", [products], { ...float, squeeze_dims: { list: { i: ["2"] } } });
  },
  routedKernels: (write, [x, g, codes], { attrs, shape, of: [rows, , chosen] }) => {
    const [experts, width, units] = shape as number[];
    const k = chosen[1] as number;
    const lengths = (...numbers: number[]) => write.ints(numbers);
    const reshaped = { ...float, Tshape: int };
    const gradients = write.node("Reshape", [g, lengths(-1, k, 1, units)], reshaped);
    const all = write.node("BatchMatMulV2", [eachOnce(write, x, rows, k, [width, 1]), gradients], float);
    const wide = write.node("Reshape", [all, lengths(-1, width * units)], reshaped); // [batch k, width units]
    const single = write.node("Reshape", [codes, lengths(1, -1)], { T: int, Tshape: int });
    const names = write.ints(Array.from({ length: attrs.experts as number }, (_, expert) => expert), [experts, 1]);
    const marks = number(write, write.node("Equal", [names, single], { T: int })); // [experts, batch k]
    return write.node("Reshape", [write.node("MatMul", [marks, wide], float), lengths(...shape as number[])], reshaped);
  },

  stopGradient: direct("Identity"),
};

/** Returns true if an op is translated, and not fed or stored. */
export function isTranslated(op: Op): op is Translated {
  return Object.hasOwn(translations, op);
}

const int = typeOf("DT_INT32");
const float = { T: typeOf("DT_FLOAT") };

function direct(op: string): Translation<Writer> {
  return (write, of) => write.node(op, of, float);
}

function reduction(op: string): Translation<Writer> {
  return (write, [x], { attrs }) => {
    const axes = attrs.axes as number[];
    if (axes.length === 0) return write.node("Identity", [x], float);
    return write.node(op, [x, write.ints(axes)], { ...float, Tidx: int, keep_dims: { b: attrs.keep as boolean } });
  };
}

/** Each column's code once for every size that the column has, compared with the codes in order. */
function multiHot(write: Writer, [codes]: readonly string[], { attrs }: Place): string {
  const sizes = attrs.sizes as number[];
  const columns = write.ints(sizes.flatMap((size, column) => Array(size).fill(column)));
  const wanted = write.ints(sizes.flatMap((size) => Array.from({ length: size }, (_, code) => code)));
  const spread = gathered(write, "DT_INT32", codes, columns, 1);
  return number(write, write.node("Equal", [spread, wanted], { T: int }));
}

/**
 * Sums of rows of a table. Where every code names one, by a kernel that TensorFlow.js has for sums of rows: its cpu backend
 * takes a microsecond for each number that it gathers otherwise.
 */
function gatherSum(write: Writer, [table, codes]: readonly string[], place: Place): string {
  const sizes = place.attrs.sizes as number[];
  const { columns = columnsOf(sizes), whole = true, known } = place;
  const named = columns.map(({ column }) => column);
  const own = whole ? codes : gathered(write, "DT_INT32", codes, write.ints(named), 1);
  const shifted = (codes: string) =>
    write.node("AddV2", [codes, write.ints(columns.map(({ row }) => row))], { T: int });
  if (known) {
    const places = columns.length === 1 && columns[0].row === 0 ? own : shifted(own);
    const flat = write.node("Reshape", [places, write.ints([-1])], { T: int, Tshape: int });
    const settings = { ...float, Tidx: int, Tsegmentids: int };
    return write.node("SparseSegmentSum", [table, flat, write.rows(columns.length)], settings);
  }
  const near = nearest(write, own, columns.map(({ least }) => least), columns.map(({ most }) => most));
  const rows = gathered(write, "DT_FLOAT", table, shifted(near), 0); // [batch, columns, width]
  const inside = number(write, write.node("Equal", [own, near], { T: int }));
  const counted = write.node("ExpandDims", [inside, write.ints([1], [])], { ...float, Tdim: int }); // [batch, 1, columns]
  const sums = write.node("BatchMatMulV2", [counted, rows], float); // [batch, 1, width]
  return write.node("Squeeze", [sums], { ...float, squeeze_dims: { list: { i: ["1"] } } });
}

/** Each code of a list compared with the codes in order, times the weights. */
function weightedHot(write: Writer, [codes, weights]: readonly string[], { attrs }: Pick<Place, "attrs">): string {
  const wanted = write.ints(Array.from({ length: attrs.size as number }, (_, code) => code));
  const each = write.node("ExpandDims", [codes, write.ints([2], [])], { T: int, Tdim: int }); // [batch, items, 1]
  return weighed(write, weights, number(write, write.node("Equal", [each, wanted], { T: int })));
}

/** Sums `[batch, width]` of rows `[batch, items, width]` times their weights `[batch, items]`. */
function weighed(write: Writer, weights: string, rows: string): string {
  const counted = write.node("ExpandDims", [weights, write.ints([1], [])], { ...float, Tdim: int }); // [batch, 1, items]
  const sums = write.node("BatchMatMulV2", [counted, rows], float); // [batch, 1, width]
  return write.node("Squeeze", [sums], { ...float, squeeze_dims: { list: { i: ["1"] } } });
}

/** Codes with the unknown one in the place of those that their columns do not have. */
export function knownCodes(write: Writer, codes: string, columns: readonly CodeRange[]): string {
  const near = nearest(write, codes, columns.map(() => 0), columns.map(({ size }) => size - 1));
  const where = (op: "Equal" | "NotEqual") =>
    write.node("Cast", [write.node(op, [codes, near], { T: int })], { SrcT: typeOf("DT_BOOL"), DstT: int });
  const inside = write.node("Mul", [codes, where("Equal")], { T: int });
  const outside = write.node("Mul", [where("NotEqual"), write.ints(columns.map(({ unknown }) => unknown))], { T: int });
  return write.node("AddV2", [inside, outside], { T: int });
}

/** Codes that are too small or too great for their column moved to the nearest that is not. */
function nearest(write: Writer, codes: string, least: readonly number[], most: readonly number[]): string {
  return write.node("Minimum", [write.node("Maximum", [codes, write.ints(least)], { T: int }), write.ints(most)], {
    T: int,
  });
}

function gathered(write: Writer, dtype: DataType, x: string, places: string, axis: number): string {
  const settings = { Tparams: typeOf(dtype), Tindices: int, Taxis: int, batch_dims: { i: "0" } };
  return write.node("GatherV2", [x, places, write.ints([axis], [])], settings);
}

/** Rows `[batch, width]` as often as there are codes for each, or `[batch, k, width]`, as matrices. */
function eachOnce(write: Writer, x: string, rows: Shape, k: number, matrix: readonly number[]): string {
  const own = write.ints([-1, rows.length === 3 ? k : 1, ...matrix]);
  const each = write.node("Reshape", [x, own], { ...float, Tshape: int });
  if (rows.length === 3 || k === 1) return each;
  return write.node("Tile", [each, write.ints([1, k, 1, 1])], { ...float, Tmultiples: int });
}

function number(write: Writer, truth: string): string {
  return write.node("Cast", [truth], { SrcT: typeOf("DT_BOOL"), DstT: typeOf("DT_FLOAT") });
}

function concat(write: Writer, of: readonly string[], axis: number): string {
  if (of.length === 1) return write.node("Identity", of, float);
  return write.node("ConcatV2", [...of, write.ints([axis], [])], { ...float, Tidx: int, N: { i: `${of.length}` } });
}
