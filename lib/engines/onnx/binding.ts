import type { Region } from "./regions.ts";
import { attempt, type Open } from "./session.ts";

/**
 * ONNX Runtime by the native part of the package onnxruntime-node, on any runtime that loads it. (The package's public
 * part runs a model in a later task, when inputs and parameters may be others.)
 *
 * @param threads The threads that share the work of one op.
 * @param others Options of sessions beside those that are always the same, as ONNX Runtime names them.
 */
export async function binding(threads: number, others: Readonly<Record<string, unknown>> = {}): Promise<Open> {
  const { binding, initOrt } = await import("npm:onnxruntime-node@1.30.0/dist/binding.js");
  initOrt();
  const options = {
    ...others,
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
  } as const;
  return ({ buffer, byteOffset, byteLength }, signature) => {
    const session = new binding.InferenceSession();
    const extra = signature.rest ? { session: { force_spinning_stop: "1" } } : {};
    const settings = { ...options, enableMemPattern: signature.plan, extra };
    attempt("load", () => session.loadModel(buffer, byteOffset, byteLength, settings));
    return {
      keep: () => {},
      forget: () => {},
      run: (inputs, outputs) => {
        const [read, written] = [named(signature.inputs, inputs), named(signature.outputs, outputs)];
        const copies = attempt("run", () => session.run(read as never, written as never, {}));
        Object.values(copies).forEach(({ data }) => free(data as Float32Array));
      },
      dispose: () => session.dispose(),
    };
  };
}

function named(names: readonly string[], regions: readonly Region[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name, i) => {
    const { shape, data } = regions[i];
    return [name, { type: data instanceof Int32Array ? "int32" : "float32", dims: shape, data, location: "cpu" }];
  }));
}

/** Gives memory back, at once where the runtime can: the collector may let a lot of it pile up. */
function free({ buffer }: Float32Array): void {
  const memory: { transfer?: (length: number) => ArrayBuffer } = buffer as ArrayBuffer;
  if (memory.transfer?.(0) === undefined) structuredClone(undefined, { transfer: [buffer as ArrayBuffer] });
}
