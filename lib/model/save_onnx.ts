import { writeFileAtomic } from "../files/atomic.ts";
import { checkPath } from "../files/place.ts";
import { sweepNamed } from "../files/staged.ts";
import { kindOf, optionsOf } from "../errors/kinds.ts";
import { onnxData } from "../formats/onnx_data.ts";
import { type Written, written } from "../formats/onnx_model.ts";
import type { Graph } from "../graph/graph.ts";
import { insidesOf } from "./insides.ts";
import type { Model } from "./model.ts";
import { codesOf, described, type ExportOptions, realTypeOf, served } from "./exported.ts";

/** The options of {@linkcode saveOnnx}. */
export interface SaveOnnxOptions<Tasks extends string = string> extends ExportOptions<Tasks> {
  /**
   * The most bytes of parameters that the `.onnx` file itself holds: above, those of 1 KiB and more are in a file beside
   * it. Default 100 MiB, at most 2 GiB, which is where ONNX files end.
   */
  readonly externalAbove?: number;
}

/**
 * Saves the forward graph of a model as one `.onnx` file of standard ops, which any ONNX runtime runs without this
 * package. Parameters of more than 100 MiB are in a file beside it, `<path>.weights-DIGEST.data`, which it names.
 *
 * Its inputs are the model's, by name: `input` `[batch, width]`, or those that `encode` returns, codes as int32; its
 * `lists` as `sequence`, or as `bag` with `bagWeights`, each list padded with 0 to the `items` of its feature. Its outputs
 * are the tasks, by name, with a number after a name that an input has; `batch` is any number of rows. The features, from
 * which any language can encode rows, are in the metadata `gatehouse`, JSON with the property `input`, or, above 1 MiB, in
 * `<path>.input-DIGEST.json`, whose name and SHA-256 stand there in their place; beside it, `codes` has the number of codes
 * of each column, and which stand for missing texts and unknown words. A code of no word is answered as an unknown word
 * is. Each file is written whole or not at all, the `.onnx` last; features and parameters of older versions are removed
 * once they are a minute old.
 *
 * @param path The file; the folders above it are made. Needs the permissions to read and write there.
 * @throws {TypeError} if an option or a task is unknown.
 * @throws {RangeError} if a parameter is beyond the type of numbers, or the `.onnx` file would be larger than 2 GiB.
 * @throws {Deno.errors.AlreadyExists} if something else than a file is there.
 *
 * @example
 * ```ts ignore
 * await saveOnnx(model, "./served.onnx");
 * ```
 */
export async function saveOnnx<Tasks extends string>(
  model: Model<Tasks>,
  path: string,
  options: SaveOnnxOptions<Tasks> = {},
): Promise<void> {
  await savedOnnx("save ONNX model", model, path, options, "saveOnnx(model, path)");
}

/** A graph that was saved, and the names of its inputs and outputs in the file. */
export interface SavedGraph extends Pick<Written, "inputs" | "outputs"> {
  readonly graph: Graph;
}

/**
 * Saves a model as {@linkcode saveOnnx} does; returns its graph.
 *
 * @param action The action, for errors.
 * @param again The call that saves it elsewhere, for errors.
 */
export async function savedOnnx<Tasks extends string>(
  action: string,
  model: Model<Tasks>,
  path: string,
  options: SaveOnnxOptions<Tasks>,
  again: string,
): Promise<SavedGraph> {
  const advice = `the model is unchanged: ${again} with another path saves it`;
  checkPath(path, action);
  insidesOf(model, action);
  const known = optionsOf(action, options, ["tasks", "dtype", "externalAbove"], ["gates"]);
  const { externalAbove = mostInside, ...rest } = known;
  if (typeof externalAbove !== "number" || !(externalAbove >= 0 && externalAbove < 2 ** 31)) {
    const found = kindOf(externalAbove);
    throw new TypeError(`Cannot ${action}: externalAbove must be a number of bytes below 2 GiB, found ${found}`);
  }
  const type = realTypeOf(action, rest.dtype);
  const graph = served(model, rest, action);
  const { input } = model.spec;
  const [folder, name] = [path.replace(/[^\\/]*$/, ""), path.replace(/^.*[\\/]/s, "")];
  const { metadata, file } = described(input, `${name}.`);
  const texts = { gatehouse: JSON.stringify(metadata) };
  const parameters = await model.parameters();
  const data = onnxData(graph, parameters, type, externalAbove, (digits) => `${name}.weights-${digits}.data`);
  const { bytes, inputs, outputs } = written(graph, parameters, texts, codesOf(input), { type, places: data?.places });
  if (data !== undefined) await writeFileAtomic(`${folder}${data.file}`, data.pieces, action, advice);
  if (file !== undefined) await writeFileAtomic(`${folder}${file.name}`, file.bytes, action, advice);
  await writeFileAtomic(path, bytes, action, advice);
  const isOlder = (other: string) =>
    other.startsWith(`${name}.`) && beside.test(other.slice(name.length + 1)) &&
    other !== file?.name && other !== data?.file;
  await sweepNamed(folder || ".", isOlder);
  return { graph, inputs, outputs };
}

/** The most bytes of parameters that an `.onnx` file itself holds by default. */
const mostInside = 100 * 2 ** 20;

/** The names of files beside an `.onnx` file, after its own. */
const beside = /^(input-[0-9a-f]{16}\.json|weights-[0-9a-f]{16}\.data)$/;
