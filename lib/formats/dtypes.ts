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

/** Returns true if elements of a type can be read. */
export function isDtype(name: string): name is Dtype {
  return Object.hasOwn(dtypes, name);
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
