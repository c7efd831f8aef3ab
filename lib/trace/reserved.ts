import { ops } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";

/**
 * Returns the rows of parameters that the reserved columns of the input are multiplied with, by the parameter's path:
 * rows of a matrix `[width, units]`, elements of a vector `[width]`.
 *
 * A column counts as reserved as long as it is 0 in every row of which nothing is missing or unknown: cut out, put beside others, or
 * multiplied with a gate. Of a table that is itself a product, such as that of a shared and an own matrix, the first
 * factor's rows are meant: were all of them 0, no gradient would reach any.
 *
 * @param values All values, each after those that it is made of.
 * @param reserved The reserved columns of the parts of the stream `input`, `[batch, width]` each.
 */
export function reservedRows(
  values: Iterable<Value>,
  reserved: ReadonlyMap<Value, readonly number[]>,
): ReadonlyMap<string, readonly number[]> {
  const columns = new Map(reserved);
  const rows = new Map<string, readonly number[]>();
  const of = (value: Value) => columns.get(value) ?? [];
  for (const value of values) {
    if (columns.has(value)) continue;
    const tables = factorsOf(value);
    const met = tables.flatMap(({ x, table }) =>
      of(x).length > 0 ? namesIn(table).map((name) => [name, of(x)] as const) : []
    );
    for (const [name, own] of met) rows.set(name, union(rows.get(name) ?? [], own));
    const found = met.length > 0 ? [] : columnsOf(value, of);
    if (found.length > 0) columns.set(value, found);
  }
  return rows;
}

/** Returns the factors of a product of columns with numbers of their own: with a table, or element by element. */
function factorsOf({ op, of: [a, b] }: Value): readonly { readonly x: Value; readonly table: Value }[] {
  if (op === "matmul") return [{ x: a, table: b }];
  if (op !== "mul") return [];
  const vectors = [{ x: a, table: b }, { x: b, table: a }];
  return vectors.filter(({ x, table }) =>
    table.op === "parameter" && table.shape[0] === x.shape[1] && table.shape.length === 1
  );
}

/** Returns the parameters whose rows make those of a table 0 where they are. */
function namesIn({ op, of, attrs, shape }: Value): readonly string[] {
  if (op === "parameter") return [attrs.name as string];
  const parts = of.filter((part) => part.shape.length === shape.length && part.shape[0] === shape[0]);
  if (op === "add" || op === "sub") return parts.length === of.length ? parts.flatMap(namesIn) : [];
  if (op === "neg" || op === "div" || op === "matmul") return namesIn(of[0]);
  return op === "mul" ? parts.map(namesIn).find((names) => names.length > 0) ?? [] : [];
}

/** Returns the reserved columns of a value in ascending order, from those of what it is made of. */
function columnsOf({ op, of, attrs, shape }: Value, columns: (value: Value) => readonly number[]): readonly number[] {
  if (shape.length !== 2) return [];
  const width = shape[1] as number;
  const moved = (columns: readonly number[], by: number) => columns.map((column) => column + by);
  if (op === "concat" && attrs.axis === 1) {
    let start = 0;
    return of.flatMap((part) => moved(columns(part), (start += part.shape[1] as number) - (part.shape[1] as number)));
  }
  if (op === "slice" && attrs.axis === 1) {
    const start = attrs.start as number;
    const whole = columns(of[0]);
    return moved(whole.slice(placeOf(start, whole), placeOf(start + width, whole)), -start);
  }
  if (op === "pad" && attrs.axis === 1) return moved(columns(of[0]), attrs.before as number);
  const same = (position: number) => of[position].shape.at(-1) === width ? columns(of[position]) : [];
  return (zerosOf(op) ?? []).map((positions) => positions.map(same).reduce(shared)).reduce(union, []);
}

/** Returns the positions of arguments as in {@linkcode Rule.zeros}, for functions that are 0 at 0 too. */
function zerosOf(op: Value["op"]): readonly (readonly number[])[] | undefined {
  return op === "relu" || op === "tanh" || op === "sqrt" ? [[0]] : ops[op].zeros;
}

/** Returns the place in ascending columns at which the first one from a number on is. */
function placeOf(least: number, columns: readonly number[]): number {
  let [from, to] = [0, columns.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (columns[middle] < least) from = middle + 1;
    else to = middle;
  }
  return from;
}

function union(some: readonly number[], others: readonly number[]): readonly number[] {
  return others.length === 0 ? some : [...new Set([...some, ...others])].sort((a, b) => a - b);
}

function shared(some: readonly number[], others: readonly number[]): readonly number[] {
  const known = new Set(others);
  return some.filter((column) => known.has(column));
}
