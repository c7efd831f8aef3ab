import type { Json, Position } from "../data/dataset.ts";
import { isRecord } from "../errors/kinds.ts";
import { folderOf } from "../files/folder.ts";
import { besidePath, explained, kindAt, message, placeOf } from "../files/place.ts";
import { filled, openFolderFile, readFolderFile } from "../files/read.ts";
import { failure } from "../files/runtime.ts";
import { sha256, sha256Of } from "../files/sha256.ts";
import { type Content, type Files, hashed } from "../files/staged.ts";
import { versionsIn } from "../files/versions.ts";
import { decodeSafetensors, type Safetensors } from "../formats/safetensors.ts";
import type { Base } from "../model/changes.ts";
import { parseJson } from "../model/json_file.ts";
import {
  type ArrayEntry,
  bytesOf,
  mostInPiece,
  type NumberArrays,
  readArrays,
  type Written,
} from "./checkpoint_arrays.ts";
import type { Tensor } from "../ops/tensor.ts";
import { mapEntries } from "../trace/entries.ts";
import type { Observed } from "./health.ts";
import type { Progress } from "./progress.ts";
import type { Watched } from "./stopping.ts";

/** The numbers and texts of a training between two steps, as JSON holds them; its arrays are in files beside. */
export type Facts = {
  /** The steps, and the rows in them, that this training has taken; what `from` says is not in it. */
  readonly step: number;
  readonly rows: number;
  /** The number of steps since optimisers have begun. */
  readonly count: number;
  /** The epoch of the next step, from 1, and the position in it; absent at its beginning. */
  readonly epoch: number;
  readonly position?: Position;
  /** True if the parameters as they are were evaluated. */
  readonly validated: boolean;
  /** The record of the last step, if its epoch may go on; it was given, but for its validation. */
  readonly last?: Progress;
  /** The knowledge of stopping. */
  readonly stopping?: Watched;
  /** The knowledge of health. */
  readonly health?: Observed;
  /** The state of the weighting. */
  readonly weighting?: Json;
  /** The size that no number of a table exceeds, by path, where it is known. */
  readonly largest: { readonly [path: string]: number };
  /** The seconds of work that it has taken; absent in checkpoints of earlier versions. */
  readonly seconds?: number;
  /** The rates of the last step. */
  readonly rates: PerOptimiser<number>;
  /** The names of the schedules that gave them; absent in checkpoints of earlier versions. */
  readonly schedules?: PerOptimiser<string>;
  /** All that must be the same for the training to go on. */
  readonly identity: { readonly [name: string]: Json };
  /** The name of the engine. */
  readonly engine: string;
};

/** A value for the optimisers of parameters and of vectors; for those of parts and tables if there are any. */
export type PerOptimiser<T> = {
  readonly optimiser: T;
  readonly vectors: T;
  readonly parts?: Readonly<Record<string, T>>;
  readonly tables?: Readonly<Record<string, T>>;
};

/** The file of facts, and that of arrays. */
const [factsFile, arraysFile] = ["checkpoint.json", "training.bin"];

const format = "gatehouse checkpoint 1";

/**
 * Returns the files of a checkpoint: those of the model, `training.bin`, the bytes of arrays one after the other as they
 * are in memory, little-endian, so that not a bit is lost, and `checkpoint.json`, which names the arrays and the SHA-256 of
 * every file.
 *
 * @param base The whole checkpoint since which the files hold what has changed. Default: they are whole.
 * @param keep Called with the digest of the checkpoint once it is written.
 */
export function checkpointFiles(
  model: Files,
  facts: Facts,
  arrays: readonly Written[],
  base: Base | undefined,
  keep: (digest: string) => void,
): Files {
  const digests = new Map<string, string>();
  const contents: Readonly<Record<string, Content>> = { ...model, [arraysFile]: () => bytesOf(arrays) };
  const files = Object.entries(contents).map(([name, content]) => {
    return [name, hashed(content, (digest) => digests.set(name, digest))];
  });
  const named = arrays.map(({ pieces: _, ...entry }): ArrayEntry => entry);
  const text = function* () {
    const checkpoint = { format, facts, base, arrays: named, files: Object.fromEntries(digests) }; // known by now
    keep(digestOf(checkpoint));
    yield bytesIn(checkpoint);
  };
  return { ...Object.fromEntries(files), [factsFile]: text };
}

