import { writeGraphModel } from "../engines/graph_model.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { writeFolder } from "../files/atomic.ts";
import { readFolderFile } from "../files/read.ts";
import { decodeSafetensors, encodeSafetensors } from "../files/safetensors.ts";
import { layoutOf, parametersOf } from "../graph/parameters.ts";
import { check } from "../spec/check.ts";
import type { Spec } from "../spec/spec.ts";
import { checkOptions, kindOf } from "../spec/structure.ts";
import { checkModel, compile, type CompileOptions, type Model } from "./model.ts";
import { served, type ServeOptions } from "./serve.ts";

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
  checkModel(model, "save model");
  const parameters = await model.parameters();
  const metadata = { format: "gatehouse", seed: String(model.seed) };
  await writeFolder(path, {
    [specFile]: `${JSON.stringify(model.spec, undefined, 2)}\n`,
    [parametersFile]: encodeSafetensors(parameters, metadata),
  }, { action: "save model" });
}

/**
 * Saves what a model computes as a TensorFlow.js GraphModel, which `tf.loadGraphModel` runs in any program with
 * TensorFlow.js, in browsers too, without this package: `model.json` and its weights.
 *
 * Its inputs are the model's, by name: `input` `[batch, width]`, or `numeric` and `category` as `encode` returns them.
 * Its outputs are the tasks, by name.
 *
 * @param path The folder; its parent exists. Needs the permissions to read and write there.
 * @throws {TypeError} for unknown options and tasks.
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
  options: ServeOptions<Tasks> = {},
): Promise<void> {
  await writeGraphModel(path, served(model, options, "save GraphModel"), await model.parameters());
}

/** The options of {@linkcode load}. */
export interface LoadOptions<Tasks extends string = string> extends Omit<CompileOptions, "parameters"> {
  /** The model's tasks in any order: checked, and the types then know them. Default: whatever tasks it has. */
  readonly tasks?: readonly Tasks[];
}

/**
 * Loads a model that was saved. Nothing in its files is executed: the spec is data, and so are the parameters.
 *
 * @param path The folder. Needs the permission to read it.
 * @param options The engine, the seed (by default the saved one), and the tasks that the model must have.
 * @throws {SyntaxError} if a file is no JSON, or no safetensors.
 * @throws {SpecError} if the spec is malformed.
 * @throws {TypeError} for unknown options, and for other tasks than the model's.
 * @throws {TypeError} listing all parameters that are missing, unexpected and misshapen.
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
  const wanted = [specFile, parametersFile];
  const read = (name: string, limit: number) => readFolderFile(path, name, { limit, wanted, action: "load model" });
  const spec = parseSpec(await read(specFile, 2 ** 26), `${path}/${specFile}`);
  if (tasks !== undefined) checkTasks(spec, tasks);
  const { places, size } = layoutOf(parametersOf(spec));
  const limit = 8 * size + 1024 * places.length + 2 ** 20;
  const { tensors, metadata } = decodeSafetensors(await read(parametersFile, limit), `${path}/${parametersFile}`);
  const seed = options.seed ?? (/^-?\d{1,15}$/.test(metadata.seed ?? "") ? Number(metadata.seed) : 0);
  return await compile(spec as Spec<Tasks>, { ...rest, seed, parameters: tensors });
}

/**
 * Reads a spec from the text of its file.
 *
 * @throws {SyntaxError} if it is no JSON, naming the file.
 * @throws {SpecError} if it is no spec.
 */
export function parseSpec(text: Uint8Array | string, file: string = specFile): Spec {
  let found: unknown;
  try {
    found = JSON.parse(typeof text === "string" ? text : new TextDecoder("utf-8", { fatal: true }).decode(text));
  } catch (error) {
    const cause = error instanceof TypeError ? "the text is not UTF-8" : (error as Error).message;
    throw new SyntaxError(`Cannot read model\n  at ${file}: ${cause}`);
  }
  return check(found);
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
