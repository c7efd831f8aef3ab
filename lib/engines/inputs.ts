import type { Graph } from "../graph/graph.ts";
import { shapeText } from "../ops/shape.ts";
import type { Tensor } from "../ops/tensor.ts";

/**
 * Checks what a run is fed against the inputs and noise of its graph, and returns the number of rows in the batch: the
 * length that every axis declared `"batch"` has, 1 where none is.
 *
 * @throws {TypeError} if an input is missing, unknown, or holds real numbers in the place of codes.
 * @throws {RangeError} if an input has a wrong shape, or if the inputs differ in the number of rows.
 */
export function batchLength(graph: Graph, inputs: Readonly<Record<string, Tensor>>): number {
  const leaves = graph.nodes.filter(({ op }) => op === "input" || op === "noise");
  const names = new Set(leaves.map(({ attrs }) => attrs.name as string));
  const unknown = Object.keys(inputs).find((name) => !names.has(name));
  if (unknown !== undefined) fail(TypeError, `no input is named "${unknown}": wanted ${list(names)}`);
  const lengths = new Map<string, number>();
  for (const { attrs, shape, type } of leaves) {
    const name = attrs.name as string;
    if (!Object.hasOwn(inputs, name)) {
      fail(TypeError, `the input "${name}" is missing: found ${list(Object.keys(inputs))}`);
    }
    const { shape: found, data } = inputs[name];
    if (type === "int" && !(data instanceof Int32Array)) {
      fail(TypeError, `the input "${name}" holds codes: wanted an Int32Array, found a ${data.constructor.name}`);
    }
    const fits = found.length === shape.length && found.every((length, axis) => fitsDim(length, shape[axis]));
    if (!fits) fail(RangeError, `the input "${name}" must be ${shapeText(shape)}, found ${shapeText(found)}`);
    const size = found.reduce((product, length) => product * length, 1);
    if (data.length !== size) {
      fail(RangeError, `the input "${name}" of shape ${shapeText(found)} needs ${size} numbers, found ${data.length}`);
    }
    shape.forEach((dim, axis) => dim === "batch" && lengths.set(`${name} ${found[axis]}`, found[axis]));
  }
  const [batch] = lengths.values();
  if ([...lengths.values()].some((length) => length !== batch)) {
    fail(RangeError, `the inputs differ in the number of rows: ${[...lengths.keys()].join(", ")}`);
  }
  if (batch === undefined && graph.nodes.some(({ shape }) => shape.includes("batch"))) {
    fail(RangeError, `no input tells the number of rows in the batch`);
  }
  return batch ?? 1;
}

function fitsDim(length: number, dim: number | "batch"): boolean {
  return dim === "batch" ? Number.isSafeInteger(length) && length > 0 : length === dim;
}

function list(names: Iterable<string>): string {
  return [...names].map((name) => JSON.stringify(name)).join(", ") || "none";
}

function fail(kind: typeof TypeError | typeof RangeError, what: string): never {
  throw new kind(`Cannot run graph: ${what}`);
}
