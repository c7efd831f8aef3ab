import type { CodeColumn } from "../formats/translation.ts";
import type { Called } from "./board.ts";
import { callAll, functionsIn, type Heap, line } from "./heap.ts";
import { code, constant, each, get, increase, load, moduleOf, repeat, set, store, wholeNumber } from "./wasm_code.ts";
import { type Code, type Definition, storeWhole } from "./wasm_code.ts";

/** The rows of a matrix of which sums are made. */
export interface Lists {
  /** The number of rows in each sum. */
  readonly counts: Int32Array;
  /** The rows of all sums, one sum after the other. */
  readonly rows: Int32Array;
}

/** Codes in the same memory as a matrix, each row of which names the rows of a sum; see {@linkcode named}. */
export interface Codes {
  readonly codes: Int32Array;
  /** The codes of a row. */
  readonly width: number;
  readonly columns: readonly CodeColumn[];
}

/**
 * Sums rows of a matrix of float32 in a memory: sum `i` is of the next `counts[i]` of the rows listed, or of those that
 * row `i` of codes names.
 *
 * @param to Where the sums go, `[sums, width]`, in bytes. Where the width is no multiple of four, up to 12 bytes behind
 * them are overwritten.
 * @param from Where the matrix `[height, width]` begins; up to 12 bytes behind it are read.
 */
export type SumRows = (to: number, from: number, of: Lists | Codes, height: number, width: number) => void;

/** The vectors of columns that are summed at once, in registers: the more, the fewer times a list is read. */
const steps = [12, 8, 4, 1] as const;

/** The bytes of a panel's rows. */
const panel = 16 * steps[0];

/**
 * Sums of rows by our own kernel. Where rows are read more than once, columns are copied to panels first, which stay in
 * the processor's cache while all sums are made of them.
 *
 * @returns Undefined where WebAssembly has no SIMD.
 */
export function rowSums(heap: Heap): SumRows | undefined {
  const functions = functionsIn(heap, definitions);
  if (functions === undefined) return undefined;
  return (to, from, of, height, width) => {
    const [sums, most, columns] = lengthsOf(of);
    const packed = isPacked(most, height, width);
    const [next, given] = [4 * width, packed ? panel : 4 * width];
    const codes = "codes" in of ? of.codes.byteOffset : 0; // memory that grows as more is taken leaves views without a place
    const list = heap.take(scratchFor(sums, most, height) + columnBytes * columns);
    try {
      const listed = list + 4 * sums;
      const table = listed + 4 * most;
      const counts = new Int32Array(heap.memory.buffer, list, sums);
      if ("codes" in of) nameIn(heap, functions.name, of, [codes, list, listed, table], sums, given);
      else fillIn(new Int32Array(heap.memory.buffer, list, sums + most), of, given);
      const copied = line * Math.ceil((table + columnBytes * columns) / line);
      const parts = partsOf(counts, most, width, heap);
      const calls: Called[] = [];
      // From the last columns on, so that what overlaps the next row is written before that row is.
      for (const { start, vectors, blocks } of blocksOf(width, packed ? 1 : Infinity)) {
        if (packed) {
          const some = Math.ceil(height / parts.length);
          for (let row = 0; row < height; row += some) {
            const source = from + start + next * row;
            calls.push([functions[`pack${vectors}`], copied + panel * row, source, next, Math.min(some, height - row)]);
          }
          callAll(heap, calls.splice(0), 4 * vectors * height);
        }
        const [call, source, rest] = [
          functions[`sum${vectors}`],
          packed ? copied : from + start,
          16 * vectors * blocks,
        ];
        for (const { first, end, before } of parts) {
          const [sum, rows] = [to + start + next * first, listed + 4 * before];
          calls.push([call, sum, next - rest, source, blocks, rows, list + 4 * first, end - first]);
        }
        if (packed) callAll(heap, calls.splice(0), 2 * vectors * most);
      }
      callAll(heap, calls, width % 4 > 0 ? 0 : most * width / 2);
    } finally {
      heap.free(list);
    }
  };
}

/** Returns the number of sums, that of the rows in all of them at most, and that of the columns of codes. */
function lengthsOf(of: Lists | Codes): readonly [sums: number, most: number, columns: number] {
  if ("counts" in of) return [of.counts.length, of.rows.length, 0];
  const [sums, columns] = [of.codes.length / of.width, of.columns.length];
  return [sums, sums * columns, columns];
}

/** Copies lists to a memory, with rows as so many bytes each. */
function fillIn(to: Int32Array, { counts, rows }: Lists, bytes: number): void {
  to.set(counts);
  for (let at = 0; at < rows.length; at++) to[counts.length + at] = bytes * rows[at];
}

