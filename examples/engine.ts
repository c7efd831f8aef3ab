import { cpu, type Engine, reference, wasm } from "@gatehouse/gatehouse";

/** The name of an engine. */
export type EngineName = "wasm" | "cpu" | "reference" | "onnx";

/**
 * The engine of an option's name. What `onnx` needs is loaded only where it is named.
 *
 * @param options.threads The threads of `wasm` and `onnx`. Default: their own.
 */
export async function engineOf(name: EngineName, { threads }: { readonly threads?: number } = {}): Promise<Engine> {
  switch (name) {
    case "reference":
      return reference();
    case "cpu":
      return await cpu();
    case "wasm":
      return await wasm({ threads });
    case "onnx": {
      const { onnx } = await import("@gatehouse/gatehouse/onnx");
      return await onnx({ threads });
    }
  }
}
