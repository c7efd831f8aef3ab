import { gunzip } from "./gzip.ts";
import { kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";

/** A source of text: a file by its path or file URL, or bytes from anywhere. */
export type Source = string | URL | ReadableStream<Uint8Array>;

/** Returns the name of a source in errors. */
export function sourceName(source: Source): string {
  return typeof source === "string" ? source : source instanceof URL ? source.pathname : "stream";
}

/**
 * Makes sure that something is a source.
 *
 * @throws {TypeError} if it is not; the error says how to make one of it.
 */
export function checkSource(source: unknown): asserts source is Source {
  if (source instanceof ReadableStream) {
    if (source.locked) throw new TypeError("Cannot read stream: it is being read already: wanted a fresh one");
  } else if (source instanceof Blob) {
    throw new TypeError("Cannot read source: found a Blob, wanted its stream: blob.stream()");
  } else if (source instanceof URL ? source.protocol !== "file:" : isAddress(source)) {
    const wanted = 'files alone are read, wanted a path, new URL("file:///...") or a stream: (await fetch(url)).body';
    throw new TypeError(`Cannot read ${quoted(String(source))}: ${wanted}`);
  } else if (!(source instanceof URL) && (typeof source !== "string" || source === "")) {
    throw new TypeError(`Cannot read source: wanted a path, a file URL or a stream of bytes, found ${kindOf(source)}`);
  }
}

/** Returns true if something is the text of a URL, rather than of a path. */
function isAddress(source: unknown): boolean {
  return typeof source === "string" && /^[a-z][a-z\d+.-]+:\/\//i.test(source);
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
    for (let length = 0; length < 2;) {
      const { value, done } = await reader.read();
      if (done) break;
      checkBytes(value);
      head.push(value);
      length += value.length;
    }
    const [first, second] = head.flatMap((chunk) => [...chunk.subarray(0, 2)]);
    yield* first === 0x1f && second === 0x8b ? gunzip(whole()) : whole();
  } finally {
    await reader.cancel();
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
