import { sha256 } from "../files/sha256.ts";
import { checkPath } from "../files/place.ts";
import { writeGraphModel } from "../formats/graph_model.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { writeFolder } from "../files/atomic.ts";
import { type Contents, type Folder, folderOf } from "../files/folder.ts";
import { system, unreachable } from "../files/runtime.ts";
import { pathOf, urlOf } from "../files/source.ts";
import type { Files } from "../files/staged.ts";
import { versionsIn } from "../files/versions.ts";
import { parseMark, withMark } from "../formats/mark.ts";
import type { Safetensors } from "../formats/safetensors.ts";
import { flatName } from "../graph/layout.ts";
import type { Tensor } from "../ops/tensor.ts";
import { parametersOf } from "../trace/parameters.ts";
import { check } from "../spec/check.ts";
import type { Spec } from "../spec/spec.ts";
import { checkSignal, checkText, kindOf, optionsOf } from "../errors/kinds.ts";
import type { Calibration } from "./calibration.ts";
import { calibrationFile, calibrationFiles, calibrationIn } from "./calibration_file.ts";
import { compiled, type CompileOptions } from "./compile.ts";
import { type Base, baseTexts, type ChangedRows, changedStored } from "./changes.ts";
import { insidesOf } from "./insides.ts";
import { parseJson } from "./json_file.ts";
import {
  type ParameterFiles,
  parameterFiles,
  parameterNames,
  parametersFile,
  readParameters,
} from "./parameter_files.ts";
import { checkMark, encodingText, storedOf } from "./parameters.ts";
import type { Model } from "./model.ts";
import { stored, withWords, wordsFile } from "./word_files.ts";
import { codesOf, described, type ExportOptions, realTypeOf, served } from "./exported.ts";

const specFile = "spec.json";

/** The most bytes that the table of a model takes: as many as fit in a text. */
const longestSpec = 2 ** 29;

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

