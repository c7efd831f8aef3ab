import * as tf from "@tensorflow/tfjs";
import type { DataType, KernelBackend, NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs";
import { quoted } from "../../errors/quoted.ts";
import { advice } from "../../errors/nearest.ts";
import { sizeOf } from "../../ops/shape.ts";
import { type Crew, type Threads, threadsOver } from "../crew.ts";
import { line } from "../heap.ts";
import { chainLoops, type Chains } from "./wasm_chains.ts";
import { type FewLoops, fewLoops } from "./wasm_few.ts";
import { multiplier } from "./wasm_multiplier.ts";
import { type RowLoops, rowLoops } from "./wasm_rows.ts";
import type { Loop, Numbers } from "./loop.ts";

/** Calls one kernel of a backend. */
export type Call = (inputs: NamedTensorInfoMap | readonly TensorInfo[], attrs?: NamedAttrMap) => TensorInfo;

/** A started tfjs backend: its kernels and its memory, without tfjs's tape, scopes and variables. */
export interface Backend {
  /** The name under which tfjs knows the backend, such as `wasm`. */
  readonly name: string;
  /** The object of tfjs that stands for it: another one where it was started again, on any device. */
  readonly started: object;
  /** True if the backend's kernels are plain JavaScript, slower than loops written for the purpose. */
  readonly plain: boolean;
  /**
   * Finds a kernel.
   *
   * @throws {TypeError} if the backend lacks it.
   */
  kernel(name: string): Call;
  /** Copies numbers to the backend. */
  write(data: Numbers, shape: readonly number[]): TensorInfo;
  /** Copies numbers off the backend, at once where the backend's memory is this program's memory. */
  read(array: TensorInfo): Numbers | Promise<Numbers>;
  /** Gives up one hold on an array, whose memory is free after the last. */
  free(array: TensorInfo): void;
  /** The number of arrays in the backend's memory. */
  count(): number;
  /** The backend's memory; undefined where it cannot be reached. */
  readonly memory?: Memory;
  /** Makes an array by a loop over the backend's memory; undefined where that memory cannot be reached. */
  readonly fill?: (shape: readonly number[], of: readonly TensorInfo[], loop: Loop) => TensorInfo;
  /**
   * Makes products `[..., m, k] x [..., k, n]`, or `[m, k]` with one of `[..., k, n]`, by a kernel that is faster than the
   * backend's; undefined where there is none.
   */
  readonly multiply?: (left: TensorInfo, right: TensorInfo, one?: number) => TensorInfo;
  /**
   * Begins to watch what the device refuses, such as arrays beyond its limits, of which it computes wrong numbers in
   * silence. The function that is returned ends that, and resolves to the device's message, if there is one; undefined
   * where kernels throw themselves.
   */
  readonly watch?: () => () => Promise<string | undefined>;
  /** The most bytes of one array, where the device has a limit. */
  readonly mostInArray?: number;
  /** The threads that can compute in the backend's memory; undefined where there is one. */
  readonly threads?: Threads;
  /** Loops for `fill` that are faster than those in JavaScript, where there are any. */
  readonly rows?: RowLoops;
  /** Loops that are faster than those in JavaScript where an op has few rows, where there are any. */
  readonly few?: FewLoops;
  /** Loops of several ops on each number of arrays at once, where there are any. */
  readonly chains?: Chains;
}

/** Makes arrays of floats, and shows an array's numbers in place until the next one is made. */
export interface Memory {
  readonly make: (shape: readonly number[]) => TensorInfo;
  readonly view: (array: TensorInfo) => Numbers;
  readonly free: (array: TensorInfo) => void;
}

/**
 * Starts a registered tfjs backend, or finds it running. tfjs's own current backend and flags stay what they are.
 *
 * @param threads The threads that compute, where its memory is shared.
 * @param least The work from which on they share it; see {@linkcode Threads}.
 * @throws {TypeError} if no backend has the name.
 * @throws {Error} if the backend does not start.
 */
export async function start(name: string, threads = 1, least?: number): Promise<Backend> {
  if (name === "wasm") await import("@tensorflow/tfjs-backend-wasm");
  const names = Object.keys(tf.engine().registryFactory);
  if (!names.includes(name)) {
    throw new TypeError(`Cannot start the tfjs engine: no backend is named ${quoted(name)}${advice(name, names)}`);
  }
  const backend = tf.engine().registry[name] ?? await started(name);
  // Kernels that are bound to a backend by a function of their own; tfjs calls it only for its current backend.
  tf.getKernelsForBackend(name).forEach(({ setupFunc }) => setupFunc?.(backend));
  // In production, the cpu backend prints no advertisement on its first write.
  flagged({ PROD: true }, () => backend.disposeData(backend.write(new Float32Array(1), [], "float32")));
  return backendOf(name, backend, threads, least);
}

/**
 * Starts a backend as tfjs would. tfjs makes a second one where a program first asks for this one and then lets tfjs
 * choose; the kernels would belong to the second, with other memory. So both are given the same.
 */
async function started(name: string): Promise<KernelBackend> {
  const { registry, registryFactory } = tf.engine();
  const entry = registryFactory[name];
  const { factory } = entry;
  let made: KernelBackend | Promise<KernelBackend> | undefined;
  entry.factory = () => made ??= factory();
  try {
    return registry[name] ??= made = await entry.factory();
  } catch (error) {
    entry.factory = factory;
    const { message } = error as { message: string };
    throw new Error(`Cannot start the tfjs engine: the backend ${quoted(name)} does not start: ${message}`);
  }
}

/** Runs with flags of tfjs's set to other values, which no backend need have: they are then what they were. */
export function flagged<T>(set: Readonly<Record<string, boolean>>, action: () => T): T {
  const flags = tf.env().getFlags();
  const before = Object.keys(set).map((name) => [name, Object.getOwnPropertyDescriptor(flags, name)] as const);
  Object.assign(flags, set);
  try {
    return action();
  } finally {
    for (const [name, own] of before) {
      delete flags[name];
      if (own !== undefined) Object.defineProperty(flags, name, own);
    }
  }
}

function backendOf(name: string, backend: KernelBackend, threads: number, least: number | undefined): Backend {
  const memory = memoryOf(name, backend);
  return {
    name,
    started: backend,
    plain: name === "cpu",
    kernel: (kernelName) => {
      const kernel = tf.getKernel(kernelName, name);
      if (kernel === undefined) {
        throw new TypeError(`Cannot load graph: the tfjs backend ${quoted(name)} has no kernel ${kernelName}`);
      }
      const call: Call = (inputs, attrs = {}) =>
        kernel.kernelFunc({ inputs: inputs as NamedTensorInfoMap, attrs, backend }) as TensorInfo;
      return name === "wasm" && kernelName === "BatchMatMul" ? oneShaped(call, memory!, backend) : call;
    },
    write: (data, shape) => {
      const dtype: DataType = data instanceof Int32Array ? "int32" : "float32";
      const own = name === "wasm" ? data : data.slice(); // the others may keep what they are given
      return { dataId: backend.write(own, plain(shape), dtype), shape: plain(shape), dtype };
    },
    read: (array) =>
      memory === undefined
        ? backend.read(array.dataId).then((data) => (data as Numbers).slice())
        : memory.view(array).slice(),
    free: (array) => {
      backend.disposeData(array.dataId);
    },
    count: () => backend.numDataIds(),
    memory,
    ...name === "wasm" && kernelsOf(backend as WasmBackend, threads, least),
    ...isWatched(backend) && {
      watch: () => watching(backend.device),
      mostInArray: backend.device.limits?.maxStorageBufferBindingSize,
    },
    fill: memory && ((shape, of, loop) => {
      const array = memory.make(shape);
      try {
        loop(memory.view(array) as Float32Array, of.map(memory.view));
        return array;
      } catch (error) {
        backend.disposeData(array.dataId);
        throw error;
      }
    }),
  };
}

/** The part of a WebGPU device that says what it refused. */
interface Device {
  readonly limits?: { readonly maxStorageBufferBindingSize: number };
  pushErrorScope(filter: "validation" | "out-of-memory"): void;
  popErrorScope(): Promise<{ readonly message: string } | null>;
}

function isWatched(backend: object): backend is { readonly device: Device } {
  const { device } = backend as { device?: Partial<Device> };
  return typeof device?.pushErrorScope === "function";
}

/** Watches a device until the function that is returned is called, however often. */
function watching(device: Device): () => Promise<string | undefined> {
  device.pushErrorScope("out-of-memory");
  device.pushErrorScope("validation");
  let ended: Promise<string | undefined> | undefined;
  const end = async () => {
    const found = await Promise.all([device.popErrorScope(), device.popErrorScope()]);
    return found.find((error) => error !== null)?.message;
  };
  return () => ended ??= end();
}

/**
 * A shape as an array of one kind, whatever made it. tfjs's functions over shapes are fast only if all they meet are
 * of one kind to the JavaScript engine: a training step takes a third longer otherwise.
 */
export function plain(shape: readonly number[]): number[] {
  return [...Int32Array.from(shape)];
}

/**
 * Products by the wasm backend's kernel, where a right matrix that it has met in another shape is copied first: it prepares
 * each array once, by its first shape, and would read and write beyond the memory of the others.
 */
function oneShaped(call: Call, { make, view }: Memory, backend: KernelBackend): Call {
  return (inputs, attrs) => {
    const { a, b } = inputs as { readonly a: TensorInfo; readonly b: TensorInfo };
    const shape = b.shape.join();
    const met = shapesMet.get(b.dataId) ?? shape;
    shapesMet.set(b.dataId, met);
    if (met === shape) return call(inputs, attrs);
    const copy = make(b.shape);
    try {
      (view(copy) as Float32Array).set(view(b));
      return call({ a, b: copy }, attrs);
    } finally {
      backend.disposeData(copy.dataId);
    }
  };
}

/** The shape in which the wasm backend's products met an array first. */
const shapesMet = new WeakMap<object, string>();

/** The parts of the wasm backend that reach its memory. */
interface WasmBackend extends KernelBackend {
  makeOutput(shape: number[], dtype: DataType): TensorInfo;
  typedArrayFromHeap(array: TensorInfo): Numbers;
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: number } };
  readonly wasm: {
    readonly asm?: { readonly memory?: WebAssembly.Memory };
    readonly PThread?: unknown;
    _malloc(bytes: number): number;
    _free(address: number): void;
  };
}

