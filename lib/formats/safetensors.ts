import { checkRecord, checkText, kindOf } from "../errors/kinds.ts";
import { checkTensors } from "./check_stored.ts";
import { quoted } from "../errors/quoted.ts";
import type { Tensor } from "../ops/tensor.ts";
import { areFinite } from "../ops/finite.ts";
import { sizeOf } from "../ops/shape.ts";
import { decodeInto, type Dtype, dtypes, isDtype } from "./dtypes.ts";
import { beyondHalf, greatestHalf } from "./half.ts";
import { markOf, parseMark, withMark } from "./mark.ts";
import { bytesOf, joined, type Pieces } from "./pieces.ts";
import { headerBytes, mostAxes, parseHeader } from "./safetensors_header.ts";

/** The contents of a safetensors file. */
export interface Safetensors {
  /** The tensors by name. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** Texts about the file, by name. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The tensors of types that are not read (step counters, masks), by name; absent if there are none. */
  readonly others?: Readonly<Record<string, OtherTensor>>;
}

/** A tensor of a safetensors file whose elements are not read. */
export interface OtherTensor {
  /** The type of its elements, such as `I64` or `BOOL`. */
  readonly dtype: string;
  /** The length of every axis. */
  readonly shape: readonly number[];
}

/**
 * Writes tensors in the safetensors format: eight bytes for the header's length, a JSON header padded with spaces to a
 * multiple of eight bytes, then the elements, little-endian and row-major.
 *
 * Real numbers become `F32`, codes `I32`. Tensors are ordered by type and name, as the public writer orders them, and
 * texts by name, so that equal contents give equal bytes. The mark that a model's parameters carry, of the features they
 * were trained with, becomes the text `encoding`, from which {@linkcode decodeSafetensors} gives it back.
 *
 * @param tensors Tensors of any shape, by name.
 * @param given Texts to keep with them, by name.
 * @returns The bytes of the file.
 * @throws {TypeError} if a name is `__proto__`, `__metadata__` or not text.
 * @throws {RangeError} if a shape does not fit its elements or has more than 64 axes, an element is not finite as a
 * float32, or names and texts are longer than the format allows.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeSafetensors, encodeSafetensors } from "@gatehouse/gatehouse/graph";
 *
 * const bytes = encodeSafetensors({ bias: { shape: [2], data: Float32Array.of(0.5, -1) } }, { format: "1" });
 * const { tensors, metadata } = decodeSafetensors(bytes);
 * assertEquals(tensors.bias, { shape: [2], data: Float32Array.of(0.5, -1) });
 * assertEquals(metadata, { format: "1" });
 * ```
 */
export function encodeSafetensors(
  tensors: Readonly<Record<string, Tensor>>,
  given: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  checkTensors("encode safetensors", tensors);
  checkRecord("encode safetensors", "metadata", given);
  const mark = markOf(tensors);
  const metadata = mark === undefined ? given : { encoding: JSON.stringify(mark), ...given };
  const stored = Object.entries(tensors).map(([name, { shape, data }]): Stored => {
    checkSize(name, shape, data.length);
    return { name, shape, dtype: data instanceof Int32Array ? "I32" : "F32", chunks: () => [data] };
  });
  return joined(safetensorsOf(stored, metadata));
}

/** A tensor that is written: its elements come in arrays, one after the other, so that no copy of all is made. */
export interface Stored {
  /** Its name. */
  readonly name: string;
  /** Its shape. */
  readonly shape: readonly number[];
  /** The type of its elements in the file. */
  readonly dtype: "F32" | "F16" | "I32";
  /** Yields its elements, anew at each call. */
  readonly chunks: () => Iterable<Tensor["data"]>;
}

/** Returns the bytes of a tensor's elements. */
export function sizeIn({ shape, dtype }: Pick<Stored, "shape" | "dtype">): number {
  return sizeOf(shape) * (dtype === "F16" ? 2 : 4);
}

/**
 * Returns tensors as the bytes of a safetensors file, as {@linkcode encodeSafetensors} does, which come in pieces.
 *
 * @throws {TypeError | RangeError} if one of them cannot be written.
 */
export function safetensorsOf(
  stored: readonly Stored[],
  metadata: Readonly<Record<string, string>>,
): Pieces {
  const order = inFileOrder(stored);
  const fields: string[] = [];
  if (Object.keys(metadata).length > 0) fields.push(`"__metadata__":${metadataText(metadata)}`);
  let length = 0;
  for (const tensor of order) {
    checkStored(tensor);
    const { name, shape, dtype } = tensor;
    const entry = { dtype, shape, data_offsets: [length, length += sizeIn(tensor)] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
  }
  const header = headerBytes(fields);
  const pieces = function* () {
    yield header;
    for (const { dtype, chunks } of order) {
      for (const chunk of chunks()) yield* bytesOf(chunk, dtype === "F16" ? "float16" : "float32");
    }
  };
  return { length: header.length + length, pieces };
}

/** Returns tensors as they lie in a file: larger types first, and by name, as the public writer orders them. */
export function inFileOrder(stored: readonly Stored[]): readonly Stored[] {
  return stored.toSorted((a, b) => ranks[a.dtype] - ranks[b.dtype] || byBytes(a.name, b.name));
}

const ranks = { F32: 0, I32: 1, F16: 2 } as const;

/**
 * Reads the tensors of a safetensors file that are `F32`, `F64`, `F16`, `BF16` (as float32) or `I32`, at any offset, and
 * lists those of all other types of the format under `others`, as their shapes and types alone.
 *
 * Nothing is trusted: the header is read by its grammar alone, every length is compared with the bytes that are there
 * before memory is taken for it, the tensors cover the data exactly once, and every real number is finite.
 *
 * @param bytes The bytes of the file.
 * @param file The file's name, for errors.
 * @throws {SyntaxError} if the header cannot be read, with the position of the byte.
 * @throws {TypeError} if a tensor lacks a field, or its name or type is not allowed.
 * @throws {RangeError} if a length, a shape or an offset does not fit, or an element is not finite as a float32.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { decodeSafetensors } from "@gatehouse/gatehouse/graph";
 *
 * assertThrows(() => decodeSafetensors(new Uint8Array(3)), SyntaxError, "holds 3 bytes");
 * ```
 */
export function decodeSafetensors(bytes: Uint8Array, file = "safetensors"): Safetensors {
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError(`Cannot read safetensors: wanted bytes, a Uint8Array, found ${kindOf(bytes)}`);
  }
  checkText("read safetensors", "file", file);
  const { start, entries, metadata } = parseHeader(bytes, file);
  const others = entries.filter(({ dtype }) => !isDtype(dtype));
  const tensors = entries.flatMap(({ name, dtype, shape, begin, end }): [string, Tensor][] => {
    if (!isDtype(dtype)) return [];
    const data = dataFor(dtype, end - begin);
    const part = bytes.subarray(start + begin, start + end);
    decodeInto(data, 0, part, dtype);
    checkFinite(data, 0, part, { name, dtype, file, at: start + begin });
    return [[name, { shape, data }]];
  });
  return contentOf(tensors, others, metadata);
}

