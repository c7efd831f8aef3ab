import { type Shape, sizeOf, withBatch } from "../../ops/shape.ts";
import type { Tensor } from "../../ops/tensor.ts";
import type { Attrs, Op } from "../../ops/value.ts";

/** A tensor of float64. Never changed in place, so results may share their data. */
export interface Doubles extends Tensor {
  /** The elements, row-major. */
  readonly data: Float64Array;
}

/** The number of rows in a run's batch, its inputs and its parameters. */
export interface Context {
  /** The number of rows in the batch. */
  readonly batch: number;
  /** Inputs and noise by name: all that the graph reads. */
  readonly inputs: ReadonlyMap<string, Doubles>;
  /** Finds a parameter. Throws a TypeError if the store no longer has it. */
  readonly parameter: (name: string) => Doubles;
}

/** Computes an op. The result's shape is found from the arguments, apart from the shape rule of the op table. */
export type Kernel = (of: readonly Doubles[], attrs: Attrs, context: Context) => Doubles;

/** The kernels of the reference engine, one for every op but the phases, which tracing resolves. */
export const kernels: Readonly<Record<Exclude<Op, "inTraining">, Kernel>> = {
  input: fed,
  noise: fed,
  parameter: (_, { name }, { parameter }) => parameter(name as string),
  constant: (_, { shape, data }) => ({ shape: shape as number[], data: Float64Array.from(data as number[]) }),

  matmul,

  add: elementwise((a, b) => a + b),
  sub: elementwise((a, b) => a - b),
  mul: elementwise((a, b) => a * b),
  div: elementwise((a, b) => a / b),

  neg: elementwise((x) => -x),
  exp: elementwise(Math.exp),
  log: elementwise(Math.log),
  sqrt: elementwise(Math.sqrt),
  relu: elementwise((x) => Math.max(x, 0)),
  sigmoid: elementwise((x) => 1 / (1 + Math.exp(-x))),
  tanh: elementwise(Math.tanh),
  softplus: elementwise((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),

  greater: elementwise((a, b) => a > b ? 1 : 0),
  equal: elementwise((a, b) => a === b ? 1 : 0),
  select: elementwise((condition, a, b) => condition !== 0 ? a : b),

  sum: reduction(0, (total, x) => total + x),
  max: reduction(-Infinity, Math.max),
  softmax,
  topMask,
  runningSum,

  reshape: ([x], { shape }, { batch }) => ({ shape: withBatch(shape as Shape, batch), data: x.data }),
  broadcast: ([x], { shape }, { batch }) => {
    const lengths = withBatch(shape as Shape, batch);
    return { shape: lengths, data: picked(x, positions(lengths, stretched(x.shape, lengths))) };
  },
  transpose: ([x], { order }) => {
    const axes = order as number[];
    const shape = axes.map((axis) => x.shape[axis]);
    const steps = stepsOf(x.shape);
    return { shape, data: picked(x, positions(shape, axes.map((axis) => steps[axis]))) };
  },
  concat: (of, { axis }) => {
    const length = of.reduce((total, x) => total + x.shape[axis as number], 0);
    const shape = withLength(of[0].shape, axis as number, length);
    return { shape, data: placed(of, shape, axis as number, 0) };
  },
  slice: ([x], { axis, start, size }) => {
    const shape = withLength(x.shape, axis as number, size as number);
    const steps = stepsOf(x.shape);
    return { shape, data: picked(x, positions(shape, steps, steps[axis as number] * (start as number))) };
  },
  pad: ([x], { axis, before, after }) => {
    const length = (before as number) + x.shape[axis as number] + (after as number);
    const shape = withLength(x.shape, axis as number, length);
    return { shape, data: placed([x], shape, axis as number, before as number) };
  },

  pick: ([codes], attrs) => {
    const [columns, first] = [attrs.columns as number[], attrs.first as number[]];
    const [rows, width] = codes.shape;
    const data = Array.from(
      { length: rows },
      (_, row) => columns.map((column, at) => codes.data[row * width + column] - first[at]),
    );
    return { shape: [rows, columns.length], data: Float64Array.from(data.flat()) };
  },
  multiHot,
  gatherSum,
  scatterAdd,
  weightedHot,
  weightedSum,
  weightedScatter,

  topPlaces,
  routed,
  routedKernels,

  stopGradient: ([x]) => x,
};

// Kernels.

function fed(_: readonly Doubles[], { name }: Attrs, { inputs }: Context): Doubles {
  return inputs.get(name as string)!;
}

/** `[..., m, k] x [..., k, n]` to `[..., m, n]`. */
function matmul([a, b]: readonly Doubles[]): Doubles {
  const [m, k] = a.shape.slice(-2);
  const n = b.shape[b.shape.length - 1];
  const lead = a.shape.slice(0, -2);
  const data = new Float64Array(sizeOf(lead) * m * n);
  for (let e = 0; e < sizeOf(lead); e++) {
    for (let i = 0; i < m; i++) {
      for (let at = 0; at < k; at++) {
        const factor = a.data[(e * m + i) * k + at];
        for (let j = 0; j < n; j++) data[(e * m + i) * n + j] += factor * b.data[(e * k + at) * n + j];
      }
    }
  }
  return { shape: [...lead, m, n], data };
}

/** Applies a function to the elements that stand at the same place once all arguments are stretched to one shape. */
function elementwise(formula: (a: number, b: number, c: number) => number): Kernel {
  return (of) => {
    const rank = Math.max(...of.map((x) => x.shape.length));
    const shape = Array.from(
      { length: rank },
      (_, axis) => Math.max(...of.map((x) => x.shape[axis - rank + x.shape.length] ?? 1)),
    );
    const [a, b = a, c = a] = of.map((x) => picked(x, positions(shape, stretched(x.shape, shape))));
    return { shape, data: a.map((number, i) => formula(number, b[i], c[i])) };
  };
}

/** Folds the elements over axes. */
function reduction(start: number, step: (total: number, x: number) => number): Kernel {
  return ([x], attrs) => {
    const axes = attrs.axes as number[];
    const kept = x.shape.map((length, axis) => axes.includes(axis) ? 1 : length);
    const data = new Float64Array(sizeOf(kept)).fill(start);
    const target = positions(x.shape, stretched(kept, x.shape));
    x.data.forEach((number, i) => data[target[i]] = step(data[target[i]], number));
    return { shape: attrs.keep ? kept : x.shape.filter((_, axis) => !axes.includes(axis)), data };
  };
}

/** Over the last axis, each row less its largest element, which changes nothing but the overflow. */
function softmax([x]: readonly Doubles[]): Doubles {
  const width = x.shape[x.shape.length - 1];
  const data = new Float64Array(x.data.length);
  for (let start = 0; start < data.length; start += width) {
    const row = x.data.subarray(start, start + width);
    const top = row.reduce((top, number) => Math.max(top, number));
    const powers = row.map((number) => Math.exp(number - top));
    const total = powers.reduce((sum, power) => sum + power, 0);
    data.set(powers.map((power) => power / total), start);
  }
  return { shape: x.shape, data };
}

/** An element is among the k largest if fewer than k are larger, or equal and before it. */
function topMask([x]: readonly Doubles[], { k }: Attrs): Doubles {
  const width = x.shape[x.shape.length - 1];
  const data = x.data.map((number, at) => {
    const place = at % width;
    const row = x.data.subarray(at - place, at - place + width);
    const before = row.filter((other, i) => other > number || (other === number && i < place)).length;
    return before < (k as number) ? 1 : 0;
  });
  return { shape: x.shape, data };
}

/** The sum of what comes before each element along the first axis. */
function runningSum([x]: readonly Doubles[]): Doubles {
  const width = sizeOf(x.shape.slice(1));
  const data = new Float64Array(x.data.length);
  for (let at = width; at < data.length; at++) data[at] = data[at - width] + x.data[at - width];
  return { shape: x.shape, data };
}

/** A code that is negative or not below its column's size leaves the column's part 0. */
function multiHot([codes]: readonly Doubles[], attrs: Attrs): Doubles {
  const sizes = attrs.sizes as number[];
  const width = sizes.reduce((total, size) => total + size, 0);
  const data = new Float64Array(codes.shape[0] * width);
  eachCode(codes, sizes, (row, place) => data[row * width + place] = 1);
  return { shape: [codes.shape[0], width], data };
}

/** A code that is negative or not below its column's size adds nothing. */
function gatherSum([table, codes]: readonly Doubles[], attrs: Attrs): Doubles {
  const width = table.shape[1];
  const data = new Float64Array(codes.shape[0] * width);
  eachCode(codes, attrs.sizes as number[], (row, place) => {
    for (let at = 0; at < width; at++) data[row * width + at] += table.data[place * width + at];
  });
  return { shape: [codes.shape[0], width], data };
}

/** A row is added nowhere for a code that is negative or not below its column's size. */
function scatterAdd([codes, x]: readonly Doubles[], attrs: Attrs): Doubles {
  const sizes = attrs.sizes as number[];
  const width = x.shape[1];
  const rows = sizes.reduce((total, size) => total + size, 0);
  const data = new Float64Array(rows * width);
  eachCode(codes, sizes, (row, place) => {
    for (let at = 0; at < width; at++) data[place * width + at] += x.data[row * width + at];
  });
  return { shape: [rows, width], data };
}

/** A code that is negative or not below the size adds nothing. */
function weightedHot([codes, weights]: readonly Doubles[], attrs: Attrs): Doubles {
  const size = attrs.size as number;
  const data = new Float64Array(codes.shape[0] * size);
  eachWeighted(codes, weights, size, (row, code, weight) => data[row * size + code] += weight);
  return { shape: [codes.shape[0], size], data };
}

/** A code that is negative or not below the table's size adds nothing. */
function weightedSum([table, codes, weights]: readonly Doubles[]): Doubles {
  const [size, width] = table.shape;
  const data = new Float64Array(codes.shape[0] * width);
  eachWeighted(codes, weights, size, (row, code, weight) => {
    for (let at = 0; at < width; at++) data[row * width + at] += weight * table.data[code * width + at];
  });
  return { shape: [codes.shape[0], width], data };
}

/** A row is added nowhere for a code that is negative or not below the size. */
function weightedScatter([codes, weights, x]: readonly Doubles[], attrs: Attrs): Doubles {
  const [size, width] = [attrs.size as number, x.shape[1]];
  const data = new Float64Array(size * width);
  eachWeighted(codes, weights, size, (row, code, weight) => {
    for (let at = 0; at < width; at++) data[code * width + at] += weight * x.data[row * width + at];
  });
  return { shape: [size, width], data };
}

/** Visits the codes that are not out of range, with their weights. */
function eachWeighted(
  codes: Doubles,
  weights: Doubles,
  size: number,
  visit: (row: number, code: number, weight: number) => void,
): void {
  const [, items] = codes.shape;
  codes.data.forEach((code, at) => {
    if (code >= 0 && code < size) visit(Math.floor(at / items), code, weights.data[at]);
  });
}

/** The places of the k largest elements of each row of each value, largest first and of equal ones the first. */
function topPlaces(of: readonly Doubles[], attrs: Attrs): Doubles {
  const k = attrs.k as number;
  const [batch, width] = of[0].shape;
  const data = Array.from({ length: batch }, (_, row) =>
    of.flatMap(({ data }) => {
      const found = data.subarray(row * width, (row + 1) * width);
      return [...found.keys()].sort((a, b) => found[b] - found[a] || a - b).slice(0, k);
    }));
  return { shape: [batch, of.length * k], data: Float64Array.from(data.flat()) };
}

/** The product of each row with the kernels that its codes name. */
function routed([x, kernels, codes]: readonly Doubles[]): Doubles {
  const [, width, units] = kernels.shape;
  const data = new Float64Array(codes.data.length * units);
  eachRouted(x, codes, (row, code, at) => {
    for (let i = 0; i < width; i++) {
      const factor = x.data[row * width + i];
      for (let j = 0; j < units; j++) data[at * units + j] += factor * kernels.data[(code * width + i) * units + j];
    }
  });
  return { shape: [...codes.shape, units], data };
}

/** The sum for each kernel of the outer products of the rows that went to it with what came back. */
function routedKernels([x, g, codes]: readonly Doubles[], attrs: Attrs): Doubles {
  const experts = attrs.experts as number;
  const [width, units] = [x.shape[x.shape.length - 1], g.shape[2]];
  const data = new Float64Array(experts * width * units);
  eachRouted(x, codes, (row, code, at) => {
    for (let i = 0; i < width; i++) {
      const factor = x.data[row * width + i];
      for (let j = 0; j < units; j++) data[(code * width + i) * units + j] += factor * g.data[at * units + j];
    }
  });
  return { shape: [experts, width, units], data };
}

/** Visits every code, with the row that goes to it and its place. */
function eachRouted(x: Doubles, codes: Doubles, visit: (row: number, code: number, at: number) => void): void {
  codes.data.forEach((code, at) => visit(x.shape.length === 3 ? at : Math.floor(at / codes.shape[1]), code, at));
}

/** Visits the row and the one-hot place of every code in range. */
function eachCode(codes: Doubles, sizes: readonly number[], visit: (row: number, place: number) => void): void {
  for (let row = 0, n = 0; row < codes.shape[0]; row++) {
    let start = 0;
    for (const size of sizes) {
      const code = codes.data[n++];
      if (code >= 0 && code < size) visit(row, start + code);
      start += size;
    }
  }
}

// Places in row-major order.

/** The place of every element of a shape, in row-major order, where one step along an axis is so many places. */
function positions(shape: readonly number[], steps: readonly number[], start = 0): Int32Array {
  let found = Int32Array.of(start);
  shape.forEach((length, axis) => {
    const next = new Int32Array(found.length * length);
    found.forEach((place, i) => {
      for (let at = 0; at < length; at++) next[i * length + at] = place + at * steps[axis];
    });
    found = next;
  });
  return found;
}

/** The number of places that one step along each axis is. */
function stepsOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
}

/** The same for a shape stretched to another, axes aligned at the right: 0 along an axis of length 1 or absent. */
function stretched(from: readonly number[], to: readonly number[]): number[] {
  const steps = stepsOf(from);
  return to.map((_, axis) => {
    const own = axis - to.length + from.length;
    return own < 0 || from[own] === 1 ? 0 : steps[own];
  });
}

/** The elements at some places. */
function picked({ data }: Doubles, places: Int32Array): Float64Array {
  const found = new Float64Array(places.length);
  for (let i = 0; i < found.length; i++) found[i] = data[places[i]];
  return found;
}

/** Zeros of a shape, with some numbers one after another along an axis from a place on. */
function placed(of: readonly Doubles[], shape: readonly number[], axis: number, from: number): Float64Array {
  const data = new Float64Array(sizeOf(shape));
  const steps = stepsOf(shape);
  let at = from;
  for (const x of of) {
    positions(x.shape, steps, at * steps[axis]).forEach((place, i) => data[place] = x.data[i]);
    at += x.shape[axis];
  }
  return data;
}

function withLength(shape: readonly number[], axis: number, length: number): number[] {
  return shape.map((own, at) => at === axis ? length : own);
}
