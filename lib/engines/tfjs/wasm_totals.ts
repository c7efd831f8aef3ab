import { sizeOf } from "../../ops/shape.ts";
import type { Called } from "../board.ts";
import { callAll, functionsIn, type Heap } from "../heap.ts";
import { code, constant, each, four, get, increase, load, loadOne, pick, repeat } from "../wasm_code.ts";
import { type Code, type Definition, set, store, storeFirst } from "../wasm_code.ts";
import type { Loop, LoopAt } from "./loop.ts";

/** Ops that go through each row of a matrix as a whole; undefined where a row has a length that such a loop does not take. */
export type TotalLoops = Readonly<Record<"total" | "softmax", LoopAt>>;

/** The numbers that are added up by one call: sums of longer rows are sums of such parts, by whatever thread. */
const part = 2 ** 13;

/** Sums over the last axes, and softmax over the last one. */
export function totalLoops(heap: Heap): TotalLoops {
  const call = functionsIn(heap, definitions)!;
  const total = (to: number, from: number, rows: number, width: number): Called => {
    return [call.total, to, from, rows, width >> 4, width & 15];
  };
  return {
    total: ({ attrs, of: [from] }) => {
      const axes = attrs.axes as number[];
      const isLast = axes.every((axis, at) => axis === from.length - axes.length + at);
      if (axes.length === 0 || !isLast) return undefined;
      const width = sizeOf(from.slice(axes[0]));
      const rows = sizeOf(from) / width;
      const parts = Math.ceil(width / part);
      const some = Math.max(1, Math.floor(part / width));
      if (parts === 1) {
        return (out, [x]) => {
          const calls: Called[] = [];
          for (let row = 0; row < rows; row += some) {
            const [to, from] = [out.byteOffset + 4 * row, x.byteOffset + 4 * row * width];
            calls.push(total(to, from, Math.min(some, rows - row), width));
          }
          callAll(heap, calls, rows * width / 4);
        };
      }
      return (out, [x]) => {
        const [to, from] = [out.byteOffset, x.byteOffset];
        const sums = heap.take(4 * rows * parts);
        try {
          const calls = Array.from({ length: rows * parts }, (_, at) => {
            const start = part * (at % parts);
            return total(
              sums + 4 * at,
              from + 4 * (Math.floor(at / parts) * width + start),
              1,
              Math.min(part, width - start),
            );
          });
          callAll(heap, calls, rows * width / 4);
          callAll(heap, [total(to, sums, rows, parts)], 0);
        } finally {
          heap.free(sums);
        }
      };
    },
    softmax: ({ shape }) => {
      const width = shape[shape.length - 1];
      return width % 4 > 0 ? undefined : softmaxOf(heap, call.softmax, sizeOf(shape) / width, width);
    },
  };
}

function softmaxOf(heap: Heap, softmax: Called[0], rows: number, width: number): Loop {
  const some = Math.max(1, Math.floor(part / 4 / width));
  return (out, [x]) => {
    const calls: Called[] = [];
    for (let row = 0; row < rows; row += some) {
      const [to, from] = [out, x].map(({ byteOffset }) => byteOffset + 4 * row * width);
      calls.push([softmax, to, from, Math.min(some, rows - row), width >> 2]);
    }
    callAll(heap, calls, rows * width);
  };
}

/** Of a vector, one of the two numbers of each pair that lie two places apart, or one place, on both places. */
const [halves, neighbours] = [[2, 3, 0, 1], [1, 0, 3, 2]] as const;

/** Makes all four numbers of a vector the result of an operation on all four. */
function across(local: number, operation: Code): Code {
  return [halves, neighbours].flatMap((places) => [
    ...[...get(local), ...get(local), ...get(local), ...pick(places), ...operation, ...set(local)],
  ]);
}

/**
 * Adds up each of some rows, which lie one after the other, as four vectors of sums. Parameters: where the totals go; the
 * rows, and their number; the numbers of a row by 16, and those that are left.
 */
