import { room } from "../files/room.ts";
import { type GatheredKeys, gatheredKeys } from "./keys.ts";
import type { Lists, Rows } from "./rows.ts";
import { sliceRows } from "./rows.ts";

/** Rows that are put together from pieces, in memory that is used again. */
export interface Gathered {
  /** Adds neighbouring rows of a piece, from one on. */
  add(piece: Rows, from: number, count: number): void;
  /** Returns all rows that were added, as views of the memory, and begins anew. */
  take(): Rows;
}

/**
 * Returns memory for a number of rows, which it takes as they come.
 *
 * @throws {TypeError} where rows are added, if they have other columns than those before.
 */
export function gathered(limit: number): Gathered {
  let memory: Rows | undefined;
  let keys: readonly (readonly [string, GatheredKeys])[] = [];
  let wanted = "";
  let count = 0;
  return {
    add: (piece, from, some) => {
      const form = formOf(piece);
      if (memory === undefined) {
        [memory, wanted] = [memoryFor(piece, limit), form];
        keys = Object.entries(piece.by ?? {}).map(([name, column]) => [name, gatheredKeys(column, limit)]);
      }
      if (form !== wanted) {
        throw new TypeError(`found rows of ${form}, wanted rows of ${wanted} as those before`);
      }
      for (const group of groups) {
        for (const [name, data] of Object.entries(piece[group] ?? {})) {
          const width = data.length / piece.count;
          memory[group]![name].set(data.subarray(from * width, (from + some) * width), count * width);
        }
      }
      const lists = Object.entries(memory.lists ?? {}).map(([name, list]) => {
        return [name, extended(list, count, piece.lists![name], from, some)] as const;
      });
      if (lists.length > 0) memory = { ...memory, lists: Object.fromEntries(lists) };
      for (const [name, held] of keys) held.add(piece.by![name], from, some, count);
      count += some;
    },
    take: () => {
      const rows = sliceRows(memory!, 0, count);
      const by = Object.fromEntries(keys.map(([name, held]) => [name, held.take(count)]));
      count = 0;
      return keys.length > 0 ? { ...rows, by } : rows;
    },
  };
}

const groups = ["inputs", "labels", "weights"] as const;

/** Returns the columns of rows, their kinds and widths and the mark of the features as a text, for comparison and errors. */
function formOf(rows: Rows): string {
  const columns = groups.flatMap((group) =>
    Object.entries(rows[group] ?? {}).map(([name, data]) =>
      `${group}.${name} [${data.length / rows.count}] ${data.constructor.name}`
    )
  );
  const lists = Object.entries(rows.lists ?? {}).map(([name, { weights }]) =>
    `lists.${name}${weights === undefined ? "" : " with weights"}`
  );
  const marks = Object.entries(rows.encoding ?? {}).map(([name, mark]) => `${name}: ${mark}`);
  const keys = Object.entries(rows.by ?? {}).map(([name, { kind }]) => `by.${name} (${kind})`);
  return [...columns, ...lists, ...keys, ...marks].join(", ");
}

/** Returns memory for rows that are like others. */
function memoryFor(rows: Rows, limit: number): Rows {
  const like = <D extends Float32Array | Float64Array | Int32Array>(columns: Readonly<Record<string, D>> | undefined) =>
    columns && Object.fromEntries(
      Object.entries(columns).map(([name, data]) => {
        return [name, new (data.constructor as new (length: number) => D)(limit * data.length / rows.count)];
      }),
    );
  const lists = Object.entries(rows.lists ?? {}).map(([name, { weights }]): [string, Lists] => {
    const codes = new Int32Array(limit);
    return [name, { starts: new Int32Array(limit + 1), codes, ...(weights && { weights: new Float32Array(limit) }) }];
  });
  return {
    count: limit,
    inputs: like(rows.inputs)!,
    ...(lists.length > 0 && { lists: Object.fromEntries(lists) }),
    labels: like(rows.labels),
    weights: like(rows.weights),
    ...(rows.encoding && { encoding: rows.encoding }),
  };
}

/** Returns lists, the first ones of which stay, with some of a piece behind them. */
function extended(held: Lists, count: number, piece: Lists, from: number, some: number): Lists {
  const { starts } = held;
  const [first, end] = [piece.starts[from], piece.starts[from + some]];
  const at = starts[count];
  const codes = room(held.codes, at + end - first);
  codes.set(piece.codes.subarray(first, end), at);
  const weights = held.weights && room(held.weights, at + end - first);
  weights?.set(piece.weights!.subarray(first, end), at);
  for (let row = 1; row <= some; row++) starts[count + row] = at + piece.starts[from + row] - first;
  return { starts, codes, ...(weights && { weights }) };
}
