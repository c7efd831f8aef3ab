/**
 * Returns a record of a TFRecord file: the length of the data as 8 bytes and their check, the data and theirs.
 *
 * Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
 */
export function tfRecord(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(data.length + 16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(crc32c(bytes.subarray(0, 8))), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, masked(crc32c(data)), true);
  return bytes;
}

/** Returns the CRC-32C of bytes (Castagnoli), as RFC 3720 has it in section 12.1. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = table[(crc ^ byte) & 255] ^ crc >>> 8;
  return ~crc >>> 0;
}

/** The remainders of single bytes by the polynomial 0x1edc6f41, its bits reversed. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? byte >>> 1 ^ 0x82f63b78 : byte >>> 1;
  return byte;
});

/** Returns a check as it is stored, so that the check of bytes which hold checks is none of these. */
function masked(crc: number): number {
  return ((crc >>> 15 | crc << 17) + 0xa282ead8) >>> 0;
}
