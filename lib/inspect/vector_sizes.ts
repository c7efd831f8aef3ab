import type { Rows } from "../data/rows.ts";
import { inputTensors } from "../model/feed.ts";
import { insidesOf } from "../model/insides.ts";
import type { Model } from "../model/model.ts";
import { vectorsOf } from "../model/tables.ts";

/** The size of the vectors of a table that some rows look up. Plain JSON. */
export interface VectorSize {
  /** The table, by its path: `levels/0/experts/ids/0/0/user`. */
  readonly path: string;
  /** The root of the mean square of the numbers of the vectors that are not 0. */
  readonly size: number;
}

/** Returns the size of the vectors that rows look up, by table; of none where all are 0. */
export function vectorSizes(model: Model, rows: Rows, action: string): readonly VectorSize[] {
  const { plan: { lookups, spec }, tables } = insidesOf(model, action);
  if (lookups.length === 0) return [];
  const read = vectorsOf(lookups, tables, inputTensors(rows, spec.input));
  const sums = new Map<string, { squares: number; count: number }>();
  for (const { name, width, parts } of lookups) {
    let start = 0;
    for (const { table, units } of parts) {
      const sum = sums.get(table) ?? { squares: 0, count: 0 };
      sums.set(table, sum);
      for (let row = 0; row < rows.count; row++) {
        for (let at = row * width + start; at < row * width + start + units; at++) {
          const number = read[name].data[at];
          if (number === 0) continue;
          sum.squares += number * number;
          sum.count++;
        }
      }
      start += units;
    }
  }
  return [...sums].flatMap(([path, { squares, count }]) =>
    count === 0 ? [] : [{ path, size: Math.sqrt(squares / count) }]
  );
}
