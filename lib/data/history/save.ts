import { isRecord, kindOf } from "../../errors/kinds.ts";
import { quoted } from "../../errors/quoted.ts";
import { writeFolder } from "../../files/atomic.ts";
import { type ByteReader, type Contents, type Folder, folderOf } from "../../files/folder.ts";
import { checkPath } from "../../files/place.ts";
import { room } from "../../files/room.ts";
import { system, unreachable } from "../../files/runtime.ts";
import { type Sha256, sha256, sha256Of } from "../../files/sha256.ts";
import { dataStart, type Entry, headerBytes, longestHeader, parseHeader } from "../../formats/safetensors_header.ts";
import { checkState, type HistoryState } from "./state.ts";

/**
 * Saves a state as a folder of two files: `history.json`, its features, options, rows and time, which names
 * `history-DIGEST.safetensors`, its numbers (`F64`, `I32`) and words (`U8`), and that file's SHA-256 beside its own.
 *
 * An older state there is replaced, anything else is left alone. At every moment {@linkcode loadHistory} finds the old state
 * or the new one, whole.
 *
 * @param state The state, as `over` or `after` of a history returns it.
 * @param path The folder; the folders above it are made. Needs the permissions to read and write there.
 * @throws {TypeError} if it is not a state.
 * @throws {RangeError} if a text is not well-formed Unicode.
 * @throws {Deno.errors.AlreadyExists} if the folder holds anything but a state.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { count, history, historyOf, loadHistory, saveHistory } from "@gatehouse/gatehouse/history";
 *
 * const column = (...values: number[]) => ({ kind: "number", values: Float64Array.from(values) }) as const;
 * const past = history({ seen: count({ by: "user" }) }, { time: "time" });
 * const { state } = past.over({ count: 2, columns: { time: column(1, 2), user: column(7, 7) } });
 * await saveHistory(state, "out/history");
 *
 * const loaded = await loadHistory("out/history");
 * const asked = historyOf(loaded).at(loaded, { count: 2, columns: { time: column(3, 3), user: column(7, 8) } });
 * assertEquals(asked.columns.seen, column(2, 0));
 * await Deno.remove("out/history", { recursive: true });
 * ```
 */
export async function saveHistory(state: HistoryState, path: string): Promise<void> {
  const action = "save history";
  checkState(action, state);
  checkPath(path, action);
  if (system() === undefined) throw new Error(`Cannot ${action}\n  at ${path}: ${unreachable}`);
  const pieces = [...piecesOf(state)];
  const digest = sha256(pieces);
  const file = `history-${digest.slice(0, 16)}.safetensors`;
  const { form, rows, time } = state;
  const about = { gatehouse: "history", version: 1, history: JSON.parse(form) };
  const known = { ...about, rows, time: finite(time), file, sha256: digest };
  const text = JSON.stringify({ ...known, own: ownDigest(known) }, undefined, 2);
  await writeFolder(path, { [file]: () => pieces, [stateFile]: `${text}\n` }, {
    owns: [stateFile, /^history-[0-9a-f]{16}\.safetensors$/],
    mark: { file: stateFile, text: '"gatehouse"' },
    action,
    advice: "the state is unchanged: saveHistory(state, path) with another path saves it",
  });
}

const stateFile = "history.json";

/** Returns a SHA-256 of the numbers and words of a state. */
export function digestOf(state: HistoryState): string {
  return sha256(piecesOf(state));
}

/** Returns a SHA-256 of what `history.json` holds beside it, whatever its spaces. */
function ownDigest(known: object): string {
  return sha256(JSON.stringify(known));
}

/** Returns a time as JSON has it, null before the first row. */
function finite(time: number): number | null {
  return Number.isFinite(time) ? time : null;
}

/** An array of the file. */
interface Stored {
  readonly name: string;
  readonly dtype: keyof typeof types;
  readonly array: Uint8Array | Int32Array | Float64Array;
}

const types = { F64: Float64Array, I32: Int32Array, U8: Uint8Array } as const;

