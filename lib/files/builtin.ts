import type * as crypto from "node:crypto";
import type * as fs from "node:fs/promises";
import type * as os from "node:os";
import type * as process from "node:process";
import type * as threads from "node:worker_threads";
import type * as zlib from "node:zlib";

/** The functions over files of Node.js. */
export type NodeFiles = typeof fs;

/** The modules of Node.js that are used where a runtime has them, by name. */
interface Builtins {
  readonly "node:crypto": typeof crypto;
  readonly "node:fs/promises": typeof fs;
  readonly "node:os": typeof os;
  readonly "node:process": typeof process;
  readonly "node:worker_threads": typeof threads;
  readonly "node:zlib": typeof zlib;
}

/**
 * Returns a module of Node.js where the runtime has it, as Deno and Bun do; undefined in browsers. It is asked for, not
 * imported: bundles for browsers would have to find it.
 */
export function builtin<Name extends keyof Builtins>(name: Name): Builtins[Name] | undefined {
  return (globalThis as Partial<Global>).process?.getBuiltinModule?.(name) as Builtins[Name] | undefined;
}

interface Global {
  readonly process: { readonly getBuiltinModule?: (name: string) => unknown };
}
