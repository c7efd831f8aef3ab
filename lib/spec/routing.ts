import { apply } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import type { LevelSpec } from "./spec.ts";

/**
 * The routing of a bank: for each expert the mean over the rows of a batch and the gates over the bank, `[experts]`.
 * A loss of a bank is a function of it.
 */
export interface Routing {
  /** The share of rows that use the expert, where a row that uses k experts counts 1 / k for each. No gradient. */
  readonly routed: Value;
  /** The scores that the gates give the expert before any is left out, such as a softmax over all experts. */
  readonly scores: Value;
  /** The weights of the expert. */
  readonly weights: Value;
  /** The probability that the expert is used if noise is drawn anew; only of gates that return a load. */
  readonly load: Value;
}

/** The names of the inputs that a loss of a bank may read. */
export const routingNames = ["routed", "scores", "weights", "load"] as const satisfies (keyof Routing)[];

/** Returns the position at which the experts of a bank begin among those that a gate mixes. */
export function startOf({ experts, gates }: LevelSpec, stream: string, bank: string): number {
  const { mix } = gates[stream];
  return mix.slice(0, mix.indexOf(bank)).reduce((total, other) => total + experts[other].count, 0);
}

/** Returns the routing of a bank of so many experts, as the inputs of an expression. */
export function routingInputs(experts: number): Routing {
  const [routed, scores, weights, load] = routingNames.map((name) =>
    apply("input", [], { name, shape: [experts], type: "float" })
  );
  return { routed, scores, weights, load };
}

/** Returns the name of a loss among the results of a gate's expression. */
export function lossName(name: string): string {
  return lossPrefix + name;
}

/** Returns the losses among the results of a gate's expression, by their own names. */
export function lossesOf<T>(outputs: Readonly<Record<string, T>>): Record<string, T> {
  const losses = Object.entries(outputs).filter(([name]) => name.startsWith(lossPrefix));
  return Object.fromEntries(losses.map(([name, loss]) => [name.slice(lossPrefix.length), loss]));
}

const lossPrefix = "losses/";
