import { sizeOf } from "../../ops/shape.ts";
import type { Attrs, Op } from "../../ops/value.ts";
import type { Loop, Numbers } from "./numbers.ts";

/** Where an op stands: its settings, the shape of its result and of what it is applied to, with the batch known. */
export interface Place {
  /** The op's settings. */
  readonly attrs: Attrs;
  /** The shape of the result. */
  readonly shape: readonly number[];
  /** The shapes of what the op is applied to. */
  readonly of: readonly (readonly number[])[];
  /** Which of those are zeros whatever is run. */
  readonly zeros: readonly boolean[];
}

/** The ops that compute numbers, and do not only pass them on. */
export type Computed = Exclude<
  Op,
  "input" | "parameter" | "noise" | "constant" | "inTraining" | "reshape" | "stopGradient"
>;

/**
 * Loops over memory, for backends whose memory is this program's memory: how each op is settled for its place.
 * Results are float32, sums and functions are computed in float64.
 */
export const loops: Readonly<Record<Computed, (place: Place) => Loop>> = {
  matmul,

  add: binary((out, at, count, a, i, di, b, j, dj) => {
    for (let n = at; n < at + count; n++, i += di, j += dj) out[n] = a[i] + b[j];
  }),
  sub: binary((out, at, count, a, i, di, b, j, dj) => {
    for (let n = at; n < at + count; n++, i += di, j += dj) out[n] = a[i] - b[j];
  }),
  mul: binary((out, at, count, a, i, di, b, j, dj) => {
    for (let n = at; n < at + count; n++, i += di, j += dj) out[n] = a[i] * b[j];
  }),
  div: binary((out, at, count, a, i, di, b, j, dj) => {
    for (let n = at; n < at + count; n++, i += di, j += dj) out[n] = a[i] / b[j];
  }),

  neg: () => (out, [x]) => {
    for (let n = 0; n < out.length; n++) out[n] = -x[n];
  },
  exp: () => (out, [x]) => {
    for (let n = 0; n < out.length; n++) out[n] = Math.exp(x[n]);
  },
  log: () => (out, [x]) => {
    for (let n = 0; n < out.length; n++) out[n] = Math.log(x[n]);
  },
  sqrt: () => (out, [x]) => {
    for (let n = 0; n < out.length; n++) out[n] = Math.sqrt(x[n]);
  },
  relu: () => (out, [x]) => {
    for (let n = 0; n < out.length; n++) out[n] = Math.max(x[n], 0);
  },
  sigmoid: () => (out, [x]) => {
    for (let n = 0; n < out.length; n++) out[n] = 1 / (1 + Math.exp(-x[n]));
  },
  tanh: () => (out, [x]) => {
    for (let n = 0; n < out.length; n++) out[n] = Math.tanh(x[n]);
  },
  softplus: () => (out, [x]) => {
    for (let n = 0; n < out.length; n++) out[n] = Math.max(x[n], 0) + Math.log1p(Math.exp(-Math.abs(x[n])));
  },

  greater: binary((out, at, count, a, i, di, b, j, dj) => {
    for (let n = at; n < at + count; n++, i += di, j += dj) out[n] = a[i] > b[j] ? 1 : 0;
  }),
  equal: binary((out, at, count, a, i, di, b, j, dj) => {
    for (let n = at; n < at + count; n++, i += di, j += dj) out[n] = a[i] === b[j] ? 1 : 0;
  }),
  select: ({ shape, of }) => {
    const walk = walker(shape, of.map((from) => stretched(from, shape)));
    return (out, [condition, a, b]) =>
      walk((at, count, places, [dc, di, dj]) => {
        let [c, i, j] = [places[0], places[1], places[2]];
        for (let n = at; n < at + count; n++, c += dc, i += di, j += dj) out[n] = condition[c] !== 0 ? a[i] : b[j];
      });
  },

  sum: reduction(0, (out, o, step, count, x, i, along) => {
    if (step === 0) {
      let total = out[o];
      for (let n = 0; n < count; n++, i += along) total += x[i];
      out[o] = total;
    } else for (let n = 0; n < count; n++, o += step, i += along) out[o] += x[i];
  }),
  max: reduction(-Infinity, (out, o, step, count, x, i, along) => {
    for (let n = 0; n < count; n++, o += step, i += along) out[o] = Math.max(out[o], x[i]);
  }),
  softmax,
  topMask,
  runningSum: ({ shape }) => {
    const width = sizeOf(shape.slice(1));
    return (out, [x]) => {
      const totals = new Float64Array(width);
      for (let start = 0; start < out.length; start += width) {
        for (let at = 0; at < width; at++) {
          out[start + at] = totals[at];
          totals[at] += x[start + at];
        }
      }
    };
  },

  broadcast: ({ shape, of: [from] }) => copy(shape, stretched(from, shape)),
  transpose: (place) => transposed(place, tiles),
  concat: ({ attrs, shape, of }) => {
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
  },
  slice: ({ attrs, shape, of: [from] }) => {
    const axis = attrs.axis as number;
    const rows = sizeOf(shape.slice(0, axis));
    const start = (attrs.start as number) * sizeOf(shape.slice(axis + 1));
    return (out, [x]) => blocks(out, 0, sizeOf(shape.slice(axis)), x, start, sizeOf(from.slice(axis)), rows);
  },
  pad: ({ attrs, shape, of: [from] }) => {
    const axis = attrs.axis as number;
    const rows = sizeOf(shape.slice(0, axis));
    const start = (attrs.before as number) * sizeOf(shape.slice(axis + 1));
    const width = sizeOf(from.slice(axis));
    return (out, [x]) => {
      out.fill(0);
      blocks(out, start, sizeOf(shape.slice(axis)), x, 0, width, rows, width);
    };
  },

  multiHot: ({ attrs, shape: [rows, width] }) => {
    const find = finder(attrs);
    return (out, [codes]) => {
      out.fill(0);
      for (let row = 0; row < rows; row++) {
        const { places, count } = find(codes, row);
        for (let at = 0; at < count; at++) out[row * width + places[at]] = 1;
      }
    };
  },
  gatherSum: ({ attrs, shape: [rows, width] }) => {
    const find = finder(attrs);
    return (out, [table, codes]) => {
      out.fill(0);
      for (let row = 0; row < rows; row++) {
        const { places, count } = find(codes, row);
        let at = 0;
        for (; at + 4 <= count; at += 4) {
          let a = places[at] * width,
            b = places[at + 1] * width,
            c = places[at + 2] * width,
            d = places[at + 3] * width;
          for (let to = row * width; to < row * width + width; to++) {
            out[to] += table[a++] + table[b++] + table[c++] + table[d++];
          }
        }
        for (; at < count; at++) {
          let from = places[at] * width;
          for (let to = row * width; to < row * width + width; to++) out[to] += table[from++];
        }
      }
    };
  },
  scatterAdd: ({ attrs, of: [[rows]], shape: [, width] }) => {
    const find = finder(attrs);
    return (out, [codes, x]) => {
      out.fill(0);
      for (let row = 0; row < rows; row++) {
        const { places, count } = find(codes, row);
        let at = 0;
        for (; at + 4 <= count; at += 4) {
          let a = places[at] * width,
            b = places[at + 1] * width,
            c = places[at + 2] * width,
            d = places[at + 3] * width;
          for (let from = row * width; from < row * width + width; from++) {
            const number = x[from];
            out[a++] += number;
            out[b++] += number;
            out[c++] += number;
            out[d++] += number;
          }
        }
        for (; at < count; at++) {
          let to = places[at] * width;
          for (let from = row * width; from < row * width + width; from++) out[to++] += x[from];
        }
      }
    };
  },

  topPlaces: ({ attrs, of: [[rows, width], ...others] }) => {
    const k = attrs.k as number;
    const columns = k * (1 + others.length);
    return (out, of) =>
      of.forEach((x, nth) => {
        for (let row = 0; row < rows; row++) largest(out, row * columns + nth * k, k, x, row * width, width);
      });
  },
  routed: ({ of: [rows, [, width, units], [, k]] }) => {
    return (out, [x, kernels, codes]) => {
      out.fill(0);
      for (let at = 0; at < codes.length; at++) {
        const from = (rows.length === 3 ? at : Math.floor(at / k)) * width;
        rowProduct(out, at * units, x, from, width, kernels, codes[at] * width * units, units);
      }
    };
  },
  routedKernels: ({ of: [rows, [, k]], shape: [, width, units] }) => {
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
  },
};

