import { callOf, code, constant, each, get, increase, load, repeat, set, spread, store } from "../wasm_code.ts";
import type { Code, Definition } from "../wasm_code.ts";
import type { Called } from "../board.ts";
import { callAll, type Functions, functionsIn, type Heap } from "../heap.ts";

/**
 * Multiplies matrices of float32 in a memory, rows one after the other: `count` times `[m, k] x [k, n]`.
 *
 * @param a Where the left matrices begin, in bytes.
 * @param b Where the right ones begin.
 * @param c Where the results go, which overlap neither.
 */
export type Multiply = (
  a: number,
  b: number,
  c: number,
  lengths: { readonly count: number; readonly m: number; readonly k: number; readonly n: number },
) => void;

/** The columns of a panel: two vectors. */
const width = 8;
/** The elements of the right matrix that are packed at once, and of the left one that are gone through at once. */
const [packed, block] = [2 ** 18, 2 ** 16];

/**
 * Products by our own kernel, 1.3 to 1.5 times as fast as TensorFlow.js's where WebAssembly has relaxed
 * SIMD, 1.1 times elsewhere.
 *
 * The right matrix is copied to panels of eight columns. Six rows (four without relaxed SIMD) of the result times a panel
 * are held in registers while their sums run over all of k; rows come in blocks that stay in the processor's cache while
 * panels pass. What is left of rows and columns at the ends is computed by tiles that overlap the ones before.
 *
 * @param relaxed True to multiply and add at once. Default: where WebAssembly can.
 * @returns Undefined where WebAssembly has no SIMD.
 */
export function multiplier(heap: Heap, relaxed?: boolean): Multiply | undefined {
  const six = relaxed === false ? undefined : functionsIn(heap, definitionsOf(6, true));
  const functions = six ?? (relaxed === true ? undefined : functionsIn(heap, definitionsOf(4, false)));
  if (functions === undefined) return undefined;
  const program: Program = { heap, rows: six === undefined ? 4 : 6, functions };
  return (a, b, c, lengths) => {
    const { count, m, k, n } = lengths;
    const { crew } = heap;
    const alone = crew === undefined || !crew.isWorth(workOf(lengths));
    const small = alone ? m * k <= block : count > 1 && m * k * n <= smallest;
    const panels = small ? alone ? 1 : parts(heap) : Math.min(mostPanels(k), count * Math.ceil(n / width));
    const scratch = heap.take(4 * width * (n < width ? k + m : k * panels));
    try {
      if (n < width) narrow(program, a, b, c, lengths, scratch);
      else if (small) many(program, a, b, c, lengths, scratch, panels);
      else wide(program, a, b, c, lengths, scratch);
    } finally {
      heap.free(scratch);
    }
  };
}

type Lengths = Parameters<Multiply>[3];

/** The functions in a memory, and the rows of a tile of theirs. */
interface Program {
  readonly heap: Heap;
  readonly rows: number;
  readonly functions: Functions<keyof ReturnType<typeof definitionsOf>>;
}

/** The multiplications and additions of a nanosecond, about. */
const perNanosecond = 16;
/** The multiplications of one of many products up to which it is made by one call where threads share them. */
const smallest = 2 ** 17;

/** Returns what products take that are made by one call each. */
function workOf({ count, m, k, n }: Lengths): number {
  return count * (m * k * n / perNanosecond + k * n + m * n);
}

/** Panels of all products are packed, as many as there is place for, then blocks of rows go through them. */
function wide(program: Program, a: number, b: number, c: number, lengths: Lengths, panels: number): void {
  const { heap, rows, functions: { pack } } = program;
  const { count, m, k, n } = lengths;
  const each = Math.ceil(n / width);
  const [most, high] = [mostPanels(k), heightOf(heap, lengths, rows)];
  const start = (panel: number) => Math.min(panel * width, n - width); // the last one ends with the matrix
  for (let first = 0; first < count * each; first += most) {
    const last = Math.min(first + most, count * each);
    const packs: Called[] = [];
    for (let at = first; at < last; at++) {
      const from = b + 4 * (Math.floor(at / each) * k * n + start(at % each));
      packs.push([pack, from, 4 * n, panels + 4 * width * k * (at - first), k]);
    }
    callAll(heap, packs, (last - first) * width * k);
    const columns: Called[] = [];
    for (let nth = Math.floor(first / each); nth * each < last; nth++) {
      const [from, to] = [Math.max(first, nth * each), Math.min(last, (nth + 1) * each)];
      for (let row = 0; row < m; row += high) {
        const left = a + 4 * (nth * m + row) * k;
        for (let at = from; at < to; at++) {
          const result = c + 4 * ((nth * m + row) * n + start(at - nth * each));
          column(
            program,
            columns,
            left,
            panels + 4 * width * k * (at - first),
            result,
            Math.min(high, m - row),
            k,
            4 * n,
          );
        }
      }
    }
    callAll(heap, columns, (last - first) * width * m * k / perNanosecond);
  }
}