/** Returns the bytes of a file of facts, which begins with the SHA-256 of the rest as compact JSON. */
function bytesIn(checkpoint: unknown): Uint8Array {
  const text = JSON.stringify({ sha256: digestOf(checkpoint), checkpoint }, undefined, 2);
  return new TextEncoder().encode(`${text}\n`);
}

/** Returns the digest of a checkpoint: of all that it is, as its files' digests are in it. */
function digestOf(checkpoint: unknown): string {
  return sha256(JSON.stringify(checkpoint));
}

/** A checkpoint as it lies in its folder, found whole. */
export interface Checkpoint {
  readonly path: string;
  readonly facts: Facts;
  readonly arrays: readonly ArrayEntry[];
  /**
   * Arrays whose rows are in several safetensors files, row r in the file at place `r mod files`, by name, as machines that
   * share a table write them; absent if there are none.
   */
  readonly rows?: Readonly<Record<string, readonly string[]>>;
  /** The whole one since which it has what has changed; absent if it is whole. */
  readonly base?: Checkpoint;
}

/**
 * Returns the newest checkpoint in a folder of them, or the one that the folder is, after all of its files were found
 * whole; undefined if there is none.
 *
 * @param action The action that errors name.
 * @throws {Error} naming the first file that is damaged or missing, and the newest older checkpoint that is whole.
 */
export async function newestCheckpoint(folder: string, action: string): Promise<Checkpoint | undefined> {
  const place = placeOf(folder, action);
  try {
    return await newestIn(folder, action);
  } catch (error) {
    throw explained(error, place);
  }
}

async function newestIn(folder: string, action: string): Promise<Checkpoint | undefined> {
  const kind = await kindAt(folder);
  if (kind === undefined) return undefined;
  if (kind !== "folder") {
    throw failure(
      "NotADirectory",
      message({ action, path: folder }, `found a ${kind}, wanted a folder of checkpoints`),
    );
  }
  const isOne = await kindAt(`${folder}/${factsFile}`) === "file";
  const versions = isOne ? [{ path: folder }] : await versionsIn(folder);
  let damage: string | undefined;
  for (const { path } of versions) {
    const found = await checkpointIn(path, action);
    if (typeof found === "string") {
      damage ??= found;
      continue;
    }
    if (damage === undefined) return found;
    throw new Error(
      `${damage}\n  the checkpoint before it is whole: resume: ${JSON.stringify(path)} goes on from there`,
    );
  }
  if (damage === undefined) return undefined;
  throw new Error(`${damage}\n  ${isOne ? "wanted another checkpoint" : "no older checkpoint is whole"}`);
}

/** Returns the checkpoint in a folder, or the message of an error that names what is damaged. */
async function checkpointIn(path: string, action: string): Promise<Checkpoint | string> {
  const damaged = (file: string) =>
    message({ action, path: `${path}/${file}` }, "the file is damaged: it is not what was written");
  const folder = folderOf(path, [factsFile], action);
  if (!await folder.has(factsFile)) return message({ action, path }, `no ${factsFile} found`);
  const checkpoint = factsIn(await folder.read(factsFile, mostFacts))?.checkpoint;
  if (checkpoint === undefined) return damaged(factsFile);
  for (const [file, digest] of Object.entries(checkpoint.files)) {
    if (!await folder.has(file)) return message({ action, path }, `no ${file} found`);
    if (await fileDigest(path, file, action) !== digest) return damaged(file);
  }
  const { facts, arrays, rows, base } = checkpoint;
  if (base === undefined) return { path, facts, arrays, rows };
  const found = await baseIn(path, base, action);
  return typeof found === "string" ? found : { path, facts, arrays, base: found };
}

