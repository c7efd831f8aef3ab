import type { Graph } from "../../graph/graph.ts";
import { sameShape, shapeText } from "../../ops/shape.ts";
import { checkGraph } from "../check_graph.ts";
import { everything } from "../../graph/rules.ts";
import type { Engine, Program, Store } from "../engine.ts";
import type { Tensor } from "../../ops/tensor.ts";
import { batchLength } from "../inputs.ts";
import { kernels, type Numbers } from "./kernels.ts";

/**
 * The engine that every other one is tested against: plain loops over float64, no dependency, no permission.
 *
 * Slow and obviously right. Arrays and results are `Float64Array`s whatever is fed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { reference } from "@gatehouse/gatehouse";
 *
 * const store = reference().store({ kernel: { shape: [2], data: new Float32Array([1, 2]) } });
 * assertEquals(await store.read("kernel"), { shape: [2], data: new Float64Array([1, 2]) });
 * ```
 */
export function reference(): Engine {
  const holdings = new WeakMap<Store, Map<string, Numbers>>();
  return {
    name: "reference",
    rules: everything,
    store: (values) => {
      const held = new Map(Object.entries(values).map(([name, tensor]) => [name, numbersOf(name, tensor)]));
      const store = storeOf(held);
      holdings.set(store, held);
      return store;
    },
    load: (graph, store) => {
      const held = holdings.get(store);
      if (held === undefined) throw new TypeError("Cannot load graph: the store is of another engine");
      checkGraph(graph, (name) => held.get(name)?.shape, {
        name: "reference",
        has: (op) => Object.hasOwn(kernels, op),
      });
      return programOf(graph, held);
    },
  };
}

function storeOf(held: Map<string, Numbers>): Store {
  const find = (action: string, name: string): Numbers => {
    const found = held.get(name);
    if (found === undefined) throw new TypeError(`Cannot ${action} "${name}": the store holds no array of that name`);
    return found;
  };
  return {
    read: (name) => new Promise((resolve) => resolve(copy(find("read", name)))),
    write: (name, value) => {
      const numbers = numbersOf(name, value);
      const shape = held.get(name)?.shape ?? numbers.shape;
      if (!sameShape(numbers.shape, shape)) {
        throw new RangeError(
          `Cannot write "${name}": its shape is ${shapeText(shape)}, found ${shapeText(numbers.shape)}`,
        );
      }
      held.set(name, numbers);
    },
    remove: (name) => {
      held.delete(name);
    },
    dispose: () => held.clear(),
  };
}

function programOf(graph: Graph, held: Map<string, Numbers>): Program {
  let disposed = false;
  const run = (inputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> => {
    if (disposed) throw new TypeError("Cannot run graph: the program is disposed");
    const batch = batchLength(graph, inputs);
    const given = Object.entries(inputs).map(([name, tensor]) => [name, numbersOf(name, tensor)] as const);
    const context = { batch, inputs: new Map(given), parameters: held };
    const results: Numbers[] = [];
    for (const { op, of, attrs } of graph.nodes) {
      const kernel = kernels[op as keyof typeof kernels];
      results.push(kernel(of.map((position) => results[position]), attrs, context));
    }
    const outputs = Object.entries(graph.outputs).map(([name, position]) => [name, copy(results[position])] as const);
    if (outputs.every(([, { data }]) => data.every(Number.isFinite))) {
      for (const [name, position] of Object.entries(graph.updates)) held.set(name, results[position]);
    }
    return Object.fromEntries(outputs);
  };
  return {
    run: (inputs) => new Promise((resolve) => resolve(run(inputs))),
    dispose: () => {
      disposed = true;
    },
  };
}

function numbersOf(name: string, { shape, data }: Tensor): Numbers {
  const size = shape.reduce((product, length) => product * length, 1);
  if (data.length !== size) {
    throw new RangeError(`Cannot hold "${name}": ${shapeText(shape)} needs ${size} numbers, found ${data.length}`);
  }
  return { shape: [...shape], data: Float64Array.from(data) };
}

function copy({ shape, data }: Numbers): Tensor {
  return { shape: [...shape], data: data.slice() };
}
