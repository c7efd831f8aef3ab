import { sizeOf } from "../../ops/shape.ts";
import type { Op } from "../../ops/value.ts";
import type { Called } from "../board.ts";
import { callAll, functionsIn, type Heap } from "../heap.ts";
import {
  type Code,
  code,
  constant,
  type Definition,
  four,
  get,
  increase,
  load,
  repeat,
  set,
  spread,
  store,
} from "../wasm_code.ts";
import type { Loop, LoopAt, Place } from "./loop.ts";
import { merge, stepsOf, stretched, walker } from "./walk.ts";

const pairs = ["add", "sub", "mul", "div"] as const;
const singles = ["neg", "sqrt", "relu", "greater"] as const;

/** Ops that compute each number of a result from one number of each argument. */
export type Pointwise = typeof pairs[number] | typeof singles[number];

/** Returns true for ops of one array: what they may have beside it is zeros. */
export function isSingle(op: Pointwise): boolean {
  return singles.some((single) => single === op);
}

/** Returns true if an op at its place is one of them: numbers are compared with zeros alone. */
export function isPointwise(op: Op, { zeros }: Place): op is Pointwise {
  return Object.hasOwn(vectorOf, op) && (op !== "greater" || zeros[1]);
}

/** A vector of each op's result, from vectors of its arguments. */
export const vectorOf: Readonly<Record<Pointwise, (a: Code, b: Code) => Code>> = {
  add: (a, b) => [...a, ...b, ...code.addVectors],
  sub: (a, b) => [...a, ...b, ...code.subVectors],
  mul: (a, b) => [...a, ...b, ...code.multiplyVectors],
  div: (a, b) => [...a, ...b, ...code.divideVectors],
  neg: (a) => [...a, ...code.negateVector],
  sqrt: (a) => [...a, ...code.rootsOfVector],
  relu: (a) => [...code.zeros, ...a, ...code.greaterOfVectors],
  greater: (a) => [...a, ...code.zeros, ...code.isGreater, ...four(1), ...code.andVectors],
};

/** Loops of such ops that threads share; undefined where a kernel of TensorFlow.js's is as fast, or no such loop can be. */
export type PointLoops = Readonly<Partial<Record<Pointwise, LoopAt>>>;

/**
 * Ops on each number of large arrays, where threads share a memory. Their results are those of TensorFlow.js's kernels to
 * the bit: each is rounded once.
 */
export function pointLoops(heap: Heap): PointLoops {
  const { crew } = heap;
  const functions = crew && functionsIn(heap, definitions);
  if (functions === undefined) return {};
  const isLarge = ({ shape }: Place) => sizeOf(shape) >= Math.max(4, crew!.least);
  const pair = (name: typeof pairs[number]): LoopAt => (place) => {
    const [size, a, b] = [sizeOf(place.shape), ...place.of.map((shape) => sizeOf(shape))];
    if (!isLarge(place)) return undefined;
    if (a === size && b === size) return pointwise(heap, functions[name], place);
    if (a === size && b === 1) return pointwise(heap, functions[`${name}One`], place);
    return a === size ? byRows(heap, [functions[`${name}One`], functions[name]], place) : undefined;
  };
  const single = (name: typeof singles[number]): LoopAt => (place) =>
    isLarge(place) && sizeOf(place.of[0]) === sizeOf(place.shape) ? pointwise(heap, functions[name], place) : undefined;
  return {
    ...Object.fromEntries(pairs.map((name) => [name, pair(name)])),
    ...Object.fromEntries(singles.map((name) => [name, single(name)])),
    greater: (place) => place.zeros[1] ? single("greater")(place) : undefined,
  };
}

/** The numbers of a part that a thread takes at once: they stay in its cache. */
const part = 2 ** 13;

/** All numbers of arrays of one size, or of one array and a single number. */
function pointwise(heap: Heap, call: Called[0], { shape, of }: Place): Loop {
  const size = sizeOf(shape);
  const steps = [0, 1].map((nth) => nth < of.length && sizeOf(of[nth]) === size ? 4 : 0);
  return (out, [a, b]) => {
    const calls: Called[] = [];
    const add = (first: number, vectors: number) => {
      const [left, right] = [a, b ?? a].map(({ byteOffset }, nth) => byteOffset + steps[nth] * first);
      calls.push([call, out.byteOffset + 4 * first, left, right, 1, vectors, 0]);
    };
    for (let first = 0; first + 4 <= size; first += part) add(first, Math.min(part, size - first) >> 2);
    if (size % 4 > 0) add(size - 4, 1); // some once more
    callAll(heap, calls, size);
  };
}

/**
 * Rows, each with a row or a single number of an array that is stretched.
 *
 * @param calls The functions of a row and a single number, and of two rows.
 */
function byRows(heap: Heap, calls: readonly Called[0][], { shape, of }: Place): Loop | undefined {
  const { lengths, steps: [steps] } = merge(shape, [stretched(of[1], shape), stepsOf(shape)]);
  const [rows, width] = lengths.slice(-2);
  const [down, along] = steps.slice(-2);
  if (width % 4 > 0) return undefined;
  const some = Math.max(1, Math.floor(part / width));
  const back = 4 * (down - along * width);
  const walk = walker(lengths.slice(0, -2), [steps.slice(0, -2)]);
  return (out, [a, b]) => {
    const all: Called[] = [];
    const add = (before: number, start: number) => {
      for (let row = 0; row < rows; row += some) {
        const [to, from] = [out, a].map(({ byteOffset }) => byteOffset + 4 * width * (before * rows + row));
        const other = b.byteOffset + 4 * (start + row * down);
        all.push([calls[along], to, from, other, Math.min(some, rows - row), width >> 2, back]);
      }
    };
    walk((at, count, [place], [step]) => {
      for (let nth = 0; nth < count; nth++) add(at + nth, place + nth * step);
    });
    callAll(heap, all, sizeOf(shape));
  };
}

/**
 * A function of rows. Parameters: where to; the first array and the second; the rows, a row's vectors, and the bytes from
 * the end of one of the second array's rows to the next.
 *
 * @param numbers The vector of the result, from where the arrays are.
 */
function over(numbers: (a: Code, b: number) => Code, second: 0 | 16): Definition {
  const [to, a, b, rows, vectors, back] = [0, 1, 2, 3, 4, 5];
  const left = 6;
  const body = repeat(rows, [
    ...[...get(vectors), ...set(left)],
    ...repeat(left, [
      ...[...get(to), ...numbers([...get(a), ...load(0)], b), ...store(0)],
      ...[...increase(to, constant(16)), ...increase(a, constant(16)), ...increase(b, constant(second))],
    ]),
    ...increase(b, get(back)),
  ]);
  return { parameters: 6, locals: [1, 0], body };
}

const both = (op: Pointwise) => over((a, b) => vectorOf[op](a, [...get(b), ...load(0)]), 16);
const withOne = (op: Pointwise) => over((a, b) => vectorOf[op](a, [...get(b), ...spread(0)]), 0);
const alone = (op: Pointwise) => over((a) => vectorOf[op](a, []), 0);

/** The functions in WebAssembly: of two arrays, of an array and a single number, and of one array. */
const definitions = {
  ...{ add: both("add"), sub: both("sub"), mul: both("mul"), div: both("div") },
  ...{ addOne: withOne("add"), subOne: withOne("sub"), mulOne: withOne("mul"), divOne: withOne("div") },
  ...{ neg: alone("neg"), sqrt: alone("sqrt"), relu: alone("relu"), greater: alone("greater") },
};
