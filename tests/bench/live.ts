import type { Graph } from "../../lib/graph.ts";
import { sizeOf, withBatch } from "../../lib/ops/shape.ts";

/** The least memory that a graph needs, in bytes. */
export interface Live {
  /** Parameters and slots. */
  readonly resident: number;
  /** The most that computed values take at once, each from its op to its last use; outputs and updates stay. */
  readonly activations: number;
}

/** The bytes of a graph's values for a batch, run in the order of its nodes. A reshape is not a value of its own. */
export function live({ nodes, outputs, updates }: Graph, batch: number): Live {
  const bytes = nodes.map(({ shape }) => 4 * sizeOf(withBatch(shape, batch)));
  const root = nodes.map((_, position) => position);
  const lastUse = new Map<number, number>();
  nodes.forEach(({ op, of }, position) => {
    if (op === "reshape") root[position] = root[of[0]];
    of.forEach((argument) => lastUse.set(root[argument], position));
  });
  for (const end of [...Object.values(outputs), ...Object.values(updates)]) lastUse.set(root[end], nodes.length);
  let [resident, now, activations] = [0, 0, 0];
  nodes.forEach(({ op, of }, position) => {
    if (op === "parameter") resident += bytes[position];
    if (op === "parameter" || op === "constant" || op === "reshape") return;
    now += bytes[position];
    activations = Math.max(activations, now);
    for (const argument of new Set(of.map((each) => root[each]))) {
      const freed = !["parameter", "constant"].includes(nodes[argument].op) && lastUse.get(argument) === position;
      if (freed) now -= bytes[argument];
    }
  });
  return { resident, activations };
}
