import { type FilePlace, message } from "./place.ts";

/** The last of the savers that wait for a path, by path. */
const queues = new Map<string, Promise<void>>();

/** The time that another program may take to save before a saver gives up. */
const patience = 60_000;

/** Does work on a path after all earlier work on it in this process, in the order of the calls. */
export async function inTurn<T>(path: string, work: () => Promise<T>): Promise<T> {
  const before = queues.get(path);
  const result = (before ?? Promise.resolve()).then(work);
  const settled = result.then(() => {}, () => {});
  queues.set(path, settled);
  try {
    return await result;
  } finally {
    if (queues.get(path) === settled) queues.delete(path);
  }
}

/**
 * Does work on a folder while no other process does, as far as the system can lock folders; a lock ends with its process.
 *
 * @param folder The folder, links followed.
 * @throws {Deno.errors.Busy} if another process holds it for a minute.
 */
export async function locked<T>(folder: string, place: FilePlace, work: () => Promise<T>): Promise<T> {
  using file = await Deno.open(folder).catch(() => undefined); // Windows opens no folders
  for (const start = Date.now(); !(await lock(file)); await pause(5 + 20 * Math.random())) {
    if (Date.now() - start > patience) {
      throw new Deno.errors.Busy(message(place, "another program has been saving there for a minute"));
    }
  }
  return await work();
}

/** Returns true if no running process has locked a folder, as far as the system can lock folders. */
export async function isFree(folder: string): Promise<boolean> {
  using file = await Deno.open(folder).catch(() => undefined);
  return await lock(file);
}

/** Returns true if a folder was locked, or cannot be locked on this file system. */
async function lock(file: Deno.FsFile | undefined): Promise<boolean> {
  return file === undefined || await file.tryLock(true).catch(() => true);
}

/** Waits so many milliseconds. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
