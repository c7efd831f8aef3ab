import type { NamedAttrMap, TensorInfo } from "@tensorflow/tfjs";
import { sameShape } from "../ops/shape.ts";
import type { Backend, Call } from "./tfjs_backend.ts";
import { type Computed, loops, type Place } from "./tfjs_loops.ts";

/** Computes an op: from arrays on the backend to a new array there. */
export type Step = (of: readonly TensorInfo[]) => TensorInfo;

/** How an op is settled for its place. `ones` yields an array of ones that lives as long as the step. */
export type Kernel = (place: Place, backend: Backend, ones: (shape: readonly number[]) => TensorInfo) => Step;

/**
 * How each op is computed by tfjs kernels, on any backend: op to kernel.
 *
 * Products never carry a transpose flag or more than two matrices at once where that can be avoided: the wasm backend
 * computes those 10 times slower. Sums over the leading axes are products with a row of ones for the same reason.
 */
export const kernels: Readonly<Record<Computed | "reshape" | "stopGradient", Kernel>> = {
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

  reshape,
  stopGradient: reshape,
  broadcast: ({ shape, of: [from] }, backend, ones) => {
    const call = backend.kernel("Multiply");
    const stretch = ones(shape.map((length, axis) => length === from[axis - shape.length + from.length] ? 1 : length));
    return ([a]) => call({ a, b: stretch });
  },
  transpose: fixed("Transpose", ({ attrs }) => ({ perm: attrs.order as number[] })),
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

  multiHot,
  gather: ({ of: [[rows]] }, backend) => {
    const product = backend.kernel("BatchMatMul");
    const hot = oneHot(rows, backend);
    return ([table, codes]) => using(backend, hot(codes), (a) => product({ a, b: table }, untransposed));
  },
  scatterAdd: ({ attrs }, backend) => {
    const product = backend.kernel("BatchMatMul");
    const hot = oneHot(attrs.rows as number, backend);
    return ([codes, b]) =>
      using(backend, hot(codes), (a) => product({ a, b }, { transposeA: true, transposeB: false }));
  },
};

/** Whether an op is computed by a kernel, and not fed or held. */
export function isComputed(op: string): op is keyof typeof kernels {
  return Object.hasOwn(kernels, op);
}

/** The ops whose loops are faster than the wasm kernels, or that wasm lacks a kernel for. */
const looped: ReadonlySet<string> = new Set<Computed>([
  "greater",
  "equal",
  "select",
  "transpose",
  "concat",
  "slice",
  "pad",
  "multiHot",
  "gather",
  "scatterAdd",
]);

/**
 * Settles an op for its place on a backend: by a loop where that is possible and faster, else by kernels.
 *
 * @throws {TypeError} if the backend lacks a kernel that is needed.
 */
export function settle(
  op: keyof typeof kernels,
  place: Place,
  backend: Backend,
  ones: (shape: readonly number[]) => TensorInfo,
): Step {
  const { fill } = backend;
  const aboveZero = op === "greater" && place.zeros[1] && sameShape(place.of[0], place.shape);
  if (aboveZero && backend.name === "wasm") return positive(backend);
  if (fill === undefined || !Object.hasOwn(loops, op) || !(backend.plain || looped.has(op))) {
    return kernels[op](place, backend, ones);
  }
  const loop = loops[op as Computed](place);
  return (of) => fill(place.shape, of, loop);
}

/**
 * 1 where an element is greater than 0, as in the gradient of every relu: 8 times faster on wasm than a comparison.
 * `Step` alone keeps what is no number; clipping makes that 0 there.
 */
function positive(backend: Backend): Step {
  const [clip, step] = [backend.kernel("ClipByValue"), backend.kernel("Step")];
  return ([x]) => using(backend, clip({ x }, { clipValueMin: 0, clipValueMax: 1 }), (x) => step({ x }, { alpha: 0 }));
}

const untransposed: NamedAttrMap = { transposeA: false, transposeB: false };

