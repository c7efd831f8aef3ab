import { sizeOf } from "../../ops/shape.ts";
import type { Called } from "../board.ts";
import { callAll, functionsIn, type Heap } from "../heap.ts";
import { code, type Definition, get, increase, repeat } from "../wasm_code.ts";
import { concat, slice } from "./copies.ts";
import type { Loop, LoopAt, Numbers } from "./loop.ts";

/** Ops that move parts of arrays as they are. */
export type MoveLoops = Readonly<Record<"concat" | "slice", LoopAt>>;

/** The bytes that one call moves, about. */
const atOnce = 2 ** 15;
/** The numbers up to which a loop in JavaScript is as fast. */
const few = 2 ** 10;

/** Rows that lie so many bytes apart. */
interface Rows {
  readonly start: number;
  readonly step: number;
}

/** Moves of rows that lie apart, by a function that copies bytes. */
export function moveLoops(heap: Heap): MoveLoops {
  const { move } = functionsIn(heap, { move: moving })!;
  const add = (calls: Called[], to: Rows, from: Rows, bytes: number, rows: number) => {
    if (rows === 1 || (to.step === bytes && from.step === bytes)) {
      for (let at = 0; at < rows * bytes; at += atOnce) {
        calls.push([move, to.start + at, 0, from.start + at, 0, Math.min(atOnce, rows * bytes - at), 1]);
      }
      return;
    }
    const some = Math.max(1, Math.floor(atOnce / bytes));
    for (let row = 0; row < rows; row += some) {
      const [target, source] = [to, from].map(({ start, step }) => start + row * step);
      calls.push([move, target, to.step, source, from.step, bytes, Math.min(some, rows - row)]);
    }
  };
  return {
    concat: (place) => {
      const { attrs, shape, of } = place;
      const axis = attrs.axis as number;
      const [rows, step, size] = [sizeOf(shape.slice(0, axis)), 4 * sizeOf(shape.slice(axis)), sizeOf(shape)];
      const widths = of.map((from) => 4 * sizeOf(from.slice(axis)));
      return size <= few ? undefined : ofFloats(concat(place), (out, parts) => {
        const calls: Called[] = [];
        let start = out.byteOffset;
        parts.forEach(({ byteOffset }, at) => {
          add(calls, { start, step }, { start: byteOffset, step: widths[at] }, widths[at], rows);
          start += widths[at];
        });
        callAll(heap, calls, size / 4);
      });
    },
    slice: (place) => {
      const { attrs, shape, of: [from] } = place;
      const axis = attrs.axis as number;
      const [rows, size] = [sizeOf(shape.slice(0, axis)), sizeOf(shape)];
      const [bytes, step] = [shape, from].map((shape) => 4 * sizeOf(shape.slice(axis)));
      const before = 4 * (attrs.start as number) * sizeOf(shape.slice(axis + 1));
      return size <= few ? undefined : ofFloats(slice(place), ({ byteOffset }, [x]) => {
        const calls: Called[] = [];
        add(calls, { start: byteOffset, step: bytes }, { start: x.byteOffset + before, step }, bytes, rows);
        callAll(heap, calls, size / 4);
      });
    },
  };
}

/** Moves arrays of floats, and makes floats of whole numbers by another loop. */
function ofFloats(other: Loop, move: (out: Float32Array, of: readonly Numbers[]) => void): Loop {
  return (out, of) => of.every((x) => x instanceof Float32Array) ? move(out, of) : other(out, of);
}

/**
 * Copies rows. Parameters: where to, and the bytes from row to row there; from where, and those there; the bytes of a row;
 * the rows.
 */
const moving: Definition = (() => {
  const [to, down, from, next, bytes, rows] = [0, 1, 2, 3, 4, 5];
  const body = repeat(rows, [
    ...[...get(to), ...get(from), ...get(bytes), ...code.copyBytes],
    ...[...increase(to, get(down)), ...increase(from, get(next))],
  ]);
  return { parameters: 6, locals: [0, 0], body };
})();