const total: Definition = (() => {
  const [to, from, rows, wide, rest] = [0, 1, 2, 3, 4];
  const [left, sum] = [5, (v: number) => 6 + v];
  const add = (v: number, vector: Code): Code => {
    return [...get(sum(v)), ...get(from), ...vector, ...code.addVectors, ...set(sum(v))];
  };
  const body = repeat(rows, [
    ...each(4, (v) => [...code.zeros, ...set(sum(v))]),
    ...[...get(wide), ...set(left)],
    ...repeat(left, [...each(4, (v) => add(v, load(16 * v))), ...increase(from, constant(64))]),
    ...[...get(rest), ...set(left)],
    ...repeat(left, [...add(0, loadOne(0)), ...increase(from, constant(4))]),
    ...[1, 2, 3].flatMap((v) => [...get(sum(0)), ...get(sum(v)), ...code.addVectors, ...set(sum(0))]),
    ...across(sum(0), code.addVectors),
    ...[...get(to), ...get(sum(0)), ...storeFirst, ...increase(to, constant(4))],
  ]);
  return { parameters: 5, locals: [1, 4], body };
})();

/** Below this, e^x is 0: what is less than the least float32 that is not denormal. */
const leastPower = -87.33;
/** A float without places behind the point: with n added to it, it ends with n in its bits. */
const rounding = 1.5 * 2 ** 23;

/**
 * Replaces a vector x of numbers up to 0 by e^x, within two units in the last place: of x = n ln 2 + r, where n is whole, it
 * is 2^n times e^r by its Taylor series up to r^7, where |r| is at most ln(2) / 2.
 *
 * @param first The first of the locals that hold {@linkcode constants}.
 */
function exponential([x, n, r, power, bits]: readonly number[], first: number): Code {
  const held = (nth: number): Code => get(first + nth);
  const [rounding, log, high, low, least, one] = [0, 1, 2, 3, 4, 5].map(held);
  const less = (by: Code): Code => [...get(n), ...by, ...code.multiplyVectors, ...code.subVectors, ...set(r)];
  return [
    ...[...get(x), ...log, ...code.multiplyVectors, ...rounding, ...code.addVectors, ...set(bits)],
    ...[...get(bits), ...rounding, ...code.subVectors, ...set(n)],
    ...[...get(x), ...less(high), ...get(r), ...less(low)],
    ...[...held(6), ...set(power)],
    ...each(7, (at) => [
      ...[...get(power), ...get(r), ...code.multiplyVectors, ...held(7 + at), ...code.addVectors, ...set(power)],
    ]),
    ...[...get(power), ...get(bits), ...constant(23), ...code.shiftVectorLeft, ...one],
    ...[...code.addWholeVectors, ...code.multiplyVectors],
    ...[...get(x), ...least, ...code.isLess, ...code.andNotVectors, ...set(x)],
  ];
}

/** The numbers of {@linkcode exponential}, in its order: vectors of them are read faster from locals. */
const constants: readonly number[] = [
  ...[rounding, Math.LOG2E, 0.693359375, -2.12194440e-4, leastPower, 1], // ln 2 in two, so that n times one is exact
  ...[1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1, 1],
];

/** Softmax of each of some rows. Parameters: where to; the rows, their number, and a row's vectors. */
const softmax: Definition = (() => {
  const [to, from, rows, vectors] = [0, 1, 2, 3];
  const [left, at] = [4, 5];
  const [top, sum, x, n, r, power, bits] = [6, 7, 8, 9, 10, 11, 12];
  const held = 13;
  const through = (what: Code): Code => [
    ...[...get(from), ...set(at), ...get(vectors), ...set(left)],
    ...repeat(left, [...what, ...increase(at, constant(16))]),
  ];
  const body = repeat(rows, [
    ...[...get(from), ...load(0), ...set(top)],
    ...through([...get(top), ...get(at), ...load(0), ...code.secondIfGreater, ...set(top)]),
    ...[...across(top, code.secondIfGreater), ...code.zeros, ...set(sum)],
    ...through([
      ...[...get(at), ...load(0), ...get(top), ...code.subVectors, ...set(x)],
      ...exponential([x, n, r, power, bits], held),
      ...[...get(sum), ...get(x), ...code.addVectors, ...set(sum), ...get(to), ...get(x), ...store(0)],
      ...increase(to, constant(16)),
    ]),
    ...across(sum, code.addVectors),
    ...[...get(at), ...set(from)],
    ...[...get(vectors), ...set(left)],
    ...repeat(left, [
      ...increase(to, constant(-16)),
      ...[...get(to), ...get(to), ...load(0), ...get(sum), ...code.divideVectors, ...store(0)],
    ]),
    ...increase(to, [...get(vectors), ...constant(16), ...code.mul]),
  ]);
  return {
    parameters: 4,
    locals: [2, 7 + constants.length],
    body: [...constants.flatMap((number, at) => [...four(number), ...set(held + at)]), ...body],
  };
})();

/** The functions in WebAssembly. */
const definitions = { total, softmax };