/** One product per leading index is several plain products where the backend's memory can be cut cheaply. */
function matmul({ shape, of: [left, right] }: Place, backend: Backend): Step {
  const call = backend.kernel("BatchMatMul");
  const { fill } = backend;
  const [m, k] = left.slice(-2);
  const n = right[right.length - 1];
  if (left.length === 2 || fill === undefined || m * k * n < 10_000) return ([a, b]) => call({ a, b }, untransposed);
  const cut = (x: TensorInfo, e: number, [rows, columns]: readonly number[]) =>
    fill([rows, columns], [x], (out, [from]) => out.set(from.subarray(e * out.length, (e + 1) * out.length)));
  const product = (a: TensorInfo, b: TensorInfo, e: number) =>
    using(backend, cut(a, e, [m, k]), (a) => using(backend, cut(b, e, [k, n]), (b) => call({ a, b }, untransposed)));
  return ([a, b]) => {
    const parts: TensorInfo[] = [];
    try {
      for (let e = 0; e < left[0]; e++) parts.push(product(a, b, e));
      return fill(shape, parts, (out, views) => views.forEach((view, e) => out.set(view, e * m * n)));
    } finally {
      parts.forEach(backend.free);
    }
  };
}

function sum(place: Place, backend: Backend, ones: (shape: readonly number[]) => TensorInfo): Step {
  const [from] = place.of;
  const axes = place.attrs.axes as number[];
  const rows = axes.reduce((product, axis) => product * from[axis], 1);
  const leading = axes.length < from.length && axes.every((axis, i) => axis === i);
  if (!leading || rows === 1) return reduction("Sum", place, backend, "axis");
  const call = backend.kernel("BatchMatMul");
  const width = from.slice(axes.length).reduce((product, length) => product * length, 1);
  const row = ones([1, rows]);
  return ([x]) => ({ ...call({ a: row, b: { ...x, shape: [rows, width] } }, untransposed), shape: [...place.shape] });
}

function reduction(name: string, place: Place, backend: Backend, setting: string): Step {
  const call = backend.kernel(name);
  const axes = place.attrs.axes as number[];
  if (axes.length === 0) return reshape(place, backend);
  return ([x]) => ({ ...call({ x }, { [setting]: axes, keepDims: false }), shape: [...place.shape] });
}

function select({ shape }: Place, backend: Backend, ones: (shape: readonly number[]) => TensorInfo): Step {
  const [differs, stretch, choose] = [backend.kernel("NotEqual"), backend.kernel("Multiply"), backend.kernel("Select")];
  const zero = backend.kernel("ZerosLike");
  const full = ones(shape);
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

function multiHot({ attrs, of: [[rows]] }: Place, backend: Backend): Step {
  const [slice, concat] = [backend.kernel("Slice"), backend.kernel("Concat")];
  const hots = (attrs.sizes as number[]).map((size) => oneHot(size, backend));
  return ([codes]) => {
    const parts: TensorInfo[] = [];
    try {
      hots.forEach((hot, column) => {
        const own = slice({ x: codes }, { begin: [0, column], size: [rows, 1] });
        parts.push(using(backend, own, (x) => hot({ ...x, shape: [rows] })));
      });
      return concat(parts, { axis: 1 });
    } finally {
      parts.forEach(backend.free);
    }
  };
}

/** Codes `[batch]` to `[batch, depth]`; a code out of range to zeros. */
function oneHot(depth: number, backend: Backend): (codes: TensorInfo) => TensorInfo {
  const call = backend.kernel("OneHot");
  return (indices) => call({ indices }, { depth, onValue: 1, offValue: 0, dtype: "float32" });
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
  return (_, backend) => {
    const [call, cast] = [backend.kernel(name), backend.kernel("Cast")];
    return ([a, b]) => using(backend, call({ a, b }), (x) => cast({ x }, { dtype: "float32" }));
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

/** Frees an intermediate once it is used, whatever happens. */
function using(backend: Backend, array: TensorInfo, use: (array: TensorInfo) => TensorInfo): TensorInfo {
  try {
    return use(array);
  } finally {
    backend.free(array);
  }
}
