import { add, broadcast, concat, constant, matmul, mul, reshape, slice, sub, transpose } from "../ops/functions.ts";
import { sizeOf } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import type { Plan } from "../trace/plan.ts";
import { type SharedPiece, sharedPieces } from "../trace/sharing.ts";
import { type Between, flattened } from "./step.ts";

/**
 * Returns what stands between gradients and update where gradients are weighed; undefined if tasks share no parameters.
 *
 * The gradient of each task's loss with respect to the shared parameters stays on the engine, one row a task, and so does
 * the sum of the tasks' gradients for all others, and the gradient of the losses of gates and banks, which is not
 * weighed. The inner products of the rows are asked for as `products` `[tasks, tasks]`; given `weights` `[1, tasks]`, the
 * rows become one gradient.
 */
export function weighted(plan: Plan): Between | undefined {
  const parts = sharedPieces(plan);
  const shared = parts.filter(({ holds }) => holds !== "own");
  const own = parts.filter(({ holds }) => holds !== "shared");
  if (shared.length === 0) return undefined;
  return ({ tasks, others, of, flat }, { keep, ask, give }) => {
    const byTask = Object.entries(tasks).map(([task, loss]) => {
      const gradients = of(loss);
      return { task, gradient: (part: SharedPiece) => gradients[parts.indexOf(part)] };
    });
    const rows = byTask.map(({ gradient }) => {
      const pieces = shared.map((part) => masked(gradient(part), part, "shared"));
      return reshape(flattened(pieces), [1, lengthOf(shared)]);
    });
    const stacked = concat(rows, 0); // [tasks, shared]
    ask("products", matmul(stacked, transpose(stacked)));
    const mixed = matmul(give("weights", [1, rows.length]), keep("shared", stacked));
    const halves = [{ held: shared, whole: reshape(mixed, [lengthOf(shared)]) }];
    if (own.length > 0) {
      const sums = own.map((part) => {
        const of = byTask.filter(({ task }) => part.tasks.includes(task)).map(({ gradient }) => gradient(part));
        return masked(summed(of) ?? broadcast(constant(0), part.shape), part, "own");
      });
      halves.push({ held: own, whole: keep("own", flattened(sums)) });
    }
    const weighed = concat(parts.map((part) => pieceOf(part, halves)), 0);
    return others.length === 0 ? weighed : add(weighed, keep("others", flat(summed(others)!)));
  };
}

/** The gradient of a piece, one after the other: the sum of what the two halves hold of it. */
function pieceOf(
  part: SharedPiece,
  halves: readonly { readonly held: readonly SharedPiece[]; readonly whole: Value }[],
): Value {
  const found = halves.filter(({ held }) => held.includes(part)).map(({ held, whole }) => {
    return slice(whole, lengthOf(held.slice(0, held.indexOf(part))), sizeOf(part.shape), 0);
  });
  return summed(found)!;
}

function summed(values: readonly Value[]): Value | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => add(sum, value));
}

function lengthOf(parts: readonly SharedPiece[]): number {
  return parts.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** A gradient; 0 if it was not asked for. */
function masked(gradient: Value, { holds, mask }: SharedPiece, wanted: "shared" | "own"): Value {
  if (holds !== "both") return gradient;
  const ones = constant(mask.data, mask.shape);
  return mul(gradient, wanted === "shared" ? ones : sub(1, ones));
}
