import type { Program, Store } from "../engines/engine.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import type { Graph } from "../graph/graph.ts";
import type { Plan } from "../trace/plan.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Model } from "./model.ts";
import type { Tables } from "./tables.ts";

/** The insides of a model, which its interface does not show. */
export interface Insides<Tasks extends string = string> {
  /** The plan of its values. */
  readonly plan: Plan<Tasks>;
  /** The arrays on the engine: parameters, and those of training. */
  readonly store: Store;
  /** The tables of vectors that are looked up, beside the engine. */
  readonly tables: Tables;
  /** Returns what a graph reads of a batch: inputs, and vectors that its codes look up. */
  readonly fed: (graph: Graph, tensors: Readonly<Record<string, Tensor>>) => Record<string, Tensor>;
  /** Returns a program that the model runs more than once, loaded when it is first wanted. */
  readonly programOf: (name: string, write: () => Graph) => Loaded;
  /**
   * The state: true while the model is being trained, once it was trained, and once it is disposed; and how large its
   * parameters are; and the parameters that were best for each task in the last training, if it kept them.
   */
  readonly state: {
    training: boolean;
    trained: boolean;
    disposed: boolean;
    largest: number | undefined;
    bests: readonly Best[] | undefined;
  };
}

/** The parameters of a model, by path, that were best for some of its tasks. */
export interface Best {
  readonly tasks: readonly string[];
  readonly parameters: Readonly<Record<string, Tensor>>;
}

/** A graph, and the program that runs it on the model's store. */
export interface Loaded {
  /** The graph. */
  readonly graph: Graph;
  /** The program. */
  readonly program: Program;
}

/**
 * Returns the insides of a model.
 *
 * @param action The action, for errors.
 * @throws {TypeError} if it is not a model, such as a promise of one or a spec, or if it is disposed.
 */
export function insidesOf<Tasks extends string>(model: Model<Tasks>, action: string): Insides<Tasks> {
  const known = isRecord(model) ? insides.get(model) : undefined;
  if (known === undefined) {
    const wanted = "wanted a model, as `await compile(...)` returns it";
    throw new TypeError(`Cannot ${action}: ${wanted}, found ${kindOf(model)}`);
  }
  if (known.state.disposed) throw new TypeError(`Cannot ${action}: the model is disposed`);
  return known as Insides<Tasks>;
}

/** Keeps the insides of a model, which only this library sees. */
export function keepInsides<Tasks extends string>(model: Model<Tasks>, kept: Insides<Tasks>): void {
  insides.set(model, kept);
}

const insides = new WeakMap<object, Insides>();
