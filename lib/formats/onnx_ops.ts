import type { Shape } from "../ops/shape.ts";
import type { Op } from "../ops/value.ts";
import type { Writer } from "./onnx_writer.ts";
import { type CodeColumn, type CodeRange, columnsOf, type Translated, type Translation } from "./translation.ts";

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
  sigmoid: (write, [x]) => {
    // ONNX Runtime's Sigmoid is right to 1e-7 absolutely alone: 7 % off at -14, and exactly 0 from -18 on.
    const one = write.floats([1], []);
    return write.node("Div", [one, write.node("Add", [write.node("Exp", [write.node("Neg", [x])]), one])]);
  },
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
  topMask: (write, [x], { attrs, shape }) => {
    const places = write.node("TopK", [x, write.places([attrs.k as number])], { axis: -1 }, 1); // [..., k]
    const width = write.places([shape[shape.length - 1] as number]);
    const marks = write.node("OneHot", [places, width, write.floats([0, 1], [2])], { axis: -1 }); // [..., k, width]
    return write.node("ReduceSum", [marks, write.places([shape.length - 1])], { keepdims: 0 });
  },
  runningSum: (write, [x]) => write.node("CumSum", [x, write.codes(0)], { exclusive: 1 }),

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

  pick: (write, [codes], { attrs }) => {
    const first = attrs.first as number[];
    const own = write.node("Gather", [codes, write.codes(attrs.columns as number[])], { axis: 1 });
    return first.every((code) => code === 0) ? own : write.node("Sub", [own, write.codes(first)]);
  },
  multiHot: (write, [codes], { attrs, shape }) => {
    const { places, inside } = placed(write, codes, columnsOf(attrs.sizes as number[]));
    const zeros = write.node("ConstantOfShape", [write.lengths(shape)]);
    return write.node("ScatterElements", [zeros, places, write.number(inside)], { axis: 1 });
  },
  gatherSum: (write, [table, codes], { attrs, columns = columnsOf(attrs.sizes as number[]), whole = true, known }) => {
    const named = columns.map(({ column }) => column);
    const own = whole ? codes : write.node("Gather", [codes, write.codes(named)], { axis: 1 }); // [batch, columns]
    if (known) {
      const first = columns.every(({ row }) => row === 0);
      const places = first ? own : write.node("Add", [own, write.codes(columns.map(({ row }) => row))]);
      const rows = write.node("Gather", [table, places]); // [batch, columns, width]
      if (columns.length === 1) return write.node("Squeeze", [rows, write.places([1])]);
      return write.node("ReduceSum", [rows, write.places([1])], { keepdims: 0 });
    }
    const { places, inside } = placed(write, own, columns);
    const rows = write.node("Gather", [table, places]); // [batch, columns, width]
    const counted = write.node("Unsqueeze", [write.number(inside), write.places([1])]); // [batch, 1, columns]
    const sums = write.node("MatMul", [counted, rows]); // [batch, 1, width]
    return write.node("Squeeze", [sums, write.places([1])]);
  },
  scatterAdd: (write, [codes, x], { attrs, shape }) => {
    const { places, inside } = placed(write, codes, columnsOf(attrs.sizes as number[]));
    const zeros = write.node("ConstantOfShape", [write.lengths(shape)]);
    const counted = write.node("Unsqueeze", [write.number(inside), write.places([2])]); // [batch, columns, 1]
    const rows = write.node("Mul", [counted, write.node("Unsqueeze", [x, write.places([1])])]); // [batch, columns, width]
    const single = write.node("Unsqueeze", [write.node("Cast", [places], { to: 7 }), write.places([2])]);
    return write.node("ScatterND", [zeros, single, rows], { reduction: "add" });
  },

  weightedHot: (write, [codes, weights], { attrs }) => {
    const named = write.codes(Array.from({ length: attrs.size as number }, (_, code) => code));
    const marks = write.node("Equal", [write.node("Unsqueeze", [codes, write.places([2])]), named]);
    const counted = write.node("Unsqueeze", [weights, write.places([1])]); // [batch, 1, items]
    const sums = write.node("MatMul", [counted, write.number(marks)]); // [batch, 1, size]
    return write.node("Squeeze", [sums, write.places([1])]);
  },
  weightedSum: (write, [table, codes, weights], { of: [[size]] }) => {
    const { places, inside } = weighed(write, codes, weights, size as number);
    const rows = write.node("Gather", [table, places]); // [batch, items, width]
    const counted = write.node("Unsqueeze", [inside, write.places([1])]); // [batch, 1, items]
    return write.node("Squeeze", [write.node("MatMul", [counted, rows]), write.places([1])]);
  },
  weightedScatter: (write, [codes, weights, x], { attrs, shape }) => {
    const { places, inside } = weighed(write, codes, weights, attrs.size as number);
    const zeros = write.node("ConstantOfShape", [write.lengths(shape)]);
    const counted = write.node("Unsqueeze", [inside, write.places([2])]); // [batch, items, 1]
    const rows = write.node("Mul", [counted, write.node("Unsqueeze", [x, write.places([1])])]); // [batch, items, width]
    const single = write.node("Unsqueeze", [write.node("Cast", [places], { to: 7 }), write.places([2])]);
    return write.node("ScatterND", [zeros, single, rows], { reduction: "add" });
  },

  topPlaces: (write, of, { attrs }) => {
    const places = of.map((x) => write.node("TopK", [x, write.places([attrs.k as number])], { axis: -1 }, 1));
    const all = places.length === 1 ? places[0] : write.node("Concat", places, { axis: 1 });
    return write.node("Cast", [all], { to: 6 });
  },
  routed: (write, [x, ...others], { shape, of: [rows, [experts, width, units], chosen] }) => {
    const [kernels, codes] = [others.slice(0, -1), others[others.length - 1]]; // all as one, or each alone
    if (width === 1) {
      const own = write.node("Gather", [write.node("Squeeze", [kernels[0], write.places([1])]), codes]);
      const factors = rows.length === 3 ? x : write.node("Unsqueeze", [x, write.places([1])]);
      return write.node("Mul", [own, factors]); // [batch, k, units]
    }
    const count = experts as number;
    const { order, inverse, counts } = sorted(write, codes, count);
    const sent = pieces(write, x, rows, order, counts, chosen, count);
    const flat = (kernel: string) => write.node("Squeeze", [kernel, write.places([0])]);
    const own = kernels.length === count && count > 1 ? kernels : split(write, kernels[0], count).map(flat);
    const products = own.map((kernel, expert) => write.node("MatMul", [sent[expert], kernel]));
    const found = write.node("Gather", [joinedRows(write, products), inverse]); // [batch k, units]
    return write.node("Reshape", [found, write.places([-1, shape[1] as number, units as number])]);
  },
  routedKernels: (write, [x, g, codes], { shape, of: [rows, gradients, chosen] }) => {
    const [experts, width, units] = shape as number[];
    if (width === 1) {
      const factors = rows.length === 3 ? x : write.node("Unsqueeze", [x, write.places([1])]);
      const all = write.node("Reshape", [write.node("Mul", [g, factors]), write.places([-1, units])]);
      const marks = write.number(
        write.node("Equal", [
          write.node("Unsqueeze", [write.codes(Array.from({ length: experts }, (_, at) => at)), write.places([1])]),
          write.node("Reshape", [codes, write.places([1, -1])]),
        ]),
      ); // [experts, batch k]
      return write.node("Unsqueeze", [write.node("MatMul", [marks, all]), write.places([1])]);
    }
    const { order, counts } = sorted(write, codes, experts);
    const sent = pieces(write, x, rows, order, counts, chosen, experts);
    const back = pieces(write, g, gradients, order, counts, chosen, experts);
    const products = sent.map((part, expert) =>
      write.node("MatMul", [write.node("Transpose", [part], { perm: [1, 0] }), back[expert]])
    );
    return write.node("Reshape", [joinedRows(write, products), write.places(shape as number[])]);
  },

  stopGradient: (_, [x]) => x,
};

