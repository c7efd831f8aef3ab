import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { checkList, checkNumbers, checkRecord, checkText, isRecord, kindOf } from "../errors/kinds.ts";

/** A table in memory, column by column: what {@linkcode readCsv} returns. */
export interface Columns {
  /** The number of rows. */
  readonly count: number;
  /** The columns by name, each of `count` rows. */
  readonly columns: Readonly<Record<string, Column>>;
  /** The columns of lists by name, each of `count` rows, as Parquet files hold them. Absent where there are none. */
  readonly lists?: Readonly<Record<string, ListColumn>>;
  /** The number of malformed rows that were skipped, where a reader may skip them. */
  readonly skipped?: number;
}

/** A column of numbers or of text. */
export type Column = NumberColumn | TextColumn;

/** A column of numbers, NaN where one is missing. */
export interface NumberColumn {
  /** The kind of the column. */
  readonly kind: "number";
  /** One number a row, as float64 holds it: models round the encoded numbers alone. */
  readonly values: Float64Array;
}

/** A column of text, in which every distinct text is stored once. */
export interface TextColumn {
  /** The kind of the column. */
  readonly kind: "text";
  /** One position in `words` a row, -1 where the text is missing. */
  readonly codes: Int32Array;
  /** The distinct texts. */
  readonly words: readonly string[];
  /** True if the reader of the column listed the words, rather than found them: then their order has a meaning. */
  readonly listed?: boolean;
}

/**
 * A column of lists, one a row, of numbers or of texts, null where one of them is missing; null if the list is missing.
 * Features of several words or numbers read it.
 */
export type ListColumn = readonly (Float64Array | readonly (number | string | null)[] | null)[];

/**
 * Some rows of a table, in the order given: a part, a sample or a shuffle.
 *
 * @param columns The table.
 * @param rows The positions of the rows, from 0.
 * @throws {RangeError} if the table has no such row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { take } from "@gatehouse/gatehouse";
 *
 * const age = { kind: "number", values: Float64Array.of(73, 58, 18) } as const;
 * const some = take({ count: 3, columns: { age } }, [2, 0]);
 * assertEquals(some, { count: 2, columns: { age: { kind: "number", values: Float64Array.of(18, 73) } } });
 * ```
 */
export function take(columns: Columns, rows: ArrayLike<number>): Columns {
  checkTable("take rows", columns);
  checkNumbers("take rows", "rows", rows);
  for (let i = 0; i < rows.length; i++) {
    if (!(Number.isInteger(rows[i]) && rows[i] >= 0 && rows[i] < columns.count)) {
      throw new RangeError(
        `Cannot take rows\n  at rows[${i}]: found ${kindOf(rows[i])}, wanted a row of ${columns.count}`,
      );
    }
  }
  const part = (column: Column): Column =>
    column.kind === "number"
      ? { kind: "number", values: picked(column.values, rows) }
      : { ...column, codes: picked(column.codes, rows) };
  const { lists } = columns;
  const list = (column: ListColumn): ListColumn => Array.from(rows, (row) => column[row]);
  return {
    count: rows.length,
    columns: Object.fromEntries(Object.entries(columns.columns).map(([name, column]) => [name, part(column)])),
    ...(lists && { lists: Object.fromEntries(Object.entries(lists).map(([name, column]) => [name, list(column)])) }),
  };
}

/**
 * Columns of a table as labels: numbers as they are; text that was read with a list of words, `["no", "yes"]`, as the
 * words' places in the list, 0 and 1. NaN where a label is missing.
 *
 * @param columns The table.
 * @param tasks The column of every task.
 * @param groups The column of every `within` of a ranking: numbers as they are, any text as one number for each distinct
 * text. NaN, which is in no group, where it is missing. Default: none.
 * @returns Labels `[rows]` by task, and groups beside them.
 * @throws {TypeError} if there is no such column, a task and a group have one name, or the column of a task holds text
 * whose words were not listed: their codes would be those of first appearance.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { labels } from "@gatehouse/gatehouse";
 *
 * const bought = { kind: "text", codes: Int32Array.of(1, 0), words: ["no", "yes"], listed: true } as const;
 * assertEquals(labels({ count: 2, columns: { bought } }, { sale: "bought" }), { sale: Float64Array.of(1, 0) });
 *
 * const query = { kind: "text", codes: Int32Array.of(0, -1), words: ["shoes"] } as const; // the second one is missing
 * const { search } = labels({ count: 2, columns: { bought, query } }, { sale: "bought" }, { search: "query" });
 * assertEquals(search, Float64Array.of(0, NaN));
 * ```
 */
