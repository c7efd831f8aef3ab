import { beyondHalf, greatestHalf } from "./half.ts";
import type { RealType } from "./pieces.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import type { Graph } from "../graph/graph.ts";
import { sameShape, shapeText, sizeOf } from "../ops/shape.ts";
import type { Tensor } from "../ops/tensor.ts";

/**
 * Checks that a graph's phases are resolved, and that the parameters that are stored with it are there and fit.
 *
 * @param stored The parameters by name, undefined where none are stored.
 * @param words What fails otherwise, such as `write ONNX model`, and how phases are resolved.
 * @param type The type of numbers that they are stored as. Default `float32`.
 * @throws {TypeError} if a phase is left, or a parameter is missing or misshapen.
 * @throws {RangeError} if a number is beyond the type.
 */
export function checkStored(
  graph: Graph,
  stored: Readonly<Record<string, Tensor>> | undefined,
  words: { readonly action: string; readonly advice: string },
  type: RealType = "float32",
): void {
  const fail = (what: string): never => {
    throw new TypeError(`Cannot ${words.action}: ${what}`);
  };
  for (const { op, attrs, shape } of graph.nodes) {
    if (op === "inTraining") fail(`the op inTraining is left: ${words.advice} first`);
    if (op !== "parameter" || stored === undefined) continue;
    const name = attrs.name as string;
    if (!Object.hasOwn(stored, name)) fail(`the parameter ${quoted(name)} is missing`);
    const found = stored[name];
    if (!sameShape(found.shape, shape) || found.data.length !== sizeOf(shape)) {
      const numbers = `${shapeText(found.shape)} with ${found.data.length} numbers`;
      fail(`the parameter ${quoted(name)} must be ${shapeText(shape)}, found ${numbers}`);
    }
    if (type === "float16") checkHalves(words.action, name, found.data);
  }
}

function checkHalves(action: string, name: string, data: Tensor["data"]): void {
  const at = beyondHalf(data);
  if (at < 0) return;
  const wanted = `wanted at most ${greatestHalf}, as float16 holds: float32 holds more`;
  throw new RangeError(`Cannot ${action}: the parameter ${quoted(name)} has ${data[at]} at [${at}], ${wanted}`);
}

/**
 * Makes sure that something is tensors by name: arrays of numbers with their shapes.
 *
 * @throws {TypeError} naming the first that is none.
 */
export function checkTensors(action: string, found: unknown): asserts found is Readonly<Record<string, Tensor>> {
  if (!isRecord(found)) throw new TypeError(`Cannot ${action}: wanted tensors by name, found ${kindOf(found)}`);
  for (const [name, tensor] of Object.entries(found)) {
    const fits = isRecord(tensor) && Array.isArray(tensor.shape) &&
      tensor.shape.every((length) => typeof length === "number") &&
      [Float32Array, Float64Array, Int32Array].some((kind) => tensor.data instanceof kind);
    if (!fits) {
      throw new TypeError(`Cannot ${action}\n  at ${quoted(name)}: wanted { shape, data }, found ${kindOf(tensor)}`);
    }
  }
}
