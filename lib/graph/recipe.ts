import { broadcast, constant, reshape } from "../ops/functions.ts";
import { sameShape, sizeOf } from "../ops/shape.ts";
import { apply, ops } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import { gather, isSparse } from "./gather.ts";
import { type Stack, stackOf, stackValue } from "./stack.ts";
import { inOrder } from "./walk.ts";

/** A recipe of an expert: how it is computed, its parameters those of all experts. */
export interface Recipe {
  /** The steps, one after the other, the result last. */
  readonly steps: readonly Step[];
  /** The parameters that are the experts' own. */
  readonly stacks: readonly Stack[];
  /** The number of elements of an expert's matrices. */
  readonly size: number;
}

/** A value of every expert: one for all, a parameter of each, or an op on earlier steps. */
export type Step =
  | { readonly kind: "same"; readonly value: Value }
  | { readonly kind: "stack"; readonly stack: Stack }
  | { readonly kind: "own"; readonly value: Value; readonly of: readonly number[] };

/** Returns the recipe of experts that differ by their parameters alone; undefined if they differ otherwise. */
export function recipeOf(experts: readonly Value[]): Recipe | undefined {
  const orders = experts.map((expert) => inOrder([expert]));
  const places = orders.map((order) => new Map(order.map((value, at) => [value, at])));
  if (orders.some(({ length }) => length !== orders[0].length)) return undefined;
  const steps: Step[] = [];
  for (const [at, first] of orders[0].entries()) {
    const column = orders.map((order) => order[at]);
    const step = column.every((value) => value === first)
      ? { kind: "same", value: first } as const
      : stepOf(column, places, steps);
    if (step === undefined) return undefined;
    steps.push(step);
  }
  const stacks = steps.flatMap((step) => step.kind === "stack" ? [step.stack] : []);
  const size = stacks.reduce((total, { member }) => total + (member.length === 2 ? sizeOf(member) : 0), 0);
  return steps[steps.length - 1].kind === "own" && size > 0 ? { steps, stacks, size } : undefined;
}

/**
 * Returns the results of the experts that codes name, `[batch, k, units]`.
 *
 * @param experts The number of experts.
 * @param codes The experts of each row, `[batch, k]`.
 */
export function computed({ steps }: Recipe, experts: number, codes: Value): Value {
  const ones = broadcast(constant(1), ["batch", 1]);
  const values: Value[] = [];
  const argument = (at: number): Value => {
    const step = steps[at];
    if (step.kind === "own") return values[at];
    if (step.kind === "same") {
      return isRows(step.value) ? reshape(step.value, ["batch", 1, step.value.shape[1]]) : step.value;
    }
    return apply("routed", [ones, reshape(stackValue(step.stack), [experts, 1, step.stack.member[0]]), codes]);
  };
  steps.forEach((step, at) => {
    if (step.kind !== "own") return;
    const { value: { op, attrs }, of } = step;
    if (op === "matmul") {
      const [left, right] = of.map((at) => steps[at]);
      const rows = left.kind === "same" ? left.value : values[of[0]];
      values[at] = apply("routed", [rows, stackValue((right as Step & { kind: "stack" }).stack), codes]);
    } else {
      values[at] = apply(op, of.map(argument), ops[op].kind === "reduction" ? { ...attrs, axes: [2] } : attrs);
    }
  });
  return values[steps.length - 1];
}

function stepOf(
  column: readonly Value[],
  places: readonly ReadonlyMap<Value, number>[],
  steps: readonly Step[],
): Step | undefined {
  const [first] = column;
  if (column.some(({ op, shape }) => op !== first.op || !sameShape(shape, first.shape))) return undefined;
  if (first.op === "parameter") {
    const stack = stackOf(column, "depth");
    return stack.member.length === 1 || stack.member.length === 2 ? { kind: "stack", stack } : undefined;
  }
  const of = first.of.map((argument) => places[0].get(argument)!);
  const same = column.every((value, expert) =>
    JSON.stringify(value.attrs) === JSON.stringify(first.attrs) &&
    value.of.every((argument, position) => places[expert].get(argument) === of[position])
  );
  const fits = first.op === "matmul" ? isProduct(of.map((at) => steps[at])) : runsAlongUnits(first, steps, of);
  return same && fits ? { kind: "own", value: first, of } : undefined;
}

/** Returns true if rows are multiplied with a matrix of each expert. One-hot columns are gathered, not multiplied. */
function isProduct([left, right]: readonly Step[]): boolean {
  if (right.kind !== "stack" || right.stack.member.length !== 2 || left.kind === "stack") return false;
  return isRows(left.value) && !isSparse(gather([left.value], 1)[0]);
}

function runsAlongUnits(value: Value, steps: readonly Step[], of: readonly number[]): boolean {
  const { inPlace, along } = ops[value.op];
  return inPlace && isRows(value) && along(value).every((axis) => axis === 1) && of.every((at) => {
    const step = steps[at];
    if (step.kind === "stack") return step.stack.member.length === 1;
    return isRows(step.value) || step.value.shape.every((dim) => dim !== "batch") && step.value.shape.length < 2;
  });
}

function isRows({ shape }: Value): boolean {
  return shape.length === 2 && shape[0] === "batch" && shape[1] !== "batch";
}
