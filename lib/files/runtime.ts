import { builtin } from "./builtin.ts";
import { denoSystem } from "./deno_system.ts";
import { nodeSystem } from "./node_system.ts";
import type { System } from "./system.ts";

/** Returns the files that this runtime reaches, in Deno, Node.js and Bun; undefined elsewhere, as in browsers. */
export function system(): System | undefined {
  if (typeof Deno !== "undefined") return denoSystem;
  const fs = builtin("node:fs/promises");
  return fs && nodeSystem(fs);
}

/**
 * Returns true if modules beside one can be begun as threads, in Deno, on several processors, where the permission to read
 * local ones was given: nobody is asked for it.
 */
export async function threadsOf(module: URL): Promise<boolean> {
  if (typeof Deno === "undefined" || (globalThis.navigator?.hardwareConcurrency ?? 1) < 2) return false;
  return module.protocol !== "file:" ||
    (await Deno.permissions.query({ name: "read", path: module })).state === "granted";
}

/** Returns the threads that the machine runs at once; 1 where that is not known. */
export function machineThreads(): number {
  return globalThis.navigator?.hardwareConcurrency ?? builtin("node:os")?.availableParallelism() ?? 1;
}

/** Returns a variable of the environment; undefined where it is not set, or may not be read: nobody is asked for that. */
export async function variable(name: string): Promise<string | undefined> {
  if (typeof Deno === "undefined") return builtin("node:process")?.env[name];
  const { state } = await Deno.permissions.query({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}

/** The reason in errors where no files are reached. */
export const unreachable = "files are reached in Deno, Node.js 20.16 and later, and Bun alone";

/**
 * Returns the files that this runtime reaches.
 *
 * @throws {Error} if it reaches none.
 */
export function files(): System {
  const found = system();
  if (found === undefined) throw new Error(unreachable);
  return found;
}

/** The kinds of failures that errors distinguish, by Deno's names, and the codes that Node.js has for them. */
const codes = {
  NotFound: ["ENOENT"],
  AlreadyExists: ["EEXIST"],
  NotADirectory: ["ENOTDIR"],
  PermissionDenied: ["EACCES", "EPERM"],
  Busy: ["EBUSY"],
  NotCapable: ["ERR_ACCESS_DENIED"],
} as const satisfies Record<string, readonly string[]>;

/** A kind of failure, by Deno's name. */
export type FailureKind = keyof typeof codes;

const failureKinds = Object.keys(codes) as FailureKind[];

/** Returns an error of a kind: Deno's class of it, elsewhere an `Error` of that name with Node.js's code. */
export function failure(kind: FailureKind, message: string, cause?: unknown): Error {
  const options = cause === undefined ? undefined : { cause };
  if (typeof Deno !== "undefined") return new Deno.errors[kind](message, options);
  return Object.assign(new Error(message, options), { name: kind, code: codes[kind][0] });
}

/** Returns the kind of a failure; undefined if it is of none. */
export function failureOf(error: unknown): FailureKind | undefined {
  if (typeof Deno !== "undefined") return failureKinds.find((kind) => error instanceof Deno.errors[kind]);
  const { code } = Object(error);
  return failureKinds.find((kind) => (codes[kind] as readonly unknown[]).includes(code));
}
