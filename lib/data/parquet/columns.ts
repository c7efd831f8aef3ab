import { quoted } from "../../errors/quoted.ts";
import type { Column, ListColumn } from "../columns.ts";
import { codeOf, dictionary, find, hashOf } from "../dictionary.ts";
import { places } from "../places.ts";
import type { Leaf } from "./leaf.ts";
import type { Page } from "./pages.ts";
import type { Raw, ValueType } from "./values.ts";

/**
 * The kind of a column of a Parquet file: numbers, text, text that is one of some words, lists of numbers, or lists of
 * texts.
 */
export type ParquetKind = "number" | "text" | readonly string[] | "numbers" | "texts";

/** Returns the next rows of a column, so many. */
export type Rows = (count: number) => Column | ListColumn;

/** Pages, of which the first may have entries to leave out. */
export type Pages = Iterator<{ readonly page: Page; readonly skip: number }>;

/**
 * Returns the rows of a column, read page by page.
 *
 * @param pages The pages, decoded when they are asked for.
 * @param fail Returns the error of a value, by its row, counted from where the pages begin to be read.
 * @throws {Error} where rows are read, as `pages` does, or as `fail` returns it.
 */
export function rowsOf(
  leaf: Leaf,
  kind: ParquetKind,
  pages: Pages,
  fail: (row: number, found: string) => Error,
): Rows {
  const cells = cellsOf(leaf, kind);
  if (leaf.listed !== undefined) return listsOf(leaf, cells, kind === "numbers", pages, fail);
  const values = valuesOf(cells, pages, leaf.deepest, fail);
  if (kind === "number") return (count) => ({ kind: "number", values: values(new Float64Array(count).fill(NaN)) });
  const listed = typeof kind !== "string" && { listed: true as const };
  return (count) => ({ kind: "text", codes: values(new Int32Array(count).fill(-1)), words: cells.words, ...listed });
}

/** The values of a page or dictionary as columns hold them: numbers, or places among words. */
interface Cells {
  readonly values: Float64Array | Int32Array;
  /** The words for each value that cannot be held, by its place. */
  readonly wrong: ReadonlyMap<number, string>;
}

/** The cells of a column, page by page. */
interface CellsOf {
  /** Returns the cells of a page's values. Those of a dictionary are found once. */
  readonly of: (page: Page) => Cells;
  /** The words of texts so far. */
  readonly words: readonly string[];
}

function cellsOf({ values: type }: Leaf, kind: ParquetKind): CellsOf {
  const known = wordsOf(type, typeof kind === "string" ? undefined : kind);
  const numeric = kind === "number" || kind === "numbers";
  const read = numeric ? (raw: Raw) => numberCells(raw, type, kind) : (raw: Raw) => textCells(raw, known);
  let last: { readonly raw: Raw; readonly cells: Cells } | undefined;
  return {
    of: ({ values: raw, codes }) => {
      if (codes === undefined) return read(raw);
      if (last?.raw !== raw) last = { raw, cells: read(raw) };
      return last.cells;
    },
    words: known.words,
  };
}

/** The words of a column, and the way from its values to them. */
interface Words {
  readonly words: readonly string[];
  /** Returns the place of a value's text among the words, at which it is added if it is new; -1 if it cannot be. */
  readonly placeOf: (value: unknown) => number;
  /** Returns the words for a value without a place. */
  readonly wrong: (value: unknown) => string;
}

/** Returns the words of a column: a list that stays as it is, or those that come. */
function wordsOf({ utf8, text }: ValueType, listed: readonly string[] | undefined): Words {
  const some = (listed ?? []).slice(0, 8).map(quoted).join(", ");
  const unlisted = (found: string) => `${quoted(found)}, wanted one of ${some}`;
  if (!utf8) {
    const known = places(listed);
    const placeOf = listed === undefined ? known.add : (word: string) => known.find(word) ?? -1;
    return { words: known.words, placeOf: (value) => placeOf(text!(value)), wrong: (value) => unlisted(text!(value)) };
  }
  const known = dictionary(listed);
  const placeOf = listed === undefined ? codeOf : find;
  return {
    words: known.words,
    placeOf: (value) => {
      const bytes = value as Uint8Array;
      return placeOf(known, bytes, 0, bytes.length, hashOf(bytes, 0, bytes.length));
    },
    wrong: (value) => {
      if (listed === undefined) return "bytes that are not UTF-8";
      return unlisted(new TextDecoder().decode(value as Uint8Array));
    },
  };
}

function numberCells(raw: Raw, type: ValueType, kind: "number" | "numbers"): Cells {
  const wrong = new Map<number, string>();
  const values = type.numbers!(raw, (place) => {
    const way = `as ${quoted(kind === "number" ? "text" : "texts")} it keeps all digits`;
    wrong.set(place, `${type.text!(raw[place])}, wanted at most 2 ** 53: ${way}`);
  });
  return { values, wrong };
}

