import { writeGraphModel } from "../formats/graph_model.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { writeFolder } from "../files/atomic.ts";
import { readFolderFile } from "../files/read.ts";
import { decodeSafetensors, encodeSafetensors, type Safetensors } from "../formats/safetensors.ts";
import { layoutOf } from "../graph/layout.ts";
import { parametersOf } from "../trace/parameters.ts";
import { check } from "../spec/check.ts";
import type { Spec } from "../spec/spec.ts";
import { checkOptions, kindOf } from "../errors/kinds.ts";
import { compile, type CompileOptions } from "./compile.ts";
import { insidesOf } from "./insides.ts";
import type { Model } from "./model.ts";
import { described, type ExportOptions, served, sizesOf } from "./exported.ts";

const specFile = "spec.json";
const parametersFile = "params.safetensors";

/**
 * Saves a model as a folder of two files: `spec.json`, its table, and `params.safetensors`, its parameters by path.
 * The folder is written whole or not at all; an older model there is replaced, anything else is left alone.
 *
 * @param path The folder; its parent exists. Needs the permissions to read and write there.
 * @throws {Deno.errors.AlreadyExists} if the folder holds anything but a model.
 *
 * @example
 * ```ts ignore
 * await save(model, "./model");
 * ```
 */
export async function save(model: Model, path: string): Promise<void> {
  insidesOf(model, "save model");
  await checkOurs(path, specFile, '"gatehouse"', "save model");
  const parameters = await model.parameters();
  const metadata = { format: "gatehouse", seed: String(model.seed), spec: await digest(model.spec) };
  await writeFolder(path, {
    [specFile]: `${JSON.stringify(model.spec, undefined, 2)}\n`,
    [parametersFile]: encodeSafetensors(parameters, metadata),
  }, { action: "save model" });
}

/**
 * Saves the forward graph of a model as a TensorFlow.js GraphModel, which `tf.loadGraphModel` runs in any program with
 * TensorFlow.js, in browsers too, without this package: `model.json` and its weights.
 *
 * Its inputs are the model's, by name: `input` `[batch, width]`, or `numeric` and `category` as `encode` returns them.
 * Its outputs are the tasks, by name. The features and their vocabulary are in `userDefinedMetadata.gatehouse.input` of
 * `model.json` or, above 1 MiB, in `input.json`, whose name and SHA-256 stand there in their place. A code of no word is
 * answered as an unknown word is.
 *
 * @param path The folder; its parent exists. Needs the permissions to read and write there.
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
  const graph = served(model, options, "save GraphModel");
  const inherited = Object.keys(graph.outputs).find((name) => name in {});
  if (inherited !== undefined) {
    throw new TypeError(`Cannot save GraphModel: TensorFlow.js cannot return an output named ${quoted(inherited)}`);
  }
  await checkOurs(path, "model.json", '"Gatehouse"', "save GraphModel");
  const { input } = model.spec;
  const { metadata, file } = await described(input, "input.json");
  const content = { metadata: { gatehouse: metadata }, sizes: sizesOf(input), inputJson: file };
  await writeGraphModel(path, graph, await model.parameters(), content);
}

/** The options of {@linkcode load}. */
export interface LoadOptions<Tasks extends string = string> extends Omit<CompileOptions, "parameters"> {
  /** The model's tasks in any order: checked, and the types then know them. Default: whatever tasks it has. */
  readonly tasks?: readonly Tasks[];
}

/**
 * Returns a model that was saved. Nothing in its files is executed: the spec is data, and so are the parameters.
 *
 * @param path The folder. Needs the permission to read it.
 * @param options The engine, the seed (by default the saved one), and the tasks that the model must have.
 * @throws {SyntaxError} if a file is not JSON, or not safetensors.
 * @throws {SpecError} if the spec is malformed.
 * @throws {TypeError} if an option is unknown, or the tasks are not the model's.
 * @throws {TypeError} listing all parameters that are missing, unexpected and misshapen, or if the two files were not
 * saved together.
 * @throws {Deno.errors.NotFound} if the folder or a file is missing.
 *
 * @example
 * ```ts ignore
 * const model = await load("./model", { tasks: ["click", "like"] });
 * const { click, like } = await model.predict(data);
 * ```
 */
