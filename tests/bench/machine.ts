import { cpus } from "node:os";

/** The machine that the numbers were measured on, and the versions. */
export interface Machine {
  /** The processor's name. */
  readonly cpu: string;
  /** The number of threads that it runs at once. */
  readonly cores: number;
  /** Its memory, in GiB. */
  readonly memory: number;
  /** The operating system. */
  readonly os: string;
  /** Deno, V8, and the packages by name. */
  readonly versions: Readonly<Record<string, string>>;
}

/** This machine. */
export function machine(versions: Readonly<Record<string, string>> = {}): Machine {
  const { imports } = JSON.parse(Deno.readTextFileSync("deno.json"));
  const packages = ["@tensorflow/tfjs", "@tensorflow/tfjs-backend-wasm"].map((name) =>
    [name, imports[name].slice(`npm:${name}@`.length)] as const
  );
  const runtime = Deno.readTextFileSync("lib/engines/onnx/library.ts").match(/npm:onnxruntime-node@([\d.]+)/)![1];
  return {
    cpu: cpus()[0].model,
    cores: navigator.hardwareConcurrency,
    memory: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    os: `${Deno.build.os} ${Deno.build.arch} ${Deno.osRelease()}`,
    versions: {
      deno: Deno.version.deno,
      v8: Deno.version.v8,
      ...Object.fromEntries(packages),
      "onnxruntime-node": runtime,
      ...versions,
    },
  };
}