/** The places of the k largest of some numbers, largest first and of equal ones the first. */
function largest(out: Float32Array, to: number, k: number, x: Numbers, from: number, width: number): void {
  let [bound, last] = [Infinity, -1]; // what was found before: a number, and the last place where it was
  for (let nth = 0; nth < k; nth++) {
    let best = -1;
    for (let place = 0; place < width; place++) {
      const number = x[from + place];
      const left = number < bound || (number === bound && place > last);
      if (left && (best < 0 || number > x[from + best])) best = place;
    }
    out[to + nth] = best;
    [bound, last] = [x[from + best], best];
  }
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

/** Finds the one-hot places of a row's codes, but for those out of range; the next call overwrites what is found. */
export function finder(
  attrs: Attrs,
): (codes: Numbers, row: number) => { readonly places: Int32Array; readonly count: number } {
  const sizes = attrs.sizes as number[];
  const starts = sizes.map((_, column) => sizes.slice(0, column).reduce((total, size) => total + size, 0));
  const places = new Int32Array(sizes.length);
  return (codes, row) => {
    let count = 0;
    for (let column = 0, n = row * sizes.length; column < sizes.length; column++, n++) {
      if (codes[n] >= 0 && codes[n] < sizes[column]) places[count++] = starts[column] + codes[n];
    }
    return { places, count };
  };
}

/** `[..., m, k] x [..., k, n]`, four rows of the right matrix at once. */
function matmul({ shape, of: [left] }: Place): Loop {
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

/** Computes `count` elements from place `at` on, stepping through two arrays. */
type Pair = (
  out: Float32Array,
  at: number,
  count: number,
  a: Numbers,
  i: number,
  di: number,
  b: Numbers,
  j: number,
  dj: number,
) => void;

function binary(row: Pair): (place: Place) => Loop {
  return ({ shape, of }) => {
    const walk = walker(shape, of.map((from) => stretched(from, shape)));
    return (out, [a, b]) =>
      walk((at, count, places, steps) => row(out, at, count, a, places[0], steps[0], b, places[1], steps[1]));
  };
}

/** Folds `count` elements of `x`, from place `i` on, into `out`, from place `o` on: into one place if the step is 0. */
type Fold = (
  out: Float32Array,
  o: number,
  step: number,
  count: number,
  x: Numbers,
  i: number,
  along: number,
) => void;

function reduction(empty: number, fold: Fold): (place: Place) => Loop {
  return ({ attrs, of: [from] }) => {
    const kept = from.map((length, axis) => (attrs.axes as number[]).includes(axis) ? 1 : length);
    const walk = walker(from, [stepsOf(from), stretched(kept, from)]);
    return (out, [x]) => {
      out.fill(empty);
      walk((_, count, places, steps) => fold(out, places[1], steps[1], count, x, places[0], steps[0]));
    };
  };
}

function softmax({ shape }: Place): Loop {
  const width = shape[shape.length - 1];
  return (out, [x]) => {
    for (let start = 0; start < out.length; start += width) {
      let top = -Infinity;
      for (let n = start; n < start + width; n++) top = Math.max(top, x[n]);
      let total = 0;
      for (let n = start; n < start + width; n++) total += out[n] = Math.exp(x[n] - top);
      for (let n = start; n < start + width; n++) out[n] /= total;
    }
  };
}

/** Marks the largest element that is not yet marked, k times; of equal ones the first. */
function topMask({ attrs, shape }: Place): Loop {
  const width = shape[shape.length - 1];
  const k = attrs.k as number;
  return (out, [x]) => {
    out.fill(0);
    for (let start = 0; start < out.length; start += width) {
      for (let nth = 0; nth < k; nth++) {
        let best = -1;
        for (let n = start; n < start + width; n++) {
          if (out[n] === 0 && (best < 0 || x[n] > x[best])) best = n;
        }
        out[best] = 1;
      }
    }
  };
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

/** Copies an array with its axes in another order, matrix by matrix. */
export function transposed({ attrs, shape, of: [from] }: Place, copyMatrix: CopyMatrix): Loop {
  const steps = stepsOf(from);
  return copy(shape, (attrs.order as number[]).map((axis) => steps[axis]), copyMatrix);
}

/** Copies elements that lie so many steps apart along each axis. */
function copy(shape: readonly number[], steps: readonly number[], copyMatrix: CopyMatrix = tiles): Loop {
  const merged = merge(shape, [steps]);
  const lengths = [1, 1, ...merged.lengths];
  const own = [0, 0, ...merged.steps[0]];
  const [rows, columns] = lengths.slice(-2);
  const [down, along] = own.slice(-2);
  const walk = walker(lengths.slice(0, -2), [own.slice(0, -2)]);
  return (out, [x]) =>
    walk((at, count, places, [step]) => {
      for (let n = 0; n < count; n++) {
        copyMatrix(out, (at + n) * rows * columns, rows, columns, x, places[0] + n * step, down, along);
      }
    });
}

/** Copies a matrix whose elements lie so many steps apart from row to row, and along a row, to where rows are in order. */
export type CopyMatrix = (
  out: Float32Array,
  to: number,
  rows: number,
  columns: number,
  x: Numbers,
  from: number,
  down: number,
  along: number,
) => void;

/** Copies a matrix, in tiles that fit the processor's cache. */
export const tiles: CopyMatrix = (out, to, rows, columns, x, from, down, along) => {
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
};

// Places in row-major order.

/** Visits the elements of a shape in order, a row at a time: its place, its length, and each array's place and step. */
type Walk = (visit: (at: number, count: number, places: Int32Array, steps: readonly number[]) => void) => void;

function walker(shape: readonly number[], arrays: readonly (readonly number[])[]): Walk {
  const { lengths, steps } = merge(shape, arrays);
  const count = lengths.pop() ?? 1;
  const along = steps.map((own) => own.pop() ?? 0);
  const rows = sizeOf(lengths);
  return (visit) => {
    const places = new Int32Array(arrays.length);
    const index = new Int32Array(lengths.length);
    for (let row = 0; row < rows; row++) {
      visit(row * count, count, places, along);
      for (let axis = lengths.length - 1; axis >= 0; axis--) {
        const turn = ++index[axis] === lengths[axis];
        if (turn) index[axis] = 0;
        for (let i = 0; i < places.length; i++) places[i] += steps[i][axis] * (turn ? 1 - lengths[axis] : 1);
        if (!turn) break;
      }
    }
  };
}

/** Drops axes of length 1, and joins neighbours that every array passes through in equal steps. */
function merge(
  shape: readonly number[],
  arrays: readonly (readonly number[])[],
): { lengths: number[]; steps: number[][] } {
  const lengths: number[] = [];
  const steps: number[][] = arrays.map(() => []);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 1) continue;
    if (lengths.length > 0 && arrays.every((own, i) => own[axis] === steps[i][0] * lengths[0])) {
      lengths[0] *= shape[axis];
    } else {
      lengths.unshift(shape[axis]);
      arrays.forEach((own, i) => steps[i].unshift(own[axis]));
    }
  }
  return { lengths, steps };
}

/** How many places one step along each axis is. */
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
