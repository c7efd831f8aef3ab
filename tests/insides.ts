import { insidesOf } from "../lib/model/insides.ts";
import type { Model } from "../mod.ts";
import type { Layout } from "../lib/graph.ts";
import type { Store } from "../lib/engines/engine.ts";

/** The arrays that a model keeps on its engine. */
export function storeOf<Tasks extends string>(model: Model<Tasks>): Store {
  return insidesOf(model, "test").store;
}

/** Returns the places of a model's parameters in its flat array. */
export function layoutIn<Tasks extends string>(model: Model<Tasks>): Layout {
  return insidesOf(model, "test").plan.layout;
}
