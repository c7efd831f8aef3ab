import { kindOf } from "../errors/kinds.ts";
import { sha256Of } from "../files/sha256.ts";
import { chunksOf, type Source } from "../files/source.ts";
import { gunzip } from "./gzip.ts";

/**
 * Yields the bytes of a source, decompressed if they begin with gzip's magic number.
 *
 * @param source The source.
 * @param name Its name in errors.
 * @param sha256 The hash that the decompressed bytes must have. Default: any.
 * @param signal Stops the reading of an address.
 * @throws {Error} if the source cannot be read, its compressed bytes are damaged, or its hash is another.
 */
export async function* bytesOf(
  source: Source,
  name: string,
  sha256?: string,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const hash = sha256 === undefined ? undefined : sha256Of();
  try {
    for await (const chunk of plain(chunksOf(source, signal, true))) {
      hash?.update(chunk);
      yield chunk;
    }
  } catch (error) {
    signal?.throwIfAborted();
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot read ${name}: ${reason}`, { cause: error });
  }
  const found = hash?.digest();
  if (found !== sha256) {
    throw new Error(`Cannot read ${name}: it is another file or was changed: found sha256 ${found}, wanted ${sha256}`);
  }
}

/**
 * The bytes as they are, or decompressed where they begin with gzip's magic number.
 *
 * @param most How often they may be packed: twice, as a server may pack what is packed. Data exist that are packed for ever.
 */
async function* plain(chunks: AsyncGenerator<Uint8Array>, most = 2): AsyncGenerator<Uint8Array> {
  const head: Uint8Array[] = [];
  async function* whole(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (const chunk of head) yield* pieces(chunk);
    for await (const chunk of chunks) yield* pieces(chunk);
  }
  try {
    for (let length = 0; length < 2;) {
      const { value, done } = await chunks.next();
      if (done) break;
      checkBytes(value);
      head.push(value);
      length += value.length;
    }
    const [first, second] = head.flatMap((chunk) => [...chunk.subarray(0, 2)]);
    const isPacked = first === 0x1f && second === 0x8b;
    if (isPacked && most === 0) throw new Error("found gzip data packed more than twice, wanted them unpacked");
    yield* isPacked ? plain(gunzip(whole()), most - 1) : whole();
  } finally {
    await chunks.return(undefined);
  }
}

/** Bytes in pieces of at most 64 KiB, of which a decompressor makes pieces that fit into memory. */
export function* pieces(bytes: Uint8Array): Generator<Uint8Array<ArrayBuffer>> {
  checkBytes(bytes);
  for (let at = 0; at < bytes.length; at += 65536) yield bytes.subarray(at, at + 65536) as Uint8Array<ArrayBuffer>;
}

/** Makes sure that a chunk of a stream is bytes. */
function checkBytes(chunk: unknown): void {
  if (chunk instanceof Uint8Array) return;
  const advised = typeof chunk === "string" ? ": pipe it through new TextEncoderStream()" : "";
  throw new TypeError(
    `found a stream of ${typeof chunk === "string" ? "text" : kindOf(chunk)}, wanted bytes${advised}`,
  );
}
