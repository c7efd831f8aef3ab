import { sizeOf } from "../../ops/shape.ts";
import type { Loop, Numbers, Place } from "./loop.ts";

/** `[..., m, k] x [..., k, n]`, four rows of the right matrix at once. */
export function matmul({ shape, of: [left] }: Place): Loop {
  const [m, n] = shape.slice(-2);
  const k = left[left.length - 1];
  const rows = sizeOf(shape.slice(0, -1));
  return (out, [a, b]) => {
    out.fill(0);
    for (let row = 0; row < rows; row++) {
      rowProduct(out, row * n, a, row * k, k, b, Math.floor(row / m) * k * n, n);
    }
  };
}

/** The product of each row with the kernels that its codes name. */
export function routed({ of: [rows, [, width, units], [, k]] }: Place): Loop {
  return (out, [x, kernels, codes]) => {
    out.fill(0);
    for (let at = 0; at < codes.length; at++) {
      const from = (rows.length === 3 ? at : Math.floor(at / k)) * width;
      rowProduct(out, at * units, x, from, width, kernels, codes[at] * width * units, units);
    }
  };
}

/** The sum for each kernel of the outer products of the rows that went to it with what came back. */
export function routedKernels({ of: [rows, [, k]], shape: [, width, units] }: Place): Loop {
  return (out, [x, g, codes]) => {
    out.fill(0);
    for (let at = 0; at < codes.length; at++) {
      const from = (rows.length === 3 ? at : Math.floor(at / k)) * width;
      for (let i = 0, to = codes[at] * width * units; i < width; i++) {
        const factor = x[from + i];
        for (let n = at * units; n < at * units + units; n++) out[to++] += factor * g[n];
      }
    }
  };
}

/** Adds the product of a row of numbers with a matrix, four rows of the matrix at once. */
function rowProduct(
  out: Float32Array,
  to: number,
  x: Numbers,
  from: number,
  width: number,
  matrix: Numbers,
  start: number,
  units: number,
): void {
  let at = 0;
  for (; at + 4 <= width; at += 4) {
    const x0 = x[from + at], x1 = x[from + at + 1], x2 = x[from + at + 2], x3 = x[from + at + 3];
    let i = start + at * units;
    for (let n = to; n < to + units; n++, i++) {
      out[n] += x0 * matrix[i] + x1 * matrix[i + units] + x2 * matrix[i + 2 * units] + x3 * matrix[i + 3 * units];
    }
  }
  for (; at < width; at++) {
    let i = start + at * units;
    for (let n = to; n < to + units; n++) out[n] += x[from + at] * matrix[i++];
  }
}
