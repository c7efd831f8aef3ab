import { sizeOf } from "../../ops/shape.ts";
import { functionsIn, type Heap } from "../heap.ts";
import { code, constant, each, get, increase, load, repeat, set, spread, store } from "../wasm_code.ts";
import type { Code, Definition } from "../wasm_code.ts";
import type { LoopAt } from "./loop.ts";

/** Loops for few rows that are faster in WebAssembly; undefined where such a loop cannot be. */
export type FewLoops = Readonly<Record<"matmul", LoopAt>>;

/**
 * Products of few rows, `[..., m, k] x [..., k, n]`: the right matrices are read where they are, once for each row, for
 * their copies to panels would take longer than the product.
 *
 * @returns Undefined where WebAssembly has no SIMD.
 */
export function fewLoops(heap: Heap): FewLoops | undefined {
  const functions = functionsIn(heap, { multiply: multiplyBy(true) }) ??
    functionsIn(heap, { multiply: multiplyBy(false) });
  if (functions === undefined) return undefined;
  const { multiply } = functions;
  return {
    matmul: ({ shape, of: [left, right] }) => {
      const [[m, n], k] = [shape.slice(-2), left[left.length - 1]];
      if (n % 4 > 0 || left.length !== right.length) return undefined;
      const count = sizeOf(shape.slice(0, -2));
      return (out, [{ byteOffset: a }, { byteOffset: b }]) => {
        const to = out.byteOffset;
        for (let nth = 0; nth < count; nth++) {
          multiply(to + 4 * nth * m * n, a + 4 * nth * m * k, b + 4 * nth * k * n, m, k, 4 * n, n >> 4, n >> 2 & 3);
        }
      };
    },
  };
}

/**
 * Multiplies rows with a matrix, for four vectors of its columns at a time, in registers, then for one. Parameters: where to;
 * the rows and the matrix; the number of rows and their length; the bytes of a row of the matrix; its columns by 16, and by
 * 4 what is left of them.
 *
 * @param relaxed True to multiply and add at once.
 */
function multiplyBy(relaxed: boolean): Definition {
  const [to, a, b, rows, k, next, wide, narrow] = [0, 1, 2, 3, 4, 5, 6, 7];
  const [left, parts, first, at, x, sum] = [8, 9, 10, 11, 12, (v: number) => 13 + v];
  const product = (v: number): Code => {
    const factors = [...get(at), ...load(16 * v), ...get(x), ...spread(0)];
    if (relaxed) return [...factors, ...get(sum(v)), ...code.multiplyAdd, ...set(sum(v))];
    return [...factors, ...code.multiplyVectors, ...get(sum(v)), ...code.addVectors, ...set(sum(v))];
  };
  const part = (vectors: number): Code => [
    ...each(vectors, (v) => [...code.zeros, ...set(sum(v))]),
    ...[...get(first), ...set(at), ...get(a), ...set(x), ...get(k), ...set(left)],
    ...repeat(left, [...each(vectors, product), ...increase(at, get(next)), ...increase(x, constant(4))]),
    ...each(vectors, (v) => [...get(to), ...get(sum(v)), ...store(16 * v)]),
    ...[...increase(to, constant(16 * vectors)), ...increase(first, constant(16 * vectors))],
  ];
  const body = repeat(rows, [
    ...[...get(b), ...set(first), ...get(wide), ...set(parts), ...repeat(parts, part(4))],
    ...[...get(narrow), ...set(parts), ...repeat(parts, part(1))],
    ...increase(a, [...get(k), ...constant(4), ...code.mul]),
  ]);
  return { parameters: 8, locals: [5, 4], body };
}
