import { kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { failure, failureOf, files, system, unreachable } from "./runtime.ts";
import type { Kind } from "./system.ts";

/** A path that is written or read, and the action on it that errors name. */
export interface FilePlace {
  /** The action, such as `save model`. */
  readonly action: string;
  /** The way on where it fails, as the last line of errors. */
  readonly advice?: string;
  /** The path, as errors show it. */
  readonly path: string;
  /** The folder that it is in. */
  readonly parent: string;
  /** Its name in that folder. */
  readonly name: string;
}

/**
 * Splits a path into a folder and a name in it.
 *
 * @throws {TypeError} if it does not end in a name.
 * @throws {Error} if this runtime reaches no files.
 */
export function placeOf(path: string, action: string, advice?: string): FilePlace {
  checkPath(path, action);
  const found = system();
  if (found === undefined) throw new Error(message({ action, path }, unreachable));
  const { windows } = found;
  const clean = path.replace(windows ? /[\\/]+$/ : /\/+$/, "");
  const at = Math.max(clean.lastIndexOf("/"), windows ? clean.lastIndexOf("\\") : -1);
  const name = clean.slice(at + 1);
  if (name === "" || name === "." || name === "..") {
    throw new TypeError(`Cannot ${action}\n  at ${quoted(path)}: wanted a path that ends in a name`);
  }
  return { action, advice, path, parent: at < 0 ? "." : clean.slice(0, Math.max(at, 1)), name };
}

/** Returns the path of a folder that lies beside one, by its name. */
export function besidePath(path: string, name: string): string {
  const clean = path.replace(/\/+$/, "");
  const own = /^(.*\/)?step-\d{8,}$/.exec(clean);
  return own === null ? `${clean}/../${name}` : `${own[1] ?? ""}${name}`; // a link may have another name
}

/** The kinds of things that lie at a path, as errors name it after `a`. */
export type FileKind = Exclude<Kind, "link"> | "link to nothing";

/**
 * Makes sure that a path is a text.
 *
 * @throws {TypeError} if it is not, a URL among others.
 */
export function checkPath(path: unknown, action: string): void {
  if (typeof path === "string") return;
  const found = path instanceof URL ? "a URL: wanted its path, decodeURIComponent(url.pathname)" : kindOf(path);
  throw new TypeError(`Cannot ${action}: path must be a text, found ${found}`);
}

/** The kind of what lies at a path, symbolic links followed; undefined if nothing does. */
export async function kindAt(path: string): Promise<FileKind | undefined> {
  try {
    return (await files().stat(path)).kind as FileKind; // links are followed
  } catch (error) {
    if (failureOf(error) !== "NotFound") throw error;
    return await files().lstat(path).then(
      ({ kind }) => kind === "link" ? "link to nothing" : undefined,
      () => undefined,
    );
  }
}

/** The place that a path leads to, symbolic links followed; the same place if nothing is there. */
export async function followed(place: FilePlace): Promise<FilePlace> {
  const linked = await files().lstat(place.path).then(({ kind }) => kind === "link", () => false);
  return linked ? { ...placeOf(await files().realPath(place.path), place.action), advice: place.advice } : place;
}

/** The message of an error at a place. */
export function message(
  { action, path, advice }: Pick<FilePlace, "action" | "path" | "advice">,
  found: string,
): string {
  return `Cannot ${action}\n  at ${path}: ${found}${advice === undefined ? "" : `\n  ${advice}`}`;
}

/** The file system's error in words that say what to do, of the same class; errors with such words pass unchanged. */
export function explained(error: unknown, place: FilePlace): unknown {
  if (!(error instanceof Error) || error.message.startsWith("Cannot ")) return error;
  const { parent } = place;
  const kind = failureOf(error);
  if (kind === "NotCapable") {
    const flag = /Requires (read|write) access/.exec(error.message)?.[1];
    const found = flag === undefined ? error.message : `Deno may not ${flag} here, run with --allow-${flag}=${parent}`;
    return failure(kind, message(place, found), error);
  }
  if (kind === "NotFound") return failure(kind, message(place, `no folder ${parent} found`), error);
  if (kind === "NotADirectory") return failure(kind, message(place, `${parent} is not a folder`), error);
  if (kind === "PermissionDenied") {
    return failure(kind, message(place, `the system denies access to it or to ${parent}`), error);
  }
  if (kind === "Busy") return failure(kind, message(place, "the system keeps it in use"), error);
  return new Error(message(place, error.message), { cause: error });
}
