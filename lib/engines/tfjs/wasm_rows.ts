import { sizeOf } from "../../ops/shape.ts";
import { columnsOf } from "../../formats/translation.ts";
import { tiles, transposed } from "./copies.ts";
import type { Loop, LoopAt, Numbers, Place } from "./loop.ts";
import {
  type Code,
  code,
  constant,
  type Definition,
  each,
  get,
  increase,
  load,
  pick,
  repeat,
  set,
  spread,
  store,
  wholeNumber,
} from "../wasm_code.ts";
import type { Called } from "../board.ts";
import { callAll, type Functions, functionsIn, type Heap } from "../heap.ts";
import { type MoveLoops, moveLoops } from "./wasm_moves.ts";
import { type PointLoops, pointLoops } from "./wasm_points.ts";
import { totalLoops } from "./wasm_totals.ts";
import { named, naming, rowSums, type SumRows } from "../row_sums.ts";

/** Ops over rows of matrices whose loops are faster in WebAssembly; undefined where such a loop cannot be. */
export type RowLoops =
  & PointLoops
  & MoveLoops
  & Readonly<
    Record<
      "gatherSum" | "scatterAdd" | "weightedSum" | "weightedScatter" | "sum" | "softmax" | "transpose",
      LoopAt
    >
  >;

/** The functions in WebAssembly, which are written below. */
type Calls = Functions<"weigh" | "spreadOut" | "copy" | "turn">;

/**
 * Loops over a WebAssembly memory that take rows four numbers at a time, where rows have a multiple of four.
 *
 * @returns Undefined where WebAssembly has no SIMD.
 */
export function rowLoops(heap: Heap): RowLoops | undefined {
  const sumRows = rowSums(heap);
  if (sumRows === undefined) return undefined;
  const call = functionsIn(heap, { weigh, spreadOut, copy, turn })!;
  const { total, softmax } = totalLoops(heap);
  return {
    ...pointLoops(heap),
    ...moveLoops(heap),
    softmax,
    transpose: transposedBy(call, heap),
    gatherSum: ({ attrs, shape: [, width], of: [[height], [, codesWidth]] }) => {
      if (width % 4 > 0) return undefined;
      const columns = columnsOf(attrs.sizes as number[]);
      return (out, [table, codes]) => {
        const whole = codes instanceof Int32Array; // codes that a loop has made are floats
        const of = whole ? { codes, width: codesWidth, columns } : named(codes, codesWidth, columns);
        sumRows(out.byteOffset, table.byteOffset, of, height, width);
      };
    },
    scatterAdd: ({ attrs, of: [[rows, codesWidth]], shape: [height, width] }) => {
      if (width % 4 > 0) return undefined;
      const columns = columnsOf(attrs.sizes as number[]);
      return (out, [codes, x]) => {
        const lists = naming(named(codes, codesWidth, columns), height);
        sumRows(out.byteOffset, x.byteOffset, lists, rows, width);
      };
    },
    weightedSum: ({ of: [[size], [rows]], shape: [, width] }) =>
      width % 4 > 0 ? undefined : (out, [table, codes, weights]) => {
        const to = out.byteOffset;
        weighted({ size, rows, width }, codes, weights, table.byteOffset, heap, (row, list, count) => {
          call.weigh(to + 4 * width * row, list, count, width >> 4, width >> 2 & 3);
        });
      },
    weightedScatter: ({ of: [[rows]], shape: [size, width] }) =>
      width % 4 > 0 ? undefined : (out, [codes, weights, x]) => {
        out.fill(0);
        const from = x.byteOffset;
        weighted({ size, rows, width }, codes, weights, out.byteOffset, heap, (row, list, count) => {
          call.spreadOut(from + 4 * width * row, list, count, width >> 4, width >> 2 & 3);
        });
      },
    sum: (place) => sumBy(sumRows, place) ?? total(place),
  };
}

/** Sums over neighbouring axes, whose rows are listed as if codes had named them. */
function sumBy(sumRows: SumRows, { attrs, of: [from], shape }: Place): Loop | undefined {
  const axes = attrs.axes as number[];
  const [first, end] = [axes[0], axes[axes.length - 1] + 1];
  const [rows, width] = [sizeOf(from.slice(first, end)), sizeOf(from.slice(end))];
  if (axes.length === 0 || end - first !== axes.length || width % 4 > 0) return undefined;
  const sums = sizeOf(shape) / width;
  const lists = {
    counts: new Int32Array(sums).fill(rows),
    rows: Int32Array.from({ length: sums * rows }, (_, at) => at),
  };
  return (out, [x]) => sumRows(out.byteOffset, x.byteOffset, lists, sums * rows, width);
}

