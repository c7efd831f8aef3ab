import type { TensorInfo } from "@tensorflow/tfjs";
import { sameShape, shapeText } from "../../ops/shape.ts";
import type { Store } from "../engine.ts";
import type { Tensor } from "../../ops/tensor.ts";
import type { Backend } from "./backend.ts";

/** The arrays behind a store, as programs use them. */
export interface Arrays {
  /** The array of a name, undefined where there is none. */
  find(name: string): TensorInfo | undefined;
  /** Puts arrays in the place of others, which are freed. */
  replace(values: Readonly<Record<string, TensorInfo>>): void;
  /** A number that every change makes larger. */
  version(): number;
}

/** A store on a backend, and the arrays behind it. */
export function storeOf(values: Readonly<Record<string, Tensor>>, backend: Backend): { store: Store; arrays: Arrays } {
  const checked = Object.entries(values).map(([name, tensor]) => [name, checkedTensor(name, tensor)] as const);
  const held = new Map(checked.map(([name, { data, shape }]) => [name, backend.write(data, shape)]));
  let version = 0;
  const replace: Arrays["replace"] = (values) => {
    for (const [name, array] of Object.entries(values)) {
      version++;
      const before = held.get(name);
      held.set(name, array);
      if (before !== undefined) backend.free(before);
    }
  };
  const find = (action: string, name: string): TensorInfo => {
    const found = held.get(name);
    if (found === undefined) throw new TypeError(`Cannot ${action} "${name}": the store holds no array of that name`);
    return found;
  };
  const store: Store = {
    read: async (name) => {
      const array = find("read", name);
      return { shape: [...array.shape], data: await backend.read(array) };
    },
    write: (name, value) => {
      const { shape: found, data } = checkedTensor(name, value);
      const shape = held.get(name)?.shape ?? found;
      if (!sameShape(found, shape)) {
        throw new RangeError(`Cannot write "${name}": its shape is ${shapeText(shape)}, found ${shapeText(found)}`);
      }
      replace({ [name]: backend.write(data, shape) }); // not in place: wasm products remember matrices by their array
    },
    remove: (name) => {
      const array = held.get(name);
      if (array !== undefined) backend.free(array);
      held.delete(name);
    },
    dispose: () => {
      held.forEach(backend.free);
      held.clear();
    },
  };
  return { store, arrays: { find: (name) => held.get(name), replace, version: () => version } };
}

function checkedTensor(name: string, { shape, data }: Tensor): { shape: readonly number[]; data: Float32Array } {
  const size = shape.reduce((product, length) => product * length, 1);
  if (data.length !== size) {
    throw new RangeError(`Cannot hold "${name}": ${shapeText(shape)} needs ${size} numbers, found ${data.length}`);
  }
  return { shape: [...shape], data: Float32Array.from(data) };
}
