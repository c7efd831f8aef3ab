import { advice } from "./nearest.ts";
import { quoted } from "./quoted.ts";

/** Returns true if something is an object that holds values by name: not a list, and not null. */
export function isRecord(found: unknown): found is Record<string, unknown> {
  return typeof found === "object" && found !== null && !Array.isArray(found);
}

/** Returns what something is, in a few words for errors: `"text"`, `a list`, `Float32Array`, `3n`. */
export function kindOf(found: unknown): string {
  if (found === undefined) return "nothing";
  if (found === null) return "null";
  if (Array.isArray(found)) return "a list";
  if (typeof found === "string") return quoted(found);
  if (found instanceof Promise) return "a promise";
  if (ArrayBuffer.isView(found)) return found.constructor.name;
  if (typeof found === "object") return isValueLike(found) ? "a value" : objectText(found);
  if (typeof found === "function") return "a function";
  return typeof found === "bigint" ? `${found}n` : String(found);
}

/**
 * Makes sure that options are an object with known names alone.
 *
 * @throws {TypeError} if they are not an object, or if a name is unknown: the error names the nearest known one.
 */
export function checkOptions(action: string, options: unknown, known: readonly string[]): void {
  if (!isRecord(options)) throw new TypeError(`Cannot ${action}: options must be an object, found ${kindOf(options)}`);
  const wrong = Object.keys(options).find((name) => !known.includes(name));
  if (wrong !== undefined) {
    throw new TypeError(`Cannot ${action}: option ${quoted(wrong)} is unknown${advice(wrong, known)}`);
  }
}

/** Returns true if an object is a value of a graph, by its form: what ops return is frozen. */
function isValueLike(found: object): boolean {
  return Object.isFrozen(found) && "op" in found && "of" in found && "shape" in found;
}

/** Returns the class of an object with its article: `a Map`, `an Engine`; `an object` if it has none of its own. */
function objectText(found: object): string {
  const made: unknown = Object.getPrototypeOf(found)?.constructor;
  if (typeof made !== "function" || made === Object || made.name === "") return "an object";
  return `${/^[AEIO]/.test(made.name) ? "an" : "a"} ${made.name}`;
}

/**
 * Makes sure that an option or argument is a list.
 *
 * @throws {TypeError} naming it, if it is not.
 */
export function checkList(action: string, name: string, found: unknown): void {
  if (!Array.isArray(found)) throw new TypeError(`Cannot ${action}: ${name} must be a list, found ${kindOf(found)}`);
}
