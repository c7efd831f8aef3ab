import { kindOf } from "../errors/kinds.ts";
import { checkValues } from "./values.ts";
import { add, concat, gatherSum, matmul, multiHot, slice, weightedHot, weightedSum } from "../ops/functions.ts";
import { apply } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import type { Values } from "./values.ts";
import { rewritten } from "./walk.ts";

/**
 * Returns values in which a product of one-hot columns with a table is the sum of the table's rows that the codes name:
 * sparse first layers. The one-hot columns are never made. Columns of numbers beside them are multiplied as before, and of
 * one-hot columns that a net cuts out, those alone are looked at: such a product costs what its own table does. Of a bag,
 * the rows that its codes name are summed by its weights.
 *
 * The numbers are the same up to rounding. Differentiate after: the gradient is a scatter-add then.
 *
 * @param least One-hot columns are left as they are where a code has fewer places than this on average; those of a bag,
 * which are sums already, where it is Infinity alone.
 * @param leastLookedUp The same where they are multiplied with a parameter whose rows are looked up, as `embed` has them.
 * Default: as many.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, category, define, fit, numeric } from "@gatehouse/gatehouse";
 * import { gather, trace } from "@gatehouse/gatehouse/graph";
 *
 * const input = fit({ age: numeric(), job: category() }, { age: [20, 40], job: ["smith", "miller"] });
 * const { logits } = trace(define({ input, tasks: { click: binary() } }), false);
 * const ops = (value: typeof logits.click): string[] => [...value.of.flatMap(ops), value.op];
 * assertEquals(ops(logits.click).includes("multiHot"), true);
 * assertEquals(ops(gather(logits, 2).click).includes("multiHot"), false);
 * ```
 */
export function gather<V extends Values>(values: V, least: number, leastLookedUp: number = least): V {
  checkValues("gather values", values);
  for (const [name, number] of Object.entries({ least, leastLookedUp })) {
    if (typeof number !== "number") {
      throw new TypeError(`Cannot gather values: ${name} must be a number, found ${kindOf(number)}`);
    }
  }
  const never = least === Infinity && leastLookedUp === Infinity; // columns that are cut out are still cut at once
  return rewritten(values, ({ op, attrs, shape }, of) => {
    if (op === "matmul") {
      return never ? undefined : product(of[0], of[1], of[1].attrs.rows === "looked up" ? leastLookedUp : least);
    }
    if (op === "concat" && attrs.axis === 1) return besides(of);
    return op === "slice" && attrs.axis === 1 && isSparse(of[0])
      ? cutFrom(of[0], attrs.start as number, shape[1] as number)
      : undefined;
  });
}

/** Returns true if a value is one-hot columns of a batch, or has some among its columns. */
export function isSparse({ op, of, attrs, shape }: Value): boolean {
  return isMarked(op) ? shape[0] === "batch" : op === "concat" && attrs.axis === 1 && of.some(isSparse);
}

/** The product of one-hot columns, or of values beside them, with a table; undefined where there is nothing to gather. */
function product(x: Value, table: Value, least: number): Value | undefined {
  const parts = partsOf(x);
  const sparse = (part: Value) => isOneHot(part, least);
  if (!parts.some(sparse)) return undefined;
  const terms: Value[] = [];
  let row = 0;
  for (let start = 0, end; start < parts.length; start = end) {
    end = start + 1;
    while (!sparse(parts[start]) && end < parts.length && !sparse(parts[end])) end++;
    const piece = end === start + 1 ? parts[start] : concat(parts.slice(start, end));
    const width = piece.shape[1] as number;
    const rows = width === table.shape[0] ? table : slice(table, row, width, 0);
    terms.push(sparse(piece) ? looked(piece, rows) : matmul(piece, rows));
    row += width;
  }
  return terms.reduce((sum, term) => add(sum, term));
}

