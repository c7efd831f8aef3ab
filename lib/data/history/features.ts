import { checkAmount, checkCount, isRecord, kindOf, optionsOf } from "../../errors/kinds.ts";
import { quoted } from "../../errors/quoted.ts";

/** A feature of the past of a key, as {@linkcode count}, {@linkcode rate} and the like return it: plain data. */
export interface PastFeature {
  /** The function that returned it. */
  readonly kind: "count" | "rate" | "sum" | "timeSince" | "lastItems";
  /** The columns whose values together are the key; none: all rows have one key. */
  readonly by: readonly string[];
  /** The text between the words of a text of several keys; absent: a text is one key. */
  readonly separator?: string;
  /** The column that is summed. */
  readonly of?: string;
  /** The column of the rows that count: those where it is there and not 0. Absent: all rows count. */
  readonly where?: string;
  /** The number of rows that the prior of a rate weighs. */
  readonly weight?: number;
  /** The prior of a rate; absent: the rate of all earlier rows. */
  readonly prior?: number;
  /** The column of the items. */
  readonly item?: string;
  /** The most items. */
  readonly most?: number;
}

/** The key of a feature of the past, and the rows that count. */
export interface PastOptions {
  /**
   * The column whose values are the key, or several, whose values together are: numbers, texts, or lists of them, of which
   * each value is a key. None, `[]`: all rows have one key.
   */
  readonly by: string | readonly string[];
  /**
   * The text between the values where a text is several of them, such as `"|"` in `12|34`. A row then belongs to several
   * keys, each of which it counts for once; its feature is their mean. Default: a text is one value.
   */
  readonly separator?: string;
  /** The column of rows that count, such as a label: those where it is there and not 0. Default: all rows count. */
  readonly where?: string;
}

/** Options of {@linkcode sum}. */
export interface SumOptions extends PastOptions {
  /** The column of numbers, or of words that were listed, whose places they are; a missing one adds nothing. */
  readonly of: string;
}

/** Options of {@linkcode rate}. */
export interface RateOptions extends SumOptions {
  /** The number of rows that the prior weighs. Default 20. */
  readonly weight?: number;
  /** The rate of a key without rows. Default: that of all earlier rows, whatever their keys, which is NaN without any. */
  readonly prior?: number;
}

/** Options of {@linkcode lastItems}. */
export interface LastItemsOptions extends Omit<PastOptions, "separator"> {
  /** The column of the items: numbers or texts. A row without one adds nothing. */
  readonly item: string;
  /** The most items, which are the last. Default 20. */
  readonly most?: number;
}

/**
 * The number of earlier rows of a key.
 *
 * @param options The key, and the rows that count.
 * @returns A feature for `history`, which makes a column of numbers of it: 0 for a new key, NaN where the key is missing.
 * @throws {TypeError} if an option is of another type.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { count } from "@gatehouse/gatehouse/history";
 *
 * assertEquals(count({ by: "user", where: "click" }), { kind: "count", by: ["user"], where: "click" });
 * ```
 */
export function count(options: PastOptions): PastFeature {
  return checked("count", options, ["by", "separator", "where"]);
}

/**
 * The smoothed mean of a column over the earlier rows of a key, such as a rate of clicks:
 * `(sum + weight prior) / (rows + weight)`, of the rows where the column is there. With a weight of 0 it is the plain mean,
 * NaN without rows.
 *
 * Known elsewhere as target encoding or click-through rate statistics, smoothed as the m-estimate (Micci-Barreca, SIGKDD
 * Explorations 2001, equation 3 with a constant m), category_encoders' `MEstimateEncoder`, over the past alone as CatBoost's
 * ordered statistics.
 *
 * @param options The key, the column, and the prior.
 * @returns A feature for `history`, which makes a column of numbers of it, NaN where the key is missing.
 * @throws {TypeError | RangeError} if an option is of another type, or the weight is negative.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { history, rate } from "@gatehouse/gatehouse/history";
 *
 * const column = (...values: number[]) => ({ kind: "number", values: Float64Array.from(values) }) as const;
 * const log = { count: 3, columns: { time: column(1, 2, 3), user: column(7, 7, 7), click: column(1, 0, 1) } };
 * const past = history({ clicks: rate({ by: "user", of: "click", weight: 2, prior: 0.5 }) }, { time: "time" });
 * assertEquals(past.over(log).table.columns.clicks, column(0.5, (1 + 1) / (1 + 2), (1 + 1) / (2 + 2)));
 * ```
 */
export function rate(options: RateOptions): PastFeature {
  const { weight = 20, ...rest } = checked("rate", options, ["by", "separator", "where", "of", "weight", "prior"]);
  needed("rate", "of", rest.of);
  for (const [name, value] of Object.entries({ weight, prior: rest.prior })) {
    if (value !== undefined) checkAmount("define rate", name, value);
  }
  if (weight < 0) throw new RangeError(`Cannot define rate: weight must be at least 0, found ${weight}`);
  return Object.freeze({ ...rest, weight });
}

