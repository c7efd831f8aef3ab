import { kindOf } from "../../errors/kinds.ts";
import { advice } from "../../errors/nearest.ts";
import { quoted } from "../../errors/quoted.ts";
import { room } from "../../files/room.ts";
import type { Columns, ListColumn } from "../columns.ts";
import { type ColumnKeys, countOf, type Keys, keysOf, missing, paired, startOf, type Where } from "./keys.ts";
import { type NumberPlaces, numberPlaces } from "./number_places.ts";
import { type Addend, type Group, isShown, type NumberReader, type Plan } from "./plan.ts";
import { copyRecent, growRecent, push, type Recent, recentOf, settle } from "./recent.ts";
import { addSums, growSums, settleSums, sumAt, type Sums, sumsOf } from "./sums.ts";

/** The knowledge of the rows so far, which goes on. */
export interface Run {
  readonly plan: Plan;
  readonly clock: Clock;
  readonly columns: readonly ColumnKeys[];
  readonly groups: readonly GroupRun[];
  /** The number of rows. */
  rows: number;
  /** The time of the last one; NaN before the first. */
  time: number;
}

/** The reading of time. */
export interface Clock {
  /** The column of times. */
  readonly time: string;
  /** Returns the moment of a time: rows see those of earlier moments alone. */
  readonly momentOf: (time: number) => number;
  /** True if a row must have each key. */
  readonly strict: boolean;
}

/** The knowledge of the keys of a group. */
export interface GroupRun {
  readonly group: Group;
  /** The pairs of the first two columns, those of such a pair and the third column, and so on. */
  readonly pairs: readonly NumberPlaces[];
  readonly sums: Sums;
  readonly recent: readonly Recent[];
}

/** Returns a run before its first row. */
export function runOf(plan: Plan, clock: Clock): Run {
  return {
    plan,
    clock,
    columns: plan.columns.map((column) => ({ ...column })),
    groups: plan.groups.map((group) => ({
      group,
      pairs: group.columns.slice(1).map(() => numberPlaces()),
      sums: sumsOf(group.sums.map((at) => plan.addends[at].kind === "time")),
      recent: group.lists.map(({ most }) => recentOf(most)),
    })),
    rows: 0,
    time: NaN,
  };
}

/** The columns that are made of the past of rows. */
export interface Made {
  readonly numbers: Readonly<Record<string, Float64Array>>;
  readonly lists: Readonly<Record<string, ListColumn>>;
}

/**
 * Returns the features of rows, each of which is then known to those after it.
 *
 * @param reading False if the rows are to be known alone: then nothing is returned of them.
 * @throws {TypeError | RangeError} naming the row, if the rows are not in the order of their time, or a column is missing
 * or holds something else. Nothing has changed then but the keys that are known.
 */
export function passed(run: Run, table: Columns, where: Where, reading: boolean): Made {
  const times = timesOf(run, table, where, true);
  const moments = times.map(run.clock.momentOf);
  const addends = run.plan.addends.map((addend) => addendOf(addend, table, times, where));
  const keys = run.columns.map((column) => keysOf(column, table, true, where));
  const items = run.plan.items.map(({ column, where: test }) => {
    const { starts, ids } = keys[column];
    if (starts !== undefined) {
      throw new TypeError(`${at(where, run.columns[column].name)}: found lists of items, wanted one`);
    }
    const tested = testOf(test, table, where);
    return tested === undefined ? ids : ids.map((id, row) => tested[row] > 0 ? id : missing);
  });
  const all = run.groups.map((group) => groupKeys(run, group, table.count, keys, true, where));
  const made = madeFor(run, reading ? table.count : 0);
  run.groups.forEach((one, at) => {
    grow(run, one, where);
    const numbers = one.group.sums.map((addend) => addends[addend]);
    const added = one.group.lists.map((list) => items[list.items]);
    const read = reading ? readerOf(one, made, times) : undefined;
    for (let row = 0; row < table.count; row++) {
      const [from, to] = [startOf(all[at], row), startOf(all[at], row + 1)];
      read?.(row, all[at].ids, from, to, moments[row]);
      for (let place = from; place < to; place++) {
        const key = all[at].ids[place];
        if (key >= 0) add(one, key, moments[row], row, numbers, added);
      }
    }
  });
  run.rows += table.count;
  if (table.count > 0) run.time = times[table.count - 1];
  return shown(run, made);
}