/** The bytes of a column in a memory: its place in a row, its least code, the number of its codes, its first row. */
const columnBytes = 16;

/** Lists the rows that codes name in a memory, as so many bytes each; codes, counts, rows and columns have their places. */
function nameIn(
  { memory }: Heap,
  name: Called[0],
  { width, columns }: Codes,
  [codes, counts, rows, table]: readonly number[],
  sums: number,
  bytes: number,
): void {
  const to = new Int32Array(memory.buffer, table, columnBytes / 4 * columns.length);
  columns.forEach(({ column, least, most, row }, nth) => {
    [to[4 * nth], to[4 * nth + 1], to[4 * nth + 2], to[4 * nth + 3]] = [
      4 * column,
      least,
      most - least + 1,
      bytes * row,
    ];
  });
  name(codes, 4 * width, counts, rows, sums, table, columns.length, bytes);
}

/** Some sums, and the rows of all those before. */
interface Part {
  readonly first: number;
  readonly end: number;
  readonly before: number;
}

/** Returns parts of the sums that threads can make beside each other: one, where sums overwrite what is behind them. */
function partsOf(counts: Int32Array, listed: number, width: number, { crew }: Heap): readonly Part[] {
  const most = crew === undefined || width % 4 > 0 || listed * width < crew.least ? 1 : 8 * crew.threads;
  if (most === 1) return [{ first: 0, end: counts.length, before: 0 }];
  const parts: Part[] = [];
  for (let end = 0, first = 0, before = 0, now = 0; end < counts.length;) {
    now += counts[end++];
    if (end < counts.length && (now - before) * most < listed) continue;
    parts.push({ first, end, before });
    [first, before] = [end, now];
  }
  return parts;
}

/** Returns the bytes that are taken while so many sums are made of so many rows of a matrix, of any width. */
export function scratchFor(sums: number, listed: number, height: number): number {
  return 4 * (sums + listed) + (listed >= leastRead * height ? panel * height + line : 0);
}

/** Returns true if rows are read so often that copies pay: later where the matrix itself stays in a cache. */
function isPacked(listed: number, height: number, width: number): boolean {
  return listed >= (height * width <= cached ? 12 : leastRead) * height;
}

/** The numbers that a processor's own cache holds, about. */
const cached = 2 ** 18;
/** The least number of times that each row is read, on average, where rows are copied. */
const leastRead = 2;

/** Blocks of columns beside each other: where the first one begins, in bytes, each one's vectors, and how many they are. */
interface Blocks {
  readonly start: number;
  readonly vectors: typeof steps[number];
  readonly blocks: number;
}

/** Returns the blocks of columns of a row, the last ones first, at most so many together. */
function blocksOf(width: number, most: number): readonly Blocks[] {
  const found: Blocks[] = [];
  const all = Math.ceil(width / 4);
  for (let done = 0; done < all;) {
    const vectors = steps.find((some) => some <= all - done)!;
    const blocks = Math.min(most, Math.floor((all - done) / vectors));
    found.unshift({ start: 16 * done, vectors, blocks });
    done += vectors * blocks;
  }
  return found;
}

/** Returns for each row of codes the rows of a table that they name. */
export function named(
  codes: ArrayLike<number>,
  width: number,
  columns: readonly CodeColumn[],
): Lists {
  const counts = new Int32Array(codes.length / width);
  const rows = new Int32Array(counts.length * columns.length);
  let length = 0;
  for (let at = 0, start = 0; at < counts.length; at++, start += width) {
    const before = length;
    for (const { column, least, most, row } of columns) {
      const code = codes[start + column];
      if (code >= least && code <= most) rows[length++] = row + code;
    }
    counts[at] = length - before;
  }
  return { counts, rows: rows.subarray(0, length) };
}

/** Returns for each row of a table the rows of codes by which it is named, as often as they name it. */
export function naming({ counts, rows }: Lists, height: number): Lists {
  const found = new Int32Array(height);
  for (let at = 0; at < rows.length; at++) found[rows[at]]++;
  const next = new Int32Array(height);
  for (let row = 1; row < height; row++) next[row] = next[row - 1] + found[row - 1];
  const order = new Int32Array(rows.length);
  for (let from = 0, at = 0; from < counts.length; from++) {
    for (const end = at + counts[from]; at < end; at++) order[next[rows[at]]++] = from;
  }
  return { counts: found, rows: order };
}

