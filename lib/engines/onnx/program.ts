import type { Graph } from "../../graph/graph.ts";
import { sameShape, type Shape, shapeText, sizeOf, withBatch } from "../../ops/shape.ts";
import type { Program } from "../engine.ts";
import type { Tensor } from "../../ops/tensor.ts";
import { batchLength } from "../inputs.ts";
import { written } from "../../formats/onnx_model.ts";
import type { Numbers, Open } from "./session.ts";
import type { Arrays, Held } from "./store.ts";
import { type View, viewed } from "./views.ts";

/** The most elements of an input that is copied to memory which ONNX Runtime knows: less than to make new ones known. */
const fewest = 2 ** 12;

/**
 * A graph as a session of ONNX Runtime. Parameters are read where the store has them; what replaces them is written
 * beside them, and takes their place if the run went well. Nothing large is copied.
 *
 * @throws {Error} if ONNX Runtime refuses the graph.
 */
export function programOf(graph: Graph, arrays: Arrays, open: Open): Program {
  const { graph: seen, views } = viewed(graph);
  const { bytes, inputs, parameters, outputs, updates } = written(seen);
  const session = open(bytes, {
    inputs: [...inputs.values(), ...parameters.values()],
    outputs: [...outputs.values(), ...updates.values()],
    plan: isSmall(graph),
  });
  const fed = { ...graph, nodes: graph.nodes.filter(({ op }) => op === "input" || op === "noise") };
  const leaves = new Map(fed.nodes.map((node) => [node.attrs.name as string, node]));
  const parts = [...parameters.keys()].map((name) => views.get(name)!);
  const names = Object.keys(graph.updates);
  const shapes = shapesOf(graph);
  const known = new Map<string, Map<Held, Map<View | undefined, Numbers>>>();
  let ends: Ends | undefined;
  let disposed = false;

  /** A part of an array of the store, or all of it, in the memory of the array. */
  const partOf = (name: string, held: Held, view?: View): Numbers => {
    const arrayed = known.get(name) ?? new Map<Held, Map<View | undefined, Numbers>>();
    known.set(name, arrayed);
    if (!arrayed.has(held)) {
      checkShape(name, held, shapes.get(name)!);
      if (arrayed.size === 2) { // an array and its spare, which the store no longer has
        for (const those of arrayed.values()) those.forEach(session.forget);
        arrayed.clear();
      }
      arrayed.set(held, new Map());
    }
    const those = arrayed.get(held)!;
    const found = those.get(view) ?? {
      dims: view?.shape ?? held.shape,
      data: view === undefined ? held.data : held.data.subarray(view.start, view.start + sizeOf(view.shape)),
    };
    if (!those.has(view)) session.keep(found);
    those.set(view, found);
    return found;
  };
  const present = (name: string): Held => {
    const held = arrays.find(name);
    if (held === undefined) throw new TypeError(`Cannot run graph: the parameter "${name}" is missing`);
    return held;
  };
  /** Memory for the small inputs and the outputs of batches of so many rows. */
  const endsOf = (batch: number): Ends => {
    if (ends?.batch === batch) return ends;
    for (const { numbers } of ends === undefined ? [] : [...ends.inputs, ...ends.outputs]) session.forget(numbers);
    const small = [...inputs.keys()].map((name) => ({ name, node: leaves.get(name)! }))
      .filter(({ node }) => sizeOf(withBatch(node.shape, batch)) <= fewest);
    ends = {
      batch,
      inputs: small.map(({ name, node }) => ({
        name,
        numbers: empty(withBatch(node.shape, batch), node.type === "int"),
      })),
      outputs: [...outputs.keys()].map((name) => {
        const { shape, type } = graph.nodes[graph.outputs[name]];
        return { name, numbers: empty(withBatch(shape, batch), type === "int") };
      }),
    };
    for (const { numbers } of [...ends.inputs, ...ends.outputs]) session.keep(numbers);
    return ends;
  };

  const run = (given: Readonly<Record<string, Tensor>>): Record<string, Tensor> => {
    if (disposed) throw new TypeError("Cannot run graph: the program is disposed");
    const own = endsOf(batchLength(fed, given));
    const copied = new Map(own.inputs.map(({ name, numbers }) => {
      numbers.data.set(given[name].data);
      return [name, numbers];
    }));
    const read = [...inputs.keys()].map((name) => copied.get(name) ?? numbersOf(given[name], leaves.get(name)!.type));
    const held = parts.map((view) => partOf(view.array, present(view.array), view));
    names.forEach(present);
    const next = names.map((name) => partOf(name, arrays.spare(name)));
    session.run([...read, ...held], [...own.outputs.map(({ numbers }) => numbers), ...next]);
    const good = names.length === 0 || own.outputs.every(({ numbers }) => numbers.data.every(Number.isFinite));
    if (good) names.forEach(arrays.swap);
    return Object.fromEntries(own.outputs.map(({ name, numbers: { dims, data } }) => {
      return [name, { shape: [...dims], data: data.slice() }];
    }));
  };
  return {
    run: (given) => new Promise((resolve) => resolve(run(given))),
    dispose: () => {
      if (!disposed) session.dispose();
      disposed = true;
    },
  };
}

/** The shapes of what a graph reads from a store, and of what it replaces there. */
function shapesOf({ nodes, updates }: Graph): ReadonlyMap<string, Shape> {
  const read = nodes.filter(({ op }) => op === "parameter").map(({ attrs, shape }) =>
    [attrs.name as string, shape] as const
  );
  return new Map([
    ...read,
    ...Object.entries(updates).map(([name, position]) => [name, nodes[position].shape] as const),
  ]);
}

/** Makes sure that an array is still of the shape that it had when the graph was loaded. */
function checkShape(name: string, held: Held, shape: Shape): void {
  if (sameShape(held.shape, shape)) return;
  const [wanted, found] = [shape, held.shape].map(shapeText);
  throw new RangeError(`Cannot run graph: the parameter "${name}" must be ${wanted}, found ${found}`);
}

/** What is read and written in every run over batches of one length. */
interface Ends {
  readonly batch: number;
  readonly inputs: readonly End[];
  readonly outputs: readonly End[];
}

interface End {
  readonly name: string;
  readonly numbers: Numbers;
}

/** Whether a run is so short that preparing its memory counts, and so small that the memory does not. */
function isSmall({ nodes }: Graph): boolean {
  const sizes = nodes.map(({ op, shape }) => op === "parameter" ? sizeOf(shape) : 0);
  return sizes.reduce((total, size) => total + size, 0) < 2 ** 17;
}

function empty(dims: readonly number[], codes: boolean): Numbers {
  const memory = new ArrayBuffer(4 * sizeOf(dims));
  return { dims, data: codes ? new Int32Array(memory) : new Float32Array(memory) };
}

function numbersOf({ shape, data }: Tensor, type: "int" | "float"): Numbers {
  const fits = type === "int" ? data instanceof Int32Array : data instanceof Float32Array;
  return { dims: [...shape], data: fits ? data as Numbers["data"] : Float32Array.from(data) };
}