/**
 * The sum of a column over the earlier rows of a key.
 *
 * @param options The key and the column.
 * @returns A feature for `history`, which makes a column of numbers of it: 0 for a new key, NaN where the key is missing.
 * @throws {TypeError} if an option is of another type.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sum } from "@gatehouse/gatehouse/history";
 *
 * assertEquals(sum({ by: ["user", "author"], of: "seconds" }), { kind: "sum", by: ["user", "author"], of: "seconds" });
 * ```
 */
export function sum(options: SumOptions): PastFeature {
  const feature = checked("sum", options, ["by", "separator", "where", "of"]);
  needed("sum", "of", feature.of);
  return feature;
}

/**
 * The time since the last earlier row of a key, in the unit of the time: milliseconds.
 *
 * @param options The key, and the rows that count.
 * @returns A feature for `history`, which makes a column of numbers of it, NaN for a new key and where the key is missing.
 * Of several keys it is the mean over those that are not new.
 * @throws {TypeError} if an option is of another type.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { timeSince } from "@gatehouse/gatehouse/history";
 *
 * assertEquals(timeSince({ by: "user" }), { kind: "timeSince", by: ["user"] });
 * ```
 */
export function timeSince(options: PastOptions): PastFeature {
  return checked("timeSince", options, ["by", "separator", "where"]);
}

/**
 * The items of the last earlier rows of a key, such as the videos that a user clicked, oldest first.
 *
 * @param options The key, the column of items, the rows that count, and how many.
 * @returns A feature for `history`, which makes a column of lists of it, as `sequence()` and `bag()` read it: empty for a
 * new key and where the key is missing.
 * @throws {TypeError | RangeError} if an option is of another type, or `most` is less than 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { lastItems } from "@gatehouse/gatehouse/history";
 *
 * const clicked = lastItems({ by: "user", item: "video", where: "click", most: 5 });
 * assertEquals(clicked, { kind: "lastItems", by: ["user"], item: "video", where: "click", most: 5 });
 * ```
 */
export function lastItems(options: LastItemsOptions): PastFeature {
  const { most = 20, ...rest } = checked("lastItems", options, ["by", "where", "item", "most"]);
  needed("lastItems", "item", rest.item);
  checkCount("define lastItems", "most", most, 1);
  if (most > mostItems) {
    throw new RangeError(`Cannot define lastItems: most must be at most ${mostItems}, found ${most}`);
  }
  return Object.freeze({ ...rest, most });
}

/** The most items of a key, as sequences read them. */
const mostItems = 2 ** 16;

/** Returns the options of a feature with its kind; those that are texts are. */
function checked(kind: PastFeature["kind"], given: object, names: readonly string[]): PastFeature {
  const action = `define ${kind}`;
  const options: { readonly [name: string]: unknown } = { ...optionsOf(action, given, names) };
  const { by } = options;
  const list: unknown = typeof by === "string" ? [by] : by;
  const right = Array.isArray(list) && list.every(isName) && new Set(list).size === list.length;
  if (!right) {
    const found = Array.isArray(list) ? "a list with another" : kindOf(by);
    throw new TypeError(
      `Cannot ${action}: by must be the name of a column or a list of names, each once, found ${found}`,
    );
  }
  for (const name of ["separator", "where", "of", "item"]) {
    if (options[name] !== undefined) needed(kind, name, options[name]);
  }
  return Object.freeze({ kind, ...options, by: Object.freeze([...list]) });
}

function isName(found: unknown): found is string {
  return typeof found === "string" && found !== "";
}

/** Makes sure that an option is a text. */
function needed(kind: string, name: string, found: unknown): void {
  if (isName(found)) return;
  throw new TypeError(`Cannot define ${kind}: ${name} must be a text that is not empty, found ${kindOf(found)}`);
}

/**
 * Makes sure that features are what the functions of this file return; returns them by name, frozen.
 *
 * @throws {TypeError} naming the first that is not.
 */
export function checkPast(action: string, found: unknown): Readonly<Record<string, PastFeature>> {
  if (!isRecord(found) || Object.keys(found).length === 0) {
    const wanted = 'wanted features by name, such as { seen: count({ by: "user" }) }';
    throw new TypeError(`Cannot ${action}: ${wanted}, found ${isRecord(found) ? "none" : kindOf(found)}`);
  }
  return Object.freeze(Object.fromEntries(
    Object.entries(found).map(([name, feature]) => {
      const { kind, ...options } = isRecord(feature) ? feature : { kind: undefined };
      if (typeof kind === "string" && Object.hasOwn(makers, kind) && name !== "__proto__") {
        return [name, makers[kind as PastFeature["kind"]](options as never)];
      }
      const wanted = "count(), rate(), sum(), timeSince() or lastItems()";
      throw new TypeError(`Cannot ${action}\n  at feature ${quoted(name)}: wanted ${wanted}, found ${kindOf(feature)}`);
    }),
  ));
}

const makers: Readonly<Record<PastFeature["kind"], (options: never) => PastFeature>> = {
  count,
  rate,
  sum,
  timeSince,
  lastItems,
};
