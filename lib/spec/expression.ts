import { inOrder } from "../graph/graph.ts";
import type { Value } from "../ops/value.ts";

/**
 * Makes sure that a row's result depends on that row alone, whatever else is in the batch: nothing is summed,
 * normalised or multiplied along the batch.
 *
 * @throws {RangeError} naming the op.
 */
export function ownRowsOnly(result: Value): void {
  for (const { op, of, attrs } of inOrder([result])) {
    const shape = of[0]?.shape ?? [];
    const along = op === "sum" || op === "max"
      ? attrs.axes as readonly number[]
      : op === "softmax" || op === "matmul"
      ? [shape.length - 1]
      : [];
    if (along.some((axis) => shape[axis] === "batch")) {
      throw new RangeError(`${op} runs along the batch: a row's result must depend on that row alone`);
    }
  }
}
