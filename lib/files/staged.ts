import type { FilePlace } from "./place.ts";
import { files as system } from "./runtime.ts";
import { sha256Of } from "./sha256.ts";
import type { OpenFile } from "./system.ts";
import { isFree } from "./turns.ts";

/**
 * The contents of a file: bytes, text that is written as UTF-8, or a function that yields bytes in pieces, so that they
 * need not be in memory at once. It may be called again, to write the file under another name.
 */
export type Content = Uint8Array | string | (() => Iterable<Uint8Array>);

/** The files of a folder: contents by name, written in their order. */
export type Files = Readonly<Record<string, Content>>;

/** Returns a new hidden name that begins with a prefix, for what is new or has had its time. */
export function hiddenName(prefix: string, kind: "new" | "old" = "new"): string {
  return `${prefix}gatehouse-${kind}-${crypto.randomUUID().slice(0, 8)}`;
}

/** Returns true if a file name in a folder is one that this package stages new files under. */
export function isStaged(name: string): boolean {
  return /^\.gatehouse-new-[0-9a-f]{8}$/.test(name);
}

/**
 * Puts files in a folder in their order, each whole: the last one, which may name the others, comes when they are there.
 * All of them are on the disk before the first takes its place.
 *
 * @param mode The permissions of a file that replaces none; undefined for the system's.
 * @param placed Files that lie in the folder already: they stay, and their contents are linked under other names and not
 * written again.
 */
export async function put(folder: string, files: Files, mode: number | undefined, placed: Files = {}): Promise<void> {
  const staged = `${folder}/${hiddenName(".")}`;
  const moved = Object.entries(files).filter(([name, content]) => placed[name] !== content);
  try {
    await system().mkdir(staged, { mode: 0o700 });
    for (const [name, content] of moved) {
      const kept = await modeAt(`${folder}/${name}`) ?? mode;
      const [twin] = Object.entries(placed).find(([, other]) => other === content) ?? [];
      const linked = twin !== undefined && typeof content !== "string" &&
        await system().link(`${folder}/${twin}`, `${staged}/${name}`).then(() => true, () => false);
      if (linked) await keepMode(`${staged}/${name}`, kept);
      else await writeSynced(`${staged}/${name}`, content, kept);
    }
    for (const [name] of moved) await system().rename(`${staged}/${name}`, `${folder}/${name}`);
  } finally {
    await removed(staged);
  }
}

/** Writes a new file to the disk, with the permissions of the one that it will replace. */
export async function writeSynced(path: string, content: Content, mode?: number): Promise<void> {
  const file = await system().create(path, mode);
  try {
    await keepMode(path, mode);
    let writing = Promise.resolve();
    for (const piece of piecesOf(content)) { // made, and hashed, while the one before is written
      await writing;
      writing = writeAll(file, piece);
      writing.catch(() => {}); // thrown when it is awaited
    }
    await writing;
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeAll(file: OpenFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/** Returns contents whose SHA-256 is kept each time that they were written. */
export function hashed(content: Content, keep: (digest: string) => void): () => Iterable<Uint8Array> {
  return function* () {
    const hash = sha256Of();
    for (const piece of piecesOf(content)) {
      hash.update(piece);
      yield piece;
    }
    keep(hash.digest());
  };
}

function piecesOf(content: Content): Iterable<Uint8Array> {
  if (typeof content === "function") return content();
  return [typeof content === "string" ? new TextEncoder().encode(content) : content];
}

async function keepMode(path: string, mode: number | undefined): Promise<void> {
  if (mode !== undefined) await system().chmod(path, mode);
}

/** Returns the permissions of a file; undefined if there is none, or the system has no such permissions. */
export async function modeAt(path: string): Promise<number | undefined> {
  return (await system().stat(path).catch(() => undefined))?.mode;
}

/** Removes what killed runs left beside a place: unfinished versions that are a minute old, and old versions. */
export async function sweepBeside({ parent, name }: FilePlace): Promise<void> {
  const prefix = `.${name}.gatehouse-`;
  for (const entry of await namesIn(parent)) {
    const kind = entry.startsWith(prefix) && /^(new|old)-[0-9a-f]{8}$/.exec(entry.slice(prefix.length))?.[1];
    if (kind === "old" || kind === "new" && await isStale(`${parent}/${entry}`)) await removed(`${parent}/${entry}`);
  }
}

/** Removes what killed runs left in a folder. */
export async function sweepInside(folder: string): Promise<void> {
  for (const name of await namesIn(folder)) {
    if (isStaged(name) && await isStale(`${folder}/${name}`)) await removed(`${folder}/${name}`);
  }
}

/** Removes files of a folder that have such names and did not change for a minute: a program may be about to name them. */
export async function sweepNamed(folder: string, isWanted: (name: string) => boolean): Promise<void> {
  for (const name of (await namesIn(folder)).filter(isWanted)) {
    if (await isStale(`${folder}/${name}`)) await removed(`${folder}/${name}`);
  }
}

/** Removes a file or a folder, if that can be done. */
export async function removed(path: string): Promise<void> {
  await system().remove(path).catch(() => {});
}

/** Returns true if a file did not change for a minute, or a folder, and no running process has locked it. */
async function isStale(path: string): Promise<boolean> {
  const found = await system().stat(path).catch(() => undefined);
  if (Date.now() - (found?.changed?.getTime() ?? Date.now()) <= 60_000) return false;
  return found?.kind !== "folder" || await isFree(path);
}

async function namesIn(folder: string): Promise<string[]> {
  return (await system().entries(folder).catch(() => [])).map(({ name }) => name);
}
