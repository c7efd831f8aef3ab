import { lossesOf } from "./routing.ts";
import { inOrder } from "../graph/walk.ts";
import { quoted } from "../errors/quoted.ts";
import { sameShape, shapeText, sizeOf } from "../ops/shape.ts";
import { ops } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import type { Expression } from "./spec.ts";

/**
 * Makes sure that the results of an expression can be served: a row's result depends on that row alone, evaluation
 * draws no noise, and nothing is larger than machines are.
 *
 * @throws {RangeError} if they cannot; the error names the op.
 */
export function checkExpression(results: readonly Value[]): void {
  for (const value of inOrder(results)) {
    ownRowsOnly(value);
    notTooLarge(value);
  }
  quietInEvaluation(results);
}

/** Returns the names of the inputs that an expression reads. */
export function inputsOf({ nodes }: Expression): string[] {
  return nodes.flatMap(({ op, attrs }) => op === "input" ? [attrs.name as string] : []);
}

/** Returns true if a name is legal for a loss, where it follows the path of the gate or bank. */
export function isLossName(name: string): boolean {
  return /^[A-Za-z][\w-]{0,99}$/.test(name);
}

/**
 * Makes sure that the results of a gate beside its weights have the shapes that are needed.
 *
 * @throws {RangeError} if a shape is wrong; the error names the result.
 * @throws {TypeError} if the name of a loss is not legal.
 */
export function checkOutputs(outputs: Readonly<Record<string, Value>>, experts: number): void {
  for (const name of ["scores", "load"]) {
    const shape = Object.hasOwn(outputs, name) ? outputs[name].shape : ["batch", experts] as const;
    if (sameShape(shape, ["batch", experts])) continue;
    throw new RangeError(`the ${name} must be [batch, ${experts}], found ${shapeText(shape)}`);
  }
  for (const [name, { shape }] of Object.entries(lossesOf(outputs))) {
    if (!isLossName(name)) {
      throw new TypeError(`${quoted(name)} cannot name a loss: wanted letters, digits, _ and -`);
    }
    if (sameShape(shape, ["batch"]) || shape.length === 0) continue;
    throw new RangeError(`the loss ${quoted(name)} must be [batch] or [], found ${shapeText(shape)}`);
  }
}

/**
 * Makes sure that a loss of a bank is a function of the bank's routing alone.
 *
 * @throws {TypeError} if it has parameters or draws noise.
 */
export function onlyRouting(results: readonly Value[]): void {
  const other = inOrder(results).find(({ op }) => op === "parameter" || op === "noise");
  if (other !== undefined) throw new TypeError(`a loss of a bank has no ${other.op}: wanted what its gates do alone`);
}

/** Makes sure that nothing is summed, normalised, multiplied or moved along the batch. */
function ownRowsOnly(value: Value): void {
  const shape = value.of[0]?.shape ?? [];
  if (ops[value.op].along(value).some((axis) => shape[axis] === "batch")) {
    throw new RangeError(`${value.op} runs along the batch: a row's result must depend on that row alone`);
  }
}

/**
 * The most elements that a parameter, and one row of a value, can have; also one row of columns that stand for codes, of
 * which no engine holds more than the codes.
 */
const mostElements = { parameter: 2 ** 31, columns: 2 ** 31, value: 2 ** 24 };

/** The ops whose result may be columns that stand for codes. */
const ofColumns: ReadonlySet<Value["op"]> = new Set(["input", "slice", "concat"]);

/** Makes sure of that for all but the input, whose one-hot columns are looked up and not made. */
function notTooLarge({ op, shape }: Value): void {
  const most = op === "parameter" ? mostElements.parameter : mostElements[ofColumns.has(op) ? "columns" : "value"];
  if (sizeOf(shape) > most) {
    throw new RangeError(`${op} of shape ${shapeText(shape)} has more than ${most} elements`);
  }
}

function quietInEvaluation(results: readonly Value[]): void {
  const needed = inOrder(results, ({ op, of }) => op === "inTraining" ? [of[1]] : of);
  if (needed.some(({ op }) => op === "noise")) {
    throw new RangeError("noise is drawn in evaluation too: wanted it inside inTraining(...)");
  }
}
