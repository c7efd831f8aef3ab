import { isRecord, kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { unansweredReason } from "./answered.ts";
import { files, system, unreachable } from "./runtime.ts";

/** Bytes of which any part can be read, again and again. */
export interface Ranged {
  /** Their name in errors. */
  readonly name: string;
  /** Their number. */
  readonly size: number;
  /**
   * Reads the bytes from a position to another, which lie within.
   *
   * @throws {Error} if they cannot be read, or are others than before.
   */
  readonly read: (start: number, end: number, signal?: AbortSignal) => Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * A source of bytes: a file by its path or `file:` URL, what another URL answers with, what lies in a store
 * ({@linkcode Ranged}), or the bytes themselves: in memory, in a `Blob` (file pickers give them), in a `Response` or in a
 * stream.
 */
export type Source = string | URL | Uint8Array | ArrayBuffer | Blob | Ranged | Response | ReadableStream<Uint8Array>;

/** The URLs that are read. */
const protocols: readonly string[] = ["file:", "http:", "https:", "data:", "blob:"];

/**
 * Makes sure that something is a source.
 *
 * @throws {TypeError} if it is not, or was read already.
 */
export function checkSource(source: unknown): asserts source is Source {
  if (source instanceof ReadableStream) {
    if (source.locked) throw new TypeError("Cannot read stream: it is being read already: wanted a fresh one");
  } else if (source instanceof Response) {
    if (source.bodyUsed || source.body?.locked) {
      throw new TypeError("Cannot read response: its body was read already: wanted a fresh one");
    }
  } else if (source instanceof URL || typeof source === "string" && source !== "") {
    const url = urlOf(source);
    if (url === undefined || protocols.includes(url.protocol)) return;
    const stored = url.protocol === "s3:" ? ", or what s3Files() of ./s3 finds there" : "";
    throw new TypeError(
      `Cannot read ${quoted(String(source))}: wanted a path, or a URL of http, https or file${stored}`,
    );
  } else if (
    !(source instanceof Uint8Array || source instanceof ArrayBuffer || source instanceof Blob || isRanged(source))
  ) {
    const wanted = "a path, a URL, bytes, a Blob, a Response or a stream of bytes";
    throw new TypeError(`Cannot read source: wanted ${wanted}, found ${kindOf(source)}`);
  }
}

/** Returns true if something is bytes of which any part can be read. */
export function isRanged(source: unknown): source is Ranged {
  return isRecord(source) && typeof source.read === "function" && Number.isSafeInteger(source.size) &&
    typeof source.name === "string";
}

/** Returns the name of a source in errors: a URL without its query, which may hold a secret. */
export function sourceName(source: Source): string {
  if (isRanged(source)) return source.name;
  if (source instanceof Response) return source.url === "" ? "response" : sourceName(new URL(source.url));
  if (source instanceof Blob) return (source as Partial<File>).name || "blob";
  if (source instanceof ReadableStream) return "stream";
  const url = urlOf(source);
  if (url === undefined) return typeof source === "string" ? source : "bytes";
  if (url.protocol === "file:") return pathOf(url);
  return /^https?:$/.test(url.protocol) ? `${url.origin}${url.pathname}` : `${url.protocol} URL`;
}

/** Returns a URL, or a text that is one; undefined if it is a path or anything else. */
export function urlOf(source: unknown): URL | undefined {
  if (source instanceof URL) return source;
  const isUrl = typeof source === "string" && /^([a-z][a-z\d+.-]+:\/\/|data:|blob:)/i.test(source) &&
    URL.canParse(source);
  return isUrl ? new URL(source) : undefined;
}

/** Returns the path of a file's URL. */
export function pathOf({ pathname }: URL): string {
  const path = decodeURIComponent(pathname);
  return system()?.windows ? path.replace(/^\/(?=[a-z]:)/i, "") : path;
}

/**
 * Yields the bytes of a source in pieces, and lets go of it at the end.
 *
 * @param unpacks True if the reader unpacks gzip itself: then what a server sends so may come as it is.
 * @throws {Error} if there is no such file, or a server does not answer with it.
 */
export async function* chunksOf(source: Source, signal?: AbortSignal, unpacks = false): AsyncGenerator<Uint8Array> {
  if (source instanceof Uint8Array) return yield source;
  if (source instanceof ArrayBuffer) return yield new Uint8Array(source);
  if (source instanceof ReadableStream) return yield* streamed(source, signal);
  if (source instanceof Blob) return yield* streamed(source.stream(), signal);
  if (isRanged(source)) return yield* rangedChunks(source, signal);
  if (source instanceof Response) return yield* streamed(bodyOf(source), signal);
  const url = urlOf(source);
  if (url !== undefined && url.protocol !== "file:") {
    return yield* streamed(bodyOf(await fetched(url, signal, unpacks)), signal);
  }
  yield* fileChunks(url === undefined ? source as string : pathOf(url));
}

async function* rangedChunks({ size, read }: Ranged, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < size; start += rangedBytes) {
    yield await read(start, Math.min(start + rangedBytes, size), signal);
  }
}

/** The bytes that are asked for at a time of what is read from its beginning to its end. */
const rangedBytes = 2 ** 23;

async function* streamed(
  stream: ReadableStream<Uint8Array> | null,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (stream === null) return;
  const reader = stream.getReader();
  const stop = () => void reader.cancel(signal?.reason).catch(() => {}); // ends a read that waits
  signal?.addEventListener("abort", stop);
  try {
    signal?.throwIfAborted();
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
    signal?.throwIfAborted();
  } finally {
    signal?.removeEventListener("abort", stop);
    await reader.cancel();
  }
}

/** Returns the body of a response; null if it has none. */
function bodyOf(response: Response): Response["body"] {
  if (response.ok) return response.body;
  response.body?.cancel().catch(() => {});
  throw new Error(`found status ${`${response.status} ${response.statusText}`.trim()}, wanted 200`);
}

async function fetched(url: URL, signal: AbortSignal | undefined, unpacks: boolean): Promise<Response> {
  try {
    if (!unpacks || typeof Deno === "undefined") return await fetch(url, { signal });
    // Deno unpacks the first member of gzip and drops the others, unless the request accepts no packing.
    const response = await fetch(url, { headers: { "accept-encoding": "identity" }, signal });
    if (/^((x-)?gzip|identity)?$/i.test(response.headers.get("content-encoding") ?? "")) return response;
    await response.body?.cancel();
    return await fetch(url, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw new Error(unansweredReason(error), { cause: error });
  }
}

async function* fileChunks(path: string): AsyncGenerator<Uint8Array> {
  if (system() === undefined) throw new Error(`${unreachable}: wanted a URL, bytes, a Blob or a Response`);
  const file = await files().open(path);
  try {
    while (true) {
      const bytes = new Uint8Array(65536);
      const length = await file.read(bytes);
      if (length === 0) return;
      yield bytes.subarray(0, length);
    }
  } finally {
    await file.close();
  }
}

/** Returns a stream of what is yielded. (`ReadableStream.from` is missing in some runtimes.) */
export function streamOf<T>(source: AsyncIterable<T> | Iterable<T>): ReadableStream<T> {
  const items = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  return new ReadableStream<T>({
    pull: async (controller) => {
      const { value, done } = await items.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: async (reason) => {
      await items.return?.(reason);
    },
  }, { highWaterMark: 0 });
}
