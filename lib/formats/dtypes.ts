import { fromHalves } from "./half.ts";

/** A type of elements: reads one from its bytes, little-endian. */
export interface Element {
  /** The number of bytes. */
  readonly size: 2 | 4 | 8;
  /** The element whose first byte is at a position. */
  readonly read: (view: DataView, at: number) => number;
}

/** The types of elements that are read. */
export const dtypes: Readonly<Record<Dtype, Element>> = {
  F64: { size: 8, read: (view, at) => view.getFloat64(at, true) },
  F32: { size: 4, read: (view, at) => view.getFloat32(at, true) },
  F16: { size: 2, read: (view, at) => half(view.getUint16(at, true), 10) },
  BF16: { size: 2, read: (view, at) => half(view.getUint16(at, true), 7) },
  I32: { size: 4, read: (view, at) => view.getInt32(at, true) },
};

/** The name of a type of elements. */
export type Dtype = "F64" | "F32" | "F16" | "BF16" | "I32";

/** Writes the elements that bytes hold into an array, from a place on. */
export function decodeInto(data: Float32Array | Int32Array, start: number, bytes: Uint8Array, dtype: Dtype): void {
  if (dtype === "F64") {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < bytes.length / 8; at++) data[start + at] = view.getFloat64(8 * at, true);
  } else if (dtype === "F16" || dtype === "BF16") {
    const halves = new Uint16Array(bytes.length / 2);
    new Uint8Array(halves.buffer).set(bytes);
    fromHalves(halves, dtype, data as Float32Array, start);
  } else new Uint8Array(data.buffer, data.byteOffset + 4 * start, bytes.length).set(bytes);
}

/** The types that the format has beside them, whose elements are not read, and the bits that an element takes. */
export const otherDtypes: Readonly<Record<string, number>> = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  U16: 16,
  I16: 16,
  U32: 32,
  U64: 64,
  I64: 64,
  C64: 64,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F8_E4M3: 8,
  F8_E5M2: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
};

/** Returns true if elements of a type are read. */
export function isDtype(name: string): name is Dtype {
  return Object.hasOwn(dtypes, name);
}

/** Returns the bits that an element of a type takes; undefined if the format has no such type. */
export function bitsOf(dtype: string): number | undefined {
  if (isDtype(dtype)) return 8 * dtypes[dtype].size;
  return Object.hasOwn(otherDtypes, dtype) ? otherDtypes[dtype] : undefined;
}

/** The number that 16 bits stand for: a sign, an exponent, and a fraction of so many bits. */
function half(bits: number, fraction: 7 | 10): number {
  const top = 2 ** (15 - fraction) - 1;
  const bias = top >> 1;
  const sign = bits >> 15 === 1 ? -1 : 1;
  const exponent = (bits >> fraction) & top;
  const part = (bits & (2 ** fraction - 1)) / 2 ** fraction;
  if (exponent === top) return part === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * part * 2 ** (1 - bias) : sign * (1 + part) * 2 ** (exponent - bias);
}