/** Returns the base of a checkpoint, or the message of an error that names what is damaged or missing. */
async function baseIn(path: string, { folder, sha256 }: Base, action: string): Promise<Checkpoint | string> {
  const beside = besidePath(path, folder);
  const holds = `it holds what has changed since ${folder}`;
  if (await kindAt(beside) === undefined) return message({ action, path }, `${holds}, and ${beside} is missing`);
  const found = await checkpointIn(beside, action);
  if (typeof found === "string") return found;
  const written = await storedIn(beside, action);
  if (written?.sha256 === sha256 && found.base === undefined) return found;
  return message({ action, path }, `${holds}, and ${beside} is another checkpoint of that name`);
}

/** Returns the name of the folder that a checkpoint needs beside it; undefined if it is whole, or damaged. */
export async function baseOf(path: string): Promise<string | undefined> {
  return (await storedIn(path, "write checkpoint").catch(() => undefined))?.checkpoint.base?.folder;
}

/** Returns what the file of a checkpoint's facts holds; undefined if it is damaged. */
async function storedIn(path: string, action: string): Promise<StoredFacts | undefined> {
  return factsIn(await folderOf(path, [factsFile], action).read(factsFile, mostFacts));
}

/** The file of a checkpoint's facts. */
interface StoredFacts {
  readonly sha256: string;
  readonly checkpoint: Omit<Checkpoint, "path" | "base"> & {
    readonly base?: Base;
    readonly files: Readonly<Record<string, string>>;
  };
}

/** The most bytes of a file of facts. */
const mostFacts = 2 ** 28;

/** Returns the checkpoint in the bytes of its file; undefined if they are not those that were written. */
function factsIn(bytes: Uint8Array): StoredFacts | undefined {
  let json: unknown;
  try {
    json = parseJson(bytes, factsFile);
  } catch {
    return undefined;
  }
  const { checkpoint } = isRecord(json) ? json : {};
  if (!isRecord(checkpoint) || checkpoint.format !== format) return undefined;
  const written = bytesIn(checkpoint);
  const isWhole = bytes.length === written.length && bytes.every((byte, at) => byte === written[at]);
  return isWhole ? json as unknown as StoredFacts : undefined;
}

async function fileDigest(folder: string, file: string, action: string): Promise<string> {
  return await openFolderFile(folder, file, { wanted: [file], action }, async (open) => {
    const [hash, memory] = [sha256Of(), new Uint8Array(mostInPiece)];
    for (let piece = await filled(open, memory); piece.length > 0; piece = await filled(open, memory)) {
      hash.update(piece);
    }
    return hash.digest();
  });
}

/** Reads the arrays of a checkpoint. */
export async function arraysOf({ path, arrays, rows = {}, base }: Checkpoint, action: string): Promise<NumberArrays> {
  const before = base === undefined ? {} : await arraysOf(base, action);
  const files = [...new Set(Object.values(rows).flat())]; // each has rows of many arrays
  const read = new Map(
    await Promise.all(files.map(async (file) => [file, await safetensorsIn(path, file, action)] as const)),
  );
  const shared = mapEntries(rows, (name, files) => {
    const own = name.slice(name.indexOf("/") + 1);
    return joinedRows(files.map((file) => read.get(file)!.tensors[own]));
  });
  const whole = await openFolderFile(path, arraysFile, { wanted: [arraysFile], action }, (open) => {
    return readArrays(open, arrays, before);
  });
  return { ...whole, ...shared };
}

async function safetensorsIn(path: string, file: string, action: string): Promise<Safetensors> {
  return decodeSafetensors(await readFolderFile(path, file, { limit: Infinity, wanted: [file], action }));
}

/** Returns the rows of several files as one array. */
function joinedRows(parts: readonly Tensor[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { data }) => sum + data.length, 0));
  parts.forEach(({ shape: [rows, width], data }, place) => {
    for (let row = 0; row < rows; row++) {
      all.set(data.subarray(row * width, (row + 1) * width), (row * parts.length + place) * width);
    }
  });
  return all;
}