/**
 * Returns the features of rows that come next, and changes nothing.
 *
 * @throws {TypeError | RangeError} naming the row, if its time is before that of a row that is known, or a column is
 * missing or holds something else.
 */
export function asked(run: Run, table: Columns, where: Where): Made {
  const times = timesOf(run, table, where, false);
  const keys = run.columns.map((column, at) =>
    run.plan.groups.some(({ columns }) => columns.includes(at)) ? keysOf(column, table, false, where) : { ids: none }
  );
  const made = madeFor(run, table.count);
  for (const one of run.groups) {
    const { ids, starts } = groupKeys(run, one, table.count, keys, false, where);
    const read = readerOf(one, made, times);
    for (let row = 0; row < table.count; row++) {
      const [from, to] = [startOf({ ids, starts }, row), startOf({ ids, starts }, row + 1)];
      read(row, ids, from, to, run.clock.momentOf(times[row]));
    }
  }
  return shown(run, made);
}

const none = new Int32Array(0);

/** Returns the beginning of an error about a column. */
function at(where: Where, column: string): string {
  return `${where.at}, column ${quoted(column)}`;
}

/** Returns the times of rows, which follow those before. */
function timesOf(run: Run, table: Columns, where: Where, inOrder: boolean): Float64Array {
  const { time: name, momentOf } = run.clock;
  const times = numbersOf(name, table, where);
  let last = run.time;
  for (let row = 0; row < times.length; row++) {
    const time = times[row];
    const place = () => `${where.at}, row ${where.first + row}, column ${quoted(name)}`;
    if (!Number.isFinite(time)) throw new TypeError(`${place()}: found ${kindOf(time)}, wanted a time`);
    if (inOrder && time < last) {
      const way = `wanted rows in the order of time: sortBy(table, ${quoted(name)}) sorts them`;
      throw new RangeError(`${place()}: found ${time} after ${last}, ${way}`);
    }
    if (!inOrder && momentOf(time) < momentOf(run.time)) {
      const found = `found ${time}, but rows up to ${run.time} are known`;
      throw new RangeError(
        `${place()}: ${found}, wanted a time that is not before them: a feature would know its future`,
      );
    }
    if (inOrder) last = time;
  }
  return times;
}

/** Returns the numbers of a column: those of words that were listed are their places. */
function numbersOf(name: string, table: Columns, where: Where): Float64Array {
  if (!Object.hasOwn(table.columns, name)) {
    throw new TypeError(`${where.at}: no column is named ${quoted(name)}${advice(name, Object.keys(table.columns))}`);
  }
  const column = table.columns[name];
  if (column.kind === "number") return column.values;
  if (column.listed === true) return Float64Array.from(column.codes, (code) => code < 0 ? NaN : code);
  throw new TypeError(`${at(where, name)}: found text, wanted numbers, or words that were listed as it was read`);
}

/** Returns 1 where rows count and 0 where they do not; undefined if all do. */
function testOf(test: string | undefined, table: Columns, where: Where): Float64Array | undefined {
  if (test === undefined) return undefined;
  return Float64Array.from(numbersOf(test, table, where), (value) => value !== 0 && !Number.isNaN(value) ? 1 : 0);
}

/** Returns the number that each row adds, NaN where it adds none. */
function addendOf({ kind, of, where: test }: Addend, table: Columns, times: Float64Array, where: Where): Float64Array {
  const tested = testOf(test, table, where);
  const numbers = kind === "time" ? times : kind === "one" ? undefined : numbersOf(of!, table, where);
  const some = new Float64Array(table.count);
  for (let row = 0; row < some.length; row++) {
    const number = numbers === undefined ? 1 : numbers[row];
    some[row] = tested !== undefined && tested[row] === 0
      ? NaN
      : kind === "there" && !Number.isNaN(number)
      ? 1
      : number;
  }
  return some;
}

