import type { Engine } from "../../mod.ts";
import type { Random } from "../../lib/data/random.ts";

/** What a case ends as: a valid result, or an error of the library. */
export type End = "valid" | "refused";

/** A kind of input that users write. */
export interface Kind {
  /** The cases of this kind among a thousand. */
  readonly share: number;
  /** Makes an input of random numbers, most often with something wrong in it, and uses it; throws a {@linkcode Fault}. */
  readonly run: (source: Random, engine: Engine) => Promise<End>;
}

/** The error of a case that ends neither as it should nor with an error of the library. */
export class Fault extends Error {
  override name = "Fault";
}

/**
 * Does something with an input.
 *
 * @param input The text by which an input is found again.
 * @param place The form of errors that name the place of what is wrong.
 * @returns The result, or undefined if it was refused with an error of the library.
 * @throws {Fault} of any other error.
 */
export async function attempt<T>(input: string, place: RegExp, does: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await does();
  } catch (error) {
    if (!isClear(error)) throw new Fault(`${shown(error)}\n${input}`, { cause: error });
    if (!place.test(error.message)) throw new Fault(`the error names no place: ${shown(error)}\n${input}`);
    return undefined;
  }
}

/** Makes sure of something about a result. */
export function ensure(holds: boolean, what: string, input: string): asserts holds {
  if (!holds) throw new Fault(`${what}\n${input}`);
}

/** Returns true if an error is one of the library: it says what cannot be done, in its own words. */
export function isClear(error: unknown): error is Error {
  const kinds = ["SpecError", "SyntaxError", "TypeError", "RangeError", "NotFound", "Error"];
  return error instanceof Error && kinds.includes(error.name) && error.message.startsWith("Cannot ") &&
    !internal.test(error.message);
}

const internal =
  /(?<!found )\bundefined\b|\[object |Cannot (?:read propert|convert (?:undefined|a Symbol|a BigInt|object)|use 'in'|destructure|mix|assign to|set propert|access|perform)|stack size|is not a (?:function|constructor|valid)|not iterable|Invalid|out of bounds|byte length|non-configurable/;

function shown(error: unknown): string {
  return error instanceof Error ? error.stack ?? `${error.name}: ${error.message}` : String(error);
}

/** Returns one of some items. */
export function pick<T>(source: Random, items: readonly T[]): T {
  return items[source.bits() % items.length];
}

/** Returns a list of one item for each of some positions. */
export function several<T>(count: number, item: (at: number) => T): T[] {
  return Array.from({ length: count }, (_, at) => item(at));
}
