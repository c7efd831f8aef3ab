/**
 * Gatehouse on logs: features of the past of rows, such as counts, smoothed rates and last items by user, each strictly from
 * earlier rows or days, with what is known as a state that is saved and served.
 *
 * @example The rows before, by user
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { count, history } from "@gatehouse/gatehouse/history";
 *
 * const column = (...values: number[]) => ({ kind: "number", values: Float64Array.from(values) }) as const;
 * const log = { count: 3, columns: { time: column(1, 2, 3), user: column(7, 8, 7) } };
 * const { table } = history({ seen: count({ by: "user" }) }, { time: "time" }).over(log);
 * assertEquals(table.columns.seen, column(0, 0, 1));
 * ```
 *
 * @module
 */
export {
  count,
  lastItems,
  type LastItemsOptions,
  type PastFeature,
  type PastOptions,
  rate,
  type RateOptions,
  sum,
  type SumOptions,
  timeSince,
} from "./data/history/features.ts";
export { type History, history, historyOf, type HistoryOptions, type HistoryRun } from "./data/history/history.ts";
export type { PartsOptions } from "./data/history/parts.ts";
export { loadHistory, saveHistory } from "./data/history/save.ts";
export type { HistoryState } from "./data/history/state.ts";
export type { Contents } from "./files/folder.ts";