/** The sums of the rows of a table that one-hot columns stand for. */
function looked({ op, of: [codes, weights], attrs }: Value, rows: Value): Value {
  return op === "weightedHot" ? weightedSum(rows, codes, weights) : gatherSum(rows, codes, attrs.sizes as number[]);
}

/** Returns true if an op makes columns of codes. */
function isMarked(op: Value["op"]): boolean {
  return op === "multiHot" || op === "weightedHot";
}

/** Returns the values that lie side by side in one. */
function partsOf(x: Value): readonly Value[] {
  return x.op === "concat" && x.attrs.axis === 1 ? x.of.flatMap(partsOf) : [x];
}

function isOneHot({ op, attrs, shape }: Value, least: number): boolean {
  if (!isMarked(op) || shape[0] !== "batch") return false;
  return op === "weightedHot" || (shape[1] as number) >= least * (attrs.sizes as number[]).length;
}

/** Returns some columns of values that lie side by side: of one-hot ones those of the codes that they stand for. */
export function cutFrom(x: Value, start: number, size: number): Value {
  let end = 0;
  const pieces = partsOf(x).flatMap((part) => {
    const width = part.shape[1] as number;
    const first = end;
    end += width;
    const [from, to] = [Math.max(start - first, 0), Math.min(start + size - first, width)];
    if (from >= to) return [];
    if (to - from === width) return [part];
    return [isMarked(part.op) ? markedFrom(part, from, to) : slice(part, from, to - from)];
  });
  return concat(pieces);
}

/** Returns one-hot columns `from` to `to` as those of the codes that they stand for: all others are out of range. */
function markedFrom({ op, of: [codes, weights], attrs }: Value, from: number, to: number): Value {
  if (op === "weightedHot") {
    const places = Array.from({ length: codes.shape[1] as number }, (_, column) => column);
    return weightedHot(from === 0 ? codes : picked(codes, places, places.map(() => from)), weights, to - from);
  }
  const [columns, first, sizes]: number[][] = [[], [], []];
  let end = 0;
  (attrs.sizes as number[]).forEach((size, column) => {
    const start = end;
    end += size;
    const [least, most] = [Math.max(from, start), Math.min(to, end)];
    if (least >= most) return;
    columns.push(column);
    first.push(least - start);
    sizes.push(most - least);
  });
  return multiHot(picked(codes, columns, first), sizes);
}

/**
 * Returns values side by side in which neighbouring columns that were cut from the same codes are made at once: of a
 * sequence, those that say whether a place is there. Undefined where there are none.
 */
function besides(of: readonly Value[]): Value | undefined {
  const merged: Value[] = [];
  for (const value of of) {
    const last = merged.at(-1);
    const both = last && sameCodes(last, value);
    if (both === undefined) merged.push(value);
    else merged[merged.length - 1] = both;
  }
  return merged.length === of.length ? undefined : concat(merged);
}

/** Returns two cuts of the same codes as one; undefined if they are anything else. */
function sameCodes(a: Value, b: Value): Value | undefined {
  const [left, right] = [a, b].map(({ op, of }) => op === "multiHot" && of[0].op === "pick" ? of[0] : undefined);
  if (left === undefined || right === undefined || left.of[0] !== right.of[0]) return undefined;
  const both = (name: string) => [left, right].flatMap(({ attrs }) => attrs[name] as number[]);
  const sizes = [a, b].flatMap(({ attrs }) => attrs.sizes as number[]);
  return multiHot(apply("pick", [left.of[0]], { columns: both("columns"), first: both("first") }), sizes);
}

/** Returns columns of codes, each counted from its first code, of codes that may be picked themselves. */
function picked(codes: Value, columns: readonly number[], first: readonly number[]): Value {
  if (codes.op !== "pick") return apply("pick", [codes], { columns, first });
  const [places, before] = [codes.attrs.columns as number[], codes.attrs.first as number[]];
  return picked(
    codes.of[0],
    columns.map((column) => places[column]),
    first.map((code, at) => code + before[columns[at]]),
  );
}