/** Returns the keys of rows in a group. */
function groupKeys(
  { columns, clock }: Run,
  { group, pairs }: GroupRun,
  count: number,
  keys: readonly Keys[],
  adding: boolean,
  where: Where,
): Keys {
  if (group.columns.length === 0) return { ids: new Int32Array(count) };
  const [first, ...others] = group.columns.map((column) => keys[column]);
  for (const column of group.columns) countOf(columns[column], where);
  const all = others.reduce((one, other, at) => paired(one, other, pairs[at], adding), first);
  if (all.starts !== undefined && group.lists.length > 0) {
    const found = `found several keys a row for ${quoted(group.lists[0].name)}, wanted one for the last items`;
    throw new TypeError(`${where.at}: ${found}`);
  }
  if (clock.strict) checkThere(all, count, group.columns.map((column) => columns[column].name), where);
  return all;
}

/** Makes sure that each row has a key. */
function checkThere(keys: Keys, count: number, names: readonly string[], where: Where): void {
  for (let row = 0; row < count; row++) {
    const [from, to] = [startOf(keys, row), startOf(keys, row + 1)];
    if (from < to && !keys.ids.subarray(from, to).includes(missing)) continue;
    const columns = names.map(quoted).join(" and ");
    const way = 'missing: "missing" makes the features of such a row missing';
    throw new RangeError(`${where.at}, row ${where.first + row}: found no key in ${columns}; ${way}`);
  }
}

/** Makes room for the keys that are known. */
function grow({ columns }: Run, { group, pairs, sums, recent }: GroupRun, where: Where): void {
  const [first] = group.columns;
  const count = pairs.at(-1)?.count() ?? (first === undefined ? 1 : countOf(columns[first], where));
  growSums(sums, count);
  for (const one of recent) growRecent(one, count);
}

/** Adds a row to what is known of a key. */
function add(
  { sums, recent }: GroupRun,
  key: number,
  moment: number,
  row: number,
  numbers: readonly Float64Array[],
  items: readonly Int32Array[],
): void {
  if (settleSums(sums, key, moment)) { for (const one of recent) settle(one, key); }
  addSums(sums, key, numbers, row);
  for (let at = 0; at < recent.length; at++) {
    const item = items[at][row];
    if (item >= 0) push(recent[at], key, item);
  }
}

/** Features of rows as they are made. */
interface Making {
  /** Numbers by feature, and the rates of all rows. */
  readonly numbers: Readonly<Record<string, Float64Array>>;
  /** The items of the rows so far, by feature, and the position where those of each row end. */
  readonly lists: Readonly<Record<string, { items: Int32Array<ArrayBuffer>; readonly ends: Int32Array }>>;
}

function madeFor({ plan }: Run, count: number): Making {
  const numbers = plan.groups.flatMap((group) => group.numbers.map(({ name }) => [name, new Float64Array(count)]));
  const lists = plan.groups.flatMap((group) =>
    group.lists.map(({ name }) => [name, { items: new Int32Array(count), ends: new Int32Array(count) }])
  );
  return { numbers: Object.fromEntries(numbers), lists: Object.fromEntries(lists) };
}

/** Returns a function that reads the features of a row, whose keys stand from a place to another. */
function readerOf({ group, sums, recent }: GroupRun, made: Making, times: Float64Array) {
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
      if (key >= 0) {
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

/** Returns a function that returns a feature of a key, which may be unknown. */
function valueOf({ kind, sum, rows, weight, prior }: NumberReader, sums: Sums, made: Making, times: Float64Array) {
  const known = (key: number, at: number, moment: number) => key < 0 ? 0 : sumAt(sums, key, at, moment);
  if (kind === "sum") return (key: number, moment: number, _row: number): number => known(key, sum, moment);
  if (kind === "since") {
    return (key: number, moment: number, row: number): number =>
      key < 0 ? NaN : times[row] - sumAt(sums, key, sum, moment);
  }
  const priors = typeof prior === "string" ? made.numbers[prior] : undefined;
  return (key: number, moment: number, row: number): number => {
    const [total, count] = [known(key, sum, moment), known(key, rows, moment)];
    if (weight === 0) return total / count;
    return (total + weight * (priors === undefined ? prior as number : priors[row])) / (count + weight);
  };
}

/** Returns the features that were made. */
function shown({ plan, columns }: Run, made: Making): Made {
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
