/**
 * Reads the rows of a request as programs write them, `{"instances": [{"age": 30, "job": "smith"}, ...]}`, whose rows have
 * the same names in the same order: to columns at once, without an object for each row or a new text for each word.
 *
 * @returns The values by name, each as `JSON.parse` has it, null where rows have no such name; undefined where the bytes are
 * others, which `JSON.parse` reads or refuses.
 */
export type PlainRows = (bytes: Uint8Array) => readonly (readonly unknown[])[] | undefined;

/** Rows on their way to columns. */
interface Reading {
  /** The names as they stand in the bytes, each with the column of its values. */
  readonly keys: readonly Uint8Array[];
  readonly columns: readonly unknown[][];
  /** The places of the first row's names, in its order. */
  readonly places: number[];
  readonly words: Words;
  readonly long: Long[];
}

/** A number that is long or has an exponent: all of a request are read by `JSON.parse` at once. */
interface Long {
  readonly from: number;
  readonly end: number;
  readonly column: unknown[];
  readonly row: number;
}

/** Short words that came last, each at a hash of its bytes: they come again, as the same texts. */
interface Words {
  /** The bytes of each, from so many times the most bytes of one on. */
  readonly bytes: Uint8Array;
  readonly lengths: Uint8Array;
  readonly texts: string[];
}

/** The number of words that are kept, and the most bytes of one. */
const [slots, longest] = [2 ** 12, 64];

/** Powers of ten, which float64 holds as they are. */
const powers = Array.from({ length: 16 }, (_, power) => Number(`1e${power}`));

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const [begins, ends, nothing] = ['{"instances":', "}]}", "null"].map((text) => encoder.encode(text));
const [space, quote, comma, minus, point] = [0x20, 0x22, 0x2c, 0x2d, 0x2e];
const [zero, colon, openList, backslash, closeList, openRow, closeRow] = [0x30, 0x3a, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d];

/** Returns a reader of rows whose values have these names. */
export function plainRows(names: readonly string[]): PlainRows {
  const keys = names.map((name) => encoder.encode(JSON.stringify(name)));
  const texts = Array<string>(slots).fill("");
  const words: Words = { bytes: new Uint8Array(slots * longest), lengths: new Uint8Array(slots), texts };
  return (bytes) => {
    // Rows that end so end before the bytes do, as no value ends with a bracket: a place beyond them, once read, would make
    // the reading of all others slow.
    const end = bytes.length - ends.length;
    if (end < begins.length || after(bytes, end, ends) === 0) return undefined;
    const start = after(bytes, 0, begins);
    if (start === 0) return undefined;
    let at = spaced(bytes, start);
    if (bytes[at] !== openList) return undefined;
    const reading: Reading = { keys, columns: names.map(() => []), places: [], words, long: [] };
    let count = 0;
    do {
      at = rowAt(bytes, spaced(bytes, at + 1), reading, count === 0);
      if (at === 0) return undefined;
      count++;
    } while (bytes[at] === comma);
    if (at !== end + 1 || !readAll(reading.long, bytes)) return undefined;
    return reading.columns.map((values) => values.length > 0 ? values : Array<unknown>(count).fill(null));
  };
}

/** Reads a row; returns the place after it, or 0 if it is not plain, or has other names than the first one. */
function rowAt(bytes: Uint8Array, from: number, reading: Reading, isFirst: boolean): number {
  if (bytes[from] !== openRow) return 0;
  const { keys, columns, places, words, long } = reading;
  let at = from;
  let nth = 0;
  do {
    at = spaced(bytes, at + 1);
    if (isFirst && !added(places, placeOf(bytes, at, keys, nth)) || nth === places.length) return 0;
    const place = places[nth++];
    at = after(bytes, at, keys[place]);
    if (at === 0 || bytes[at] !== colon) return 0;
    at = spaced(bytes, at + 1);
    at = bytes[at] === quote ? textAt(bytes, at + 1, words, columns[place]) : numberAt(bytes, at, columns[place], long);
    if (at === 0) return 0;
  } while (bytes[at] === comma);
  return bytes[at] === closeRow && nth === places.length ? at + 1 : 0;
}

/** Returns the place of the name that stands somewhere, which most often is the next one; -1 where there is none. */
function placeOf(bytes: Uint8Array, at: number, keys: readonly Uint8Array[], next: number): number {
  if (next < keys.length && after(bytes, at, keys[next]) > 0) return next;
  return keys.findIndex((key) => after(bytes, at, key) > 0);
}

