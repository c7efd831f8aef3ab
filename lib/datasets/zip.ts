import { streamOf } from "../files/source.ts";
import { pieces } from "../data/source.ts";

/** A file in an archive. */
interface ArchiveEntry {
  /** Its path in the archive. */
  readonly name: string;
  /** Its bytes. Those not read before the next entry is asked for are skipped. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/**
 * The decompressed bytes of one file in a zip archive in memory: what is needed to read a download, no more (no
 * encryption, no archives in parts; checksums are left to the caller's hash).
 *
 * @param zip The archive.
 * @param wanted The path of the file in the archive.
 * @throws {SyntaxError} if the archive is malformed or has no such file.
 *
 * Source: the APPNOTE of PKWARE, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16 and 4.5.3.
 */
export function unzip(
  zip: Uint8Array<ArrayBuffer>,
  wanted: (name: string) => boolean,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  try {
    const names: string[] = [];
    for (const { name, method, size, header } of directory(new DataView(zip.buffer, zip.byteOffset, zip.byteLength))) {
      names.push(name);
      if (!wanted(name)) continue;
      const view = new DataView(zip.buffer, zip.byteOffset + header, 30);
      const start = header + 30 + view.getUint16(26, true) + view.getUint16(28, true);
      if (start + size > zip.length) throw new SyntaxError(`zip archive is cut short within ${name}`);
      const bytes = streamOf(pieces(zip.subarray(start, start + size)));
      if (method === 0) return bytes;
      if (method === 8) return bytes.pipeThrough(new DecompressionStream("deflate-raw"));
      throw new SyntaxError(`zip archive has ${name} in compression method ${method}, wanted 0 or 8`);
    }
    throw new SyntaxError(`zip archive holds only ${names.join(", ") || "nothing"}`);
  } catch (error) {
    if (error instanceof RangeError) throw new SyntaxError("zip archive is malformed", { cause: error });
    throw error;
  }
}

/** A file as the directory of a zip archive lists it. */
interface Listed {
  readonly name: string;
  readonly method: number;
  readonly size: number;
  readonly header: number;
}

/** The files that a zip archive lists. Whoever reads beyond the view gets a RangeError. */
function* directory(view: DataView<ArrayBuffer>): Generator<Listed> {
  const large = (at: number) => Number(view.getBigUint64(at, true));
  let end = view.byteLength - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new SyntaxError("it is not a zip archive, or is cut short");
  let count = view.getUint16(end + 10, true), at = view.getUint32(end + 16, true);
  if (end >= 20 && view.getUint32(end - 20, true) === 0x07064b50) {
    const end64 = large(end - 12);
    [count, at] = [large(end64 + 32), large(end64 + 48)];
  }
  for (; count > 0; count--) {
    if (view.getUint32(at, true) !== 0x02014b50) throw new SyntaxError("zip archive has no valid directory");
    const [nameLength, extraLength, noteLength] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
    const extra = at + 46 + nameLength;
    const name = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at + 46, nameLength));
    // Values that do not fit into 32 bits are all ones, and follow in this order in the field of kind 1.
    const values = [24, 20, 42].map((place) => view.getUint32(at + place, true));
    for (let field = extra; field + 4 <= extra + extraLength; field += 4 + view.getUint16(field + 2, true)) {
      if (view.getUint16(field, true) !== 1) continue;
      let place = field + 4;
      values.forEach((value, i) => {
        if (value !== 0xffffffff) return;
        values[i] = large(place);
        place += 8;
      });
    }
    yield { name, method: view.getUint16(at + 10, true), size: values[1], header: values[2] };
    at = extra + extraLength + noteLength;
  }
}

/**
 * The files in a tar archive, in order, as they stream by.
 *
 * @throws {SyntaxError} if the archive is malformed or ends within a file.
 *
 * Source: POSIX.1-1988, the ustar interchange format; other entries than files are skipped.
 */
export async function* untar(stream: AsyncIterable<Uint8Array>): AsyncGenerator<ArchiveEntry> {
  const source = stream[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array(0);
  /** Up to `length` bytes, at least one. */
  const read = async (length: number): Promise<Uint8Array> => {
    while (rest.length === 0) {
      const { value, done } = await source.next();
      if (done) throw new SyntaxError("tar archive is cut short");
      rest = value;
    }
    const part = rest.subarray(0, length);
    rest = rest.subarray(part.length);
    return part;
  };
  try {
    while (true) {
      const header = new Uint8Array(512);
      for (let at = 0; at < 512;) {
        const part = await read(512 - at);
        header.set(part, at);
        at += part.length;
      }
      if (header.every((byte) => byte === 0)) return;
      const { name, size, isFile } = tarHeader(header);
      let left = size;
      const body = async function* (): AsyncGenerator<Uint8Array> {
        while (left > 0) {
          const part = await read(left);
          left -= part.length;
          yield part;
        }
      };
      if (isFile) yield { name, bytes: body() };
      left += (512 - size % 512) % 512;
      while (left > 0) left -= (await read(left)).length;
    }
  } finally {
    await source.return?.();
  }
}

/** The fields of a header `[512]` that matter. */
function tarHeader(header: Uint8Array): { name: string; size: number; isFile: boolean } {
  const text = (from: number, to: number) => new TextDecoder().decode(header.subarray(from, to)).replace(/\0.*$/s, "");
  const octal = (from: number, to: number) => /^ *[0-7]+ *$/.test(text(from, to)) ? parseInt(text(from, to), 8) : NaN;
  const sum = header.reduce((sum, byte, place) => sum + (place >= 148 && place < 156 ? 0x20 : byte), 0);
  const size = octal(124, 136);
  if (octal(148, 156) !== sum || Number.isNaN(size)) throw new SyntaxError("tar archive has no valid header");
  return { name: text(0, 100), size, isFile: header[156] === 0 || header[156] === 0x30 };
}
