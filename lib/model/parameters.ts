import { isDtype } from "../formats/dtypes.ts";
import { areFinite } from "../ops/finite.ts";
import { differenceFrom, encodingOf } from "../features/encoding.ts";
import type { InputSpec } from "../features/input.ts";
import { markOf, withMark } from "../formats/mark.ts";
import type { OtherTensor, Stored } from "../formats/safetensors.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Extent, Layout, Parameter } from "../graph/layout.ts";
import { shapeText, sizeOf } from "../ops/shape.ts";
import type { Plan } from "../trace/plan.ts";
import type { Tables } from "./tables.ts";
import { nearest } from "../errors/nearest.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";

/**
 * Returns those parameters that a layout has as one flat array, `[size]`.
 */
export function join(layout: Layout, parameters: Readonly<Record<string, Tensor>>): Tensor {
  const data = new Float32Array(layout.size);
  for (const extent of layout.extents) {
    const from = parameters[extent.path].data;
    for (const { at, start, end } of runs(extent)) data.set(from.subarray(at, at + end - start), start);
  }
  return { shape: [layout.size], data };
}

/** Returns all parameters of a model by path: those in the flat array, `[size]`, and tables. */
export function whole(plan: Plan, flat: Tensor, tables: Tables): Record<string, Tensor> {
  const inside = split(plan.layout, flat);
  return Object.fromEntries(plan.parameters.map(({ path, shape }) => {
    const table = tables.get(path);
    return [path, table === undefined ? inside[path] : { shape, data: table.vectors.slice() }];
  }));
}

/** Returns the parameters of a model with the mark of its features. */
export function marked<T extends object>(input: InputSpec, parameters: T): T {
  return "width" in input ? parameters : withMark(parameters, encodingOf(input.features));
}

/** Returns the mark of a model's features as a text that a file of its parameters keeps. */
export function encodingText(input: InputSpec): Readonly<Record<string, string>> {
  return "width" in input ? {} : { encoding: JSON.stringify(encodingOf(input.features)) };
}

/**
 * Makes sure that parameters do not carry the mark of other features than a model's.
 *
 * @param file The file that they were read from, if any, for the error.
 * @throws {TypeError} if they do, which says how the features differ.
 */
export function checkMark(input: InputSpec, parameters: unknown, file?: string): void {
  const mark = markOf(parameters);
  const difference = mark === undefined || "width" in input ? undefined : differenceFrom(mark, input.features);
  if (difference === undefined) return;
  const found = `trained with other features: ${difference}; a model of their own spec takes them`;
  if (file !== undefined) throw new TypeError(`Cannot load model\n  at ${file}: its parameters were ${found}`);
  const advice = "Object.fromEntries(Object.entries(parameters)) has no mark of them";
  throw new TypeError(`Cannot assign parameters: they were ${found}; ${advice}`);
}

/**
 * Checks that parameters fit a model.
 *
 * @param others What a file holds beside them, of types that are not read.
 * @throws {TypeError} listing all that are missing, unexpected, misshapen and not finite.
 */
export function checkParameters(
  wanted: readonly Parameter[],
  parameters: Readonly<Record<string, Tensor>>,
  others: Readonly<Record<string, OtherTensor>> = {},
): void {
  if (!isRecord(parameters)) {
    throw new TypeError(`Cannot assign parameters: wanted tensors by path, found ${kindOf(parameters)}`);
  }
  report(misfits(wanted, parameters, others, true));
}

function report(wrong: readonly string[], file?: string): void {
  if (wrong.length === 0) return;
  const place = file === undefined ? "" : `\n  at ${file}`;
  const shown = wrong.slice(0, mostShown).map((line) => `\n  ${line}`).join("");
  const more = wrong.length > mostShown ? `\n  and ${wrong.length - mostShown} more` : "";
  throw new TypeError(`Cannot assign parameters${place}${shown}${more}`);
}

/**
 * Checks that the parameters that a file names fit a model, before they are read.
 *
 * @param file The file, for the error, if there are several. Default: none.
 * @throws {TypeError} listing all that are missing, unexpected and misshapen.
 */
export function checkNamed(wanted: readonly Parameter[], named: readonly Named[], file?: string): void {
  const read = named.filter(({ dtype }) => isDtype(dtype)).map(({ name, shape }) => [name, { shape }] as const);
  const others = named.filter(({ dtype }) => !isDtype(dtype)).map((one) => [one.name, one] as const);
  report(misfits(wanted, Object.fromEntries(read), Object.fromEntries(others), false), file);
}

