/** A message as it is written: bytes, in pieces, so that large ones are joined once. */
export type Message = readonly Uint8Array[];

/** A real number, as a float32. */
export interface Real {
  /** The number. */
  readonly real: number;
}

/** A real number, as a float64. */
export interface Double {
  /** The number. */
  readonly double: number;
}

/** A field of a message: its number, and what it holds. Whole numbers are written as varints. */
export type Field = readonly [number: number, content: number | Real | Double | string | Uint8Array | Message];

/**
 * Writes a message in the wire format of protobuf.
 *
 * Source: https://protobuf.dev/programming-guides/encoding
 */
export function message(fields: readonly Field[]): Message {
  return fields.flatMap(([number, content]): Message => {
    if (typeof content === "number") return [varint(number << 3), varint(content)];
    if ("real" in Object(content)) return [varint(number << 3 | 5), fixed32((content as Real).real)];
    if ("double" in Object(content)) return [varint(number << 3 | 1), fixed64((content as Double).double)];
    const pieces = typeof content === "string"
      ? [encoder.encode(content)]
      : Array.isArray(content)
      ? content as Message
      : [content as Uint8Array];
    return [varint(number << 3 | 2), varint(lengthOf(pieces)), ...pieces];
  });
}

/** A message as one array of bytes. */
export function joined(pieces: Message): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(lengthOf(pieces));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** The number of bytes of a message. */
export function lengthOf(pieces: Message): number {
  return pieces.reduce((total, { length }) => total + length, 0);
}

const encoder = new TextEncoder();

function fixed32(real: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(4));
  bytes.setFloat32(0, real, true);
  return new Uint8Array(bytes.buffer);
}

function fixed64(double: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setFloat64(0, double, true);
  return new Uint8Array(bytes.buffer);
}

/** A whole number in groups of seven bits, the lowest first; a negative one as its two's complement of 64 bits. */
function varint(number: number): Uint8Array {
  if (number >= 0 && number < 128) return Uint8Array.of(number);
  const groups: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(number));
  for (; rest > 127n; rest >>= 7n) groups.push(Number(rest & 127n) | 128);
  return Uint8Array.from([...groups, Number(rest)]);
}
