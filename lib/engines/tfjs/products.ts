import type { TensorInfo } from "@tensorflow/tfjs";
import type { Backend } from "./backend.ts";
import { type Step, untransposed, using } from "./kernel.ts";
import type { Place } from "./loop.ts";

/**
 * Products by the backend's own faster kernel, where it has one, but for few rows, as of a prediction for one. Else one
 * product per leading index is several plain products where the backend's memory can be cut cheaply.
 */
export function matmul({ shape, of: [left, right] }: Place, backend: Backend): Step {
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

/** Products by the faster kernel, where the backend has one: of arrays, or of a matrix with one of several. */
export function productBy(backend: Backend): (a: TensorInfo, b: TensorInfo, one?: number) => TensorInfo {
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
