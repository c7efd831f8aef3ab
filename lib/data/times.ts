import { checkText, kindOf, optionsOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { checkRows, type Columns, type NumberColumn, type TextColumn } from "./columns.ts";

/** Options of functions that read times. */
export interface TimeOptions {
  /** The offset of the clock from UTC, such as `"+08:00"`. Default: none. */
  readonly zone?: string;
  /**
   * The unit of a column of numbers: milliseconds since 1970, `"ms"`, the default, seconds, `"s"`, or dates whose digits
   * are year, month and day, `"date"`: 20220420. Texts are such dates too, or as ISO 8601 has them: `2022-04-20`,
   * `2022-04-20T09:30:00`, which are in the zone, and `2022-04-20T01:30:00Z`, which is not.
   */
  readonly unit?: "ms" | "s" | "date";
}

const [minute, hour, day] = [60_000, 3_600_000, 86_400_000];

/**
 * A column of times in milliseconds since 1970, NaN where one is missing.
 *
 * @param table The table.
 * @param column The column: numbers, or texts that are dates, with or without a time of the day.
 * @param options The offset of the clock, and the unit of numbers.
 * @throws {TypeError | RangeError} if there is no such column, an option is wrong, or a row has no such time.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { timeOf } from "@gatehouse/gatehouse";
 *
 * const date = { kind: "number", values: Float64Array.of(20220420, NaN) } as const;
 * const times = timeOf({ count: 2, columns: { date } }, "date", { unit: "date", zone: "+08:00" });
 * assertEquals(times, { kind: "number", values: Float64Array.of(Date.UTC(2022, 3, 19, 16), NaN) });
 * ```
 */
export function timeOf(table: Columns, column: string, options: TimeOptions = {}): NumberColumn {
  return { kind: "number", values: timesIn("read times", table, column, options) };
}

/**
 * The hour of the day of times, `"0"` to `"23"`, as a column of listed words.
 *
 * @param table The table.
 * @param column The column of times, as `timeOf` reads it.
 * @param options The offset of the clock, and the unit of numbers.
 * @throws {TypeError | RangeError} as `timeOf` does.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { hourOf } from "@gatehouse/gatehouse";
 *
 * const time = { kind: "number", values: Float64Array.of(Date.UTC(2022, 3, 20, 20, 59), NaN) } as const;
 * const { codes, words } = hourOf({ count: 2, columns: { time } }, "time", { zone: "+08:00" });
 * assertEquals([words[codes[0]], codes[1]], ["4", -1]);
 * ```
 */
export function hourOf(table: Columns, column: string, options: TimeOptions = {}): TextColumn {
  const words = Array.from({ length: 24 }, (_, hour) => `${hour}`);
  return wordsOf("read hours", table, column, options, words, (time) => Math.floor(time / hour) % 24);
}

/**
 * The day of the week of times, `"Monday"` to `"Sunday"`, as a column of listed words.
 *
 * @param table The table.
 * @param column The column of times, as `timeOf` reads it.
 * @param options The offset of the clock, and the unit of numbers.
 * @throws {TypeError | RangeError} as `timeOf` does.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { weekdayOf } from "@gatehouse/gatehouse";
 *
 * const date = { kind: "text", codes: Int32Array.of(0), words: ["2022-04-20"] } as const;
 * const { codes, words } = weekdayOf({ count: 1, columns: { date } }, "date", { zone: "+08:00" });
 * assertEquals(words[codes[0]], "Wednesday");
 * ```
 */
export function weekdayOf(table: Columns, column: string, options: TimeOptions = {}): TextColumn {
  const words = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
  return wordsOf("read weekdays", table, column, options, words, (time) => (Math.floor(time / day) + 3) % 7); // 1970: Thursday
}

/** Options of {@linkcode ageOf}. */
export interface AgeOptions extends TimeOptions {
  /** The unit of numbers in the column of births, as `unit` is that of times. Default `"ms"`. */
  readonly since?: "ms" | "s" | "date";
}

/**
 * The age of things in days, with its fraction: the time of a row minus that of a birth, such as the upload of an item. It
 * is negative where the birth is later, and NaN where one of both is missing.
 *
 * @param table The table.
 * @param column The column of times, as `timeOf` reads it.
 * @param birth The column of births, read the same way.
 * @param options The offset of the clock, and the units of numbers.
 * @throws {TypeError | RangeError} as `timeOf` does.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ageOf } from "@gatehouse/gatehouse";
 *
 * const time = { kind: "number", values: Float64Array.of(Date.UTC(2022, 3, 20, 4)) } as const; // noon in China
 * const upload = { kind: "text", codes: Int32Array.of(0), words: ["2022-04-18"] } as const;
 * const age = ageOf({ count: 1, columns: { time, upload } }, "time", "upload", { zone: "+08:00" });
 * assertEquals(age.values, Float64Array.of(2.5));
 * ```
 */
export function ageOf(table: Columns, column: string, birth: string, options: AgeOptions = {}): NumberColumn {
  const { since, ...rest } = optionsOf("compute ages", options, ["zone", "unit", "since"]);
  const times = timesIn("compute ages", table, column, rest);
  const births = timesIn("compute ages", table, birth, { ...rest, unit: since ?? "ms" }, "since");
  return { kind: "number", values: times.map((time, row) => (time - births[row]) / day) };
}

/** Returns a column of words by the local time of rows in milliseconds. */
function wordsOf(
  action: string,
  table: Columns,
  column: string,
  options: TimeOptions,
  words: readonly string[],
  codeOf: (time: number) => number,
): TextColumn {
  const times = timesIn(action, table, column, options);
  const offset = offsetOf(action, optionsOf(action, options, ["zone", "unit"]).zone ?? "+00:00");
  const codes = Int32Array.from(times, (time) => {
    if (Number.isNaN(time)) return -1;
    return (codeOf(time + offset) + words.length) % words.length; // times before 1970 are negative
  });
  return { kind: "text", codes, words, listed: true };
}

/** Returns times in milliseconds. */
function timesIn(action: string, table: Columns, name: string, given: TimeOptions, option = "unit"): Float64Array {
  checkRows(action, table);
  checkText(action, "column", name);
  const { zone = "+00:00", unit = "ms" } = optionsOf(action, given, ["zone", "unit"]);
  const offset = offsetOf(action, zone);
  if (typeof unit !== "string" || !Object.hasOwn(units, unit)) {
    const hint = advice(unit, Object.keys(units));
    throw new TypeError(`Cannot ${action}: ${option} ${kindOf(unit)} is unknown${hint}`);
  }
  if (!Object.hasOwn(table.columns, name)) {
    const hint = advice(name, Object.keys(table.columns));
    throw new TypeError(`Cannot ${action}: no column is named ${quoted(name)}${hint}`);
  }
  const column = table.columns[name];
  const wrong = (row: number, found: unknown, wanted: string) =>
    new RangeError(
      `Cannot ${action}\n  at row ${row}, column ${quoted(name)}: found ${kindOf(found)}, wanted ${wanted}`,
    );
  if (column.kind === "number") {
    return column.values.map((value, row) => {
      if (Number.isNaN(value)) return NaN;
      const time = units[unit](value, offset);
      if (Number.isFinite(time)) return time;
      throw wrong(row, value, unit === "date" ? "a date such as 20220420" : "a time");
    });
  }
  const times = column.words.map((word) => typeof word === "string" ? textTime(word, offset) : NaN);
  return Float64Array.from(column.codes, (code, row) => {
    if (code < 0) return NaN;
    if (Number.isFinite(times[code])) return times[code];
    throw wrong(row, column.words[code], "a date such as 2022-04-20");
  });
}

/** Functions from numbers of a unit to milliseconds; NaN where a number is not a time. */
const units: Readonly<Record<NonNullable<TimeOptions["unit"]>, (value: number, offset: number) => number>> = {
  ms: (value) => value,
  s: (value) => 1000 * value,
  date: (value, offset) => textTime(String(value), offset),
};

/** Returns the milliseconds of a date, with or without a time of the day; NaN if a text is not one. */
export function textTime(text: string, offset: number): number {
  const form = /^(\d{4})-?(\d\d)-?(\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?)?$/;
  const [, year, month, date, clock = "00:00", zone] = form.exec(text) ?? [];
  if (year === undefined) return NaN;
  const start = Date.parse(`${year}-${month}-${date}T00:00Z`);
  if (new Date(start).getUTCDate() !== Number(date)) return NaN; // 31 April
  return Date.parse(`${year}-${month}-${date}T${clock}${zone ?? "Z"}`) - (zone === undefined ? offset : 0);
}

/**
 * Returns the offset of a zone in milliseconds.
 *
 * @throws {TypeError} if it is not a text such as `"+08:00"`.
 */
export function offsetOf(action: string, zone: unknown): number {
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)$/.exec(typeof zone === "string" ? zone : "") ?? [];
  const all = Number(hours) * 60 + Number(minutes);
  if (sign !== undefined && Number(minutes) < 60 && all <= 18 * 60) return (sign === "-" ? -all : all) * minute;
  throw new TypeError(`Cannot ${action}: zone must be an offset from UTC such as "+08:00", found ${kindOf(zone)}`);
}
