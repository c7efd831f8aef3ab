import type { NamedAttrMap, TensorInfo } from "@tensorflow/tfjs";
import { sameShape, sizeOf } from "../../ops/shape.ts";
import type { Backend, Call } from "./backend.ts";
import type { Loop, Numbers } from "./numbers.ts";
import { type Computed, loops, type Place } from "./loops.ts";
import type { RowLoops } from "./wasm_rows.ts";

/** Computes an op: from arrays on the backend to a new array there. */
type Step = (of: readonly TensorInfo[]) => TensorInfo;

/** Puts numbers on the backend, where they stay as long as the step. */
export type Pin = (data: Numbers, shape: readonly number[]) => TensorInfo;

/** How an op is settled for its place. */
export type Kernel = (place: Place, backend: Backend, pin: Pin) => Step;

/**
 * How each op is computed by tfjs kernels, on any backend: op to kernel.
 *
 * Kernels of our own (`multiply`, `rows`) come first where a backend has them. Else products never carry a transpose flag
 * or more than two matrices at once where that can be avoided: the wasm backend computes those 10 times slower. Sums over
 * the leading axes are products with a row of ones for the same reason.
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
  topMask: ({ attrs, shape }, backend, pin) => {
    const [largest, sum] = [backend.kernel("TopK"), backend.kernel("Sum")];
    const width = shape[shape.length - 1];
    const marked = choice(pin(Int32Array.from({ length: width }, (_, at) => at), [width]), backend);
    const [k, axis] = [attrs.k as number, shape.length - 1];
    return ([x]) => {
      const [values, places] = largest({ x }, { k, sorted: true }) as unknown as TensorInfo[]; // [..., k]
      backend.free(values);
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

  topPlaces: ({ attrs }, backend) => {
    const [largest, join] = [backend.kernel("TopK"), backend.kernel("Concat")];
    const places = (x: TensorInfo) => {
      const [values, found] = largest({ x }, { k: attrs.k as number, sorted: true }) as unknown as TensorInfo[];
      backend.free(values);
      return found;
    };
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

/** Whether an op is computed by a kernel, and not fed or held. */
export function isComputed(op: string): op is keyof typeof kernels {
  return Object.hasOwn(kernels, op);
}

