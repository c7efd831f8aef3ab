import { checkCount, checkFunction, isRecord, optionsOf } from "../errors/kinds.ts";
import { checkPath, kindAt, message } from "../files/place.ts";
import { failure, system, unreachable } from "../files/runtime.ts";
import { loadHistory } from "../data/history/save.ts";
import type { Model } from "../model/model.ts";
import { load } from "../model/save.ts";
import type { Engine } from "../engines/engine.ts";
import { type Meters, meters } from "./meters.ts";
import { limitsOf, type QueueLimits } from "./queue.ts";
import type { Past } from "./inputs.ts";
import { pastOf } from "./past.ts";
import { type Served, served } from "./served.ts";

/** Models that a server answers with: those of folders, the newest version of each. */
export interface Models {
  /** Returns the version of each model that answers, by name. */
  versions(): Readonly<Record<string, string>>;
  /** Looks for new versions now; resolves once they answer, or were found broken. */
  refresh(): Promise<void>;
  /** Stops looking for new versions, waits for what is asked, and frees the models. */
  close(): Promise<void>;
}

/** The options of {@linkcode openModels}. */
export interface ModelsOptions {
  /** The most rows that are predicted together. Default 1024. */
  readonly maxBatch?: number;
  /** The milliseconds that a request waits for others. Default 0. */
  readonly maxDelay?: number;
  /** The most requests that wait for a model. Default 1024. */
  readonly maxQueue?: number;
  /** The engine of the models. Default: that of `load`. */
  readonly engine?: Engine;
  /** The seconds from one look for new versions to the next; 0: none is looked for. Default 5. */
  readonly every?: number;
  /** Called when a version answers, or is broken: then the one before goes on. Default: nothing is reported. */
  readonly report?: (change: ModelChange) => void;
}

/** A new version of a model. */
export interface ModelChange {
  /** The name of the model. */
  readonly model: string;
  /** The version that it goes over to. */
  readonly version: string;
  /** The reason why it does not answer, if it is broken. */
  readonly error?: string;
}

/**
 * Opens a folder of models: that of one model, as `save` writes it, whose name is the folder's and whose version is 1, or
 * `FOLDER/<name>/<version>/` with versions that are whole numbers. In the place of a model may be a folder with `model` and, if
 * it reads the past, `history` as `saveHistory` writes it: then requests have the keys and the time, and what is known of them is added here.
 *
 * A new version is loaded and warmed by a prediction, then it answers in the place of the one before, which answers what it
 * was asked to its end. One that is broken is reported, and tried again when its `spec.json` changes.
 *
 * @param folder The path. Needs the permission to read there.
 * @throws {TypeError | RangeError} if an option is wrong.
 * @throws {Error} if there is no model, or the only version of one is broken.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, compile, define, reference, save } from "@gatehouse/gatehouse";
 * import { handler, openModels } from "@gatehouse/gatehouse/serve";
 *
 * const model = await compile(define({ input: 2, tasks: { click: binary() } }), { engine: reference() });
 * await save(model, "out/models/shop/3");
 * const models = await openModels("out/models", { engine: reference() });
 * const response = await handler(models)(new Request("http://localhost/v2/models/shop"));
 * assertEquals((await response.json()).versions, ["3"]);
 * await models.close();
 * ```
 */
export async function openModels(folder: string, options: ModelsOptions = {}): Promise<Models> {
  const action = "open models";
  checkPath(folder, action);
  const { engine, every = 5, report, ...rest } = optionsOf(action, options, [
    "engine",
    "every",
    "report",
    "maxBatch",
    "maxDelay",
    "maxQueue",
  ]);
  checkCount(action, "every", every);
  if (report !== undefined) checkFunction(action, "report", report);
  await checkFolder(folder, action);
  const [current, counts] = [new Map<string, Served>(), meters()];
  const begin = beginning(current, limitsOf(action, rest), counts, { engine, report });
  const look = async (): Promise<unknown> => {
    let failure: unknown;
    for (const version of await newestIn(folder)) {
      const old = current.get(version.model);
      if (old === undefined || Number(old.version) < Number(version.version)) failure ??= await begin(version);
    }
    return failure;
  };
  const broken = await look();
  if (broken !== undefined) throw broken;
  if (current.size === 0) {
    const wanted = "wanted a model as save() writes it, or <name>/<version>/ with models";
    throw new Error(message({ action, path: folder }, `found no model: ${wanted}`));
  }
  let running: Promise<void> | undefined;
  const failed = (error: Error) => report?.({ model: folder, version: "", error: error.message });
  const refresh = () => running ??= look().then(() => {}, failed).finally(() => running = undefined);
  const timer = every > 0 ? setInterval(refresh, 1000 * every) : undefined;
  const models: Models = {
    versions: () => Object.fromEntries([...current.values()].map(({ name, version }) => [name, version])),
    refresh,
    close: async () => {
      clearInterval(timer);
      await running;
      await Promise.all([...current.values()].map((model) => model.end()));
      current.clear();
    },
  };
  opened.set(models, { all: () => [...current.values()], find: (name) => current.get(name), meters: counts });
  return models;
}