/** The options of {@linkcode load}. */
export interface LoadOptions<Tasks extends string = string> extends Omit<CompileOptions, "parameters"> {
  /** The model's tasks in any order: checked, and the types then know them. Default: whatever tasks it has. */
  readonly tasks?: readonly Tasks[];
  /** Aborts what is being read from an address: `load` throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Returns a model that was saved. Nothing in its files is executed: the spec is data, and so are the parameters.
 *
 * @param from The folder by its path or `file:` URL, which needs the permission to read it, by the `http:` or `https:`
 * URL at which it is served, or its files by name, as texts, bytes, Blobs or Responses: so a browser gives the files
 * that a user picked, `Object.fromEntries([...input.files].map((file) => [file.name, file]))`. Of a folder of checkpoints,
 * as `train` writes them, the newest is loaded.
 * @param options The engine, the seed (by default the saved one), and the tasks that the model must have.
 * @throws {SyntaxError} if a file is not JSON, or not safetensors.
 * @throws {SpecError} if the spec is malformed.
 * @throws {TypeError} if an option is unknown, or the tasks are not the model's.
 * @throws {TypeError} listing all parameters that are missing, unexpected and misshapen, or if the two files were not
 * saved together.
 * @throws {Deno.errors.NotFound} if the folder or a file is missing.
 * @throws {Error} if a server does not answer with a file.
 * @throws the signal's reason, if it is aborted.
 *
 * @example
 * ```ts ignore
 * const model = await load("./model", { tasks: ["click", "like"] });
 * const { click, like } = await model.predict(data);
 * const served = await load("https://example.org/model/");
 * ```
 */
export async function load<Tasks extends string = string>(
  from: string | URL | Contents,
  options: LoadOptions<Tasks> = {},
): Promise<Model<Tasks>> {
  const { tasks, signal, ...rest } = optionsOf("load model", options, ["engine", "seed", "tasks", "signal"], ["fuse"]);
  checkSignal("load model", signal);
  signal?.throwIfAborted();
  const { spec, tensors, metadata, calibration } = await readNewest(from, signal);
  if (tasks !== undefined) checkTasks(spec, tasks);
  const saved = /^-?\d{1,16}$/.test(metadata.seed ?? "") ? Number(metadata.seed) : 0;
  const seed = rest.seed ?? (Number.isSafeInteger(saved) ? saved : 0);
  return await compiled(spec as Spec<Tasks>, { ...rest, seed, parameters: tensors }, true, calibration);
}

/** Reads a model; of a folder of checkpoints the newest, again if a training removes that one meanwhile. */
async function readNewest(from: string | URL | Contents, signal?: AbortSignal): Promise<Pair> {
  for (let attempt = 1, newest = await newestIn(from);; attempt++) {
    try {
      return await readPair(folderOf(newest, [specFile, parametersFile], "load model", signal));
    } catch (error) {
      signal?.throwIfAborted();
      const newer = await newestIn(from);
      if (attempt === mostAttempts || newer === newest) throw error;
      newest = newer;
    }
  }
}

/** Returns the newest checkpoint of a folder of them, else what was given. */
async function newestIn(from: string | URL | Contents): Promise<string | URL | Contents> {
  const url = urlOf(from);
  const path = url?.protocol === "file:" ? pathOf(url) : url === undefined ? from : undefined;
  if (typeof path !== "string" || system() === undefined) return from;
  const [newest] = await versionsIn(path).catch(() => []); // reading the model explains what is wrong
  return newest?.path ?? from;
}

/** A model as its files hold it. */
export type Pair = Safetensors & { readonly spec: Spec; readonly calibration?: Calibration };

/** Reads the model in a folder, as {@linkcode load} does. */
export async function readModel(path: string): Promise<Pair> {
  return await readPair(folderOf(path, [specFile, parametersFile], "load model"));
}

/** Reads the two files of a model, again if another program replaces them meanwhile. */
async function readPair(folder: Folder): Promise<Pair> {
  for (let attempt = 1;; attempt++) {
    const before = await folder.version([specFile, parametersFile]);
    try {
      return await readOnce(folder);
    } catch (error) {
      if (attempt === mostAttempts || await folder.version([specFile, parametersFile]) === before) throw error;
    }
  }
}

/** The times that a model is read which other programs replace each time. */
const mostAttempts = 100;

async function readOnce(folder: Folder): Promise<Pair> {
  const json = parseJson(await folder.read(specFile, longestSpec), folder.nameOf(specFile));
  const id = digest(json);
  const spec = check(await withWords(json, folder));
  const stored = await readParameters(folder, id, parametersOf(spec), (metadata, file) => {
    if (metadata.spec !== undefined && metadata.spec !== id) {
      const found = `${file} belongs to another ${specFile}, wanted two files that were saved together`;
      throw new TypeError(`Cannot load model\n  at ${folder.name}: ${found}`);
    }
    checkMark(spec.input, withMark({}, parseMark(metadata.encoding)), folder.nameOf(file));
  });
  return { ...stored, spec, calibration: await calibrationIn(folder, stored.metadata, spec) };
}

/** Returns a digest of a spec as it is stored: equal for equal ones, however their files are laid out. */
function digest(spec: unknown): string {
  return sha256(JSON.stringify(spec));
}

/**
 * Returns the spec in the text of its file.
 *
 * @throws {SyntaxError} if it is not JSON, naming the file.
 * @throws {SpecError} if it is not a spec, or names a file of words, which {@linkcode load} reads with it.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { binary, define, parseSpec } from "@gatehouse/gatehouse";
 *
 * const spec = define({ input: 3, tasks: { click: binary() } });
 * assertEquals(parseSpec(JSON.stringify(spec)), spec);
 * assertThrows(() => parseSpec("{", "model/spec.json"), SyntaxError, "at model/spec.json");
 * ```
 */
export function parseSpec(text: Uint8Array | string, file: string = specFile): Spec {
  if (typeof text !== "string" && !(text instanceof Uint8Array)) {
    throw new TypeError(`Cannot read model: wanted a text or its bytes, found ${kindOf(text)}`);
  }
  checkText("read model", "file", file);
  return check(parseJson(text, file));
}

function checkTasks(spec: Spec, tasks: readonly unknown[]): void {
  if (!Array.isArray(tasks)) throw new TypeError(`Cannot load model: tasks must be a list, found ${kindOf(tasks)}`);
  const known = Object.keys(spec.tasks);
  const strange = tasks.findIndex((task) => typeof task !== "string" || !Object.hasOwn(spec.tasks, task));
  if (strange >= 0) {
    const task: unknown = tasks[strange];
    const near = advice(typeof task === "string" ? task : "", known);
    throw new TypeError(`Cannot load model: it has no task ${kindOf(task)}${near}`);
  }
  const named = new Set(tasks);
  const missed = known.find((task) => !named.has(task));
  if (missed !== undefined) {
    throw new TypeError(`Cannot load model: its task ${quoted(missed)} is not named: wanted all of its tasks`);
  }
}
