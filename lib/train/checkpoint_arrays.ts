import { filled } from "../files/read.ts";
import type { OpenFile } from "../files/system.ts";

/** An array of a checkpoint, of the type that it has in memory. */
export type NumberArray = Float32Array | Float64Array | Int32Array;

/** The arrays of a checkpoint beside the model's own files, by name. */
export type NumberArrays = Readonly<Record<string, NumberArray>>;

/** The bytes of a piece that is written or read, at most. */
export const mostInPiece = 2 ** 22;

const types = { float32: Float32Array, float64: Float64Array, int32: Int32Array } as const;

/** An array as the file of arrays has it: all of it, or what has changed since the base. */
export interface ArrayEntry {
  readonly name: string;
  readonly type: keyof typeof types;
  /** The numbers in the file. */
  readonly length: number;
  /** Absent if they are all. */
  readonly of?: Changes;
}

/** The numbers of an array that a file has, where it has not all. */
export interface Changes {
  /** The numbers of the whole array. */
  readonly length: number;
  /** The place from which on they are its end; the rest is as in the base. */
  readonly from?: number;
  /** The name of the list of rows that they are, of `width` numbers each; more of them are the last of the array. */
  readonly rows?: string;
  readonly width?: number;
}

/** An array that is written. */
export interface Written extends ArrayEntry {
  /** The numbers in the file, in pieces. */
  readonly pieces: () => Iterable<NumberArray>;
}

/** Returns arrays as they are written whole. */
export function wholes(arrays: NumberArrays): Written[] {
  return Object.entries(arrays).map(([name, array]) => {
    return { name, type: typeOf(array), length: array.length, pieces: () => [array] };
  });
}

/** Returns the name of an array's type. */
export function typeOf(array: NumberArray): ArrayEntry["type"] {
  return array instanceof Float32Array ? "float32" : array instanceof Float64Array ? "float64" : "int32";
}

/** Yields the bytes of arrays in pieces. */
export function* bytesOf(arrays: readonly Written[]): Generator<Uint8Array> {
  for (const { pieces } of arrays) {
    for (const { buffer, byteOffset, byteLength } of pieces()) {
      for (let at = 0; at < byteLength; at += mostInPiece) {
        yield new Uint8Array(buffer, byteOffset + at, Math.min(mostInPiece, byteLength - at));
      }
    }
  }
}

/**
 * Reads arrays from their file.
 *
 * @param before Those of the base, which become those that are returned.
 */
export async function readArrays(
  open: OpenFile,
  entries: readonly ArrayEntry[],
  before: NumberArrays,
): Promise<NumberArrays> {
  const all: Record<string, NumberArray> = { ...before };
  const read = new Map<string, NumberArray>();
  for (const { name, type, length, of } of entries) {
    const array = new types[type](length);
    await filled(open, new Uint8Array(array.buffer));
    read.set(name, array);
    all[name] = of === undefined ? array : changed(array, of, new types[type](of.length), all[name], read);
  }
  return Object.fromEntries(entries.map(({ name }) => [name, all[name]]));
}

/** Returns an array after what has changed in it. */
function changed(
  numbers: NumberArray,
  { from, rows, width = 1 }: Changes,
  to: NumberArray,
  before: NumberArray | undefined,
  read: ReadonlyMap<string, NumberArray>,
): NumberArray {
  if (from !== undefined) {
    if (from > 0) to.set(before!.subarray(0, from));
    to.set(numbers, from);
    return to;
  }
  to.set(before!);
  const list = read.get(rows!)!;
  list.forEach((row, at) => {
    for (let unit = 0; unit < width; unit++) to[row * width + unit] = numbers[at * width + unit];
  });
  const end = list.length * width;
  to.set(numbers.subarray(end), to.length - (numbers.length - end));
  return to;
}
