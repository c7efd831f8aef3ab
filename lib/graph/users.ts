import { sameShape } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";

/** The values that use each value. */
export type Users = ReadonlyMap<Value, readonly Use[]>;

/** A value that is applied to another one, and where. */
export interface Use {
  /** The value that is applied. */
  readonly value: Value;
  /** The position of the other one among its arguments. */
  readonly position: number;
}

/** Returns what uses each of some values, among these. */
export function usersOf(order: readonly Value[]): Users {
  const users = new Map<Value, Use[]>();
  for (const value of order) {
    value.of.forEach((argument, position) => {
      const known = users.get(argument);
      if (known === undefined) users.set(argument, [{ value, position }]);
      else known.push({ value, position });
    });
  }
  return users;
}

/** Experts `[batch, experts, units]` weighed `[batch, experts]` and summed: what a gate makes of a bank. */
export interface Mixture {
  /** The sum, `[batch, units]`. */
  readonly value: Value;
  /** The experts, `[batch, experts, units]`. */
  readonly experts: Value;
  /** Their weights, `[batch, experts]`. */
  readonly weights: Value;
}

/** Returns the mixture that a value is, or undefined. */
export function mixtureOf(value: Value): Mixture | undefined {
  const product = value.op === "sum" && String(value.attrs.axes) === "1" && !value.attrs.keep ? value.of[0] : undefined;
  if (product?.op !== "mul") return undefined;
  const [experts, factors] = product.of;
  const weights = factors.op === "reshape" ? factors.of[0] : undefined;
  const fits = experts.shape.length === 3 && weights?.shape.length === 2 &&
    sameShape(factors.shape, [...weights.shape, 1]) && sameShape(weights.shape, experts.shape.slice(0, 2));
  return fits ? { value, experts, weights } : undefined;
}

/** Returns items by key, in the order in which keys and items come. Keys are lists whose items are compared one by one. */
export function grouped<T>(items: readonly T[], key: (item: T) => readonly unknown[]): T[][] {
  const ids = new Map<unknown, number>();
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const text = key(item).map((part) => {
      const id = ids.get(part) ?? ids.size;
      ids.set(part, id);
      return id;
    }).join();
    const group = groups.get(text);
    if (group === undefined) groups.set(text, [item]);
    else group.push(item);
  }
  return [...groups.values()];
}

/** Returns true if two lists hold the same values in the same order. */
export function sameList(a: readonly Value[], b: readonly Value[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