/** Visits each row of codes with a list of where the rows of a table are that it names, each before its weight. */
function weighted(
  { size, rows, width }: { readonly size: number; readonly rows: number; readonly width: number },
  codes: Numbers,
  weights: Numbers,
  table: number,
  heap: Heap,
  visit: (row: number, list: number, count: number) => void,
): void {
  const [at, factors, length] = [codes.byteOffset, weights.byteOffset, codes.length];
  const whole = codes instanceof Int32Array; // codes that a loop has made are floats
  const items = length / rows;
  listed(2 * items, heap, (list, addresses) => {
    const { buffer } = heap.memory; // memory may have grown, which takes what was seen before
    const named = whole ? new Int32Array(buffer, at, length) : new Float32Array(buffer, at, length);
    const [given, beside] = [new Float32Array(buffer, factors, length), new Float32Array(buffer, list, 2 * items)];
    for (let row = 0, place = 0; row < rows; row++) {
      let count = 0;
      for (let item = 0; item < items; item++, place++) {
        const [code, weight] = [named[place], given[place]];
        if (!(code >= 0 && code < size) || weight === 0) continue;
        addresses[2 * count] = table + 4 * width * code;
        beside[2 * count++ + 1] = weight;
      }
      visit(row, list, count);
    }
  });
}

/** Takes memory for a list of so many addresses, as long as it is used. */
function listed(length: number, heap: Heap, use: (list: number, addresses: Int32Array) => void): void {
  const list = heap.take(4 * length);
  try {
    use(list, new Int32Array(heap.memory.buffer, list, length));
  } finally {
    heap.free(list);
  }
}

/** Exchanges axes: by vectors where rows stay rows, or columns become rows, of a multiple of four. */
function transposedBy({ copy, turn }: Calls, heap: Heap): RowLoops["transpose"] {
  return (place) => {
    const calls: Called[] = [];
    const loop = transposed(place, (out, to, rows, columns, x, from, down, along, count, step) => {
      const [target, source, size] = [out.byteOffset + 4 * to, x.byteOffset + 4 * from, rows * columns];
      const kept = along === 1 && columns % 4 === 0;
      const turned = down === 1 && rows >= 4 && columns >= 4;
      if (turned && (rows % 4 > 0 || columns % 4 > 0) && count === 1 && size >= leastUneven) {
        return calls.push(...unevenly(turn, target, source, rows, columns, 4 * along));
      }
      if (!kept && !(turned && rows % 4 === 0 && columns % 4 === 0)) {
        return tiles(out, to, rows, columns, x, from, down, along, count, step);
      }
      const add = (first: number, some: number, row: number, high: number) => {
        const [start, read] = [target + 4 * (first * size + row * columns), source + 4 * (first * step + row * down)];
        if (kept) calls.push([copy, start, read, 4 * down, high, columns >> 2, some, 4 * (step - high * down)]);
        else calls.push([turn, start, 4 * columns, read, 4 * along, high >> 2, columns >> 2, some, 4 * (step - high)]);
      };
      const parts = partsOf(heap, count * size);
      const [some, high] = [Math.ceil(count / parts), count < parts ? 4 * Math.ceil(rows / 4 / parts) : rows];
      for (let first = 0; first < count; first += some) {
        const matrices = Math.min(some, count - first);
        if (high >= rows) add(first, matrices, 0, rows);
        else for (let row = 0; row < rows; row += high) add(first, matrices, row, Math.min(high, rows - row));
      }
    });
    const work = sizeOf(place.shape);
    return (out, of) => {
      loop(out, of);
      callAll(heap, calls.splice(0), work);
    };
  };
}

/** The numbers from which on rows and columns by four pay where some are left. */
const leastUneven = 2 ** 14;

/** Calls that make rows of columns where their numbers are no multiples of four: the last four of each are made again. */
function unevenly(
  turn: Called[0],
  to: number,
  from: number,
  rows: number,
  columns: number,
  along: number,
): readonly Called[] {
  const last = columns - 4;
  return Array.from({ length: Math.ceil(rows / 4) }, (_, band): readonly Called[] => {
    const row = Math.min(4 * band, rows - 4);
    const [target, source] = [to + 4 * row * columns, from + 4 * row];
    const whole: Called = [turn, target, 4 * columns, source, along, 1, columns >> 2, 1, 0];
    if (columns % 4 === 0) return [whole];
    return [whole, [turn, target + 4 * last, 4 * columns, source + along * last, along, 1, 1, 1, 0]];
  }).flat();
}

/** Returns the parts to share that so many numbers to move or compute have. */
function partsOf({ crew }: Heap, numbers: number): number {
  return crew === undefined || numbers < crew.least ? 1 : 6 * crew.threads;
}

/**
 * Sums rows that a list has the addresses of, each times the weight that follows its address there, for four vectors of
 * columns at a time, in registers, then for one. Parameters: where to, the
 * list, its length, the columns by 16, and by 4 what is left of them.
 */
