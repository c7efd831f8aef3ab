import { isRecord, kindOf } from "../../errors/kinds.ts";
import { quoted } from "../../errors/quoted.ts";
import { places } from "../places.ts";
import type { ColumnKeys } from "./keys.ts";
import { numberPlaces } from "./number_places.ts";
import type { Plan } from "./plan.ts";
import { recentOf, storedOf } from "./recent.ts";
import { type Clock, type Run, runOf } from "./run.ts";
import { growSums } from "./sums.ts";

/** The state of a history after the rows of a log: what is known of all keys, as a value. */
export interface HistoryState {
  /** The features and options of the history that it is of, as JSON. */
  readonly form: string;
  /** The number of rows. */
  readonly rows: number;
  /** The time of the last row; NaN before the first. */
  readonly time: number;
  /** Numbers of columns, pairs, keys and items, by name. */
  readonly arrays: Readonly<Record<string, Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>>>;
  /** The distinct texts of columns, by name. */
  readonly words: Readonly<Record<string, readonly string[]>>;
}

/** Returns the state of a run: a copy, which does not change as the run goes on. */
export function stateOf(run: Run, form: string): HistoryState {
  const arrays: Record<string, Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>> = {};
  const words: Record<string, readonly string[]> = {};
  for (const [at, { values }] of run.columns.entries()) {
    if (values?.kind === "number") arrays[`columns/${at}`] = values.of.values();
    if (values?.kind === "text") words[`columns/${at}`] = Object.freeze([...values.of.words]);
  }
  for (const [at, { pairs, sums, recent }] of run.groups.entries()) {
    const { keys, last } = sums;
    pairs.forEach((pair, place) => arrays[`groups/${at}/pairs/${place}`] = pair.values());
    arrays[`groups/${at}/moments`] = sums.moments.slice(0, keys);
    arrays[`groups/${at}/settled`] = sums.settled.slice(0, keys * last.length);
    arrays[`groups/${at}/pending`] = sums.pending.slice(0, keys * last.length);
    for (const [place, list] of recent.entries()) {
      const { counts, items } = storedOf(list, keys);
      arrays[`groups/${at}/lists/${place}/counts`] = counts;
      arrays[`groups/${at}/lists/${place}/items`] = items;
    }
  }
  const state = { form, rows: run.rows, time: run.time, arrays: Object.freeze(arrays), words: Object.freeze(words) };
  return Object.freeze(state);
}

/**
 * Returns a run that goes on from a state, which stays as it is.
 *
 * @throws {TypeError} if it is not a state of this history.
 */
export function runFrom(action: string, plan: Plan, clock: Clock, form: string, state: HistoryState | undefined): Run {
  const run = runOf(plan, clock);
  if (state === undefined) return run;
  checkState(action, state);
  if (state.form !== form) {
    const wanted = `wanted one of this history: its features and options are others`;
    throw new TypeError(`Cannot ${action}: found a state of another history, ${wanted}${difference(state.form, form)}`);
  }
  run.columns.forEach((column, at) => column.values = valuesOf(state, `columns/${at}`));
  const groups = run.groups.map(({ group, sums }, at) => {
    const named = namedIn(action, state, `groups/${at}`);
    const keys = lengthIn(state, `groups/${at}/moments`);
    growSums(sums, keys);
    sums.moments.set(named("moments", Float64Array, keys));
    sums.settled.set(named("settled", Float64Array, keys * sums.last.length));
    sums.pending.set(named("pending", Float64Array, keys * sums.last.length));
    return {
      group,
      sums,
      pairs: group.columns.slice(1).map((_, place) => numberPlaces(named(`pairs/${place}`, Float64Array))),
      recent: group.lists.map(({ most }, place) => {
        const counts = named(`lists/${place}/counts`, Int32Array, 2 * keys);
        const items = named(`lists/${place}/items`, Int32Array, counts.reduce((sum, count) => sum + count, 0));
        return recentOf(most, { counts, items });
      }),
    };
  });
  return { ...run, groups, rows: state.rows, time: state.time };
}

/** Returns a function that returns an array of a state, which must be of a type and a length. */
function namedIn(action: string, { arrays }: HistoryState, path: string) {
  return <A extends Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>>(
    name: string,
    type: new (length: number) => A,
    length?: number,
  ): A => {
    const found = Object.hasOwn(arrays, `${path}/${name}`) ? arrays[`${path}/${name}`] : undefined;
    if (found instanceof type && (length === undefined || found.length === length)) return found;
    const wanted = `wanted ${length ?? "its"} numbers, ${type.name}`;
    throw new TypeError(
      `Cannot ${action}\n  at state.arrays[${quoted(`${path}/${name}`)}]: ${wanted}, found ${kindOf(found)}`,
    );
  };
}

function lengthIn({ arrays }: HistoryState, name: string): number {
  return Object.hasOwn(arrays, name) ? arrays[name].length : 0;
}

/** Returns the distinct values of a column that a state knows. */
function valuesOf({ arrays, words }: HistoryState, name: string): ColumnKeys["values"] {
  if (Object.hasOwn(words, name)) return { kind: "text", of: places(words[name].slice()) };
  if (!Object.hasOwn(arrays, name)) return undefined;
  return { kind: "number", of: numberPlaces(arrays[name] as Float64Array) };
}

/**
 * Makes sure that something is a state.
 *
 * @throws {TypeError} if it is not.
 */
export function checkState(action: string, found: unknown): asserts found is HistoryState {
  const right = isRecord(found) && typeof found.form === "string" && typeof found.rows === "number" &&
    typeof found.time === "number" && isRecord(found.arrays) && isRecord(found.words);
  if (right) return;
  throw new TypeError(`Cannot ${action}: wanted a state, as over() returns it, found ${kindOf(found)}`);
}

/** Returns the first feature or option in which two forms differ, as the end of an error. */
function difference(found: string, wanted: string): string {
  const [one, other] = [found, wanted].map((form) => {
    const { features, ...options } = JSON.parse(form);
    return { ...options, ...features };
  });
  const name = [...Object.keys(other), ...Object.keys(one)].find((name) => {
    return JSON.stringify(one[name]) !== JSON.stringify(other[name]);
  });
  return name === undefined ? "" : `, such as ${quoted(name)}`;
}
