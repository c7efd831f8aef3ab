import { checkOptions, isRecord, kindOf } from "../errors/kinds.ts";
import { files, system } from "../files/runtime.ts";
import { pathOf, urlOf } from "../files/source.ts";

/**
 * The folder that a training's data, checkpoints and model lie in: a path that this machine and all of the cluster's see, or
 * its two names, where the cluster has mounted it elsewhere. The name from here may be an address too, signed or not, under
 * which the folder is served; then the result alone is read through it.
 */
export type Storage = string | { readonly cluster: string; readonly here: string | URL };

/**
 * Makes sure that something is a storage.
 *
 * @throws {TypeError} if it is not.
 */
export function checkStorage(storage: unknown, action: string): asserts storage is Storage {
  const wanted = "a folder that the cluster sees too, or { cluster, here }, its two names";
  const isPlace = (found: unknown) => typeof found === "string" && found !== "";
  if (isPlace(storage)) return;
  if (!isRecord(storage)) throw new TypeError(`Cannot ${action}: storage must be ${wanted}, found ${kindOf(storage)}`);
  checkOptions(action, storage, ["cluster", "here"]);
  if (isPlace(storage.cluster) && (isPlace(storage.here) || storage.here instanceof URL)) return;
  throw new TypeError(`Cannot ${action}: storage must be ${wanted}`);
}

/** The names of a storage that is written from here. */
export interface Written {
  readonly cluster: string;
  readonly here: string;
}

/**
 * Makes the folder of a storage, if it is missing, and returns its names, both whole paths.
 *
 * @throws {TypeError} if it is an address.
 * @throws {Error} if it cannot be written, or the cluster names it by no whole path.
 */
export async function written(storage: Storage, action: string): Promise<Written> {
  const { cluster, here } = typeof storage === "string" ? { cluster: undefined, here: storage } : storage;
  const url = urlOf(here);
  if (url !== undefined && url.protocol !== "file:") {
    throw new TypeError(`Cannot ${action}: storage is an address, where nothing is written: wanted a folder`);
  }
  const path = url === undefined ? here as string : pathOf(url);
  if (cluster !== undefined && !/^(\/|[a-z]:[\\/])/i.test(cluster)) {
    throw new TypeError(
      `Cannot ${action}: storage.cluster must be a whole path, which begins with /, found ${cluster}`,
    );
  }
  try {
    await files().mkdir(path, { recursive: true });
    const real = await files().realPath(path);
    return { cluster: cluster?.replace(/(?<=.)\/+$/, "") ?? real, here: real };
  } catch (error) {
    throw new Error(`Cannot ${action}\n  at ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Returns a folder that the cluster wrote by its name there, and as it is reached from here, if it is. */
export async function storedAt(
  stored: string,
  storage: Storage | undefined,
): Promise<{ readonly model: string | URL | undefined; readonly stored: string }> {
  const here = storage === undefined || typeof storage === "string" ? stored : within(stored, storage);
  const url = urlOf(here);
  if (url !== undefined && url.protocol !== "file:") {
    return { model: /^https?:$/.test(url.protocol) ? url : undefined, stored };
  }
  const path = url === undefined ? here as string | undefined : pathOf(url);
  if (path === undefined || system() === undefined) return { model: undefined, stored };
  const isThere = await files().stat(`${path}/spec.json`).then(() => true, () => false);
  return { model: isThere ? path : undefined, stored };
}

/** Returns the other name of a folder within a storage; undefined if it lies elsewhere. */
function within(stored: string, { cluster, here }: Exclude<Storage, string>): string | URL | undefined {
  const root = cluster.replace(/\/+$/, "");
  if (stored !== root && !stored.startsWith(`${root}/`)) return undefined;
  const rest = stored.slice(root.length);
  const url = urlOf(here);
  if (url === undefined) return String(here).replace(/\/+$/, "") + rest;
  url.pathname = url.pathname.replace(/\/+$/, "") + rest.split("/").map(encodeURIComponent).join("/");
  return url;
}
