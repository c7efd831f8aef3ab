import { sizeOf } from "../../ops/shape.ts";
import type { Loop, Numbers, Place } from "./loop.ts";
import { merge, stepsOf, stretched, walker } from "./walk.ts";

/** Copies an array to a larger shape, stretched along axes of length 1. */
export function broadcast({ shape, of: [from] }: Place): Loop {
  return copy(shape, stretched(from, shape));
}

/** Copies an array with its axes in another order, matrix by matrix. */
export function transposed({ attrs, shape, of: [from] }: Place, copyMatrices: CopyMatrices = tiles): Loop {
  const steps = stepsOf(from);
  return copy(shape, (attrs.order as number[]).map((axis) => steps[axis]), copyMatrices);
}

/** Copies arrays one after another along an axis. */
export function concat({ attrs, shape, of }: Place): Loop {
  const axis = attrs.axis as number;
  const rows = sizeOf(shape.slice(0, axis));
  const width = sizeOf(shape.slice(axis));
  const widths = of.map((from) => sizeOf(from.slice(axis)));
  return (out, parts) => {
    let start = 0;
    parts.forEach((part, i) => {
      blocks(out, start, width, part, 0, widths[i], rows, widths[i]);
      start += widths[i];
    });
  };
}

/** Copies a part of an array along an axis. */
export function slice({ attrs, shape, of: [from] }: Place): Loop {
  const axis = attrs.axis as number;
  const rows = sizeOf(shape.slice(0, axis));
  const start = (attrs.start as number) * sizeOf(shape.slice(axis + 1));
  return (out, [x]) => blocks(out, 0, sizeOf(shape.slice(axis)), x, start, sizeOf(from.slice(axis)), rows);
}

/** Copies an array, with zeros before and after it along an axis. */
export function pad({ attrs, shape, of: [from] }: Place): Loop {
  const axis = attrs.axis as number;
  const rows = sizeOf(shape.slice(0, axis));
  const start = (attrs.before as number) * sizeOf(shape.slice(axis + 1));
  const width = sizeOf(from.slice(axis));
  return (out, [x]) => {
    out.fill(0);
    blocks(out, start, sizeOf(shape.slice(axis)), x, 0, width, rows, width);
  };
}

/**
 * Copies matrices, `step` apart, whose elements lie so many steps apart from row to row, and along a row, to where they and
 * their rows are in order.
 */
export type CopyMatrices = (
  out: Float32Array,
  to: number,
  rows: number,
  columns: number,
  x: Numbers,
  from: number,
  down: number,
  along: number,
  count: number,
  step: number,
) => void;

/** Copies matrices, in tiles that fit the processor's cache. */
export const tiles: CopyMatrices = (out, to, rows, columns, x, from, down, along, count, step) => {
  for (let nth = 0; nth < count; nth++) {
    tilesOf(out, to + nth * rows * columns, rows, columns, x, from + nth * step, down, along);
  }
};

function tilesOf(
  out: Float32Array,
  to: number,
  rows: number,
  columns: number,
  x: Numbers,
  from: number,
  down: number,
  along: number,
): void {
  const side = 16;
  for (let top = 0; top < rows; top += side) {
    const bottom = Math.min(top + side, rows);
    for (let left = 0; left < columns; left += side) {
      const right = Math.min(left + side, columns);
      for (let row = top; row < bottom; row++) {
        let i = from + row * down + left * along;
        for (let n = to + row * columns + left; n < to + row * columns + right; n++, i += along) out[n] = x[i];
      }
    }
  }
}

/** Copies elements that lie so many steps apart along each axis. */
function copy(shape: readonly number[], steps: readonly number[], copyMatrices: CopyMatrices = tiles): Loop {
  const merged = merge(shape, [steps]);
  const lengths = [1, 1, ...merged.lengths];
  const own = [0, 0, ...merged.steps[0]];
  const [rows, columns] = lengths.slice(-2);
  const [down, along] = own.slice(-2);
  const walk = walker(lengths.slice(0, -2), [own.slice(0, -2)]);
  return (out, [x]) =>
    walk((at, count, places, [step]) =>
      copyMatrices(out, at * rows * columns, rows, columns, x, places[0], down, along, count, step)
    );
}

/** Copies rows of `width` numbers between arrays whose rows lie further apart. */
function blocks(
  out: Float32Array,
  to: number,
  outWidth: number,
  x: Numbers,
  from: number,
  xWidth: number,
  rows: number,
  width = outWidth,
): void {
  if (rows === 1 || (outWidth === width && xWidth === width)) {
    out.set(x.subarray(from, from + rows * width), to);
    return;
  }
  for (let row = 0; row < rows; row++, to += outWidth, from += xWidth) {
    for (let n = 0; n < width; n++) out[to + n] = x[from + n];
  }
}
