import { quoted } from "../../errors/quoted.ts";
import type { PastFeature } from "./features.ts";

/** Features by their keys, so that each key of a row is found once, whatever the number of its features. */
export interface Plan {
  /** The columns of keys, each once. */
  readonly columns: readonly KeyColumn[];
  /** The numbers that rows add, each once. */
  readonly addends: readonly Addend[];
  /** The items that rows add, each once. */
  readonly items: readonly Items[];
  /** The features of each key. Those of no column, which all rows have, come first. */
  readonly groups: readonly Group[];
  /** The columns that are known after the row alone. */
  readonly outcomes: readonly string[];
}

/** A column of keys. */
export interface KeyColumn {
  readonly name: string;
  /** The text between the values of a text; absent: a text is one value. */
  readonly separator?: string;
}

/** A number that a row adds where it counts: 1, that of a column, 1 if this is there, or the row's time. */
export interface Addend {
  readonly kind: "one" | "number" | "there" | "time";
  readonly of?: string;
  readonly where?: string;
}

/** An item that a row adds where it counts. */
export interface Items {
  /** The place of its column. */
  readonly column: number;
  readonly where?: string;
}

/** The features of the keys of some columns. */
export interface Group {
  /** The places of the columns. */
  readonly columns: readonly number[];
  /** The places of the addends whose sums each key has. */
  readonly sums: readonly number[];
  /** The features that are numbers. */
  readonly numbers: readonly NumberReader[];
  /** The features that are lists. */
  readonly lists: readonly ListReader[];
}

/** A feature that is read from the sums of its key. */
export interface NumberReader {
  readonly name: string;
  readonly kind: "sum" | "rate" | "since";
  /** The place of the sum among those of the key. */
  readonly sum: number;
  /** The place of the number of rows of a rate. */
  readonly rows: number;
  readonly weight: number;
  /** The prior of a rate, or the name of the rate of all rows. */
  readonly prior: number | string;
}

/** A feature that is read from the items of its key. */
export interface ListReader {
  readonly name: string;
  /** The place among the items that rows add. */
  readonly items: number;
  readonly most: number;
}

/** Returns the name of the rate of all rows, which is no feature and cannot be the name of one. */
const priorName = (of: string, where: string | undefined) => `\0${JSON.stringify([of, where])}`;

/** Returns true if a reader's column is one of the table that is returned. */
export function isShown({ name }: NumberReader): boolean {
  return !name.startsWith("\0");
}

/**
 * Returns the plan of features.
 *
 * @throws {TypeError} if a feature's key reads a column that is known after the row alone.
 */
export function planOf(action: string, features: Readonly<Record<string, PastFeature>>): Plan {
  const all = Object.entries(features);
  const outcomes = outcomesOf(action, all);
  const priors = all.flatMap(([, { kind, of, where, prior, weight }]): [string, PastFeature][] => {
    if (kind !== "rate" || prior !== undefined || weight === 0) return [];
    return [[priorName(of!, where), { kind, by: [], of, ...(where !== undefined && { where }), weight: 0 }]];
  });
  const [columns, addends, items] = [distinct<KeyColumn>(), distinct<Addend>(), distinct<Items>()];
  const keys = distinct<readonly number[]>();
  const keyOf = ({ by, separator }: PastFeature): number =>
    keys.place(by.map((name) => columns.place({ name, ...(separator !== undefined && { separator }) })));
  const itemsOf = ({ item, where }: PastFeature): number =>
    items.place({ column: columns.place({ name: item! }), ...(where !== undefined && { where }) });
  const byKey: { name: string; feature: PastFeature }[][] = [];
  for (const [name, feature] of [...new Map(priors), ...all]) (byKey[keyOf(feature)] ??= []).push({ name, feature });
  const groups = keys.all.map((columns, at) => groupOf(columns, byKey[at], addends, itemsOf));
  const [ofAll, others] = [true, false].map((isAll) =>
    groups.filter(({ columns }) => (columns.length === 0) === isAll)
  );
  return { columns: columns.all, addends: addends.all, items: items.all, groups: [...ofAll, ...others], outcomes };
}

/** Returns the columns that are known after the row alone, none of which is that of a key. */
function outcomesOf(action: string, features: readonly (readonly [name: string, feature: PastFeature])[]): string[] {
  const all = new Set(features.flatMap(([, { of, where }]) => [of, where]).filter((name) => name !== undefined));
  for (const [name, { by }] of features) {
    const leak = by.find((column) => all.has(column));
    if (leak === undefined) continue;
    const found = `its key reads ${quoted(leak)}, which a feature sums or tests: it is known after the row alone`;
    throw new TypeError(`Cannot ${action}\n  at feature ${quoted(name)}: ${found}`);
  }
  return [...all];
}

function groupOf(
  columns: readonly number[],
  features: readonly { readonly name: string; readonly feature: PastFeature }[],
  addends: Distinct<Addend>,
  itemsOf: (feature: PastFeature) => number,
): Group {
  const sums = distinct<{ readonly addend: number }>();
  const sumOf = (addend: Addend) => sums.place({ addend: addends.place(addend) });
  const numbers: NumberReader[] = [];
  const lists: ListReader[] = [];
  for (const { name, feature } of features) {
    const { kind, of, where, weight = 0, prior, most } = feature;
    const counted = where === undefined ? {} : { where };
    const plain = { name, rows: -1, weight, prior: NaN };
    if (kind === "count") numbers.push({ ...plain, kind: "sum", sum: sumOf({ kind: "one", ...counted }) });
    if (kind === "sum") numbers.push({ ...plain, kind: "sum", sum: sumOf({ kind: "number", of, ...counted }) });
    if (kind === "timeSince") numbers.push({ ...plain, kind: "since", sum: sumOf({ kind: "time", ...counted }) });
    if (kind === "lastItems") lists.push({ name, items: itemsOf(feature), most: most! });
    if (kind !== "rate") continue;
    const [total, rows] = [sumOf({ kind: "number", of, ...counted }), sumOf({ kind: "there", of, ...counted })];
    const before = weight === 0 ? NaN : prior ?? priorName(of!, where);
    numbers.push({ name, kind: "rate", sum: total, rows, weight, prior: before });
  }
  return { columns, sums: sums.all.map(({ addend }) => addend), numbers, lists };
}

/** Distinct plain values, each at the place at which it came first. */
interface Distinct<T> {
  readonly all: readonly T[];
  readonly place: (value: T) => number;
}

function distinct<T>(): Distinct<T> {
  const all: T[] = [];
  const places = new Map<string, number>();
  return {
    all,
    place: (value) => {
      const text = JSON.stringify(value);
      const at = places.get(text) ?? all.push(value) - 1;
      places.set(text, at);
      return at;
    },
  };
}