/** Yields the bytes of a state's arrays and words, as a safetensors file. */
function* piecesOf({ arrays, words }: HistoryState): Generator<Uint8Array> {
  const named = Object.entries(arrays).map(([name, array]): Stored => {
    return { name, dtype: array instanceof Float64Array ? "F64" : "I32", array };
  });
  const all = [...named, ...Object.entries(words).flatMap(([name, list]) => storedWords(name, list))];
  const ranks = { F64: 0, I32: 1, U8: 2 }; // so that all are aligned
  all.sort((a, b) => ranks[a.dtype] - ranks[b.dtype]);
  let length = 0;
  const fields = all.map(({ name, dtype, array }) => {
    const entry = { dtype, shape: [array.length], data_offsets: [length, length += array.byteLength] };
    return `${JSON.stringify(name)}:${JSON.stringify(entry)}`;
  });
  yield headerBytes(fields);
  for (const { array } of all) yield new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Returns words as two arrays: their UTF-8 bytes, one word after the other, and the position after each word's last. */
function storedWords(name: string, words: readonly string[]): Stored[] {
  const ends = new Float64Array(words.length);
  const encoder = new TextEncoder();
  let bytes = new Uint8Array(8 * words.length);
  let at = 0;
  for (const [place, word] of words.entries()) {
    if (!word.isWellFormed()) {
      throw new RangeError(`Cannot save history\n  at ${name}: ${quoted(word)} is not well-formed Unicode`);
    }
    bytes = room(bytes, at + 3 * word.length);
    at += encoder.encodeInto(word, bytes.subarray(at)).written;
    ends[place] = at;
  }
  return [
    { name: `${name}/ends`, dtype: "F64", array: ends },
    { name: `${name}/bytes`, dtype: "U8", array: bytes.subarray(0, at) },
  ];
}

/**
 * Returns a state that was saved.
 *
 * @param from The folder by its path or `file:` URL, which needs the permission to read it, by the `http:` or `https:` URL
 * at which it is served, or its files by name, as texts, bytes, Blobs or Responses.
 * @throws {SyntaxError | TypeError | RangeError} naming the file, if one is not of a state, or is damaged.
 * @throws {Deno.errors.NotFound} if the folder or a file is missing.
 *
 * @example
 * ```ts ignore
 * const state = await loadHistory("./history");
 * const table = historyOf(state).at(state, candidates);
 * ```
 */
export async function loadHistory(from: string | URL | Contents): Promise<HistoryState> {
  const folder = folderOf(from, [stateFile], loading);
  for (let attempt = 1;; attempt++) {
    const before = await folder.version([stateFile]);
    try {
      return await readState(folder);
    } catch (error) {
      if (attempt === mostAttempts || await folder.version([stateFile]) === before) throw error; // it was not replaced
    }
  }
}

const loading = "load history";

/** The times that a state is read which other programs replace each time. */
const mostAttempts = 100;

async function readState(folder: Folder): Promise<HistoryState> {
  const name = folder.nameOf(stateFile);
  const text = new TextDecoder().decode(await folder.read(stateFile, 2 ** 24));
  const { history, rows, time, file, sha256 } = parsed(text, name);
  const hash = sha256Of();
  const { arrays, bytes } = await folder.open(file, (reader) => readArrays(reader, hash, folder.nameOf(file)));
  const found = hash.digest();
  if (found !== sha256) {
    throw new RangeError(
      `Cannot ${loading}\n  at ${folder.nameOf(file)}: found SHA-256 ${found}, wanted ${sha256} as in ${name}`,
    );
  }
  const words = [...bytes].map(([list, some]) => {
    const ends = arrays.get(`${list}/ends`);
    arrays.delete(`${list}/ends`);
    return [list, wordsIn(some, ends, `${folder.nameOf(file)}, ${list}`)] as const;
  });
  const state = {
    form: JSON.stringify(history),
    rows,
    time: time ?? NaN,
    arrays: Object.freeze(Object.fromEntries(arrays)),
    words: Object.freeze(Object.fromEntries(words)),
  };
  return Object.freeze(state);
}

/** The contents of the file of a state. */
interface Parsed {
  readonly history: object;
  readonly rows: number;
  readonly time: number | null;
  readonly file: string;
  readonly sha256: string;
}

function parsed(text: string, name: string): Parsed {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    throw new SyntaxError(`Cannot ${loading}\n  at ${name}: the file is not JSON`);
  }
  const wrong = (what: string) => new TypeError(`Cannot ${loading}\n  at ${name}: ${what}`);
  if (!isRecord(found) || found.gatehouse !== "history") throw wrong(`wanted a state, as saveHistory() writes it`);
  if (found.version !== 1) throw wrong(`found version ${kindOf(found.version)}, wanted 1`);
  const { own, ...known } = found;
  const digest = ownDigest(known);
  if (own !== undefined && own !== digest) { // files of older versions have none
    throw new RangeError(
      `Cannot ${loading}\n  at ${name}: found SHA-256 ${digest}, wanted ${kindOf(own)} as it states`,
    );
  }
  const { history, rows, time, file, sha256 } = known;
  const right = isRecord(history) && Number.isSafeInteger(rows) && (time === null || Number.isFinite(time)) &&
    typeof file === "string" && /^history-[0-9a-f]{16}\.safetensors$/.test(file) && typeof sha256 === "string";
  if (right) return { history, rows: rows as number, time: time as number | null, file, sha256 };
  throw wrong(`wanted history, rows, time, file and sha256`);
}

