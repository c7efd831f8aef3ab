import { sha256 } from "../files/sha256.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { type Contents, type Folder, folderOf } from "../files/folder.ts";
import { system } from "../files/runtime.ts";
import { pathOf, urlOf } from "../files/source.ts";
import { versionsIn } from "../files/versions.ts";
import { parseMark, withMark } from "../formats/mark.ts";
import type { Safetensors } from "../formats/safetensors.ts";
import { parametersOf } from "../trace/parameters.ts";
import { check } from "../spec/check.ts";
import type { Spec } from "../spec/spec.ts";
import { checkSignal, checkText, kindOf, optionsOf } from "../errors/kinds.ts";
import type { Calibration } from "./calibration.ts";
import { calibrationIn } from "./calibration_file.ts";
import { compiled, type CompileOptions } from "./compile.ts";
import { parseJson } from "./json_file.ts";
import { parametersFile, readParameters } from "./parameter_files.ts";
import { checkMark } from "./parameters.ts";
import type { Model } from "./model.ts";
import { withWords } from "./word_files.ts";

/** The file of a model's table. */
export const specFile = "spec.json";

/** The most bytes that the table of a model takes: as many as fit in a text. */
export const longestSpec = 2 ** 29;

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
export function digest(spec: unknown): string {
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
