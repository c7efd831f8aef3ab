import { areFinite } from "../../ops/finite.ts";
import { written } from "../../formats/onnx_model.ts";
import { isFed } from "../../formats/translation.ts";
import type { Graph } from "../../graph/graph.ts";
import { sizeOf } from "../../ops/shape.ts";
import type { Program } from "../engine.ts";
import type { Held } from "../held.ts";
import { batchLength } from "../inputs.ts";
import { programFrom, type Run } from "../program.ts";
import { endsFor } from "./ends.ts";
import { partsOf } from "./parts.ts";
import type { Reals } from "./regions.ts";
import type { Open } from "./session.ts";
import { viewed } from "./views.ts";

/**
 * A graph as a session of ONNX Runtime. Parameters are read where the store has them; what replaces them is written
 * beside them, and takes their place if the run went well. Nothing large is copied.
 *
 * @param otherOf Where what replaces an array is written.
 * @throws {Error} if ONNX Runtime refuses the graph.
 */
export function programOf(graph: Graph, held: Held<Reals>, otherOf: (array: Reals) => Reals, open: Open): Program {
  const { graph: seen, views } = viewed(graph);
  const { bytes, inputs, parameters, outputs, updates } = written(seen);
  const session = open(bytes, {
    inputs: [...inputs.values(), ...parameters.values()],
    outputs: [...outputs.values(), ...updates.values()],
    plan: isSmall(graph),
  });
  const fed = { ...graph, nodes: graph.nodes.filter(({ op }) => isFed(op)) };
  const leaves = new Map(fed.nodes.map((leaf) => [leaf.attrs.name as string, leaf]));
  const ends = endsFor(graph, [...inputs.keys()].map((name) => leaves.get(name)!), [...outputs.keys()], session);
  const partOf = partsOf(graph, session);
  const parts = [...parameters.keys()].map((name) => views.get(name)!);
  const replaced = Object.keys(graph.updates);

  const run: Run = (given) => {
    const { feeds, results } = ends(given, batchLength(fed, given));
    const read = parts.map((view) => partOf(view.array, held.parameter(view.array), view));
    const next = replaced.map((name) => otherOf(held.parameter(name)));
    const places = next.map((array, i) => partOf(replaced[i], array));
    session.run([...feeds, ...read], [...results.values(), ...places]);
    const good = replaced.length === 0 || [...results.values()].every(({ data }) => areFinite(data));
    if (good) replaced.forEach((name, i) => held.replace(name, next[i]));
    const copied = [...results].map(([name, { shape, data }]) => [name, { shape: [...shape], data: data.slice() }]);
    return Object.fromEntries(copied);
  };
  return programFrom(run, session.dispose);
}

/** Returns true if a run is so short that preparing its memory counts, and so small that the memory does not. */
function isSmall({ nodes }: Graph): boolean {
  const sizes = nodes.map(({ op, shape }) => op === "parameter" ? sizeOf(shape) : 0);
  return sizes.reduce((total, size) => total + size, 0) < 2 ** 17;
}
