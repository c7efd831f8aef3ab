import type { NamedAttrMap, TensorInfo } from "@tensorflow/tfjs";
import { sizeOf } from "../../ops/shape.ts";
import type { Backend, Call } from "./backend.ts";
import { type Kernel, ones, type Pin, type Step, untransposed, using } from "./kernel.ts";
import type { Computed, Place } from "./loop.ts";
import { loops } from "./loops.ts";
import { matmul } from "./products.ts";
import { routed, routedKernels } from "./routed.ts";

/**
 * The ops by tfjs kernels, on any backend: op to kernel.
 *
 * Kernels of our own (`multiply`, `rows`) come first where a backend has them. Else products never carry a transpose flag
 * or more than two matrices at once where that can be avoided: the wasm backend computes those 10 times slower. Sums over
 * the leading axes are products with a row of ones for the same reason.
 */
export const kernels: Readonly<Record<Computed, Kernel>> = {
  matmul,

  add: binary("Add"),
  sub: binary("Sub"),
  mul: binary("Multiply"),
  div: binary("RealDiv"),

  neg: unary("Neg"),
  exp: unary("Exp"),
  log: unary("Log"),
  sqrt: unary("Sqrt"),
  relu: unary("Relu"),
  sigmoid: unary("Sigmoid"),
  tanh: unary("Tanh"),
  softplus: unary("Softplus"),

  greater: comparison("Greater"),
  equal: comparison("Equal"),
  select,

  sum,
  max: (place, backend) => reduction("Max", place, backend, "reductionIndices"),
  softmax: (place, backend) => {
    const call = backend.kernel("Softmax");
    return ([logits]) => call({ logits }, { dim: place.shape.length - 1 }); // -1 yields garbage on wasm
  },
  topMask: ({ attrs, shape }, backend, pin) => {
    const [largest, sum] = [backend.kernel("TopK"), backend.kernel("Sum")];
    const width = shape[shape.length - 1];
    const marked = choice(pin(Int32Array.from({ length: width }, (_, at) => at), [width]), backend, pin);
    const [k, axis] = [attrs.k as number, shape.length - 1];
    return ([x]) => {
      const places = placesOf(x, largest({ x }, { k, sorted: true }), backend); // [..., k]
      return using(backend, places, (places) => {
        const marks = marked({ ...places, shape: [...shape.slice(0, -1), k, 1] }); // [..., k, width]
        return using(backend, marks, (x) => sum({ x }, { axis: [axis], keepDims: false }));
      });
    };
  },
  runningSum: fixed("Cumsum", () => ({ axis: 0, exclusive: true, reverse: false })),

  reshape,
  stopGradient: reshape,
  broadcast: ({ shape, of: [from] }, backend, pin) => {
    const call = backend.kernel("Multiply");
    const stretch = ones(
      pin,
      shape.map((length, axis) => length === from[axis - shape.length + from.length] ? 1 : length),
    );
    return ([a]) => call({ a, b: stretch });
  },
  transpose,
  concat: (place, backend) => {
    const call = backend.kernel("Concat");
    return (of) => call(of, { axis: place.attrs.axis as number });
  },
  slice: fixed("Slice", ({ attrs, shape }) => ({
    begin: shape.map((_, axis) => axis === attrs.axis ? attrs.start as number : 0),
    size: [...shape],
  })),
  pad: fixed("PadV2", ({ attrs, shape }) => ({
    paddings: shape.map((_, axis) => axis === attrs.axis ? [attrs.before as number, attrs.after as number] : [0, 0]),
    constantValue: 0,
  })),

  pick: ({ attrs }, backend, pin) => {
    const [columns, first] = [attrs.columns, attrs.first].map((list) => Int32Array.from(list as number[]));
    const [indices, b] = [columns, first].map((list) => pin(list, [list.length]));
    const [gather, less] = [backend.kernel("GatherV2"), backend.kernel("Sub")];
    return ([x]) => using(backend, gather({ x, indices }, { axis: 1, batchDims: 0 }), (a) => less({ a, b }));
  },
  multiHot,
  gatherSum: (place, backend, pin) => {
    const product = backend.kernel("BatchMatMul");
    const marked = multiHot(place, backend, pin);
    return ([table, codes]) => using(backend, marked([codes]), (a) => product({ a, b: table }, untransposed));
  },
  scatterAdd: (place, backend, pin) => {
    const [product, transpose] = [backend.kernel("BatchMatMul"), backend.kernel("Transpose")];
    const marked = multiHot(place, backend, pin);
    return ([codes, b]) =>
      using(
        backend,
        marked([codes]),
        (x) => using(backend, transpose({ x }, { perm: [1, 0] }), (a) => product({ a, b }, untransposed)),
      );
  },

  weightedHot,
  weightedSum: (place, backend, pin) => {
    const product = backend.kernel("BatchMatMul");
    const [[size], codes, weights] = place.of;
    const marked = weightedHot({ ...place, of: [codes, weights], shape: [codes[0], size] }, backend, pin);
    return ([b, codes, weights]) => using(backend, marked([codes, weights]), (a) => product({ a, b }, untransposed));
  },
  weightedScatter: (place, backend, pin) => {
    const [product, transpose] = [backend.kernel("BatchMatMul"), backend.kernel("Transpose")];
    const [codes, weights] = place.of;
    const marked = weightedHot({ ...place, of: [codes, weights], shape: [codes[0], place.shape[0]] }, backend, pin);
    return ([codes, weights, b]) =>
      using(
        backend,
        marked([codes, weights]),
        (x) => using(backend, transpose({ x }, { perm: [1, 0] }), (a) => product({ a, b }, untransposed)),
      );
  },

  topPlaces: ({ attrs }, backend) => {
    const [largest, join] = [backend.kernel("TopK"), backend.kernel("Concat")];
    const places = (x: TensorInfo) => placesOf(x, largest({ x }, { k: attrs.k as number, sorted: true }), backend);
    return (of) => {
      if (of.length === 1) return places(of[0]);
      const parts = of.map(places);
      try {
        return join(parts, { axis: 1 });
      } finally {
        parts.forEach(backend.free);
      }
    };
  },
  routed,
  routedKernels,
};

