import { isRecord, kindOf } from "../errors/kinds.ts";
import { besidePath, type FilePlace, kindAt, message, placeOf } from "./place.ts";
import { filled, openFolderFile, readFolderFile } from "./read.ts";
import { room } from "./room.ts";
import { files, system, unreachable } from "./runtime.ts";
import { chunksOf, pathOf, type Source, sourceName, urlOf } from "./source.ts";

/** Files by name: texts, bytes, Blobs as file pickers give them, or Responses. */
export type Contents = Readonly<Record<string, string | Uint8Array | ArrayBuffer | Blob | Response>>;

/** A folder that is read, wherever it is. */
export interface Folder {
  /** The name of the folder in errors. */
  readonly name: string;
  /** Returns the name of a file in errors. */
  readonly nameOf: (file: string) => string;
  /** Returns true if there is a file of a name, as far as that is known without reading it. */
  readonly has: (file: string) => Promise<boolean>;
  /**
   * Reads a file.
   *
   * @param limit The most bytes that it may hold, or a function that returns it from the first eight bytes.
   * @throws {RangeError} if it is larger than the limit.
   * @throws {Error} if it is missing or cannot be read.
   */
  readonly read: (
    file: string,
    limit: number | ((start: Uint8Array) => number),
  ) => Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Does something with the bytes of a file as they come.
   *
   * @throws {Error} if it is missing or cannot be read.
   */
  readonly open: <T>(file: string, work: (bytes: ByteReader) => Promise<T>) => Promise<T>;
  /** Returns a text that differs after some files are replaced; always the same where they cannot be. */
  readonly version: (files: readonly string[]) => Promise<string>;
  /** Returns the folder of a name beside it; absent where nothing is known to lie beside it. */
  readonly beside?: (name: string) => Folder;
}

