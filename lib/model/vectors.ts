import { decoded, type Dictionary, dictionary, find, hashOf } from "../data/dictionary.ts";
import { Malformed } from "../data/malformed.ts";
import { bytesOf } from "../data/source.ts";
import { checkCount, checkSignal, checkText, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { type Feature, isFitted, kinds } from "../features/table.ts";
import { checkSource, type Source, sourceName } from "../files/source.ts";
import type { Init } from "../ops/init.ts";
import { isInit } from "../ops/settings.ts";
import type { Json } from "../ops/value.ts";
import type { Tensor } from "../ops/tensor.ts";
import { initialised } from "./initialise.ts";

/** The options of {@linkcode readVectors}. */
export interface VectorOptions {
  /** The values of words that the file lacks, and of unknown words. Default: 0. */
  readonly absent?: Init;
  /** The seed of these values, a whole number. Default 0. */
  readonly seed?: number;
  /** The SHA-256 that the bytes must have, decompressed. Default: any. */
  readonly sha256?: string;
  /** The name of the file in errors. Default: its path, or the URL. */
  readonly name?: string;
  /** Stops the reading. */
  readonly signal?: AbortSignal;
}

/** Vectors for the words of a feature. */
export interface Vectors {
  /** The vectors, `[codes, k]`: the table of {@linkcode embed}, for the option `begin` of {@linkcode compile}. */
  readonly table: Tensor;
  /** The number of words that the file has a vector of. */
  readonly found: number;
  /** The words that it lacks, in the order of the vocabulary. */
  readonly absent: readonly string[];
}

/**
 * Reads vectors that were learned elsewhere, for the words of a feature: a text with a line `word v1 v2 ...` for each
 * word, as word2vec, GloVe and fastText write it, after a first line `count k` or without; plain or compressed by gzip.
 *
 * The file is read as a stream, and of words that the feature does not have nothing is kept: the memory is that of the
 * table. A word may hold spaces, as some of GloVe's do. The row of unknown words has no vector in a file, nor have words
 * that it lacks: they begin with 0, as unknown words do anywhere, or with `absent`.
 *
 * @param source The file.
 * @param feature The fitted feature with the words: a category, or another kind with a vocabulary of its own.
 * @returns The table, how many words were found, and which were not.
 * @throws {SyntaxError} with file and line, if a line of a word of the feature has another number of values, or one that is
 * not finite in float32, or the word comes twice; if no line has a word of the feature.
 * @throws {TypeError} if the feature has no words of its own, or an option is unknown or of another type.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { category, compile, define, embed, encode, fit, readVectors, reference, regression, rows } from "@gatehouse/gatehouse";
 *
 * const input = fit({ job: category() }, { job: ["clerk", "smith", "baker"] });
 * const file = new Blob(["3 2\nsmith 1 2\nking 8 9\nclerk 3 4\n"]);
 * const { table, found, absent } = await readVectors(file, input.job);
 * assertEquals([table.shape, found, absent], [[4, 2], 2, ["baker"]]);
 * assertEquals([...table.data], [0, 0, 0, 0, 3, 4, 1, 2]); // unknown, "baker", "clerk", "smith"
 *
 * const spec = define({ input, tasks: { y: regression(embed(2, { frozen: true })) } });
 * const model = await compile(spec, { engine: reference(), begin: { "tasks/y/tower/0/job": table } });
 * assertEquals((await model.parameters())["tasks/y/tower/0/job"], table);
 * model.dispose();
 * ```
 */
export async function readVectors(source: Source, feature: Feature, options: VectorOptions = {}): Promise<Vectors> {
  const action = "read vectors";
  checkSource(source);
  const { absent, seed = 0, sha256, name = sourceName(source), signal } = optionsOf(action, options, [
    "absent",
    "seed",
    "sha256",
    "name",
    "signal",
  ]);
  if (absent !== undefined && !isInit(absent as Json)) {
    throw new TypeError(
      `Cannot ${action}: absent must be one of inits, such as inits.uniform(0.05), found ${kindOf(absent)}`,
    );
  }
  checkCount(action, "seed", seed);
  if (sha256 !== undefined) checkText(action, "sha256", sha256);
  checkText(action, "name", name);
  checkSignal(action, signal);
  const { words, first, codes } = wordRows(action, feature);
  const file: VectorFile = {
    name,
    first,
    codes,
    known: dictionary(words),
    heads: headsOf(words),
    seen: new Uint8Array(words.length),
  };
  for await (const [line, number] of linesOf(bytesOf(source, name, sha256, signal))) takeLine(file, line, number);
  const { size, data, seen } = file;
  if (size === undefined || data === undefined) {
    const wanted = 'wanted lines such as "word 0.1 0.2" of its words';
    throw new SyntaxError(`Cannot read ${name}: no line has a word of the feature: ${wanted}`);
  }
  const shape = [codes, size];
  if (absent !== undefined) {
    const drawn = initialised([{ path: name, shape, init: absent }], seed, { width: 1 })[name].data;
    for (let row = 0; row < codes; row++) {
      if (row < first || seen[row - first] === 0) data.set(drawn.subarray(row * size, (row + 1) * size), row * size);
    }
  }
  const lacking = words.filter((_, at) => seen[at] === 0);
  return { table: { shape, data }, found: words.length - lacking.length, absent: lacking };
}

/** A file of vectors that is being read. */
interface VectorFile {
  readonly name: string;
  /** The row of the first word, after those of unknown words, and the number of rows. */
  readonly first: number;
  readonly codes: number;
  /** The words of the feature, and what stands before the first space of those that hold one. */
  readonly known: Dictionary;
  readonly heads: Dictionary;
  /** 1 for each word that was found. */
  readonly seen: Uint8Array;
  /** The numbers of a vector; absent before the first line. */
  size?: number;
  /** The table; absent before the first word of the feature. */
  data?: Float32Array;
}

/** Returns the words of a feature, and the rows of its table, of which those of unknown words come first. */
function wordRows(
  action: string,
  feature: Feature,
): { readonly words: readonly string[]; readonly first: number; readonly codes: number } {
  const { words } = (isRecord(feature) ? feature : {}) as { readonly words?: unknown };
  if (!isFitted(feature) || !Array.isArray(words)) {
    const found = isRecord(feature) && typeof feature.kind === "string" ? `a ${feature.kind} feature` : kindOf(feature);
    throw new TypeError(`Cannot ${action}: wanted a fitted feature that has words, such as a category, found ${found}`);
  }
  const [{ codes = [] }] = kinds[feature.kind].inputs([["", feature]]);
  const rows = codes[0].size - (codes[0].missing === undefined ? 0 : 1);
  return { words, first: rows - words.length, codes: rows };
}

function headsOf(words: readonly string[]): Dictionary {
  return dictionary(words.filter((word) => word.includes(" ")).map((word) => word.slice(0, word.indexOf(" "))));
}

/** Yields the lines of bytes with their numbers from 1, without what ends them. */
async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly [line: Uint8Array, number: number]> {
  let left: Uint8Array = new Uint8Array(0);
  let number = 0;
  const next = (line: Uint8Array) => {
    const marked = number++ === 0 && byteOrderMark.every((byte, at) => line[at] === byte);
    return [marked ? line.subarray(byteOrderMark.length) : line, number] as const;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, start)) {
      yield next(joined(left, chunk.subarray(start, end)));
      left = left.subarray(0, 0);
      start = end + 1;
    }
    left = joined(left, chunk.slice(start));
  }
  if (left.length > 0) yield next(left);
}