/** The order in which places of codes are sorted by code, the place of each in that order, and how many have each code. */
function sorted(
  write: Writer,
  codes: string,
  experts: number,
): { readonly order: string; readonly inverse: string; readonly counts: string } {
  const flat = write.node("Reshape", [codes, write.places([-1])]); // [batch k]
  const length = write.node("Shape", [flat]);
  const ascending = { axis: 0, largest: 0 };
  const order = write.node("TopK", [flat, length], ascending, 1);
  const inverse = write.node("TopK", [order, length], ascending, 1);
  const names = write.codes(Array.from({ length: experts }, (_, expert) => expert));
  const column = write.node("Unsqueeze", [flat, write.places([1])]);
  const marks = write.node("Cast", [write.node("Equal", [column, names])], { to: 7 }); // [batch k, experts]
  return { order, inverse, counts: write.node("ReduceSum", [marks, write.places([0])], { keepdims: 0 }) };
}

/** The rows that go to each expert. */
function pieces(
  write: Writer,
  x: string,
  rows: Shape,
  order: string,
  counts: string,
  chosen: Shape,
  experts: number,
): readonly string[] {
  const each = rows.length === 3;
  const flat = each ? write.node("Reshape", [x, write.places([-1, rows[2] as number])]) : x;
  const places = each || chosen[1] === 1 ? order : write.node("Div", [order, write.places([chosen[1] as number])]);
  return split(write, write.node("Gather", [flat, places]), experts, counts);
}

