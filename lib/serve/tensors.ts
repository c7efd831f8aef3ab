import { kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { fromHalves } from "../formats/half.ts";
import type { AskedColumn } from "./inputs.ts";
import { misread } from "./refusal.ts";

/** The types of tensors' elements: bytes of one, and its value at a position. */
export const dataTypes = {
  BOOL: { size: 1, at: (view: DataView, at: number) => view.getUint8(at) === 0 ? 0 : 1 },
  UINT8: { size: 1, at: (view: DataView, at: number) => view.getUint8(at) },
  UINT16: { size: 2, at: (view: DataView, at: number) => view.getUint16(at, true) },
  UINT32: { size: 4, at: (view: DataView, at: number) => view.getUint32(at, true) },
  UINT64: { size: 8, at: (view: DataView, at: number) => view.getBigUint64(at, true) },
  INT8: { size: 1, at: (view: DataView, at: number) => view.getInt8(at) },
  INT16: { size: 2, at: (view: DataView, at: number) => view.getInt16(at, true) },
  INT32: { size: 4, at: (view: DataView, at: number) => view.getInt32(at, true) },
  INT64: { size: 8, at: (view: DataView, at: number) => view.getBigInt64(at, true) },
  FP16: { size: 2, at: (view: DataView, at: number) => halfAt(view, at) },
  FP32: { size: 4, at: (view: DataView, at: number) => view.getFloat32(at, true) },
  FP64: { size: 8, at: (view: DataView, at: number) => view.getFloat64(at, true) },
  BYTES: { size: 0, at: () => "" },
} as const;

/** The name of a type of elements. */
export type DataType = keyof typeof dataTypes;

/** The head of a tensor in a request. */
export interface TensorHead {
  readonly name: string;
  /** The JSON pointer of the tensor. */
  readonly at: string;
  /** `[rows]` or `[rows, width]`. */
  readonly shape: readonly number[];
  readonly datatype: DataType;
  /** True if a row of the input may be a list; else `[rows, 1]` is one value a row, as many clients send it. */
  readonly isListed: boolean;
  /** True if the model reads texts: whole numbers are then their digits, all of them. */
  readonly isText: boolean;
}

/**
 * Returns the values of a tensor as a column: one a row, or a list a row where the shape has a width. In lists a null at
 * the end is left out, so that lists of several lengths fit a shape.
 *
 * @throws {Refusal} if they do not fit the shape or the type.
 */
export function valuesIn(head: TensorHead, data: unknown): AskedColumn {
  const { shape, at } = head;
  const [rows, width] = shape;
  const flat = data instanceof Uint8Array ? unpacked(head, data as Uint8Array<ArrayBuffer>) : listed(head, data);
  if (width === undefined || width === 1 && !head.isListed) {
    const nested = Array.isArray(data) && data.some(Array.isArray);
    return { values: flat, pointer: (row) => nested ? `${at}/data/${row}/0` : `${at}/data/${row}` };
  }
  const values = Array.from({ length: rows }, (_, row) => {
    let end = width;
    while (end > 0 && flat[row * width + end - 1] === null) end--;
    return flat.slice(row * width, row * width + end);
  });
  return { values, pointer: (row) => `${at}/data/${row * width}` };
}

/** Returns the elements of a list in JSON, flat or nested. */
function listed({ name, at, shape, datatype, isText }: TensorHead, data: unknown): readonly unknown[] {
  if (!Array.isArray(data)) throw misread(`${at}/data`, `input ${quoted(name)}: wanted a list, found ${kindOf(data)}`);
  const flat = data.some(Array.isArray) ? data.flat(shape.length) : data;
  const wanted = shape.reduce((product, size) => product * size, 1);
  if (flat.length !== wanted) {
    throw misread(
      `${at}/data`,
      `input ${quoted(name)}: found ${flat.length} elements, wanted ${wanted} as its shape says`,
    );
  }
  if (datatype !== "BOOL") return flat;
  return flat.map((value) => typeof value === "boolean" ? isText ? `${value}` : Number(value) : value);
}

/** Returns the elements of a tensor of bytes. */
function unpacked(
  { name, at, shape, datatype, isText }: TensorHead,
  bytes: Uint8Array<ArrayBuffer>,
): readonly unknown[] {
  const count = shape.reduce((product, size) => product * size, 1);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wrong = (found: string) => misread(`${at}/parameters/binary_data_size`, `input ${quoted(name)}: ${found}`);
  if (datatype === "BYTES") {
    const values: string[] = [];
    let from = 0;
    while (from < bytes.length) {
      const size = from + 4 <= bytes.length ? view.getUint32(from, true) : Infinity;
      if (from + 4 + size > bytes.length) throw wrong(`text ${values.length} ends behind the tensor's bytes`);
      values.push(decoder.decode(bytes.subarray(from + 4, from + 4 + size)));
      from += 4 + size;
    }
    if (values.length !== count) throw wrong(`found ${values.length} texts, wanted ${count} as its shape says`);
    return values;
  }
  const { size, at: valueAt } = dataTypes[datatype];
  if (bytes.length !== count * size) {
    throw wrong(`found ${bytes.length} bytes, wanted ${count * size}: ${count} of ${datatype}`);
  }
  return Array.from({ length: count }, (_, place) => {
    const value = valueAt(view, place * size);
    if (isText && datatype === "BOOL") return value === 0 ? "false" : "true"; // as in JSON
    if (isText) return Number.isNaN(value) ? null : `${value}`;
    return typeof value === "bigint" ? Number(value) : value;
  });
}

const decoder = new TextDecoder();

function halfAt(view: DataView, at: number): number {
  const into = new Float32Array(1);
  fromHalves(Uint16Array.of(view.getUint16(at, true)), "F16", into, 0);
  return into[0];
}

/** Returns numbers as the bytes of a tensor of FP32, little-endian. */
export function bytesOfTensor(data: Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(data.length * 4);
  const view = new DataView(bytes.buffer);
  data.forEach((number, at) => view.setFloat32(at * 4, number, true));
  return bytes;
}
