import { checkCount, checkText, optionsOf } from "../../errors/kinds.ts";
import type { TensorInfo } from "@tensorflow/tfjs";
import { cautious, type Rules } from "../../graph/rules.ts";
import type { Engine } from "../engine.ts";
import { checkGraph } from "../check_graph.ts";
import { storesOf } from "../held.ts";
import { type Backend, start } from "./backend.ts";
import { machineThreads, system } from "../../files/runtime.ts";
import { pathOf } from "../../files/source.ts";
import { mostOthers } from "../board.ts";
import { sharesMemory } from "./shared_memory.ts";
import { isComputed } from "./settle.ts";
import { programOf } from "./program.ts";
import { faultOf } from "./trial.ts";
import { givenFolder, packageFolder, startedIn } from "./wasm_files.ts";

/**
 * An engine on any registered TensorFlow.js backend: `wasm` and `cpu` come with this package, `webgl` with
 * TensorFlow.js in browsers, others (`webgpu`, `tensorflow`) once the program has imported their package.
 *
 * Graphs run as static schedules of kernels, float32, without TensorFlow.js's tape, scopes and variables; its current
 * backend stays what it is.
 *
 * A backend other than `wasm` and `cpu` is tried when it first starts, for half a second or until every op was compared
 * with plain loops. Where one differs by more than 1e-3, as on a faulty driver, the engine is {@linkcode bestEngine}
 * instead: its `note` says why, and so does one line on standard error.
 *
 * @param backend The name under which the backend is registered.
 * @throws {TypeError} if no backend is registered under the name.
 * @throws {Error} if the backend does not start.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tfjs } from "@gatehouse/gatehouse";
 * import { type Graph } from "@gatehouse/gatehouse/graph";
 *
 * const graph: Graph = {
 *   nodes: [
 *     { op: "input", of: [], attrs: { name: "x", shape: ["batch"], type: "float" }, shape: ["batch"], type: "float" },
 *     { op: "neg", of: [0], attrs: {}, shape: ["batch"], type: "float" },
 *   ],
 *   outputs: { y: 1 },
 *   updates: {},
 * };
 * const engine = await tfjs("cpu");
 * assertEquals(engine.name, "tfjs:cpu");
 * const program = engine.load(graph, engine.store({}));
 * const { y } = await program.run({ x: { shape: [2], data: Float32Array.of(1, -2) } });
 * assertEquals(y, { shape: [2], data: Float32Array.of(-1, 2) });
 * program.dispose();
 * ```
 */
export async function tfjs(backend: string): Promise<Engine> {
  checkText("start the tfjs engine", "backend", backend);
  if (backend === "wasm") return await wasm();
  const started = await start(backend);
  const engine = engineOf(started);
  const fault = backend === "cpu" ? undefined : await tried(engine, started);
  return fault === undefined ? engine : await besides(started, fault);
}

/** Returns what is wrong with an engine, undefined if nothing is. It is tried once for each backend that tfjs starts. */
function tried(engine: Engine, { started }: Backend): Promise<string | undefined> {
  const found = trial.get(started) ?? faultOf(engine);
  trial.set(started, found);
  return found;
}

/** The outcome of trying each backend. */
const trial = new WeakMap<object, Promise<string | undefined>>();

/** Returns the best engine in the place of one that is wrong, which it notes, and reports if it did not before. */
async function besides({ name, started }: Backend, fault: string): Promise<Engine> {
  const best = await bestEngine();
  const own = `Running on ${best.name.replace("tfjs:", "")}(), not on ${name}: ${fault}`;
  if (!reported.has(started)) console.error(own);
  reported.add(started);
  return { ...best, note: best.note === undefined ? own : `${own}. ${best.note}` };
}

/** The engine on a backend that has been started. */
export function engineOf(started: Backend): Engine {
  const name = `tfjs:${started.name}`;
  // Numbers are never written over others: products on wasm remember a matrix by its array.
  const { store, heldBy } = storesOf<TensorInfo>({
    put: ({ shape, data }) => started.write(Float32Array.from(data), shape),
    read: started.read,
    free: started.free,
  });
  return {
    name,
    rules: rulesOf(started),
    store,
    load: (graph, store) => {
      const held = heldBy(store);
      checkGraph(graph, held, { name, computes: isComputed });
      return programOf(graph, held, started);
    },
  };
}

/** The options of {@linkcode wasm}. */
export interface WasmOptions {
  /**
   * The folder of the backend's `.wasm` files, by its path or, in browsers, its URL; of no effect once the backend runs.
   * Default: that of the installed package, or of the bundle that this package is a part of.
   */
  readonly path?: string | URL;
  /**
   * The threads that share the work of large products and other ops on large arrays, 1 to 121, to the same bits. They
   * begin when there is such work, end when there was none for ten seconds, and keep no program from ending. Default: as
   * many as the machine runs at once, at most eight.
   *
   * Engines of one program compute in one memory. Threads share it if the first of them was not of one thread, and, in
   * browsers, if the page is cross-origin isolated; elsewhere one thread computes, and the engine's `note` says why.
   */
  readonly threads?: number;
}

