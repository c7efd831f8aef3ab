import type { Program, Store } from "../engines/engine.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import type { Graph } from "../graph/graph.ts";
import type { Plan } from "../trace/plan.ts";
import type { Model } from "./model.ts";

/** The insides of a model, which its interface does not show. */
export interface Insides<Tasks extends string = string> {
  /** The plan of its values. */
  readonly plan: Plan<Tasks>;
  /** The parameters and whatever else training keeps on the engine. */
  readonly store: Store;
  /** Returns a program that the model runs more than once, loaded when it is first wanted. */
  readonly programOf: (name: string, write: () => Graph) => Loaded;
  /** The state: true while the model is being trained, and true once it is disposed. */
  readonly state: { training: boolean; disposed: boolean };
}

/** A graph, and the program that runs it on the model's store. */
export interface Loaded {
  /** The graph. */
  readonly graph: Graph;
  /** The program. */
  readonly program: Program;
}

/**
 * Returns what a model keeps to itself.
 *
 * @param action What is to be done with the model, for errors.
 * @throws {TypeError} if it is not a model, such as a promise of one or a spec, or if it is disposed.
 */
export function insidesOf<Tasks extends string>(model: Model<Tasks>, action: string): Insides<Tasks> {
  const found = isRecord(model) ? insides.get(model) : undefined;
  if (found === undefined) {
    const wanted = "wanted a model, as `await compile(...)` returns it";
    throw new TypeError(`Cannot ${action}: ${wanted}, found ${kindOf(model)}`);
  }
  if (found.state.disposed) throw new TypeError(`Cannot ${action}: the model is disposed`);
  return found as Insides<Tasks>;
}

/** Keeps what only this library sees of a model. */
export function keepInsides<Tasks extends string>(model: Model<Tasks>, kept: Insides<Tasks>): void {
  insides.set(model, kept);
}

const insides = new WeakMap<object, Insides>();