/** Adds a place; returns false if there is none, or it was there. */
function added(places: number[], place: number): boolean {
  return place >= 0 && !places.includes(place) && places.push(place) > 0;
}

/** Returns the place after a text; 0 if another stands there. */
function after(bytes: Uint8Array, at: number, text: Uint8Array): number {
  for (let nth = 0; nth < text.length; nth++) if (bytes[at + nth] !== text[nth]) return 0;
  return at + text.length;
}

/** Returns the place after the one space that Python writes, if it is there. */
function spaced(bytes: Uint8Array, at: number): number {
  return bytes[at] === space ? at + 1 : at;
}

/** Adds the text that begins somewhere to a column; returns the place after its quote, or 0 if it is not plain. */
function textAt(bytes: Uint8Array, from: number, words: Words, column: unknown[]): number {
  let hash = 0;
  let end = from;
  for (; end < bytes.length && bytes[end] !== quote; end++) hash = Math.imul(hash, 31) + bytes[end] | 0;
  const slot = (hash ^ hash >>> 12) & slots - 1;
  const known = slot * longest;
  const length = end - from;
  let same = 0;
  if (words.lengths[slot] === length) {
    while (same < length && words.bytes[known + same] === bytes[from + same]) {
      same++;
    }
  }
  const text = same === length ? words.texts[slot] : newText(bytes, from, end, words, slot);
  if (text === undefined) return 0;
  column.push(text);
  return end + 1;
}

/** Returns the text of some bytes, which is kept if it is short; undefined if JSON writes it otherwise, or it is not UTF-8. */
function newText(bytes: Uint8Array, from: number, end: number, words: Words, slot: number): string | undefined {
  const isShort = end - from <= longest;
  let isPlain = isShort;
  let text: string | undefined = "";
  for (let at = from; at < end; at++) {
    const byte = bytes[at];
    if (byte < space || byte === backslash) return undefined;
    if (byte > 0x7f) isPlain = false;
    // A decoder takes longer to begin than a short word to be made, and a body may have a new one in each row.
    if (isPlain) text += String.fromCharCode(byte);
  }
  if (!isPlain) text = decoded(bytes.subarray(from, end));
  if (!isShort || text === undefined) return text;
  for (let at = from; at < end; at++) words.bytes[slot * longest + at - from] = bytes[at];
  words.lengths[slot] = end - from;
  return words.texts[slot] = text;
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
function numberAt(bytes: Uint8Array, from: number, column: unknown[], long: Long[]): number {
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
  if (whole === 0 || whole + places > 15 || isPartOfNumber(bytes[at])) return otherAt(bytes, from, column, long);
  if (whole > 1 && bytes[start] === zero) return 0;
  if (places > 0) value /= powers[places];
  column.push(start > from ? -value : value);
  return at;
}

/** Adds null, or the place of a number that is long or has an exponent. */
function otherAt(bytes: Uint8Array, from: number, column: unknown[], long: Long[]): number {
  const end = after(bytes, from, nothing);
  if (end > 0) {
    column.push(null);
    return end;
  }
  let at = from;
  while (at < bytes.length && isPartOfNumber(bytes[at])) at++;
  long.push({ from, end: at, column, row: column.push(undefined) - 1 });
  return at;
}

/** Reads long numbers, and puts them in their places; returns false if there is one that JSON has not. */
function readAll(long: readonly Long[], bytes: Uint8Array): boolean {
  if (long.length === 0) return true;
  const list = new Uint8Array(long.reduce((sum, { from, end }) => sum + end - from + 1, 2));
  let length = 0;
  list[length++] = openList;
  for (const { from, end } of long) {
    if (length > 1) list[length++] = comma;
    for (let at = from; at < end; at++) list[length++] = bytes[at];
  }
  list[length++] = closeList;
  try {
    const numbers: readonly number[] = JSON.parse(strict.decode(list.subarray(0, length)));
    for (let nth = 0; nth < long.length; nth++) long[nth].column[long[nth].row] = numbers[nth];
    return long.length === numbers.length;
  } catch {
    return false;
  }
}

/** Returns true for digits, signs, the point and what begins an exponent. */
function isPartOfNumber(byte: number): boolean {
  return byte >= zero && byte <= 0x39 || byte === minus || byte === point || byte === 0x2b || (byte | 0x20) === 0x65;
}
