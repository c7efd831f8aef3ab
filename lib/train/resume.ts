import { failure, files } from "../files/runtime.ts";
import { flatName } from "../graph/layout.ts";
import { rowsByText } from "../model/grow.ts";
import { insidesOf } from "../model/insides.ts";
import type { Model } from "../model/model.ts";
import { readModel } from "../model/load.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Spec } from "../spec/spec.ts";
import { averageName } from "./averages.ts";
import { arraysOf, type Facts, newestCheckpoint } from "./checkpoint.ts";
import type { NumberArrays } from "./checkpoint_arrays.ts";
import { differenceOf, rulesOf } from "./identity.ts";
import type { Settings } from "./settings.ts";
import { partitioned, tableOptimisers } from "./parts.ts";
import { bestsFrom, flatFrom, ratesAt, schedulesOf, vectorStateFrom } from "./run.ts";
import type { StepState } from "./steps.ts";
import { slotName } from "./update.ts";
import type { VectorState } from "./vectors.ts";

/** The state of a training that goes on. */
export interface Begun {
  readonly facts: Facts;
  /** The epochs and steps that it counts from. */
  readonly from: Settings["from"];
  readonly steps: StepState;
  /** The parameters after the best evaluations so far, by the names of {@linkcode Run}. */
  readonly bests: Map<string, Tensor>;
}

/**
 * Puts a model where a checkpoint has it, and returns the state of the training; undefined if there is no checkpoint yet.
 *
 * @param identity What the training is made of now.
 * @throws {Error} if a checkpoint is damaged, or of a training of something else, naming the first difference.
 * @throws {Deno.errors.NotFound} if there is none, and the folder is not that of `checkpoint`.
 */
export async function resumed(
  model: Model,
  folder: string,
  given: Settings,
  identity: Facts["identity"],
): Promise<Begun | undefined> {
  const action = "resume training";
  const found = await newestCheckpoint(folder, action);
  if (found === undefined) {
    if (given.checkpoint !== undefined && await isSame(folder, given.checkpoint.folder)) return undefined;
    throw failure("NotFound", `Cannot ${action}\n  at ${folder}: no checkpoint found`);
  }
  const { facts, path } = found;
  const { spec, tensors } = await readModel(path);
  const from = given.warm === undefined ? given.from : fromOf(facts);
  const difference = differenceOf(model.spec, spec, "spec") ??
    differenceOf(asSaved({ ...identity, from }), facts.identity) ??
    differenceOf(ratesAt({ ...given, from }, facts), facts.rates, `the rate at step ${from.step + facts.step}`) ??
    (facts.schedules && differenceOf(schedulesOf(given), facts.schedules, "the schedule of rates"));
  if (difference !== undefined) {
    const wanted = "wanted the model, data and options of the training that wrote it";
    throw new TypeError(`Cannot ${action}\n  at ${path}: ${difference}\n  ${wanted}`);
  }
  const arrays = await arraysOf(found, action);
  const { plan: { layout }, store, tables } = insidesOf(model, action);
  store.write(flatName, flatFrom(layout, arrays, flatName)!);
  for (const [name, table] of tables) {
    table.vectors.set(tensors[name].data);
    table.largest = facts.largest[name];
  }
  const tasks = Object.keys(model.spec.tasks);
  const states = new Map([...tables.keys()].flatMap((name): [string, VectorState][] => {
    const state = vectorStateFrom(arrays, name, tasks);
    return state === undefined ? [] : [[name, state]];
  }));
  const average = flatFrom(layout, arrays, averageName);
  const flats = { ...flatsFrom(model, given, arrays), ...average && { [averageName]: average } };
  const steps = { flats, vectors: states, weighting: facts.weighting };
  return { facts, from, steps, bests: bestsFrom(layout, arrays, tasks) };
}

/** Returns the epochs and steps that a training in a checkpoint counts from. */
function fromOf({ identity }: Facts): Settings["from"] {
  return identity.from as unknown as Settings["from"];
}

