/** Numbers as ONNX Runtime reads and writes them, in the memory of this program. */
export interface Numbers {
  /** The shape. */
  readonly dims: readonly number[];
  /** The elements: real numbers or codes. */
  readonly data: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;
}

/** A model that ONNX Runtime has prepared. */
export interface Session {
  /**
   * Says that runs will be given these very numbers again and again, whatever they are then: their memory stays where it
   * is until they are forgotten.
   */
  keep(numbers: Numbers): void;
  /** Takes that back. */
  forget(numbers: Numbers): void;
  /**
   * Runs the model before it returns.
   *
   * @param inputs What it reads, in the order of the names that it was opened with.
   * @param outputs Where it writes, in that order: memory that it does not read.
   * @throws {Error} if ONNX Runtime refuses them.
   */
  run(inputs: readonly Numbers[], outputs: readonly Numbers[]): void;
  /** Frees the model. */
  dispose(): void;
}

/** How a model is run. */
export interface Ends {
  /** The names of what it reads. */
  readonly inputs: readonly string[];
  /** The names of what it writes. */
  readonly outputs: readonly string[];
  /** Whether the memory of a run is planned once and kept: a run is 40 us faster, and holds twice the memory. */
  readonly plan: boolean;
}

/**
 * Prepares a model from the bytes of its file.
 *
 * @throws {Error} if ONNX Runtime refuses the model.
 */
export type Open = (model: Uint8Array<ArrayBuffer>, ends: Ends) => Session;

/** Does something, and says which action it was that ONNX Runtime refused. */
export function attempt<T>(action: "load" | "run", act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new Error(`Cannot ${action} graph: ONNX Runtime says: ${(error as Error).message}`, { cause: error });
  }
}
