import { quoted } from "../errors/quoted.ts";

/** A place in a JSON text, and the file that the text starts at byte 8 of. */
export interface Cursor {
  /** The text. */
  readonly text: string;
  /** The file's name, for errors. */
  readonly file: string;
  /** The place. */
  at: number;
  /** The name of the tensor that is being read, for errors. */
  within?: string;
}

/** Reads an object, each name once and each value by a callback. */
export function members(cursor: Cursor, member: (name: string) => void): void {
  const names = new Set<string>();
  take(cursor, "{");
  for (let more = !taken(cursor, "}"); more; more = next(cursor, "}")) {
    space(cursor);
    const start = cursor.at;
    const name = text(cursor);
    const refused = () => `${place({ ...cursor, at: start })}: the name ${quoted(name)}`;
    if (name === "__proto__") throw new TypeError(`${refused()} is not allowed`);
    if (names.has(name)) throw new SyntaxError(`${refused()} stands there twice`);
    names.add(name);
    take(cursor, ":");
    member(name);
  }
}

/** Reads an object of texts. */
export function texts(cursor: Cursor): [string, string][] {
  const pairs: [string, string][] = [];
  members(cursor, (name) => pairs.push([name, text(cursor)]));
  return pairs;
}

/** Passes a word if it stands there, and returns whether it did. */
export function word(cursor: Cursor, wanted: string): boolean {
  space(cursor);
  const yes = cursor.text.startsWith(wanted, cursor.at);
  if (yes) cursor.at += wanted.length;
  return yes;
}

/** Reads a list of whole numbers from 0, of no more than so many. */
export function integers(cursor: Cursor, most: number): number[] {
  const list: number[] = [];
  take(cursor, "[");
  for (let more = !taken(cursor, "]"); more; more = next(cursor, "]")) {
    space(cursor);
    const start = cursor.at;
    while (cursor.at < cursor.text.length && /[-+.\dA-Za-z]/.test(cursor.text[cursor.at])) cursor.at++;
    const number = cursor.text.slice(start, cursor.at);
    if (!/^(0|[1-9]\d{0,15})$/.test(number) || !Number.isSafeInteger(Number(number))) {
      cursor.at = start;
      stop(cursor, `found ${found(cursor)}, wanted a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`);
    }
    if (list.push(Number(number)) > most) stop(cursor, `found more than ${most} numbers in a list`);
  }
  return list;
}

/** Reads a text in quotes. */
export function text(cursor: Cursor): string {
  space(cursor);
  const start = cursor.at;
  take(cursor, '"');
  while (cursor.at < cursor.text.length && cursor.text[cursor.at] !== '"') {
    cursor.at += cursor.text[cursor.at] === "\\" ? 2 : 1;
  }
  const token = cursor.text.slice(start, ++cursor.at);
  try {
    const text: string = JSON.parse(token);
    if (text.isWellFormed()) return text;
  } catch {
    // refused below
  }
  cursor.at = start;
  stop(cursor, `found ${found(cursor)}, wanted a text in quotes`);
}

function next(cursor: Cursor, end: string): boolean {
  if (taken(cursor, end)) return false;
  if (!taken(cursor, ",")) stop(cursor, `found ${found(cursor)}, wanted "," or "${end}"`);
  return true;
}

function take(cursor: Cursor, symbol: string): void {
  if (!taken(cursor, symbol)) {
    stop(cursor, `found ${found(cursor)}, wanted ${symbol === '"' ? "a text" : `"${symbol}"`}`);
  }
}

function taken(cursor: Cursor, symbol: string): boolean {
  space(cursor);
  const yes = cursor.text[cursor.at] === symbol;
  if (yes) cursor.at++;
  return yes;
}

/** Passes white space. */
export function space(cursor: Cursor): void {
  while (cursor.at < cursor.text.length && " \n\r\t".includes(cursor.text[cursor.at])) cursor.at++;
}

/** Refuses what stands at a place. */
export function stop(cursor: Cursor, message: string): never {
  throw new SyntaxError(`${place(cursor)}: ${message}`);
}

/** The first words of an error at a place. */
export function place({ text, file, at, within }: Cursor): string {
  const byte = 8 + new TextEncoder().encode(text.slice(0, at)).length;
  return `Cannot read ${file}\n  at byte ${byte}${within === undefined ? "" : `, ${quoted(within)}`}`;
}

/** The text that follows a place, as errors show it. */
export function found({ text, at }: Cursor): string {
  return at < text.length ? quoted(text.slice(at, at + 16)) : "the header's end";
}

/** A list as errors show it. */
export function brief(list: string): string {
  return list.length > 100 ? `${list.slice(0, 100)}…` : list;
}
