import type { Graph } from "../graph/graph.ts";
import { sizeOf } from "../ops/shape.ts";
import type { Program, Tensor } from "./engine.ts";
import { batchLength } from "./inputs.ts";
import { written } from "./onnx_model.ts";
import type { Numbers, Session } from "./onnx_runtime.ts";
import type { Arrays, Held } from "./onnx_store.ts";
import { type View, viewed } from "./onnx_views.ts";

/**
 * A graph as a session of ONNX Runtime. Parameters are read where the store has them, and updates are written where the
 * store has room for them: neither is copied.
 *
 * @throws {Error} if ONNX Runtime refuses the graph.
 */
export function programOf(
  graph: Graph,
  arrays: Arrays,
  open: (model: Uint8Array<ArrayBuffer>) => Session,
): Program {
  const { graph: seen, views } = viewed(graph);
  const { bytes, inputs, parameters, outputs, updates } = written(seen);
  const session = open(bytes);
  const fed = { ...graph, nodes: graph.nodes.filter(({ op }) => op === "input" || op === "noise") };
  const codes = new Set(graph.nodes.flatMap(({ type, attrs }) => type === "int" ? [attrs.name] : []));
  const parts = [...parameters].map(([name, input]) => ({ input, view: views.get(name)! }));
  const targets = [...updates].map(([array, output]) => {
    return { output, view: { array, start: 0, shape: arrays.get(array)!.shape } };
  });
  const see = remembered();
  let disposed = false;

  const held = (name: string): Held => {
    const found = arrays.get(name);
    if (found === undefined) throw new TypeError(`Cannot run graph: the parameter "${name}" is missing`);
    return found;
  };
  const run = (given: Readonly<Record<string, Tensor>>): Record<string, Tensor> => {
    if (disposed) throw new TypeError("Cannot run graph: the program is disposed");
    batchLength(fed, given);
    const feeds: Record<string, Numbers> = {};
    for (const [name, input] of inputs) feeds[input] = numbersOf(given[name], codes.has(name));
    for (const { input, view } of parts) feeds[input] = see(held(view.array).now, view);
    const fetches: Record<string, Numbers | null> = {};
    for (const output of outputs.values()) fetches[output] = null;
    for (const { output, view } of targets) {
      const array = held(view.array);
      array.next ??= new Float32Array(array.now.length);
      fetches[output] = see(array.next, view);
    }
    const results = session.run(feeds, fetches);
    const found = [...outputs].map(([name, output]) => [name, results[output]] as const);
    if (found.every(([, { data }]) => data.every(Number.isFinite))) {
      for (const name of updates.keys()) turn(held(name));
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

/** Puts the elements that were written in the place of those that were read. */
function turn(held: Held): void {
  [held.now, held.next] = [held.next!, held.now];
}

function numbersOf({ shape, data }: Tensor, codes: boolean): Numbers {
  const fits = codes ? data instanceof Int32Array : data instanceof Float32Array;
  const numbers = fits ? data as Numbers["data"] : Float32Array.from(data);
  return { type: codes ? "int32" : "float32", dims: [...shape], location: "cpu", data: numbers };
}

/** Views of memory, each made once. */
function remembered(): (data: Float32Array, view: View) => Numbers {
  const known = new WeakMap<Float32Array, Map<View, Numbers>>();
  return (data, view) => {
    const views = known.get(data) ?? new Map<View, Numbers>();
    known.set(data, views);
    const { start, shape } = view;
    const found = views.get(view) ??
      { type: "float32", dims: [...shape], location: "cpu", data: data.subarray(start, start + sizeOf(shape)) };
    views.set(view, found);
    return found;
  };
}
