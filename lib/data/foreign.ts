/** The bytes that a file begins with which is no text of UTF-8 (undefined: any byte), and what it is. */
const marks: readonly (readonly [bytes: readonly (number | undefined)[], what: string])[] = [
  [[0xff, 0xfe], "the text is UTF-16"],
  [[0xfe, 0xff], "the text is UTF-16"],
  [[0x42, 0x5a, 0x68, undefined, 0x31, 0x41], "the file is compressed with bzip2"],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], "the file is compressed with xz"],
  [[0x28, 0xb5, 0x2f, 0xfd], "the file is compressed with zstd"],
  [[0x04, 0x22, 0x4d, 0x18], "the file is compressed with lz4"],
  [[0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], "the file is a 7z archive"],
  [[0x50, 0x4b, 0x03, 0x04], "the file is a zip archive or a spreadsheet"],
  [[0xd0, 0xcf, 0x11, 0xe0], "the file is a spreadsheet"],
  [[0x50, 0x41, 0x52, 0x31, 0x15], "the file is Parquet"],
];

/** The bytes within which a file must end its first line, to be known as one whose lines end in CR alone. */
const enough = 1 << 16;

/**
 * Returns what a file is, by its first bytes, if that cannot be read as lines of UTF-8: of another encoding, compressed,
 * a page, or with lines that end in a carriage return alone; undefined if nothing speaks against it so far.
 *
 * @param last True if these are all bytes of the file.
 * @param named True if the first line is to hold the names of columns: text without one may hold carriage returns.
 */
export function foreign(bytes: Uint8Array, last: boolean, named: boolean): string | undefined {
  const wide = bytes.length >= 2 && (bytes[0] === 0) !== (bytes[1] === 0); // a letter and a zero, without a mark
  const marked = marks.find(([mark]) => mark.every((byte, at) => byte === undefined || bytes[at] === byte));
  const what = wide ? "the text is UTF-16" : marked?.[1];
  if (what !== undefined) return `${what}: wanted UTF-8, plain or compressed with gzip`;
  if (/^\s*<(?:!doctype html|html)\b/i.test(new TextDecoder().decode(bytes.subarray(0, 100)))) {
    return "the file is an HTML page, as servers answer where they have no file: wanted CSV";
  }
  if (named && (last || bytes.length >= enough) && returnsAlone(bytes)) {
    return "the lines end in CR alone: wanted lines that end in LF or CR LF";
  }
  return undefined;
}

/** Returns true if a carriage return stands outside of quotes and before more text, but no newline does. */
function returnsAlone(bytes: Uint8Array): boolean {
  let open = false;
  let found = false;
  for (let at = 0; at < Math.min(bytes.length, enough); at++) {
    if (bytes[at] === 0x22) open = !open;
    if (open) continue;
    if (bytes[at] === 0x0a) return false;
    if (bytes[at] === 0x0d && at + 1 < bytes.length) found = true;
  }
  return found;
}