/** Returns what a checkpoint has of facts, such as null for an undefined item of a list. */
function asSaved(identity: Facts["identity"]): unknown {
  return JSON.parse(JSON.stringify(identity));
}

/** Returns true if two paths, of which the second is there, are of one folder. */
async function isSame(folder: string, other: string): Promise<boolean> {
  return await files().realPath(folder).catch(() => undefined) === await files().realPath(other);
}

/** A training of a model that goes on from the optimiser of another. */
export interface Warm {
  readonly from: Settings["from"];
  /** The number of steps since optimisers have begun. */
  readonly count: number;
  readonly steps: StepState;
}

/**
 * Returns the state of optimisers and weighting in a checkpoint, as it fits a model that may have grown since.
 *
 * @throws {Error} if there is no checkpoint, it is damaged, or it is of other optimisers.
 */
export async function warmed(model: Model, folder: string, given: Settings): Promise<Warm> {
  const action = "begin training warm";
  const found = await newestCheckpoint(folder, action);
  if (found === undefined) throw failure("NotFound", `Cannot ${action}\n  at ${folder}: no checkpoint found`);
  const { facts, path } = found;
  const { optimiser, parts, vectors, tables, weighting } = facts.identity;
  const from = fromOf(facts);
  const difference = differenceOf(rulesOf(given), { optimiser, parts, vectors, tables });
  if (difference !== undefined) {
    throw new TypeError(`Cannot ${action}\n  at ${path}: ${difference}\n  wanted the optimisers of that training`);
  }
  const { spec } = await readModel(path);
  const arrays = await arraysOf(found, action);
  const isSame = (weighting as { readonly name?: string } | null)?.name === given.weighting?.name &&
    JSON.stringify(Object.keys(spec.tasks)) === JSON.stringify(Object.keys(model.spec.tasks));
  return {
    from: { epoch: from.epoch + facts.epoch - (facts.position === undefined ? 1 : 0), step: from.step + facts.step },
    count: facts.count,
    steps: {
      flats: flatsFrom(model, given, arrays),
      vectors: grownStates(model, spec, given, arrays),
      weighting: isSame ? facts.weighting : undefined,
    },
  };
}

/** Returns the arrays of an optimiser, by their names on the engine. */
function flatsFrom(model: Model, { optimiser, parts }: Settings, arrays: NumberArrays): StepState["flats"] {
  const { layout, tables } = insidesOf(model, "train").plan;
  return Object.fromEntries(
    Object.entries(partitioned(layout, optimiser, parts, tables).slots()).flatMap(([name, first]) => {
      const flat = flatFrom(layout, arrays, slotName(name), first);
      return flat === undefined ? [] : [[slotName(name), flat]];
    }),
  );
}

/** Returns the state of each vector by its word; that of a new word begins. */
function grownStates(model: Model, before: Spec, given: Settings, arrays: NumberArrays) {
  const { plan, tables } = insidesOf(model, "train");
  const own = tableOptimisers(plan.tables, given.tables, plan.layout.extents);
  const features = ({ input }: Spec) => "width" in input ? undefined : input.features;
  const [old, now] = [features(before), features(model.spec)];
  return new Map(plan.tables.flatMap(({ path, feature }): [string, VectorState][] => {
    const known = vectorStateFrom(arrays, path, [])?.state;
    const table = tables.get(path);
    if (known === undefined || table === undefined) return [];
    const { vectors: rule } = own.get(path) ?? given.vectors;
    const width = rule.state(table.units);
    const state = new Float32Array(table.rows * width).fill(rule.initial);
    const isWorded = feature !== undefined && old?.[feature] !== undefined && now?.[feature] !== undefined;
    if (!isWorded) return known.length === state.length ? [[path, { state: known }]] : [];
    rowsByText(old, now, feature).forEach((row, at) => {
      if (row >= 0) state.set(known.subarray(row * width, (row + 1) * width), at * width);
    });
    return [[path, { state }]];
  }));
}
