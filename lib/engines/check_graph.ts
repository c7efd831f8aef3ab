import { quoted } from "../errors/quoted.ts";
import type { Graph } from "../graph/graph.ts";
import { sameShape, shapeText } from "../ops/shape.ts";
import type { Op } from "../ops/value.ts";
import type { Held, Shaped } from "./held.ts";

/**
 * Checks that an engine can run a graph on a store: phases resolved, every op known, every parameter there.
 *
 * @param held The arrays behind the store.
 * @param engine The engine's name, and whether it computes an op.
 * @throws {TypeError} if a phase is left, the engine lacks an op, or the store lacks an array or has it in another shape.
 */
export function checkGraph(
  graph: Graph,
  held: Pick<Held<Shaped>, "find">,
  engine: { readonly name: string; readonly computes: (op: Op) => boolean },
): void {
  for (const { op, attrs, shape } of graph.nodes) {
    if (op === "inTraining") fail("the op inTraining is left: trace for training or for evaluation first");
    if (!leaves.has(op) && !engine.computes(op)) fail(`the ${engine.name} engine has no op ${op}`);
    if (op !== "parameter") continue;
    const name = attrs.name as string;
    const found = held.find(name)?.shape;
    if (found === undefined) fail(`the store lacks the parameter ${quoted(name)}`);
    else if (!sameShape(found, shape)) {
      fail(`the parameter ${quoted(name)} must be ${shapeText(shape)}, found ${shapeText(found)}`);
    }
  }
  for (const [name, position] of Object.entries(graph.updates)) {
    const [found, { shape }] = [held.find(name)?.shape, graph.nodes[position]];
    if (found === undefined) fail(`the store lacks ${quoted(name)}, which the graph updates`);
    else if (!sameShape(found, shape)) {
      fail(`the update of ${quoted(name)} must be ${shapeText(found)}, found ${shapeText(shape)}`);
    }
  }
}

/** The ops that no engine computes: they are fed or kept. */
const leaves: ReadonlySet<Op> = new Set<Op>(["input", "noise", "parameter", "constant"]);

function fail(what: string): never {
  throw new TypeError(`Cannot load graph: ${what}`);
}
