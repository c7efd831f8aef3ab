import { checkPath } from "../files/place.ts";
import { writeGraphModel } from "../formats/graph_model.ts";
import { quoted } from "../errors/quoted.ts";
import { writeFolder } from "../files/atomic.ts";
import { system, unreachable } from "../files/runtime.ts";
import type { Files } from "../files/staged.ts";
import { flatName } from "../graph/layout.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Spec } from "../spec/spec.ts";
import { optionsOf } from "../errors/kinds.ts";
import type { Calibration } from "./calibration.ts";
import { calibrationFile, calibrationFiles } from "./calibration_file.ts";
import { type Base, baseTexts, type ChangedRows, changedStored } from "./changes.ts";
import { insidesOf } from "./insides.ts";
import { type ParameterFiles, parameterFiles, parameterNames, parametersFile } from "./parameter_files.ts";
import { encodingText, storedOf } from "./parameters.ts";
import type { Model } from "./model.ts";
import { stored, wordsFile } from "./word_files.ts";
import { codesOf, described, type ExportOptions, realTypeOf, served } from "./exported.ts";
import { digest, longestSpec, specFile } from "./load.ts";

/** The options of {@linkcode save}. */
export interface SaveOptions {
  /**
   * The type of the parameters' numbers in the files: `float16` halves the files and rounds each number to the nearest
   * float16, whose greatest is 65504; {@linkcode load} reads both. Default `float32`.
   */
  readonly dtype?: "float32" | "float16";
  /**
   * The calibration of the model, as `calibrate` returns it: a file `calibration-DIGEST.json`, which the parameters name.
   * Default: that of a loaded model that has not changed since, else none.
   */
  readonly calibration?: Calibration;
}

/**
 * Saves a model as a folder of two files: `spec.json`, its table, and `params.safetensors`, its parameters by path.
 * Vocabularies of more than 1,000 words or 65,536 characters are in a third, `words-DIGEST.safetensors`, which `spec.json`
 * names in their place.
 *
 * Parameters of more than 2 GiB are in several files, `params-00001-of-00003.safetensors` and so on, which
 * `params.safetensors.index.json` names, as other libraries write and read them. Files are written piece by piece,
 * from the numbers that the engine returns.
 *
 * An older model there is replaced, anything else is left alone. At every moment {@linkcode load} finds the old model or
 * the new one, whole: until all files are replaced, the new parameters lie in `params-DIGEST.safetensors`, named for
 * the `spec.json` that they belong to. Where saving fails, the model can be saved at another path.
 *
 * @param path The folder; the folders above it are made. Needs the permissions to read and write there.
 * @param options The type of the numbers.
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if the model is larger than `load` reads, its words for example than 1 GiB, or a parameter is
 * beyond the type.
 * @throws {Deno.errors.AlreadyExists} if the folder holds anything but a model.
 *
 * @example
 * ```ts ignore
 * await save(model, "./model");
 * await save(model, "./small", { dtype: "float16" });
 * ```
 */
export async function save(model: Model, path: string, options: SaveOptions = {}): Promise<void> {
  await saveIn(model, path, options);
}

/**
 * Saves a model as {@linkcode save} does.
 *
 * @param most The bytes of parameters in one file, at most. Default 2 GiB.
 */
export async function saveIn(model: Model, path: string, options: SaveOptions, most?: number): Promise<void> {
  const { store, state } = insidesOf(model, "save model");
  const { dtype, calibration = state.calibration } = optionsOf("save model", options, ["dtype", "calibration"]);
  const type = realTypeOf("save model", dtype);
  const maps = calibrationFiles(calibration, model.spec);
  checkPath(path, "save model");
  if (system() === undefined) {
    const files = "JSON.stringify(model.spec) and encodeSafetensors(await model.parameters())";
    throw new Error(`Cannot save model\n  at ${path}: ${unreachable}: wanted ${files}, its two files, elsewhere`);
  }
  const { id, words, spec } = specFiles(model.spec);
  const { files, between } = parametersIn(
    model,
    await store.read(flatName),
    id,
    type === "float16" ? "F16" : "F32",
    { most, metadata: maps.metadata },
  );
  const beside = { ...words, ...maps.files };
  await writeFolder(path, { ...beside, ...files, [specFile]: spec }, {
    between: { ...beside, ...between, [specFile]: spec },
    owns: [specFile, parametersFile, ...parameterNames, wordsFile, calibrationFile],
    mark: { file: specFile, text: '"gatehouse"' },
    action: "save model",
    advice: "the model is unchanged: save(model, path) with another path saves it",
  });
}

/** The files of a model's table, which stay the same while it trains. */
export interface SpecFiles {
  /** The digest of the table as it is stored. */
  readonly id: string;
  /** The file of its large vocabularies, by its name. */
  readonly words: Files;
  /** The bytes of `spec.json`. */
  readonly spec: Uint8Array;
}

