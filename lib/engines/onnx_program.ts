import type { Graph } from "../graph/graph.ts";
import { sizeOf } from "../ops/shape.ts";
import type { Program, Tensor } from "./engine.ts";
import { batchLength } from "./inputs.ts";
import { written } from "./onnx_model.ts";
import type { Numbers, Open } from "./onnx_runtime.ts";
import { type Arrays, free } from "./onnx_store.ts";
import { type View, viewed } from "./onnx_views.ts";

/**
 * A graph as a session of ONNX Runtime. Parameters are read where the store has them, and what replaces them becomes the
 * store's as it is. (Outputs that ONNX Runtime is given memory for were a tenth faster on small models, and its binding
 * lost some kilobytes in every run.)
 *
 * @throws {Error} if ONNX Runtime refuses the graph.
 */
export function programOf(graph: Graph, arrays: Arrays, open: Open): Program {
  const { graph: seen, views } = viewed(graph);
  const { bytes, inputs, parameters, outputs, updates } = written(seen);
  const session = open(bytes, isSmall(graph));
  const fed = { ...graph, nodes: graph.nodes.filter(({ op }) => op === "input" || op === "noise") };
  const codes = new Set(fed.nodes.flatMap(({ type, attrs }) => type === "int" ? [attrs.name] : []));
  const parts = [...parameters].map(([name, input]) => ({ input, view: views.get(name)! }));
  const wanted = Object.fromEntries([...outputs.values(), ...updates.values()].map((name) => [name, null]));
  let disposed = false;

  const run = (given: Readonly<Record<string, Tensor>>): Record<string, Tensor> => {
    if (disposed) throw new TypeError("Cannot run graph: the program is disposed");
    batchLength(fed, given);
    const feeds: Record<string, Numbers> = {};
    for (const [name, input] of inputs) feeds[input] = numbersOf(given[name], codes.has(name));
    for (const { input, view } of parts) feeds[input] = partOf(arrays, view);
    const results = session.run(feeds, wanted);
    const found = [...outputs].map(([name, output]) => [name, results[output]] as const);
    const good = updates.size === 0 || found.every(([, { data }]) => data.every(Number.isFinite));
    for (const [name, output] of updates) {
      const { dims: shape, data } = results[output];
      const old = good ? arrays.replace(name, { shape, data: data as Float32Array })?.data : data;
      if (old !== undefined) free(old);
    }
    return Object.fromEntries(found.map(([name, { dims, data }]) => [name, { shape: dims, data }]));
  };
  return {
    run: (given) => new Promise((resolve) => resolve(run(given))),
    dispose: () => {
      if (!disposed) session.dispose();
      disposed = true;
    },
  };
}

/** Whether a run is so short that preparing its memory counts, and so small that the memory does not. */
function isSmall({ nodes }: Graph): boolean {
  const sizes = nodes.map(({ op, shape }) => op === "parameter" ? sizeOf(shape) : 0);
  return sizes.reduce((total, size) => total + size, 0) < 2 ** 17;
}

function numbersOf({ shape, data }: Tensor, codes: boolean): Numbers {
  const fits = codes ? data instanceof Int32Array : data instanceof Float32Array;
  const numbers = fits ? data as Numbers["data"] : Float32Array.from(data);
  return { type: codes ? "int32" : "float32", dims: [...shape], location: "cpu", data: numbers };
}

/** A part of an array of the store, in the memory of the array. */
function partOf(arrays: Arrays, { array, start, shape }: View): Numbers {
  const held = arrays.find(array);
  if (held === undefined) throw new TypeError(`Cannot run graph: the parameter "${array}" is missing`);
  const data = held.data.subarray(start, start + sizeOf(shape));
  return { type: "float32", dims: shape, location: "cpu", data };
}
