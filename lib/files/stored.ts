import { kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { failure, files, system } from "./runtime.ts";
import { checkSource, isRanged, pathOf, type Source, sourceName, urlOf } from "./source.ts";

/** A source that can be read any number of times: all but a `Response` and a stream. */
export type StoredSource = Exclude<Source, Response | ReadableStream<Uint8Array>>;

/** A file among several. */
export interface Stored {
  readonly source: StoredSource;
  /** Its name in errors. */
  readonly name: string;
  /** Its name without its folder. */
  readonly short: string;
  /** Its bytes; null where an address alone is known. */
  readonly size: number | null;
}

/**
 * Returns the files that a source, a list of them or a pattern names. In a pattern each `*` stands for any characters but
 * `/`; its files are in the order of their paths, in which numbers count as numbers: `part-2` comes before `part-10`.
 *
 * @param action The action in errors.
 * @param ending The ending of such files' names in errors: `csv`.
 * @throws {TypeError} if there is none, or one can be read only once.
 * @throws {Deno.errors.NotFound} if a file is missing, or no file fits a pattern.
 */
export async function storedIn(
  action: string,
  ending: string,
  given: StoredSource | readonly StoredSource[],
): Promise<Stored[]> {
  const list: readonly StoredSource[] = Array.isArray(given) ? given : [given as StoredSource];
  if (list.length === 0) throw new TypeError(`Cannot ${action}: found an empty list, wanted at least one file`);
  const found: Stored[] = [];
  for (const source of list) {
    checkSource(source);
    if (source instanceof ReadableStream || source instanceof Response) {
      const wanted = "wanted a path, a URL, bytes or a Blob, which can be read at every epoch";
      throw new TypeError(`Cannot ${action}: found ${kindOf(source)} that can be read once, ${wanted}`);
    }
    const isPattern = typeof source === "string" && source.includes("*") && urlOf(source) === undefined;
    for (const one of isPattern ? await matching(action, source) : [source]) {
      found.push(await storedAt(action, ending, one));
    }
  }
  return found;
}

async function storedAt(action: string, ending: string, source: StoredSource): Promise<Stored> {
  const name = sourceName(source);
  const short = name.split(system()?.windows ? /[\\/]/ : "/").at(-1)!;
  if (source instanceof Blob || isRanged(source)) return { source, name, short, size: source.size };
  if (typeof source !== "string" && !(source instanceof URL)) return { source, name, short, size: source.byteLength };
  const url = urlOf(source);
  const local = url === undefined || url.protocol === "file:";
  if (!local || system() === undefined) return { source, name, short, size: null };
  const { kind, size } = await statOf(action, url === undefined ? source as string : pathOf(url));
  if (kind === "folder") {
    const wanted = `wanted a file, or a pattern such as ${quoted(`${name.replace(/\/+$/, "")}/*.${ending}`)}`;
    throw new TypeError(`Cannot ${action}\n  at ${name}: found a folder, ${wanted}`);
  }
  return { source, name, short, size };
}

async function statOf(action: string, path: string): ReturnType<ReturnType<typeof files>["stat"]> {
  try {
    return await files().stat(path);
  } catch (error) {
    const { message } = error as Error;
    throw Object.assign(error as Error, { message: `Cannot ${action}\n  at ${path}: ${message}` });
  }
}

/** Returns the paths that fit a pattern, in order. */
async function matching(action: string, pattern: string): Promise<string[]> {
  const parts = (files().windows ? pattern.replaceAll("\\", "/") : pattern).split("/");
  let paths = [""];
  for (const [at, part] of parts.entries()) {
    const join = (name: string) => (path: string) => at === 0 ? name : `${path}/${name}`;
    const isListed = parts.slice(0, at).some((before) => before.includes("*")) && !["", ".", ".."].includes(part);
    if (!part.includes("*") && !isListed) paths = paths.map(join(part));
    else {
      const fits = fitting(part);
      const all = await Promise.all(paths.map(async (path) => {
        const names = await namesIn(at === 0 ? "." : path === "" ? "/" : path);
        return names.filter((name) => fits.test(name)).map((name) => join(name)(path));
      }));
      paths = all.flat();
    }
  }
  if (paths.length > 0) return paths.sort(inOrder);
  throw failure("NotFound", `Cannot ${action}: no file fits ${quoted(pattern)}`);
}

/** Returns the names of what lies in a folder; none if it cannot be listed, as where a file has that name. */
async function namesIn(folder: string): Promise<readonly string[]> {
  const { kind } = await files().stat(folder).catch(() => ({ kind: undefined }));
  return kind === "folder" ? (await files().entries(folder)).map(({ name }) => name) : [];
}

/** Returns what fits a pattern, in which each `*` stands for any characters but `/`. */
export function fitting(pattern: string): RegExp {
  return new RegExp(`^${pattern.split("*").map(escaped).join("[^/]*")}$`);
}

function escaped(text: string): string {
  return text.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
}

/** Compares paths by their UTF-16 code units, but runs of digits as numbers. */
export function inOrder(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => text.match(/\d+|\D+/g) ?? []);
  for (let at = 0; at < Math.min(x.length, y.length); at++) {
    const [one, other] = [x[at], y[at]];
    if (one === other) continue;
    if (/\d/.test(one) && /\d/.test(other)) {
      const [i, j] = [one, other].map((digits) => digits.replace(/^0+/, ""));
      if (i !== j) return i.length - j.length || (i < j ? -1 : 1);
    } else return one < other ? -1 : 1;
  }
  return x.length - y.length || (a < b ? -1 : a > b ? 1 : 0);
}
