import { apply } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import { leaves, mapped, type Values } from "./values.ts";

/**
 * Returns what some values are made of, themselves included: each value once, after those it is applied to. Safe for
 * deep expressions.
 *
 * @param of Which arguments of a value are followed. Default: all.
 */
export function inOrder(roots: readonly Value[], of: (value: Value) => readonly Value[] = argumentsOf): Value[] {
  return ordered(roots, of)!; // values are made of older ones, so there is no circle
}

/** Returns what replaces a value, given its new arguments; undefined to keep it. */
export type Change = (value: Value, of: readonly Value[]) => Value | undefined;

/**
 * Returns values with some of them, or of the values that they are made of, replaced. A value that contains no replaced
 * one stays the very same object.
 *
 * @param change What stands in the place of a value, given its new arguments. Or a map from values to those in their
 * places, which are made of the values as they were and are rewritten too.
 * @returns The same records and lists; undefined if a value then needs itself, which only a map can bring about.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { add, constant, mul, neg } from "@gatehouse/gatehouse/ops";
 * import { rewritten } from "./walk.ts";
 *
 * const [one, two] = [constant(1), constant(2)];
 * const sum = add(one, two);
 * const product = ({ op }: typeof sum, of: readonly typeof sum[]) => op === "add" ? mul(of[0], of[1]) : undefined;
 * assertEquals(rewritten({ y: [neg(sum), one] }, product), { y: [neg(mul(one, two)), one] });
 * assertEquals(rewritten([neg(sum)], new Map([[sum, neg(two)], [two, one]])), [neg(neg(one))]);
 * assertEquals(rewritten([neg(sum)], new Map([[two, sum]])), undefined);
 * ```
 */
export function rewritten<V extends Values>(values: V, change: Change): V;
export function rewritten<V extends Values>(values: V, change: ReadonlyMap<Value, Value>): V | undefined;
export function rewritten(values: Values, change: Change | ReadonlyMap<Value, Value>): Values | undefined {
  const others = typeof change === "function" ? new Map<Value, Value>() : change;
  const changed: Change = typeof change === "function"
    ? change
    : (value, [other]) => others.has(value) ? other : undefined;
  const needs = (value: Value) => others.has(value) ? [others.get(value)!] : value.of;
  const order = ordered(leaves(values), needs);
  if (order === undefined) return undefined;
  const done = new Map<Value, Value>();
  for (const value of order) {
    const of = needs(value).map((argument) => done.get(argument)!);
    done.set(value, changed(value, of) ?? appliedTo(value, of));
  }
  return mapped(values, (value) => done.get(value)!);
}

/** Values of which equal expressions are one. */
export interface Merged<V extends Values> {
  /** The values. */
  readonly values: V;
  /** The values that they are made of, themselves included: each once, after those it is applied to. */
  readonly order: readonly Value[];
}

/** Returns the values with equal expressions as one value, and what they are made of in order. */
export function merged<V extends Values>(values: V): Merged<V> {
  const known = new Map<string, Value>();
  const numbers = new Map<Value, number>();
  const found = rewritten(values, (value, of) => {
    const key = JSON.stringify([value.op, of.map((argument) => numbers.get(argument)), value.attrs]);
    const before = known.get(key);
    if (before !== undefined) return before;
    const one = appliedTo(value, of);
    numbers.set(one, known.size);
    known.set(key, one);
    return one;
  });
  return { values: found, order: [...known.values()] };
}

/**
 * Returns which of some values depend on others, these included.
 *
 * @param order The values, each after those it is applied to.
 */
export function reaching(order: readonly Value[], from: readonly Value[]): Set<Value> {
  const reached = new Set(from);
  for (const value of order) {
    if (value.of.some((argument) => reached.has(argument))) reached.add(value);
  }
  return reached;
}

/** The values that some need, each after those that it needs; undefined if one needs itself. */
function ordered(roots: readonly Value[], needs: (value: Value) => readonly Value[]): Value[] | undefined {
  const order: Value[] = [];
  const state = new Map<Value, "open" | "done">();
  const stack = [...roots].reverse();
  while (stack.length > 0) {
    const value = stack[stack.length - 1];
    const seen = state.get(value);
    if (seen === undefined) {
      state.set(value, "open");
      const needed = needs(value);
      for (let i = needed.length - 1; i >= 0; i--) {
        const found = state.get(needed[i]);
        if (found === "open") return undefined;
        if (found === undefined) stack.push(needed[i]);
      }
    } else {
      stack.pop();
      if (seen === "open") {
        state.set(value, "done");
        order.push(value);
      }
    }
  }
  return order;
}

function argumentsOf({ of }: Value): readonly Value[] {
  return of;
}

/** A value with other arguments; itself if they are the same. */
function appliedTo(value: Value, of: readonly Value[]): Value {
  return of.every((argument, i) => argument === value.of[i]) ? value : apply(value.op, of, value.attrs);
}
