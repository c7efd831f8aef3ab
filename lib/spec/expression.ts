import { inOrder } from "../graph/graph.ts";
import { shapeText, sizeOf } from "../ops/shape.ts";
import { ops } from "../ops/table.ts";
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
function ownRowsOnly(value: Value): void {
  const shape = value.of[0]?.shape ?? [];
  if (ops[value.op].along(value).some((axis) => shape[axis] === "batch")) {
    throw new RangeError(`${value.op} runs along the batch: a row's result must depend on that row alone`);
  }
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
