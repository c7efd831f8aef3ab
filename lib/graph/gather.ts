import { kindOf } from "../errors/kinds.ts";
import { checkValues } from "./values.ts";
import { add, concat, gatherSum, matmul, pad, slice } from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import type { Values } from "./values.ts";
import { rewritten } from "./walk.ts";

/**
 * Returns values in which a product of one-hot columns with a table is the sum of the table's rows that the codes name:
 * sparse first layers. The one-hot columns are never made. Columns of numbers beside them are multiplied as before.
 *
 * The numbers are the same up to rounding. Differentiate after: the gradient is a scatter-add then.
 *
 * @param least One-hot columns are left as they are where a code has fewer places than this on average.
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
export function gather<V extends Values>(values: V, least: number): V {
  checkValues("gather values", values);
  if (typeof least !== "number") {
    throw new TypeError(`Cannot gather values: least must be a number, found ${kindOf(least)}`);
  }
  return rewritten(values, ({ op }, of) => op === "matmul" ? product(of[0], of[1], least) : undefined);
}

/** The product of one-hot columns, or of values beside them, with a table; undefined where there is nothing to gather. */
function product(x: Value, table: Value, least: number): Value | undefined {
  const parts = x.op === "concat" && x.attrs.axis === 1 ? x.of : [x];
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
    terms.push(sparse(piece) ? gatheredRows(piece, rows) : matmul(piece, rows));
    row += width;
  }
  return terms.reduce((sum, term) => add(sum, term));
}

/** The product of one-hot columns, or of some of them, with a table that has a row for each. */
function gatheredRows(piece: Value, rows: Value): Value {
  if (piece.op === "multiHot") return gatherSum(rows, piece.of[0], piece.attrs.sizes as number[]);
  const [whole] = piece.of;
  const [start, width] = [piece.attrs.start as number, whole.shape[1] as number];
  return gatheredRows(whole, pad(rows, start, width - start - (piece.shape[1] as number), 0));
}

function isOneHot({ op, of: [x], attrs, shape }: Value, least: number): boolean {
  if (op === "slice") return attrs.axis === 1 && x.op === "multiHot" && isOneHot(x, least);
  return op === "multiHot" && x.shape[0] === "batch" &&
    (shape[1] as number) >= least * (attrs.sizes as number[]).length;
}