export function labels<Tasks extends string, Groups extends string = never>(
  columns: Columns,
  tasks: Readonly<Record<Tasks, string>>,
  groups: Readonly<Record<Groups, string>> = {} as Readonly<Record<Groups, string>>,
): Record<Tasks | Groups, Float64Array> {
  checkTable("read labels", columns);
  checkRecord("read labels", "tasks", tasks);
  checkRecord("read labels", "groups", groups);
  const twice = Object.keys(groups).find((name) => Object.hasOwn(tasks, name));
  if (twice !== undefined) {
    throw new TypeError(`Cannot read labels\n  at ${twice}: wanted a task or a group, found both of that name`);
  }
  const label = (task: string, name: string, isGroup: boolean): Float64Array => {
    checkText("read labels", `the column of ${quoted(task)}`, name);
    if (Object.hasOwn(columns.lists ?? {}, name)) {
      throw new TypeError(
        `Cannot read labels\n  at ${task}: column ${quoted(name)} holds lists, wanted numbers or text`,
      );
    }
    if (!Object.hasOwn(columns.columns, name)) {
      const hint = advice(name, Object.keys(columns.columns));
      throw new TypeError(`Cannot read labels\n  at ${task}: no column is named ${JSON.stringify(name)}${hint}`);
    }
    const column = columns.columns[name];
    if (column.kind === "number") return Float64Array.from(column.values);
    if (column.listed !== true && !isGroup) {
      const some = column.words.slice(0, 3).map((word) => JSON.stringify(word)).join(", ");
      const wanted = `wanted a column read with its words in their order, such as ${quoted(name)}: [${some}]`;
      const instead = `the groups of a ranking are named apart, labels(table, tasks, { ${quoted(task)}: ${
        quoted(name)
      } })`;
      throw new TypeError(
        `Cannot read labels\n  at ${task}: the codes of column ${quoted(name)} mean nothing: ${wanted}; ${instead}`,
      );
    }
    return Float64Array.from(column.codes, (code) => code < 0 ? NaN : code);
  };
  const read = (names: Readonly<Record<string, string>>, isGroup: boolean) =>
    Object.entries(names).map(([task, name]) => [task, label(task, name, isGroup)]);
  const entries = [...read(tasks, false), ...read(groups, true)];
  return Object.fromEntries(entries) as Record<Tasks | Groups, Float64Array>;
}

/**
 * Makes sure that something is a table of columns in memory.
 *
 * @throws {TypeError} if it is not.
 */
function checkTable(action: string, found: unknown): asserts found is Columns {
  if (!isRecord(found) || !Number.isSafeInteger(found.count) || !isRecord(found.columns)) {
    throw new TypeError(`Cannot ${action}: wanted a table, as readCsv() returns it, found ${kindOf(found)}`);
  }
  for (const [name, column] of Object.entries(found.columns)) {
    const isNumber = isRecord(column) && column.kind === "number" && column.values instanceof Float64Array;
    const isText = isRecord(column) && column.kind === "text" && column.codes instanceof Int32Array &&
      Array.isArray(column.words);
    if (isNumber || isText) continue;
    const form = "wanted a column of numbers, { kind, values: Float64Array }, or of text";
    throw new TypeError(`Cannot ${action}\n  at column ${quoted(name)}: ${form}`);
  }
  if (found.lists === undefined) return;
  checkRecord(action, "lists", found.lists);
  for (const [name, column] of Object.entries(found.lists as object)) {
    checkList(action, `lists of ${quoted(name)}`, column);
  }
}

/**
 * Makes sure that something is a table of columns in memory, each of which has all its rows.
 *
 * @throws {TypeError | RangeError} if it is not.
 */
export function checkRows(action: string, found: unknown): asserts found is Columns {
  checkTable(action, found);
  const lengths = Object.entries(found.columns).map(([name, column]) => {
    return [name, column.kind === "number" ? column.values.length : column.codes.length] as const;
  });
  const lists = Object.entries(found.lists ?? {}).map(([name, list]) => [name, list.length] as const);
  const odd = [...lengths, ...lists].find(([, length]) => length !== found.count);
  if (odd === undefined) return;
  throw new RangeError(
    `Cannot ${action}\n  at column ${quoted(odd[0])}: found ${odd[1]} rows, wanted ${found.count} as the table has`,
  );
}

/** The elements of an array at some positions. */
function picked<A extends Float64Array | Int32Array>(array: A, rows: ArrayLike<number>): A {
  const some = new (array.constructor as new (length: number) => A)(rows.length);
  for (let i = 0; i < some.length; i++) some[i] = array[rows[i]];
  return some;
}
