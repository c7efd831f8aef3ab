import type { Region } from "./regions.ts";

/** A model that ONNX Runtime has prepared. */
export interface Session {
  /**
   * Announces that runs will be given this very region again and again, whatever it then holds: it is prepared once, and
   * stays so until it is forgotten.
   */
  keep(region: Region): void;
  /** Forgets a region that was kept. */
  forget(region: Region): void;
  /**
   * Runs the model before it returns.
   *
   * @param inputs What it reads, in the order of the names that it was opened with.
   * @param outputs Where it writes, in that order: memory that it does not read.
   * @throws {Error} if ONNX Runtime refuses them.
   */
  run(inputs: readonly Region[], outputs: readonly Region[]): void;
  /** Frees the model. */
  dispose(): void;
}

/** The names of what a model reads and writes, and how it is run. */
export interface Signature {
  /** The names of what it reads. */
  readonly inputs: readonly string[];
  /** The names of what it writes. */
  readonly outputs: readonly string[];
  /** True if the memory of a run is planned once and kept: a run is 40 us faster, and holds twice the memory. */
  readonly plan: boolean;
  /**
   * True if threads rest as soon as a run is done: what is computed here, or by another session, has their cores. Else they
   * stay awake for a while, so that a run that follows at once is faster. Default false.
   */
  readonly rest?: boolean;
}

/**
 * Prepares a model from the bytes of its file.
 *
 * @throws {Error} if ONNX Runtime refuses the model.
 */
export type Open = (model: Uint8Array<ArrayBuffer>, signature: Signature) => Session;

/**
 * Does what ONNX Runtime may refuse.
 *
 * @throws {Error} naming the action, if it does.
 */
export function attempt<T>(action: "load" | "run", act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new Error(`Cannot ${action} graph: ONNX Runtime says: ${(error as Error).message}`, { cause: error });
  }
}
