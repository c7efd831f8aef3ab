/**
 * Reads the rows of a request as programs write them, `{"instances": [{"age": 30, "job": "smith"}, ...]}`, whose rows have
 * the same names in the same order: to columns at once, without an object for each row or a new text for each word.
 *
 * @returns The values by name, each as `JSON.parse` has it, null where rows have no such name; undefined where the bytes are
 * others, which `JSON.parse` reads or refuses.
 */
export type PlainRows = (bytes: Uint8Array) => readonly (readonly unknown[])[] | undefined;

/** Bytes, to be read one by one and four at a time. */
interface Read {
  readonly bytes: Uint8Array;
  readonly fours: DataView;
}

/** A text to compare bytes with: four at a time, then up to three. */
interface Known {
  readonly length: number;
  readonly fours: Int32Array;
  readonly rest: Uint8Array;
}

/** Rows on their way to columns. */
interface Reading {
  /** The names as they stand in the bytes, each with the column of its values. */
  readonly keys: readonly Known[];
  readonly columns: readonly unknown[][];
  /** The places of the first row's names, in its order. */
  readonly places: number[];
  readonly words: Words;
}

/** Short words that came last, two for each hash of their bytes: they come again, as the same texts. */
interface Words {
  readonly known: Known[];
  readonly texts: string[];
}

/** The number of words that are kept, and the most bytes of one. */
const [slots, longest] = [2 ** 14, 64];

/** Powers of ten, which float64 holds as they are. */
const powers = Array.from({ length: 16 }, (_, power) => Number(`1e${power}`));

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const [begins, ends, nothing] = ['{"instances":', "}]}", "null"].map((text) => knownOf(encoder.encode(text)));
const [space, quote, comma, minus, point] = [0x20, 0x22, 0x2c, 0x2d, 0x2e];
const [zero, colon, openList, backslash, openRow, closeRow] = [0x30, 0x3a, 0x5b, 0x5c, 0x7b, 0x7d];

