import { binding } from "./binding.ts";
import { library } from "./library.ts";
import type { Open } from "./session.ts";

/**
 * Starts ONNX Runtime: its library itself where its functions can be called, as in Deno, else by the package's binding,
 * which copies what a model writes once more.
 *
 * @param threads The threads that share the work of one op.
 * @throws {Error} if the package onnxruntime-node is missing, may not be loaded, or has no library for this machine.
 */
export async function start(threads: number): Promise<Open> {
  try {
    return await library(threads) ?? await binding(threads);
  } catch (error) {
    throw new Error(`Cannot start the onnx engine: ${explained(error as Error)}`);
  }
}

/** Explains why the package was not loaded, and what helps. */
export function explained({ name, message, code }: Error & { readonly code?: string }): string {
  if (code === "ERR_MODULE_NOT_FOUND") {
    return "the package onnxruntime-node is missing: add it with `deno add npm:onnxruntime-node@1.30.0`";
  }
  if (name === "NotCapable") return "the library of ONNX Runtime may not be loaded: run with --allow-ffi";
  return `the library of ONNX Runtime does not load on this machine, wasm() needs none: ${message.split("\n")[0]}`;
}