function memoryOf(name: string, backend: KernelBackend): Memory | undefined {
  const free = ({ dataId }: TensorInfo) => void backend.disposeData(dataId);
  if (name === "cpu") {
    return {
      make: (shape) => {
        const data = new Float32Array(sizeOf(shape));
        return {
          dataId: backend.write(data, shape as number[], "float32"),
          shape: shape as number[],
          dtype: "float32",
        };
      },
      view: ({ dataId }) => backend.readSync(dataId) as Numbers,
      free,
    };
  }
  if (name === "wasm") {
    const wasm = backend as WasmBackend;
    return {
      make: (shape) => wasm.makeOutput(shape as number[], "float32"),
      view: (array) => wasm.typedArrayFromHeap(array),
      free,
    };
  }
}

/** Our own kernels in the memory of the wasm backend, for so many threads; none where tfjs has threads of its own. */
function kernelsOf(backend: WasmBackend, threads: number, least: number | undefined): OwnKernels {
  const memory = backend.wasm.asm?.memory;
  if (memory === undefined || backend.wasm.PThread !== undefined) return {};
  if (!kernels.has(backend)) align(backend.wasm);
  const known = kernels.get(backend) ?? { over: threadsOver(memory), of: new Map<string, OwnKernels>() };
  kernels.set(backend, known);
  const key = `${threads} ${least}`;
  const found = known.of.get(key) ??
    ownKernels(backend, memory, threads > 1 ? known.over?.some(threads, least) : undefined);
  known.of.set(key, found);
  return { ...found, threads: known.over };
}

