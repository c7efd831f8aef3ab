import { checkText, checkWord, isRecord, kindOf, optionsOf } from "../../errors/kinds.ts";
import { quoted } from "../../errors/quoted.ts";
import { checkRows, type Columns } from "../columns.ts";
import type { TableParts } from "../dataset.ts";
import { offsetOf } from "../times.ts";
import { checkPast, type PastFeature } from "./features.ts";
import type { Where } from "./keys.ts";
import type { Made } from "./made.ts";
import { afterParts, historyParts, type PartsOptions } from "./parts.ts";
import { planOf } from "./plan.ts";
import { asked, passed } from "./pass.ts";
import type { Clock, Run } from "./run.ts";
import { checkState, type HistoryState, runFrom, stateOf } from "./state.ts";

/** Options of {@linkcode history}. */
export interface HistoryOptions {
  /**
   * The column of times, in milliseconds since 1970; `timeOf` reads dates and seconds as such. A log whose days are those of
   * a column of dates has that as its time, sorted by it: rows of one date then do not see each other.
   */
  readonly time: string;
  /**
   * The rows that a row sees: `"row"`, the default, those of an earlier time, so that rows of one time do not see each
   * other; `"day"`, those of an earlier day, as a model that is trained once a day knows them.
   */
  readonly before?: "row" | "day";
  /** The offset of the days from UTC, such as `"+08:00"`. Default: none. */
  readonly zone?: string;
  /** The policy for a row without a key: `"missing"`, the default, whose features are then missing, or `"error"`. */
  readonly missing?: "missing" | "error";
}

/** Features of the past of rows, as {@linkcode history} returns them. */
export interface History {
  /** The features by name. */
  readonly features: Readonly<Record<string, PastFeature>>;
  /** The columns that are summed or tested: known after a row alone, and so no inputs, as `fit` checks them. */
  readonly outcomes: readonly string[];
  /**
   * Returns rows with the features as columns beside their own, and what is known after them. Each call copies what is
   * known before: `begin` is for logs of many pieces.
   *
   * @param table The rows, in the order of time.
   * @param state What is known before them, which stays as it is. Default: nothing.
   */
  readonly over: (table: Columns, state?: HistoryState) => { readonly table: Columns; readonly state: HistoryState };
  /**
   * Returns rows at prediction time with the features: those that `over` would give each of them as the next row. Columns
   * that features sum, test or list are not read. A state is prepared at the first call, in the time of its keys.
   *
   * @param state What is known.
   * @param table The rows, of times that are not before those that are known, in any order: a table, as of `over`, whose
   * columns are typed, and no lists by name as `encode` takes them.
   */
  readonly at: (state: HistoryState, table: Columns) => Columns;
  /** Returns a run over a log whose rows come piece by piece. */
  readonly begin: (state?: HistoryState) => HistoryRun;
  /**
   * Returns a table in parts with the features, which are computed as it is read.
   *
   * A part's rows need what is known after all parts before. States at the beginnings of parts are kept in memory as they
   * are passed, each of the size of all keys: the last one, and at most `states` others at equal distances. A part is read
   * from the nearest one before, by way of the parts between. So reading parts in their order passes each row once; for
   * shuffled ones let `states` be the number of parts, where memory allows it.
   */
  readonly parts: (table: TableParts, options?: PartsOptions) => TableParts;
  /** Returns what is known after a table in parts. */
  readonly after: (table: TableParts, state?: HistoryState) => Promise<HistoryState>;
}

/** A log whose rows come piece by piece: each is known to those after it. */
export interface HistoryRun {
  /** Returns rows with the features, which are known to those that come next. */
  readonly over: (table: Columns) => Columns;
  /** Returns rows at prediction time with the features. */
  readonly at: (table: Columns) => Columns;
  /** Returns what is known, as a value that does not change. */
  readonly state: () => HistoryState;
}

