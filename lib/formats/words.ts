import { quoted } from "../errors/quoted.ts";
import { type Entry, headerBytes, parseHeader } from "./safetensors_header.ts";

/** The most bytes that lists of words take in a file. */
export const mostWordBytes = 2 ** 30;

/**
 * Returns lists of words as a safetensors file, which comes in pieces of about a mebibyte. Each list is two tensors:
 * `<name>/bytes`, the UTF-8 bytes of its words one after the other (`U8`), and `<name>/ends`, the position after each
 * word's last byte (`U32`).
 *
 * @param lists Words that UTF-8 can hold, by the name of their list.
 * @param most The most bytes that they may take. Default {@linkcode mostWordBytes}, which is what is read.
 * @throws {RangeError} if they take more.
 */
export function encodeWords(
  lists: Readonly<Record<string, readonly string[]>>,
  most: number = mostWordBytes,
): () => Iterable<Uint8Array<ArrayBuffer>> {
  const named = Object.entries(lists).map(([name, words]) => ({ name, words, size: bytesOf(words) }));
  const fields: string[] = [];
  let length = 0;
  const place = (name: string, dtype: string, shape: number, bytes: number): void => {
    const entry = { dtype, shape: [shape], data_offsets: [length, length += bytes] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
  };
  for (const { name, words } of named) place(`${name}/ends`, "U32", words.length, 4 * words.length); // aligned: before bytes
  for (const { name, size } of named) place(`${name}/bytes`, "U8", size, size);
  if (length > most) {
    const found = `its words take ${length} bytes, wanted at most ${most}`;
    throw new RangeError(`Cannot save model: ${found}: a greater minCount of category() leaves rare words out`);
  }
  return function* () {
    yield headerBytes(fields);
    for (const { words } of named) yield* endsOf(words);
    for (const { words } of named) yield* textsOf(words);
  };
}

/** The bytes of a piece, about. */
const pieceBytes = 2 ** 20;

/** Yields the position after each word's last byte. */
function* endsOf(words: readonly string[]): Iterable<Uint8Array<ArrayBuffer>> {
  const most = pieceBytes / 4;
  for (let from = 0, end = 0; from < words.length; from += most) {
    const view = new DataView(new ArrayBuffer(4 * Math.min(most, words.length - from)));
    for (let at = 0; 4 * at < view.byteLength; at++) view.setUint32(4 * at, end += bytesIn(words[from + at]), true);
    yield new Uint8Array(view.buffer);
  }
}

/** Yields the bytes of words. */
function* textsOf(words: readonly string[]): Iterable<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  let [bytes, used] = [new Uint8Array(pieceBytes), 0];
  for (const word of words) {
    if (used + 3 * word.length > bytes.length) { // no more than these are its bytes
      yield bytes.subarray(0, used);
      [bytes, used] = [new Uint8Array(Math.max(pieceBytes, 3 * word.length)), 0];
    }
    used += encoder.encodeInto(word, bytes.subarray(used)).written;
  }
  yield bytes.subarray(0, used);
}

/** Returns the number of bytes of words in UTF-8. */
function bytesOf(words: readonly string[]): number {
  let bytes = 0;
  for (const word of words) bytes += bytesIn(word);
  return bytes;
}

/** Returns the number of bytes of a word in UTF-8. */
function bytesIn(word: string): number {
  let bytes = 0;
  for (let at = 0; at < word.length; at++) {
    const unit = word.charCodeAt(at);
    const half = unit >= 0xd800 && unit < 0xe000; // two of them are four bytes
    bytes += unit < 0x80 ? 1 : unit < 0x800 || half ? 2 : 3;
  }
  return bytes;
}

/**
 * Returns the lists of words in a file that {@linkcode encodeWords} wrote, by name.
 *
 * @param file The name of the file, for errors.
 * @throws {SyntaxError | TypeError | RangeError} if it is not such a file.
 */
export function decodeWords(bytes: Uint8Array, file: string): Map<string, readonly string[]> {
  const { start, entries } = parseHeader(bytes, file);
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const lists = new Map<string, readonly string[]>();
  for (const { name } of entries) {
    if (!name.endsWith("/ends")) continue;
    const list = name.slice(0, -"/ends".length);
    const [ends, texts] = [byName.get(name)!, byName.get(`${list}/bytes`)];
    if (texts?.dtype !== "U8" || ends.dtype !== "U32") {
      throw new TypeError(`Cannot read ${file}\n  at ${quoted(list)}: wanted its words as bytes (U8) and ends (U32)`);
    }
    lists.set(list, wordsIn(part(bytes, start, texts), part(bytes, start, ends), `${file}\n  at ${quoted(list)}`));
  }
  return lists;
}

function part(bytes: Uint8Array, start: number, { begin, end }: Entry): Uint8Array {
  return bytes.subarray(start + begin, start + end);
}

/** Returns the words whose bytes and ends these are. */
function wordsIn(bytes: Uint8Array, ends: Uint8Array, where: string): string[] {
  const view = new DataView(ends.buffer, ends.byteOffset, ends.byteLength);
  const words: string[] = new Array(ends.length / 4);
  let piece = pieceOf(bytes, 0, 0);
  let from = 0;
  for (let at = 0; at < words.length; at++) {
    const to = view.getUint32(4 * at, true);
    if (to < from || to > bytes.length) {
      throw new RangeError(`Cannot read ${where}, word ${at}: it ends at ${to}, wanted ${from} to ${bytes.length}`);
    }
    if (to > piece.end) piece = pieceOf(bytes, from, to);
    const { text, start } = piece;
    words[at] = text?.slice(from - start, to - start) ?? decoded(bytes.subarray(from, to), `${where}, word ${at}`);
    from = to;
  }
  Object.freeze(words);
  if (from < bytes.length) {
    throw new RangeError(`Cannot read ${where}: ${bytes.length - from} bytes at the end belong to no word`);
  }
  return words;
}

/** Bytes of some words, and their text where each byte is a character, so that words are cut from it. */
interface Piece {
  readonly start: number;
  readonly end: number;
  readonly text: string | undefined;
}

/** Returns the bytes of a word and of those that follow, a few at a time: a text of all would be as much again. */
function pieceOf(bytes: Uint8Array, start: number, wordEnd: number): Piece {
  const end = Math.min(Math.max(wordEnd, start + 2 ** 16), bytes.length);
  const text = textOf(bytes.subarray(start, end));
  return { start, end, text: text?.length === end - start ? text : undefined };
}

function decoded(bytes: Uint8Array, where: string): string {
  const text = textOf(bytes);
  if (text === undefined) throw new SyntaxError(`Cannot read ${where}: found bytes that are not UTF-8 text`);
  return text;
}

/** Returns bytes as a text; undefined if they are not UTF-8. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
