import { bytesOf } from "../data/source.ts";
import { files as system } from "../files/runtime.ts";
import { chunksOf, streamOf } from "../files/source.ts";
import { removed } from "../files/staged.ts";
import { untar } from "./zip.ts";

/** A file that an archive should hold. */
export interface WantedFile {
  /** Its name, which may be followed by `.gz`, in any folder of the archive. */
  readonly name: string;
  /** The SHA-256 of its text; undefined if the archive is known to be the right one. */
  readonly sha256?: string;
}

/**
 * Writes files of a tar archive to a folder, as gzip, all of them or none: under other names beside the final ones, and
 * renamed when all are whole.
 *
 * @param tar The bytes of the archive.
 * @param files The files, of which the archive may hold more.
 * @param archive The archive's name in errors.
 * @returns The paths of the files.
 * @throws {Error} if the archive is damaged or lacks a file; nothing is left behind.
 */
export async function unpack(
  tar: AsyncIterable<Uint8Array>,
  files: readonly WantedFile[],
  folder: string,
  archive: string,
): Promise<string[]> {
  const parts = new Map<WantedFile, string>();
  try {
    for await (const { name, bytes } of untar(tar)) {
      const file = files.find((file) => [file.name, `${file.name}.gz`].includes(name.slice(name.lastIndexOf("/") + 1)));
      if (file === undefined || parts.has(file)) continue;
      const part = partOf(`${folder}/${file.name}`);
      parts.set(file, part);
      const zipped = streamOf(bytesOf(streamOf(bytes), name, file.sha256)) as ReadableStream<BufferSource>;
      await writeChunks(part, chunksOf(zipped.pipeThrough(new CompressionStream("gzip"))));
    }
    const absent = files.find((file) => !parts.has(file));
    if (absent !== undefined) throw new Error(`found no ${absent.name} in ${archive}`);
    const paths: string[] = [];
    for (const [file, part] of parts) {
      const path = `${folder}/${file.name}.gz`;
      await system().rename(part, path);
      paths.push(path);
    }
    return paths;
  } finally {
    for (const part of parts.values()) await removed(part);
  }
}

/** Returns a new name for what will be a file when it is whole. */
export function partOf(path: string): string {
  return `${path}.${crypto.randomUUID().slice(0, 8)}.part`;
}

/** Writes a new file of bytes that come in pieces. */
export async function writeChunks(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await system().create(path);
  try {
    for await (const bytes of chunks) {
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    }
  } finally {
    await file.close();
  }
}

/**
 * Yields the bytes of a stream as they are.
 *
 * @throws {Error} if they are more than a number of them. The signal's reason if it is stopped.
 */
export async function* bounded(
  stream: AsyncIterable<Uint8Array>,
  limit: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const chunk of stream) {
    signal?.throwIfAborted();
    length += chunk.length;
    if (length > limit) throw new Error(`found more than ${limit / 2 ** 20} MiB`);
    yield chunk;
  }
}
