import { cpu, type Engine, tfjs, wasm } from "../../mod.ts";
import { onnx } from "../../lib/onnx.ts";

/** The names of our engines that are measured. */
export const engineNames = ["wasm", "onnx", "cpu"] as const;

/** The names of all of our engines: `webgpu` needs a GPU, and Deno's flag --unstable-webgpu. */
export const allEngineNames = [...engineNames, "webgpu"] as const;

/**
 * One of our engines.
 *
 * @param threads The threads of onnx and wasm. Default: all.
 */
export async function engineOf(name: string, threads?: number): Promise<Engine> {
  switch (name) {
    case "onnx":
      return await onnx({ threads });
    case "cpu":
      return await cpu();
    case "webgpu":
      await import("npm:@tensorflow/tfjs-backend-webgpu@4.22.0");
      return await tfjs("webgpu");
    default:
      return await wasm({ threads });
  }
}
