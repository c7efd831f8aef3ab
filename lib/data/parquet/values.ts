import type { DecodedArray, SchemaElement } from "hyparquet";

/** The values of a page or of a dictionary, as the file has them. */
export type Raw = DecodedArray;

/** A type of values of a file, and the ways to read them. */
export interface ValueType {
  /** Its name in errors. */
  readonly name: string;
  /** The kind that a column of it is by default. */
  readonly kind: "number" | "text";
  /** Returns the number of each value; of one that float64 cannot hold, NaN, after it was reported by its place. */
  readonly numbers?: (raw: Raw, beyond: (place: number) => void) => Float64Array;
  /** Returns a value as text. */
  readonly text?: (value: unknown) => string;
  /** True if values are UTF-8. */
  readonly utf8?: true;
}

/** Returns the type of values of a column; a text if they cannot be read: what they are. */
export function valueType(element: SchemaElement): ValueType | string {
  const { type, converted_type: converted, logical_type: logical } = element;
  const kind = logical?.type ?? converted;
  if (kind === "DECIMAL") return decimal(element);
  switch (type) {
    case "BOOLEAN":
      return { name: "boolean", kind: "number", numbers: (raw) => Float64Array.from(raw, Number), text: String };
    case "FLOAT":
      return { name: "float32", kind: "number", numbers: (raw) => new Float64Array(raw as Float32Array) };
    case "DOUBLE":
      return { name: "float64", kind: "number", numbers: (raw) => new Float64Array(raw as Float64Array) };
    case "INT32":
      return kind === "DATE" ? days : kind === "TIME" || kind === "TIME_MILLIS" ? timeOfDay : int32(element);
    case "INT64":
      return int64(element);
    case "INT96":
      return { name: "timestamp", kind: "number", numbers: (raw) => Float64Array.from(raw as bigint[], julian) };
    case "BYTE_ARRAY":
      if (kind !== undefined && texts.includes(kind)) return { name: "text", kind: "text", utf8: true };
      return kind === undefined ? "bytes" : kind.toLowerCase();
    default:
      if (kind !== "FLOAT16") return kind === undefined ? "bytes of a fixed length" : kind.toLowerCase();
      return { name: "float16", kind: "number", numbers: (raw) => Float64Array.from(raw as Uint8Array[], half) };
  }
}

/** The kinds of byte arrays that hold UTF-8. */
const texts: readonly string[] = ["STRING", "UTF8", "ENUM", "JSON"];

const millisecondsOfDay = 86_400_000;

/** Dates, as milliseconds since 1970. */
const days: ValueType = {
  name: "date",
  kind: "number",
  numbers: (raw) => Float64Array.from(raw as Int32Array, (day) => day * millisecondsOfDay),
};

/** Times of a day, as milliseconds. */
const timeOfDay: ValueType = {
  name: "time",
  kind: "number",
  numbers: (raw) => new Float64Array(raw as Int32Array),
};

/** Returns true if whole numbers have no sign. */
function isUnsigned({ converted_type, logical_type }: SchemaElement): boolean {
  if (logical_type?.type === "INTEGER") return !logical_type.isSigned;
  return converted_type?.startsWith("UINT_") ?? false;
}

/** Returns the bits of whole numbers, as names of types have them. */
function widthOf({ type, converted_type, logical_type }: SchemaElement): string {
  if (logical_type?.type === "INTEGER") return String(logical_type.bitWidth);
  return /\d+$/.exec(converted_type ?? "")?.[0] ?? (type === "INT32" ? "32" : "64");
}

function int32(element: SchemaElement): ValueType {
  const unsigned = isUnsigned(element);
  return {
    name: `${unsigned ? "u" : ""}int${widthOf(element)}`,
    kind: "number",
    numbers: (raw) => {
      const whole = raw as Int32Array;
      return new Float64Array(unsigned ? new Uint32Array(whole.buffer, whole.byteOffset, whole.length) : whole);
    },
    text: (value) => String(unsigned ? (value as number) >>> 0 : value),
  };
}

