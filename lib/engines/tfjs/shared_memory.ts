import * as tf from "@tensorflow/tfjs";
import { filled } from "../../files/read.ts";
import { system } from "../../files/runtime.ts";
import { pathOf } from "../../files/source.ts";

/** The files of the wasm backend: without SIMD, with it, and with threads of its own. */
const files = [
  "tfjs-backend-wasm.wasm",
  "tfjs-backend-wasm-simd.wasm",
  "tfjs-backend-wasm-threaded-simd.wasm",
] as const;
/** The section of a WebAssembly module that declares its memory. */
const memorySection = 5;
/** The words for a memory that has a largest size, and for one that has and is shared. */
const [limited, shared] = [1, 3];

/**
 * Starts the wasm backend in a memory that threads can share: its program as it is, but for the byte that says so.
 *
 * @returns Undefined where there is no such program, or it may not be read here: nothing has been started then.
 */
export async function startedShared<T>(folder: string | URL, start: () => Promise<T>): Promise<T | undefined> {
  if (!sharesMemory()) return undefined;
  const program = await programIn(folder);
  const changed = program && withSharedMemory(program);
  if (changed === undefined || !await canFetchBlobs()) return undefined;
  const address = URL.createObjectURL(new Blob([changed], { type: "application/wasm" }));
  try {
    const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
    setWasmPaths(Object.fromEntries(files.map((file) => [file, address])), true);
    try {
      return await withoutThreads(start);
    } finally {
      // tfjs takes no more paths once it has started; what it would start later has its own memory again.
      forget(() => setWasmPaths(Object.fromEntries(files.map((file) => [file, `${folder}${file}`])), false));
    }
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** Returns true where a memory can be shared among threads: in browsers, in pages that are isolated from others. */
export function sharesMemory(): boolean {
  const { crossOriginIsolated = true } = globalThis as { readonly crossOriginIsolated?: boolean };
  const isolated = system() !== undefined || crossOriginIsolated;
  return isolated && typeof SharedArrayBuffer !== "undefined" && WebAssembly.validate(smallest);
}

/** A module that has a shared memory, and nothing else. */
const smallest = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, memorySection, 4, 1, shared, 1, 2);

/** Returns a module whose memory is shared; undefined if it declares none that has a largest size. */
export function withSharedMemory(program: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | undefined {
  const number = (at: number): readonly [number: number, next: number] => {
    const [low, high] = [program[at] & 127, program[at] > 127];
    if (!high) return [low, at + 1];
    const [rest, next] = number(at + 1);
    return [low + 128 * rest, next];
  };
  for (let at = 8; at < program.length;) {
    const [length, start] = number(at + 1);
    if (program[at] === memorySection) {
      const [, flags] = number(start); // behind the number of memories
      if (program[flags] !== limited) return undefined;
      const changed = program.slice();
      changed[flags] = shared;
      return changed;
    }
    at = start + length;
  }
}

async function programIn(folder: string | URL): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const place = folder instanceof URL && system() !== undefined ? pathOf(folder) : String(folder);
  try {
    const open = system()?.open;
    if (open === undefined) return new Uint8Array(await (await fetch(`${place}${files[1]}`)).arrayBuffer());
    const file = await open(`${place}${files[1]}`);
    try {
      return await filled(file, new Uint8Array(await file.size()));
    } finally {
      await file.close();
    }
  } catch {
    return undefined; // the backend reads it itself then, and reports what is wrong
  }
}

/** Returns true where a page may fetch what it has made itself. */
async function canFetchBlobs(): Promise<boolean> {
  const address = URL.createObjectURL(new Blob(["any"]));
  try {
    return (await fetch(address)).ok;
  } catch {
    return false;
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** Starts without the threads that tfjs has itself in browsers: it would wait forever where a policy forbids workers. */
export async function withoutThreads<T>(start: () => Promise<T>): Promise<T> {
  const flags = tf.env().getFlags();
  const before = Object.getOwnPropertyDescriptor(flags, threadsFlag);
  flags[threadsFlag] = false;
  try {
    return await start();
  } finally {
    delete flags[threadsFlag];
    if (before !== undefined) Object.defineProperty(flags, threadsFlag, before);
  }
}

const threadsFlag = "WASM_HAS_MULTITHREAD_SUPPORT";

function forget(action: () => void): void {
  try {
    action();
  } catch {
    // no path is taken any more: none is kept either
  }
}