/** Adds calls for `[m, k]` times a panel to eight columns of the result, `next` bytes from row to row. */
function column(
  { rows, functions: { tiles, lines } }: Program,
  calls: Called[],
  a: number,
  panel: number,
  c: number,
  m: number,
  k: number,
  next: number,
): void {
  if (m < rows) {
    calls.push([lines, a, 4 * k, panel, c, next, m, k]);
    return;
  }
  calls.push([tiles, a, 4 * k, panel, c, next, Math.floor(m / rows), k]);
  const before = m - rows;
  if (m % rows > 0) calls.push([tiles, a + 4 * k * before, 4 * k, panel, c + next * before, next, 1, k]);
}

/** Small products, and all that one thread makes by itself: several in a row by one call, in so many parts. */
function many(
  { heap, functions }: Program,
  a: number,
  b: number,
  c: number,
  lengths: Lengths,
  panels: number,
  parts: number,
): void {
  const { count, m, k, n } = lengths;
  const some = Math.ceil(count / parts);
  const calls: Called[] = [];
  for (let nth = 0; nth < count; nth += some) {
    const [left, right, to] = [a + 4 * nth * m * k, b + 4 * nth * k * n, c + 4 * nth * m * n];
    const panel = panels + 4 * width * k * calls.length;
    calls.push([functions.products, left, right, to, Math.min(some, count - nth), m, k, n, panel]);
  }
  callAll(heap, calls, workOf(lengths));
}

/** Fewer columns than a panel has: what is beside them is 0, and left behind. */
function narrow(program: Program, a: number, b: number, c: number, lengths: Lengths, panel: number): void {
  const { count, m, k, n } = lengths;
  const { memory: { buffer } } = program.heap;
  const result = panel + 4 * width * k;
  const calls: Called[] = [];
  const [to, found] = [new Float32Array(buffer, panel, k * width), new Float32Array(buffer, result, m * width)];
  const [right, out] = [new Float32Array(buffer, b, count * k * n), new Float32Array(buffer, c, count * m * n)];
  to.fill(0);
  for (let nth = 0; nth < count; nth++) {
    for (let row = 0, at = nth * k * n; row < k; row++) {
      for (let beside = 0; beside < n; beside++) to[row * width + beside] = right[at++];
    }
    column(program, calls, a + 4 * nth * m * k, panel, result, m, k, 4 * width);
    callAll(program.heap, calls.splice(0), 0);
    for (let row = 0, at = nth * m * n; row < m; row++) {
      for (let beside = 0; beside < n; beside++) out[at++] = found[row * width + beside];
    }
  }
}

/** Returns the panels that are packed at once. */
function mostPanels(k: number): number {
  return Math.max(1, Math.floor(packed / k / width));
}

/** Returns the parts that what is shared has: enough for threads to be done at about the same time. */
function parts({ crew }: Heap): number {
  return crew === undefined ? 1 : 8 * crew.threads;
}

/** Returns the rows that go through a panel at once: fewer where there are few panels and several threads. */
function heightOf(heap: Heap, { count, m, k, n }: Lengths, rows: number): number {
  const most = Math.max(1, Math.floor(block / k / rows));
  if (heap.crew === undefined) return rows * most;
  const blocks = Math.ceil(parts(heap) / (count * Math.ceil(n / width)));
  return rows * Math.min(most, Math.max(4, Math.ceil(m / rows / blocks)));
}

/**
 * The functions in WebAssembly: `pack` for a panel, `tiles` of so many rows, `lines` of one row each, and `products` by
 * those.
 */
function definitionsOf(rows: number, relaxed: boolean) {
  return { pack, tiles: tilesOf(rows, relaxed), lines: tilesOf(1, relaxed), products: productsOf(rows) };
}

/** Copies eight columns: from an address and so many bytes from row to row, to another address, so many rows. */
const pack: Definition = (() => {
  const [from, next, to, count] = [0, 1, 2, 3];
  const vector = (bytes: number) => [...get(to), ...get(from), ...load(bytes), ...store(bytes)];
  const row = [...vector(0), ...vector(16), ...increase(from, get(next)), ...increase(to, constant(4 * width))];
  return { parameters: 4, locals: [0, 0], body: repeat(count, row) };
})();

/**
 * Products of rows and a panel, some rows at a time.
 *
 * Parameters: the left matrix and its bytes from row to row; the panel; the result and its bytes from row to row; how often
 * so many rows are computed; k.
 */
