import type { Op } from "../ops/value.ts";
import type { Writer } from "./onnx_writer.ts";
import type { Translated, Translation } from "./translation.ts";

/** Each op as nodes of standard ONNX ops: op to translation. */
export const translations: Readonly<Record<Translated, Translation<Writer>>> = {
  matmul: direct("MatMul"),

  add: direct("Add"),
  sub: direct("Sub"),
  mul: direct("Mul"),
  div: direct("Div"),

  neg: direct("Neg"),
  exp: direct("Exp"),
  log: direct("Log"),
  sqrt: direct("Sqrt"),
  relu: direct("Relu"),
  sigmoid: direct("Sigmoid"),
  tanh: direct("Tanh"),
  softplus: direct("Softplus"),

  greater: (write, of) => write.number(write.node("Greater", of)),
  equal: (write, of) => write.number(write.node("Equal", of)),
  select: (write, [condition, a, b]) => write.node("Where", [write.truth(condition), a, b]),

  sum: (write, [x], { attrs: { axes, keep } }) => {
    if ((axes as number[]).length === 0) return x;
    return write.node("ReduceSum", [x, write.places(axes as number[])], { keepdims: keep ? 1 : 0 });
  },
  max: (write, [x], { attrs: { axes, keep } }) => {
    if ((axes as number[]).length === 0) return x;
    return write.node("ReduceMax", [x], { axes: axes as number[], keepdims: keep ? 1 : 0 });
  },
  softmax: (write, of) => write.node("Softmax", of, { axis: -1 }),

  reshape: (write, [x], { shape }) => {
    const counted = shape.filter((dim) => dim === "batch").length > 1;
    const lengths = counted ? write.lengths(shape) : write.places(shape.map((dim) => dim === "batch" ? -1 : dim));
    return write.node("Reshape", [x, lengths]);
  },
  broadcast: (write, [x], { shape, of: [from] }) => {
    // A length of 1 keeps what is there, so that rows are counted only where they are what is missing.
    const missing = shape.map((dim, axis) => dim === from[axis - shape.length + from.length] ? 1 : dim);
    return write.node("Expand", [x, write.lengths(missing)]);
  },
  transpose: (write, of, { attrs }) => write.node("Transpose", of, { perm: attrs.order as number[] }),
  concat: (write, of, { attrs }) => of.length === 1 ? of[0] : write.node("Concat", of, { axis: attrs.axis as number }),
  slice: (write, [x], { attrs }) => {
    const [start, size] = [attrs.start as number, attrs.size as number];
    const places = [[start], [start + size], [attrs.axis as number]];
    return write.node("Slice", [x, ...places.map(write.places)]);
  },
  pad: (write, [x], { attrs, shape }) => {
    const side = (length: number) => shape.map((_, axis) => axis === attrs.axis ? length : 0);
    return write.node("Pad", [x, write.places([...side(attrs.before as number), ...side(attrs.after as number)])]);
  },

  multiHot: (write, [codes], { attrs, shape }) => {
    const sizes = attrs.sizes as number[];
    const starts = sizes.map((_, column) => sizes.slice(0, column).reduce((total, size) => total + size, 0));
    const { near, inside } = within(write, codes, write.codes(sizes.map((size) => size - 1)));
    const zeros = write.node("ConstantOfShape", [write.lengths(shape)]);
    const columns = write.node("Add", [near, write.codes(starts)]);
    return write.node("ScatterElements", [zeros, columns, write.number(inside)], { axis: 1 });
  },
  gather: (write, [table, codes], { of: [[rows]] }) => {
    const { near, inside } = within(write, codes, write.codes(rows as number - 1));
    return rowsWhere(write, inside, write.node("Gather", [table, near]));
  },
  scatterAdd: (write, [codes, x], { attrs, shape }) => {
    const { near, inside } = within(write, codes, write.codes(attrs.rows as number - 1));
    const zeros = write.node("ConstantOfShape", [write.lengths(shape)]);
    const places = write.node("Unsqueeze", [write.node("Cast", [near], { to: 7 }), write.places([1])]); // [batch, 1]
    return write.node("ScatterND", [zeros, places, rowsWhere(write, inside, x)], { reduction: "add" });
  },

  stopGradient: (_, [x]) => x,
};

/** Whether an op is translated, and not fed or stored. */
export function isTranslated(op: Op): op is Translated {
  return Object.hasOwn(translations, op);
}

function direct(op: string): Translation<Writer> {
  return (write, of) => write.node(op, of);
}

/** Codes moved into [0, last], and whether they were there: other runtimes refuse those that are not. */
function within(write: Writer, codes: string, last: string): { readonly near: string; readonly inside: string } {
  const near = write.node("Min", [write.node("Max", [codes, write.codes(0)]), last]);
  return { near, inside: write.node("Equal", [codes, near]) };
}

/** The rows for which something holds, zeros in the place of the others. */
function rowsWhere(write: Writer, holds: string, rows: string): string {
  const column = write.node("Unsqueeze", [holds, write.places([1])]); // [batch, 1]
  return write.node("Where", [column, rows, write.floats([0], [])]);
}
