import * as tf from "@tensorflow/tfjs";

/** The memory that the arrays of the wasm backend take. */
export interface WasmMemory {
  /** The number of arrays. */
  arrays(): number;
  /** The most bytes that were allocated for arrays at once since the counting began, which ends here. */
  most(): number;
}

/** The parts of the wasm backend through which its arrays are allocated. */
interface Allocator {
  _malloc(bytes: number): number;
  _free(place: number): void;
}

/**
 * Counts what is allocated on the wasm backend from now on. What kernels allocate and free within a call (packed
 * matrices, scratch) is not seen.
 */
export function wasmMemory(): WasmMemory {
  const backend = tf.engine().registry.wasm as unknown as { readonly wasm: Allocator; numDataIds(): number };
  const { wasm } = backend;
  const { _malloc: malloc, _free: free } = wasm;
  const sizes = new Map<number, number>();
  let [now, most] = [0, 0];
  wasm._malloc = (bytes) => {
    const place = malloc(bytes);
    sizes.set(place, bytes);
    now += bytes;
    most = Math.max(most, now);
    return place;
  };
  wasm._free = (place) => {
    now -= sizes.get(place) ?? 0;
    sizes.delete(place);
    free(place);
  };
  return {
    arrays: () => backend.numDataIds(),
    most: () => {
      Object.assign(wasm, { _malloc: malloc, _free: free }); // the account takes memory of its own
      return most;
    },
  };
}
