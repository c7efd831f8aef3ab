import type { Position } from "../data/dataset.ts";
import { flatName, type Layout } from "../graph/layout.ts";
import type { ChangedRows } from "../model/changes.ts";
import type { Insides } from "../model/insides.ts";
import type { Model } from "../model/model.ts";
import { runs } from "../model/parameters.ts";
import type { Data } from "../model/pieces.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Optimiser } from "../optimisers/optimiser.ts";
import { mapEntries } from "../trace/entries.ts";
import { changesOf } from "./changes.ts";
import type { Facts, PerOptimiser } from "./checkpoint.ts";
import { type NumberArray, type NumberArrays, wholes, type Written } from "./checkpoint_arrays.ts";
import type { Settings } from "./settings.ts";
import type { Observer } from "./health.ts";
import type { Progress } from "./progress.ts";
import type { Steps, StepState } from "./steps.ts";
import { ofTask, type Watcher } from "./stopping.ts";
import type { Stopwatch } from "./stopwatch.ts";
import type { KeptVectors } from "./kept_vectors.ts";
import type { VectorState } from "./vectors.ts";

/** A training that is going on. */
export interface Run<Tasks extends string> {
  readonly model: Model<Tasks>;
  readonly insides: Insides<Tasks>;
  readonly data: Data;
  readonly given: Settings;
  readonly steps: Steps;
  readonly clock: Stopwatch;
  /** The watcher of its evaluations, if it may stop early. */
  readonly watch: Watcher<Tasks> | undefined;
  /** The observer of its health, if that is looked at. */
  readonly observer: Observer<Tasks> | undefined;
  /** The place where it stands. */
  readonly now: Now<Tasks>;
  /** All that must be the same for it to go on from a checkpoint. */
  readonly identity: Facts["identity"];
  /** The rows that it had seen, and the seconds that it had taken, when it went on from a checkpoint. */
  readonly before: { readonly rows: number; readonly seconds: number };
  /**
   * The parameters in the flat array after its best evaluation so far, if it may stop early: for the sum by the name "",
   * and for a task by its name.
   */
  readonly bests: Map<string, Tensor>;
}

/** The place of a training between two steps, as {@linkcode Facts} have it. */
export interface Now<Tasks extends string> {
  step: number;
  rows: number;
  count: number;
  epoch: number;
  position: Position | undefined;
  validated: boolean;
  last: Progress<Tasks> | undefined;
}

/** The arrays of a training beside its model: of a number for each parameter, and those of vectors. */
export interface RunState {
  /** The parameters in the flat array, and those of the best evaluations, as {@linkcode Run} has them. */
  readonly flat: Tensor;
  readonly bests: ReadonlyMap<string, Tensor>;
  readonly steps: StepState;
}

/** Returns the facts of a training as it stands. */
export function factsOf<Tasks extends string>(
  { model, insides, given, clock, watch, observer, now, identity }: Run<Tasks>,
  { steps }: RunState,
): Facts {
  const known = [...insides.tables.values()].filter(({ largest }) => largest !== undefined);
  return {
    ...now,
    seconds: clock.seconds(),
    stopping: watch?.saved(),
    health: observer?.saved(),
    weighting: steps.weighting,
    largest: Object.fromEntries(known.map(({ path, largest }) => [path, largest!])),
    rates: ratesAt(given, now),
    schedules: schedulesOf(given),
    identity,
    engine: model.engine.name,
  };
}

/** Returns the rates of the last step of a training. */
export function ratesAt(
  given: Settings,
  { step, epoch, position }: Pick<Facts, "step" | "epoch" | "position">,
): PerOptimiser<number> {
  const last = Math.max(1, given.from.step + step);
  const within = given.from.epoch + (position === undefined ? Math.max(1, epoch - 1) : epoch);
  return perOptimiser(given, ({ rate }) => rate(last, within));
}

