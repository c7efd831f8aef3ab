import { cpu, type Engine, tfjs, wasm } from "@gatehouse/gatehouse";
import type { EngineName } from "./engine_names.ts";

/** An engine, and why it is this one. */
export interface Chosen {
  readonly engine: Engine;
  /** The words for it, such as `wasm with 2 threads`. */
  readonly name: string;
  /** The reason in a few words, such as `no GPU: this browser has no WebGPU`. */
  readonly why: string;
}

/**
 * The engine of a name. By `auto` it is webgpu where there is a GPU whose ops agree with plain loops, else wasm, else cpu.
 *
 * @param threads The most threads of wasm: one where models that learn side by side share the processors already.
 * @throws {Error} if one that was named does not start.
 */
export async function engineOf(name: EngineName, threads: number): Promise<Chosen> {
  if (name === "cpu") return { engine: await cpu(), name, why: "as chosen" };
  if (name === "wasm") return await onThreads(threads, "as chosen");
  if (name === "webgpu") return await onGpu("as chosen");
  const missing = await withoutGpu();
  if (missing === undefined) {
    try {
      return await onGpu("this device has a GPU, and its ops passed their trial");
    } catch (error) {
      return await withoutGpuFor(`its GPU does not start: ${(error as Error).message}`, threads);
    }
  }
  return await withoutGpuFor(missing, threads);
}

/** The engine on webgpu; another, with the reason, where the GPU computes wrong numbers. */
async function onGpu(why: string): Promise<Chosen> {
  await import("npm:@tensorflow/tfjs-backend-webgpu@4.22.0");
  const engine = await tfjs("webgpu");
  return { engine, name: engine.name.replace("tfjs:", ""), why: engine.note ?? why };
}

/** The engine on wasm, or on cpu where that does not start. */
async function withoutGpuFor(reason: string, threads: number): Promise<Chosen> {
  try {
    return await onThreads(threads, reason);
  } catch (error) {
    return { engine: await cpu(), name: "cpu", why: `${reason}; wasm does not start: ${(error as Error).message}` };
  }
}

/** The engine on wasm; its `note` says why it has one thread where several were wanted. */
async function onThreads(most: number, why: string): Promise<Chosen> {
  const wanted = Math.min(most, navigator.hardwareConcurrency);
  const engine = await wasm({ threads: wanted });
  const threads = engine.note === undefined ? wanted : 1;
  return { engine, name: `wasm with ${threads === 1 ? "one thread" : `${threads} threads`}`, why: engine.note ?? why };
}

/** The part of a browser that gives a page its GPU. */
interface Gpu {
  requestAdapter(): Promise<{ readonly info?: GpuInfo; readonly isFallbackAdapter?: boolean } | null>;
}

interface GpuInfo {
  readonly isFallbackAdapter?: boolean;
  readonly architecture?: string;
}

/** Returns the reason why there is no GPU, undefined if there is one. */
async function withoutGpu(): Promise<string | undefined> {
  const { gpu } = navigator as { readonly gpu?: Gpu };
  if (gpu === undefined) return "this browser has no WebGPU";
  const adapter = await gpu.requestAdapter().catch(() => null);
  if (adapter === null) return "no GPU was found";
  const { info } = adapter;
  const isSoftware = adapter.isFallbackAdapter === true || info?.isFallbackAdapter === true ||
    info?.architecture === "swiftshader";
  return isSoftware ? "the only GPU here is software" : undefined;
}
