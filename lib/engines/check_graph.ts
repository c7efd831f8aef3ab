import type { Graph } from "../graph/graph.ts";
import { sameShape, type Shape, shapeText } from "../ops/shape.ts";

/**
 * Checks that an engine can run a graph on a store: phases resolved, every op known, every parameter there.
 *
 * @param shapeOf The shape of the store's array of a name, undefined where there is none.
 * @param engine The engine's name, and whether it has an op.
 * @throws {TypeError} if it cannot.
 */
export function checkGraph(
  graph: Graph,
  shapeOf: (name: string) => Shape | undefined,
  engine: { readonly name: string; readonly has: (op: string) => boolean },
): void {
  for (const { op, attrs, shape } of graph.nodes) {
    if (op === "inTraining") fail("the op inTraining is left: trace for training or for evaluation first");
    if (!engine.has(op)) fail(`the ${engine.name} engine has no op ${op}`);
    if (op !== "parameter") continue;
    const found = shapeOf(attrs.name as string);
    if (found === undefined) fail(`the store lacks the parameter "${attrs.name}"`);
    else if (!sameShape(found, shape)) {
      fail(`the parameter "${attrs.name}" must be ${shapeText(shape)}, found ${shapeText(found)}`);
    }
  }
  for (const [name, position] of Object.entries(graph.updates)) {
    const [found, { shape }] = [shapeOf(name), graph.nodes[position]];
    if (found === undefined) fail(`the store lacks "${name}", which the graph updates`);
    else if (!sameShape(found, shape)) {
      fail(`the update of "${name}" must be ${shapeText(found)}, found ${shapeText(shape)}`);
    }
  }
}

function fail(what: string): never {
  throw new TypeError(`Cannot load graph: ${what}`);
}
