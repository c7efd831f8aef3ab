import type { Info, Kind, OpenFile, System } from "./system.ts";

/** Files as Deno reaches them. */
export const denoSystem: System = {
  get windows() {
    return Deno.build.os === "windows";
  },
  stat: async (path) => infoOf(await Deno.stat(path)),
  lstat: async (path) => infoOf(await Deno.lstat(path)),
  realPath: (path) => Deno.realPath(path),
  entries: async (folder) => {
    const found: { readonly name: string; readonly kind: Kind }[] = [];
    for await (const entry of Deno.readDir(folder)) found.push({ name: entry.name, kind: kindOf(entry) });
    return found;
  },
  mkdir: (path, options) => Deno.mkdir(path, options),
  temporary: (parent) => Deno.makeTempDir({ dir: parent, prefix: "gatehouse-" }),
  rename: (from, to) => Deno.rename(from, to),
  link: (from, to) => Deno.link(from, to),
  chmod: (path, mode) => Deno.chmod(path, mode),
  remove: (path) => Deno.remove(path, { recursive: true }),
  open: async (path) => openFile(await Deno.open(path)),
  create: async (path, mode) =>
    openFile(await Deno.open(path, { write: true, createNew: true, ...mode !== undefined && { mode } })),
  lock: async (folder) => {
    const file = await Deno.open(folder).catch(() => undefined); // Windows opens no folders
    const taken = file !== undefined && !await file.tryLock(true).catch(() => true);
    if (taken) file.close();
    return taken ? undefined : async () => await file?.close();
  },
};

function infoOf(info: Deno.FileInfo): Info {
  const { size, mode, mtime, ctime, ino } = info;
  return {
    kind: kindOf(info),
    size,
    mode: typeof mode === "number" ? mode & 0o777 : undefined,
    changed: mtime ?? undefined,
    version: JSON.stringify([ino, mtime, ctime, size]),
  };
}

function kindOf(info: Deno.DirEntry | Deno.FileInfo): Kind {
  if (info.isSymlink) return "link";
  if (info.isFile) return "file";
  if (info.isDirectory) return "folder";
  if (!("isFifo" in info)) return "special file";
  if (info.isFifo) return "pipe";
  if (info.isSocket) return "socket";
  return info.isCharDevice || info.isBlockDevice ? "device" : "special file";
}

function openFile(file: Deno.FsFile): OpenFile {
  return {
    size: async () => (await file.stat()).size,
    read: async (bytes) => await file.read(bytes) ?? 0,
    readAt: async (bytes, position) => {
      await file.seek(position, Deno.SeekMode.Start);
      return await file.read(bytes) ?? 0;
    },
    write: (bytes) => file.write(bytes),
    sync: () => file.sync(),
    close: async () => await file.close(),
  };
}
