import { isRecord, kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import type { Folder } from "../files/folder.ts";
import { sha256 } from "../files/sha256.ts";
import { dataStart } from "../formats/safetensors_header.ts";
import { decodeWords, encodeWords, mostWordBytes } from "../formats/words.ts";
import type { Spec } from "../spec/spec.ts";

/** A spec as it is stored: large vocabularies are in a file of their own, which it names in their place. */
export interface StoredSpec {
  /** The spec, as JSON. */
  readonly json: unknown;
  /** The file of words, by its name; empty if no vocabulary is large. */
  readonly files: Readonly<Record<string, () => Iterable<Uint8Array>>>;
}

/** A large vocabulary in the spec: the file that holds the words under the feature's name, and its SHA-256. */
interface Reference {
  readonly file: string;
  readonly sha256: string;
}

/** The name of a file of words: the start of its SHA-256 is part of it, so that no older version has it. */
export const wordsFile = /^words-[0-9a-f]{16}\.safetensors$/;

/**
 * Returns a spec as it is stored. Vocabularies of more than 1,000 words or 65,536 characters are large, if UTF-8 can hold
 * their words and the feature's name; JSON can hold any.
 *
 * @throws {RangeError} if the words take more than 1 GiB.
 */
export function stored(spec: Spec): StoredSpec {
  const { input } = spec;
  if ("width" in input) return { json: spec, files: {} };
  const large = Object.entries<unknown>(input.features).flatMap(([name, feature]): [string, readonly string[]][] =>
    isRecord(feature) && Array.isArray(feature.words) && isLarge(name, feature.words) ? [[name, feature.words]] : []
  );
  if (large.length === 0) return { json: spec, files: {} };
  const pieces = encodeWords(Object.fromEntries(large));
  const digest = sha256(pieces());
  const words: Reference = { file: `words-${digest.slice(0, 16)}.safetensors`, sha256: digest };
  const apart = new Set(large.map(([name]) => name));
  const features = Object.entries(input.features).map(([name, feature]) => {
    return [name, apart.has(name) ? { ...feature, words } : feature];
  });
  return { json: { ...spec, input: { features: Object.fromEntries(features) } }, files: { [words.file]: pieces } };
}

/**
 * Returns the JSON of a spec with its large vocabularies, from the files that it names. Nothing of it is checked but that.
 *
 * @throws {TypeError} if a file is not the one that was saved with the spec, or lacks the words of a feature.
 */
export async function withWords(json: unknown, folder: Folder): Promise<unknown> {
  const input = isRecord(json) ? json.input : undefined;
  const features = isRecord(input) ? input.features : undefined;
  if (!isRecord(json) || !isRecord(input) || !isRecord(features)) return json;
  const lists = new Map<string, ReadonlyMap<string, readonly string[]>>();
  const complete: [string, unknown][] = [];
  for (const [name, feature] of Object.entries(features)) {
    const words = isRecord(feature) ? referenceIn(feature.words, name, folder.name) : undefined;
    if (words === undefined) {
      complete.push([name, feature]);
      continue;
    }
    if (!lists.has(words.file)) lists.set(words.file, await listsIn(words, folder));
    const own = lists.get(words.file)!.get(name);
    if (own === undefined) {
      throw new TypeError(`${at(folder.name)}: ${words.file} has no words of feature ${quoted(name)}`);
    }
    complete.push([name, { ...feature as object, words: own }]);
  }
  return lists.size === 0 ? json : { ...json, input: { ...input, features: Object.fromEntries(complete) } };
}

async function listsIn(
  { file, sha256: wanted }: Reference,
  { name, nameOf, read }: Folder,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const bytes = await read(file, (start) => dataStart(start) + mostWordBytes);
  if (sha256(bytes) === wanted) return decodeWords(bytes, nameOf(file));
  throw new TypeError(`${at(name)}: ${file} is not the file that spec.json names: its SHA-256 is another`);
}

/** Returns what stands for the words of a feature, if it names a file. */
function referenceIn(words: unknown, feature: string, path: string): Reference | undefined {
  if (!isRecord(words)) return undefined;
  const { file, sha256 } = words;
  if (typeof file === "string" && wordsFile.test(file) && typeof sha256 === "string") return { file, sha256 };
  const found = `feature ${quoted(feature)} names its file of words as ${kindOf(words)}`;
  throw new TypeError(`${at(path)}: ${found}, wanted { file: "words-....safetensors", sha256 }`);
}

function at(path: string): string {
  return `Cannot load model\n  at ${path}`;
}

function isLarge(feature: string, words: readonly string[]): boolean {
  if (words.length <= mostInside && words.reduce((sum, { length }) => sum + length, 0) <= mostCharacters) return false;
  return feature.isWellFormed() && words.every((word) => word.isWellFormed());
}

/** The most words, and the most characters, of a vocabulary that is stored in the spec itself. */
const [mostInside, mostCharacters] = [1000, 2 ** 16];
