import { createHash } from "node:crypto";
import { bytesOf } from "../../lib/data/source.ts";
import { bounded, partOf, unpack, writeChunks } from "../../lib/datasets/unpack.ts";
import { chunksOf } from "../../lib/files/source.ts";
import { makeFolder } from "../make_folder.ts";

/** Options of {@linkcode downloadKuairand}. */
export interface DownloadOptions {
  /** The folder to write. By default `data/kuairand`. */
  readonly folder?: string;
  /** The address of the archive. By default the official one. */
  readonly address?: string;
  /** The MD5 of the archive. By default that of the official one. */
  readonly md5?: string;
  /** The function that fetches the address. */
  readonly fetch?: (address: string, init: { readonly signal?: AbortSignal }) => Promise<Response>;
  /** Stops the download. */
  readonly signal?: AbortSignal;
}

/** The files of KuaiRand-Pure: showings by the standard policy and by chance, and their users and videos. */
export const pureFiles = {
  first: "log_standard_4_08_to_4_21_pure.csv",
  second: "log_standard_4_22_to_5_08_pure.csv",
  random: "log_random_4_22_to_5_08_pure.csv",
  users: "user_features_pure.csv",
  videos: "video_features_basic_pure.csv",
} as const;

/** The official archive, and what its publisher states as its MD5. */
export const pureArchive = {
  address: "https://zenodo.org/records/10439422/files/KuaiRand-Pure.tar.gz",
  md5: "0820331067a3784d9691136f772b35a7",
} as const;

const name = "KuaiRand-Pure.tar.gz";

/** More than this is neither the archive nor its files, and is not written. */
const [largest, largestFiles] = [1000 * 2 ** 20, 4000 * 2 ** 20];

/**
 * Downloads KuaiRand-Pure, whole: all of the standard logs, 8 April to 8 May 2022, not the twelve days that
 * `kuairandFiles` lists.
 *
 * The archive is kept beside the files until its MD5 has been checked; they are then unpacked as gzip under other names,
 * and renamed when all of them are there, so that after any failure there are either the old files or none.
 *
 * @returns The paths of the files, those of {@linkcode pureFiles} with `.gz`.
 * @throws {Error} if the download fails, is damaged, or lacks a file; nothing is left behind. The signal's reason if it is
 * stopped.
 */
export async function downloadKuairand(options: DownloadOptions = {}): Promise<string[]> {
  const { folder = "data/kuairand", address, md5, fetch = globalThis.fetch, signal } = { ...pureArchive, ...options };
  await makeFolder(folder, "download KuaiRand");
  const part = partOf(`${folder}/${name}`);
  try {
    const response = await fetch(address, { signal });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new Error(`found status ${response.status} ${response.statusText}, wanted 200`);
    }
    const hash = createHash("md5");
    await writeChunks(part, hashed(bounded(chunksOf(response.body), largest, signal), hash));
    const found = hash.digest("hex");
    if (found !== md5) {
      throw new Error(`the archive is cut short or another one: found md5 ${found}, wanted ${md5}`);
    }
    return await unpack(bounded(bytesOf(part, name), largestFiles, signal), wanted, folder, name);
  } catch (error) {
    signal?.throwIfAborted();
    const { message, cause } = error instanceof Error ? error : { message: String(error) };
    const reason = cause instanceof Error ? `${message}: ${cause.message}` : message;
    throw new Error(`Cannot download KuaiRand-Pure\n  at ${address}: ${reason}`, { cause: error });
  } finally {
    await Deno.remove(part).catch(() => {});
  }
}

const wanted = Object.values(pureFiles).map((name) => ({ name }));

async function* hashed(
  chunks: AsyncIterable<Uint8Array>,
  hash: { readonly update: (bytes: Uint8Array) => unknown },
): AsyncGenerator<Uint8Array> {
  for await (const bytes of chunks) {
    hash.update(bytes);
    yield bytes;
  }
}
