import { isRecord, kindOf } from "../errors/kinds.ts";
import { isValue } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";

/** Values in records and lists within one another. An undefined entry of a record is as one that is missing. */
export type Values = Value | readonly Values[] | { readonly [name: string]: Values | undefined };

/**
 * Returns the values in records and lists, in order.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant } from "@gatehouse/gatehouse/ops";
 * import { leaves } from "./values.ts";
 *
 * const [a, b, c] = [1, 2, 3].map((number) => constant(number));
 * assertEquals(leaves({ loss: { click: a, like: b }, gates: [c, a] }), [a, b, c, a]);
 * ```
 */
export function leaves(values: Values): Value[] {
  return named(values).map(([, value]) => value);
}

/**
 * Returns the values in records and lists with their names: the keys that lead to a value, joined by "/". An empty key
 * adds nothing to a name.
 *
 * @param name The prefix of all names. Default: none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant } from "@gatehouse/gatehouse/ops";
 * import { named } from "./values.ts";
 *
 * const [a, b, c] = [1, 2, 3].map((number) => constant(number));
 * const values = { "": { loss: { click: a, like: b } }, loss: c, gates: undefined };
 * assertEquals(named(values), [["loss/click", a], ["loss/like", b], ["loss", c]]);
 * ```
 */
export function named(values: Values, name = ""): [name: string, value: Value][] {
  if (isValue(values)) return [[name, values]];
  return Object.entries<Values | undefined>(values).flatMap(([key, part]) =>
    part === undefined ? [] : named(part, [name, key].filter((word) => word !== "").join("/"))
  );
}

/**
 * Returns the same records and lists with every value changed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { constant, neg } from "@gatehouse/gatehouse/ops";
 * import { mapped } from "./values.ts";
 *
 * const [a, b] = [constant(1), constant(2)];
 * assertEquals(mapped({ loss: { click: a }, gates: [b] }, neg), { loss: { click: neg(a) }, gates: [neg(b)] });
 * ```
 */
export function mapped<V extends Values>(values: V, change: (value: Value) => Value): V;
export function mapped(values: Values, change: (value: Value) => Value): Values {
  if (isValue(values)) return change(values);
  if (Array.isArray(values)) return values.map((part: Values) => mapped(part, change));
  return Object.fromEntries(
    Object.entries<Values | undefined>(values).map(([key, part]) => [key, part && mapped(part, change)]),
  );
}

/**
 * Returns those of a program's outputs that {@linkcode named} gave the names `<word>/<name>`, by name. Names without an
 * output are left out.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { part } from "./values.ts";
 *
 * assertEquals(part({ "loss/click": 1, "loss/like": 2, loss: 3 }, "loss", ["click", "like"]), { click: 1, like: 2 });
 * ```
 */
export function part<T, Name extends string>(
  outputs: Readonly<Record<string, T>>,
  word: string,
  names: readonly Name[],
): Record<Name, T> {
  const entries = names.map((name) => [name, `${word}/${name}`] as const);
  const found = entries.filter(([, joined]) => Object.hasOwn(outputs, joined));
  return Object.fromEntries(found.map(([name, joined]) => [name, outputs[joined]])) as Record<Name, T>;
}

/**
 * Makes sure that something is values, or records and lists of them.
 *
 * @throws {TypeError} if it is not; the error names the place of the first that is none.
 */
export function checkValues(action: string, found: unknown, at = "values"): void {
  if (isValue(found)) return;
  const inside = isRecord(found) || Array.isArray(found);
  if (!inside || found instanceof Promise || found instanceof Map) {
    throw new TypeError(`Cannot ${action}: ${at} must be values, or records of them, found ${kindOf(found)}`);
  }
  for (const [key, part] of Object.entries(found)) if (part !== undefined) checkValues(action, part, `${at}.${key}`);
}
