import { type Graph, graphOf } from "../graph/graph.ts";
import { exp, greater, input, mul, neg, select, sub } from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import type { Optimiser } from "../optimisers/optimiser.ts";

/** A weighting of losses as data, which another program follows. */
export type WrittenWeighting = WrittenDwa | WrittenGraph;

/** Dynamic weight averaging: weights follow from the mean losses of the last two epochs. */
export interface WrittenDwa {
  /** The kind. */
  readonly kind: "dwa";
  /** The temperature. */
  readonly temperature: number;
}

/** A chain of states, each the outputs of one graph on the state before. */
export interface WrittenGraph {
  /** The kind. */
  readonly kind: "graph";
  /**
   * The graph of a step. Inputs: the state by name, `losses` and `labelled` (1 or 0), `[tasks]` each, and the rate and
   * scalars of its optimiser as `weighting/<name>`; outputs: the next state by name, and `factors` `[tasks]` of the next
   * step, by which losses are multiplied.
   */
  readonly graph: Graph;
  /** The optimiser whose rate and scalars it reads. */
  readonly optimiser: Optimiser;
  /** The first state, `[tasks]` each. */
  readonly state: Readonly<Record<string, readonly number[]>>;
  /** The factors of the first step. */
  readonly factors: readonly number[];
}

/** Returns uncertainty weighting as a graph: a step of the log variances of tasks with a labelled row, by an optimiser. */
export function writtenUncertainty(tasks: number, optimiser: Optimiser): WrittenGraph {
  const shape = [tasks];
  const [values, losses, labelled] = ["values", "losses", "labelled"].map((name) => input(name, shape));
  const names = Object.keys(optimiser.slots);
  const slots = Object.fromEntries(names.map((name) => [name, input(`slot/${name}`, shape)]));
  const scalars = ["rate", ...Object.keys(optimiser.scalars(1, 1))].map((name) => {
    return [name, input(`weighting/${name}`, [])] as const;
  });
  const known = greater(labelled, 0);
  const gradient = select(known, sub(1, mul(exp(neg(values)), losses)), 0); // of e^-s L + s
  const { change, slots: after } = optimiser.update(gradient, slots, Object.fromEntries(scalars));
  const next = select(known, sub(values, change), values);
  const kept = names.map((name): [string, Value] => [`slot/${name}`, select(known, after[name], slots[name])]);
  return {
    kind: "graph",
    graph: graphOf({ factors: exp(neg(next)), values: next, ...Object.fromEntries(kept) }),
    optimiser,
    state: {
      values: Array(tasks).fill(0),
      ...Object.fromEntries(names.map((name) => [`slot/${name}`, Array(tasks).fill(optimiser.slots[name])])),
    },
    factors: Array(tasks).fill(1),
  };
}
