import { room } from "../../files/room.ts";
import type { ListColumn } from "../columns.ts";
import { type ColumnKeys, missing } from "./keys.ts";
import { isShown, type NumberReader } from "./plan.ts";
import { copyRecent } from "./recent.ts";
import type { GroupRun, Run } from "./run.ts";
import { sumAt, type Sums } from "./sums.ts";

/** The columns that are made of the past of rows. */
export interface Made {
  readonly numbers: Readonly<Record<string, Float64Array>>;
  readonly lists: Readonly<Record<string, ListColumn>>;
}

/** Features of rows as they are made. */
export interface Making {
  /** Numbers by feature, and the rates of all rows. */
  readonly numbers: Readonly<Record<string, Float64Array>>;
  /** The items of the rows so far, by feature, and the position where those of each row end. */
  readonly lists: Readonly<Record<string, { items: Int32Array<ArrayBuffer>; readonly ends: Int32Array }>>;
}

/** Returns room for the features of rows. */
export function madeFor({ plan }: Run, count: number): Making {
  const numbers = plan.groups.flatMap((group) => group.numbers.map(({ name }) => [name, new Float64Array(count)]));
  const lists = plan.groups.flatMap((group) =>
    group.lists.map(({ name }) => [name, { items: new Int32Array(count), ends: new Int32Array(count) }])
  );
  return { numbers: Object.fromEntries(numbers), lists: Object.fromEntries(lists) };
}

/** Returns a function that reads the features of a row, whose keys stand from a place to another. */
export function readerOf({ group, sums, recent }: GroupRun, made: Making, times: Float64Array) {
  const numbers = group.numbers.map((reader) => {
    const value = valueOf(reader, sums, made, times);
    const to = made.numbers[reader.name];
    return (row: number, ids: Int32Array, from: number, end: number, moment: number): void => {
      let [sum, count] = [0, 0];
      for (let place = from; place < end; place++) {
        if (ids[place] === missing) continue;
        const number = value(ids[place], moment, row);
        if (reader.kind === "since" && Number.isNaN(number)) continue;
        sum += number;
        count++;
      }
      to[row] = count === 1 ? sum : sum / count; // NaN without one
    };
  });
  const lists = group.lists.map(({ name, most }, at) => {
    const to = made.lists[name];
    return (row: number, ids: Int32Array, from: number, end: number, moment: number): void => {
      const first = row === 0 ? 0 : to.ends[row - 1];
      let count = 0;
      const key = from < end ? ids[from] : missing;
      if (key >= 0 && key < sums.keys) {
        to.items = room(to.items, first + most);
        count = copyRecent(recent[at], key, sums.moments[key] < moment, to.items, first);
      }
      to.ends[row] = first + count;
    };
  });
  const all = [...numbers, ...lists];
  return (row: number, ids: Int32Array, from: number, end: number, moment: number): void => {
    for (const read of all) read(row, ids, from, end, moment);
  };
}

/**
 * Returns a function that returns a feature of a key, which may be unknown, or known without a row: a key of rows that were
 * refused has no sums.
 */
function valueOf({ kind, sum, rows, weight, prior }: NumberReader, sums: Sums, made: Making, times: Float64Array) {
  const isNew = (key: number) => key < 0 || key >= sums.keys;
  const known = (key: number, at: number, moment: number) => isNew(key) ? 0 : sumAt(sums, key, at, moment);
  if (kind === "sum") return (key: number, moment: number, _row: number): number => known(key, sum, moment);
  if (kind === "since") {
    return (key: number, moment: number, row: number): number =>
      isNew(key) ? NaN : times[row] - sumAt(sums, key, sum, moment);
  }
  const priors = typeof prior === "string" ? made.numbers[prior] : undefined;
  return (key: number, moment: number, row: number): number => {
    const [total, count] = [known(key, sum, moment), known(key, rows, moment)];
    if (weight === 0) return total / count;
    return (total + weight * (priors === undefined ? prior as number : priors[row])) / (count + weight);
  };
}

/** Returns the features that were made. */
export function shown({ plan, columns }: Run, made: Making): Made {
  const numbers = plan.groups.flatMap((group) => group.numbers.filter(isShown)).map(({ name }) => {
    return [name, made.numbers[name]];
  });
  const lists = plan.groups.flatMap((group) => group.lists).map(({ name, items }) => {
    return [name, listsOf(made.lists[name], columns[plan.items[items].column])] as const;
  });
  return { numbers: Object.fromEntries(numbers), lists: Object.fromEntries(lists) };
}

/** Returns the lists of rows by the places of their items. */
function listsOf({ items, ends }: Making["lists"][string], { values }: ColumnKeys): ListColumn {
  const lists: (Float64Array | readonly string[])[] = [];
  const numbers = values?.kind === "text" ? undefined : new Float64Array(ends.length > 0 ? ends[ends.length - 1] : 0);
  if (numbers !== undefined && values?.kind === "number") {
    for (let at = 0; at < numbers.length; at++) numbers[at] = values.of.at(items[at]);
  }
  let from = 0;
  for (let row = 0; row < ends.length; row++) {
    const end = ends[row];
    if (numbers !== undefined) lists.push(numbers.subarray(from, end));
    else {
      const words: string[] = [];
      for (let at = from; at < end; at++) words.push((values as TextValues).of.words[items[at]]);
      lists.push(words);
    }
    from = end;
  }
  return lists;
}

type TextValues = Extract<NonNullable<ColumnKeys["values"]>, { readonly kind: "text" }>;
