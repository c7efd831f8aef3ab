import type { Region } from "./regions.ts";
import { attempt, type Open, type Session, type Signature } from "./session.ts";

/** A thing of ONNX Runtime's, which is called by its address. */
type Thing = Deno.PointerObject;

/**
 * ONNX Runtime's library, which comes with the package onnxruntime-node, without the package's binding: models read and
 * write the memory of this program, and nothing is copied. Undefined where it cannot be opened as a file.
 *
 * @param threads The threads that share the work of one op.
 */
export async function library(threads: number): Promise<Open | undefined> {
  if (typeof Deno === "undefined") return undefined;
  // The binding keeps the library in memory: when a worker ends, Deno would unload it under ONNX Runtime's threads.
  await import("npm:onnxruntime-node@1.30.0/dist/binding.js");
  const root = import.meta.resolve("npm:onnxruntime-node@1.30.0/package.json");
  if (!root.startsWith("file:")) return undefined;
  const call = interfaceOf(new URL(`bin/napi-v6/${fileOf(Deno.build)}`, root));
  return call && opening(call, threads);
}

/** Returns the library's file within the package. */
function fileOf({ os, arch }: typeof Deno.build): string {
  const folder = `${os === "windows" ? "win32" : os}/${arch === "aarch64" ? "arm64" : "x64"}`;
  if (os === "windows") return `${folder}/onnxruntime.dll`;
  return `${folder}/${os === "darwin" ? "libonnxruntime.1.dylib" : "libonnxruntime.so.1"}`;
}

/** Numbers that stand for something in ONNX Runtime's interface. */
const [warnings, everything, deviceAllocator, defaultMemory, float, int32] = [2, 99, 0, 0, 1, 6];
const [arenaAllocator, asRequested, byDefault] = [1, 1, -1];

function opening(call: Interface, threads: number): Open {
  const environment = call.made((out) => call.createEnv(warnings, text("gatehouse"), out));
  const memory = call.made((out) => call.createMemoryInfo(deviceAllocator, defaultMemory, out));
  shareArena(call, environment);
  const sessionOf = (model: Uint8Array<ArrayBuffer>, { plan, rest }: Signature): Thing => {
    const options = call.made(call.createOptions);
    try {
      call.done(call.setThreads(options, threads));
      call.done(call.optimise(options, everything));
      if (!plan) call.done(call.planNothing(options));
      call.done(call.set(options, text("session.use_env_allocators"), text("1")));
      if (rest) call.done(call.set(options, text("session.force_spinning_stop"), text("1")));
      return call.made((out) => call.createSession(environment, model, BigInt(model.byteLength), options, out));
    } finally {
      call.releaseOptions(options);
    }
  };
  return (model, signature) => {
    return running(attempt("load", () => sessionOf(model, signature)), signature, memory, call);
  };
}

/**
 * Has all sessions take memory from one arena that grows by what is needed: each would have its own, which doubles. Once
 * it is there for a program it stays: asking for it again fails, and does no harm.
 */
function shareArena(call: Interface, environment: Thing): void {
  const memory = call.made((out) => call.createMemoryInfo(arenaAllocator, defaultMemory, out));
  const arena = call.made((out) => call.createArena(0n, asRequested, byDefault, byDefault, out));
  const status = call.registerAllocator(environment, memory, arena);
  if (status !== null) call.releaseStatus(status);
  call.releaseArena(arena);
  call.releaseMemoryInfo(memory);
}

/** A session that keeps its arrays as ONNX Runtime's own things. */
function running(session: Thing, { inputs, outputs }: Signature, memory: Thing, call: Interface): Session {
  const names = [inputs, outputs].map(texts);
  const things = [inputs, outputs].map(({ length }) => new BigUint64Array(length));
  const kept = new Map<Region, Thing>();
  const made = ({ shape, data }: Region): Thing => {
    const lengths = BigInt64Array.from(shape, BigInt);
    const kind = data instanceof Int32Array ? int32 : float;
    return call.made((out) =>
      call.createTensor(memory, data, BigInt(data.byteLength), lengths, BigInt(shape.length), kind, out)
    );
  };
  const forget = (region: Region) => {
    const thing = kept.get(region);
    if (thing !== undefined) call.releaseValue(thing);
    kept.delete(region);
  };
  return {
    keep: (region) => {
      if (!kept.has(region)) kept.set(region, made(region));
    },
    forget,
    run: (...regions) =>
      attempt("run", () => {
        const passing: Thing[] = [];
        try {
          regions.forEach((some, end) =>
            some.forEach((region, i) => {
              const thing = kept.get(region) ?? passing[passing.push(made(region)) - 1];
              things[end][i] = Deno.UnsafePointer.value(thing);
            })
          );
          const [read, written] = things;
          const [readNames, writtenNames] = names.map(({ list }) => list);
          const [reads, writes] = [inputs, outputs].map(({ length }) => BigInt(length));
          call.done(call.run(session, null, readNames, read, reads, writtenNames, writes, written));
        } finally {
          passing.forEach((thing) => call.releaseValue(thing));
        }
      }),
    dispose: () => {
      [...kept.keys()].forEach(forget);
      call.releaseSession(session);
    },
  };
}