/** Bytes that are read one after the other. */
export interface ByteReader {
  /** The number of all; undefined if only their end shows it. */
  readonly size: number | undefined;
  /** Fills an array with the next bytes, and returns the part that is filled: less than all at their end alone. */
  readonly fill: (bytes: Uint8Array<ArrayBuffer>) => Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * Returns a folder by its path or URL, or made of files by name.
 *
 * @param wanted The files that such a folder holds, for errors.
 * @param action The action that errors name.
 * @param signal Stops the reading of an address.
 * @throws {TypeError} if it is anything else.
 * @throws {Error} if it is a path, and this runtime reaches no files.
 */
export function folderOf(
  source: string | URL | Contents,
  wanted: readonly string[],
  action: string,
  signal?: AbortSignal,
): Folder {
  const url = urlOf(source);
  if (url !== undefined && /^https?:$/.test(url.protocol)) return remote(url, wanted, action, signal);
  if (typeof source === "string" || url?.protocol === "file:") {
    const path = url === undefined ? source as string : pathOf(url);
    if (system() !== undefined) return onDisk(path, wanted, action);
    const instead = `wanted a URL, or the files by name: { ${wanted.map((name) => `"${name}": ...`).join(", ")} }`;
    throw new Error(message({ action, path }, `${unreachable}: ${instead}`));
  }
  if (url === undefined && isRecord(source)) return inMemory(source as Contents, wanted, action);
  const found = url === undefined ? kindOf(source) : `a URL of ${url.protocol}`;
  throw new TypeError(`Cannot ${action}: wanted the path or the URL of a folder, or its files by name, found ${found}`);
}

function onDisk(path: string, wanted: readonly string[], action: string): Folder {
  placeOf(`${path}/${wanted[0]}`, action);
  return {
    name: path,
    nameOf: (file) => `${path}/${file}`,
    has: async (file) => await kindAt(`${path}/${file}`) === "file",
    read: (file, limit) => readFolderFile(path, file, { limit, wanted: also(wanted, file), action }),
    open: (file, work) =>
      openFolderFile(path, file, { wanted: also(wanted, file), action }, async (open) => {
        return await work({ size: await open.size(), fill: (bytes) => filled(open, bytes) });
      }),
    version: async (names) => {
      const { entries, stat } = files();
      const there = (await entries(path).catch(() => [])).map(({ name }) => name);
      const infos = await Promise.all(names.map((name) => stat(`${path}/${name}`).catch(() => undefined)));
      return JSON.stringify([there.sort(), infos.map((info) => info?.version)]);
    },
    beside: (name) => onDisk(besidePath(path, name), wanted, action),
  };
}

function remote(folder: URL, wanted: readonly string[], action: string, signal?: AbortSignal): Folder {
  const urlOf = (file: string) => {
    const url = new URL(folder);
    url.pathname = `${folder.pathname.replace(/\/$/, "")}/${encodeURIComponent(file)}`;
    return url;
  };
  const nameOf = (file: string) => sourceName(urlOf(file));
  const placeIn = (file: string) => ({ action, path: nameOf(file), advice: needs(also(wanted, file)) });
  return {
    name: sourceName(folder),
    nameOf,
    has: () => Promise.resolve(false),
    read: (file, limit) => readWithin(urlOf(file), limit, placeIn(file), signal),
    open: (file, work) => opened(urlOf(file), placeIn(file), work, signal),
    version: () => Promise.resolve(""),
    beside: (name) => {
      const url = new URL(folder);
      url.pathname = folder.pathname.replace(/[^/]*\/?$/, name);
      return remote(url, wanted, action, signal);
    },
  };
}

function inMemory(contents: Contents, wanted: readonly string[], action: string): Folder {
  const placeIn = (file: string) => ({ action, path: file });
  const sourceOf = (file: string): Source => {
    const content: unknown = Object.hasOwn(contents, file) ? contents[file] : undefined;
    if (content === undefined) {
      throw new TypeError(message(placeIn(file), `no such file was given, ${needs(also(wanted, file))}`));
    }
    const source = typeof content === "string" ? new TextEncoder().encode(content) : content;
    if (source instanceof Uint8Array || source instanceof ArrayBuffer || source instanceof Blob) return source;
    if (!(source instanceof Response)) {
      const found = `found ${kindOf(source)}, wanted a text, bytes, a Blob or a Response`;
      throw new TypeError(message(placeIn(file), found));
    }
    if (!source.bodyUsed) return source;
    throw new TypeError(message(placeIn(file), "its body was read already: wanted a fresh Response"));
  };
  return {
    name: "the files",
    nameOf: (file) => file,
    has: (file) => Promise.resolve(Object.hasOwn(contents, file)),
    read: async (file, limit) => await readWithin(sourceOf(file), limit, placeIn(file)),
    open: async (file, work) => await opened(sourceOf(file), placeIn(file), work),
    version: () => Promise.resolve(""),
  };
}

/** Returns the files that a folder holds, with one that they name. */
function also(wanted: readonly string[], file: string): readonly string[] {
  return wanted.includes(file) ? wanted : [...wanted, file];
}

function needs(wanted: readonly string[]): string {
  return `wanted ${wanted.join(" and ")}`;
}

async function readWithin(
  source: Source,
  limit: number | ((start: Uint8Array) => number),
  place: Place,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  let bytes = new Uint8Array(65536);
  let length = 0;
  const check = () => {
    const most = typeof limit === "number" ? limit : limit(bytes.subarray(0, Math.min(length, 8)));
    if (length > most) {
      throw new RangeError(message(place, `the file holds more than ${most} bytes, wanted at most that`));
    }
  };
  try {
    for await (const chunk of chunksOf(source, signal)) {
      bytes = room(bytes, length + chunk.length);
      bytes.set(chunk, length);
      length += chunk.length;
      if (length >= 8) check();
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof RangeError && error.message.startsWith("Cannot ")) throw error;
    throw new Error(message(place, (error as Error).message), { cause: error });
  }
  check();
  return bytes.slice(0, length);
}

/** Does something with the bytes of a source, of which the first have come: so a missing file is found before. */
async function opened<T>(
  source: Source,
  place: Place,
  work: (bytes: ByteReader) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const chunks = explainedChunks(source, place, signal);
  const next = async () => (await chunks.next()).value ?? undefined;
  let rest = await next();
  const fill: ByteReader["fill"] = async (bytes) => {
    let length = 0;
    while (rest !== undefined && length < bytes.length) {
      const taken = rest.subarray(0, bytes.length - length);
      bytes.set(taken, length);
      length += taken.length;
      rest = taken.length < rest.length ? rest.subarray(taken.length) : await next();
    }
    return bytes.subarray(0, length);
  };
  try {
    return await work({ size: sizeOf(source), fill });
  } finally {
    await chunks.return(undefined);
  }
}

type Place = Pick<FilePlace, "action" | "path" | "advice">;

async function* explainedChunks(
  source: Source,
  place: Place,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, undefined> {
  try {
    yield* chunksOf(source, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw new Error(message(place, (error as Error).message), { cause: error });
  }
}

function sizeOf(source: Source): number | undefined {
  if (source instanceof Blob) return source.size;
  return source instanceof Uint8Array || source instanceof ArrayBuffer ? source.byteLength : undefined;
}
