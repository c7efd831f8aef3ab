import type { TensorInfo } from "@tensorflow/tfjs";
import type { Backend } from "./backend.ts";
import { type Step, untransposed, using } from "./kernel.ts";
import type { Loop, Place } from "./loop.ts";
import * as loops from "./product_loops.ts";
import { productBy } from "./products.ts";

/** One plain product for each expert that has rows; where memory cannot be reached, one for each row. */
export function routed(place: Place, backend: Backend): Step {
  const { shape, of: [rows, [experts, width, units], [, k]] } = place;
  const product = productBy(backend);
  const { fill } = backend;
  if (fill === undefined) return routedApart(place, backend);
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
      return fill(shape, parts, (out, views) =>
        views.forEach((view, nth) =>
          groups[nth].places.forEach((place, at) => {
            out.set(view.subarray(at * units, (at + 1) * units), place * units);
          })
        ));
    } finally {
      parts.forEach(backend.free);
    }
  };
}

/** One product for each row with a copy of its expert's kernel. */
function routedApart({ shape, of: [rows, [, width], [, k]] }: Place, backend: Backend): Step {
  const gather = backend.kernel("GatherV2");
  const product = productBy(backend);
  const pairs = shape[0] * k;
  return ([x, kernels, codes]) =>
    using(backend, eachOnce(x, rows, k, backend), (x) => {
      const own = gather({ x: kernels, indices: { ...codes, shape: [pairs] } }, { axis: 0, batchDims: 0 });
      return using(backend, own, (own) => product({ ...x, shape: [pairs, 1, width] }, own));
    });
}

/** The gradient of each expert's kernel; see {@linkcode routed}. */
export function routedKernels(place: Place, backend: Backend): Step {
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
        const columns = fill([width, places.length], [x], pickingColumns(places, rows, k));
        parts.push(using(backend, columns, (a) => {
          const back = fill([places.length, units], [g], picking(places, [1, k, units], k));
          return using(backend, back, (b) => product(a, b));
        }));
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

/** All outer products, summed by a product with the one-hot columns of the codes. */
function summedKernels({ shape, of: [rows, , [batch, k]] }: Place, backend: Backend): Step {
  const [experts, width, units] = shape;
  const [product, mark, turn] = ["BatchMatMul", "OneHot", "Transpose"].map(backend.kernel);
  const cast = backend.kernel("Cast");
  const pairs = batch * k;
  const oneHot = { depth: experts, onValue: 1, offValue: 0, dtype: "float32" };
  const marks = (codes: TensorInfo) =>
    using(backend, mark({ indices: { ...codes, shape: [pairs] } }, oneHot), (x) => {
      return using(backend, turn({ x }, { perm: [1, 0] }), (x) => cast({ x }, { dtype: "float32" }));
    });
  return ([x, g, codes]) =>
    using(backend, eachOnce(x, rows, k, backend), (x) => {
      const outer = product(
        { a: { ...x, shape: [pairs, width, 1] }, b: { ...g, shape: [pairs, 1, units] } },
        untransposed,
      );
      return using(backend, outer, (all) => {
        const b = { ...all, shape: [pairs, width * units] };
        return using(backend, marks(codes), (a) => product({ a, b }, untransposed));
      });
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
