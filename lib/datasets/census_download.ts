import { checkFunction, checkList, checkSignal, checkText, optionsOf } from "../errors/kinds.ts";
import { censusAddress, type CensusFile, censusFiles, censusFolder } from "./census_files.ts";
import { bytesOf } from "../data/source.ts";
import { chunksOf, streamOf } from "../files/source.ts";
import { removed } from "../files/staged.ts";
import { files as system } from "../files/runtime.ts";
import { untar, unzip } from "./zip.ts";

/** Options of {@linkcode downloadCensus}. */
export interface DownloadOptions {
  /** The folder to write. By default `data/census`, where {@linkcode census} finds the files. */
  readonly folder?: string;
  /** The address of the zip archive. By default the official one. */
  readonly address?: string;
  /** The files and their hashes. By default the official ones. */
  readonly files?: readonly CensusFile[];
  /** The function that fetches the address. */
  readonly fetch?: (address: string, init: { readonly signal?: AbortSignal }) => Promise<Response>;
  /** Stops the download. */
  readonly signal?: AbortSignal;
}

/** More than this is not an archive of Census-Income (which has 9 MB), and is not kept in memory. */
const largest = 100 * 2 ** 20;

/** More than this in the archive is not Census-Income (which has 160 MB), and is not written. */
const largestText = 1000 * 2 ** 20;

/**
 * Downloads Census-Income: a zip archive that holds census.tar.gz, which holds the files.
 *
 * The files are written as gzip under other names beside the final ones, and renamed when the SHA-256 of both texts
 * has been checked, so that after any failure there is either the old file or none.
 *
 * @returns The paths of the files.
 * @throws {Error} if the download fails, is damaged, or holds other files; nothing is left behind. The signal's reason
 * if it is stopped.
 *
 * @example
 * ```ts ignore
 * import { downloadCensus } from "@gatehouse/gatehouse/datasets";
 *
 * await downloadCensus();
 * ```
 */
export async function downloadCensus(options: DownloadOptions = {}): Promise<string[]> {
  const {
    folder = censusFolder,
    address = censusAddress,
    files = Object.values(censusFiles),
    signal,
    fetch = globalThis.fetch,
  } = optionsOf(
    "download Census-Income",
    options,
    ["folder", "address", "files", "fetch", "signal"],
  );
  const action = "download Census-Income";
  checkText(action, "folder", folder);
  checkText(action, "address", address);
  checkList(action, "files", files);
  checkFunction(action, "fetch", fetch);
  checkSignal(action, signal);
  if (folder === "") throw new TypeError("Cannot download Census-Income: the folder has no name");
  const parts = new Map<CensusFile, string>();
  try {
    const zip = await fetched(address, { fetch, signal });
    await system().mkdir(folder, { recursive: true });
    const tar = bounded(bytesOf(unzip(zip, (name) => /(^|\/)census\.tar\.gz$/.test(name)), "census.tar.gz"), signal);
    for await (const { name, bytes } of untar(tar)) {
      const file = files.find((file) => [file.name, `${file.name}.gz`].includes(name.slice(name.lastIndexOf("/") + 1)));
      if (file === undefined || parts.has(file)) continue;
      const part = `${folder}/${file.name}.${crypto.randomUUID().slice(0, 8)}.part`;
      parts.set(file, part);
      await write(part, bytesOf(streamOf(bytes), name, file.sha256));
    }
    const absent = files.find((file) => !parts.has(file));
    if (absent !== undefined) throw new Error(`found no ${absent.name} in census.tar.gz`);
    const paths: string[] = [];
    for (const [file, part] of parts) {
      const path = `${folder}/${file.name}.gz`;
      await system().rename(part, path);
      paths.push(path);
    }
    return paths;
  } catch (error) {
    signal?.throwIfAborted();
    const below = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : "";
    const reason = `${error instanceof Error ? error.message : String(error)}${below}`;
    throw new Error(`Cannot download Census-Income\n  at ${address}: ${reason}`, { cause: error });
  } finally {
    for (const part of parts.values()) await removed(part);
  }
}

/** Writes text as a gzip file. */
async function write(path: string, text: AsyncIterable<Uint8Array>): Promise<void> {
  const zipped = (streamOf(text) as ReadableStream<BufferSource>).pipeThrough(new CompressionStream("gzip"));
  const file = await system().create(path);
  try {
    for await (const bytes of chunksOf(zipped)) {
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    }
  } finally {
    await file.close();
  }
}

/** The bytes of an address. */
async function fetched(address: string, { fetch = globalThis.fetch, signal }: DownloadOptions): Promise<
  Uint8Array<ArrayBuffer>
> {
  const response = await fetch(address, { signal });
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new Error(`found status ${response.status} ${response.statusText}, wanted 200`);
  }
  return new Uint8Array(await new Response(streamOf(bounded(chunksOf(response.body), signal, largest))).arrayBuffer());
}

/** A stream as it is, up to a number of bytes. */
async function* bounded(
  stream: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
  limit: number = largestText,
): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const chunk of stream) {
    signal?.throwIfAborted();
    length += chunk.length;
    if (length > limit) throw new Error(`found more than ${limit / 2 ** 20} MiB`);
    yield chunk;
  }
}
