import { quoted } from "../errors/quoted.ts";
import type { Graph, Node } from "../graph/graph.ts";
import { shapeText, sizeOf } from "../ops/shape.ts";
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
  if (unknown !== undefined) fail(TypeError, `no input is named ${quoted(unknown)}: wanted ${list(names)}`);
  const lengths = new Map<string, number>();
  for (const leaf of leaves) {
    const name = leaf.attrs.name as string;
    const { shape } = checked(leaf, name, inputs);
    leaf.shape.forEach((dim, axis) => dim === "batch" && lengths.set(`${name} ${shape[axis]}`, shape[axis]));
  }
  const [batch] = lengths.values();
  if ([...lengths.values()].some((length) => length !== batch)) {
    fail(RangeError, `the inputs differ in the number of rows: ${[...lengths.keys()].join(", ")}`);
  }
  if (batch === undefined && graph.nodes.some(({ shape }) => shape.includes("batch"))) {
    fail(RangeError, `no input has the number of rows in the batch`);
  }
  return batch ?? 1;
}

/** The input of a name, if it is what its leaf declares. */
function checked({ shape, type }: Node, name: string, inputs: Readonly<Record<string, Tensor>>): Tensor {
  if (!Object.hasOwn(inputs, name)) {
    fail(TypeError, `the input ${quoted(name)} is missing: found ${list(Object.keys(inputs))}`);
  }
  const { shape: found, data } = inputs[name];
  if (type === "int" && !(data instanceof Int32Array)) {
    fail(TypeError, `the input ${quoted(name)} holds codes: wanted an Int32Array, found a ${data.constructor.name}`);
  }
  const fits = found.length === shape.length && found.every((length, axis) => fitsDim(length, shape[axis]));
  if (!fits) fail(RangeError, `the input ${quoted(name)} must be ${shapeText(shape)}, found ${shapeText(found)}`);
  const size = sizeOf(found);
  if (data.length !== size) {
    const needs = `of shape ${shapeText(found)} needs ${size} numbers, found ${data.length}`;
    fail(RangeError, `the input ${quoted(name)} ${needs}`);
  }
  return inputs[name];
}

function fitsDim(length: number, dim: number | "batch"): boolean {
  return dim === "batch" ? Number.isSafeInteger(length) && length > 0 : length === dim;
}

function list(names: Iterable<string>): string {
  return [...names].map(quoted).join(", ") || "none";
}

function fail(kind: typeof TypeError | typeof RangeError, what: string): never {
  throw new kind(`Cannot run graph: ${what}`);
}
