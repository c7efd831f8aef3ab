import { sizeOf } from "../../ops/shape.ts";
import { gatherSum, multiHot, pick, scatterAdd, weightedHot, weightedScatter, weightedSum } from "./code_loops.ts";
import { broadcast, concat, pad, slice, transposed } from "./copies.ts";
import type { Loop, Looped, Numbers, Place } from "./loop.ts";
import { matmul, routed, routedKernels } from "./product_loops.ts";
import { stepsOf, stretched, walker } from "./walk.ts";

/**
 * Loops over memory, for backends whose memory is this program's memory: how each op is settled for its place.
 * Results are float32, sums and functions are computed in float64.
 */
export const loops: Readonly<Record<Looped, (place: Place) => Loop>> = {
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
  select,

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
  runningSum,

  broadcast,
  transpose: (place) => transposed(place),
  concat,
  slice,
  pad,

  pick,
  multiHot,
  gatherSum,
  scatterAdd,
  weightedHot,
  weightedSum,
  weightedScatter,

  topPlaces,
  routed,
  routedKernels,
};

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

function select({ shape, of }: Place): Loop {
  const walk = walker(shape, of.map((from) => stretched(from, shape)));
  return (out, [condition, a, b]) =>
    walk((at, count, places, [dc, di, dj]) => {
      let [c, i, j] = [places[0], places[1], places[2]];
      for (let n = at; n < at + count; n++, c += dc, i += di, j += dj) out[n] = condition[c] !== 0 ? a[i] : b[j];
    });
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

/** The sum of what comes before each element along the first axis, in float64. */
function runningSum({ shape }: Place): Loop {
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
}

/** The places of the k largest elements of each row of each value, side by side. */
function topPlaces({ attrs, of: [[rows, width], ...others] }: Place): Loop {
  const k = attrs.k as number;
  const columns = k * (1 + others.length);
  return (out, of) =>
    of.forEach((x, nth) => {
      for (let row = 0; row < rows; row++) largest(out, row * columns + nth * k, k, x, row * width, width);
    });
}

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
