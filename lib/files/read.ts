import { failure, files } from "./runtime.ts";
import type { OpenFile } from "./system.ts";
import { explained, type FilePlace, kindAt, message, placeOf } from "./place.ts";

/** The options of {@linkcode readFolderFile}. */
export interface ReadOptions {
  /** The most bytes that the file may hold, or a function that returns it from the first eight bytes. */
  readonly limit: number | ((start: Uint8Array) => number);
  /** The files that such a folder holds, for errors. */
  readonly wanted: readonly string[];
  /** The action that errors name. Default: `read folder`. */
  readonly action?: string;
}

/**
 * Reads a file of a folder, after its size is known to be within a limit. Needs the permission to read the folder.
 *
 * @throws {RangeError} if it is larger than the limit.
 * @throws {Deno.errors.NotFound} if the folder or the file is missing.
 * @throws {Deno.errors.NotCapable} if a permission is missing, with the flag that gives it.
 *
 * @example
 * ```ts ignore
 * const wanted = ["spec.json", "params.safetensors"];
 * const bytes = await readFolderFile("./model", "spec.json", { limit: 1e6, wanted, action: "load model" });
 * ```
 */
export async function readFolderFile(
  folder: string,
  name: string,
  options: ReadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { limit } = options;
  return await openFolderFile(folder, name, options, (file, place) => readWithin(file, limit, place));
}

/**
 * Does something with an open file of a folder, which is then closed. Needs the permission to read the folder.
 *
 * @throws {Deno.errors.NotFound} if the folder or the file is missing.
 * @throws {Deno.errors.NotCapable} if a permission is missing, with the flag that gives it.
 */
export async function openFolderFile<T>(
  folder: string,
  name: string,
  options: Omit<ReadOptions, "limit">,
  work: (file: OpenFile, place: FilePlace) => Promise<T>,
): Promise<T> {
  const { wanted, action = "read folder" } = options;
  const place = { ...placeOf(`${folder}/${name}`, action), path: folder };
  const path = `${folder}/${name}`;
  try {
    const kind = await kindAt(folder);
    if (kind !== "folder") throw await noFolder(place, kind);
    const there = await kindAt(path);
    if (there !== "file") {
      const found = there === undefined ? `no ${name} found` : `${name} is not a file`;
      throw failure("NotFound", message(place, `${found}, wanted ${wanted.join(" and ")}`));
    }
    return await opened(path, (file) => work(file, { ...place, path }));
  } catch (error) {
    throw explained(error, place);
  }
}

/** Returns the text of a file's first bytes, so many at most. */
export async function startOf(path: string, most: number): Promise<string> {
  return await opened(path, async (file) => {
    return new TextDecoder().decode(await filled(file, new Uint8Array(Math.min(most, await file.size()))));
  });
}

async function readWithin(
  file: OpenFile,
  limit: ReadOptions["limit"],
  place: FilePlace,
): Promise<Uint8Array<ArrayBuffer>> {
  const size = await file.size();
  const start = await filled(file, new Uint8Array(Math.min(size, 8)));
  const most = typeof limit === "number" ? limit : limit(start);
  if (size > most) throw new RangeError(message(place, `the file holds ${size} bytes, wanted at most ${most}`));
  const bytes = new Uint8Array(size);
  bytes.set(start);
  const rest = await filled(file, bytes.subarray(start.length));
  const more = await file.read(new Uint8Array(1));
  if (start.length + rest.length < size || more !== 0) {
    throw new Error(message(place, "the file changed while it was read"));
  }
  return bytes;
}

/** Does something with a file, which is then closed. */
async function opened<T>(path: string, work: (file: OpenFile) => Promise<T>): Promise<T> {
  const file = await files().open(path);
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

/** Reads into an array, and returns the part of it that the file fills. */
export async function filled(file: OpenFile, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  let at = 0;
  for (let read = 1; at < bytes.length && read > 0; at += read) read = await file.read(bytes.subarray(at));
  return bytes.subarray(0, at);
}

async function noFolder(place: FilePlace, kind: string | undefined): Promise<Error> {
  if (kind === "link to nothing") return failure("NotFound", message(place, `found a ${kind}, wanted a folder`));
  if (kind !== undefined) return failure("NotADirectory", message(place, `found a ${kind}, wanted a folder`));
  const { parent, name } = placeOf(place.path, place.action);
  const start = `.${name}.gatehouse-old-`;
  const siblings = await files().entries(parent).catch(() => []);
  const old = siblings.find((entry) => entry.name.startsWith(start));
  const advice = old && `, but a killed run left the version before at ${parent}/${old.name}`;
  return failure("NotFound", message(place, `no folder found${advice ?? ""}`));
}
