import { type FilePlace, message } from "./place.ts";
import { failure, files } from "./runtime.ts";

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
 * @param after Where the folder lies after the work.
 * @throws {Deno.errors.Busy} if another process holds it for a minute.
 */
export async function locked<T>(
  folder: string,
  place: FilePlace,
  work: () => Promise<T>,
  after: string = folder,
): Promise<T> {
  const { lock } = files();
  const start = Date.now();
  let unlock = await lock(folder);
  while (unlock === undefined) {
    if (Date.now() - start > patience) {
      throw failure("Busy", message(place, "another program has been saving there for a minute"));
    }
    await pause(5 + 20 * Math.random());
    unlock = await lock(folder);
  }
  try {
    return await work();
  } finally {
    await unlock(after);
  }
}

/** Returns true if no running process has locked a folder, as far as the system can lock folders. */
export async function isFree(folder: string): Promise<boolean> {
  const unlock = await files().lock(folder);
  await unlock?.(folder);
  return unlock !== undefined;
}

/** Waits so many milliseconds. */
function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
