import { quoted } from "../../errors/quoted.ts";
import { graphOf } from "../../graph/graph.ts";
import { rewritten } from "../../graph/walk.ts";
import type { Tensor } from "../../ops/tensor.ts";
import type { Type, Value } from "../../ops/value.ts";
import { checkRecord, kindOf, optionsOf } from "../../errors/kinds.ts";
import { isValue } from "../../ops/table.ts";
import { reference } from "./reference.ts";

/** Numbers as they are written: one number, or lists of lists, one level for each axis. */
export type Nested = number | readonly Nested[];

/** The options of {@linkcode compute}. */
export interface ComputeOptions {
  /** The inputs and noise that the value reads, by name. Default: none. */
  readonly inputs?: Readonly<Record<string, Nested>>;
  /** True for the phase of training, which `inTraining` distinguishes from evaluation. Default false. */
  readonly training?: boolean;
}

/**
 * Computes a value on the reference engine, in float64: the numbers of an expression, to look at and for tests.
 *
 * A value with parameters belongs to a model, which computes it.
 *
 * @param value A value without parameters.
 * @returns The numbers: for shape `[]` one number, for `[width]` a list, for `[batch, width]` a list of rows.
 * @throws {TypeError} if an input is missing or unknown, if codes are not whole numbers, or if there is a parameter.
 * @throws {RangeError} if the shape of an input does not fit, or its lists differ in length.
 *
 * @example Numbers
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { add, compute, constant } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(add(constant([1, 2]), 3)), [4, 5]);
 * ```
 *
 * @example An activation, row by row
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Net } from "@gatehouse/gatehouse";
 * import { compute, greater, input, mul, select } from "@gatehouse/gatehouse/ops";
 *
 * const leaky: Net = (x) => select(greater(x, 0), x, mul(x, 0.5));
 * const x = input("x", ["batch", 2]);
 * assertEquals(await compute(leaky(x), { inputs: { x: [[1, -2], [-4, 3]] } }), [[1, -1], [-2, 3]]);
 * ```
 */
export async function compute(value: Value, options: ComputeOptions = {}): Promise<Nested> {
  const { inputs = {}, training = false } = optionsOf("compute value", options, ["inputs"], ["training"]);
  if (!isValue(value)) throw new TypeError(`Cannot compute value: wanted a value, found ${kindOf(value)}`);
  checkRecord("compute value", "inputs", inputs);
  const resolved = rewritten({ value }, ({ op }, of) => op === "inTraining" ? of[training ? 0 : 1] : undefined);
  const graph = graphOf(resolved);
  const types = new Map(graph.nodes.map(({ attrs, type }) => [attrs.name, type]));
  const tensors = Object.entries(inputs).map(([name, numbers]) => [name, tensorOf(name, numbers, types.get(name))]);
  const engine = reference();
  const { value: found } = await engine.load(graph, engine.store({})).run(Object.fromEntries(tensors));
  return nested(found);
}

/** Lists of lists as numbers in row-major order, and their shape. */
function tensorOf(name: string, numbers: Nested, type: Type | undefined): Tensor {
  const shape: number[] = [];
  for (let first = numbers; Array.isArray(first); first = first[0]) shape.push(first.length);
  const flat = flattened(numbers, shape);
  if (flat === undefined) {
    throw new RangeError(`Cannot compute value: ${quoted(name)} must be numbers in lists of one length for each axis`);
  }
  if (type !== "int") return { shape, data: Float64Array.from(flat) };
  const wrong = flat.find((code) => !Number.isInteger(code));
  if (wrong !== undefined) {
    throw new TypeError(`Cannot compute value: ${quoted(name)} holds codes: wanted whole numbers, found ${wrong}`);
  }
  return { shape, data: Int32Array.from(flat) };
}

/** The numbers of lists of lists, or undefined if these are not of that shape. */
function flattened(part: Nested, [length, ...rest]: readonly number[]): readonly number[] | undefined {
  if (typeof part === "number") return length === undefined ? [part] : undefined;
  if (!Array.isArray(part) || part.length !== length) return undefined;
  const parts = part.map((inner) => flattened(inner, rest));
  return parts.every((inner) => inner !== undefined) ? parts.flat() : undefined;
}

/** Numbers as lists of lists. */
function nested({ shape, data }: Tensor): Nested {
  return shape.reduceRight<Nested[]>((parts, length) => {
    return Array.from({ length: parts.length / length }, (_, at) => parts.slice(at * length, (at + 1) * length));
  }, [...data])[0];
}
