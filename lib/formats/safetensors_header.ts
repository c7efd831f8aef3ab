import { quoted } from "../errors/quoted.ts";
import { bitsOf, dtypes, otherDtypes } from "./dtypes.ts";
import { brief, type Cursor, found, integers, members, place, space, stop, text, texts, word } from "./cursor.ts";

/** The place of one tensor in the data, and its type. */
export interface Entry {
  /** The tensor's name. */
  readonly name: string;
  /** The type of its elements: one that the format has, read here or not. */
  readonly dtype: string;
  /** The length of every axis. */
  readonly shape: readonly number[];
  /** The first byte, counted from the start of the data. */
  readonly begin: number;
  /** The byte after the last. */
  readonly end: number;
}

/** A header that has been checked against the length of its file. */
export interface Header {
  /** The position of the data in the file. */
  readonly start: number;
  /** The tensors, in the order of their data, which they cover exactly once. */
  readonly entries: readonly Entry[];
  /** Texts about the file, by name. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The most bytes of a header, as in the public reader. */
export const longestHeader = 100_000_000;

/** The most axes of a tensor. */
export const mostAxes = 64;

/**
 * Reads the header of a safetensors file. The text is read by the header's grammar and not as JSON in general: whatever
 * else it may hold is refused at its first byte, and what is read takes no more memory than a few times the text.
 *
 * @param bytes The bytes of the file, at least to its header's end.
 * @param length The number of bytes of the file. Infinity if it is unknown: then nobody checks that they end with the data.
 * @throws {SyntaxError} if it cannot be read.
 * @throws {TypeError} if a tensor lacks a field, or its name or type is not allowed.
 * @throws {RangeError} if a length, a shape or an offset does not fit.
 */
export function parseHeader(bytes: Uint8Array, file: string, length: number = bytes.length): Header {
  const { text: header, start } = headerText(bytes, file);
  const cursor: Cursor = { text: header, file, at: 0 };
  if (!header.startsWith("{")) stop(cursor, `found ${found(cursor)}, wanted "{"`);
  const entries: Entry[] = [];
  let metadata: [string, string][] = [];
  members(cursor, (name) => {
    cursor.within = name;
    if (name === "__metadata__") metadata = word(cursor, "null") ? [] : texts(cursor);
    else entries.push(entry(cursor, name, length - start));
    cursor.within = undefined;
  });
  space(cursor);
  if (cursor.at < header.length) stop(cursor, `found ${found(cursor)} after the header's end, wanted spaces`);
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCover(entries, start, length, file);
  return { start, entries, metadata: Object.fromEntries(metadata) };
}

/**
 * Returns the bytes in front of the data of a file: the header's length, and the header.
 *
 * @param fields The fields of the header, as JSON.
 * @throws {RangeError} if the header is longer than the format allows.
 */
export function headerBytes(fields: readonly string[]): Uint8Array<ArrayBuffer> {
  const header = new TextEncoder().encode(`{${fields.join(",")}}`);
  const start = 8 + Math.ceil(header.length / 8) * 8;
  if (start - 8 > longestHeader) {
    const found = `its names and texts take ${start - 8} bytes, wanted at most ${longestHeader}`;
    throw new RangeError(`Cannot write safetensors\n  at the header: ${found}`);
  }
  const bytes = new Uint8Array(start).fill(0x20, 8);
  bytes.set(header, 8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
  return bytes;
}

/**
 * Returns where the data of a file begins, from its first eight bytes. A header that is longer than the format allows
 * counts as the longest.
 */
export function dataStart(bytes: Uint8Array): number {
  if (bytes.length < 8) return 8;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  return 8 + (length > longestHeader ? longestHeader : Number(length));
}

function headerText(bytes: Uint8Array, file: string): { readonly text: string; readonly start: number } {
  const fail = (at: number, message: string) => `Cannot read ${file}\n  at byte ${at}: ${message}`;
  if (bytes.length < 8) throw new SyntaxError(fail(0, `the file holds ${bytes.length} bytes, wanted at least 8`));
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > longestHeader) {
    throw new RangeError(fail(0, `the header's length is ${length}, wanted at most ${longestHeader}`));
  }
  const start = 8 + Number(length);
  if (start > bytes.length) {
    throw new RangeError(fail(0, `the header's length is ${length}, but only ${bytes.length - 8} bytes follow`));
  }
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, start)), start };
  } catch {
    throw new SyntaxError(fail(8, "the header is not UTF-8 text"));
  }
}

function entry(cursor: Cursor, name: string, available: number): Entry {
  const start = cursor.at;
  const fields: { dtype?: string; shape?: number[]; data_offsets?: number[] } = {};
  members(cursor, (field) => {
    if (field === "dtype") fields.dtype = text(cursor);
    else if (field === "shape") fields.shape = integers(cursor, mostAxes);
    else if (field === "data_offsets") fields.data_offsets = integers(cursor, 2);
    else stop(cursor, `found field ${quoted(field)}, wanted dtype, shape and data_offsets`);
  });
  const fail = (message: string) => `${place({ ...cursor, at: start })}: ${message}`;
  const { dtype, shape, data_offsets: offsets } = fields;
  if (dtype === undefined || shape === undefined || offsets === undefined) {
    const missing = ["dtype", "shape", "data_offsets"].filter((field) => !Object.hasOwn(fields, field));
    throw new TypeError(fail(`no ${missing.join(" and no ")}`));
  }
  const bits = bitsOf(dtype);
  if (bits === undefined) {
    const known = Object.keys({ ...dtypes, ...otherDtypes }).join(", ");
    throw new TypeError(fail(`found dtype ${quoted(dtype)}, wanted one of ${known}`));
  }
  const size = shape.reduce((product, length) => product * length, bits) / 8;
  if (!Number.isSafeInteger(8 * size)) throw new RangeError(fail(`shape [${brief(shape.join(", "))}] is too large`));
  const [begin, end] = offsets;
  if (offsets.length !== 2 || begin > end || end > available) {
    const wanted = `wanted [begin, end] in order and within ${available} bytes`;
    throw new RangeError(fail(`found data_offsets [${offsets.join(", ")}], ${wanted}`));
  }
  if (end - begin !== size) {
    const wanted = `shape [${brief(shape.join(", "))}] of ${dtype} wants ${size}`;
    throw new RangeError(fail(`data_offsets [${begin}, ${end}] hold ${end - begin} bytes, but ${wanted}`));
  }
  return { name, dtype, shape, begin, end };
}

function checkCover(entries: readonly Entry[], start: number, length: number, file: string): void {
  let end = 0;
  for (const [i, entry] of entries.entries()) {
    if (entry.begin !== end) {
      const what = entry.begin < end
        ? `${quoted(entry.name)} overlaps ${quoted(entries[i - 1].name)}`
        : `${entry.begin - end} bytes in front of ${quoted(entry.name)} belong to no tensor`;
      throw new RangeError(`Cannot read ${file}\n  at byte ${start + Math.min(end, entry.begin)}: ${what}`);
    }
    end = entry.end;
  }
  if (length !== Infinity && start + end !== length) throw surplus(start + end, `${length - start - end} bytes`, file);
}

/** The error of bytes after the data. */
export function surplus(at: number, found: string, file: string): RangeError {
  return new RangeError(`Cannot read ${file}\n  at byte ${at}: ${found} at the end belong to no tensor`);
}
