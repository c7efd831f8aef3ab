import { areFinite } from "../../ops/finite.ts";
import type { Graph } from "../../graph/graph.ts";
import { everything } from "../../graph/rules.ts";
import type { Tensor } from "../../ops/tensor.ts";
import { checkGraph } from "../check_graph.ts";
import type { Engine } from "../engine.ts";
import { type Held, storesOf } from "../held.ts";
import { batchLength } from "../inputs.ts";
import { programFrom, type Run } from "../program.ts";
import { type Doubles, kernels } from "./kernels.ts";

/**
 * The engine that every other one is tested against: plain loops over float64, no dependency, no permission.
 *
 * Slow and obviously right. Arrays and results are `Float64Array`s whatever is fed.
 *
 * @example A graph, run on a batch of two rows
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { reference } from "@gatehouse/gatehouse";
 * import { type Graph } from "@gatehouse/gatehouse/graph";
 *
 * const graph: Graph = {
 *   nodes: [
 *     { op: "input", of: [], attrs: { name: "x", shape: ["batch"], type: "float" }, shape: ["batch"], type: "float" },
 *     { op: "sqrt", of: [0], attrs: {}, shape: ["batch"], type: "float" },
 *   ],
 *   outputs: { y: 1 },
 *   updates: {},
 * };
 * const engine = reference();
 * const program = engine.load(graph, engine.store({}));
 * const { y } = await program.run({ x: { shape: [2], data: Float64Array.of(4, 9) } });
 * assertEquals(y, { shape: [2], data: Float64Array.of(2, 3) });
 * ```
 *
 * @example An array that stays on the engine
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { reference } from "@gatehouse/gatehouse";
 *
 * const store = reference().store({ kernel: { shape: [2], data: new Float32Array([1, 2]) } });
 * assertEquals(await store.read("kernel"), { shape: [2], data: new Float64Array([1, 2]) });
 * ```
 */
export function reference(): Engine {
  const { store, heldBy } = storesOf<Doubles>({ put: doubles, read: ({ data }) => data.slice() });
  return {
    name: "reference",
    rules: everything,
    store,
    load: (graph, store) => {
      const held = heldBy(store);
      checkGraph(graph, held, { name: "reference", computes: (op) => Object.hasOwn(kernels, op) });
      return programFrom(runOf(graph, held));
    },
  };
}

/** A run computes every node in order; the outputs are copies. */
function runOf(graph: Graph, held: Held<Doubles>): Run {
  return (fed) => {
    const batch = batchLength(graph, fed);
    const inputs = new Map(Object.entries(fed).map(([name, tensor]) => [name, doubles(tensor)]));
    const context = { batch, inputs, parameter: held.parameter };
    const results: Doubles[] = [];
    for (const { op, of, attrs } of graph.nodes) {
      const kernel = kernels[op as keyof typeof kernels];
      results.push(kernel(of.map((position) => results[position]), attrs, context));
    }
    const outputs = Object.entries(graph.outputs).map(([name, position]) =>
      [name, doubles(results[position])] as const
    );
    if (outputs.every(([, { data }]) => areFinite(data))) {
      for (const [name, position] of Object.entries(graph.updates)) held.replace(name, results[position]);
    }
    return Object.fromEntries(outputs);
  };
}

/** A copy as float64. */
function doubles({ shape, data }: Tensor): Doubles {
  return { shape: [...shape], data: new Float64Array(data) };
}
