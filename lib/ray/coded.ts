import { beginning, type Json, type Place } from "../data/dataset.ts";
import { type Rows, sliceRows } from "../data/rows.ts";
import { isRecord } from "../errors/kinds.ts";
import { holding, isNumber, isText } from "../errors/shapes.ts";
import { writeFileAtomic } from "../files/atomic.ts";
import { kindAt, message, placeOf } from "../files/place.ts";
import { readFolderFile } from "../files/read.ts";
import { files as system } from "../files/runtime.ts";
import { sha256 } from "../files/sha256.ts";
import { sweepNamed } from "../files/staged.ts";
import { checkRows } from "../model/check_rows.ts";
import { anyCounts, batchTensors } from "../model/feed.ts";
import { type Data, isDataset, isInMemory, piecesOf } from "../model/pieces.ts";
import type { Spec } from "../spec/spec.ts";
import { mapEntries } from "../trace/entries.ts";
import { dataOf, differenceOf } from "../train/identity.ts";
import { parsed } from "./client.ts";
import { codedFile } from "./coded_file.ts";
import { columnsOf } from "./columns.ts";
import type { CodedGroup, CodedRows } from "./form.ts";

/** The way in which rows are encoded. */
export interface Coding {
  /** The most rows of a row group. */
  readonly groupRows: number;
  /** The number of which those of a file are a multiple, all even, so that as many lanes have as many rows. */
  readonly lanes: number;
  /** Aborting it ends the encoding after the file that is being written. */
  readonly signal?: AbortSignal;
}

/** Encoded rows, and whether any of them has a label. */
export interface Coded extends CodedRows {
  readonly labelled: boolean;
}

/**
 * Encodes rows as Parquet files in a folder, `NAME/part-00000.parquet` and so on, which hold the inputs, labels and weights
 * as graphs read them. `NAME.json` says which files are whole: one that was written is not written again.
 *
 * Memory is that of some windows of a dataset, or of some pieces of a function, and of one file.
 *
 * @param folder The folder, which is made if it is missing.
 * @param name The name of these rows there.
 * @throws {TypeError | RangeError} if rows do not fit the model, or the folder has the encoded rows of other data.
 * @throws {Error} if a file cannot be read or written.
 */
export async function encodeRows(
  spec: Spec,
  data: Data,
  folder: string,
  name: string,
  { groupRows, lanes, signal }: Coding,
): Promise<Coded> {
  const index = `${folder}/${name}.json`;
  const identity = { data: dataOf(data), features: featuresId(spec), groupRows, lanes };
  let known = await indexAt(folder, name, identity);
  if (known.ended) return codedIn(known);
  for await (const { rows, place } of windowsOf(data, known.files.at(-1)?.place, groupRows, signal)) {
    signal?.throwIfAborted();
    if (rows.count === 0 || known.files.some((file) => file.place.window === place.window)) continue;
    checkPiece(spec, data, rows, place);
    const file = `${name}/part-${String(place.window).padStart(5, "0")}.parquet`;
    const written = await writeFile(spec, rows, `${folder}/${file}`, evenly(rows.count, groupRows, lanes));
    known = {
      ...known,
      labelled: known.labelled || anyCounts(spec, rows),
      files: [...known.files, { file, ...written, place }],
    };
    await writeIndex(index, known);
  }
  signal?.throwIfAborted();
  known = { ...known, ended: true };
  await writeIndex(index, known);
  await sweepNamed(`${folder}/${name}`, (file) => file.startsWith(".part-")); // of runs that were killed
  return codedIn(known);
}

/**
 * Makes sure that rows fit a model.
 *
 * @throws {TypeError | RangeError} if they do not, with the place from which rows are counted.
 */
function checkPiece(spec: Spec, data: Data, rows: Rows, { window, part, row }: Place): void {
  try {
    checkRows(spec, rows, "train");
  } catch (error) {
    if (isInMemory(data) || !(error instanceof TypeError || error instanceof RangeError)) throw error;
    const from = isDataset(data) ? `row ${row} of part ${part}` : `the first of piece ${window}`;
    const kind = error instanceof TypeError ? TypeError : RangeError;
    throw new kind(`${error.message}\n  where rows are counted from ${from}, all from 0`, { cause: error });
  }
}

const action = "encode rows";
const format = "gatehouse coded rows 2";

/** The files that are whole, and what they are of. */
type Index = {
  readonly format: typeof format;
  readonly identity: { readonly [name: string]: Json };
  readonly files: readonly {
    readonly file: string;
    readonly bytes: number;
    readonly sha256: string;
    /** The rows of each row group. */
    readonly groups: readonly number[];
    /** The place of the window that it holds. */
    readonly place: Place;
  }[];
  readonly labelled: boolean;
  /** True if there are no more rows. */
  readonly ended: boolean;
};

