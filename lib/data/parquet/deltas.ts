/** Whole numbers, and the position behind their bytes. */
export interface Deltas {
  /** The numbers: each 32 bits, or two halves of 64 bits, the lower one first. */
  readonly halves: Int32Array<ArrayBuffer>;
  /** The position behind them. */
  readonly end: number;
}

/**
 * Reads whole numbers of which differences are stored: Parquet's DELTA_BINARY_PACKED. All are computed in 64 bits, as some
 * writers store unsigned numbers of 32 bits, and wrap around.
 *
 * @param bytes The bytes.
 * @param start The position of the first.
 * @param count The number of numbers, at least 1.
 * @param wide True if all 64 bits are returned.
 * @throws {RangeError} if there are too few bytes, or a length is out of range.
 */
export function deltas(bytes: Uint8Array, start: number, count: number, wide: boolean): Deltas {
  const reader = { bytes, at: start };
  const [block, parts] = [Number(varint(reader)), Number(varint(reader))];
  const each = block / parts;
  if (!(block > 0 && block <= 2 ** 20 && parts > 0 && each % 32 === 0)) {
    throw new RangeError("blocks have a wrong size");
  }
  varint(reader); // the number of all, which the page's header has too
  const halves = new Int32Array(wide ? 2 * count : count);
  let [low, high] = halvesOf(zigzag(reader));
  let done = 0;
  const put = () => {
    halves[wide ? 2 * done : done] = low;
    if (wide) halves[2 * done + 1] = high;
    done++;
  };
  put();
  while (done < count) {
    const [leastLow, leastHigh] = halvesOf(zigzag(reader));
    const widths = bytes.subarray(reader.at, reader.at + parts);
    reader.at += parts;
    if (widths.length < parts) throw new RangeError("differences are cut short");
    for (let part = 0; part < parts && done < count; part++) {
      const width = widths[part];
      const end = reader.at + each * width / 8;
      if (width > 64 || end > bytes.length) throw new RangeError("differences are cut short");
      for (let item = 0, bit = 8 * reader.at; item < each && done < count; item++, bit += width) {
        const own = bitsAt(bytes, bit, width);
        const sum = (low >>> 0) + (leastLow >>> 0) + (own.low >>> 0);
        low = sum | 0;
        high = high + leastHigh + own.high + Math.floor(sum / 2 ** 32) | 0;
        put();
      }
      reader.at = end;
    }
  }
  return { halves, end: reader.at };
}

/** Returns up to 64 bits as two halves. */
function bitsAt(bytes: Uint8Array, bit: number, width: number): { readonly low: number; readonly high: number } {
  let low = 0, high = 0;
  for (let taken = 0; taken < width;) {
    const shift = bit + taken & 7;
    const some = Math.min(8 - shift, width - taken);
    const piece = bytes[Math.floor((bit + taken) / 8)] >> shift & (1 << some) - 1;
    if (taken < 32) {
      low |= piece << taken;
      if (taken + some > 32) high |= piece >> 32 - taken;
    } else high |= piece << taken - 32;
    taken += some;
  }
  return { low, high };
}

type Reader = { readonly bytes: Uint8Array; at: number };

function varint(reader: Reader): bigint {
  let value = 0n;
  for (let shift = 0n, byte = 0x80; byte & 0x80; shift += 7n) {
    if (reader.at >= reader.bytes.length || shift > 63n) throw new RangeError("a number is cut short");
    byte = reader.bytes[reader.at++];
    value |= BigInt(byte & 0x7f) << shift;
  }
  return value;
}

function zigzag(reader: Reader): bigint {
  const value = varint(reader);
  return value >> 1n ^ -(value & 1n);
}

function halvesOf(value: bigint): readonly [low: number, high: number] {
  return [Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n))];
}
