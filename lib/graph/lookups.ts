import { concat } from "../ops/functions.ts";
import { apply } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import { cutFrom, isSparse } from "./gather.ts";
import { leaves, type Values } from "./values.ts";
import { inOrder, rewritten } from "./walk.ts";

/** Vectors that are looked up by code outside of the graph, which reads them as an input: `[batch, width]`. */
export interface Lookup {
  /** The name of the input. */
  readonly name: string;
  /** The input. */
  readonly value: Value;
  /** The number of its columns. */
  readonly width: number;
  /** The vectors of which it is made, side by side. */
  readonly parts: readonly LookupPart[];
}

/** One vector of each row: a row of a table, or a sum of rows; 0 where no code has a row. */
export interface LookupPart {
  /** The path of the table. */
  readonly table: string;
  /** The size of a vector. */
  readonly units: number;
  /** The input that holds the codes, `[batch, ...]`. */
  readonly codes: string;
  /** Those of its columns that are read. */
  readonly columns: readonly number[];
  /** The code of the table's first row. */
  readonly first: number;
  /** The input that holds a weight for each of these codes in as many columns, from `from` on; absent: 1 each. */
  readonly weights?: { readonly input: string; readonly from: number };
}

/** Values of which looked-up tables are no part any more. */
export interface LookedUp<V extends Values> {
  /** The values, which read vectors as inputs. */
  readonly values: V;
  /** These inputs, in the order of the values. */
  readonly lookups: readonly Lookup[];
}

/**
 * Returns values in which a product of one-hot columns with a table whose rows are looked up is an input of the vectors
 * that the codes name: such tables can be larger than what an engine holds, and a step costs its batch alone. Vectors that
 * stand side by side are one input.
 *
 * A table that is used in any other way stays a parameter like others.
 */
export function lookUp<V extends Values>(values: V): LookedUp<V> {
  const others = tablesReadOtherwise(values);
  const found = new Map<Value, readonly LookupPart[]>();
  const inputs = new Map<string, Value>();
  const inputOf = (parts: readonly LookupPart[]): Value => {
    const key = JSON.stringify(parts);
    const known = inputs.get(key);
    if (known !== undefined) return known;
    const width = parts.reduce((sum, { units }) => sum + units, 0);
    const value = apply("input", [], { name: `vectors/${inputs.size}`, shape: ["batch", width], type: "float" });
    inputs.set(key, value);
    found.set(value, parts);
    return value;
  };
  const changed = rewritten(values, (value, of) => {
    const part = partOf(value, others);
    if (part !== undefined) return inputOf([part]);
    if (value.op !== "concat" || value.attrs.axis !== 1) return undefined;
    const runs = runsOf(of, (argument) => found.has(argument));
    if (runs.length === of.length) return undefined;
    return concat(runs.map((run) => run.length === 1 ? run[0] : inputOf(run.flatMap((one) => found.get(one)!))));
  });
  const read = new Set(inOrder(leaves(changed)));
  const lookups = [...found].filter(([value]) => read.has(value)).map(([value, parts]): Lookup => {
    return { name: value.attrs.name as string, value, width: value.shape[1] as number, parts };
  });
  return { values: changed, lookups };
}

/** Returns true if a value is a table whose rows are looked up. */
export function isTable({ op, attrs }: Value): boolean {
  return op === "parameter" && attrs.rows === "looked up";
}

/** Returns the tables that are read in another way than by codes. */
function tablesReadOtherwise(values: Values): ReadonlySet<string> {
  const order = inOrder(leaves(values));
  const name = (table: Value) => table.attrs.name as string;
  const read = order.filter((value) => partOf(value) === undefined).flatMap(({ of }) => of.filter(isTable));
  return new Set([...read, ...leaves(values).filter(isTable)].map(name));
}

/** Returns a product with a looked-up table as the vectors that codes name; undefined if it is anything else. */
function partOf({ op, of: [x, table] }: Value, others?: ReadonlySet<string>): LookupPart | undefined {
  if (op !== "matmul" || !isTable(table) || others?.has(table.attrs.name as string)) return undefined;
  const cut = x.op === "slice" && x.attrs.axis === 1 && isSparse(x.of[0]);
  const columns = cut ? cutFrom(x.of[0], x.attrs.start as number, x.shape[1] as number) : x;
  const one = columns.op === "multiHot" && (columns.attrs.sizes as number[]).length === 1;
  if (!one && columns.op !== "weightedHot") return undefined;
  const codes = codesOf(columns.of[0]);
  const weights = one ? undefined : weightsOf(columns.of[1]);
  if (codes === undefined || !one && weights === undefined) return undefined;
  const [, units] = table.attrs.shape as number[];
  return { table: table.attrs.name as string, units, ...codes, ...(weights && { weights }) };
}

/** Returns the input that weights are read from, and the first of its columns; undefined if they are made in another way. */
function weightsOf({ op, of, attrs }: Value): LookupPart["weights"] {
  if (op === "input") return { input: attrs.name as string, from: 0 };
  if (op !== "slice" || attrs.axis !== 1 || of[0].op !== "input") return undefined;
  return { input: of[0].attrs.name as string, from: attrs.start as number };
}

/** Returns the input that codes are read from; undefined if they are made in another way, or have several first codes. */
function codesOf({ op, of, attrs, shape }: Value): Pick<LookupPart, "codes" | "columns" | "first"> | undefined {
  if (op === "input") {
    const columns = Array.from({ length: shape[1] as number }, (_, column) => column);
    return { codes: attrs.name as string, columns, first: 0 };
  }
  if (op !== "pick" || of[0].op !== "input") return undefined;
  const [first, ...rest] = attrs.first as number[];
  if (rest.some((other) => other !== first)) return undefined;
  return { codes: of[0].attrs.name as string, columns: attrs.columns as number[], first };
}

/** Returns a list cut into runs of neighbours that pass a test, and of single others. */
function runsOf<T>(list: readonly T[], test: (item: T) => boolean): readonly (readonly T[])[] {
  const runs: T[][] = [];
  for (const item of list) {
    const last = runs.at(-1);
    if (last !== undefined && test(item) && test(last[0])) last.push(item);
    else runs.push([item]);
  }
  return runs;
}
