import { checkCount, checkFunction, isRecord, optionsOf } from "../errors/kinds.ts";
import { checkPath, type FileKind, kindAt, message } from "../files/place.ts";
import { failure, system, unreachable } from "../files/runtime.ts";
import { loadHistory } from "../data/history/save.ts";
import type { Model } from "../model/model.ts";
import { load } from "../model/load.ts";
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
  /** The version that it goes over to: a newer one, or an older one if that which answered was removed. */
  readonly version: string;
  /** The reason why it does not answer, if it is broken. */
  readonly error?: string;
}

/**
 * Opens a folder of models: that of one model, as `save` writes it, whose name is the folder's and whose version is 1, or
 * `FOLDER/<name>/<version>/` with versions that are whole numbers. In the place of a model may be a folder with `model` and,
 * if it reads the past, `history` as `saveHistory` writes it: requests then have the keys and the time of rows, and what is
 * known of them is added here.
 *
 * A new version is loaded and warmed by a prediction, then it answers in the place of the one before, which answers what it
 * was asked to its end. One that is broken is reported, and tried again when its files change; meanwhile the newest one
 * that is not broken answers. If the folder of the version that answers is removed, the newest that is left takes its
 * place; if none is left, it goes on.
 *
 * @param folder The path. Needs the permission to read there.
 * @throws {TypeError | RangeError} if an option is wrong.
 * @throws {Error} if there is no model, or all versions of one are broken.
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
  const look = () => looked(folder, current, begin, report);
  const broken = await look();
  if (broken !== undefined) {
    await Promise.all([...current.values()].map((model) => model.end()));
    throw broken;
  }
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

/**
 * Begins what is newer than the models that answer, or, where the version that answers was removed, the newest that is
 * left; returns the first error of a model that then does not answer.
 */
async function looked(
  folder: string,
  current: ReadonlyMap<string, Served>,
  begin: (version: Version) => Promise<unknown>,
  report: ModelsOptions["report"],
): Promise<unknown> {
  let failure: unknown;
  for (const { model, versions } of await modelsIn(folder)) {
    const found = await versions().catch((error: Error) => {
      report?.({ model, version: "", error: error.message });
      failure ??= error;
      return [];
    });
    const old = current.get(model);
    const isThere = found.some(({ version }) => version === old?.version);
    const wanted = found.filter(({ version }) => !isThere || Number(version) > Number(old!.version));
    const errors: unknown[] = [];
    for (const version of wanted) {
      const error = await begin(version);
      if (error === undefined) break;
      errors.push(error);
    }
    if (!current.has(model)) failure ??= errors[0];
  }
  return failure;
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
  const broken = new Map<string, { readonly state: string; readonly error: unknown }>(); // versions that don't load
  return async ({ model: name, version, path }) => {
    const state = await stateOf(path);
    const known = broken.get(path);
    if (known?.state === state) return known.error;
    try {
      const { model, past } = await loaded(path, engine);
      const fresh = served(name, version, model, limits, counts, { isOwn: true, past });
      await fresh.warm().catch(async (error) => {
        await fresh.end();
        throw error;
      });
      void current.get(name)?.end();
      current.set(name, fresh);
      report?.({ model: name, version });
    } catch (error) {
      broken.set(path, { state, error });
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

/** A model on the disk, and a function that returns its versions that are whole, the newest first. */
interface ModelOnDisk {
  readonly model: string;
  readonly versions: () => Promise<readonly Version[]>;
}

/** Returns the models of a folder. */
async function modelsIn(folder: string): Promise<readonly ModelOnDisk[]> {
  const path = folder.replace(/\/+$/, "") || "/";
  if (await fileOf(path) !== undefined) {
    const model = (await system()!.realPath(path)).split(/[\\/]/).at(-1)!;
    return [{ model, versions: () => Promise.resolve([{ model, version: "1", path }]) }];
  }
  const found: ModelOnDisk[] = [];
  for (const { name: model, kind } of await system()!.entries(path)) {
    if (model.startsWith(".")) continue;
    const isFolder = kind === "folder" || kind === "link" && await kindOr(`${path}/${model}`, "folder") === "folder";
    if (isFolder) found.push({ model, versions: () => versionsIn(`${path}/${model}`, model) });
  }
  return found;
}

async function versionsIn(path: string, model: string): Promise<readonly Version[]> {
  const versions = (await system()!.entries(path))
    .filter(({ name, kind }) => (kind === "folder" || kind === "link") && /^\d{1,15}$/.test(name))
    .map(({ name }) => name)
    .sort((a, b) => Number(b) - Number(a));
  const whole: Version[] = [];
  for (const version of versions) {
    if (await fileOf(`${path}/${version}`) === undefined) continue; // not whole yet
    whole.push({ model, version, path: `${path}/${version}` });
  }
  return whole;
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
  for (const file of [specFile, `model/${specFile}`]) {
    if (await kindOr(`${path}/${file}`, "file") === "file") return file;
  }
  return undefined;
}

/** Returns the kind of what is at a path; where that cannot be known another, so that reading it reports why. */
async function kindOr(path: string, other: FileKind): Promise<FileKind | undefined> {
  return await kindAt(path).catch(() => other);
}

/** Returns a text that changes when a file of a version is written, as where a copy of it goes on. */
async function stateOf(path: string): Promise<string> {
  const states = [path, `${path}/model`, `${path}/history`].map(async (folder) => {
    const files = await system()!.entries(folder).catch(() => []);
    return await Promise.all(files.map(async ({ name }) => {
      return `${folder}/${name} ${(await system()!.stat(`${folder}/${name}`).catch(() => undefined))?.version}`;
    }));
  });
  return (await Promise.all(states)).flat().sort().join("\n");
}
