import type { Attrs } from "../../ops/value.ts";
import type { Loop, Numbers, Place } from "./loop.ts";

/** Picks columns of codes, counted from the first code of each. */
export function pick({ attrs, of: [[rows, width]] }: Place): Loop {
  const [columns, first] = [attrs.columns as number[], attrs.first as number[]];
  return (out, [codes]) => {
    for (let row = 0, to = 0; row < rows; row++) {
      for (let at = 0; at < columns.length; at++, to++) out[to] = codes[row * width + columns[at]] - first[at];
    }
  };
}

/** Marks the one-hot places of each row's codes. */
export function multiHot({ attrs, shape: [rows, width] }: Place): Loop {
  const find = finder(attrs);
  return (out, [codes]) => {
    out.fill(0);
    for (let row = 0; row < rows; row++) {
      const { places, count } = find(codes, row);
      for (let at = 0; at < count; at++) out[row * width + places[at]] = 1;
    }
  };
}

/** Sums the rows of a table that each row's codes name, four at once. */
export function gatherSum({ attrs, shape: [rows, width] }: Place): Loop {
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
}

/** Adds each row to the rows of a table that its codes name, four at once. */
export function scatterAdd({ attrs, of: [[rows]], shape: [, width] }: Place): Loop {
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
}

/** Adds the weights of each row's codes up, by code. */
export function weightedHot({ of: [[rows, items]], shape: [, size] }: Place): Loop {
  return (out, [codes, weights]) => {
    out.fill(0);
    for (let row = 0, at = 0; row < rows; row++) {
      for (let item = 0; item < items; item++, at++) {
        if (codes[at] >= 0 && codes[at] < size) out[row * size + codes[at]] += weights[at];
      }
    }
  };
}

/** Sums the rows of a table that each row's codes name, each times its weight. */
export function weightedSum({ of: [[size], [rows, items]], shape: [, width] }: Place): Loop {
  return (out, [table, codes, weights]) => {
    out.fill(0);
    for (let row = 0, at = 0; row < rows; row++) {
      for (let item = 0; item < items; item++, at++) {
        const [code, weight] = [codes[at], weights[at]];
        if (!(code >= 0 && code < size) || weight === 0) continue;
        let from = code * width;
        for (let to = row * width; to < row * width + width; to++) out[to] += weight * table[from++];
      }
    }
  };
}

/** Adds each row to the rows of a table that its codes name, times their weights. */
export function weightedScatter({ of: [[rows, items]], shape: [size, width] }: Place): Loop {
  return (out, [codes, weights, x]) => {
    out.fill(0);
    for (let row = 0, at = 0; row < rows; row++) {
      for (let item = 0; item < items; item++, at++) {
        const [code, weight] = [codes[at], weights[at]];
        if (!(code >= 0 && code < size) || weight === 0) continue;
        let to = code * width;
        for (let from = row * width; from < row * width + width; from++) out[to++] += weight * x[from];
      }
    }
  };
}

/** Finds the one-hot places of a row's codes, but for those out of range; the next call overwrites what is found. */
function finder(
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
