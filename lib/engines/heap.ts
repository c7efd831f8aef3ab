/** A WebAssembly memory, and how a part of it is taken and given back. */
export interface Heap {
  /** The memory. */
  readonly memory: WebAssembly.Memory;
  /** Takes some bytes: their address. */
  take(bytes: number): number;
  /** Gives back what begins at an address. */
  free(address: number): void;
}