/**
 * The functions of ONNX Runtime's C interface that are called: where they stand in its table, for ever, and their types.
 * Those that return a pointer return what went wrong, null if nothing did.
 *
 * Source: struct OrtApi in onnxruntime_c_api.h.
 */
const functions = {
  errorMessage: [2, ["pointer"], "pointer"],
  createEnv: [3, ["i32", "buffer", "buffer"], "pointer"],
  createSession: [8, ["pointer", "buffer", "usize", "pointer", "buffer"], "pointer"],
  run: [9, ["pointer", "pointer", "buffer", "buffer", "usize", "buffer", "usize", "buffer"], "pointer"],
  createOptions: [10, ["buffer"], "pointer"],
  planNothing: [17, ["pointer"], "pointer"],
  optimise: [23, ["pointer", "i32"], "pointer"],
  setThreads: [24, ["pointer", "i32"], "pointer"],
  createTensor: [49, ["pointer", "buffer", "usize", "buffer", "usize", "i32", "buffer"], "pointer"],
  createMemoryInfo: [69, ["i32", "i32", "buffer"], "pointer"],
  releaseStatus: [93, ["pointer"], "void"],
  releaseMemoryInfo: [94, ["pointer"], "void"],
  releaseSession: [95, ["pointer"], "void"],
  releaseValue: [96, ["pointer"], "void"],
  releaseOptions: [100, ["pointer"], "void"],
  set: [130, ["pointer", "buffer", "buffer"], "pointer"],
  registerAllocator: [144, ["pointer", "pointer", "pointer"], "pointer"],
  createArena: [156, ["usize", "i32", "i32", "i32", "buffer"], "pointer"],
  releaseArena: [157, ["pointer"], "void"],
} as const satisfies Record<string, readonly [number, readonly Deno.NativeType[], Deno.NativeResultType]>;

/** A version of the interface that has all of them. */
const version = 8;

type Functions = {
  readonly [name in keyof typeof functions]: Deno.UnsafeFnPointer<{
    readonly parameters: (typeof functions)[name][1];
    readonly result: (typeof functions)[name][2];
  }>["call"];
};

interface Interface extends Functions {
  /** Throws an Error if a call has failed. */
  done(status: Deno.PointerValue): void;
  /** The thing that a call makes. Throws an Error if it has failed. */
  made(make: (out: BigUint64Array<ArrayBuffer>) => Deno.PointerValue): Thing;
}

function interfaceOf(path: URL): Interface | undefined {
  const found = opened(path);
  if (found === null) return undefined;
  const base = new Deno.UnsafePointerView(found);
  const find = new Deno.UnsafeFnPointer(base.getPointer(0)!, { parameters: ["u32"], result: "pointer" } as const);
  const table = new Deno.UnsafePointerView(find.call(version)!);
  const call = Object.fromEntries(
    Object.entries(functions).map(([name, [place, parameters, result]]) => {
      const pointer = new Deno.UnsafeFnPointer(table.getPointer(8 * place)!, { parameters, result });
      return [name, pointer.call.bind(pointer)];
    }),
  ) as unknown as Functions;
  const done = (status: Deno.PointerValue) => {
    if (status === null) return;
    const message = Deno.UnsafePointerView.getCString(call.errorMessage(status)!);
    call.releaseStatus(status);
    throw new Error(message);
  };
  const made = (make: (out: BigUint64Array<ArrayBuffer>) => Deno.PointerValue) => {
    const out = new BigUint64Array(new ArrayBuffer(8));
    done(make(out));
    return Deno.UnsafePointer.create(out[0])!;
  };
  return { ...call, done, made };
}

/** The library's one function, called: the base of its interface. */
function opened(path: URL): Deno.PointerValue {
  try {
    return Deno.dlopen(path, { OrtGetApiBase: { parameters: [], result: "pointer" } }).symbols.OrtGetApiBase();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return null;
  }
}

/** A text as C has it. */
function text(characters: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${characters}\0`);
}

/** Texts as C has them, and where each of them is: as long as `held` is there too, for the addresses keep nothing. */
function texts(some: readonly string[]) {
  const held = some.map(text);
  return { held, list: BigUint64Array.from(held, (one) => Deno.UnsafePointer.value(Deno.UnsafePointer.of(one))) };
}
