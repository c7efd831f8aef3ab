import type { PageHeader } from "hyparquet";
import { parquetHeader } from "npm:hyparquet@1.33.0/src/column.js";
import { byteStreamSplit } from "npm:hyparquet@1.33.0/src/encoding.js";
import { readPlain } from "npm:hyparquet@1.33.0/src/plain.js";
import { compressors } from "hyparquet-compressors";
import { builtin } from "../../files/builtin.ts";
import { plainCrc32 } from "../gzip.ts";
import { deltas } from "./deltas.ts";
import type { Chunk } from "./footer.ts";
import type { Leaf } from "./leaf.ts";
import { unpack } from "./levels.ts";
import type { Raw } from "./values.ts";

/** Some rows of a column. */
export interface Page {
  /** The number of entries: of rows, or of elements of lists and lists that have none. */
  readonly count: number;
  /** The definition level of each entry; absent: all values are there. */
  readonly definitions?: Uint8Array;
  /** Of lists, 0 for each entry that begins one. */
  readonly repetitions?: Uint8Array;
  /** The place of each value in the dictionary. */
  readonly codes?: Int32Array;
  /** The values that are there, or the dictionary where there are codes: the same one of all pages. */
  readonly values: Raw;
}

/**
 * Yields the pages of a chunk, decoded one by one as they are asked for.
 *
 * @param bytes The bytes of the chunk.
 * @param skip The number of entries to leave out: whole pages are, and the first page has the number of those to leave out
 * in it.
 * @throws {Error} of any kind if they are damaged, or of a form that is not known.
 */
export function* pagesOf(
  bytes: Uint8Array,
  { codec, values: total, bytes: most }: Chunk,
  leaf: Leaf,
  skip: number,
): Generator<{ readonly page: Page; readonly skip: number }> {
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
  const crc32 = builtin("node:zlib")?.crc32 ?? plainCrc32;
  let dictionary: Raw | undefined;
  for (let seen = 0; seen < total;) {
    const header = parquetHeader(reader);
    const { compressed_page_size: size, uncompressed_page_size: full, crc } = header;
    if (!(size >= 0 && reader.offset + size <= bytes.length && full >= 0 && full <= most)) {
      throw new RangeError("a page is larger than all of them");
    }
    const body = bytes.subarray(reader.offset, reader.offset + size);
    reader.offset += size;
    const type = header.type as PageHeader["type"] | undefined;
    const count =
      (header.data_page_header ?? header.data_page_header_v2 ?? header.dictionary_page_header)?.num_values ?? 0;
    if (type === "DATA_PAGE" || type === "DATA_PAGE_V2") {
      if (!(count >= 0 && seen + count <= total)) throw new RangeError("the pages have more values than all of them");
      seen += count;
      if (leaf.listed === undefined && skip >= count) {
        skip -= count;
        continue;
      }
    } else if (type !== "DICTIONARY_PAGE") {
      if (type === "INDEX_PAGE") continue;
      throw new RangeError("a page is of an unknown type");
    }
    if (crc !== undefined && crc32(body, 0) !== crc >>> 0) throw new RangeError("the checksum of a page is another");
    if (type === "DICTIONARY_PAGE") {
      dictionary = dictionaryIn(decompressed(body, full, codec), count, leaf);
      continue;
    }
    const { header: levels, data } = type === "DATA_PAGE"
      ? plainLevels(decompressed(body, full, codec), count, header, leaf)
      : levelsApart(body, count, header, leaf, codec);
    yield { page: pageOf(data, levels, header, leaf, dictionary), skip };
    skip = 0;
  }
}

type Codec = Chunk["codec"];

/** Returns a page's bytes, decompressed. */
function decompressed(bytes: Uint8Array, size: number, codec: Codec): Uint8Array {
  if (codec !== "UNCOMPRESSED") {
    const decompress = compressors[codec];
    if (decompress === undefined) throw new TypeError(`the compression ${codec} is not known`);
    bytes = decompress(bytes, size);
  }
  if (bytes.length !== size) throw new RangeError(`a page has ${bytes.length} bytes, wanted ${size}`);
  return bytes;
}

/** The levels of a page, and its values as they are encoded. */
interface Levels {
  readonly count: number;
  readonly definitions?: Uint8Array;
  readonly repetitions?: Uint8Array;
}

/** Returns levels that are before the values, each with its length, as pages of version 1 have them. */
function plainLevels(
  bytes: Uint8Array,
  count: number,
  { data_page_header: header }: PageHeader,
  { deepest, listed }: Leaf,
): { readonly header: Levels; readonly data: Uint8Array } {
  let at = 0;
  const levels = (most: number, encoding: string | undefined): Uint8Array => {
    if (encoding !== "RLE") throw new TypeError(`levels are encoded as ${encoding}, wanted RLE`);
    const length = viewOf(bytes).getUint32(at, true);
    const read = levelsOf(bytes.subarray(at + 4, at + 4 + length), most, count);
    at += 4 + length;
    return read;
  };
  const repetitions = listed === undefined ? undefined : levels(1, header?.repetition_level_encoding);
  const definitions = deepest === 0 ? undefined : levels(deepest, header?.definition_level_encoding);
  return { header: { count, definitions, repetitions }, data: bytes.subarray(at) };
}

