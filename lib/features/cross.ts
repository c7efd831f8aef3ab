import { murmur } from "../data/murmur.ts";
import { type Form, list, object, text, word } from "../errors/forms.ts";
import { optionsOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { room } from "../files/room.ts";
import { coded } from "./coded.ts";
import { distinct } from "./distinct.ts";
import { bucketsForm, changedBuckets, checkBuckets, collisionsAmong, collisionsForm } from "./hashed.ts";
import { hashRange, otherSeed } from "./hashed.ts";
import type { FeatureKind } from "./kind.ts";
import { type Records, textIn, type Words, wordsOf } from "./tabular.ts";

/** A cross before it is known how many combinations of the training rows share a bucket. */
export interface UnfittedCross {
  /** The kind of the feature. */
  readonly kind: "cross";
  /** The columns, at least two, each once. */
  readonly columns: readonly string[];
  /** The number of buckets. */
  readonly buckets: number;
}

/**
 * The combination of several columns' words, of which the model reads the bucket that its hash falls in, as a one-hot
 * vector.
 *
 * Code 0 stands for a row in which one of the texts is missing, code `1 + hash % buckets` for any other. The hash is
 * MurmurHash3 (x86, 32 bits, seed 0) of the words' UTF-8 bytes in the order of the columns, before each word the number of
 * its bytes as a decimal text and a colon: `5:clerk4:bern`. The model's weights of code 0 begin at 0.
 */
export interface CrossFeature {
  /** The kind of the feature. */
  readonly kind: "cross";
  /** The columns, at least two, each once. */
  readonly columns: readonly string[];
  /** The number of buckets. */
  readonly buckets: number;
  /** The number of distinct combinations of the training rows that share their bucket with another; it changes no code. */
  readonly collisions: number;
}

/**
 * A feature that is the combination of the words of several columns, hashed into buckets, under a name of its own: what
 * no sum over the columns can express.
 *
 * Two rows have one code if their words are the same, column by column, and hardly ever else: the hash is that of the
 * words with their lengths, as {@linkcode hashed} computes it of one, so that `"ab", "c"` and `"a", "bc"` differ. A row is
 * missing if one of its words is. As for {@linkcode hashed}, whole numbers in lists are their decimal texts, and a column of
 * numbers of a table is refused: read it as `"text"`.
 *
 * @param columns The names of at least two columns.
 * @param options `buckets` is how many there are, from 1 to 2 ** 24 - 1.
 * @throws {TypeError | RangeError} if columns are fewer than two, or one stands twice, or `buckets` is anything else.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cross, encode, fit } from "@gatehouse/gatehouse";
 *
 * const table = { job: ["clerk", "smith", "clerk"], city: ["bern", "bern", null] };
 * const features = fit({ "job and city": cross(["job", "city"], { buckets: 100 }) }, table);
 * assertEquals(features["job and city"], { kind: "cross", columns: ["job", "city"], buckets: 100, collisions: 0 });
 * assertEquals(encode(features, table).inputs.cross, Int32Array.of(69, 57, 0)); // of 5:clerk4:bern, 5:smith4:bern
 * ```
 */
export function cross(columns: readonly string[], options: { readonly buckets: number }): UnfittedCross {
  const action = "define cross";
  const { buckets } = optionsOf(action, options, ["buckets"]);
  const [issue] = columnsForm(columns, "columns");
  if (issue !== undefined) {
    const right = Array.isArray(columns) && columns.every((column) => typeof column === "string");
    throw new (right ? RangeError : TypeError)(`Cannot ${action}\n  at ${issue.path}: ${issue.message}`);
  }
  checkBuckets(`define cross of ${columns.map(quoted).join(" and ")}`, buckets);
  return { kind: "cross", columns: Object.freeze([...columns]), buckets };
}

/** The form of the columns of a cross. */
const columnsForm: Form = (found, path) => {
  const issues = list(text)(found, path);
  if (issues.length > 0) return issues;
  const columns = found as string[];
  if (columns.length < 2) return [{ path, message: `found ${columns.length} columns, wanted at least two` }];
  const twice = columns.findIndex((column, at) => columns.indexOf(column) < at);
  return twice < 0 ? [] : [{ path: `${path}[${twice}]`, message: `column ${quoted(columns[twice])} stands twice` }];
};

/** Crosses: one code each of the int input `cross`, one-hot in the stream `input`. */
export const crossKind: FeatureKind<UnfittedCross, CrossFeature> = {
  unfitted: object({ kind: word("cross"), columns: columnsForm, buckets: bucketsForm }),
  fitted: object({ kind: word("cross"), columns: columnsForm, buckets: bucketsForm, collisions: collisionsForm }),
  columns: (_, { columns }) => Object.fromEntries(columns.map((column) => [column, "text"])),
  fitting: ({ kind, columns, buckets }, name) => {
    const texts = distinct();
    return {
      add: (records) => {
        const parts = columns.map((column) => wordsOf(records, column, name));
        eachJoined(parts, name, records, (_, bytes, length) => {
          texts.add(murmur(bytes, length), murmur(bytes, length, otherSeed));
        });
      },
      end: () => {
        const collisions = collisionsAmong(texts.end(), buckets);
        return { kind, columns: Object.freeze([...columns]), buckets, collisions };
      },
    };
  },
  changed: ({ columns, buckets }, before) => {
    const [found, wanted] = [columns, before.columns].map((names) => names.map(quoted).join(" and "));
    return found === wanted ? changedBuckets(buckets, before) : `found columns ${found}, wanted ${wanted}`;
  },
  encoding: ({ columns, buckets }) => ({ columns, buckets }),
  differs: "other columns or another number of buckets",
  about: ({ columns, buckets, collisions }) => `${columns.join(" x ")}: ${buckets} buckets, ${collisions} collisions`,
  ...coded<CrossFeature>({
    input: "cross",
    codes: hashRange,
    reserved: () => 1,
    encode: ({ columns, buckets }, name, records) =>
      codesOf(columns.map((column) => wordsOf(records, column, name)), buckets, name, records),
    textOf: (_, code) => `bucket ${code - 1}`,
  }),
};

/** Returns the code of each row of columns. */
function codesOf(parts: readonly Words[], buckets: number, name: string, records: Records): Int32Array {
  const codes = new Int32Array(records.count);
  eachJoined(parts, name, records, (row, bytes, length) => codes[row] = 1 + murmur(bytes, length) % buckets);
  return codes;
}

/**
 * Calls a function with each row that lacks no word, and with the first bytes of an array: its words, each after its length
 * in bytes and a colon.
 */
function eachJoined(
  parts: readonly Words[],
  name: string,
  records: Records,
  use: (row: number, bytes: Uint8Array, length: number) => void,
): void {
  let joined = new Uint8Array(256);
  for (let row = 0; row < records.count; row++) {
    let length = 0;
    for (const { codes, words } of parts) {
      if (codes[row] < 0) {
        length = -1;
        break;
      }
      const word = textIn(words, codes[row], records, name);
      joined = room(joined, length + 3 * word.length + 12);
      length = append(joined, length, word);
    }
    if (length >= 0) use(row, joined, length);
  }
}

/** Writes a word after its length in bytes and a colon, and returns where the bytes end. */
function append(bytes: Uint8Array, start: number, word: string): number {
  const { length } = word;
  let end = head(bytes, start, length); // right if each unit is one byte, as most often
  for (let at = 0; at < length; at++) {
    const unit = word.charCodeAt(at);
    if (unit >= 0x80) return encoded(bytes, start, word);
    bytes[end++] = unit;
  }
  return end;
}

function encoded(bytes: Uint8Array, start: number, word: string): number {
  const text = new TextEncoder().encode(word);
  const from = head(bytes, start, text.length);
  bytes.set(text, from);
  return from + text.length;
}

/** Writes a number and a colon, and returns where the bytes end. */
function head(bytes: Uint8Array, start: number, number: number): number {
  let end = start;
  if (number >= 10) { for (const digit of String(number)) bytes[end++] = digit.charCodeAt(0); }
  else bytes[end++] = 0x30 + number;
  bytes[end++] = 0x3a;
  return end;
}
