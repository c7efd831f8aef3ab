import { quoted } from "../errors/quoted.ts";
import { explained, type FileKind, type FilePlace, followed, kindAt, message, placeOf } from "./place.ts";
import { startOf } from "./read.ts";
import {
  type Content,
  type Files,
  hiddenName,
  isStaged,
  modeAt,
  put,
  removed,
  sweepBeside,
  sweepInside,
  writeSynced,
} from "./staged.ts";
import { failure, files as system } from "./runtime.ts";
import { inTurn, locked } from "./turns.ts";

/** The options of {@linkcode writeFolder}. */
interface FolderOptions {
  /**
   * The file names that an existing folder may hold to be replaced, and patterns of more, or a test of all its file
   * names. Default: the names of the new files.
   */
  readonly owns?: readonly (string | RegExp)[] | ((names: readonly string[]) => boolean);
  /** A text near the start of a file that shows that the folder was written by this package. Default: none. */
  readonly mark?: { readonly file: string; readonly text: string };
  /**
   * The same contents under names that no older version has, and the last file as it names them: what lies in an
   * existing folder while the new files replace the old ones one by one. Default: nothing.
   */
  readonly between?: Files;
  /** The action that errors name. Default: `write folder`. */
  readonly action?: string;
  /** The way on where this fails, as the last line of errors. Default: none. */
  readonly advice?: string;
}

/**
 * Writes a folder of files, of which a reader finds the old version or the new one at every moment.
 *
 * A new folder is written under a hidden name beside its place, `.NAME.gatehouse-new-...`, and then renamed, after the
 * folders above it are made. In an existing one, which keeps its permissions and may be a mount point, the files are
 * written under a hidden name and then renamed in their order: the last one names the others. It is changed only if
 * it holds nothing but files that `owns` allows, so that no other file is lost.
 *
 * Calls for one path follow each other, and so do processes, as far as the system can lock folders. The next write
 * removes what killed runs left. Needs the permissions to read and write the folder, and the folder above a new one.
 *
 * @param path The folder.
 * @param files Contents by file name, written in their order; text is written as UTF-8.
 * @throws {TypeError} if the path or a file's name is not allowed.
 * @throws {Deno.errors.AlreadyExists} if something else is there.
 * @throws {Deno.errors.NotFound} if the path is a link that leads to nothing.
 * @throws {Deno.errors.Busy} if another process is writing there for a minute.
 * @throws {Deno.errors.NotCapable} if a permission is missing, with the flag that gives it.
 *
 * @example
 * ```ts ignore
 * await writeFolder("./model", { "params.safetensors": bytes, "spec.json": "{}" }, { action: "save model" });
 * ```
 */
export async function writeFolder(path: string, files: Files, options: FolderOptions = {}): Promise<void> {
  const { between, action = "write folder", advice } = options;
  const place = placeOf(path, action, advice);
  checkNames([...Object.keys(files), ...Object.keys(between ?? {})], place);
  await inTurn(path, async () => {
    try {
      const kind = await kindAt(path);
      if (kind === undefined && await created(place, files)) return;
      checkKind(kind ?? "folder", "folder", place);
      const target = await followed(place);
      await locked(target.path, place, () => replaced(target.path, files, place, options));
      await sweepBeside(target);
    } catch (error) {
      throw explained(error, place);
    }
  });
}

/** Writes a folder where nothing is; returns false, with nothing done, if another process made one there meanwhile. */
async function created(place: FilePlace, files: Files): Promise<boolean> {
  await makeParent(place);
  const staged = `${place.parent}/${hiddenName(`.${place.name}.`)}`;
  try {
    await system().mkdir(staged);
    await locked(staged, place, async () => {
      for (const [name, content] of Object.entries(files)) await writeSynced(`${staged}/${name}`, content);
      await system().rename(staged, place.path);
    }, place.path);
  } catch (error) {
    await removed(staged);
    if (await kindAt(place.path).catch(() => undefined) === "folder") return false;
    throw error;
  }
  await sweepBeside(place);
  return true;
}

/** Replaces the files in a folder, and removes those of its old version that the new one has not. */
async function replaced(folder: string, files: Files, place: FilePlace, options: FolderOptions): Promise<void> {
  const { between = {} } = options;
  const before = await checkOwned(folder, place, { ...options, owns: options.owns ?? Object.keys(files) });
  const modes = await Promise.all(before.map((name) => modeAt(`${folder}/${name}`)));
  const strictest = modes.reduce((all, mode) => mode === undefined ? all : (all ?? mode) & mode, undefined);
  if (Object.keys(between).length > 0) await put(folder, between, strictest);
  await put(folder, files, strictest, between);
  // What names other files goes before them, and the new version's other names when nothing names an old file.
  const older = before.filter((name) => !Object.hasOwn(between, name));
  const naming = older.filter((name) => name.endsWith(".json"));
  const ordered = [...naming, ...older.filter((name) => !naming.includes(name)), ...Object.keys(between).reverse()];
  const left = ordered.filter((name) => !Object.hasOwn(files, name));
  for (const name of left) await removed(`${folder}/${name}`);
  await sweepInside(folder);
}