/**
 * Features of the past of rows: counts, rates and sums of earlier rows with the same key, the time since the last one, and
 * the last items.
 *
 * Rows come in the order of time. Each sees the rows of earlier moments alone, which are times, or days: what stands in a
 * row or in those after it can never change its features. What is known of keys is in typed arrays, of some 16 bytes a key
 * and sum; no row is held.
 *
 * A row whose key is missing adds nothing to it, and a number that is missing adds nothing to a sum or a rate.
 *
 * @param features The features by the name of their columns, by `count`, `rate`, `sum`, `timeSince` and `lastItems`.
 * @param options The column of times, and what a row sees.
 * @returns The functions that compute them. They throw a `RangeError` or a `TypeError` that names the row, if rows are not
 * in the order of time, a time is missing, a column is missing or holds something else, or there is one of a feature's name.
 * @throws {TypeError | RangeError} if a feature or an option is wrong, or a key reads a column that another feature sums
 * or tests, and which is known after the row alone.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readCsv } from "@gatehouse/gatehouse";
 * import { count, history, lastItems, rate } from "@gatehouse/gatehouse/history";
 *
 * const file = new Blob(["time,user,video,click\n1,ann,7,1\n2,bob,7,0\n3,ann,8,0\n3,ann,9,1\n4,ann,7,1\n"]);
 * const columns = { time: "number", user: "text", video: "number", click: "number" } as const;
 * const past = history({
 *   shown: count({ by: "video" }),
 *   clicks: rate({ by: "user", of: "click", weight: 1 }),
 *   clicked: lastItems({ by: "user", item: "video", where: "click", most: 2 }),
 * }, { time: "time" });
 * const { table, state } = past.over(await readCsv(file, { columns }));
 * assertEquals(table.columns.shown, { kind: "number", values: Float64Array.of(0, 1, 0, 0, 2) });
 * // The prior is the rate of all rows before: none, 1 of 1, 1 of 2, 1 of 2 as rows of one time do not see each other.
 * const rates = Float64Array.of(NaN, 1, (1 + 1 / 2) / 2, (1 + 1 / 2) / 2, (2 + 2 / 4) / 4);
 * assertEquals(table.columns.clicks, { kind: "number", values: rates });
 * assertEquals(table.lists!.clicked[4], Float64Array.of(7, 9));
 *
 * const now = { kind: "number", values: Float64Array.of(9) } as const;
 * const asked = { count: 1, columns: { time: now, video: now, user: { kind: "text", codes: Int32Array.of(0), words: ["ann"] } } } as const;
 * assertEquals(past.at(state, asked).lists!.clicked[0], Float64Array.of(9, 7));
 * ```
 */
export function history(features: Readonly<Record<string, PastFeature>>, options: HistoryOptions): History {
  const checked = checkPast(action, features);
  const clock = clockOf(options);
  const plan = planOf(action, checked);
  if (plan.outcomes.includes(clock.time)) {
    throw new TypeError(`Cannot ${action}: the time ${quoted(clock.time)} is a column that a feature sums or tests`);
  }
  const form = formOf(checked, optionsOf(action, options, optionNames));
  const from = (state?: HistoryState) => runFrom(action, plan, clock, form, state);
  const asking = new WeakMap<HistoryState, Run>(); // at() does not change them
  const begin = (state?: HistoryState): HistoryRun => {
    const run = from(state);
    return {
      over: (table) => added(table, passed(run, checkedTable(table, checked), plain, true), checked),
      at: (table) => added(table, asked(run, checkedTable(table, checked), plain), checked),
      state: () => stateOf(run, form),
    };
  };
  const reader = {
    form,
    begin: from,
    pass: (run: Run, table: Columns, where: Where, reading: boolean): Columns => {
      const placed = { ...where, at: `Cannot ${action}\n  at ${where.at}` };
      const made = passed(run, checkedTable(table, checked, placed.at), placed, reading);
      return reading ? added(table, made, checked) : table;
    },
    end: (run: Run) => stateOf(run, form),
  };
  return Object.freeze({
    features: checked,
    outcomes: plan.outcomes,
    over: (table: Columns, state?: HistoryState) => {
      const run = begin(state);
      return { table: run.over(table), state: run.state() };
    },
    at: (state: HistoryState, table: Columns) => {
      checkState(action, state);
      const run = asking.get(state) ?? from(state);
      asking.set(state, run);
      return added(table, asked(run, checkedTable(table, checked), plain), checked);
    },
    begin,
    parts: (table: TableParts, options?: PartsOptions) => historyParts(action, reader, table, options),
    after: (table: TableParts, state?: HistoryState) => afterParts(action, reader, table, state),
  });
}

