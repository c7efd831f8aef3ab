import type { Json, Position } from "../data/dataset.ts";
import { isRecord } from "../errors/kinds.ts";
import { folderOf } from "../files/folder.ts";
import { kindAt, message } from "../files/place.ts";
import { filled, openFolderFile } from "../files/read.ts";
import { sha256, sha256Of } from "../files/sha256.ts";
import { type Content, type Files, hashed } from "../files/staged.ts";
import { versionsIn } from "../files/versions.ts";
import { parseJson } from "../model/json_file.ts";
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
  /** The state of the weighting. */
  readonly weighting?: Json;
  /** The size that no number of a table exceeds, by path, where it is known. */
  readonly largest: { readonly [path: string]: number };
  /** The rates of the last step. */
  readonly rates: { readonly optimiser: number; readonly vectors: number };
  /** All that must be the same for the training to go on. */
  readonly identity: Json;
  /** The name of the engine. */
  readonly engine: string;
};

/** An array of a checkpoint, of the type that it has in memory. */
export type NumberArray = Float32Array | Float64Array | Int32Array;

/** The arrays of a checkpoint beside the model's own files, by name. */
export type NumberArrays = Readonly<Record<string, NumberArray>>;

/** The file of facts, and that of arrays. */
const [factsFile, arraysFile] = ["checkpoint.json", "training.bin"];

const format = "gatehouse checkpoint 1";

/**
 * Returns the files of a checkpoint: those of the model, `training.bin`, the bytes of arrays one after the other as they
 * are in memory, little-endian, so that not a bit is lost, and `checkpoint.json`, which names the arrays and the SHA-256 of
 * every file.
 */
export function checkpointFiles(model: Files, facts: Facts, arrays: NumberArrays): Files {
  const digests = new Map<string, string>();
  const contents: Readonly<Record<string, Content>> = { ...model, [arraysFile]: () => bytesOf(arrays) };
  const files = Object.entries(contents).map(([name, content]) => {
    return [name, hashed(content, (digest) => digests.set(name, digest))];
  });
  const named = Object.entries(arrays).map(([name, array]) => ({ name, type: typeOf(array), length: array.length }));
  const text = function* () {
    yield bytesIn({ format, facts, arrays: named, files: Object.fromEntries(digests) }); // known by now
  };
  return { ...Object.fromEntries(files), [factsFile]: text };
}

/** Yields the bytes of arrays in pieces. */
function* bytesOf(arrays: NumberArrays): Generator<Uint8Array> {
  for (const { buffer, byteOffset, byteLength } of Object.values(arrays)) {
    for (let at = 0; at < byteLength; at += mostInPiece) {
      yield new Uint8Array(buffer, byteOffset + at, Math.min(mostInPiece, byteLength - at));
    }
  }
}

/** The bytes of a piece that is written or read, at most. */
const mostInPiece = 2 ** 22;

const types = { float32: Float32Array, float64: Float64Array, int32: Int32Array } as const;

type TypeName = keyof typeof types;

function typeOf(array: NumberArray): TypeName {
  return array instanceof Float32Array ? "float32" : array instanceof Float64Array ? "float64" : "int32";
}

/** Returns the bytes of a file of facts, which begins with the SHA-256 of the rest as compact JSON. */
function bytesIn(checkpoint: unknown): Uint8Array {
  const digest = sha256(new TextEncoder().encode(JSON.stringify(checkpoint)));
  return new TextEncoder().encode(`${JSON.stringify({ sha256: digest, checkpoint }, undefined, 2)}\n`);
}

/** A checkpoint as it lies in its folder, found whole. */
export interface Checkpoint {
  readonly path: string;
  readonly facts: Facts;
  readonly arrays: readonly { readonly name: string; readonly type: TypeName; readonly length: number }[];
}

/**
 * Returns the newest checkpoint in a folder of them, or the one that the folder is, after all of its files were found
 * whole; undefined if there is none.
 *
 * @param action The action that errors name.
 * @throws {Error} naming the first file that is damaged or missing, and the newest older checkpoint that is whole.
 */
export async function newestCheckpoint(folder: string, action: string): Promise<Checkpoint | undefined> {
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
  const checkpoint = factsIn(await folder.read(factsFile, mostFacts));
  if (checkpoint === undefined) return damaged(factsFile);
  for (const [file, digest] of Object.entries(checkpoint.files)) {
    if (!await folder.has(file)) return message({ action, path }, `no ${file} found`);
    if (await fileDigest(path, file, action) !== digest) return damaged(file);
  }
  return { path, facts: checkpoint.facts, arrays: checkpoint.arrays };
}

/** The most bytes of a file of facts. */
const mostFacts = 2 ** 28;

/** Returns the checkpoint in the bytes of its file; undefined if they are not those that were written. */
function factsIn(bytes: Uint8Array): (Checkpoint & { readonly files: Readonly<Record<string, string>> }) | undefined {
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
  return isWhole ? checkpoint as unknown as ReturnType<typeof factsIn> : undefined;
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
export async function arraysOf({ path, arrays }: Checkpoint, action: string): Promise<NumberArrays> {
  return await openFolderFile(path, arraysFile, { wanted: [arraysFile], action }, async (open) => {
    const read: [string, NumberArray][] = [];
    for (const { name, type, length } of arrays) {
      const array = new types[type](length);
      await filled(open, new Uint8Array(array.buffer));
      read.push([name, array]);
    }
    return Object.fromEntries(read);
  });
}
