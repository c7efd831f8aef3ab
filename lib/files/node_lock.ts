import { builtin, type NodeFiles } from "./builtin.ts";

/** The process that locks folders. */
export interface Locker {
  readonly host: string;
  readonly id: number;
  /** Returns true if a process of this host runs. */
  readonly runs: (id: number) => boolean;
}

/** The file that locks a folder where the system's own locks cannot be called: of a name as staged files have it. */
const lockFile = ".gatehouse-new-00000000";

/** The milliseconds after which a running process shows again that it is there, and after which it is taken for gone. */
const [sign, gone] = [5_000, 30_000];

/**
 * Locks a folder by a file in it, which names the process; returns the way to unlock it, wherever it lies by then;
 * undefined if a running process has locked it. A folder that cannot be written is not locked.
 */
export async function lock(
  fs: NodeFiles,
  folder: string,
  locker: Locker,
): Promise<((folder: string) => Promise<void>) | undefined> {
  const path = `${folder}/${lockFile}`;
  const own = `${locker.host} ${locker.id} ${crypto.randomUUID()}`;
  const put = () => fs.writeFile(path, own, { flag: "wx" }).then(() => true, (error) => error.code !== "EEXIST");
  if (!await put() && !(await breaks(fs, path, locker) && await put())) return undefined;
  const beat = setInterval(() => fs.utimes(path, new Date(), new Date()).catch(() => {}), sign);
  (beat as { readonly unref?: () => void }).unref?.();
  return async (folder) => {
    clearInterval(beat);
    const there = `${folder}/${lockFile}`;
    if (await fs.readFile(there, "utf8").catch(() => "") === own) await fs.rm(there, { force: true }).catch(() => {});
  };
}

/** Removes the lock of a process that has ended; returns true if it did. */
async function breaks(fs: NodeFiles, path: string, locker: Locker): Promise<boolean> {
  const found = await fs.readFile(path, "utf8").catch(() => undefined);
  if (found === undefined || !await hasEnded(fs, path, found, locker)) return false;
  const aside = `${path.slice(0, -8)}${crypto.randomUUID().slice(0, 8)}`;
  if (!await fs.rename(path, aside).then(() => true, () => false)) return false;
  // Another process may have broken it first, and locked the folder: what was moved aside is then its lock.
  if (await fs.readFile(aside, "utf8").catch(() => found) !== found) await fs.link(aside, path).catch(() => {});
  await fs.rm(aside, { force: true }).catch(() => {});
  return true;
}

/** Returns true if the process that a lock names does not run on this machine any more, or gave no sign for long. */
async function hasEnded(fs: NodeFiles, path: string, lock: string, { host, runs }: Locker): Promise<boolean> {
  const [there, id] = lock.split(" ");
  if (there === host && /^\d+$/.test(id ?? "") && !runs(Number(id))) return true;
  const changed = (await fs.stat(path).catch(() => undefined))?.mtimeMs ?? Date.now();
  return Date.now() - changed > gone;
}

/** Returns this process. */
export function thisProcess(): Locker {
  const [os, process] = [builtin("node:os")!, builtin("node:process")!];
  const runs = (id: number): boolean => {
    try {
      return process.kill(id, 0);
    } catch (error) {
      return (error as { readonly code?: string }).code !== "ESRCH"; // another user's
    }
  };
  return { host: os.hostname(), id: process.pid, runs };
}
