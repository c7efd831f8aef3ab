import { quoted } from "../errors/quoted.ts";
import { sameShape, shapeText, sizeOf } from "../ops/shape.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Engine, Store } from "./engine.ts";

/** An array where an engine computes: whatever it is, its shape is known. */
export interface Shaped {
  /** The length of every axis. */
  readonly shape: readonly number[];
}

/** An engine's way to keep arrays: all in which the stores of engines differ. */
export interface Keeping<Kept extends Shaped> {
  /** Copies numbers to the engine: as many as the shape has places. */
  readonly put: (tensor: Tensor) => Kept;
  /** Copies an array's numbers off the engine. */
  readonly read: (array: Kept) => Tensor["data"] | Promise<Tensor["data"]>;
  /** Writes numbers over those of an array of the same shape, which it returns. Where absent, they are put instead. */
  readonly overwrite?: (array: Kept, tensor: Tensor) => Kept;
  /** Frees an array that no store has any longer. Where absent, the collector does. */
  readonly free?: (array: Kept) => void;
}

/** The arrays behind one store, as programs use them. */
export interface Held<Kept extends Shaped> {
  /** The array of a name, undefined where there is none. */
  find(name: string): Kept | undefined;
  /**
   * The array of a graph's parameter.
   *
   * @throws {TypeError} if the store no longer has it.
   */
  parameter(name: string): Kept;
  /** Puts an array in the place of another, which is freed. */
  replace(name: string, array: Kept): void;
  /** A number that every array that is written or replaced makes larger. */
  version(): number;
}

/** The stores of one engine. */
export interface Stores<Kept extends Shaped> {
  /** Puts arrays on the engine. */
  readonly store: Engine["store"];
  /**
   * The arrays behind a store.
   *
   * @throws {TypeError} if the store is of another engine.
   */
  readonly heldBy: (store: Store) => Held<Kept>;
}

/** Stores of arrays that an engine keeps in its own way: names, checks and errors are the same on every engine. */
export function storesOf<Kept extends Shaped>(keeping: Keeping<Kept>): Stores<Kept> {
  const known = new WeakMap<Store, Held<Kept>>();
  return {
    store: (values) => {
      Object.entries(values).forEach(([name, tensor]) => checkLength(name, tensor));
      const arrays = new Map(Object.entries(values).map(([name, tensor]) => [name, keeping.put(tensor)]));
      const held = heldIn(arrays, keeping);
      const store = storeOf(arrays, held, keeping);
      known.set(store, held);
      return store;
    },
    heldBy: (store) => {
      const held = known.get(store);
      if (held === undefined) throw new TypeError("Cannot load graph: the store is of another engine");
      return held;
    },
  };
}

function heldIn<Kept extends Shaped>(arrays: Map<string, Kept>, { free }: Keeping<Kept>): Held<Kept> {
  let version = 0;
  return {
    find: (name) => arrays.get(name),
    parameter: (name) => {
      const found = arrays.get(name);
      if (found === undefined) throw new TypeError(`Cannot run graph: the parameter ${quoted(name)} is missing`);
      return found;
    },
    replace: (name, array) => {
      version++;
      const before = arrays.get(name);
      arrays.set(name, array);
      if (before !== undefined && before !== array) free?.(before);
    },
    version: () => version,
  };
}

function storeOf<Kept extends Shaped>(arrays: Map<string, Kept>, held: Held<Kept>, keeping: Keeping<Kept>): Store {
  return {
    read: async (name) => {
      const found = arrays.get(name);
      if (found === undefined) {
        throw new TypeError(`Cannot read ${quoted(name)}: the store holds no array of that name`);
      }
      return { shape: [...found.shape], data: await keeping.read(found) };
    },
    write: (name, tensor) => {
      checkLength(name, tensor);
      const before = arrays.get(name);
      if (before !== undefined && !sameShape(tensor.shape, before.shape)) {
        const [wanted, found] = [before.shape, tensor.shape].map(shapeText);
        throw new RangeError(`Cannot write ${quoted(name)}: its shape is ${wanted}, found ${found}`);
      }
      const { put, overwrite } = keeping;
      held.replace(name, before === undefined || overwrite === undefined ? put(tensor) : overwrite(before, tensor));
    },
    remove: (name) => {
      const array = arrays.get(name);
      if (array !== undefined) keeping.free?.(array);
      arrays.delete(name);
    },
    dispose: () => {
      arrays.forEach((array) => keeping.free?.(array));
      arrays.clear();
    },
  };
}

function checkLength(name: string, { shape, data }: Tensor): void {
  const size = sizeOf(shape);
  if (data.length === size) return;
  throw new RangeError(`Cannot hold ${quoted(name)}: ${shapeText(shape)} needs ${size} numbers, found ${data.length}`);
}
