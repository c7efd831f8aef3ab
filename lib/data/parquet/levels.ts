/** Numbers of few bits each. */
export type Packed = Uint8Array | Int32Array;

/**
 * Fills an array with numbers of a width in bits, which runs of one number and packed ones follow each other: Parquet's
 * RLE / bit-packing hybrid. Nothing is written beyond the array, whatever damaged bytes say.
 *
 * @param bytes The bytes, from the first run on.
 * @param width The bits of a number, from 0 to 32.
 * @throws {RangeError} if there are too few bytes.
 */
export function unpack(bytes: Uint8Array, width: number, output: Packed): void {
  if (width > 32) throw new RangeError(`found numbers of ${width} bits, wanted at most 32`);
  const most = output.length;
  let at = 0;
  for (let filled = 0; filled < most;) {
    let header = 0;
    for (let shift = 0, byte = 0x80; byte & 0x80; shift += 7) {
      if (at >= bytes.length || shift > 28) throw new RangeError("a run of levels or codes is cut short");
      byte = bytes[at++];
      header += (byte & 0x7f) * 2 ** shift;
    }
    if (header % 2 === 1) {
      const count = Math.min(Math.floor(header / 2) * 8, most - filled);
      if (at + Math.ceil(count * width / 8) > bytes.length) {
        throw new RangeError("packed levels or codes are cut short");
      }
      for (let from = 0; from < count; from += atOnce) {
        const some = output.subarray(filled + from, filled + Math.min(from + atOnce, count));
        (width > 24 ? unpackWide : unpackNarrow)(bytes, at + from / 8 * width, width, some);
      }
      filled += count;
      at += Math.floor(header / 2) * width;
    } else {
      const count = Math.min(header / 2, most - filled);
      const end = at + Math.ceil(width / 8);
      if (end > bytes.length) throw new RangeError("a run of levels or codes is cut short");
      let value = 0;
      for (let shift = 0; at < end; shift += 8) value |= bytes[at++] << shift;
      output.fill(value, filled, filled + count);
      filled += count;
    }
  }
}

/** The packed numbers that are read at once, whole bytes of them, so that places of bits stay small numbers. */
const atOnce = 2 ** 20;

/** Reads packed numbers of at most 24 bits, the lowest bits first: each is in the four bytes from that of its first bit on. */
function unpackNarrow(bytes: Uint8Array, at: number, width: number, output: Packed): void {
  const mask = (1 << width) - 1;
  const whole = Math.max(
    0,
    Math.min(output.length, Math.floor((8 * (bytes.length - at - 3) - 7) / Math.max(width, 1))),
  );
  for (let place = 0, bit = 0; place < whole; place++, bit += width) {
    const first = at + (bit >>> 3);
    const held = bytes[first] | bytes[first + 1] << 8 | bytes[first + 2] << 16 | bytes[first + 3] << 24;
    output[place] = held >>> (bit & 7) & mask;
  }
  for (let place = whole, bit = whole * width; place < output.length; place++, bit += width) {
    let held = 0;
    for (let byte = 0; byte < 4; byte++) held |= (bytes[at + (bit >>> 3) + byte] ?? 0) << 8 * byte; // the last ones
    output[place] = held >>> (bit & 7) & mask;
  }
}

/** Reads packed numbers of more bits. */
function unpackWide(bytes: Uint8Array, at: number, width: number, output: Packed): void {
  const size = 2 ** width;
  let held = 0, bits = 0;
  for (let place = 0; place < output.length; place++) {
    while (bits < width) {
      held += bytes[at++] * 2 ** bits;
      bits += 8;
    }
    output[place] = held % size;
    held = Math.floor(held / size);
    bits -= width;
  }
}
