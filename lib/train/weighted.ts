import { add, broadcast, concat, constant, matmul, mul, reshape, slice, sub, transpose } from "../ops/functions.ts";
import { sizeOf } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import type { Plan } from "../trace/plan.ts";
import { type SharedPiece, sharedPieces } from "../trace/sharing.ts";
import { type Between, flattened } from "./step.ts";

/**
 * Returns the function between gradients and update that weighs gradients; undefined if tasks share no parameters.
 *
 * Three arrays stay on the engine: the gradients of the tasks' losses with respect to the shared parameters, one row a
 * task; the sum of the tasks' gradients with respect to all other parameters; and the gradient of the losses of gates and
 * banks, which is not weighed. The inner products of the rows leave the first half as `products` `[tasks, tasks]`; the
 * second half takes `weights` `[1, tasks]`, which make one gradient of the rows.
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
      return reshape(flattened(pieces), [1, lengthOf(shared)]); // [1, shared]
    });
    const stacked = concat(rows, 0); // [tasks, shared]
    ask("products", matmul(stacked, transpose(stacked)));
    const mixed = matmul(give("weights", [1, rows.length]), keep("shared", stacked)); // [1, shared]
    const halves = [{ held: shared, whole: reshape(mixed, [lengthOf(shared)]) }]; // [shared]
    if (own.length > 0) {
      const sums = own.map((part) => {
        const terms = byTask.filter(({ task }) => part.tasks.includes(task)).map(({ gradient }) => gradient(part));
        return masked(summed(terms) ?? broadcast(constant(0), part.shape), part, "own");
      });
      halves.push({ held: own, whole: keep("own", flattened(sums)) });
    }
    const weighed = concat(parts.map((part) => pieceOf(part, halves)), 0);
    return others.length === 0 ? weighed : add(weighed, keep("others", flat(summed(others)!)));
  };
}

/** Returns the gradient of a piece, `[size of the piece]`: the sum of its slices of the two halves. */
function pieceOf(
  part: SharedPiece,
  halves: readonly { readonly held: readonly SharedPiece[]; readonly whole: Value }[],
): Value {
  const slices = halves.filter(({ held }) => held.includes(part)).map(({ held, whole }) => {
    return slice(whole, lengthOf(held.slice(0, held.indexOf(part))), sizeOf(part.shape), 0);
  });
  return summed(slices)!;
}

/** Returns the sum of values; undefined if there are none. */
function summed(values: readonly Value[]): Value | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => add(sum, value));
}

/** Returns the number of elements of some pieces. */
function lengthOf(parts: readonly SharedPiece[]): number {
  return parts.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** Returns a gradient with 0 for all parameters but the wanted ones. */
function masked(gradient: Value, { holds, mask }: SharedPiece, wanted: "shared" | "own"): Value {
  if (holds !== "both") return gradient;
  const ones = constant(mask.data, mask.shape);
  return mul(gradient, wanted === "shared" ? ones : sub(1, ones));
}
