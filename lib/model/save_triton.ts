import { checkCount, checkText, optionsOf } from "../errors/kinds.ts";
import { writeFileAtomic } from "../files/atomic.ts";
import type { Shape } from "../ops/shape.ts";
import type { Model } from "./model.ts";
import { type SavedGraph, savedOnnx, type SaveOnnxOptions } from "./save_onnx.ts";

/** The options of {@linkcode saveTriton}. */
export interface SaveTritonOptions<Tasks extends string = string> extends SaveOnnxOptions<Tasks> {
  /** The version, a whole number of at least 1. Default 1. */
  readonly version?: number;
  /** The most rows that the server joins to a batch. Default 1024. */
  readonly maxBatch?: number;
}

/**
 * Saves the forward graph of a model as a folder that other servers take: NVIDIA's Triton with its backend `onnxruntime`,
 * which reads `config.pbtxt`, and OpenVINO Model Server, which reads `1/model.onnx`. The folder's name is the model's there.
 *
 * Inputs and outputs are those that {@linkcode saveOnnx} has, by name; a task has one number a row, `[rows, 1]` to clients
 * of Triton. A second call with another `version` adds that version beside the first.
 *
 * @param folder The folder; it and those above it are made. Needs the permissions to read and write there.
 * @throws {TypeError | RangeError} as {@linkcode saveOnnx}, and if version or maxBatch is not a whole number of at least 1.
 * @see https://docs.nvidia.com/deeplearning/triton-inference-server, Model Configuration
 *
 * @example
 * ```ts ignore
 * await saveTriton(model, "models/shop"); // models/shop/config.pbtxt, models/shop/1/model.onnx
 * ```
 */
export async function saveTriton<Tasks extends string>(
  model: Model<Tasks>,
  folder: string,
  options: SaveTritonOptions<Tasks> = {},
): Promise<void> {
  const action = "save Triton model";
  checkText(action, "folder", folder);
  const names = ["tasks", "dtype", "externalAbove", "version", "maxBatch"];
  const { version = 1, maxBatch = 1024, ...rest } = optionsOf(action, options, names, ["gates"]);
  checkCount(action, "version", version, 1);
  checkCount(action, "maxBatch", maxBatch, 1);
  const again = "saveTriton(model, folder)";
  const saved = await savedOnnx(action, model, `${folder}/${version}/model.onnx`, rest, again);
  const text = new TextEncoder().encode(configOf(saved, maxBatch));
  await writeFileAtomic(`${folder}/config.pbtxt`, text, action, `${again} with another folder saves it`);
}

/** Returns the configuration of a graph, as Triton reads it. */
function configOf({ graph, inputs, outputs }: SavedGraph, maxBatch: number): string {
  const read = graph.nodes.filter(({ op, attrs }) => op === "input" && inputs.has(attrs.name as string));
  const types = { int: "TYPE_INT32", float: "TYPE_FP32" } as const;
  const tensor = (name: string, type: keyof typeof types, [, ...sizes]: Shape) => {
    const alone = sizes.length === 0 ? "\n    reshape { shape: [ ] }" : ""; // it wants an axis beside the batch's
    const dims = sizes.length === 0 ? 1 : sizes.join(", ");
    return `  {\n    name: ${JSON.stringify(name)}\n    data_type: ${types[type]}\n    dims: [ ${dims} ]${alone}\n  }`;
  };
  const listed = (kind: string, tensors: readonly string[]) => `${kind} [\n${tensors.join(",\n")}\n]\n`;
  return [
    `backend: "onnxruntime"\nmax_batch_size: ${maxBatch}\n`,
    listed(
      "input",
      read.map(({ attrs, type, shape }) => tensor(inputs.get(attrs.name as string)!, type as "int", shape)),
    ),
    listed("output", [...outputs].map(([key, name]) => tensor(name, "float", graph.nodes[graph.outputs[key]].shape))),
    "dynamic_batching { }\n",
  ].join("");
}