type OwnKernels = Pick<Backend, "multiply" | "rows" | "few" | "chains" | "threads">;

/** The threads of each backend, and the kernels for each number of them. */
const kernels = new WeakMap<
  WasmBackend,
  { readonly over: Threads | undefined; readonly of: Map<string, OwnKernels> }
>();

/**
 * Lets whatever TensorFlow.js's JavaScript allocates begin with a cache line. What its program allocates itself, and what
 * was before, is freed as it is.
 */
function align(wasm: WasmBackend["wasm"]): void {
  const { _malloc: allocate, _free: free } = wasm;
  const founds = new Map<number, number>();
  wasm._malloc = (bytes) => {
    const found = allocate(bytes + line) >>> 0; // negative above 2 GiB
    if (found === 0) return 0;
    const at = line * Math.ceil(found / line);
    founds.set(at, found);
    return at;
  };
  wasm._free = (at) => {
    const found = founds.get(at >>> 0);
    founds.delete(at >>> 0);
    free(found ?? at);
  };
}

function ownKernels(backend: WasmBackend, memory: WebAssembly.Memory, crew: Crew | undefined): OwnKernels {
  const { wasm, dataIdMap } = backend;
  const take = (bytes: number): number => {
    const at = wasm._malloc(bytes) >>> 0; // negative above 2 GiB
    if (at === 0) throw new RangeError(`Cannot run graph: wasm has no ${bytes} bytes left: wanted smaller batches`);
    return at;
  };
  const heap = { memory, take, free: (at: number) => wasm._free(at), ...crew && { crew } };
  const multiply = multiplier(heap);
  const addressOf = ({ dataId }: TensorInfo) => dataIdMap.get(dataId).memoryOffset >>> 0;
  const product: Backend["multiply"] = (left, right, one = 0) => {
    const [m, k] = left.shape.slice(-2);
    const n = right.shape[right.shape.length - 1];
    const found = backend.makeOutput([...left.shape.slice(0, -1), n], "float32");
    const count = sizeOf(left.shape.slice(0, -2));
    try {
      multiply!(addressOf(left), addressOf(right) + 4 * one * k * n, addressOf(found), { count, m, k, n });
      return found;
    } catch (error) {
      backend.disposeData(found.dataId);
      throw error;
    }
  };
  return { multiply: multiply && product, rows: rowLoops(heap), few: fewLoops(heap), chains: chainLoops(heap) };
}
