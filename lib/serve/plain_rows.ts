/**
 * Reads the rows of a request as programs write them, `{"instances": [{"age": 30, "job": "smith"}, ...]}`, whose rows have
 * the same names in the same order: to columns at once, without an object for each row or a new text for each word.
 *
 * @returns The values by name, each as `JSON.parse` has it, null where rows have no such name; undefined where the bytes are
 * others, which `JSON.parse` reads or refuses.
 */
export type PlainRows = (bytes: Uint8Array) => readonly (readonly unknown[])[] | undefined;

/** The bytes of a request, to be read one by one and four at a time. */
interface Read {
  readonly bytes: Uint8Array;
  readonly fours: DataView;
  /** Returns the text of some bytes, a character each. */
  readonly text: (from: number, end: number) => string;
}

/** Bytes to compare with, four in a number, of which the last one has fewer, then zeros. */
interface Known {
  readonly length: number;
  readonly fours: Int32Array;
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
  /** The bytes of each, `longest` for a word. */
  readonly fours: Int32Array;
  readonly lengths: Uint8Array;
  readonly texts: string[];
  /** Of two places for a word, the one that the next new word takes. */
  readonly next: { place: 0 | 1 };
}

/** The number of words that are kept, and the most bytes of one. */
const [slots, longest] = [2 ** 13, 48];

/** Powers of ten, which float64 holds as they are. */
const powers = Array.from({ length: 16 }, (_, power) => Number(`1e${power}`));

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const oneByOne = new TextDecoder("latin1");
const [begins, nothing] = ['{"instances":', "null"].map((text) => knownOf(text));
const [space, quote, comma, minus, point, zero] = [0x20, 0x22, 0x2c, 0x2d, 0x2e, 0x30];
const [colon, openList, backslash, closeList, openRow, closeRow] = [0x3a, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d];

/** Returns a reader of rows whose values have these names. */
export function plainRows(names: readonly string[]): PlainRows {
  const keys = names.map((name) => knownOf(JSON.stringify(name)));
  const words: Words = {
    fours: new Int32Array(slots * longest / 4),
    lengths: new Uint8Array(slots),
    texts: Array(slots).fill(""),
    next: { place: 0 },
  };
  return (bytes) => {
    // Looked at first, as no value has these bytes at its end: so nothing is read beyond the last one, which, done once,
    // would make all later reading slow.
    const end = bytes.length - 3;
    if (end < begins.length) return undefined;
    if (bytes[end] !== closeRow || bytes[end + 1] !== closeList || bytes[end + 2] !== closeRow) return undefined;
    const read = readOf(bytes);
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

/** Returns bytes to read. */
function readOf(bytes: Uint8Array): Read {
  let all: string | undefined; // made once, for the first that needs it
  return {
    bytes,
    fours: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
    text: (from, end) => (all ??= oneByOne.decode(bytes)).slice(from, end),
  };
}

/** Returns a text to compare bytes with. */
function knownOf(text: string): Known {
  const bytes = encoder.encode(text);
  const fours = new Int32Array(Math.ceil(bytes.length / 4));
  bytes.forEach((byte, at) => fours[at >> 2] |= byte << 8 * (at & 3));
  return { length: bytes.length, fours };
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

/** Returns the place after a text; 0 if another stands there, or fewer than four bytes follow it. */
function after({ bytes, fours }: Read, at: number, known: Known): number {
  if (at + known.length + 4 > bytes.length) return 0;
  return isAt(fours, at, known.fours, 0, known.length) ? at + known.length : 0;
}

/** Returns true if known bytes stand somewhere, of which four more can be read than there are. */
function isAt(fours: DataView, from: number, known: Int32Array, first: number, length: number): boolean {
  let at = first;
  let left = length;
  for (let here = from; left >= 4; here += 4, left -= 4) if (fours.getInt32(here, true) !== known[at++]) return false;
  return left === 0 || firstOf(fours.getInt32(from + length - left, true), left) === known[at];
}

/** Returns the first bytes of four, then zeros. */
function firstOf(four: number, bytes: number): number {
  return four & (1 << 8 * bytes) - 1;
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
  while (true) {
    if (end + 4 > bytes.length) return 0;
    const four = fours.getInt32(end, true);
    const quotes = zerosOf(four ^ 0x22222222);
    if (quotes === 0) {
      hash = mixed(hash ^ four);
      end += 4;
      continue;
    }
    const left = 31 - Math.clz32(quotes & -quotes) >> 3; // the bytes before the first quote
    hash = mixed(hash ^ firstOf(four, left));
    end += left;
    break;
  }
  const [length, slot] = [end - from, hash & slots - 2];
  let text: string | undefined;
  for (let place = slot; place < slot + 2; place++) {
    if (words.lengths[place] !== length || !isAt(fours, from, words.fours, place * longest / 4, length)) continue;
    text = words.texts[place];
    break;
  }
  text ??= newText(read, from, end, words, slot);
  if (text === undefined) return 0;
  column.push(text);
  return end + 1;
}

/** Returns a number whose highest bits of bytes are set from the first byte of four on that is 0; 0 if there is none. */
function zerosOf(four: number): number {
  return four - 0x01010101 & ~four & 0x80808080;
}

/** Returns a number whose bits all depend on those of another. */
function mixed(number: number): number {
  const product = Math.imul(number, 0x9e3779b1);
  return product ^ product >>> 15;
}

/** Returns the text of bytes, which is kept if it is short; undefined if JSON writes it otherwise, or it is not UTF-8. */
function newText(read: Read, from: number, end: number, words: Words, slot: number): string | undefined {
  const { bytes } = read;
  const isShort = end - from <= longest;
  let isAscii = true;
  let text: string | undefined = "";
  for (let at = from; at < end; at++) {
    const byte = bytes[at];
    if (byte < space || byte === backslash) return undefined;
    if (byte > 0x7f) isAscii = false;
    // A decoder takes longer to begin than a short word to be made, and a part of the whole text would keep all of it.
    if (isShort && isAscii) text += String.fromCharCode(byte);
  }
  if (!isShort) return isAscii ? read.text(from, end) : decoded(bytes.subarray(from, end));
  if (!isAscii) text = decoded(bytes.subarray(from, end));
  if (text !== undefined) keep(read.fours, from, end - from, text, words, slot);
  return text;
}

/** Keeps a word. */
function keep(fours: DataView, from: number, length: number, text: string, words: Words, slot: number): void {
  const place = slot + words.next.place;
  words.next.place ^= 1;
  words.lengths[place] = length;
  words.texts[place] = text;
  for (let at = 0, to = place * longest / 4; at < length; at += 4, to++) {
    const four = fours.getInt32(from + at, true);
    words.fours[to] = length - at < 4 ? firstOf(four, length - at) : four;
  }
}

/** Returns the text of bytes; undefined if they are not UTF-8. */
function decoded(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
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
  const end = after(read, from, nothing);
  if (end > 0) {
    column.push(null);
    return end;
  }
  let at = from;
  while (at < read.bytes.length && isPartOfNumber(read.bytes[at])) at++;
  try {
    column.push(JSON.parse(read.text(from, at)));
    return at;
  } catch {
    return 0;
  }
}

/** Returns true for digits, signs, the point and what begins an exponent. */
function isPartOfNumber(byte: number): boolean {
  return byte >= zero && byte <= 0x39 || byte === minus || byte === point || byte === 0x2b || (byte | 0x20) === 0x65;
}