/**
 * The history that a state is of, whose features and options stand in it: a program that serves needs no other copy of them.
 *
 * @param state The state, such as one that was loaded.
 * @throws {TypeError} if it is not a state.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { history, historyOf, timeSince } from "@gatehouse/gatehouse/history";
 *
 * const past = history({ since: timeSince({ by: "user" }) }, { time: "time" });
 * const column = (...values: number[]) => ({ kind: "number", values: Float64Array.from(values) }) as const;
 * const { state } = past.over({ count: 1, columns: { time: column(5), user: column(1) } });
 * const again = historyOf(state).over({ count: 1, columns: { time: column(9), user: column(1) } }, state);
 * assertEquals(again.table.columns.since, column(4));
 * ```
 */
export function historyOf(state: HistoryState): History {
  checkState(action, state);
  const { features, ...options } = formIn(state);
  return history(features, options);
}

/** Returns the columns that rows are asked with, those of keys and of the time, and what each holds. */
export function askedWith(state: HistoryState): Readonly<Record<string, "number" | "text">> {
  checkState(action, state);
  const { features, time } = formIn(state);
  const { columns, groups } = planOf(action, features);
  const places = [...new Set(groups.flatMap(({ columns }) => columns))];
  const holds = (place: number) =>
    Object.hasOwn(state.arrays, `columns/${place}`) ? "number" as const : "text" as const;
  return { ...Object.fromEntries(places.map((place) => [columns[place].name, holds(place)])), [time]: "number" };
}

/** Returns the name of the column of time that a state is asked with. */
export function timeIn(state: HistoryState): string {
  return formIn(state).time;
}

/** Returns the features and options in a state. */
function formIn({ form }: HistoryState): HistoryOptions & { readonly features: History["features"] } {
  try {
    const found: unknown = JSON.parse(form);
    if (isRecord(found)) return found as unknown as ReturnType<typeof formIn>;
  } catch {
    // reported below
  }
  throw new TypeError(`Cannot ${action}: the form of the state, ${kindOf(form)}, is not JSON`);
}

const action = "compute history";

const plain: Where = { at: `Cannot ${action}`, first: 0 };

const optionNames = ["time", "before", "zone", "missing"];

/** Returns the reading of time that options ask for. */
function clockOf(given: HistoryOptions): Clock {
  const options = optionsOf(action, given, optionNames);
  const { time, before = "row", zone = "+00:00", missing = "missing" } = options;
  checkText(action, "time", time);
  checkWord(action, "before", before, ["row", "day"]);
  checkWord(action, "missing", missing, ["missing", "error"]);
  const offset = offsetOf(action, zone);
  const momentOf = before === "row"
    ? (time: number) => time
    : (time: number) => Math.floor((time + offset) / 86_400_000);
  return { time, momentOf, strict: missing === "error" };
}

/** Returns the features and the options of a history as JSON. */
function formOf(features: History["features"], { time, before, zone, missing }: HistoryOptions): string {
  return JSON.stringify({
    time,
    before: before ?? "row",
    zone: zone ?? "+00:00",
    missing: missing ?? "missing",
    features,
  });
}

/** Returns a table that has no column of a feature's name. */
function checkedTable(table: Columns, features: History["features"], at = `Cannot ${action}`): Columns {
  checkRows(action, table);
  const clash = Object.keys(features).find((name) =>
    Object.hasOwn(table.columns, name) || Object.hasOwn(table.lists ?? {}, name)
  );
  if (clash === undefined) return table;
  throw new TypeError(`${at}: the table has a column ${quoted(clash)}, wanted another name for the feature`);
}

/** Returns a table with the features that were made, in the order of the features. */
function added(table: Columns, { numbers, lists }: Made, features: History["features"]): Columns {
  const names = Object.keys(features);
  const columns = names.filter((name) => Object.hasOwn(numbers, name)).map((name) => {
    return [name, { kind: "number", values: numbers[name] }] as const;
  });
  const all = { ...table.lists, ...lists };
  return {
    ...table,
    columns: { ...table.columns, ...Object.fromEntries(columns) },
    ...(Object.keys(all).length > 0 && { lists: all }),
  };
}