/** The places that a search for the largest elements found. Where there is but one, webgpu returns `x` as its value. */
function placesOf(x: TensorInfo, found: unknown, backend: Backend): TensorInfo {
  const [values, places] = found as TensorInfo[];
  if (values.dataId !== x.dataId) backend.free(values);
  return places;
}

/** The most elements that wasm sums by a product with a row of ones: it copies them first. */
const mostSummed = 2 ** 21;

function sum(place: Place, backend: Backend, pin: Pin): Step {
  const [from] = place.of;
  const axes = place.attrs.axes as number[];
  const rows = axes.reduce((product, axis) => product * from[axis], 1);
  const leading = axes.length < from.length && axes.every((axis, i) => axis === i);
  if (!leading || rows === 1) return reduction("Sum", place, backend, "axis");
  const { fill } = backend;
  const width = sizeOf(from.slice(axes.length));
  if (fill !== undefined && rows * width > mostSummed) {
    const loop = loops.sum(place);
    return (of) => fill(place.shape, of, loop);
  }
  const call = backend.kernel("BatchMatMul");
  const row = ones(pin, [1, rows]);
  return ([x]) => ({ ...call({ a: row, b: { ...x, shape: [rows, width] } }, untransposed), shape: [...place.shape] });
}

function reduction(name: string, place: Place, backend: Backend, setting: string): Step {
  const call = backend.kernel(name);
  const axes = place.attrs.axes as number[];
  if (axes.length === 0) return reshape(place, backend);
  return ([x]) => ({ ...call({ x }, { [setting]: axes, keepDims: false }), shape: [...place.shape] });
}