/** Returns the names of a training's rates, which say how they go on: those of an author's own functions are not compared. */
export function schedulesOf(given: Settings): PerOptimiser<string> {
  return perOptimiser(given, ({ rate: { name } }) => /^\d|\(/.test(name) ? name : "a function of the step");
}

function perOptimiser<T>(
  { optimiser, parts, vectors, tables }: Settings,
  of: (one: Pick<Optimiser, "rate">) => T,
): PerOptimiser<T> {
  return {
    optimiser: of(optimiser),
    vectors: of(vectors),
    ...Object.keys(parts).length > 0 && { parts: mapEntries(parts, (_, part) => of(part)) },
    ...Object.keys(tables).length > 0 && { tables: mapEntries(tables, (_, table) => of(table)) },
  };
}

/** Returns the state of a training as it stands. */
export async function stateOf<Tasks extends string>({ insides, steps, bests }: Run<Tasks>): Promise<RunState> {
  return { flat: await insides.store.read(flatName), bests, steps: await steps.state() };
}

/**
 * Returns the arrays of a training as they are written.
 *
 * @param changed The rows of each table, and of what is beside it, that are written. Default: all.
 */
export function arraysIn({ plan, tables }: Insides<string>, state: RunState, changed?: ChangedRows): Written[] {
  const flats = wholes(flatsIn(plan.layout, state));
  const beside = [...state.steps.vectors].flatMap(([path, own]) => {
    if (changed === undefined) return wholes(besideOf(path, own));
    return changesOf(path, own, changed.get(path)!, tables.get(path)!.rows);
  });
  return [...flats, ...beside];
}

/** Returns the arrays of a number for each parameter, cut, so that each is found by its path. */
function flatsIn(layout: Layout, { flat, bests, steps }: RunState): NumberArrays {
  const best = [...bests].map(([name, flat]) => [`best${ofTask(name)}`, flat] as const);
  const flats = { ...steps.flats, [flatName]: flat, ...Object.fromEntries(best) };
  return Object.fromEntries(
    Object.entries(flats).flatMap(([name, { data }]) => {
      return layout.extents.map((extent) => {
        const to = data instanceof Float64Array ? new Float64Array(extent.size) : new Float32Array(extent.size);
        for (const { at, start, end } of runs(extent)) to.set(data.subarray(start, end), at);
        return [`${name}/${extent.path}`, to] as const;
      });
    }),
  );
}

/** Returns the arrays beside the vectors of a table. */
function besideOf(path: string, { state, kept, average }: VectorState): NumberArrays {
  const own: [string, NumberArray][] = [[`vectors/${path}`, state]];
  if (average !== undefined) own.push([`averages/${path}`, average.vectors], [`average steps/${path}`, average.steps]);
  for (const [name, { rows, vectors }] of kept ?? []) {
    own.push([`kept rows${ofTask(name)}/${path}`, rows], [`kept vectors${ofTask(name)}/${path}`, vectors]);
  }
  return Object.fromEntries(own);
}

/**
 * Returns an array of a number for each parameter, `[size]`, from those of each path; undefined if there are none.
 *
 * @param first The numbers `[size]` of parameters that have none of the same length. Default: 0.
 */
export function flatFrom(layout: Layout, arrays: NumberArrays, name: string, first?: Tensor): Tensor | undefined {
  const found = layout.extents.map((extent) => ({ extent, from: arrays[`${name}/${extent.path}`] }));
  const any = found.find(({ from }) => from !== undefined)?.from;
  if (any === undefined) return undefined;
  const data = any instanceof Float64Array ? new Float64Array(layout.size) : new Float32Array(layout.size);
  if (first !== undefined) data.set(first.data);
  for (const { extent, from } of found) {
    if (from?.length !== extent.size) continue;
    for (const { at, start, end } of runs(extent)) data.set(from.subarray(at, at + end - start), start);
  }
  return { shape: [layout.size], data };
}

/** Returns the best parameters so far `[size]`, as {@linkcode Run} has them, from a checkpoint's arrays. */
export function bestsFrom(layout: Layout, arrays: NumberArrays, tasks: readonly string[]): Map<string, Tensor> {
  return new Map(["", ...tasks].flatMap((name) => {
    const flat = flatFrom(layout, arrays, `best${ofTask(name)}`);
    return flat === undefined ? [] : [[name, flat]];
  }));
}

/** Returns what training keeps beside the vectors of a table, from a checkpoint's arrays; undefined if there is nothing. */
export function vectorStateFrom(
  arrays: NumberArrays,
  path: string,
  tasks: readonly string[],
): VectorState | undefined {
  const [state, averages, steps] = ["vectors", "averages", "average steps"].map((word) => arrays[`${word}/${path}`]);
  if (!(state instanceof Float32Array)) return undefined;
  const kept = new Map(["", ...tasks].flatMap((name): [string, KeptVectors][] => {
    const [rows, vectors] = ["rows", "vectors"].map((word) => arrays[`kept ${word}${ofTask(name)}/${path}`]);
    return rows instanceof Int32Array && vectors instanceof Float32Array ? [[name, { rows, vectors }]] : [];
  }));
  const isAveraged = averages instanceof Float32Array && steps instanceof Int32Array;
  return {
    state,
    kept: kept.size === 0 ? undefined : kept,
    average: isAveraged ? { vectors: averages, steps } : undefined,
  };
}