function textCells(raw: Raw, { placeOf, wrong: wordsFor }: Words): Cells {
  const wrong = new Map<number, string>();
  const codes = new Int32Array(raw.length);
  for (let place = 0; place < codes.length; place++) {
    codes[place] = placeOf(raw[place]);
    if (codes[place] < 0) wrong.set(place, wordsFor(raw[place]));
  }
  return { values: codes, wrong };
}

/** Returns a function that fills an array with the next values of a column; where one is missing it is left as it is. */
function valuesOf(
  cells: CellsOf,
  pages: Pages,
  deepest: number,
  fail: (row: number, found: string) => Error,
): <A extends Float64Array | Int32Array>(output: A) => A {
  let page: Page | undefined;
  let of: Cells;
  let entry = 0, value = 0, row = 0;
  return (output) => {
    for (let filled = 0; filled < output.length;) {
      if (page === undefined || entry === page.count) {
        const next = pages.next();
        if (next.done) throw new RangeError("the pages have fewer rows than the row group");
        ({ page, skip: entry } = next.value);
        of = cells.of(page);
        value = thereIn(page, entry, deepest);
        continue;
      }
      const count = Math.min(output.length - filled, page.count - entry);
      if (of.wrong.size > 0) checkCells(of, page, entry, value, count, deepest, (at, found) => fail(row + at, found));
      value = copied(of.values, page, entry, value, count, deepest, output.subarray(filled, filled + count));
      entry += count;
      filled += count;
      row += count;
    }
    return output;
  };
}

/** Returns the number of values in the first entries of a page. */
function thereIn({ definitions }: Page, entries: number, deepest: number): number {
  if (definitions === undefined) return entries;
  let there = 0;
  for (let entry = 0; entry < entries; entry++) if (definitions[entry] === deepest) there++;
  return there;
}

/** Copies the values of some entries; returns the place of the next value. */
function copied(
  values: Cells["values"],
  { definitions, codes }: Page,
  entry: number,
  value: number,
  count: number,
  deepest: number,
  output: Cells["values"],
): number {
  if (definitions === undefined) {
    if (codes === undefined) output.set(values.subarray(value, value + count));
    else for (let at = 0; at < count; at++) output[at] = values[codes[value + at]];
    return value + count;
  }
  for (let at = 0; at < count; at++) {
    if (definitions[entry + at] !== deepest) continue;
    output[at] = values[codes === undefined ? value : codes[value]];
    value++;
  }
  return value;
}

/** Makes sure that no value of some entries is one that cannot be held. */
function checkCells(
  { wrong }: Cells,
  { definitions, codes }: Page,
  entry: number,
  value: number,
  count: number,
  deepest: number,
  fail: (row: number, found: string) => Error,
): void {
  for (let at = 0; at < count; at++) {
    if (definitions !== undefined && definitions[entry + at] !== deepest) continue;
    const found = wrong.get(codes === undefined ? value : codes[value]);
    if (found !== undefined) throw fail(at, found);
    value++;
  }
}

type Item = number | string | null;
type List = ListColumn[number];

/** Returns the next rows of a column of lists. The last list of a page is held back, as the next page may go on with it. */
function listsOf(
  leaf: Leaf,
  cells: CellsOf,
  numeric: boolean,
  pages: Pages,
  fail: (row: number, found: string) => Error,
): Rows {
  let ready: (Item[] | null)[] = [];
  let skipped = 0, row = 0, done = false;
  return (count) => {
    while (!done && ready.length <= count + skipped) {
      const next = pages.next();
      if (next.done) done = true;
      else {
        skipped += next.value.skip;
        addLists(next.value.page, leaf, cells, ready, (at, found) => fail(row + at - skipped, found));
      }
    }
    if (ready.length < count + skipped) throw new RangeError("the pages have fewer rows than the row group");
    const lists = ready.slice(skipped, skipped + count).map((items) => listOf(items, numeric));
    ready = ready.slice(skipped + count);
    skipped = 0;
    row += count;
    return lists;
  };
}

/** Returns a list as columns hold it: of numbers that are all there, an array of these. */
function listOf(items: Item[] | null, numeric: boolean): List {
  return !numeric || items === null || items.includes(null) ? items : Float64Array.from(items as number[]);
}

/** Adds the lists of a page to those before. */
function addLists(
  page: Page,
  { deepest, listed = 0 }: Leaf,
  cells: CellsOf,
  ready: (Item[] | null)[],
  fail: (row: number, found: string) => Error,
): void {
  const { count, definitions, repetitions, codes } = page;
  const { values, wrong } = cells.of(page);
  for (let entry = 0, value = 0; entry < count; entry++) {
    const level = definitions === undefined ? deepest : definitions[entry];
    if (repetitions![entry] === 0) ready.push(level < listed - 1 ? null : []);
    const list = ready[ready.length - 1];
    if (level < listed) continue;
    if (list === undefined || list === null) throw new RangeError("an element of a list is in none");
    if (level < deepest) {
      list.push(null);
      continue;
    }
    const place = codes === undefined ? value : codes[value];
    value++;
    const found = wrong.get(place);
    if (found !== undefined) throw fail(ready.length - 1, found);
    list.push(values instanceof Int32Array ? cells.words[values[place]] : values[place]);
  }
}
