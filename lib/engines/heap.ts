import type { Call, Called } from "./board.ts";
import type { Crew } from "./crew.ts";
import { type Definition, moduleOf } from "./wasm_code.ts";

/** A WebAssembly memory, and how a part of it is taken and given back. */
export interface Heap {
  /** The memory. */
  readonly memory: WebAssembly.Memory;
  /** Takes some bytes: their address. */
  take(bytes: number): number;
  /** Gives back what begins at an address. */
  free(address: number): void;
  /** The threads that compute in the memory. Where absent, there is one. */
  readonly crew?: Crew;
}

/** The bytes of a line of a processor's cache: vectors that lie across two lines take twice as long. */
export const line = 64;

/** Functions in a memory, which take whole numbers. */
export type Functions<Name extends string> = Readonly<Record<Name, Call>>;

/**
 * Puts functions in a memory, where every thread that computes there can call them.
 *
 * @returns Undefined where WebAssembly cannot do what they do.
 */
export function functionsIn<Name extends string>(
  { memory, crew }: Heap,
  definitions: Readonly<Record<Name, Definition>>,
): Functions<Name> | undefined {
  const program = moduleOf(definitions, !(memory.buffer instanceof ArrayBuffer));
  if (!WebAssembly.validate(program)) return undefined;
  if (crew !== undefined) return crew.load(program) as Functions<Name>;
  return new WebAssembly.Instance(new WebAssembly.Module(program), { from: { memory } }).exports as Functions<Name>;
}

/**
 * Calls functions that write to different places, in any order.
 *
 * @param calls The functions, each with its numbers.
 * @param work What they take, in the unit of {@linkcode Crew}: several threads make them where that is worth it.
 */
export function callAll({ crew }: Heap, calls: readonly Called[], work: number): void {
  if (crew === undefined || !crew.isWorth(work) || calls.length < 2) {
    // by name, as the rest of a list would be a new list for each call
    for (const [call, a, b, c, d, e, f, g, h, i] of calls) call(a, b, c, d, e, f, g, h, i);
  } else crew.share(calls);
}
