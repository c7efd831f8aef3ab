/** A field of a protobuf message: its number, and its whole number or its bytes. */
export interface Read {
  readonly field: number;
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** The fields of a protobuf message, read back as the format says. */
export function fieldsOf(bytes: Uint8Array): Read[] {
  const found: Read[] = [];
  let at = 0;
  const varint = () => {
    for (let value = 0n, shift = 0n;; shift += 7n) {
      value |= BigInt(bytes[at] & 127) << shift;
      if (bytes[at++] < 128) return Number(BigInt.asIntN(64, value));
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const number = varint();
    const length = (key & 7) === 2 ? number : 0;
    found.push({ field: key >> 3, number, bytes: bytes.subarray(at, at += length) });
  }
  return found;
}
