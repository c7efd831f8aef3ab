import { isValue } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import { checkOptions, isRecord, kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import type { Weighing } from "./net.ts";
import { misapplied } from "../errors/misapplied.ts";

/**
 * Returns what a gate returned in its long form.
 *
 * @throws {TypeError} if it is neither a value nor a {@linkcode Weighing}.
 */
export function weighing(found: unknown): Weighing {
  if (isValue(found)) return { weights: found };
  if (!isRecord(found)) throw new TypeError(`the function must return a value, found ${kindOf(found)}`);
  checkOptions("apply gate", found, ["weights", "logits", "scores", "load", "losses", "moves"]);
  const { losses = {}, moves = [], ...values } = found;
  if (!isRecord(losses)) {
    throw misapplied(new TypeError(`Cannot apply gate: losses must be an object, found ${kindOf(losses)}`));
  }
  if (!isValue(values.weights)) {
    throw misapplied(new TypeError(`Cannot apply gate: weights must be a value, found ${kindOf(values.weights)}`));
  }
  const areMoves = Array.isArray(moves) &&
    moves.every((move) => isRecord(move) && isValue(move.parameter) && typeof move.by === "function");
  if (!areMoves) throw misapplied(new TypeError("Cannot apply gate: moves must be a list of { parameter, by }"));
  for (const [name, value] of [...Object.entries(values), ...Object.entries(losses)]) {
    if (value === undefined || isValue(value)) continue;
    throw misapplied(new TypeError(`Cannot apply gate: ${name} must be a value, found ${kindOf(value)}`));
  }
  return found as unknown as Weighing;
}

/**
 * Returns the same with one more loss.
 *
 * @throws {TypeError} if there is a loss of that name already.
 */
export function withLoss(by: string, found: Weighing, name: string, loss: Value): Weighing {
  if (found.losses !== undefined && Object.hasOwn(found.losses, name)) {
    throw misapplied(new TypeError(`Cannot apply ${by}: the gate has a loss ${quoted(name)} already`));
  }
  return { ...found, losses: { ...found.losses, [name]: loss } };
}
