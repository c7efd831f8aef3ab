import type { Rows } from "../data/rows.ts";
import { columnOf } from "./feed.ts";

/** The numbers of keys of rows that come in pieces, each with words of its own: of one key one number. */
export interface KeyNumbering {
  /** Returns the number of each row's key, NaN where it has none: of keys of rows, or of a column of their labels. */
  readonly numbersOf: (rows: Rows, name: string) => Float64Array | Float32Array;
  /** Returns the text of a number's key. */
  readonly textOf: (name: string, number: number) => string;
}

/** Begins to number keys: numbers as they are, texts in the order of their first appearance. */
export function keyNumbering(): KeyNumbering {
  const known = new Map<string, Texts>();
  return {
    numbersOf: (rows, name) => {
      const column = rows.by !== undefined && Object.hasOwn(rows.by, name) ? rows.by[name] : undefined;
      if (column === undefined) return columnOf(rows.labels, name) ?? new Float64Array(rows.count).fill(NaN);
      if (column.kind === "number") return column.values;
      const texts = known.get(name) ?? textsOf();
      known.set(name, texts);
      return texts.numbersOf(column.codes, column.words);
    },
    textOf: (name, number) => known.get(name)?.texts[number] ?? String(number),
  };
}

/** The texts of one name's keys. */
interface Texts {
  readonly texts: readonly string[];
  readonly numbersOf: (codes: Int32Array, words: readonly string[]) => Float64Array;
}

function textsOf(): Texts {
  const texts: string[] = [];
  const places = new Map<string, number>();
  let last: { readonly words: readonly string[]; readonly numbers: Int32Array } | undefined; // of most pieces the same
  const numberOf = (word: string) => {
    const place = places.get(word) ?? texts.push(word) - 1;
    places.set(word, place);
    return place;
  };
  return {
    texts,
    numbersOf: (codes, words) => {
      if (last?.words !== words) last = { words, numbers: new Int32Array(words.length).fill(-1) };
      const { numbers } = last;
      return Float64Array.from(codes, (code) => {
        if (code < 0) return NaN;
        return numbers[code] < 0 ? numbers[code] = numberOf(words[code]) : numbers[code];
      });
    },
  };
}
