/** Numbers and their shape as ONNX Runtime takes and returns them, in the memory of this program. */
export interface Numbers {
  /** What the elements are. */
  readonly type: "float32" | "int32";
  /** The shape. */
  readonly dims: readonly number[];
  /** Where the elements are. */
  readonly location: "cpu";
  /** The elements. */
  readonly data: Float32Array | Int32Array;
}

/** A model that ONNX Runtime has prepared. */
export interface Session {
  /** Runs the model on all its inputs, and returns the outputs of some names (each with null) in memory of their own. */
  run(
    inputs: Readonly<Record<string, Numbers>>,
    outputs: Readonly<Record<string, null>>,
  ): Readonly<Record<string, Numbers>>;
  /** Frees the model. */
  dispose(): void;
}

/**
 * Prepares a model from the bytes of its file.
 *
 * @param plan Whether the memory of a run is planned once and kept: a run is 40 us faster, and holds twice the memory.
 * @throws {Error} if ONNX Runtime refuses the model.
 */
export type Open = (model: Uint8Array<ArrayBuffer>, plan: boolean) => Session;

/**
 * Starts ONNX Runtime.
 *
 * @param threads The threads that share the work of one op.
 * @param others Options of sessions beside those that are always the same, as ONNX Runtime names them.
 * @throws {Error} if the package onnxruntime-node is missing, may not be loaded, or has no library for this machine.
 */
export async function start(threads: number, others: Readonly<Record<string, unknown>> = {}): Promise<Open> {
  const { binding, initOrt } = await loaded();
  initOrt();
  const options = {
    ...others,
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
  } as const;
  return ({ buffer, byteOffset, byteLength }, plan) => {
    const session = new binding.InferenceSession();
    attempt("load", () => session.loadModel(buffer, byteOffset, byteLength, { ...options, enableMemPattern: plan }));
    return {
      run: (inputs, outputs) => attempt("run", () => session.run(inputs as never, outputs as never, {})) as never,
      dispose: () => session.dispose(),
    };
  };
}

function attempt<T>(action: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new Error(`Cannot ${action} graph: ONNX Runtime says: ${(error as Error).message}`);
  }
}

/**
 * The native part of the package, which runs a model before the call returns. Its public part runs it in a later task,
 * when inputs and parameters may be others.
 */
async function loaded() {
  try {
    return await import("npm:onnxruntime-node@1.30.0/dist/binding.js");
  } catch (error) {
    throw new Error(`Cannot start the onnx engine: ${explained(error as Error)}`);
  }
}

/** Why the package was not loaded, and what helps. */
export function explained({ name, message, code }: Error & { readonly code?: string }): string {
  if (code === "ERR_MODULE_NOT_FOUND") {
    return "the package onnxruntime-node is missing: add it with `deno add npm:onnxruntime-node@1.30.0`";
  }
  if (name === "NotCapable") return "the library of ONNX Runtime may not be loaded: run with --allow-ffi";
  return `the library of ONNX Runtime does not load on this machine, wasm() needs none: ${message.split("\n")[0]}`;
}
