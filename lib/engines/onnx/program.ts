import { areFinite } from "../../ops/finite.ts";
import { written } from "../../formats/onnx_model.ts";
import { isFed } from "../../formats/translation.ts";
import type { Graph } from "../../graph/graph.ts";
import { sizeOf } from "../../ops/shape.ts";
import type { Tensor } from "../../ops/tensor.ts";
import type { Program } from "../engine.ts";
import type { Held } from "../held.ts";
import { batchLength } from "../inputs.ts";
import { programFrom, type Run } from "../program.ts";
import { endsFor } from "./ends.ts";
import { partsOf, seen } from "./parts.ts";
import type { Reals, Region } from "./regions.ts";
import type { Open } from "./session.ts";
import { stagesOf } from "./stages.ts";
import { type Summing, summingOf } from "./summing.ts";
import { type View, viewed } from "./views.ts";

/**
 * A graph as sessions of ONNX Runtime: one, and one more wherever rows are summed of what the last one computed.
 * Parameters are read where the store has them; what replaces them is written beside them, and takes their place if the
 * run went well. Nothing large is copied but tables whose rows are summed.
 *
 * @param otherOf Where what replaces an array is written.
 * @throws {Error} if ONNX Runtime refuses the graph.
 */
export function programOf(graph: Graph, held: Held<Reals>, otherOf: (array: Reals) => Reals, open: Open): Program {
  const { graph: whole, views } = viewed(graph);
  const stages = stagesOf(whole);
  const stored = (name: string) => seen(held.parameter(views.get(name)!.array), views.get(name)!).data;
  const sums = stages.flatMap((stage) => stage.sums);
  const summing = summingOf(sums, stored, held.version);
  const store = { held, otherOf, views };
  const passes: Pass[] = [];
  const dispose = () => passes.forEach((pass) => pass.dispose());
  try {
    for (const stage of stages) passes.push(passOf(stage.graph, graph, store, summing, sums.length > 0, open));
  } catch (error) {
    dispose();
    throw error;
  }
  const fed = { ...graph, nodes: graph.nodes.filter(({ op }) => isFed(op)) };
  const outputs = Object.keys(graph.outputs);

  const run: Run = (given) => {
    const batch = batchLength(fed, given);
    summing.begin(batch);
    const known: Record<string, Tensor> = { ...given };
    const found: Record<string, Tensor> = {};
    const next = new Map<string, Reals>();
    stages.forEach(({ sums }, stage) => {
      sums.forEach((sum) => known[sum.name] = summing.sum(sum, known));
      const { results, replaced } = passes[stage].run(known, batch);
      results.forEach((tensor, name) => (Object.hasOwn(graph.outputs, name) ? found : known)[name] = tensor);
      replaced.forEach((array, name) => next.set(name, array));
    });
    const good = next.size === 0 || outputs.every((name) => areFinite(found[name].data));
    if (good) next.forEach((array, name) => held.replace(name, array));
    return Object.fromEntries(outputs.map((name) => {
      const { shape, data } = found[name];
      return [name, { shape: [...shape], data: data.slice() }];
    }));
  };
  return programFrom(run, dispose);
}

/** The arrays that passes read and replace. */
interface Stored {
  readonly held: Held<Reals>;
  readonly otherOf: (array: Reals) => Reals;
  /** The place of each parameter of a pass. */
  readonly views: ReadonlyMap<string, View>;
}

/** A part of a graph as a session. */
interface Pass {
  /** Runs it, and returns its outputs and what is to replace arrays of the store. */
  run(given: Readonly<Record<string, Tensor>>, batch: number): {
    readonly results: ReadonlyMap<string, Region>;
    readonly replaced: ReadonlyMap<string, Reals>;
  };
  /** Frees it. */
  dispose(): void;
}

/** Prepares a part of a graph as a session, which writes what is summed later where it is summed. */
function passOf(
  part: Graph,
  graph: Graph,
  { held, otherOf, views }: Stored,
  summing: Summing,
  rest: boolean,
  open: Open,
): Pass {
  const { bytes, inputs, parameters, outputs, updates } = written(part);
  const session = open(bytes, {
    inputs: [...inputs.values(), ...parameters.values()],
    outputs: [...outputs.values(), ...updates.values()],
    plan: isSmall(graph),
    rest,
  });
  const leaves = new Map(part.nodes.filter(({ op }) => isFed(op)).map((leaf) => [leaf.attrs.name as string, leaf]));
  const given = [...inputs.keys()].map((name) => leaves.get(name)!);
  const ends = endsFor(part, given, [...outputs.keys()], session, summing.placeOf);
  const partOf = partsOf(graph, session);
  const parts = [...parameters.keys()].map((name) => views.get(name)!);
  const names = [...updates.keys()];
  return {
    run: (known, batch) => {
      const { feeds, results } = ends(known, batch);
      const read = parts.map((view) => partOf(view.array, held.parameter(view.array), view));
      const next = names.map((name) => otherOf(held.parameter(name)));
      const places = next.map((array, i) => partOf(names[i], array));
      session.run([...feeds, ...read], [...results.values(), ...places]);
      return { results, replaced: new Map(names.map((name, i) => [name, next[i]])) };
    },
    dispose: session.dispose,
  };
}

/** Returns true if a run is so short that preparing its memory counts, and so small that the memory does not. */
function isSmall({ nodes }: Graph): boolean {
  const sizes = nodes.map(({ op, shape }) => op === "parameter" ? sizeOf(shape) : 0);
  return sizes.reduce((total, size) => total + size, 0) < 2 ** 17;
}
