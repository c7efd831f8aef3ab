import { answered, unansweredReason } from "./answered.ts";
import { files, system, unreachable } from "./runtime.ts";
import { isRanged, pathOf, type Ranged, urlOf } from "./source.ts";
import type { Stored } from "./stored.ts";

/**
 * Returns a file as bytes of which any part can be read. Of an `http:` or `https:` address only the parts that are read are
 * asked for.
 *
 * @throws {Error} if there is no such file, or a server does not answer with parts of it.
 */
export async function ranged({ source, name }: Stored, signal?: AbortSignal): Promise<Ranged> {
  try {
    if (source instanceof Uint8Array) return inMemory(name, source);
    if (source instanceof ArrayBuffer) return inMemory(name, new Uint8Array(source));
    if (source instanceof Blob) return inBlob(name, source);
    if (isRanged(source)) return source;
    const url = urlOf(source);
    if (url === undefined) return await inFile(name, source as string);
    if (url.protocol === "file:") return await inFile(name, pathOf(url));
    if (/^https?:$/.test(url.protocol)) return await atAddress(name, url, signal);
    return inBlob(name, await (await fetch(url, { signal })).blob());
  } catch (error) {
    signal?.throwIfAborted();
    throw unread(name, error);
  }
}

/** Returns the error of bytes that cannot be read; one that has its words passes unchanged. */
function unread(name: string, error: unknown): Error {
  const isFetch = error instanceof TypeError;
  const reason = isFetch ? unansweredReason(error) : error instanceof Error ? error.message : String(error);
  if (error instanceof Error && reason.startsWith("Cannot ")) return error;
  return new Error(`Cannot read ${name}: ${reason}`, { cause: error });
}

function inMemory(name: string, bytes: Uint8Array): Ranged {
  return {
    name,
    size: bytes.length,
    read: (start, end) => Promise.resolve(new Uint8Array(bytes.subarray(start, end))),
  };
}

function inBlob(name: string, blob: Blob): Ranged {
  return {
    name,
    size: blob.size,
    read: async (start, end) => new Uint8Array(await blob.slice(start, end).arrayBuffer()),
  };
}

async function inFile(name: string, path: string): Promise<Ranged> {
  if (system() === undefined) throw new Error(`${unreachable}: wanted a URL, bytes or a Blob`);
  const { kind, size, version } = await files().stat(path);
  if (kind !== "file") throw new Error(`found a ${kind}, wanted a file`);
  const changed = () => new Error(`Cannot read ${name}: the file changed while it was in use`);
  return {
    name,
    size,
    read: async (start, end) => {
      const bytes = new Uint8Array(end - start);
      try {
        const file = await files().open(path);
        try {
          for (let at = 0; at < bytes.length;) {
            const count = await file.readAt(bytes.subarray(at), start + at);
            if (count === 0) throw changed();
            at += count;
          }
        } finally {
          await file.close();
        }
        if ((await files().stat(path)).version !== version) throw changed();
      } catch (error) {
        throw unread(name, error);
      }
      return bytes;
    },
  };
}

async function atAddress(name: string, url: URL, signal?: AbortSignal): Promise<Ranged> {
  const { size } = await part(url, 0, 4, signal);
  return {
    name,
    size: size ?? await lengthAt(url, signal),
    read: async (start, end, signal) => {
      if (start === end) return new Uint8Array(0);
      try {
        const { bytes, size: now } = await part(url, start, end, signal);
        if (size !== undefined && now !== size) throw new Error("the file changed while it was in use");
        if (bytes.length === end - start) return bytes;
        throw new Error(`the server answers with ${bytes.length} bytes, wanted ${end - start}`);
      } catch (error) {
        signal?.throwIfAborted();
        throw unread(name, error);
      }
    },
  };
}

/** Asks for a part of what is at an address; returns it, and the size of the whole where the answer shows that. */
async function part(
  url: URL,
  start: number,
  end: number,
  signal?: AbortSignal,
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly size: number | undefined }> {
  const send = () => fetch(url, { headers: { range: `bytes=${start}-${end - 1}` }, signal });
  const { status, statusText, headers, bytes } = await answered(send, 206, signal);
  if (status !== 206) {
    const whole = "the server answers with the whole file, not with the part that was asked for (status 200)";
    if (status === 200) throw new Error(`${whole}: download it, and read the copy`);
    throw new Error(`found status ${`${status} ${statusText}`.trim()}, wanted 206`);
  }
  const size = /\/(\d+)$/.exec(headers.get("content-range") ?? "")?.[1];
  return { bytes, size: size === undefined ? undefined : Number(size) };
}

/** Returns the size of what is at an address, for servers whose answers of parts do not show it, as to other origins. */
async function lengthAt(url: URL, signal?: AbortSignal): Promise<number> {
  const { ok, status, headers } = await fetch(url, { method: "HEAD", signal });
  const length = headers.get("content-length");
  if (ok && length !== null) return Number(length);
  throw new Error(`the server does not answer with the file's size (status ${status} to HEAD)`);
}
