import type { Graph } from "../graph/graph.ts";
import type { Rules } from "../graph/rules.ts";
import type { Tensor } from "../ops/tensor.ts";

/** Something that runs graphs. It knows ops; it knows nothing of experts, gates or towers. */
export interface Engine {
  /** The engine's name, such as `reference` or `tfjs:wasm`. */
  readonly name: string;
  /** The reason why it is this engine and not a faster one, and what to do, where the choice was not the caller's. */
  readonly note?: string;
  /** The rewrites of graphs that pay off on the engine. Where absent, graphs are not rewritten. */
  readonly rules?: Rules;
  /**
   * Puts arrays on the engine, by name, where they stay between runs: parameters and optimiser slots.
   *
   * @throws {RangeError} if a shape does not fit its numbers.
   */
  store(values: Readonly<Record<string, Tensor>>): Store;
  /**
   * Prepares a graph to run on the arrays of a store: the graph's parameters are the store's arrays of the same name.
   *
   * @throws {TypeError} if the store is of another engine or lacks a parameter, a parameter has another shape, a phase is
   * not resolved, or the engine lacks an op.
   */
  load(graph: Graph, store: Store): Program;
}

/** Arrays that stay on an engine. */
export interface Store {
  /**
   * Copies an array off the engine.
   *
   * @throws {TypeError} if the store holds no array of the name.
   */
  read(name: string): Promise<Tensor>;
  /**
   * Replaces an array, or puts a new one beside the others.
   *
   * @throws {RangeError} if its shape does not fit its numbers, or is not that of the array that it replaces.
   */
  write(name: string, value: Tensor): void;
  /** Frees an array. */
  remove(name: string): void;
  /** Frees every array. */
  dispose(): void;
}

/** A graph, ready to run. */
export interface Program {
  /**
   * Runs the graph on one batch and returns its outputs.
   *
   * The graph's updates replace arrays of the store only if every output is finite: a run that went wrong changes
   * nothing.
   *
   * @param inputs The graph's inputs and noise by name, with as many rows wherever `"batch"` is declared.
   * @throws {TypeError} if the program is disposed, an input is missing or unknown, or the store lacks a parameter.
   * @throws {RangeError} if an input is misshapen, or the inputs differ in the number of rows.
   */
  run(inputs: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, Tensor>>>;
  /** Frees what the program holds; the store stays. */
  dispose(): void;
}
