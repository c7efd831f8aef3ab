import { inOrder } from "../graph/graph.ts";
import { type Shape, shapeText, sizeOf } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";

/**
 * Makes sure that the results of an expression can be served: a row's result depends on that row alone, evaluation draws
 * no noise, and nothing is larger than machines are.
 *
 * @throws {RangeError} naming the op.
 */
export function checkExpression(results: readonly Value[]): void {
  for (const value of inOrder(results)) {
    ownRowsOnly(value);
    notTooLarge(value);
  }
  quietInEvaluation(results);
}

/** Whatever else is in the batch: nothing is summed, normalised, multiplied or moved along it. */
function ownRowsOnly({ op, of, attrs }: Value): void {
  const shape = of[0]?.shape ?? [];
  const along = op === "sum" || op === "max"
    ? attrs.axes as readonly number[]
    : op === "softmax" || op === "matmul"
    ? [shape.length - 1]
    : [];
  const moved = op === "reshape" && String(beforeBatch(shape)) !== String(beforeBatch(attrs.shape as Shape));
  if (moved || along.some((axis) => shape[axis] === "batch")) {
    throw new RangeError(`${op} runs along the batch: a row's result must depend on that row alone`);
  }
}

/** How many pieces there are in front of each batch axis. */
function beforeBatch(shape: Shape): number[] {
  return shape.flatMap((dim, axis) => dim === "batch" ? [sizeOf(shape.slice(0, axis))] : []);
}

/** The most elements that a parameter, and one row of a value, can have. */
const mostElements = { parameter: 2 ** 31, value: 2 ** 24 };

function notTooLarge({ op, shape }: Value): void {
  const most = op === "parameter" ? mostElements.parameter : mostElements.value;
  if (sizeOf(shape) > most) {
    throw new RangeError(`${op} of shape ${shapeText(shape)} has more than ${most} elements`);
  }
}

function quietInEvaluation(results: readonly Value[]): void {
  const needed = new Set(results);
  for (const { op, of } of needed) { // also visits what is added on the way
    if (op === "noise") throw new RangeError("noise is drawn in evaluation too: wanted it inside inTraining(...)");
    for (const argument of op === "inTraining" ? [of[1]] : of) needed.add(argument);
  }
}
