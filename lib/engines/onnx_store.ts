import { sameShape, shapeText } from "../ops/shape.ts";
import type { Store, Tensor } from "./engine.ts";

/** An array that is kept. */
export interface Held {
  /** Its shape. */
  readonly shape: readonly number[];
  /** Its elements. */
  now: Float32Array;
  /** Where the next elements are written while these are read; made when it is first needed. */
  next?: Float32Array;
}

/** The arrays behind a store, by name, as programs use them. */
export type Arrays = ReadonlyMap<string, Held>;

/** A store in the memory of this program, and the arrays behind it. */
export function storeOf(values: Readonly<Record<string, Tensor>>): { store: Store; arrays: Arrays } {
  const arrays = new Map(Object.entries(values).map(([name, tensor]) => [name, heldOf(name, tensor)]));
  const find = (action: string, name: string): Held => {
    const found = arrays.get(name);
    if (found === undefined) throw new TypeError(`Cannot ${action} "${name}": the store holds no array of that name`);
    return found;
  };
  const store: Store = {
    read: (name) =>
      new Promise((resolve) => {
        const { shape, now } = find("read", name);
        resolve({ shape: [...shape], data: now.slice() });
      }),
    write: (name, value) => {
      const fresh = heldOf(name, value);
      const held = arrays.get(name) ?? fresh;
      if (!sameShape(fresh.shape, held.shape)) {
        const [wanted, found] = [held.shape, fresh.shape].map(shapeText);
        throw new RangeError(`Cannot write "${name}": its shape is ${wanted}, found ${found}`);
      }
      held.now = fresh.now;
      arrays.set(name, held);
    },
    remove: (name) => {
      arrays.delete(name);
    },
    dispose: () => arrays.clear(),
  };
  return { store, arrays };
}

function heldOf(name: string, { shape, data }: Tensor): Held {
  const size = shape.reduce((product, length) => product * length, 1);
  if (data.length !== size) {
    throw new RangeError(`Cannot hold "${name}": ${shapeText(shape)} needs ${size} numbers, found ${data.length}`);
  }
  return { shape: [...shape], now: Float32Array.from(data) };
}