export async function load<Tasks extends string = string>(
  path: string,
  options: LoadOptions<Tasks> = {},
): Promise<Model<Tasks>> {
  checkOptions("load model", options, ["engine", "seed", "fuse", "tasks"]);
  const { tasks, ...rest } = options;
  const { spec, tensors, metadata } = await readPair(path);
  if (tasks !== undefined) checkTasks(spec, tasks);
  const saved = /^-?\d{1,16}$/.test(metadata.seed ?? "") ? Number(metadata.seed) : 0;
  const seed = options.seed ?? (Number.isSafeInteger(saved) ? saved : 0);
  return await compile(spec as Spec<Tasks>, { ...rest, seed, parameters: tensors });
}

/** Reads the two files of a model, up to three times if another program replaces them meanwhile. */
async function readPair(path: string): Promise<Safetensors & { readonly spec: Spec }> {
  const wanted = [specFile, parametersFile];
  const read = (name: string, limit: number) => readFolderFile(path, name, { limit, wanted, action: "load model" });
  for (let attempt = 1;; attempt++) {
    const spec = parseSpec(await read(specFile, 2 ** 26), `${path}/${specFile}`);
    const { extents, size } = layoutOf(parametersOf(spec));
    const limit = 8 * size + 1024 * extents.length + 2 ** 20;
    const stored = decodeSafetensors(await read(parametersFile, limit), `${path}/${parametersFile}`);
    const { spec: partner } = stored.metadata;
    if (partner === undefined || partner === await digest(spec)) return { ...stored, spec };
    if (attempt === 3) {
      const wanted = "wanted two files that were saved together";
      throw new TypeError(
        `Cannot load model\n  at ${path}: ${parametersFile} belongs to another ${specFile}, ${wanted}`,
      );
    }
  }
}

/** Returns a digest of a spec: equal for equal specs, however their files are laid out. */
async function digest(spec: Spec): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(spec));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/**
 * Makes sure that a folder's main file, if there is one, was written by this package, before it is replaced.
 *
 * @throws {Deno.errors.AlreadyExists} if it is not.
 */
async function checkOurs(path: string, file: string, mark: string, action: string): Promise<void> {
  const text = await Deno.readTextFile(`${path}/${file}`).catch(() => mark); // writing reports a file that cannot be read
  if (text.includes(mark)) return;
  const wanted = "wanted a new or empty folder, or one that was written by this package";
  throw new Deno.errors.AlreadyExists(`Cannot ${action}\n  at ${path}: ${file} there is of another program, ${wanted}`);
}

/**
 * Returns the spec in the text of its file.
 *
 * @throws {SyntaxError} if it is not JSON, naming the file.
 * @throws {SpecError} if it is not a spec.
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
  let json: unknown;
  try {
    json = JSON.parse(typeof text === "string" ? text : new TextDecoder("utf-8", { fatal: true }).decode(text));
  } catch (error) {
    const cause = error instanceof TypeError ? "the text is not UTF-8" : (error as Error).message;
    throw new SyntaxError(`Cannot read model\n  at ${file}: ${cause}`);
  }
  return check(json);
}

function checkTasks(spec: Spec, tasks: readonly unknown[]): void {
  if (!Array.isArray(tasks)) throw new TypeError(`Cannot load model: tasks must be a list, found ${kindOf(tasks)}`);
  const known = Object.keys(spec.tasks);
  const strange = tasks.findIndex((task) => !known.includes(task));
  if (strange >= 0) {
    const task: unknown = tasks[strange];
    const near = advice(typeof task === "string" ? task : "", known);
    throw new TypeError(`Cannot load model: it has no task ${kindOf(task)}${near}`);
  }
  const missed = known.find((task) => !tasks.includes(task));
  if (missed !== undefined) {
    throw new TypeError(`Cannot load model: its task ${quoted(missed)} is not named: wanted all of its tasks`);
  }
}