/** Returns levels that are stored apart and never compressed, as pages of version 2 have them. */
function levelsApart(
  bytes: Uint8Array,
  count: number,
  { data_page_header_v2: header, uncompressed_page_size }: PageHeader,
  { deepest, listed }: Leaf,
  codec: Codec,
): { readonly header: Levels; readonly data: Uint8Array } {
  const { repetition_levels_byte_length: first, definition_levels_byte_length: second, is_compressed } = header!;
  const start = first + second;
  if (!(first >= 0 && second >= 0 && start <= bytes.length && start <= uncompressed_page_size)) {
    throw new RangeError("the levels of a page are longer than it");
  }
  const repetitions = listed === undefined ? undefined : levelsOf(bytes.subarray(0, first), 1, count);
  const definitions = deepest === 0 ? undefined : levelsOf(bytes.subarray(first, start), deepest, count);
  const [rest, size] = [bytes.subarray(start), uncompressed_page_size - start];
  const data = size === 0
    ? rest.subarray(0, 0)
    : decompressed(rest, size, is_compressed === false ? "UNCOMPRESSED" : codec);
  return { header: { count, definitions, repetitions }, data };
}

function levelsOf(bytes: Uint8Array, most: number, count: number): Uint8Array {
  const levels = new Uint8Array(count);
  unpack(bytes, Math.ceil(Math.log2(most + 1)), levels);
  for (let entry = 0; entry < count; entry++) if (levels[entry] > most) throw new RangeError("a level is too great");
  return levels;
}

function dictionaryIn(bytes: Uint8Array, count: number, { element }: Leaf): Raw {
  checkRoom(bytes, count, element.type);
  return readPlain({ view: viewOf(bytes), offset: 0 }, element.type!, count, element.type_length);
}

/** Returns a page of its levels and its encoded values. */
function pageOf(
  data: Uint8Array,
  { count, definitions, repetitions }: Levels,
  header: PageHeader,
  leaf: Leaf,
  dictionary: Raw | undefined,
): Page {
  let there = count;
  if (definitions !== undefined) there = countOf(definitions, leaf.deepest);
  const levels = { count, repetitions, ...(there < count && { definitions }) };
  const { encoding } = (header.data_page_header ?? header.data_page_header_v2)!;
  if (encoding !== "PLAIN_DICTIONARY" && encoding !== "RLE_DICTIONARY") {
    return { ...levels, values: valuesIn(data, there, encoding, leaf) };
  }
  if (dictionary === undefined) throw new RangeError("a page needs a dictionary, and there is none");
  const codes = new Int32Array(there);
  if (there > 0) unpack(data.subarray(1), data[0], codes);
  if (!areBelow(codes, dictionary.length)) throw new RangeError("a code is beyond the dictionary");
  return { ...levels, codes, values: dictionary };
}

/** Returns the number of levels that are one. */
function countOf(levels: Uint8Array, wanted: number): number {
  let count = 0;
  for (let entry = 0; entry < levels.length; entry++) if (levels[entry] === wanted) count++;
  return count;
}

/** Returns true if no code is negative or too great. */
function areBelow(codes: Int32Array, size: number): boolean {
  let most = 0;
  for (let at = 0; at < codes.length; at++) if (codes[at] >>> 0 > most) most = codes[at] >>> 0;
  return codes.length === 0 || most < size;
}

/** Returns values that are encoded one by one. */
function valuesIn(data: Uint8Array, count: number, encoding: string | undefined, { element }: Leaf): Raw {
  const { type, type_length: length } = element;
  if (count === 0) return [];
  switch (encoding) {
    case "PLAIN":
      checkRoom(data, count, type);
      return readPlain({ view: viewOf(data), offset: 0 }, type!, count, length);
    case "RLE": {
      const bits = new Uint8Array(count);
      unpack(data.subarray(4), 1, bits);
      return bits;
    }
    case "BYTE_STREAM_SPLIT":
      checkRoom(data, count, type);
      return byteStreamSplit({ view: viewOf(data), offset: 0 }, count, type!, length);
    case "DELTA_BINARY_PACKED": {
      const { halves } = deltas(data, 0, count, type === "INT64");
      return type === "INT64" ? new BigInt64Array(halves.buffer) : halves;
    }
    case "DELTA_LENGTH_BYTE_ARRAY":
    case "DELTA_BYTE_ARRAY": {
      const prefixes = encoding === "DELTA_BYTE_ARRAY" ? deltas(data, 0, count, false) : undefined;
      const lengths = deltas(data, prefixes?.end ?? 0, count, false);
      return joined(data, lengths.end, prefixes?.halves ?? new Int32Array(count), lengths.halves);
    }
    default:
      throw new TypeError(`the encoding ${encoding} is not known`);
  }
}

/** Returns byte arrays, each of the first bytes of the one before and some of its own. */
function joined(data: Uint8Array, at: number, prefixes: Int32Array, lengths: Int32Array): Uint8Array[] {
  let before = new Uint8Array(0);
  return Array.from(lengths, (length, place) => {
    const prefix = prefixes[place];
    if (length < 0 || at + length > data.length || prefix < 0 || prefix > before.length) {
      throw new RangeError("a text is longer than its page");
    }
    const own = data.subarray(at, at + length);
    at += length;
    const whole = prefix === 0 ? own : new Uint8Array(prefix + length);
    if (prefix > 0) {
      whole.set(before.subarray(0, prefix));
      whole.set(own, prefix);
    }
    before = whole as Uint8Array<ArrayBuffer>;
    return whole;
  });
}

/** Makes sure that values of a type fit in some bytes, before memory is taken for as many. */
function checkRoom(bytes: Uint8Array, count: number, type: string | undefined): void {
  const least = type === "BOOLEAN" ? count / 8 : type === "BYTE_ARRAY" ? 4 * count : count;
  if (bytes.length < least) throw new RangeError(`found ${count} values in ${bytes.length} bytes`);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
