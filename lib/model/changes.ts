import { isRecord } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import type { Folder } from "../files/folder.ts";
import { parseMark, withMark } from "../formats/mark.ts";
import type { Safetensors, Stored } from "../formats/safetensors.ts";
import type { Header } from "../formats/safetensors_header.ts";
import type { Parameter } from "../graph/layout.ts";
import type { Tensor } from "../ops/tensor.ts";
import { parseJson } from "./json_file.ts";
import type { Tables } from "./tables.ts";

/** The whole checkpoint that one by changes was written after: the name of its folder, and the digest of what it is. */
export interface Base {
  readonly folder: string;
  readonly sha256: string;
}

/** The rows of each table that are written, by its path. */
export type ChangedRows = ReadonlyMap<string, Int32Array>;

/** The file that has the digest of a checkpoint. */
const factsFile = "checkpoint.json";

/** The most bytes of that file. */
const mostFacts = 2 ** 28;

/** The vectors that are written at once, at most. */
const mostAtOnce = 2 ** 16;

/** Returns the name of the list of rows that a table's vectors in the file are. */
function listOf(path: string): string {
  return `changed rows/${path}`;
}

/** The texts in a file of parameters that name its base. */
const [baseKey, digestKey] = ["checkpoint_base", "checkpoint_base_sha256"];

/** Returns true if a file with such texts holds what has changed since a base. */
export function hasBase(metadata: Header["metadata"]): boolean {
  return metadata[baseKey] !== undefined;
}

/** Returns texts of a file of parameters that holds of tables what has changed since a base. */
export function baseTexts({ folder, sha256 }: Base): Readonly<Record<string, string>> {
  return { [baseKey]: folder, [digestKey]: sha256 };
}

/** Returns parameters as they are written by changes: of each table some rows, and none of it where none has changed. */
export function changedStored(all: readonly Stored[], tables: Tables, changed: ChangedRows): Stored[] {
  return all.flatMap((one): Stored[] => {
    const table = tables.get(one.name);
    if (table === undefined) return [one];
    const rows = changed.get(one.name) ?? new Int32Array();
    if (rows.length === 0) return [];
    const shape = [rows.length, table.units];
    return [
      { name: listOf(one.name), shape: [rows.length], dtype: "I32", chunks: () => [rows] },
      { name: one.name, shape, dtype: "F32", chunks: () => rowsOf(table.vectors, table.units, rows) },
    ];
  });
}

/** Yields some rows of an array, one after the other, in pieces. */
export function* rowsOf(
  from: Float32Array<ArrayBufferLike>,
  width: number,
  rows: Int32Array,
): Generator<Float32Array> {
  for (let start = 0; start < rows.length; start += mostAtOnce) {
    const end = Math.min(start + mostAtOnce, rows.length);
    const piece = new Float32Array((end - start) * width);
    for (let at = start; at < end; at++) {
      for (let unit = 0; unit < width; unit++) piece[(at - start) * width + unit] = from[rows[at] * width + unit];
    }
    yield piece;
  }
}

/** Returns the tensors that a file is to hold: all parameters, or where it names a base those and the rows that it has. */
export function wantedIn(wanted: readonly Parameter[], { entries, metadata }: Header): readonly Parameter[] {
  if (!hasBase(metadata)) return wanted;
  const shapes = new Map(entries.map(({ name, shape }) => [name, shape]));
  return wanted.flatMap((one): Parameter[] => {
    const list = shapes.get(listOf(one.path));
    if (list !== undefined) {
      return [{ ...one, path: listOf(one.path), shape: [list[0] ?? 0] }, {
        ...one,
        shape: [list[0], ...one.shape.slice(1)],
      }];
    }
    return shapes.has(one.path) ? [one] : [];
  });
}

/**
 * Returns all parameters, from a file that has what has changed since a base, and that base, which lies beside it.
 *
 * @param whole Reads the parameters in the base's folder.
 * @throws {Error} if the base is missing or another one, naming its folder.
 */
export async function onBase(
  { tensors, metadata }: Safetensors,
  folder: Folder,
  wanted: readonly Parameter[],
  whole: (base: Folder) => Promise<Safetensors>,
): Promise<Safetensors> {
  const base = await baseBeside(folder, metadata);
  const { tensors: before } = await whole(base);
  const all = wanted.map(({ path }): [string, Tensor] => {
    const [list, some] = [tensors[listOf(path)], tensors[path]];
    if (list === undefined) return [path, some ?? before[path]];
    putRows(before[path], list, some, `Cannot load model\n  at ${folder.name}: ${quoted(listOf(path))}`);
    return [path, before[path]];
  });
  return { tensors: withMark(Object.fromEntries(all), parseMark(metadata.encoding)), metadata };
}

/** Returns the folder of a base, after its digest was compared. */
async function baseBeside(folder: Folder, metadata: Header["metadata"]): Promise<Folder> {
  const base = metadata[baseKey];
  const fail = (found: string, cause?: unknown) =>
    new Error(`Cannot load model\n  at ${folder.name}: ${found}`, { cause });
  if (!/^step-\d{8,}$/.test(base)) throw fail(`its base is ${quoted(base)}, wanted the name of a checkpoint`);
  const beside = folder.beside?.(base);
  const holds = `it holds what has changed since ${base}`;
  if (beside === undefined) throw fail(`${holds}: wanted the path or the URL of a folder that lies beside that one`);
  let json: unknown;
  try {
    json = parseJson(await beside.read(factsFile, mostFacts), beside.nameOf(factsFile));
  } catch (error) {
    throw fail(`${holds}, which cannot be read: wanted ${beside.name} beside it`, error);
  }
  if (isRecord(json) && json.sha256 === metadata[digestKey]) return beside;
  throw fail(`${holds}, and ${beside.name} is another checkpoint of that name`);
}

/** Puts vectors in the rows of a table. */
function putRows({ data, shape: [size] }: Tensor, list: Tensor, some: Tensor, place: string): void {
  if (!(list.data instanceof Int32Array)) throw new TypeError(`${place}: wanted whole numbers, I32`);
  const width = data.length / size;
  list.data.forEach((row, at) => {
    if (row < 0 || row >= size) throw new RangeError(`${place}: found ${row} at [${at}], wanted a row below ${size}`);
    for (let unit = 0; unit < width; unit++) data[row * width + unit] = some.data[at * width + unit];
  });
}