const [lineFeed, space] = [10, 32];
/** The bytes at the beginning of some files of UTF-8 that stand for no text. */
const byteOrderMark = [0xef, 0xbb, 0xbf];

function joined(left: Uint8Array, right: Uint8Array): Uint8Array {
  if (left.length === 0) return right;
  const both = new Uint8Array(left.length + right.length);
  both.set(left);
  both.set(right, left.length);
  return both;
}

/** Takes a line: its vector into the table if it is that of a word of the feature. */
function takeLine(file: VectorFile, line: Uint8Array, number: number): void {
  const where = { name: file.name, line: number };
  if (number === 1) {
    const fields = fieldsOf(where, line);
    const header = fields.length === 2 && fields.every((field) => /^\d+$/.test(field));
    file.size = header ? Number(fields[1]) : fields.length - 1;
    if (!(file.size >= 1)) throw new Malformed(where, 'found no vector, wanted "word v1 v2 ..." or "count size"');
    if (header) return;
  }
  const end = line.indexOf(space);
  if (!(has(file.known, line, end) || has(file.heads, line, end))) return;
  const fields = fieldsOf(where, line);
  const { size = 0 } = file;
  const before = fields.slice(0, Math.max(1, fields.length - size));
  const values = fields.slice(before.length);
  const bytes = new TextEncoder().encode(before.join(" "));
  const code = find(file.known, bytes, 0, bytes.length, hashOf(bytes, 0, bytes.length));
  const longer = code < 0 && before.slice(1).some((field) => Number.isFinite(Number(field)));
  if (values.length < size || longer) {
    throw new Malformed(where, `found ${fields.length - 1} values of ${quoted(fields[0])}, wanted ${size}`);
  }
  if (code >= 0) takeVector(file, where, code, values);
}

function takeVector(file: VectorFile, where: { name: string; line: number }, code: number, values: string[]): void {
  const word = quoted(file.known.words[code]);
  if (file.seen[code] === 1) throw new Malformed(where, `the word ${word} comes twice`);
  file.seen[code] = 1;
  file.data ??= new Float32Array(file.codes * values.length);
  const start = (file.first + code) * values.length;
  values.forEach((text, at) => {
    const value = Math.fround(Number(text));
    if (text === "" || !Number.isFinite(value)) {
      throw new Malformed(where, `value ${at + 1} of ${word} is ${quoted(text)}, wanted a finite number`);
    }
    file.data![start + at] = value;
  });
}

/** Returns true if a dictionary has the text before a position, or all of it if there is none. */
function has(words: Dictionary, line: Uint8Array, end: number): boolean {
  return end > 0 && words.words.length > 0 && find(words, line, 0, end, hashOf(line, 0, end)) >= 0;
}

/** Returns what spaces separate in a line. */
function fieldsOf(where: { readonly name: string; readonly line: number }, line: Uint8Array): string[] {
  const text = decoded(line);
  if (text === undefined) throw new Malformed(where, "found bytes that are not UTF-8");
  return text.trimEnd().split(" ");
}