const weigh: Definition = (() => {
  const [to, list, length, wide, narrow] = [0, 1, 2, 3, 4];
  const [next, left, offset, at, sum] = [5, 6, 7, 8, (v: number) => 9 + v];
  const added = (v: number): Code => [
    ...[...get(at), ...load(16 * v), ...get(next), ...spread(4), ...code.multiplyVectors],
    ...[...get(sum(v)), ...code.addVectors, ...set(sum(v))],
  ];
  const part = (vectors: number): Code => [
    ...each(vectors, (v) => [...code.zeros, ...set(sum(v))]),
    ...[...get(list), ...set(next), ...get(length), ...set(left)],
    ...repeat(left, [
      ...[...get(next), ...wholeNumber(0), ...get(offset), ...code.add, ...set(at)],
      ...each(vectors, added),
      ...increase(next, constant(8)),
    ]),
    ...each(vectors, (v) => [...get(to), ...get(sum(v)), ...store(16 * v)]),
    ...[...increase(to, constant(16 * vectors)), ...increase(offset, constant(16 * vectors))],
  ];
  return { parameters: 5, locals: [4, 4], body: [...repeat(wide, part(4)), ...repeat(narrow, part(1))] };
})();

/** Adds a row to those that a list has the addresses of, times the weights beside. Parameters: the row, the others as above. */
const spreadOut: Definition = (() => {
  const [row, list, length, wide, narrow] = [0, 1, 2, 3, 4];
  const [left, from, at] = [5, 6, 7];
  const added = (vectors: number): Code => [
    ...each(vectors, (v) => [
      ...[...get(at), ...get(from), ...load(16 * v), ...get(list), ...spread(4), ...code.multiplyVectors],
      ...[...get(at), ...load(16 * v), ...code.addVectors, ...store(16 * v)],
    ]),
    ...[...increase(from, constant(16 * vectors)), ...increase(at, constant(16 * vectors))],
  ];
  const body = repeat(length, [
    ...[...get(list), ...wholeNumber(0), ...set(at), ...get(row), ...set(from)],
    ...[...get(wide), ...set(left), ...repeat(left, added(4))],
    ...[...get(narrow), ...set(left), ...repeat(left, added(1))],
    ...increase(list, constant(8)),
  ]);
  return { parameters: 5, locals: [3, 0], body };
})();

/**
 * Copies rows of matrices. Parameters: where to, from where, the bytes from row to row there, the rows, the columns by 4,
 * the matrices, and the bytes from the end of one to the next.
 */
const copy: Definition = (() => {
  const [to, from, next, rows, columns, count, step] = [0, 1, 2, 3, 4, 5, 6];
  const [left, at, row] = [7, 8, 9];
  const vector = [...get(to), ...get(at), ...load(0), ...store(0)];
  const body = repeat(count, [
    ...[...get(rows), ...set(row)],
    ...repeat(row, [
      ...[...get(from), ...set(at), ...get(columns), ...set(left)],
      ...repeat(left, [...vector, ...increase(to, constant(16)), ...increase(at, constant(16))]),
      ...increase(from, get(next)),
    ]),
    ...increase(from, get(step)),
  ]);
  return { parameters: 7, locals: [3, 0], body };
})();

/**
 * Makes rows of columns, four by four. Parameters: where to, the bytes from row to row there; from where, the bytes from
 * column to column there; the rows by 4, the columns by 4; the matrices, and the bytes from the end of one to the next.
 */
const turn: Definition = (() => {
  const [to, down, from, along, rows, columns, count, step] = [0, 1, 2, 3, 4, 5, 6, 7];
  const [left, at, out, row] = [8, 9, 10, 11];
  const [column, half] = [12, 16].map((first) => (v: number) => first + v);
  const paired = (v: number, of: (v: number) => number, places: Parameters<typeof pick>[0]) => [
    ...[...get(of(v)), ...get(of(v + 1)), ...pick(places)],
  ];
  const [low, high] = [[0, 4, 1, 5], [2, 6, 3, 7]] as const; // of two columns, in turns
  const [first, second] = [[0, 1, 4, 5], [2, 3, 6, 7]] as const; // of two such halves
  const square = [
    ...each(4, (v) => [...get(at), ...load(0), ...set(column(v)), ...increase(at, get(along))]),
    ...each(4, (v) => [...paired(2 * (v & 1), column, v < 2 ? low : high), ...set(half(v))]),
    ...[...get(to), ...set(out)],
    ...each(4, (row) => [
      ...[...get(out), ...paired(row & 2, half, row & 1 ? second : first)],
      ...[...store(0), ...increase(out, get(down))],
    ]),
    ...increase(to, constant(16)),
  ];
  const body = repeat(count, [
    ...[...get(rows), ...set(row)],
    ...repeat(row, [
      ...[...get(from), ...set(at), ...get(columns), ...set(left)],
      ...repeat(left, square),
      ...increase(from, constant(16)),
      ...each(3, () => increase(to, get(down))), // one row was gone through
    ]),
    ...increase(from, get(step)),
  ]);
  return { parameters: 8, locals: [4, 8], body };
})();