/** A tensor that a file names. */
interface Named extends OtherTensor {
  readonly name: string;
}

/** Returns the flat array, `[size]`, as parameters by path. */
export function split(layout: Layout, { data }: Tensor): Record<string, Tensor> {
  return Object.fromEntries(layout.extents.map((extent) => {
    return [extent.path, { shape: extent.shape, data: cutFrom(data, extent) }];
  }));
}

/** Returns all parameters of a model as they are written, whose numbers are read from where they are piece by piece. */
export function storedOf(
  { layout, parameters }: Pick<Plan, "layout" | "parameters">,
  { data }: Tensor,
  tables: Tables,
  dtype: "F32" | "F16",
): Stored[] {
  const extents = new Map(layout.extents.map((extent) => [extent.path, extent]));
  return parameters.map(({ path: name, shape }): Stored => {
    const table = tables.get(name);
    if (table !== undefined) return { name, shape, dtype, chunks: () => [table.vectors] };
    const extent = extents.get(name)!;
    const { start, size, row } = extent;
    const chunks = () => row.length === size ? [data.subarray(start, start + size)] : [cutFrom(data, extent)];
    return { name, shape, dtype, chunks };
  });
}

/** Returns a copy of a parameter in the flat array. */
function cutFrom(data: Tensor["data"], extent: Extent): Float32Array<ArrayBuffer> {
  const to = new Float32Array(extent.size);
  for (const { at, start, end } of runs(extent)) to.set(data.subarray(start, end), at);
  return to;
}

/** Yields the runs of the flat array that hold a parameter, from its element `at` on. */
export function* runs({ start, size, row }: Extent): Generator<{ at: number; start: number; end: number }> {
  for (let at = 0, from = start; at < size; at += row.length, from += row.apart) {
    yield { at, start: from, end: from + row.length };
  }
}

/** The most lines that an error lists. */
const mostShown = 20;

/** Returns the reasons why parameters do not fit a model: one line each. They have numbers if they are read already. */
function misfits(
  all: readonly Parameter[],
  parameters: Readonly<Record<string, Pick<Tensor, "shape"> & Partial<Tensor>>>,
  others: Readonly<Record<string, OtherTensor>>,
  areRead: boolean,
): string[] {
  const wanted = new Map(all.map((parameter) => [parameter.path, parameter]));
  const paths = all.map(({ path }) => path).filter((path) => !Object.hasOwn(others, path));
  const missing = paths.filter((path) => !Object.hasOwn(parameters, path));
  const lines = missing.map((path) => `missing: ${path} ${shapeText(wanted.get(path)!.shape)}`);
  for (const [path, { dtype, shape }] of Object.entries(others)) {
    const found = `${dtype} ${shapeText(shape)}`;
    const extent = wanted.get(path);
    if (extent === undefined) lines.push(`unexpected: ${path} ${found}`);
    else lines.push(`misshapen: ${path} is ${found}, wanted F32 ${shapeText(extent.shape)}`);
  }
  for (const [path, tensor] of Object.entries(parameters)) {
    if (!isRecord(tensor) || !Array.isArray(tensor.shape) || areRead && !ArrayBuffer.isView(tensor.data)) {
      lines.push(`misshapen: ${path} is ${kindOf(tensor)}, wanted a tensor { shape, data }`);
      continue;
    }
    const { shape, data } = tensor;
    const extent = wanted.get(path);
    const meant = extent === undefined && lines.length < mostShown ? nearest(path, missing) : undefined;
    if (extent === undefined) {
      lines.push(`unexpected: ${path} ${shapeText(shape)}${meant === undefined ? "" : `: did you mean ${meant}?`}`);
    } else if (shapeText(shape) !== shapeText(extent.shape)) {
      lines.push(`misshapen: ${path} is ${shapeText(shape)}, wanted ${shapeText(extent.shape)}`);
    } else if (data === undefined) {
      continue;
    } else if (data.length !== sizeOf(extent.shape)) {
      lines.push(`misshapen: ${path} has ${data.length} elements, wanted ${sizeOf(extent.shape)}`);
    } else {
      const fits = data instanceof Float32Array && areFinite(data);
      const at = fits ? -1 : data.findIndex((number) => !Number.isFinite(Math.fround(number)));
      if (at >= 0) lines.push(`not finite: ${path} at [${at}] is ${data[at]}`);
    }
  }
  return lines;
}
