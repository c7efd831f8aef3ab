import { tableParts } from "../lib/data/dataset.ts";
import { pickRows } from "../lib/data/rows.ts";
import { type Dataset, dataset, type Rows } from "../mod.ts";

/** Rows as a dataset whose parts are groups of so many rows, as a job of one lane reads them. */
export function inGroups(rows: Rows, groupRows: number, buffer: number): Dataset {
  const parts = Array.from({ length: Math.ceil(rows.count / groupRows) }, (_, part) => ({
    name: `group ${part}`,
    read: async function* (from: number) {
      const [start, end] = [part * groupRows + from, Math.min((part + 1) * groupRows, rows.count)];
      const values = Float64Array.from({ length: end - start }, (_, at) => start + at);
      if (values.length > 0) {
        yield await Promise.resolve({ count: values.length, columns: { row: { kind: "number" as const, values } } });
      }
    },
  }));
  const table = tableParts("groups", () => Promise.resolve(parts));
  return dataset(table, ({ columns: { row } }) => {
    return pickRows(rows, Uint32Array.from(row.kind === "number" ? row.values : []));
  }, { buffer });
}
