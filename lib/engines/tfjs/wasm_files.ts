import * as tf from "@tensorflow/tfjs";
import { kindOf } from "../../errors/kinds.ts";
import { kindAt } from "../../files/place.ts";
import { system } from "../../files/runtime.ts";
import { pathOf, urlOf } from "../../files/source.ts";
import { withOwnHandlers } from "./own_handlers.ts";
import { startedShared, withoutThreads } from "./shared_memory.ts";

/** The file that the backend reads where WebAssembly has SIMD, as it has today. */
const file = "tfjs-backend-wasm-simd.wasm";

/** True if this file is a part of a bundle: the backend then does not know where its own files are. */
const bundled = !/\/lib\/engines\/tfjs\/wasm_files\.\w+$/.test(import.meta.url ?? "");

/**
 * Returns the folder of the backend's `.wasm` files as a path or, in browsers, a URL, with a slash at its end; undefined
 * where the backend finds them itself.
 *
 * @param path The folder that the caller gave. Default: in a bundle, that of the package where it is installed, else the
 * bundle's own.
 * @throws {TypeError} if it is not a folder that can be read here.
 */
export function givenFolder(path: string | URL | undefined): string | undefined {
  if (path === undefined) return bundled ? textOf(packageFolder() ?? new URL(".", import.meta.url)) : undefined;
  const isFolder = typeof path === "string" && path !== "" || path instanceof URL;
  const url = urlOf(path);
  if (isFolder && !(system() !== undefined && url !== undefined && url.protocol !== "file:")) return textOf(path);
  const wanted = `the path or the URL of a folder${system() === undefined ? "" : " of files"}`;
  throw new TypeError(`Cannot start the tfjs engine: path must be ${wanted}, found ${url?.href ?? kindOf(path)}`);
}

function textOf(folder: string | URL): string {
  const url = urlOf(folder);
  const text = url?.protocol === "file:" && system() !== undefined ? pathOf(url) : String(folder);
  return text.endsWith("/") ? text : `${text}/`;
}

/** Returns the folder of the wasm package, as far as it is known without reading anything. */
export function packageFolder(): URL | undefined {
  try {
    const folder = new URL(".", import.meta.resolve("@tensorflow/tfjs-backend-wasm")); // by name: publishing resolves it
    return folder.protocol === "file:" ? folder : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Starts the wasm backend with its files in a folder; a backend that runs already stays.
 *
 * @param shared True if threads are to share its memory, where they can.
 * @throws {Error} if the file is not there.
 */
export async function startedIn<T>(folder: string | undefined, shared: boolean, start: () => Promise<T>): Promise<T> {
  const before = starting.get(tf.engine());
  const started = (async () => {
    await before?.catch(() => {}); // the first one that is asked for decides whether memory is shared
    return await withOwnHandlers(() => startedNow(folder, shared, start));
  })();
  starting.set(tf.engine(), started);
  return await started;
}

/** The last start of each of TensorFlow.js's engines. */
const starting = new WeakMap<object, Promise<unknown>>();

async function startedNow<T>(folder: string | undefined, shared: boolean, start: () => Promise<T>): Promise<T> {
  if (Object.hasOwn(tf.engine().registry, "wasm")) return await start();
  if (folder === undefined) {
    const own = shared ? packageFolder() : undefined;
    return (own && await startedShared(own, start)) ?? await withoutThreads(start);
  }
  if (!await isThere(`${folder}${file}`)) {
    const wayOut = "copy it there from npm's @tensorflow/tfjs-backend-wasm, or give its folder by wasm({ path })";
    throw new Error(`Cannot start the tfjs engine: no file ${folder}${file} found: ${wayOut}`);
  }
  const begun = shared ? await withFolderName(folder, () => startedShared(folder, start)) : undefined;
  if (begun !== undefined) return begun;
  (await import("@tensorflow/tfjs-backend-wasm")).setWasmPaths(folder);
  return await withFolderName(folder, () => withoutThreads(start));
}

async function isThere(path: string): Promise<boolean> {
  if (system() !== undefined) return await kindAt(path) === "file";
  try {
    const { status, headers } = await fetch(path, { method: "HEAD" });
    return status !== 404 && !headers.get("content-type")?.startsWith("text/html"); // a page instead of a status
  } catch {
    return true; // the backend reports what is wrong
  }
}

/** Starts with the name of a folder where the backend's program looks for it, which a bundle has taken from it. */
async function withFolderName<T>(folder: string, start: () => Promise<T>): Promise<T> {
  if (Object.hasOwn(globalThis, "__dirname") || system() === undefined) return await start();
  Object.defineProperty(globalThis, "__dirname", { value: folder.slice(0, -1), configurable: true });
  try {
    return await start();
  } finally {
    Reflect.deleteProperty(globalThis, "__dirname");
  }
}
