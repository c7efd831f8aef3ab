import { gunzip } from "./gzip.ts";

/** A source of text: a file by its path or file URL, or bytes from anywhere. */
export type Source = string | URL | ReadableStream<Uint8Array>;

/** Returns the name of a source in errors. */
export function sourceName(source: Source): string {
  return typeof source === "string" ? source : source instanceof URL ? source.pathname : "stream";
}

/**
 * Yields the bytes of a source, decompressed if they begin with gzip's magic number.
 *
 * @param source The source.
 * @param name Its name in errors.
 * @param sha256 The hash that the decompressed bytes must have. Default: any.
 * @throws {Error} if the source cannot be read, its compressed bytes are damaged, or its hash is another.
 */
export async function* bytesOf(source: Source, name: string, sha256?: string): AsyncGenerator<Uint8Array> {
  const hash = sha256 === undefined ? undefined : (await import("node:crypto")).createHash("sha256");
  try {
    for await (const chunk of plain(await open(source))) {
      hash?.update(chunk);
      yield chunk;
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot read ${name}: ${reason}`, { cause: error });
  }
  const found = hash?.digest("hex");
  if (found !== sha256) {
    throw new Error(`Cannot read ${name}: it is another file or was changed: found sha256 ${found}, wanted ${sha256}`);
  }
}

/** The bytes of a file, or the stream itself. */
async function open(source: Source): Promise<ReadableStream<Uint8Array>> {
  return source instanceof ReadableStream ? source : (await Deno.open(source)).readable;
}

/** The bytes of a stream as they are, or decompressed where they begin with gzip's magic number. */
async function* plain(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  const head: Uint8Array[] = [];
  async function* whole(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (const chunk of head) yield* pieces(chunk);
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield* pieces(next.value);
  }
  try {
    for (let length = 0; length < 10;) {
      const { value, done } = await reader.read();
      if (done) break;
      head.push(value);
      length += value.length;
    }
    const start = String.fromCharCode(...head.flatMap((chunk) => [...chunk.subarray(0, 10)]));
    const found = compressions.find(([magic]) => [...magic].every((byte, at) => byte === "?" || byte === start[at]));
    if (found !== undefined) throw new SyntaxError(`found ${found[1]}, wanted text, plain or gzip`);
    yield* start.startsWith("\x1f\x8b") ? gunzip(whole()) : whole();
  } finally {
    await reader.cancel();
  }
}

/** Compressed files that are not read, by the bytes that they begin with; `?` stands for any byte. */
const compressions: readonly (readonly [magic: string, name: string])[] = [
  ["PK\x03\x04", "a zip archive"],
  ["\x28\xb5\x2f\xfd", "zstd data"],
  ["BZh?1AY&SY", "bzip2 data"],
  ["\xfd7zXZ\0", "xz data"],
];

/** Bytes in pieces of at most 64 KiB, of which a decompressor makes pieces that fit into memory. */
export function* pieces(bytes: Uint8Array): Generator<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < bytes.length; at += 65536) yield bytes.subarray(at, at + 65536) as Uint8Array<ArrayBuffer>;
}
