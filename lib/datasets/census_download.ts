import { checkFunction, checkList, checkSignal, checkText, optionsOf } from "../errors/kinds.ts";
import { censusAddress, type CensusFile, censusFiles, censusFolder } from "./census_files.ts";
import { bytesOf } from "../data/source.ts";
import { chunksOf, streamOf } from "../files/source.ts";
import { files as system } from "../files/runtime.ts";
import { bounded, unpack } from "./unpack.ts";
import { unzip } from "./zip.ts";

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
  try {
    const zip = await fetched(address, { fetch, signal });
    await system().mkdir(folder, { recursive: true });
    const archive = "census.tar.gz";
    const tar = bytesOf(unzip(zip, (name) => /(^|\/)census\.tar\.gz$/.test(name)), archive);
    return await unpack(bounded(tar, largestText, signal), files, folder, archive);
  } catch (error) {
    signal?.throwIfAborted();
    const below = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : "";
    const reason = `${error instanceof Error ? error.message : String(error)}${below}`;
    throw new Error(`Cannot download Census-Income\n  at ${address}: ${reason}`, { cause: error });
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
  return new Uint8Array(await new Response(streamOf(bounded(chunksOf(response.body), largest, signal))).arrayBuffer());
}
