import type { Random } from "../../lib/data/random.ts";
import { pick } from "./kind.ts";

/** What stands where something else should. */
const wrongs: readonly unknown[] = [
  undefined,
  null,
  false,
  true,
  0,
  -1,
  NaN,
  Infinity,
  1.5,
  1e308,
  2 ** 53,
  "",
  "x",
  "__proto__",
  "constructor",
  "\ud800",
  Symbol("s"),
  3n,
  {},
  { a: null },
  Object.create(null),
  [],
  [null],
  [[]],
  Array(3),
  () => 1,
  new Map(),
  new Date(0),
  Promise.resolve(1),
  Float32Array.of(1),
  Int32Array.of(-1, 7),
  new BigInt64Array(2),
];

/** Returns a value with something wrong in one place within it: of another type, missing, of another length or name. */
export function withWrong(value: unknown, source: Random): unknown {
  const keys = isOpen(value) ? Object.keys(value) : [];
  if (ArrayBuffer.isView(value) && source.uniform() < 0.7) return wrongArray(value as Float32Array, source);
  if (keys.length === 0 || source.uniform() < 0.15) return pick(source, wrongs);
  const key = pick(source, keys);
  if (Array.isArray(value)) {
    const copy = [...value];
    const at = Number(key);
    const change = source.uniform();
    if (change < 0.1) delete copy[at];
    else if (change < 0.2) copy.splice(at, 1);
    else if (change < 0.3) copy.push(copy[at]);
    else copy[at] = withWrong(copy[at], source);
    return copy;
  }
  const { [key]: inner, ...rest } = value as Record<string, unknown>;
  if (source.uniform() < 0.1) return rest;
  if (source.uniform() < 0.1) return { ...rest, [pick(source, ["x", "", "toString", `${key} `])]: inner };
  return { ...value as object, [key]: withWrong(inner, source) };
}

/** Returns an array with a wrong number, of another length, or of another type. */
function wrongArray(array: Float32Array, source: Random): unknown {
  const numbers = Array.from(array);
  if (source.uniform() < 0.2) return numbers;
  if (source.uniform() < 0.2) return Float64Array.from(numbers);
  if (source.uniform() < 0.3) return array.slice(0, source.bits() % (array.length + 1));
  const copy = array.slice();
  if (copy.length > 0) copy[source.bits() % copy.length] = pick(source, [NaN, Infinity, -1, 1e30, 0.5, 3, 1e9]);
  return copy;
}

/** Returns true if something is a list or a plain object, into which one can put something wrong. */
function isOpen(value: unknown): value is object {
  return Array.isArray(value) || typeof value === "object" && value !== null && !Object.isFrozen(value) &&
      Object.getPrototypeOf(value) === Object.prototype;
}

/** Returns a value as a text, as far as it can be. */
export function textOf(value: unknown): string {
  const text = (_: string, item: unknown) => {
    if (typeof item === "bigint" || typeof item === "symbol" || typeof item === "function") return String(item);
    return ArrayBuffer.isView(item) ? `${item.constructor.name} ${Array.from(item as Float32Array)}` : item;
  };
  return JSON.stringify(value, text);
}
