import type { Dirent, Stats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { builtin, type NodeFiles } from "./builtin.ts";
import { lock, thisProcess } from "./node_lock.ts";
import type { Info, Kind, OpenFile, System } from "./system.ts";

/** Returns files as Node.js and Bun reach them. */
export function nodeSystem(fs: NodeFiles, locker = thisProcess): System {
  return {
    windows: builtin("node:process")?.platform === "win32",
    stat: async (path) => infoOf(await fs.stat(path)),
    lstat: async (path) => infoOf(await fs.lstat(path)),
    realPath: (path) => fs.realpath(path),
    entries: async (folder) => {
      const found = await fs.readdir(folder, { withFileTypes: true });
      return found.map((entry) => ({ name: entry.name, kind: kindOf(entry) }));
    },
    mkdir: async (path, options) => void await fs.mkdir(path, options),
    temporary: (parent) => fs.mkdtemp(`${parent ?? builtin("node:os")?.tmpdir() ?? "."}/gatehouse-`),
    rename: (from, to) => fs.rename(from, to),
    link: (from, to) => fs.link(from, to),
    chmod: (path, mode) => fs.chmod(path, mode),
    remove: (path) => fs.rm(path, { recursive: true }),
    open: async (path) => openFile(await fs.open(path, "r")),
    create: async (path, mode) => openFile(await fs.open(path, "wx", mode)),
    lock: (folder) => lock(fs, folder, locker()),
  };
}

function infoOf(info: Stats): Info {
  const { size, mode, mtime, mtimeMs, ctimeMs, ino } = info;
  return {
    kind: kindOf(info),
    size,
    mode: mode & 0o777,
    changed: mtime,
    version: JSON.stringify([ino, mtimeMs, ctimeMs, size]),
  };
}

function kindOf(info: Dirent | Stats): Kind {
  if (info.isSymbolicLink()) return "link";
  if (info.isFile()) return "file";
  if (info.isDirectory()) return "folder";
  if (info.isFIFO()) return "pipe";
  if (info.isSocket()) return "socket";
  return info.isCharacterDevice() || info.isBlockDevice() ? "device" : "special file";
}

function openFile(file: FileHandle): OpenFile {
  return {
    size: async () => (await file.stat()).size,
    read: async (bytes) => (await file.read(bytes, 0, bytes.length, null)).bytesRead,
    readAt: async (bytes, position) => (await file.read(bytes, 0, bytes.length, position)).bytesRead,
    write: async (bytes) => (await file.write(bytes)).bytesWritten,
    sync: () => file.sync(),
    close: () => file.close(),
  };
}
