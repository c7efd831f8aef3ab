import { checkRecord, checkText, kindOf } from "../errors/kinds.ts";
import { checkTensors } from "./check_stored.ts";
import { quoted } from "../errors/quoted.ts";
import type { Tensor } from "../ops/tensor.ts";
import { dtypes, isDtype } from "./dtypes.ts";
import { markOf, parseMark, withMark } from "./mark.ts";
import { mostAxes, parseHeader, withHeader } from "./safetensors_header.ts";

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
  const order = Object.entries(tensors).sort(([a, left], [b, right]) => rank(left) - rank(right) || byBytes(a, b));
  const fields: string[] = [];
  if (Object.keys(metadata).length > 0) fields.push(`"__metadata__":${metadataText(metadata)}`);
  let length = 0;
  for (const [name, tensor] of order) {
    checkTensor(name, tensor);
    const dtype = rank(tensor) === 0 ? "F32" : "I32";
    const entry = { dtype, shape: tensor.shape, data_offsets: [length, length += 4 * tensor.data.length] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
  }
  const { bytes, start } = withHeader(fields, length);
  const view = new DataView(bytes.buffer);
  let at = start;
  for (const [, { data }] of order) {
    const put = data instanceof Int32Array ? "setInt32" : "setFloat32";
    for (let i = 0; i < data.length; i++, at += 4) view[put](at, data[i], true);
  }
  return bytes;
}

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
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const others = entries.filter(({ dtype }) => !isDtype(dtype));
  const tensors = entries.flatMap(({ name, dtype, shape, begin, end }): [string, Tensor][] => {
    if (!isDtype(dtype)) return [];
    const { size, read } = dtypes[dtype];
    const data = new (dtype === "I32" ? Int32Array : Float32Array)((end - begin) / size);
    for (let i = 0, at = start + begin; i < data.length; i++, at += size) {
      const element = read(view, at);
      data[i] = element;
      if (!Number.isFinite(data[i])) {
        const found = `found ${element} in ${quoted(name)} at [${i}]`;
        throw new RangeError(`Cannot read ${file}\n  at byte ${at}: ${found}, wanted a finite float32`);
      }
    }
    return [[name, { shape, data }]];
  });
  const read = { tensors: withMark(Object.fromEntries(tensors), parseMark(metadata.encoding)), metadata };
  if (others.length === 0) return read;
  return { ...read, others: Object.fromEntries(others.map(({ name, dtype, shape }) => [name, { dtype, shape }])) };
}

/** Real numbers in front of codes: the public writer puts larger and real types first. */
function rank({ data }: Tensor): 0 | 1 {
  return data instanceof Int32Array ? 1 : 0;
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

function checkTensor(name: string, { shape, data }: Tensor): void {
  checkName(name);
  const size = shape.reduce((product, length) => product * length, 1);
  if (size !== data.length || !shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw new RangeError(`${place(name)}: shape [${shape.join(", ")}] does not fit ${data.length} elements`);
  }
  if (shape.length > mostAxes) {
    throw new RangeError(`${place(name)}: found ${shape.length} axes, wanted at most ${mostAxes}`);
  }
  const at = data.findIndex((element) => !Number.isFinite(Math.fround(element)));
  if (at >= 0) throw new RangeError(`${place(name)}: found ${data[at]} at [${at}], wanted a finite float32`);
}

function checkName(name: string): void {
  if (name === "__proto__" || name === "__metadata__" || !name.isWellFormed()) {
    throw new TypeError(`${place(name)}: this name is not allowed`);
  }
}

function place(name: string): string {
  return `Cannot write safetensors\n  at ${quoted(name)}`;
}