function tilesOf(rows: number, relaxed: boolean): Definition {
  const [a, down, panel, c, next, count, k] = [0, 1, 2, 3, 4, 5, 6];
  const [at, left] = [7, 8];
  const row = (r: number) => 9 + r;
  const vectors = 9 + rows;
  const [right, factor, product] = [(v: number) => vectors + v, vectors + 2, vectors + 3];
  const sum = (r: number, v: number) => vectors + 4 + 2 * r + v;
  const both = (what: (v: number) => Code) => each(2, what);

  const added = (r: number, v: number): Code => {
    const factors = [...get(factor), ...get(right(v))];
    if (relaxed) return [...factors, ...get(sum(r, v)), ...code.multiplyAdd, ...set(sum(r, v))];
    const multiplied = [...factors, ...code.multiplyVectors, ...set(product)];
    return [...multiplied, ...get(product), ...get(sum(r, v)), ...code.addVectors, ...set(sum(r, v))];
  };
  /** Adds what some places along k, one after the other, contribute. */
  const places = (some: number): Code => [
    ...each(some, (place) => [
      ...both((v) => [...get(at), ...load(4 * width * place + 16 * v), ...set(right(v))]),
      ...each(rows, (r) => [...get(row(r)), ...spread(4 * place), ...set(factor), ...both((v) => added(r, v))]),
    ]),
    ...increase(at, constant(4 * width * some)),
    ...each(rows, (r) => increase(row(r), constant(4 * some))),
  ];
  const tile: Code = [
    ...each(rows, (r) => [...get(a), ...set(row(r)), ...increase(a, get(down))]),
    ...each(rows, (r) => both((v) => [...code.zeros, ...set(sum(r, v))])),
    ...[...get(panel), ...set(at)],
    ...[...get(k), ...constant(2), ...code.shiftRight, ...set(left), ...repeat(left, places(4))],
    ...[...get(k), ...constant(3), ...code.and, ...set(left), ...repeat(left, places(1))],
    ...each(rows, (r) => [
      ...both((v) => [...get(c), ...get(sum(r, v)), ...store(16 * v)]),
      ...increase(c, get(next)),
    ]),
  ];
  return { parameters: 7, locals: [2 + rows, 4 + 2 * rows], body: repeat(count, tile) };
}

/**
 * Small products, one after the other. Parameters: the left matrices, the right ones, the results, how many there are, m,
 * k, n, and where there is place for a panel.
 */
function productsOf(rows: number): Definition {
  const [pack, tiles, lines] = [0, 1, 2].map(callOf); // as they are in the module
  const [a, b, c, count, m, k, n, panel] = [0, 1, 2, 3, 4, 5, 6, 7];
  const [whole, alone, last, left, from, to, before] = [8, 9, 10, 11, 12, 13, 14];
  const bytes = (...of: number[]): Code => [...constant(4), ...of.flatMap((local) => [...get(local), ...code.mul])];
  const less = (local: number, by: number): Code => [...get(local), ...constant(by), ...code.sub];
  const remainder = (local: number, by: number): Code => [...get(local), ...constant(by), ...code.rest];
  const after = (local: number, next: number): Code => [
    ...[...get(local), ...get(before), ...bytes(next), ...code.mul, ...code.add],
  ];
  const call = (what: Code, rows: Code, results: Code, often: number): Code => [
    ...[...rows, ...bytes(k), ...get(panel), ...results, ...bytes(n), ...get(often), ...get(k), ...what],
  ];
  const column: Code = [
    ...[...get(from), ...bytes(n), ...get(panel), ...get(k), ...pack],
    ...[...call(tiles, get(a), get(to), whole), ...call(lines, get(a), get(to), alone)],
    ...call(tiles, after(a, k), after(to, n), last),
  ];
  const body: Code = [
    ...[...get(m), ...constant(rows), ...code.div, ...set(whole), ...less(m, rows), ...set(before)],
    ...[...get(whole), ...code.isZero, ...get(m), ...code.mul, ...set(alone)],
    ...[
      ...remainder(m, rows),
      ...code.isZero,
      ...get(whole),
      ...code.isZero,
      ...code.add,
      ...code.isZero,
      ...set(last),
    ],
    ...repeat(count, [
      ...[...get(b), ...set(from), ...get(c), ...set(to), ...get(n), ...constant(width), ...code.div, ...set(left)],
      ...repeat(left, [...column, ...increase(from, constant(4 * width)), ...increase(to, constant(4 * width))]),
      ...[...remainder(n, width), ...code.isZero, ...code.isZero, ...set(left)],
      ...[...get(b), ...set(from), ...increase(from, [...constant(4), ...less(n, width), ...code.mul])],
      ...[...get(c), ...set(to), ...increase(to, [...constant(4), ...less(n, width), ...code.mul])],
      ...repeat(left, column),
      ...[...increase(a, bytes(m, k)), ...increase(b, bytes(k, n)), ...increase(c, bytes(m, n))],
    ]),
  ];
  return { parameters: 8, locals: [7, 0], body };
}