/** Makes sure that there is a folder. */
async function checkFolder(path: string, action: string): Promise<void> {
  if (system() === undefined) throw new Error(message({ action, path }, unreachable));
  const kind = path === "" ? undefined : await kindAt(path);
  if (kind === "folder") return;
  const found = `found ${kind === undefined ? "nothing" : `a ${kind}`}, wanted a folder`;
  throw failure(kind === undefined ? "NotFound" : "NotADirectory", message({ action, path }, found));
}

/**
 * Returns a function that begins a version: loads it, warms it by a prediction, and puts it in the place of the one before.
 * It returns the error if the version is broken.
 */
function beginning(
  current: Map<string, Served>,
  limits: QueueLimits,
  counts: Meters,
  { engine, report }: Pick<ModelsOptions, "engine" | "report">,
): (version: Version) => Promise<unknown> {
  const broken = new Map<string, string>(); // the state of spec.json in which a version could not be loaded
  return async ({ model: name, version, path }) => {
    const state = await stateOf(path);
    if (broken.get(path) === state) return;
    try {
      const { model, past } = await loaded(path, engine);
      const fresh = served(name, version, model, limits, counts, { isOwn: true, past });
      await fresh.warm().catch((error) => {
        model.dispose();
        throw error;
      });
      void current.get(name)?.end();
      current.set(name, fresh);
      report?.({ model: name, version });
    } catch (error) {
      broken.set(path, state);
      report?.({ model: name, version, error: error instanceof Error ? error.message : String(error) });
      return error;
    }
  };
}

/** The models that a handler asks. */
export interface Answering {
  /** The models. */
  readonly all: () => readonly Served[];
  /** Returns the model of a name. */
  readonly find: (name: string) => Served | undefined;
  /** The counts of what they do. */
  readonly meters: Meters;
}

const opened = new WeakMap<object, Answering>();

/** Returns the models of what {@linkcode openModels} returned; undefined for anything else. */
export function openedModels(found: unknown): Answering | undefined {
  return isRecord(found) ? opened.get(found) : undefined;
}

/** A version of a model on the disk. */
interface Version {
  readonly model: string;
  readonly version: string;
  readonly path: string;
}

/** Returns the newest version of each model of a folder. */
async function newestIn(folder: string): Promise<readonly Version[]> {
  const path = folder.replace(/\/+$/, "") || "/";
  if (await fileOf(path) !== undefined) {
    return [{ model: (await system()!.realPath(path)).split(/[\\/]/).at(-1)!, version: "1", path }];
  }
  const found: Version[] = [];
  for (const { name: model, kind } of await system()!.entries(path)) {
    if (kind !== "folder" || model.startsWith(".")) continue;
    const versions = (await system()!.entries(`${path}/${model}`))
      .filter(({ name, kind }) => (kind === "folder" || kind === "link") && /^\d{1,15}$/.test(name))
      .map(({ name }) => name)
      .sort((a, b) => Number(b) - Number(a));
    for (const version of versions) {
      if (await fileOf(`${path}/${model}/${version}`) === undefined) continue; // not whole yet
      found.push({ model, version, path: `${path}/${model}/${version}` });
      break;
    }
  }
  return found;
}

/** Loads a model, and what is known of the past where a history lies beside it. */
async function loaded(
  path: string,
  engine: Engine | undefined,
): Promise<{ readonly model: Model; readonly past?: Past }> {
  const options = engine && { engine };
  const folder = await kindAt(`${path}/${specFile}`) === "file" ? path : `${path}/model`;
  const hasPast = folder !== path && await kindAt(`${path}/history`) === "folder";
  const past = hasPast ? pastOf(await loadHistory(`${path}/history`)) : undefined;
  return { model: await load(folder, options), ...(past && { past }) };
}

const specFile = "spec.json";

/** The file that a version has: that of a model, or of a model with its history. */
async function fileOf(path: string): Promise<string | undefined> {
  for (const file of [specFile, `model/${specFile}`]) if (await kindAt(`${path}/${file}`) === "file") return file;
  return undefined;
}

/** Returns a text that changes when a version is written anew. */
async function stateOf(path: string): Promise<string> {
  const files = [await fileOf(path) ?? specFile, "history/history.json"];
  const versions = files.map(async (file) => (await system()!.stat(`${path}/${file}`).catch(() => undefined))?.version);
  return (await Promise.all(versions)).join();
}
