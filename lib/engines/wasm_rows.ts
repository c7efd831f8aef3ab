import type { Loop, Numbers } from "./tfjs_backend.ts";
import { finder, type Place } from "./tfjs_loops.ts";
import {
  type Code,
  code,
  constant,
  type Definition,
  each,
  get,
  increase,
  load,
  moduleOf,
  repeat,
  set,
} from "./wasm_code.ts";
import { store, wholeNumber } from "./wasm_code.ts";
import type { Heap } from "./wasm_multiplier.ts";

/** Ops over rows of a matrix whose loops are faster in WebAssembly; undefined where such a loop cannot be. */
export type RowLoops = Readonly<Record<"gatherSum" | "scatterAdd" | "sum", (place: Place) => Loop | undefined>>;

/**
 * Loops over a WebAssembly memory that sum rows four numbers at a time, where rows have a multiple of four.
 *
 * @returns Undefined where WebAssembly has no SIMD.
 */
export function rowLoops({ memory, take, free }: Heap): RowLoops | undefined {
  const program = moduleOf({ gather, scatter });
  if (!WebAssembly.validate(program)) return undefined;
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(program), { from: { memory } });
  const call = exports as Readonly<Record<"gather" | "scatter", (...numbers: number[]) => void>>;

  /** Gives memory for a list of so many addresses. */
  const listed = (length: number, use: (list: number, addresses: Int32Array) => void): void => {
    const list = take(4 * length);
    try {
      use(list, new Int32Array(memory.buffer, list, length));
    } finally {
      free(list);
    }
  };
  /** Visits each row of codes with a list of where the rows of a table are that it names. */
  const named = (
    { attrs, rows, width }: { readonly attrs: Place["attrs"]; readonly rows: number; readonly width: number },
    codes: Numbers,
    table: number,
    visit: (row: number, list: number, count: number) => void,
  ): void => {
    const find = finder(attrs);
    const [at, length] = [codes.byteOffset, codes.length];
    listed(length / rows, (list, addresses) => {
      const own = new Int32Array(memory.buffer, at, length); // memory may have grown, which takes what was seen before
      for (let row = 0; row < rows; row++) {
        const { places, count } = find(own, row);
        for (let nth = 0; nth < count; nth++) addresses[nth] = table + 4 * width * places[nth];
        visit(row, list, count);
      }
    });
  };

  return {
    gatherSum: ({ attrs, shape: [rows, width] }) =>
      width % 4 > 0 ? undefined : (out, [table, codes]) => {
        const to = out.byteOffset;
        named({ attrs, rows, width }, codes, table.byteOffset, (row, list, count) => {
          call.gather(to + 4 * width * row, list, count, width >> 4, width >> 2 & 3);
        });
      },
    scatterAdd: ({ attrs, of: [[rows]], shape: [, width] }) =>
      width % 4 > 0 ? undefined : (out, [codes, x]) => {
        out.fill(0);
        const from = x.byteOffset;
        named({ attrs, rows, width }, codes, out.byteOffset, (row, list, count) => {
          call.scatter(from + 4 * width * row, list, count, width >> 4, width >> 2 & 3);
        });
      },
    sum: ({ attrs, of: [from] }) => {
      const axes = attrs.axes as number[];
      const [first, end] = [axes[0], axes[axes.length - 1] + 1];
      const size = (lengths: readonly number[]) => lengths.reduce((product, length) => product * length, 1);
      const [rows, width] = [size(from.slice(first, end)), size(from.slice(end))];
      if (end - first !== axes.length || width % 4 > 0) return undefined;
      return (out, [x]) => {
        const [to, at, count] = [out.byteOffset, x.byteOffset, x.length / rows / width];
        listed(rows, (list, addresses) => {
          for (let nth = 0; nth < count; nth++) {
            const start = at + 4 * width * rows * nth;
            for (let row = 0; row < rows; row++) addresses[row] = start + 4 * width * row;
            call.gather(to + 4 * width * nth, list, rows, width >> 4, width >> 2 & 3);
          }
        });
      };
    },
  };
}

/**
 * Sums rows that a list has the addresses of, for four vectors of columns at a time, in registers, then for one.
 *
 * Parameters: where to, the list, its length, the columns by 16, and by 4 what is left of them.
 */
const gather: Definition = (() => {
  const [to, list, length, wide, narrow] = [0, 1, 2, 3, 4];
  const [next, left, offset, at, sum] = [5, 6, 7, 8, (v: number) => 9 + v];
  const part = (vectors: number): Code => [
    ...each(vectors, (v) => [...code.zeros, ...set(sum(v))]),
    ...[...get(list), ...set(next), ...get(length), ...set(left)],
    ...repeat(left, [
      ...[...get(next), ...wholeNumber, ...get(offset), ...code.add, ...set(at)],
      ...each(vectors, (v) => [...get(at), ...load(16 * v), ...get(sum(v)), ...code.addVectors, ...set(sum(v))]),
      ...increase(next, constant(4)),
    ]),
    ...each(vectors, (v) => [...get(to), ...get(sum(v)), ...store(16 * v)]),
    ...[...increase(to, constant(16 * vectors)), ...increase(offset, constant(16 * vectors))],
  ];
  return { parameters: 5, locals: [4, 4], body: [...repeat(wide, part(4)), ...repeat(narrow, part(1))] };
})();

/** Adds a row to those that a list has the addresses of, one after the other. Parameters: the row, the others as above. */
const scatter: Definition = (() => {
  const [row, list, length, wide, narrow] = [0, 1, 2, 3, 4];
  const [left, from, at] = [5, 6, 7];
  const added = (vectors: number): Code => [
    ...each(vectors, (v) => {
      const [own, other] = [from, at].map((address) => [...get(address), ...load(16 * v)]);
      return [...get(at), ...own, ...other, ...code.addVectors, ...store(16 * v)];
    }),
    ...[...increase(from, constant(16 * vectors)), ...increase(at, constant(16 * vectors))],
  ];
  const body = repeat(length, [
    ...[...get(list), ...wholeNumber, ...set(at), ...get(row), ...set(from)],
    ...[...get(wide), ...set(left), ...repeat(left, added(4))],
    ...[...get(narrow), ...set(left), ...repeat(left, added(1))],
    ...increase(list, constant(4)),
  ]);
  return { parameters: 5, locals: [3, 0], body };
})();
