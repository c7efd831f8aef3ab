import { isRecord, kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import type { ByteReader, Folder } from "../files/folder.ts";
import { sha256Of } from "../files/sha256.ts";
import { type Files, hashed } from "../files/staged.ts";
import { inFileOrder, type Safetensors, safetensorsOf, sizeIn, type Stored } from "../formats/safetensors.ts";
import { type Header, longestHeader } from "../formats/safetensors_header.ts";
import { readSafetensors } from "../formats/safetensors_reader.ts";
import type { Parameter } from "../graph/layout.ts";
import { sizeOf } from "../ops/shape.ts";
import { hasBase, onBase, wantedIn } from "./changes.ts";
import { parseJson } from "./json_file.ts";
import { checkNamed } from "./parameters.ts";
import { joinedRows } from "./row_files.ts";

/** The file of a model's parameters, if they are in one. */
export const parametersFile = "params.safetensors";

/** The file that names those of a model's parameters, if they are in several. */
const indexFile = "params.safetensors.index.json";

/** The names that files of parameters have, beside {@linkcode parametersFile}. */
export const parameterNames: readonly RegExp[] = [
  /^params-[0-9a-f]{16}\.safetensors$/,
  /^params(-[0-9a-f]{16})?\.safetensors\.index\.json$/,
  /^(params|rows)-([0-9a-f]{8}-)?\d{5}-of-\d{5}\.safetensors$/,
];

/** The bytes of parameters in one file, at most, but for a parameter that alone has more. */
const mostInFile = 2 ** 31;

/** The bytes that a file of parameters may hold beside its header and a model's numbers: what others added to it. */
const others = 2 ** 20;

/** The files of a model's parameters. */
export interface ParameterFiles {
  /** The files under the names that they keep. */
  readonly files: Files;
  /** The same contents under names that belong to a spec, while the files take their places one by one. */
  readonly between: Files;
}

/**
 * Returns parameters as files: `params.safetensors`, or above a limit `params-00001-of-00003.safetensors` and so on, with
 * an index that names the file of each, as Hugging Face lays out large models, and the SHA-256 of every file.
 *
 * @param id The digest of the spec that they belong to.
 * @param most The bytes of parameters in one file, at most. Default 2 GiB.
 * @throws {TypeError | RangeError} if a parameter cannot be written.
 */
export function parameterFiles(
  stored: readonly Stored[],
  metadata: Readonly<Record<string, string>>,
  id: string,
  most: number = mostInFile,
): ParameterFiles {
  const shards = shardsOf(stored, most);
  if (shards.length === 1) {
    const { pieces } = safetensorsOf(stored, metadata);
    return { files: { [parametersFile]: pieces }, between: { [betweenFile(id)]: pieces } };
  }
  const digests = new Map<number, string>();
  const contents = shards.map((shard, at) => {
    return hashed(safetensorsOf(shard, metadata).pieces, (digest) => digests.set(at, digest));
  });
  const named = (start: string, index: string): Files => {
    const names = shards.map((_, at) => `${start}${digits(at + 1)}-of-${digits(shards.length)}.safetensors`);
    // The index is written after the files, when their digests are known.
    const text = function* () {
      const sha256 = Object.fromEntries(names.map((name, at) => [name, digests.get(at)]));
      const total_size = stored.reduce((sum, one) => sum + sizeIn(one), 0);
      const weight_map = Object.fromEntries(shards.flatMap((shard, at) => shard.map(({ name }) => [name, names[at]])));
      yield new TextEncoder().encode(
        `${JSON.stringify({ metadata: { total_size, sha256 }, weight_map }, undefined, 2)}\n`,
      );
    };
    return { ...Object.fromEntries(names.map((name, at) => [name, contents[at]])), [index]: text };
  };
  return {
    files: named("params-", indexFile),
    between: named(`params-${crypto.randomUUID().slice(0, 8)}-`, betweenIndex(id)),
  };
}

/** Returns parameters by the file that they go to, each filled up to a limit. */
function shardsOf(stored: readonly Stored[], most: number): readonly (readonly Stored[])[] {
  const shards: Stored[][] = [[]];
  let length = 0;
  for (const one of inFileOrder(stored)) {
    const size = sizeIn(one);
    if (length > 0 && length + size > most) {
      shards.push([]);
      length = 0;
    }
    shards.at(-1)!.push(one);
    length += size;
  }
  return shards;
}

const digits = (count: number) => `${count}`.padStart(5, "0");

/** The file of a model's parameters while a save is not complete, named for the digest of their spec. */
function betweenFile(id: string): string {
  return `params-${id.slice(0, 16)}.safetensors`;
}

/** The index of a model's parameters while a save is not complete. */
function betweenIndex(id: string): string {
  return `params-${id.slice(0, 16)}.safetensors.index.json`;
}

/**
 * Reads a model's parameters as their bytes come, from one file or from those that an index names; from one that names a
 * base, of which it has what has changed, with that base.
 *
 * @param id The digest of the spec that they belong to.
 * @param check Refuses the metadata of a file.
 * @throws {TypeError} listing all parameters that are missing, unexpected and misshapen, before they are read.
 * @throws {Error} if a file is missing, cannot be read, or is another than the index names.
 */
export async function readParameters(
  folder: Folder,
  id: string,
  wanted: readonly Parameter[],
  check: (metadata: Header["metadata"], file: string) => void,
): Promise<Safetensors> {
  const { has, open, nameOf } = folder;
  const asOne = async (file: string, begin: () => void = () => {}) =>
    await open(file, async (bytes) => {
      begin();
      return await readSafetensors(bytes, nameOf(file), mostOf(wanted), (header) => {
        check(header.metadata, file);
        checkNamed(wantedIn(wanted, header), header.entries);
      });
    });
  if (await has(betweenIndex(id))) return await readShards(folder, betweenIndex(id), wanted, check);
  if (await has(betweenFile(id))) return await asOne(betweenFile(id));
  if (await has(indexFile)) return await readShards(folder, indexFile, wanted, check);
  let begun = false;
  try {
    const read = await asOne(parametersFile, () => begun = true);
    if (!hasBase(read.metadata)) return read;
    return await onBase(read, folder, wanted, async (base) => {
      return await readParameters(base, id, wanted, (metadata, file) => {
        check(metadata, file);
        if (!hasBase(metadata)) return;
        throw new TypeError(`Cannot load model\n  at ${base.nameOf(file)}: a base names a base: wanted a whole one`);
      });
    });
  } catch (error) {
    // A folder elsewhere does not list its files: where it lacks the one, it may have the other.
    const index = begun ? undefined : await indexIn(folder, indexFile).catch(() => undefined);
    if (index === undefined) throw error;
    return await readShards(folder, indexFile, wanted, check);
  }
}

/** The bytes of a file of parameters after its header, at most: what others added to it is less. */
function mostOf(wanted: readonly Parameter[]): number {
  return 8 * wanted.reduce((sum, { shape }) => sum + sizeOf(shape), 0) + others;
}

async function readShards(
  folder: Folder,
  index: string,
  wanted: readonly Parameter[],
  check: (metadata: Header["metadata"], file: string) => void,
): Promise<Safetensors> {
  const { byFile, fileOf, rowsOf, digests } = await indexIn(folder, index);
  const known = wanted.filter(({ path }) => fileOf.has(path) || rowsOf.has(path));
  checkNamed(wanted, known.map(({ path, shape }) => ({ name: path, shape, dtype: "F32" })));
  const read = async (file: string, own: readonly Parameter[]): Promise<Safetensors> => {
    const fail = (found: string) => new TypeError(`Cannot load model\n  at ${folder.nameOf(file)}: ${found}`);
    return await folder.open(file, async (bytes) => {
      const { reader, digest } = hashedReader(bytes);
      const found = await readSafetensors(reader, folder.nameOf(file), mostOf(wanted), ({ entries, metadata }) => {
        check(metadata, file);
        const moved = entries.find(({ name }) => fileOf.has(name) && fileOf.get(name) !== file)?.name;
        if (moved !== undefined) throw fail(`it holds ${quoted(moved)}, which ${index} has in ${fileOf.get(moved)}`);
        checkNamed(own, entries, folder.nameOf(file));
      });
      if (Object.hasOwn(digests, file) && digests[file] !== digest()) {
        throw fail(`it is not the file that ${index} names: its SHA-256 is another`);
      }
      return found;
    });
  };
  const wholes: Safetensors[] = [];
  for (const [file, paths] of byFile) wholes.push(await read(file, known.filter(({ path }) => paths.has(path))));
  const tables = await joinedRows(known.filter(({ path }) => rowsOf.has(path)), rowsOf, read);
  const tensors: Safetensors["tensors"] = Object.assign({}, ...wholes.map(({ tensors }) => tensors), tables.tensors);
  return { tensors, metadata: wholes[0]?.metadata ?? tables.metadata };
}

/** Returns a reader of the same bytes, and the digest of those that were read. */
function hashedReader({ size, fill }: ByteReader): { readonly reader: ByteReader; readonly digest: () => string } {
  const hash = sha256Of();
  const reader: ByteReader = {
    size,
    fill: async (bytes) => {
      const filled = await fill(bytes);
      hash.update(filled);
      return filled;
    },
  };
  return { reader, digest: hash.digest };
}

/** The files that an index names. */
interface Index {
  /** The paths of the parameters in each file. */
  readonly byFile: ReadonlyMap<string, ReadonlySet<string>>;
  /** The file of each parameter. */
  readonly fileOf: ReadonlyMap<string, string>;
  /** The files of each table whose rows are in several: row r is in that at place `r mod files`. */
  readonly rowsOf: ReadonlyMap<string, readonly string[]>;
  /** The SHA-256 of files, by name; other programs write none. */
  readonly digests: Readonly<Record<string, unknown>>;
}

async function indexIn({ read, nameOf }: Folder, index: string): Promise<Index> {
  const json = parseJson(await read(index, longestHeader), nameOf(index));
  const map = isRecord(json) ? json.weight_map : undefined;
  const fail = (found: string) => new TypeError(`Cannot load model\n  at ${nameOf(index)}: ${found}`);
  if (!isRecord(json) || !isRecord(map)) throw fail(`weight_map must name files by parameter, found ${kindOf(map)}`);
  const byFile = new Map<string, Set<string>>();
  const wanted = "wanted the name of a safetensors file beside it";
  for (const [path, file] of Object.entries<unknown>(map)) {
    if (!isFileName(file)) throw fail(`weight_map has ${quoted(path)} in ${kindOf(file)}, ${wanted}`);
    byFile.set(file, (byFile.get(file) ?? new Set()).add(path));
  }
  const rows = Object.entries<unknown>(isRecord(json.row_map) ? json.row_map : {});
  for (const [path, files] of rows) {
    const odd = Array.isArray(files) && files.length > 0 ? files.findIndex((file) => !isFileName(file)) : 0;
    const found = odd < 0 ? undefined : kindOf(Array.isArray(files) ? files[odd] : files);
    if (found !== undefined) throw fail(`row_map has rows of ${quoted(path)} in ${found}, ${wanted}`);
    const strange = (files as string[]).find((file, at) => !isInPlace(file, at, files as string[]));
    if (strange !== undefined) {
      throw fail(
        `row_map has rows of ${quoted(path)} in ${quoted(strange)} twice, or at another place than its name says`,
      );
    }
    if (Object.hasOwn(map, path)) throw fail(`${quoted(path)} is in both weight_map and row_map, wanted it in one`);
  }
  const { sha256 } = isRecord(json.metadata) ? json.metadata : {};
  return {
    byFile,
    fileOf: new Map(Object.entries(map) as [string, string][]),
    rowsOf: new Map(rows as [string, string[]][]),
    digests: isRecord(sha256) ? sha256 : {},
  };
}

/** Returns true if a file is listed once, and at the place of which its name is. */
function isInPlace(file: string, at: number, files: readonly string[]): boolean {
  const [, place, count] = file.match(/^rows-(?:[0-9a-f]{8}-)?(\d{5})-of-(\d{5})\./) ?? [];
  const isNamed = place === undefined || Number(place) === at + 1 && Number(count) === files.length;
  return isNamed && files.indexOf(file) === at;
}

function isFileName(found: unknown): found is string {
  return typeof found === "string" && /^[\w-][\w.-]*\.safetensors$/.test(found);
}