function int64(element: SchemaElement): ValueType {
  const { converted_type: converted, logical_type: logical } = element;
  const timed = logical?.type === "TIMESTAMP" || logical?.type === "TIME" ? logical.unit : undefined;
  const unit = timed ?? /^TIME(?:STAMP)?_(MILLIS|MICROS)$/.exec(converted ?? "")?.[1];
  if (unit !== undefined) {
    const each = { MILLIS: 1, MICROS: 1_000, NANOS: 1_000_000 }[unit as "MILLIS" | "MICROS" | "NANOS"];
    const name = logical?.type === "TIME" || converted?.startsWith("TIME_") ? "time" : "timestamp";
    return { name, kind: "number", numbers: (raw) => Float64Array.from(raw as BigInt64Array, milliseconds(each)) };
  }
  const unsigned = isUnsigned(element);
  return {
    name: `${unsigned ? "u" : ""}int${widthOf(element)}`,
    kind: "number",
    numbers: (raw, beyond) => wholeNumbers(raw as BigInt64Array, unsigned, beyond),
    text: (value) => String(unsigned ? BigInt.asUintN(64, value as bigint) : value),
  };
}

/** Returns whole numbers of 64 bits by their halves, which is much faster than by way of each as a bigint. */
function wholeNumbers(raw: BigInt64Array, unsigned: boolean, beyond: (place: number) => void): Float64Array {
  const numbers = new Float64Array(raw.length);
  const halves = new Int32Array(raw.buffer, raw.byteOffset, 2 * raw.length);
  for (let place = 0; place < numbers.length; place++) {
    const low = halves[2 * place] >>> 0;
    const high = unsigned ? halves[2 * place + 1] >>> 0 : halves[2 * place + 1];
    numbers[place] = high * 2 ** 32 + low;
    if (high < -(2 ** 21) || high > 2 ** 21 || high === 2 ** 21 && low > 0) {
      numbers[place] = NaN;
      beyond(place);
    }
  }
  return numbers;
}

/** Returns a function from a time to milliseconds, of which each is so many units, rounded once to float64. */
function milliseconds(each: number): (time: bigint) => number {
  const units = BigInt(each);
  return (time) => {
    const number = Number(time);
    if (Number.isSafeInteger(number)) return number / each;
    return Number(time / units) + Number(time % units) / each;
  };
}

/** Returns the milliseconds since 1970 of nanoseconds in a day, and Julian days in the upper bits. */
function julian(time: bigint): number {
  const days = (time >> 64n) - 2_440_588n;
  return milliseconds(1_000_000)(days * BigInt(millisecondsOfDay) * 1_000_000n + BigInt.asIntN(64, time));
}

/** Returns a number of two bytes (IEEE 754, binary16). */
function half([low, high]: Uint8Array): number {
  const sign = high & 0x80 ? -1 : 1;
  const [exponent, fraction] = [high >> 2 & 0x1f, (high & 0x03) << 8 | low];
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function decimal({ scale = 0 }: SchemaElement): ValueType {
  return {
    name: "decimal",
    kind: "number",
    numbers: (raw) => Float64Array.from(raw as ArrayLike<unknown>, (value) => Number(decimalText(value, scale))),
    text: (value) => decimalText(value, scale),
  };
}

/** Returns a decimal as text, from its digits as a whole number or as bytes, the first of which has the sign. */
function decimalText(value: unknown, scale: number): string {
  const digits = value instanceof Uint8Array ? bigEndian(value) : BigInt(value as number | bigint);
  if (scale <= 0) return String(digits * 10n ** BigInt(-scale));
  const text = String(digits < 0n ? -digits : digits).padStart(scale + 1, "0");
  return `${digits < 0n ? "-" : ""}${text.slice(0, -scale)}.${text.slice(-scale)}`;
}

function bigEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = value << 8n | BigInt(byte);
  return BigInt.asIntN(8 * bytes.length, value);
}