/** Returns a reader of rows whose values have these names. */
export function plainRows(names: readonly string[]): PlainRows {
  const keys = names.map((name) => knownOf(encoder.encode(JSON.stringify(name))));
  const words: Words = { known: Array(slots).fill(knownOf(new Uint8Array())), texts: Array(slots).fill("") };
  return (bytes) => {
    const read = { bytes, fours: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
    // Looked at first, as no value has these bytes at its end: so nothing is read beyond the last one, which, done once,
    // would make all later reading slow.
    const end = bytes.length - ends.length;
    if (end < begins.length || after(read, end, ends) === 0) return undefined;
    const start = after(read, 0, begins);
    if (start === 0) return undefined;
    let at = spaced(bytes, start);
    if (bytes[at] !== openList) return undefined;
    const reading: Reading = { keys, columns: names.map(() => []), places: [], words };
    let count = 0;
    do {
      at = rowAt(read, spaced(bytes, at + 1), reading, count === 0);
      if (at === 0) return undefined;
      count++;
    } while (bytes[at] === comma);
    if (at !== end + 1) return undefined;
    return reading.columns.map((values) => values.length > 0 ? values : Array<unknown>(count).fill(null));
  };
}

/** Returns bytes to compare with. */
function knownOf(bytes: Uint8Array<ArrayBuffer>): Known {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const fours = Int32Array.from({ length: bytes.length >> 2 }, (_, nth) => view.getInt32(4 * nth, true));
  return { length: bytes.length, fours, rest: bytes.subarray(4 * fours.length) };
}

/** Reads a row; returns the place after it, or 0 if it is not plain, or has other names than the first one. */
function rowAt(read: Read, from: number, { keys, columns, places, words }: Reading, isFirst: boolean): number {
  const { bytes } = read;
  if (bytes[from] !== openRow) return 0;
  let at = from;
  let nth = 0;
  do {
    at = spaced(bytes, at + 1);
    if (isFirst && !added(places, placeOf(read, at, keys, nth)) || nth === places.length) return 0;
    const place = places[nth++];
    at = after(read, at, keys[place]);
    if (at === 0 || bytes[at] !== colon) return 0;
    at = spaced(bytes, at + 1);
    at = bytes[at] === quote ? textAt(read, at + 1, words, columns[place]) : numberAt(read, at, columns[place]);
    if (at === 0) return 0;
  } while (bytes[at] === comma);
  return bytes[at] === closeRow && nth === places.length ? at + 1 : 0;
}

/** Returns the place of the name that stands somewhere, which most often is the next one; -1 where there is none. */
function placeOf(read: Read, at: number, keys: readonly Known[], next: number): number {
  if (next < keys.length && after(read, at, keys[next]) > 0) return next;
  return keys.findIndex((key) => after(read, at, key) > 0);
}

/** Adds a place; returns false if there is none, or it was there. */
function added(places: number[], place: number): boolean {
  return place >= 0 && !places.includes(place) && places.push(place) > 0;
}

/** Returns the place after a text; 0 if another stands there. */
function after(read: Read, at: number, { length, fours, rest }: Known): number {
  if (at + length > read.bytes.length) return 0;
  let here = at;
  for (let nth = 0; nth < fours.length; nth++, here += 4) if (read.fours.getInt32(here, true) !== fours[nth]) return 0;
  for (let nth = 0; nth < rest.length; nth++, here++) if (read.bytes[here] !== rest[nth]) return 0;
  return here;
}

/** Returns the place after the one space that Python writes, if it is there. */
function spaced(bytes: Uint8Array, at: number): number {
  return bytes[at] === space ? at + 1 : at;
}

/** Adds the text that begins somewhere to a column; returns the place after its quote, or 0 if it is not plain. */
function textAt(read: Read, from: number, words: Words, column: unknown[]): number {
  const { bytes, fours } = read;
  let hash = 0;
  let end = from;
  for (; end + 4 <= bytes.length; end += 4) {
    const four = fours.getInt32(end, true);
    const less = four ^ 0x22222222; // a byte of it is 0 where there is a quote
    if ((less - 0x01010101 & ~less & 0x80808080) !== 0) break;
    hash = mixed(hash ^ four);
  }
  for (; end < bytes.length && bytes[end] !== quote; end++) hash = mixed(hash ^ bytes[end]);
  const slot = hash & slots - 2;
  const text = knownAt(read, from, end, words, slot) ?? knownAt(read, from, end, words, slot + 1) ??
    newText(bytes.slice(from, end), words, slot);
  if (text === undefined) return 0;
  column.push(text);
  return end + 1;
}

/** Returns a number whose bits all depend on those of another. */
function mixed(number: number): number {
  const product = Math.imul(number, 0x9e3779b1);
  return product ^ product >>> 15;
}

/** Returns the text of a slot if its bytes stand somewhere. */
function knownAt(read: Read, from: number, end: number, { known, texts }: Words, slot: number): string | undefined {
  return known[slot].length === end - from && after(read, from, known[slot]) > 0 ? texts[slot] : undefined;
}

/** Returns the text of bytes, which is kept if it is short; undefined if JSON writes it otherwise, or it is not UTF-8. */
function newText(bytes: Uint8Array<ArrayBuffer>, { known, texts }: Words, slot: number): string | undefined {
  if (bytes.some((byte) => byte < space || byte === backslash)) return undefined;
  try {
    const text = strict.decode(bytes);
    if (bytes.length <= longest) {
      [known[slot + 1], texts[slot + 1]] = [known[slot], texts[slot]]; // the one before stays
      [known[slot], texts[slot]] = [knownOf(bytes), text];
    }
    return text;
  } catch {
    return undefined;
  }
}

/** Adds the number, or null, that begins somewhere to a column; returns the place after it, or 0 where there is none. */
function numberAt(read: Read, from: number, column: unknown[]): number {
  const { bytes } = read;
  const start = bytes[from] === minus ? from + 1 : from;
  let at = start;
  let value = 0;
  let digit = 0;
  for (; (digit = bytes[at] - zero) >= 0 && digit <= 9; at++) value = 10 * value + digit;
  const whole = at - start;
  let places = 0;
  if (bytes[at] === point) {
    const first = ++at;
    for (; (digit = bytes[at] - zero) >= 0 && digit <= 9; at++) value = 10 * value + digit;
    places = at - first;
    if (places === 0) return 0;
  }
  // Fifteen digits and a power of ten are exact, so that their quotient is rounded once, as the decimal number is.
  if (whole === 0 || whole + places > 15 || isPartOfNumber(bytes[at])) return otherAt(read, from, column);
  if (whole > 1 && bytes[start] === zero) return 0;
  if (places > 0) value /= powers[places];
  column.push(start > from ? -value : value);
  return at;
}

/** Adds null, or a number that is long or has an exponent; returns the place after it, or 0 where there is none. */
function otherAt(read: Read, from: number, column: unknown[]): number {
  const { bytes } = read;
  const end = after(read, from, nothing);
  if (end > 0) {
    column.push(null);
    return end;
  }
  let at = from;
  while (at < bytes.length && isPartOfNumber(bytes[at])) at++;
  try {
    column.push(JSON.parse(String.fromCharCode(...bytes.subarray(from, at))));
    return at;
  } catch {
    return 0;
  }
}

/** Returns true for digits, signs, the point and what begins an exponent. */
function isPartOfNumber(byte: number): boolean {
  return byte >= zero && byte <= 0x39 || byte === minus || byte === point || byte === 0x2b || (byte | 0x20) === 0x65;
}