/**
 * Returns the files of a model's table.
 *
 * @throws {RangeError} if they are larger than `load` reads.
 */
export function specFiles(spec: Spec): SpecFiles {
  const { json, files: words } = stored(spec);
  return { id: digest(json), words, spec: specBytes(json, longestSpec) };
}

/**
 * Returns the files of a model's parameters.
 *
 * @param flat The flat array.
 * @param id The digest of the table that they belong to.
 * @param options The bytes of parameters in one file, at most, by default 2 GiB; and more metadata.
 */
export function parametersIn(
  model: Model,
  flat: Tensor,
  id: string,
  dtype: "F32" | "F16",
  options: { readonly most?: number; readonly metadata?: Readonly<Record<string, string>> } = {},
): ParameterFiles {
  const { plan, tables } = insidesOf(model, "save model");
  const metadata = { ...parameterTexts(model, id), ...options.metadata };
  return parameterFiles(storedOf(plan, flat, tables, dtype), metadata, id, options.most);
}

/**
 * Returns the texts that each file of a model's parameters keeps.
 *
 * @param id The digest of the table that they belong to.
 */
export function parameterTexts({ spec, seed }: Pick<Model, "spec" | "seed">, id: string): Record<string, string> {
  return { ...encodingText(spec.input), format: "gatehouse", seed: String(seed), spec: id };
}

/**
 * Returns the file of a model's parameters, of whose tables it has the rows that changed since a base, and not the others.
 *
 * @param flat The flat array.
 * @param id The digest of the table that they belong to.
 */
export function changedParametersIn(
  model: Model,
  flat: Tensor,
  id: string,
  changed: ChangedRows,
  base: Base,
): ParameterFiles {
  const { plan, tables } = insidesOf(model, "save model");
  const metadata = { ...parameterTexts(model, id), ...baseTexts(base) };
  const some = changedStored(storedOf(plan, flat, tables, "F32"), tables, changed);
  return parameterFiles(some, metadata, id, Infinity);
}

/** Returns a model's files that `save` wrote, by the names that they keep. */
export function filesOfModel({ words, spec }: SpecFiles, { files }: Pick<ParameterFiles, "files">): Files {
  return { ...words, ...files, [specFile]: spec };
}

/**
 * Returns the text of a spec's file as bytes.
 *
 * @throws {RangeError} if they are more than `load` reads.
 */
export function specBytes(spec: unknown, most: number): Uint8Array<ArrayBuffer> {
  const large = (found: string) => new RangeError(`Cannot save model: ${specFile} would hold ${found}`);
  let text: string;
  try {
    text = `${JSON.stringify(spec, undefined, 2)}\n`;
  } catch {
    throw large(`more than fits in a text, wanted at most ${most} bytes`);
  }
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > most) throw large(`${bytes.length} bytes, wanted at most ${most}`);
  return bytes;
}

/**
 * Saves the forward graph of a model as a TensorFlow.js GraphModel, which `tf.loadGraphModel` runs in any program with
 * TensorFlow.js, in browsers too, without this package: `model.json` and its weights.
 *
 * Its inputs are the model's, by name: `input` `[batch, width]`, or those that `encode` returns, such as `category`.
 * Its outputs are the tasks, by name. The features, from which any language can encode rows, are in
 * `userDefinedMetadata.gatehouse.input` of `model.json` or, above 1 MiB, in `input-DIGEST.json`, whose name and SHA-256
 * stand there in their place; beside it, `codes` has the number of codes of each column, and which stand for missing texts
 * and unknown words. A code of no word is answered as an unknown word is.
 *
 * @param path The folder; the folders above it are made. Needs the permissions to read and write there.
 * @throws {TypeError} if an option or a task is unknown.
 * @throws {Deno.errors.AlreadyExists} if the folder holds anything but a GraphModel.
 *
 * @example
 * ```ts ignore
 * await saveGraphModel(model, "./served");
 * const served = await tf.loadGraphModel("https://example.org/served/model.json");
 * ```
 */
export async function saveGraphModel<Tasks extends string>(
  model: Model<Tasks>,
  path: string,
  options: ExportOptions<Tasks> = {},
): Promise<void> {
  const graph = served(model, options, "save GraphModel", 4);
  const type = realTypeOf("save GraphModel", options.dtype);
  const inherited = Object.keys(graph.outputs).find((name) => name in {});
  if (inherited !== undefined) {
    throw new TypeError(`Cannot save GraphModel: TensorFlow.js cannot return an output named ${quoted(inherited)}`);
  }
  checkPath(path, "save GraphModel");
  const { input } = model.spec;
  const { metadata, file } = described(input);
  const content = { metadata: { gatehouse: { ...metadata } }, codes: codesOf(input), type, input: file };
  await writeGraphModel(path, graph, await model.parameters(), content);
}