/**
 * Writes a file whole or not at all: into a hidden file beside it, `.NAME.gatehouse-new-...`, which then takes its
 * place, with the permissions of the old one. Needs the permissions to read and write in the parent folder.
 *
 * @param path The file; the folders above it are made.
 * @param data The contents, such as text, which is written as UTF-8.
 * @param action The action that errors name.
 * @param advice The way on where this fails, as the last line of errors.
 * @throws {Deno.errors.AlreadyExists} if something else than a file is there.
 * @throws {Deno.errors.NotFound} if the path is a link that leads to nothing.
 * @throws {Deno.errors.NotCapable} if a permission is missing, with the flag that gives it.
 *
 * @example
 * ```ts ignore
 * await writeFileAtomic("./out/losses.svg", svg);
 * ```
 */
export async function writeFileAtomic(
  path: string,
  data: Content,
  action = "write file",
  advice?: string,
): Promise<void> {
  const place = placeOf(path, action, advice);
  try {
    const kind = await kindAt(path);
    if (kind === undefined) await makeParent(place);
    checkKind(kind ?? "file", "file", place);
    const target = await followed(place);
    const staged = `${target.parent}/${hiddenName(`.${target.name}.`)}`;
    try {
      await writeSynced(staged, data, await modeAt(target.path));
      await system().rename(staged, target.path);
    } catch (error) {
      await removed(staged);
      throw error;
    }
    await sweepBeside(target);
  } catch (error) {
    throw explained(error, place);
  }
}

async function makeParent({ parent }: FilePlace): Promise<void> {
  if (await kindAt(parent) === undefined) await system().mkdir(parent, { recursive: true });
}

function checkKind(found: FileKind, wanted: FileKind, place: FilePlace): void {
  if (found === wanted) return;
  const kind = found === "link to nothing" ? "NotFound" : "AlreadyExists";
  throw failure(kind, message(place, `found a ${found}, wanted a ${wanted} or nothing`));
}

function checkNames(names: readonly string[], place: FilePlace): void {
  const wrong = names.find((name) => name === "" || name === "." || name === ".." || /[\\/\0]/.test(name));
  if (wrong !== undefined) {
    throw new TypeError(message(place, `${quoted(wrong)} cannot name a file in the folder`));
  }
}

/** Returns the names of a folder's files, after it is known that they can be replaced. */
async function checkOwned(folder: string, place: FilePlace, options: FolderOptions): Promise<string[]> {
  const { owns = [], mark } = options;
  const entries = (await system().entries(folder)).filter(({ name }) => !isStaged(name));
  const own = entries.filter(({ name }) => !litter.includes(name));
  const names = own.map(({ name }) => name).sort();
  const isOwn = (name: string) => typeof owns === "function" || owns.some((one) => isNamed(name, one));
  const odd = own.find(({ name, kind }) =>
    kind !== "file" && isOwn(name) && (typeof owns !== "function" || owns([name]))
  );
  if (odd !== undefined) {
    const kind = odd.kind === "link" ? "link" : await kindAt(`${folder}/${odd.name}`);
    const found = `${odd.name} there is a ${kind}, which would be lost, wanted a file`;
    throw failure("AlreadyExists", message(place, found));
  }
  const strange = own.filter(({ name, kind }) => kind !== "file" || !isOwn(name)).map(({ name }) => name).sort();
  if (strange.length > 0 || typeof owns === "function" && names.length > 0 && !owns(names)) {
    const shown = (strange.length > 0 ? strange : names).slice(0, 3).join(", ");
    const wanted = typeof owns === "function" ? "files of the same kind" : owns.filter(isText).join(", ");
    const found = `the folder holds ${shown}, which would be lost`;
    throw failure("AlreadyExists", message(place, `${found}, wanted a new or empty folder, or only ${wanted}`));
  }
  if (mark !== undefined && names.includes(mark.file)) {
    if (!(await startOf(`${folder}/${mark.file}`, longestStart)).includes(mark.text)) {
      const wanted = "wanted a new or empty folder, or one that was written by this package";
      throw failure("AlreadyExists", message(place, `${mark.file} there is of another program, ${wanted}`));
    }
  }
  return entries.filter(({ kind }) => kind === "file").map(({ name }) => name);
}

function isNamed(name: string, one: string | RegExp): boolean {
  return typeof one === "string" ? name === one : one.test(name);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

/** The names that file managers leave in folders that they show, and file systems at their mount points. */
const litter = [".DS_Store", "Thumbs.db", "desktop.ini", "lost+found"];

/** The bytes of a file that are searched for a mark. */
const longestStart = 2 ** 20;