function codedIn({ files, labelled }: Index): Coded {
  const groups = files.flatMap(({ file, groups }) => groups.map((rows, group): CodedGroup => ({ file, group, rows })));
  return { groups, files: Object.fromEntries(files.map(({ file, sha256 }) => [file, sha256])), labelled };
}

/** Returns the digest of what decides which numbers rows are encoded as. */
export function featuresId({ input, tasks }: Pick<Spec, "input" | "tasks">): string {
  const judged = mapEntries(tasks, (_, { head, only }) => ({ head, only: only ?? null }));
  return sha256(JSON.stringify({ input, judged })).slice(0, 16);
}

/** Returns what is known to be written already: the files up to the first that is missing or of another size. */
async function indexAt(folder: string, name: string, identity: Index["identity"]): Promise<Index> {
  const file = `${name}.json`;
  const begun: Index = { format, identity, files: [], labelled: false, ended: false };
  if (await kindAt(`${folder}/${file}`) === undefined) return begun;
  const place = placeOf(`${folder}/${file}`, action);
  const bytes = await readFolderFile(folder, file, { limit: 2 ** 28, wanted: [file], action });
  const found = parsed(new TextDecoder().decode(bytes));
  if (!isIndex(found)) {
    const way = "wanted another folder, or this one without that file, where rows are then encoded anew";
    throw new TypeError(message(place, `it is damaged, or of another program: ${way}`));
  }
  const index = found as Index;
  const difference = differenceOf(identity, index.identity, "", "that folder");
  if (difference !== undefined) {
    const way = "wanted another folder, or this one without its old data";
    throw new TypeError(message(place, `it has the encoded rows of other data: ${difference}: ${way}`));
  }
  const sizes = await Promise.all(index.files.map(async (one) => await sizeAt(`${folder}/${one.file}`)));
  const missing = sizes.findIndex((size, at) => size !== index.files[at].bytes);
  return missing < 0 ? index : { ...index, files: index.files.slice(0, missing), ended: false };
}

/** Accepts an index as it is written. */
const isIndex = holding({
  format: (found) => found === format,
  identity: isRecord,
  files: (found) => Array.isArray(found) && found.every(isFile),
  labelled: (found) => typeof found === "boolean",
  ended: (found) => typeof found === "boolean",
});
const isFile = holding({
  file: isText,
  bytes: isNumber,
  sha256: isText,
  groups: (found) =>
    Array.isArray(found) && found.length > 0 && found.every((rows) => Number.isInteger(rows) && rows > 0),
  place: isRecord,
});

/** Returns the bytes of a file; undefined if there is none. */
async function sizeAt(path: string): Promise<number | undefined> {
  return await kindAt(path) === "file" ? (await system().stat(path)).size : undefined;
}

async function writeIndex(path: string, index: Index): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(index)}\n`, action);
}

/** Rows that go to one file, and their place in the data, whose `window` counts them. */
interface Window {
  readonly rows: Rows;
  readonly place: Place;
}

/** Yields rows file by file, from a place on, which comes first where the data can begin there. */
async function* windowsOf(
  data: Data,
  from: Place | undefined,
  groupRows: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Window> {
  if (isDataset(data)) {
    return yield* data.pass({ seed: 0, epoch: 1, shuffle: false, batch: groupRows, from, signal });
  }
  const size = groupRows * Math.max(1, Math.ceil(rowsInFile / groupRows));
  let window = 0;
  for await (const rows of piecesOf(data, action)) {
    const most = isInMemory(data) ? size : rows.count;
    for (let start = 0; start < rows.count; start += most) {
      const count = Math.min(most, rows.count - start);
      if (window >= (from?.window ?? 0)) yield { rows: sliceRows(rows, start, count), place: { ...beginning, window } };
      window++;
    }
  }
}

/** Returns the rows of row groups, at most so many, of which there is a multiple of lanes. */
function evenly(count: number, most: number, lanes: number): number {
  return Math.ceil(count / (lanes * Math.ceil(count / (lanes * most))));
}

/** The rows of a file, about, where they are in memory anyway. */
const rowsInFile = 2 ** 17;

/** Writes rows as a file, and returns its size, its SHA-256, and the rows of each row group. */
async function writeFile(
  spec: Spec,
  rows: Rows,
  path: string,
  groupRows: number,
): Promise<{ readonly bytes: number; readonly sha256: string; readonly groups: readonly number[] }> {
  const file = await codedFile(columnsOf(spec));
  const ones = mapEntries(spec.tasks, () => 1); // weights as they are: a batch is not known yet
  const groups: number[] = [];
  for (let start = 0; start < rows.count; start += groupRows) {
    const count = Math.min(groupRows, rows.count - start);
    file.add(batchTensors(spec, sliceRows(rows, start, count), ones));
    groups.push(count);
  }
  await system().mkdir(placeOf(path, action).parent, { recursive: true });
  const content = file.end();
  await writeFileAtomic(path, content, action);
  return { bytes: content.length, sha256: sha256(content), groups };
}
