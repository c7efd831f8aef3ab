/**
 * Gatehouse on ONNX Runtime: an engine at native speed, and models as `.onnx` files that any ONNX runtime serves.
 *
 * @example The graph of a model as the bytes of an `.onnx` file
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define } from "@gatehouse/gatehouse";
 * import { forward, plan } from "@gatehouse/gatehouse/graph";
 * import { onnxModel } from "@gatehouse/gatehouse/onnx";
 *
 * const bytes = onnxModel(forward(plan(define({ input: 2, tasks: { click: binary() } }))));
 * assertEquals(bytes[0], 8); // the field of the format's version
 * ```
 *
 * @module
 */
export { onnx, type OnnxOptions } from "./engines/onnx/onnx.ts";
export { onnxModel } from "./formats/onnx_model.ts";
export type { CodeRange } from "./formats/translation.ts";
export { saveOnnx, type SaveOnnxOptions } from "./model/save_onnx.ts";
export { saveTriton, type SaveTritonOptions } from "./model/save_triton.ts";
