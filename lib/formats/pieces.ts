import type { Tensor } from "../ops/tensor.ts";
import { toHalves } from "./half.ts";

/** Bytes of a known number that come in pieces, so that they need not be in memory at once. */
export interface Pieces {
  /** The number of bytes. */
  readonly length: number;
  /** Yields them, anew at each call. */
  readonly pieces: () => Iterable<Uint8Array>;
}

/** The types of real numbers that are written. */
export const realTypes = ["float32", "float16"] as const;

/** A type of real numbers that is written. */
export type RealType = typeof realTypes[number];

/** The bytes of a piece, at most. */
const mostInPiece = 2 ** 22;

/** The numbers that become bytes of another type at once. */
const mostAtOnce = 2 ** 18;

/** Yields the bytes of numbers: codes as int32, real numbers as a type. */
export function* bytesOf(data: Tensor["data"], type: RealType): Generator<Uint8Array> {
  if (data instanceof Int32Array || data instanceof Float32Array && type === "float32") return yield* cut(data);
  for (let at = 0; at < data.length; at += mostAtOnce) {
    const part = data.subarray(at, at + mostAtOnce);
    yield* cut(type === "float16" ? toHalves(part) : Float32Array.from(part));
  }
}

/** Returns the bytes of numbers in parts, so that some are found without going through all. */
export function partsOf(data: Tensor["data"], type: RealType): readonly Pieces[] {
  const size = type === "float16" && !(data instanceof Int32Array) ? 2 : 4;
  return Array.from({ length: Math.ceil(data.length / mostAtOnce) }, (_, at) => {
    const part = data.subarray(at * mostAtOnce, (at + 1) * mostAtOnce);
    return { length: size * part.length, pieces: () => bytesOf(part, type) };
  });
}

/** Returns a parameter, whose numbers are real whatever array they are in. */
export function real({ shape, data }: Tensor): Tensor {
  return { shape, data: data instanceof Int32Array ? Float32Array.from(data) : data };
}

/** Yields the memory of numbers in pieces. */
function* cut({ buffer, byteOffset, byteLength }: ArrayBufferView): Generator<Uint8Array> {
  for (let at = 0; at < byteLength; at += mostInPiece) {
    yield new Uint8Array(buffer, byteOffset + at, Math.min(mostInPiece, byteLength - at));
  }
}

/** Yields the bytes from a place to another of several, one after the other. */
export function* within(all: readonly Pieces[], from: number, to: number): Generator<Uint8Array> {
  let end = 0;
  for (const { length, pieces } of all) {
    let at = end;
    end += length;
    if (end <= from || at >= to) continue;
    for (const piece of pieces()) {
      const [first, last] = [Math.max(from - at, 0), Math.min(to - at, piece.length)];
      if (first < last) yield piece.subarray(first, last);
      at += piece.length;
      if (at >= to) break;
    }
  }
}

/** Returns the number of bytes of several. */
export function lengthOf(all: readonly Pieces[]): number {
  return all.reduce((sum, { length }) => sum + length, 0);
}

/** Returns bytes as one array. */
export function joined({ length, pieces }: Pieces): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces()) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