function select({ shape }: Place, backend: Backend, pin: Pin): Step {
  const [differs, stretch, choose] = [backend.kernel("NotEqual"), backend.kernel("Multiply"), backend.kernel("Select")];
  const zero = backend.kernel("ZerosLike");
  const full = ones(pin, shape);
  const whole = (a: TensorInfo, use: (x: TensorInfo) => TensorInfo) => using(backend, stretch({ a, b: full }), use);
  return ([c, a, b]) =>
    whole(
      c,
      (c) =>
        using(backend, zero({ x: c }), (none) =>
          using(backend, differs({ a: c, b: none }), (condition) =>
            whole(a, (t) =>
              whole(b, (e) =>
                choose({ condition, t, e }))))),
    );
}

/** Each column's code once for every size that the column has, compared with the codes in order. */
function multiHot({ attrs }: Place, backend: Backend, pin: Pin): Step {
  const sizes = attrs.sizes as number[];
  const columns = Int32Array.from(sizes.flatMap((size, column) => Array(size).fill(column)));
  const indices = pin(columns, [columns.length]);
  const wanted = sizes.flatMap((size) => Array.from({ length: size }, (_, code) => code));
  const chosen = choice(pin(Int32Array.from(wanted), [wanted.length]), backend, pin);
  const gather = backend.kernel("GatherV2");
  return ([x]) => using(backend, gather({ x, indices }, { axis: 1, batchDims: 0 }), chosen);
}

/** Each code of a list compared with the codes in order, `[batch, items, size]`, times the weights. */
function weightedHot({ of: [[rows, items]], shape: [, size] }: Place, backend: Backend, pin: Pin): Step {
  const wanted = pin(Int32Array.from({ length: size }, (_, code) => code), [1, 1, size]);
  const [chosen, product] = [choice(wanted, backend, pin), backend.kernel("BatchMatMul")];
  return ([codes, weights]) =>
    using(backend, chosen({ ...codes, shape: [rows, items, 1] }), (b) => {
      const a = { ...weights, shape: [rows, 1, items] };
      return { ...product({ a, b }, untransposed), shape: [rows, size] };
    });
}

/** 1 where a code is the wanted one, else 0. */
function choice(wanted: TensorInfo, backend: Backend, pin: Pin): (codes: TensorInfo) => TensorInfo {
  const [equal, real] = [backend.kernel("Equal"), asReals(backend, pin)];
  return (codes) => using(backend, equal({ a: codes, b: wanted }), real);
}

/**
 * Truth values as 0 and 1. On webgpu a cast leaves them whole numbers in memory, of which `Transpose`, and so every sum
 * over other axes than the last, makes garbage: a product with 1 writes real ones.
 */
function asReals(backend: Backend, pin: Pin): (truths: TensorInfo) => TensorInfo {
  const [cast, times] = [backend.kernel("Cast"), backend.kernel("Multiply")];
  const one = ones(pin, []);
  return (truths) => using(backend, cast({ x: truths }, { dtype: "float32" }), (a) => times({ a, b: one }));
}

/** Axes that stay in order are not exchanged, which webgpu does not do with one axis or none. */
function transpose(place: Place, backend: Backend, pin: Pin): Step {
  const order = place.attrs.order as number[];
  if (order.every((from, axis) => from === axis)) return reshape(place, backend);
  return fixed("Transpose", () => ({ perm: order }))(place, backend, pin);
}

function reshape({ shape }: Place, backend: Backend): Step {
  const call = backend.kernel("Reshape");
  return ([x]) => call({ x }, { shape: [...shape] });
}

function unary(name: string): Kernel {
  return (_, backend) => {
    const call = backend.kernel(name);
    return ([x]) => call({ x });
  };
}

function binary(name: string): Kernel {
  return (_, backend) => {
    const call = backend.kernel(name);
    return ([a, b]) => call({ a, b });
  };
}

/** Comparisons yield truth values, which become 0 and 1. */
function comparison(name: string): Kernel {
  return (_, backend, pin) => {
    const [call, real] = [backend.kernel(name), asReals(backend, pin)];
    return ([a, b]) => using(backend, call({ a, b }), real);
  };
}

/** A kernel of one argument, whose settings depend on the place only. */
function fixed(name: string, attrs: (place: Place) => NamedAttrMap): Kernel {
  return (place, backend) => {
    const call: Call = backend.kernel(name);
    const settings = attrs(place);
    return ([x]) => call({ x }, settings);
  };
}
