/** The greatest number that a float16 holds. */
export const greatestHalf = 65504;

/** Returns the place of the first number that float16 does not hold; -1 if there is none. */
export function beyondHalf(numbers: ArrayLike<number>): number {
  // A plain loop: findIndex calls a function for each of what may be a billion numbers.
  for (let at = 0; at < numbers.length; at++) if (!(Math.abs(numbers[at]) <= greatestHalf)) return at;
  return -1;
}

/** Returns the float16 that is nearest to each number, of two the even one, as bits. Numbers are within 65504. */
export function toHalves(numbers: Float32Array | Float64Array): Uint16Array<ArrayBuffer> {
  const floats = Float32Array.from(numbers);
  const bits = new Uint32Array(floats.buffer);
  const halves = new Uint16Array(floats.length);
  for (let at = 0; at < halves.length; at++) {
    const [sign, size] = [bits[at] >>> 16 & 0x8000, bits[at] & 0x7fffffff];
    const rounded = size < leastNormal ? multiple(Math.abs(floats[at])) : nearest(size);
    halves[at] = sign | rounded;
  }
  return halves;
}

/** The bits of 2^-14: what is smaller is a multiple of 2^-24. */
const leastNormal = 113 << 23;

/** The bits of a float16 by those of a float32 without its sign: the exponent counts from 15, not 127. */
function nearest(size: number): number {
  return size - (112 << 23) + 0xfff + (size >>> 13 & 1) >>> 13;
}

/** The nearest multiple of 2^-24: float32 from 2^23 on are whole numbers. */
function multiple(size: number): number {
  return Math.fround(size * 2 ** 24 + 2 ** 23) - 2 ** 23;
}

/** Writes the numbers that bits of float16 or bfloat16 stand for into an array, from a place on. */
export function fromHalves(halves: Uint16Array, type: "F16" | "BF16", into: Float32Array, start: number): void {
  const bits = new Uint32Array(into.buffer, into.byteOffset, into.length);
  for (let at = 0; at < halves.length; at++) {
    bits[start + at] = type === "BF16" ? halves[at] << 16 : widened(halves[at]);
  }
}

/** The bits of a float32 by those of a float16. */
function widened(half: number): number {
  const [sign, size] = [(half & 0x8000) << 16, half & 0x7fff];
  if (size >= 0x7c00) return sign | 255 << 23 | size << 13; // infinite, or no number
  if (size >= 0x400) return sign | (size << 13) + (112 << 23);
  if (size === 0) return sign;
  const up = Math.clz32(size) - 21; // the places to its highest bit, that of a normal number
  return sign | 113 - up << 23 | (size << up & 0x3ff) << 13;
}