/**
 * The engine on TensorFlow.js's WebAssembly backend: SIMD, on several threads where memory can be shared. Deno must be
 * allowed to read the backend's `.wasm` file.
 *
 * @throws {TypeError} if an option is wrong.
 * @throws {Error} if the file is not found, may not be read, or cannot be.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { wasm } from "@gatehouse/gatehouse";
 *
 * const engine = await wasm();
 * assertEquals(engine.name, "tfjs:wasm");
 * const store = engine.store({ kernel: { shape: [2], data: Float64Array.of(0.1, 2) } });
 * assertEquals(await store.read("kernel"), { shape: [2], data: Float32Array.of(0.1, 2) });
 * store.dispose();
 * ```
 */
export async function wasm(options: WasmOptions = {}): Promise<Engine> {
  const action = "start the tfjs engine on wasm";
  const { path, threads } = optionsOf(action, options, ["path", "threads"]);
  if (threads !== undefined) checkCount(action, "threads", threads, 1);
  if (threads !== undefined && threads > mostOthers + 1) {
    throw new RangeError(`Cannot ${action}: threads must be at most ${mostOthers + 1}, found ${threads}`);
  }
  const wanted = threads ?? Math.min(machineThreads(), mostByDefault);
  const folder = givenFolder(path);
  const read = folder ?? packageFolder();
  if (await reading("request", read) !== "granted") {
    throw new Error(`Cannot start the tfjs engine: ${unread(read)}, or use cpu()`);
  }
  const started = await startedIn(folder, wanted > 1, () => start("wasm", wanted));
  const engine = engineOf(started);
  const reason = wanted > 1 ? await alone(started) : undefined;
  return reason === undefined ? engine : { ...engine, note: `Running wasm() on one thread: ${reason}` };
}

/** The threads that are used at most where the caller does not say how many. */
const mostByDefault = 8;

/** Returns the reason why only one thread computes; undefined if several do. */
async function alone({ threads, multiply }: Backend): Promise<string | undefined> {
  if (multiply === undefined) return undefined; // TensorFlow.js has its own, or WebAssembly has no SIMD
  if (!sharesMemory()) return "the page is not isolated from others, by the headers COOP and COEP";
  if (threads === undefined) {
    const before = "TensorFlow.js was started before, by wasm({ threads: 1 }) or by the program itself";
    return system() !== undefined ? before : `${before}, or the page's policy forbids to fetch blobs (connect-src)`;
  }
  if (system() !== undefined || await threads.begin()) return undefined;
  return "the page's policy forbids workers from blobs (worker-src)";
}

/**
 * The engine on TensorFlow.js's plain JavaScript backend, which needs no permission: 3 to 10 times slower than
 * {@linkcode wasm}.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cpu } from "@gatehouse/gatehouse";
 *
 * const engine = await cpu();
 * assertEquals(engine.name, "tfjs:cpu");
 * const store = engine.store({ kernel: { shape: [2], data: Float64Array.of(0.1, 2) } });
 * assertEquals(await store.read("kernel"), { shape: [2], data: Float32Array.of(0.1, 2) });
 * store.dispose();
 * ```
 */
export async function cpu(): Promise<Engine> {
  return await tfjs("cpu");
}

/**
 * {@linkcode wasm} where its file may be read and runs, {@linkcode cpu} otherwise: then the engine's `note` says why, and
 * what to do, and so does one line on standard error, once in a program. Never asks for a permission.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { bestEngine } from "@gatehouse/gatehouse";
 *
 * assert(["tfjs:wasm", "tfjs:cpu"].includes((await bestEngine()).name));
 * ```
 */
export async function bestEngine(): Promise<Engine> {
  const read = givenFolder(undefined) ?? packageFolder();
  if (await reading("query", read) !== "granted") return await instead(unread(read));
  try {
    return await wasm();
  } catch (error) {
    return await instead((error as Error).message);
  }
}

/** Returns the engine on cpu where wasm does not run for a reason, which it notes, and reports if nothing was before. */
async function instead(reason: string): Promise<Engine> {
  const note = `Running on cpu(), up to ten times slower than wasm(): ${reason}`;
  const write = console.error;
  if (!reported.has(write)) write(note);
  reported.add(write);
  return { ...await cpu(), note };
}

/** Backends that were reported to be wrong and, once wasm was reported not to run, the function that wrote it. */
const reported = new WeakSet<object>();

/** The rewrites that pay off: where a backend's memory can be reached, plain loops copy nothing to reach an expert. */
function rulesOf({ fill, plain, rows }: Backend): Rules {
  if (fill === undefined) return cautious;
  return { gatherFrom: rows === undefined ? 10 : 4, routeFrom: { ratio: 1, saved: plain ? 500 : 10_000 } };
}

/** Asks whether a folder may be read: Deno, or by `request` the user. Granted where Deno does not rule. */
async function reading(action: "query" | "request", folder: string | URL | undefined): Promise<Deno.PermissionState> {
  if (typeof Deno === "undefined") return "granted";
  return (await Deno.permissions[action]({ name: "read", path: folder })).state;
}

/** Returns the reason why the `.wasm` file is not read, and the permission to give. */
function unread(folder: string | URL | undefined): string {
  const path = folder instanceof URL ? pathOf(folder) : folder;
  return `the .wasm file may not be read: run with --allow-read${path === undefined ? "" : `=${path}`}`;
}