/** The ops whose loops are faster than the wasm kernels, or that wasm lacks a kernel for. */
const looped: ReadonlySet<string> = new Set<Computed>([
  "greater",
  "equal",
  "select",
  "topMask",
  "runningSum",
  "transpose",
  "concat",
  "slice",
  "pad",
  "multiHot",
  "gatherSum",
  "scatterAdd",
  "topPlaces",
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
  pin: Pin,
): Step {
  const { fill, rows } = backend;
  const own = isOverRows(op) ? rows?.[op](place) : undefined;
  if (fill !== undefined && own !== undefined) return (of) => fill(place.shape, of, own);
  const aboveZero = op === "greater" && place.zeros[1] && sameShape(place.of[0], place.shape);
  if (aboveZero && backend.name === "wasm") return positive(backend);
  if (fill === undefined || !Object.hasOwn(loops, op) || !(backend.plain || looped.has(op))) {
    return kernels[op](place, backend, pin);
  }
  const loop = loops[op as Computed](place);
  return (of) => fill(place.shape, of, loop);
}

function isOverRows(op: string): op is keyof RowLoops {
  return ["gatherSum", "scatterAdd", "sum", "transpose"].includes(op);
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

/**
 * Products by the backend's own faster kernel, where it has one, but for few rows, as of a prediction for one. Else one
 * product per leading index is several plain products where the backend's memory can be cut cheaply.
 */
function matmul({ shape, of: [left, right] }: Place, backend: Backend): Step {
  const call = backend.kernel("BatchMatMul");
  const { fill, multiply } = backend;
  const [m, k] = left.slice(-2);
  const n = right[right.length - 1];
  const few = left.length === 2 && m < fewRows && k * n > leastCopied;
  if (multiply !== undefined && !few) return ([a, b]) => multiply(a, b);
  if (left.length === 2 || fill === undefined) return ([a, b]) => call({ a, b }, untransposed);
  const product = productBy(backend);
  return ([a, b]) => {
    const parts: TensorInfo[] = [];
    try {
      for (let e = 0; e < left[0]; e++) parts.push(using(backend, matrixOf(a, e, fill), (a) => product(a, b, e)));
      return fill(shape, parts, (out, views) => views.forEach((view, e) => out.set(view, e * m * n)));
    } finally {
      parts.forEach(backend.free);
    }
  };
}

/** Of fewer rows and a right matrix of more elements, to copy that, as the faster kernel does, costs more than it gains. */
const [fewRows, leastCopied] = [4, 2 ** 12];

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
  const chosen = choice(pin(Int32Array.from(wanted), [wanted.length]), backend);
  const gather = backend.kernel("GatherV2");
  return ([x]) => using(backend, gather({ x, indices }, { axis: 1, batchDims: 0 }), chosen);
}

/** One plain product for each expert that has rows; where memory cannot be reached, one for each row. */
function routed(place: Place, backend: Backend): Step {
  const { shape, of: [rows, kernel, [, k]] } = place;
  const [experts, width, units] = kernel;
  const product = productBy(backend);
  const { fill } = backend;
  if (fill === undefined) {
    const gather = backend.kernel("GatherV2");
    const pairs = shape[0] * k;
    return ([x, kernels, codes]) =>
      using(
        backend,
        eachOnce(x, rows, k, backend),
        (x) =>
          using(
            backend,
            gather({ x: kernels, indices: { ...codes, shape: [pairs] } }, { axis: 0, batchDims: 0 }),
            (b) => product({ ...x, shape: [pairs, 1, width] }, b),
          ),
      );
  }
  if (width * units < leastRouted) {
    const loop = loops.routed(place);
    return (of) => fill(shape, of, loop);
  }
  return ([x, kernels, codes]) => {
    const groups = groupsOf(codes, experts, fill, backend);
    const parts: TensorInfo[] = [];
    try {
      for (const { expert, places } of groups) {
        const picked = fill([places.length, width], [x], picking(places, rows, k));
        parts.push(using(backend, picked, (a) => product(a, kernels, expert)));
      }
      return fill(
        shape,
        parts,
        (out, views) =>
          views.forEach((view, nth) =>
            groups[nth].places.forEach((place, at) =>
              out.set(view.subarray(at * units, (at + 1) * units), place * units)
            )
          ),
      );
    } finally {
      parts.forEach(backend.free);
    }
  };
}

/** The gradient of each expert's kernel; see {@linkcode routed}. */
function routedKernels(place: Place, backend: Backend): Step {
  const { shape, of: [rows, , [, k]] } = place;
  const [experts, width, units] = shape;
  const product = productBy(backend);
  const { fill } = backend;
  if (fill === undefined) return summedKernels(place, backend);
  if (width * units < leastRouted) {
    const loop = loops.routedKernels(place);
    return (of) => fill(shape, of, loop);
  }
  return ([x, g, codes]) => {
    const groups = groupsOf(codes, experts, fill, backend);
    const parts: TensorInfo[] = [];
    try {
      for (const { places } of groups) {
        parts.push(
          using(
            backend,
            fill([width, places.length], [x], pickingColumns(places, rows, k)),
            (a) =>
              using(
                backend,
                fill([places.length, units], [g], picking(places, [1, k, units], k)),
                (b) => product(a, b),
              ),
          ),
        );
      }
      return fill(shape, parts, (out, views) => {
        if (groups.length < experts) out.fill(0);
        views.forEach((view, nth) => out.set(view, groups[nth].expert * width * units));
      });
    } finally {
      parts.forEach(backend.free);
    }
  };
}

/** Products by the faster kernel, where the backend has one: of arrays, or of a matrix with one of several. */
function productBy(backend: Backend): (a: TensorInfo, b: TensorInfo, one?: number) => TensorInfo {
  const call = backend.kernel("BatchMatMul");
  const { fill, multiply } = backend;
  return multiply ?? ((a, b, one) => {
    if (one === undefined) return call({ a, b }, untransposed);
    return using(backend, matrixOf(b, one, fill!), (b) => call({ a, b }, untransposed));
  });
}

/** A copy of one of several matrices. */
function matrixOf(x: TensorInfo, nth: number, fill: NonNullable<Backend["fill"]>): TensorInfo {
  return fill(
    x.shape.slice(-2),
    [x],
    (out, [from]) => out.set(from.subarray(nth * out.length, (nth + 1) * out.length)),
  );
}

/** All outer products, summed by a product with the one-hot columns of the codes. */
function summedKernels({ shape, of: [rows, , [batch, k]] }: Place, backend: Backend): Step {
  const [experts, width, units] = shape;
  const [product, mark, turn] = ["BatchMatMul", "OneHot", "Transpose"].map(backend.kernel);
  const cast = backend.kernel("Cast");
  const pairs = batch * k;
  const marks = (codes: TensorInfo) =>
    using(
      backend,
      mark({ indices: { ...codes, shape: [pairs] } }, { depth: experts, onValue: 1, offValue: 0, dtype: "float32" }),
      (x) => using(backend, turn({ x }, { perm: [1, 0] }), (x) => cast({ x }, { dtype: "float32" })),
    );
  return ([x, g, codes]) =>
    using(backend, eachOnce(x, rows, k, backend), (x) => {
      const [a, b] = [{ ...x, shape: [pairs, width, 1] }, { ...g, shape: [pairs, 1, units] }];
      return using(backend, product({ a, b }, untransposed), (all) =>
        using(backend, marks(codes), (a) =>
          product({ a, b: { ...all, shape: [pairs, width * units] } }, untransposed)));
    });
}

/** Rows `[batch, width]` as many times as there are codes for each. */
function eachOnce(x: TensorInfo, [batch, ...rest]: readonly number[], k: number, backend: Backend): TensorInfo {
  if (rest.length === 2) return backend.kernel("Identity")({ x });
  return backend.kernel("Tile")({ x: { ...x, shape: [batch, 1, rest[0]] } }, { reps: [1, k, 1] });
}

/** The least elements of a kernel for which products by kernels are faster than a loop. */
const leastRouted = 256;

/** The experts that codes name, each with the places of its codes. */
function groupsOf(
  codes: TensorInfo,
  experts: number,
  fill: NonNullable<Backend["fill"]>,
  backend: Backend,
): readonly { readonly expert: number; readonly places: Int32Array }[] {
  const starts = new Int32Array(experts + 1);
  let places = new Int32Array(0);
  backend.free(fill([1], [codes], (_, [found]) => {
    places = new Int32Array(found.length);
    for (let at = 0; at < found.length; at++) starts[found[at] + 1]++;
    for (let expert = 0; expert < experts; expert++) starts[expert + 1] += starts[expert];
    const next = starts.slice();
    for (let at = 0; at < found.length; at++) places[next[found[at]]++] = at;
  }));
  return Array.from({ length: experts }, (_, expert) => {
    return { expert, places: places.subarray(starts[expert], starts[expert + 1]) };
  }).filter(({ places }) => places.length > 0);
}

/** Copies the rows of some codes: one row for each code, or one for all codes of a row. */
function picking(places: Int32Array, rows: readonly number[], k: number): Loop {
  const width = rows[rows.length - 1];
  return (out, [x]) =>
    places.forEach((place, at) => {
      const from = (rows.length === 3 ? place : Math.floor(place / k)) * width;
      out.set(x.subarray(from, from + width), at * width);
    });
}

/** The same, as columns. */
function pickingColumns(places: Int32Array, rows: readonly number[], k: number): Loop {
  const [width, count] = [rows[rows.length - 1], places.length];
  return (out, [x]) =>
    places.forEach((place, at) => {
      const from = (rows.length === 3 ? place : Math.floor(place / k)) * width;
      for (let i = 0; i < width; i++) out[i * count + at] = x[from + i];
    });
}

/** 1 where a code is the wanted one, else 0. */
function choice(wanted: TensorInfo, backend: Backend): (codes: TensorInfo) => TensorInfo {
  const [equal, cast] = [backend.kernel("Equal"), backend.kernel("Cast")];
  return (codes) => using(backend, equal({ a: codes, b: wanted }), (x) => cast({ x }, { dtype: "float32" }));
}

function ones(pin: Pin, shape: readonly number[]): TensorInfo {
  return pin(new Float32Array(sizeOf(shape)).fill(1), shape);
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