/** Returns room for the elements that so many bytes hold. */
export function dataFor(dtype: Dtype, bytes: number): Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> {
  return new (dtype === "I32" ? Int32Array : Float32Array)(bytes / dtypes[dtype].size);
}

/**
 * Makes sure that elements which were read are finite as float32.
 *
 * @param start The first of them in their tensor.
 * @param bytes Their bytes in the file, which begin `at` a byte of it.
 * @throws {RangeError} naming the first that is not.
 */
export function checkFinite(
  data: Float32Array | Int32Array,
  start: number,
  bytes: Uint8Array,
  { name, dtype, file, at }: {
    readonly name: string;
    readonly dtype: Dtype;
    readonly file: string;
    readonly at: number;
  },
): void {
  const { size, read } = dtypes[dtype];
  const part = data.subarray(start, start + bytes.length / size);
  if (part instanceof Int32Array || areFinite(part)) return;
  const wrong = part.findIndex((element) => !Number.isFinite(element));
  const element = read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), size * wrong);
  const found = `found ${element} in ${quoted(name)} at [${start + wrong}]`;
  throw new RangeError(`Cannot read ${file}\n  at byte ${at + size * wrong}: ${found}, wanted a finite float32`);
}

/** Returns what a file holds, by its tensors that are read and the entries of others. */
export function contentOf(
  tensors: readonly (readonly [name: string, tensor: Tensor])[],
  others: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }[],
  metadata: Readonly<Record<string, string>>,
): Safetensors {
  const read = { tensors: withMark(Object.fromEntries(tensors), parseMark(metadata.encoding)), metadata };
  if (others.length === 0) return read;
  return { ...read, others: Object.fromEntries(others.map(({ name, dtype, shape }) => [name, { dtype, shape }])) };
}

/** The order of two texts by their UTF-8 bytes, which is that of their code points. */
function byBytes(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  const at = left.findIndex((character, i) => character !== right[i]);
  return at < 0 ? left.length - right.length : (left[at].codePointAt(0) ?? 0) - (right[at]?.codePointAt(0) ?? -1);
}

function metadataText(metadata: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(metadata).sort(([a], [b]) => byBytes(a, b));
  const fields = pairs.map(([name, text]) => {
    checkName(name);
    if (typeof text !== "string" || !text.isWellFormed()) {
      throw new TypeError(`${place(name)}: the metadata is no text: found ${typeof text}`);
    }
    return `${JSON.stringify(name)}:${JSON.stringify(text)}`;
  });
  return `{${fields.join(",")}}`;
}

function checkSize(name: string, shape: readonly number[], length: number): void {
  if (sizeOf(shape) === length && shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) return;
  throw new RangeError(`${place(name)}: shape [${shape.join(", ")}] does not fit ${length} elements`);
}

function checkStored({ name, shape, dtype, chunks }: Stored): void {
  checkName(name);
  if (shape.length > mostAxes) {
    throw new RangeError(`${place(name)}: found ${shape.length} axes, wanted at most ${mostAxes}`);
  }
  let before = 0;
  for (const chunk of chunks()) {
    checkElements(name, chunk, dtype, before);
    before += chunk.length;
  }
}

/** Makes sure that elements fit their type in the file; `before` are those of the same tensor in front of them. */
function checkElements(name: string, chunk: Tensor["data"], dtype: Stored["dtype"], before: number): void {
  if (dtype === "I32") return;
  if (dtype === "F32" && chunk instanceof Float32Array && areFinite(chunk)) return;
  const isBeyond = (element: number) => !Number.isFinite(Math.fround(element));
  const at = dtype === "F16" ? beyondHalf(chunk) : chunk.findIndex(isBeyond);
  if (at < 0) return;
  const wanted = dtype === "F16" ? `at most ${greatestHalf}, as float16 holds: float32 holds more` : "a finite float32";
  throw new RangeError(`${place(name)}: found ${chunk[at]} at [${before + at}], wanted ${wanted}`);
}

function checkName(name: string): void {
  if (name === "__proto__" || name === "__metadata__" || !name.isWellFormed()) {
    throw new TypeError(`${place(name)}: this name is not allowed`);
  }
}

function place(name: string): string {
  return `Cannot write safetensors\n  at ${quoted(name)}`;
}
