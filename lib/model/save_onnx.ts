import { writeFileAtomic } from "../files/atomic.ts";
import { checkPath } from "../files/place.ts";
import { sweepNamed } from "../files/staged.ts";
import { onnxModel } from "../formats/onnx_model.ts";
import type { Model } from "./model.ts";
import { codesOf, described, type ExportOptions, served } from "./exported.ts";

/**
 * Saves the forward graph of a model as one `.onnx` file of standard ops, which any ONNX runtime runs without this
 * package.
 *
 * Its inputs are the model's, by name: `input` `[batch, width]`, or those that `encode` returns, codes as int32. Its
 * outputs are the tasks, by name, with a number after a name that an input has; `batch` is any number of rows. The
 * features, from which any language can encode rows, are in the metadata `gatehouse`, JSON with the property `input`,
 * or, above 1 MiB, in `<path>.input-DIGEST.json`, whose name and SHA-256 stand there in their place; beside it, `codes`
 * has the number of codes of each column, and which stand for missing texts and unknown words. A code of no word is
 * answered as an unknown word is. Each file is written whole or not at all, the `.onnx` last; features of older
 * versions are removed once they are a minute old.
 *
 * @param path The file; the folders above it are made. Needs the permissions to read and write there.
 * @throws {TypeError} if an option or a task is unknown.
 * @throws {RangeError} if the file would be larger than 2 GiB.
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
  options: ExportOptions<Tasks> = {},
): Promise<void> {
  const action = "save ONNX model";
  const advice = "the model is unchanged: saveOnnx(model, path) with another path saves it";
  checkPath(path, action);
  const graph = served(model, options, action);
  const { input } = model.spec;
  const [folder, name] = [path.replace(/[^\\/]*$/, ""), path.replace(/^.*[\\/]/s, "")];
  const { metadata, file } = described(input, `${name}.`);
  const texts = { gatehouse: JSON.stringify(metadata) };
  const bytes = onnxModel(graph, await model.parameters(), texts, codesOf(input));
  if (file !== undefined) await writeFileAtomic(`${folder}${file.name}`, file.bytes, action, advice);
  await writeFileAtomic(path, bytes, action, advice);
  const isOlder = (other: string) =>
    other.startsWith(`${name}.`) && /^input-[0-9a-f]{16}\.json$/.test(other.slice(name.length + 1)) &&
    other !== file?.name;
  await sweepNamed(folder || ".", isOlder);
}