/**
 * Sums of blocks of some vectors of columns.
 *
 * Parameters: where to and the bytes from the end of one sum's blocks to the next one's; the matrix and the number of
 * blocks; how far from its beginning each row of the lists is, in bytes; the number of rows in each sum; the number of
 * sums.
 */
function sumOf(vectors: number): Definition {
  const [to, next, from, blocks, list, counts, sums] = [0, 1, 2, 3, 4, 5, 6];
  const [left, at, count, start, block, row, sum] = [7, 8, 9, 10, 11, 12, (v: number) => 13 + v];
  // Few different offsets: the runtime holds the end of memory for each of them in a register, as long as it has some.
  const added = (v: number): Code => [
    ...v > 0 && v % 4 === 0 ? increase(at, constant(64)) : [],
    ...[...get(sum(v)), ...get(at), ...load(16 * (v % 4)), ...code.addVectors, ...set(sum(v))],
  ];
  const rows = (some: number): Code => [
    ...each(some, (nth) => [
      ...[...get(row), ...wholeNumber(4 * nth), ...get(start), ...code.add, ...set(at)],
      ...each(vectors, added),
    ]),
    ...increase(row, constant(4 * some)),
  ];
  const body = repeat(sums, [
    ...[...get(counts), ...wholeNumber(0), ...set(count), ...increase(counts, constant(4))],
    ...[...get(from), ...set(start), ...get(blocks), ...set(block)],
    ...repeat(block, [
      ...each(vectors, (v) => [...code.zeros, ...set(sum(v))]),
      ...[...get(list), ...set(row)],
      ...[...get(count), ...constant(2), ...code.shiftRight, ...set(left), ...repeat(left, rows(4))],
      ...[...get(count), ...constant(3), ...code.and, ...set(left), ...repeat(left, rows(1))],
      ...each(vectors, (v) => [...get(to), ...get(sum(v)), ...store(16 * v)]),
      ...[...increase(to, constant(16 * vectors)), ...increase(start, constant(16 * vectors))],
    ]),
    ...[...get(row), ...set(list), ...increase(to, get(next))],
  ]);
  return { parameters: 7, locals: [6, vectors], body };
}

/** Copies some vectors of columns. Parameters: where to; from where, and the bytes from row to row there; the rows. */
function packOf(vectors: number): Definition {
  const [to, from, next, rows] = [0, 1, 2, 3];
  const body = repeat(rows, [
    ...each(vectors, (v) => [...get(to), ...get(from), ...load(16 * v), ...store(16 * v)]),
    ...[...increase(from, get(next)), ...increase(to, constant(panel))],
  ]);
  return { parameters: 4, locals: [0, 0], body };
}

/**
 * Lists the rows that codes name. Parameters: the codes, and the bytes of a row of them; where counts and rows go; the
 * number of sums; the columns and their number; the bytes of a row.
 */
const name: Definition = (() => {
  const [codes, next, counts, rows, sums, columns, some, bytes] = [0, 1, 2, 3, 4, 5, 6, 7];
  const [left, column, coded, start] = [8, 9, 10, 11];
  const of = (place: number): Code => [...get(column), ...wholeNumber(4 * place)];
  const body = repeat(sums, [
    ...[...get(rows), ...set(start), ...get(columns), ...set(column), ...get(some), ...set(left)],
    ...repeat(left, [
      ...[...get(codes), ...of(0), ...code.add, ...wholeNumber(0), ...set(coded)],
      ...[...get(rows), ...get(coded), ...get(bytes), ...code.mul, ...of(3), ...code.add, ...storeWhole],
      // The next one overwrites it where the code is out of range: less than the least one is more than any, unsigned.
      ...increase(rows, [
        ...[...get(coded), ...of(1), ...code.sub, ...of(2), ...code.isLessUnsigned, ...constant(4), ...code.mul],
      ]),
      ...increase(column, constant(columnBytes)),
    ]),
    ...[...get(counts), ...get(rows), ...get(start), ...code.sub, ...constant(2), ...code.shiftRight, ...storeWhole],
    ...[...increase(counts, constant(4)), ...increase(codes, get(next))],
  ]);
  return { parameters: 8, locals: [4, 0], body };
})();

/** The functions in WebAssembly: `sum` and `pack` for each number of vectors, and `name`. */
const definitions = {
  name,
  ...{ sum12: sumOf(12), sum8: sumOf(8), sum4: sumOf(4), sum1: sumOf(1) },
  ...{ pack12: packOf(12), pack8: packOf(8), pack4: packOf(4), pack1: packOf(1) },
};

/** True where rows are summed by our own kernel: where WebAssembly has SIMD. */
export const sumsRows: boolean = WebAssembly.validate(moduleOf(definitions));
