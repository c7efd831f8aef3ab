import { quoted } from "../errors/quoted.ts";
import { explained, type FilePlace, kindAt, message, placeOf } from "./place.ts";

/** The options of {@linkcode writeFolder}. */
interface FolderOptions {
  /**
   * The file names that an existing folder may hold to be replaced, or a test of all its file names. Default: the names
   * of the new files.
   */
  readonly owns?: readonly string[] | ((names: readonly string[]) => boolean);
  /** The action that errors name. Default: `write folder`. */
  readonly action?: string;
}

/**
 * Writes a folder of files whole or not at all.
 *
 * The files are written into a hidden folder beside it, `.NAME.gatehouse-new-...`, which then takes its place. At every
 * moment the old version or the new one is complete on the disk: if the run is killed between the two renames, the old
 * one is beside it as `.NAME.gatehouse-old-...`. The next write removes what killed runs left.
 *
 * An existing folder is replaced only if it holds nothing but files that `owns` allows, so that no other file is lost.
 * Needs the permissions to read and write in the parent folder.
 *
 * @param path The folder; its parent exists.
 * @param files Contents by file name; text is written as UTF-8.
 * @throws {TypeError} if the path or a file's name is not allowed.
 * @throws {Deno.errors.AlreadyExists} if something else is there.
 * @throws {Deno.errors.NotFound} if the parent folder is missing.
 * @throws {Deno.errors.NotCapable} if a permission is missing, with the flag that gives it.
 *
 * @example
 * ```ts ignore
 * await writeFolder("./model", { "spec.json": "{}", "params.safetensors": bytes }, { action: "save model" });
 * ```
 */
export async function writeFolder(
  path: string,
  files: Readonly<Record<string, Uint8Array | string>>,
  options: FolderOptions = {},
): Promise<void> {
  const { owns = Object.keys(files), action = "write folder" } = options;
  const place = placeOf(path, action);
  checkNames(Object.keys(files), place);
  await replace(place, async (target, staged) => {
    const there = await kindAt(target.path);
    if (there !== undefined) await checkOwned(target.path, place, owns);
    await Deno.mkdir(staged);
    for (const [name, content] of Object.entries(files)) await writeSynced(`${staged}/${name}`, content);
    return there !== undefined;
  });
}

/**
 * Writes a file whole or not at all: into a hidden file beside it, `.NAME.gatehouse-new-...`, which then takes its
 * place. Needs the permissions to read and write in the parent folder.
 *
 * @param path The file; its folder exists.
 * @param data The contents; text is written as UTF-8.
 * @param action The action that errors name.
 * @throws {Deno.errors.AlreadyExists} if something else than a file is there.
 * @throws {Deno.errors.NotFound} if the folder is missing.
 * @throws {Deno.errors.NotCapable} if a permission is missing, with the flag that gives it.
 *
 * @example
 * ```ts ignore
 * await writeFileAtomic("./out/losses.svg", svg);
 * ```
 */
export async function writeFileAtomic(
  path: string,
  data: Uint8Array | string,
  action = "write file",
): Promise<void> {
  const place = placeOf(path, action);
  await replace(place, async (target, staged) => {
    const there = await kindAt(target.path);
    if (there !== undefined && there !== "file") {
      throw new Deno.errors.AlreadyExists(message(place, `found a ${there}, wanted a file or nothing`));
    }
    await writeSynced(staged, data);
    return false;
  });
}

/** Stages a new version, puts it in its place (the old one moved away first, where the stage asks so), and cleans up. */
async function replace(
  place: FilePlace,
  stage: (target: FilePlace, staged: string) => Promise<boolean>,
): Promise<void> {
  try {
    const target = await followed(place);
    const [staged, old] = ["new", "old"].map((kind) => `${beside(target)}${kind}-${randomName()}`);
    try {
      const away = await stage(target, staged);
      if (away) await Deno.rename(target.path, old);
      await Deno.rename(staged, target.path).catch(async (error) => {
        if (away) await Deno.rename(old, target.path);
        throw error;
      });
    } catch (error) {
      await removed(staged);
      throw error;
    }
    await removed(old);
    await sweep(target);
  } catch (error) {
    throw explained(error, place);
  }
}

async function followed(place: FilePlace): Promise<FilePlace> {
  try {
    if (!(await Deno.lstat(place.path)).isSymlink) return place;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return place;
    throw error;
  }
  return placeOf(await Deno.realPath(place.path), place.action);
}

/** Removes what killed runs left: unfinished versions that nothing was added to for a minute, and old versions. */
async function sweep(target: FilePlace): Promise<void> {
  const prefix = beside({ ...target, parent: "" });
  for await (const { name } of Deno.readDir(target.parent)) {
    const kind = `/${name}`.startsWith(prefix) && /^(new|old)-[0-9a-f]{8}$/.exec(name.slice(prefix.length - 1))?.[1];
    if (!kind) continue;
    const path = `${target.parent}/${name}`;
    const changed = (await Deno.stat(path).catch(() => undefined))?.mtime?.getTime() ?? Date.now();
    if (kind === "old" || Date.now() - changed > 60_000) await removed(path);
  }
}

function beside({ parent, name }: FilePlace): string {
  return `${parent}/.${name}.gatehouse-`;
}

function randomName(): string {
  return crypto.randomUUID().slice(0, 8);
}

async function removed(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(() => {});
}

async function writeSynced(path: string, content: Uint8Array | string): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  using file = await Deno.open(path, { write: true, createNew: true });
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  await file.sync();
}

function checkNames(names: readonly string[], place: FilePlace): void {
  const wrong = names.find((name) => name === "" || name === "." || name === ".." || /[\\/\0]/.test(name));
  if (wrong !== undefined) {
    throw new TypeError(message(place, `${quoted(wrong)} is not a name of a file in the folder`));
  }
}

async function checkOwned(path: string, place: FilePlace, owns: NonNullable<FolderOptions["owns"]>): Promise<void> {
  if (await kindAt(path) !== "folder") {
    throw new Deno.errors.AlreadyExists(message(place, `found a file, wanted a folder or nothing`));
  }
  const entries = (await Array.fromAsync(Deno.readDir(path))).filter(({ name }) => !litter.includes(name));
  const names = entries.map(({ name }) => name).sort();
  const strange = entries.filter(({ name, isFile }) => !isFile || typeof owns !== "function" && !owns.includes(name));
  if (strange.length === 0 && (typeof owns !== "function" || names.length === 0 || owns(names))) return;
  const shown = (strange.length > 0 ? strange.map(({ name }) => name).sort() : names).slice(0, 3).join(", ");
  const wanted = typeof owns === "function" ? "files of the same kind" : owns.join(", ");
  throw new Deno.errors.AlreadyExists(
    message(place, `the folder holds ${shown}, which would be lost, wanted a new or empty folder, or only ${wanted}`),
  );
}

/** The files that file managers leave in folders that they show. */
const litter = [".DS_Store", "Thumbs.db", "desktop.ini"];
