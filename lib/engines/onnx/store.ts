import { sameShape, shapeText, sizeOf } from "../../ops/shape.ts";
import type { Store } from "../engine.ts";
import type { Tensor } from "../../ops/tensor.ts";

/** An array that is kept. */
export interface Held {
  /** Its shape. */
  readonly shape: readonly number[];
  /** Its elements, in memory that nothing else uses. */
  readonly data: Float32Array<ArrayBuffer>;
}

/** The arrays behind a store, as programs use them. */
export interface Arrays {
  /** The array of a name, undefined where there is none. It is one of two, whatever is written to the store. */
  find(name: string): Held | undefined;
  /** The other one, for what replaces the array. */
  spare(name: string): Held;
  /** Puts the other one in the place of the array. */
  swap(name: string): void;
}

/** A store in the memory of this program, and the arrays behind it. */
export function storeOf(values: Readonly<Record<string, Tensor>>): { store: Store; arrays: Arrays } {
  const held = new Map(Object.entries(values).map(([name, tensor]) => [name, heldOf(name, tensor)]));
  const spares = new Map<string, Held>();
  const find = (action: string, name: string): Held => {
    const found = held.get(name);
    if (found === undefined) throw new TypeError(`Cannot ${action} "${name}": the store holds no array of that name`);
    return found;
  };
  const spare = (name: string): Held => {
    const { shape, data } = find("replace", name);
    const found = spares.get(name) ?? { shape, data: new Float32Array(new ArrayBuffer(data.byteLength)) };
    spares.set(name, found);
    return found;
  };
  const store: Store = {
    read: (name) =>
      new Promise((resolve) => {
        const { shape, data } = find("read", name);
        resolve({ shape: [...shape], data: data.slice() });
      }),
    write: (name, value) => {
      const before = held.get(name);
      if (before === undefined) return void held.set(name, heldOf(name, value));
      checkLength(name, value);
      if (!sameShape(value.shape, before.shape)) {
        const [wanted, found] = [before.shape, value.shape].map(shapeText);
        throw new RangeError(`Cannot write "${name}": its shape is ${wanted}, found ${found}`);
      }
      before.data.set(value.data);
    },
    remove: (name) => {
      held.delete(name);
      spares.delete(name);
    },
    dispose: () => [held, spares].forEach((arrays) => arrays.clear()),
  };
  const arrays: Arrays = {
    find: (name) => held.get(name),
    spare,
    swap: (name) => {
      const fresh = spare(name);
      spares.set(name, find("replace", name));
      held.set(name, fresh);
    },
  };
  return { store, arrays };
}

/** An array of its own, whose memory stays where it is: small ones that V8 has made itself may be moved. */
function heldOf(name: string, value: Tensor): Held {
  checkLength(name, value);
  const own = new Float32Array(new ArrayBuffer(4 * value.data.length));
  own.set(value.data);
  return { shape: [...value.shape], data: own };
}

function checkLength(name: string, { shape, data }: Tensor): void {
  const size = sizeOf(shape);
  if (data.length === size) return;
  throw new RangeError(`Cannot hold "${name}": ${shapeText(shape)} needs ${size} numbers, found ${data.length}`);
}
