import { kindOf } from "../../errors/kinds.ts";
import { advice } from "../../errors/nearest.ts";
import { quoted } from "../../errors/quoted.ts";
import type { Columns } from "../columns.ts";
import { countOf, type KeyPlaces, keyPlaces, missing, paired, startOf, type Where } from "./keys.ts";
import { type Made, madeFor, readerOf, shown } from "./made.ts";
import type { Addend } from "./plan.ts";
import { growRecent, push, settle } from "./recent.ts";
import type { GroupRun, Run } from "./run.ts";
import { addSums, growSums, settleSums } from "./sums.ts";

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
  const keys = run.columns.map((column) => keyPlaces(column, table, true, where));
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
  const read = new Set(run.plan.groups.flatMap(({ columns }) => columns));
  const keys = run.columns.map((column, at) => read.has(at) ? keyPlaces(column, table, false, where) : { ids: none });
  const made = madeFor(run, table.count);
  for (const one of run.groups) {
    const { ids, starts } = groupKeys(run, one, table.count, keys, false, where);
    const readRow = readerOf(one, made, times);
    for (let row = 0; row < table.count; row++) {
      const [from, to] = [startOf({ ids, starts }, row), startOf({ ids, starts }, row + 1)];
      readRow(row, ids, from, to, run.clock.momentOf(times[row]));
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
  const some = new Float64Array(table.count).fill(NaN);
  for (let row = 0; row < some.length; row++) {
    if (tested !== undefined && tested[row] === 0) continue;
    const number = numbers === undefined ? 1 : numbers[row];
    some[row] = kind === "there" && !Number.isNaN(number) ? 1 : number;
  }
  return some;
}

/** Returns the keys of rows in a group. */
function groupKeys(
  { columns, clock }: Run,
  { group, pairs }: GroupRun,
  count: number,
  keys: readonly KeyPlaces[],
  adding: boolean,
  where: Where,
): KeyPlaces {
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
function checkThere(keys: KeyPlaces, count: number, names: readonly string[], where: Where): void {
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
  const isNew = settleSums(sums, key, moment);
  for (let at = 0; isNew && at < recent.length; at++) settle(recent[at], key);
  addSums(sums, key, numbers, row);
  for (let at = 0; at < recent.length; at++) {
    const item = items[at][row];
    if (item >= 0) push(recent[at], key, item);
  }
}