/** Parts along the first axis, of equal or of given lengths. */
function split(write: Writer, x: string, parts: number, lengths?: string): readonly string[] {
  if (parts === 1) return [x];
  return write.nodes("Split", [x, lengths ?? write.places(Array(parts).fill(1))], { axis: 0 }, parts);
}

function joinedRows(write: Writer, parts: readonly string[]): string {
  return parts.length === 1 ? parts[0] : write.node("Concat", parts, { axis: 0 });
}

/** Returns true if an op is translated, and not fed or stored. */
export function isTranslated(op: Op): op is Translated {
  return Object.hasOwn(translations, op);
}

function direct(op: string): Translation<Writer> {
  return (write, of) => write.node(op, of);
}

/** The row of every code, those that name none moved to the nearest that does, and whether they named one. */
function placed(
  write: Writer,
  codes: string,
  columns: readonly CodeColumn[],
): { readonly places: string; readonly inside: string } {
  const near = nearest(write, codes, columns); // other runtimes refuse others
  const rows = write.codes(columns.map(({ row }) => row));
  return { places: write.node("Add", [near, rows]), inside: write.node("Equal", [codes, near]) };
}

/** The codes of lists, those that are out of range moved to the nearest that is not, and their weights: 0 of these. */
function weighed(
  write: Writer,
  codes: string,
  weights: string,
  size: number,
): { readonly places: string; readonly inside: string } {
  const { places, inside } = placed(write, codes, columnsOf([size]));
  return { places, inside: write.node("Mul", [weights, write.number(inside)]) };
}

function nearest(write: Writer, codes: string, columns: readonly CodeColumn[]): string {
  const [least, most] = [columns.map(({ least }) => least), columns.map(({ most }) => most)];
  return write.node("Min", [write.node("Max", [codes, write.codes(least)]), write.codes(most)]);
}

/** Codes with the unknown one in the place of those that their columns do not have. */
export function knownCodes(write: Writer, codes: string, columns: readonly CodeRange[]): string {
  const near = nearest(write, codes, columnsOf(columns.map(({ size }) => size)));
  const unknown = write.codes(columns.map(({ unknown }) => unknown));
  return write.node("Where", [write.node("Equal", [codes, near]), codes, unknown]);
}
