import { advice, nearest } from "./nearest.ts";
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
  if (typeof found === "object") return isValueLike(found) ? "a value" : "an object";
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

/**
 * Returns the options that are given: one that is null, undefined or false counts as left out, as a condition leaves it
 * out, but for flags, whose false is a value.
 *
 * @param names The names of the options that are not flags.
 * @param flags The names of the options that are true or false.
 * @throws {TypeError} if they are not an object, a name is unknown, or a flag is neither true nor false.
 */
export function optionsOf<T extends object>(
  action: string,
  options: T,
  names: readonly string[],
  flags: readonly string[] = [],
): T {
  checkOptions(action, options, [...names, ...flags]);
  const entries = Object.entries(options).filter(([name, value]) => {
    return value !== undefined && value !== null && (value !== false || flags.includes(name));
  });
  for (const [name, value] of entries) if (flags.includes(name)) checkFlag(action, name, value);
  return Object.fromEntries(entries) as T;
}

/**
 * Makes sure that an option or argument is true or false.
 *
 * @throws {TypeError} naming it, if it is not.
 */
export function checkFlag(action: string, name: string, found: unknown): void {
  if (typeof found === "boolean") return;
  throw new TypeError(`Cannot ${action}: ${name} must be true or false, found ${kindOf(found)}`);
}

/**
 * Makes sure that an option or argument is a function.
 *
 * @throws {TypeError} naming it, if it is not.
 */
export function checkFunction(action: string, name: string, found: unknown): void {
  if (typeof found === "function") return;
  throw new TypeError(`Cannot ${action}: ${name} must be a function, found ${kindOf(found)}`);
}

/**
 * Makes sure that an option or argument is a text.
 *
 * @throws {TypeError} naming it, if it is not.
 */
export function checkText(action: string, name: string, found: unknown): void {
  if (typeof found !== "string") {
    throw new TypeError(`Cannot ${action}: ${name} must be a text, found ${kindOf(found)}`);
  }
}

/**
 * Makes sure that an option or argument is one of some words, at least two.
 *
 * @throws {TypeError} naming it and the words, if it is not.
 */
export function checkWord(action: string, name: string, found: unknown, words: readonly string[]): void {
  if (typeof found === "string" && words.includes(found)) return;
  const [last, ...others] = words.map((word) => quoted(word)).reverse();
  const wanted = `${others.reverse().join(", ")} or ${last}`;
  const near = typeof found === "string" ? nearest(found, words) : undefined;
  const hint = near === undefined ? "" : `: did you mean ${quoted(near)}?`;
  throw new TypeError(`Cannot ${action}: ${name} must be ${wanted}, found ${kindOf(found)}${hint}`);
}

/**
 * Makes sure that an option or argument is a list of numbers, or an array of them.
 *
 * @throws {TypeError} naming it, if it is not.
 */
export function checkNumbers(action: string, name: string, found: unknown): void {
  const length: unknown = typeof found === "object" && found !== null && "length" in found ? found.length : undefined;
  const wrong = Array.isArray(found) && found.some((item) => typeof item !== "number");
  if (typeof length === "number" && !wrong && !(found instanceof BigInt64Array)) return;
  throw new TypeError(`Cannot ${action}: ${name} must be a list of numbers, found ${kindOf(found)}`);
}

/**
 * Makes sure that an option or argument is an object that holds values by name.
 *
 * @throws {TypeError} naming it, if it is not.
 */
export function checkRecord(action: string, name: string, found: unknown): void {
  if (!isRecord(found)) throw new TypeError(`Cannot ${action}: ${name} must be an object, found ${kindOf(found)}`);
}

/** Returns true if an object is a value of a graph, by its form: what ops return is frozen. */
function isValueLike(found: object): boolean {
  return Object.isFrozen(found) && "op" in found && "of" in found && "shape" in found;
}

/**
 * Makes sure that an option or argument is a list.
 *
 * @throws {TypeError} naming it, if it is not.
 */
export function checkList(action: string, name: string, found: unknown): void {
  if (!Array.isArray(found)) throw new TypeError(`Cannot ${action}: ${name} must be a list, found ${kindOf(found)}`);
}

/** Returns true if something is a number that is finite as a float32 too. */
export function isFloat(found: unknown): found is number {
  return typeof found === "number" && Number.isFinite(Math.fround(found));
}

/**
 * Makes sure that an option or argument is a whole number of at least 0, or of at least another limit.
 *
 * @throws {TypeError | RangeError} naming it, if it is not.
 */
export function checkCount(action: string, name: string, found: unknown, least = 0): void {
  if (Number.isSafeInteger(found) && (found as number) >= least) return;
  const text = `Cannot ${action}: ${name} must be a whole number of at least ${least}, found ${kindOf(found)}`;
  throw typeof found === "number" ? new RangeError(text) : new TypeError(text);
}

/**
 * Makes sure that an option or argument is a number that is finite as a float32 too.
 *
 * @throws {TypeError | RangeError} naming it, if it is not.
 */
export function checkAmount(action: string, name: string, found: unknown): void {
  if (isFloat(found)) return;
  const text = `Cannot ${action}: ${name} must be a finite number, found ${kindOf(found)}`;
  throw typeof found === "number" ? new RangeError(text) : new TypeError(text);
}

/**
 * Makes sure that a seed of random numbers is a text or a number.
 *
 * @throws {TypeError} if it is not.
 */
export function checkSeed(action: string, found: unknown): void {
  if (typeof found === "string" || typeof found === "number") return;
  throw new TypeError(`Cannot ${action}: seed must be a number or a text, found ${kindOf(found)}`);
}

/**
 * Makes sure that an option is a signal to abort by, or left out.
 *
 * @throws {TypeError} if it is not.
 */
export function checkSignal(action: string, found: unknown): void {
  if (found === undefined || isRecord(found) && typeof found.throwIfAborted === "function") return;
  throw new TypeError(`Cannot ${action}: signal must be an AbortSignal, found ${kindOf(found)}`);
}