/** Arrays of numbers, and bytes of words. */
interface Arrays {
  readonly arrays: Map<string, Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>>;
  readonly bytes: Map<string, Uint8Array>;
}

async function readArrays(reader: ByteReader, hash: Sha256, name: string): Promise<Arrays> {
  const next = async (bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> => {
    const filled = await reader.fill(bytes);
    hash.update(filled);
    return filled;
  };
  const start = await next(new Uint8Array(8));
  const rest = await next(new Uint8Array(Math.min(dataStart(start) - 8, reader.size ?? longestHeader)));
  const header = new Uint8Array(start.length + rest.length);
  header.set(start);
  header.set(rest, start.length);
  const { entries } = parseHeader(header, name, reader.size ?? Infinity);
  const [arrays, bytes]: [Arrays["arrays"], Arrays["bytes"]] = [new Map(), new Map()];
  for (const entry of entries) {
    const array = arrayFor(entry, name);
    const filled = await next(new Uint8Array(array.buffer));
    if (filled.length < array.byteLength) {
      throw new RangeError(`Cannot ${loading}\n  at ${name}: the file ends within ${quoted(entry.name)}`);
    }
    if (array instanceof Uint8Array) bytes.set(entry.name.replace(/\/bytes$/, ""), array);
    else arrays.set(entry.name, array);
  }
  if ((await next(new Uint8Array(1))).length === 0) return { arrays, bytes };
  throw new RangeError(`Cannot ${loading}\n  at ${name}: bytes at the end belong to no array`);
}

function arrayFor({ name, dtype, shape }: Entry, file: string) {
  if (Object.hasOwn(types, dtype) && shape.length === 1) return new types[dtype as keyof typeof types](shape[0]);
  const found = `found ${dtype} with ${shape.length} axes`;
  throw new TypeError(`Cannot ${loading}\n  at ${file}, ${quoted(name)}: ${found}, wanted F64, I32 or U8 with one`);
}

/** Returns the words of bytes, of which each ends at a position. */
function wordsIn(bytes: Uint8Array, ends: Float64Array | Int32Array | undefined, where: string): readonly string[] {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let from = 0;
  return Object.freeze(Array.from(ends ?? [NaN], (end) => {
    if (!(end >= from && end <= bytes.length)) {
      throw new RangeError(`Cannot ${loading}\n  at ${where}: the ends of words are not in order`);
    }
    const word = decoder.decode(bytes.subarray(from, end));
    from = end;
    return word;
  }));
}
