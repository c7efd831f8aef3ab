import { checkList, checkSignal, isRecord, kindOf, optionsOf } from "../../errors/kinds.ts";
import { advice } from "../../errors/nearest.ts";
import { quoted } from "../../errors/quoted.ts";
import { ranged } from "../../files/ranged.ts";
import type { Ranged } from "../../files/source.ts";
import { storedIn, type StoredSource } from "../../files/stored.ts";
import { type Json, type TablePart, type TableParts, tableParts } from "../dataset.ts";
import type { ParquetKind } from "./columns.ts";
import { type Footer, type Group, readFooter } from "./footer.ts";
import { groupRows, type Wanted } from "./group.ts";
import { type Leaf, leafOf } from "./leaf.ts";

/** Options of {@linkcode parquetParts}. */
export interface ParquetOptions {
  /**
   * The columns to read: their names, or their kinds by name. Others are not read. By default all, each of the kind that
   * its type asks for: whole numbers, decimals, floats, booleans (0 and 1), dates and times are `"number"`, texts are
   * `"text"`, lists of these `"numbers"` and `"texts"`. Whole numbers, decimals and booleans can be read as `"text"` too, as
   * ids are, which keeps all digits; a list of words, as for `readCsv`, gives them the codes 0, 1, ... in its order.
   */
  readonly columns?: readonly string[] | Readonly<Record<string, ParquetKind>>;
  /** Stops the opening. */
  readonly signal?: AbortSignal;
}

/**
 * Opens Parquet, in one file or many, as a table in parts, which `dataset` makes rows to train on of and `fit` takes as it
 * is. Each row group is a part, and of it only the columns that are named are read: from a file, from memory, or from an
 * address (`https:`) by requests of ranges of bytes.
 *
 * A missing number is NaN, a missing text has code -1. Dates and timestamps are milliseconds since 1970, in UTC where the
 * file says no zone, and times of a day are milliseconds. A whole number beyond 2 ** 53 is an error, but where it is read
 * as text. The dictionary of a column is its `words`, and so they are others in each row group. Structs, maps, lists of
 * lists and bytes are refused. Checksums are held where a file has them.
 *
 * Memory is that of one row group as the file holds it, and of some rows of it, decoded.
 *
 * @param source A path, a URL, bytes or a `Blob`, a list of these or of what `s3Files` finds, or a pattern such as
 * `log/part-*.parquet`, in which `*` stands for any characters but `/`. Its files are in the order of their paths, in which
 * numbers count as numbers: `part-2` comes before `part-10`.
 * @param options The columns to read. Default: all.
 * @returns The table. Its `identity` holds names without folders, sizes, the rows of row groups, and columns.
 * @throws {SyntaxError} naming the file, if it is no Parquet file or is damaged, or lacks a column or has it in another type
 * than the first file; while it is read, naming the row group too.
 * @throws {TypeError} if an option is wrong, there is no such column, or it cannot be read as asked.
 * @throws {RangeError} while it is read, naming the column and the row, of a number that is too large, or an unlisted word.
 * @throws {Error} if there is no file, it cannot be read, or a server does not answer with parts of it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parquetParts } from "@gatehouse/gatehouse/parquet";
 *
 * const columns = { user: "text", click: ["no", "yes"] } as const;
 * const table = await parquetParts("tests/parquet/clicks.parquet", { columns }); // two row groups
 * const counts = [];
 * for await (const { count, columns } of table) {
 *   counts.push(count);
 *   if (counts.length === 1) assertEquals(columns.click.kind === "text" && columns.click.codes, Int32Array.of(1, 0, 0));
 * }
 * assertEquals(counts, [3, 2]);
 * ```
 */
export async function parquetParts(
  source: StoredSource | readonly StoredSource[],
  options: ParquetOptions = {},
): Promise<TableParts> {
  const { columns, signal } = optionsOf(action, options, ["columns", "signal"]);
  checkSignal(action, signal);
  checkColumns(columns);
  const files = await opened(source, signal);
  return tableOf(files, kindsOf(files[0], columns), columns === undefined);
}

/** A Parquet file's columns, by which the kinds of those that are read are chosen. */
export interface ParquetFile {
  /** The file's name in errors. */
  readonly name: string;
  /** The names of its columns. */
  readonly columns: readonly string[];
  /** Returns true if a column has a list in each row. */
  readonly hasLists: (column: string) => boolean;
}

/** Opens Parquet as {@linkcode parquetParts} does, and reads those columns, by kinds, that a function chooses by the first file. */
export async function parquetPartsBy(
  source: StoredSource | readonly StoredSource[],
  choose: (first: ParquetFile) => Readonly<Record<string, ParquetKind>>,
  signal?: AbortSignal,
): Promise<TableParts> {
  const files = await opened(source, signal);
  const [first] = files;
  const columns = first.footer.columns.map(({ element }) => element.name);
  const hasLists = (column: string) => leafIn(first, column, false).listed !== undefined;
  const kinds = choose({ name: first.file.name, columns, hasLists });
  return tableOf(files, new Map(Object.entries(kinds)), false);
}

/** Opens files, and reads their ends. */
async function opened(
  source: StoredSource | readonly StoredSource[],
  signal?: AbortSignal,
): Promise<readonly Opened[]> {
  const stored = await storedIn(action, "parquet", source);
  const files: Opened[] = [];
  for (let at = 0; at < stored.length; at += together) {
    const some = stored.slice(at, at + together).map(async (one) => {
      const file = await ranged(one, signal);
      return { file, short: one.short, footer: await readFooter(file, signal) };
    });
    files.push(...await Promise.all(some));
  }
  return files;
}

function tableOf(files: readonly Opened[], kinds: ReadonlyMap<string, ParquetKind>, isAll: boolean): TableParts {
  const parts = files.flatMap((opened) => partsOf(opened, kinds, isAll, files[0]));
  return tableParts(identityOf(files, kinds), () => Promise.resolve(parts));
}

const action = "open Parquet";

/** The files that are opened at once, most of which wait for a server. */
const together = 16;

/** A file whose end was read. */
interface Opened {
  readonly file: Ranged;
  /** Its name without its folder. */
  readonly short: string;
  readonly footer: Footer;
}

/** Makes sure that columns are names, or kinds by name. */
function checkColumns(columns: unknown): void {
  if (columns === undefined) return;
  if (!isRecord(columns)) {
    checkList(action, "columns", columns);
    const list = columns as readonly unknown[];
    const wrong = list.findIndex((name, at) => typeof name !== "string" || list.indexOf(name) < at);
    if (wrong < 0) return;
    const found = typeof list[wrong] === "string" ? `${quoted(list[wrong])} twice` : kindOf(list[wrong]);
    throw new TypeError(`Cannot ${action}\n  at columns[${wrong}]: found ${found}, wanted names of columns`);
  }
  for (const [name, kind] of Object.entries(columns)) {
    const where = `Cannot ${action}\n  at columns[${quoted(name)}]:`;
    const isListed = Array.isArray(kind) && kind.every((word) => typeof word === "string");
    if (!isListed && !(typeof kind === "string" && ["number", "text", "numbers", "texts"].includes(kind))) {
      const wanted = 'wanted "number", "text", "numbers", "texts" or a list of words';
      throw new TypeError(`${where} found ${kindOf(kind)}, ${wanted}`);
    }
    if (isListed && new Set(kind).size < kind.length) throw new TypeError(`${where} a word stands twice`);
  }
}

/** Returns the kind of each column, as the options and the first file have it. */
function kindsOf(first: Opened, columns: ParquetOptions["columns"]): ReadonlyMap<string, ParquetKind> {
  if (isRecord(columns)) return new Map(Object.entries(columns as Readonly<Record<string, ParquetKind>>));
  const names = columns as readonly string[] ?? first.footer.columns.map(({ element }) => element.name);
  return new Map(names.map((name) => [name, defaultKind(leafIn(first, name, columns === undefined))]));
}

function defaultKind({ values, listed }: Leaf): ParquetKind {
  return listed === undefined ? values.kind : values.kind === "number" ? "numbers" : "texts";
}

/** Returns a column of a file. */
function leafIn({ file, footer }: Opened, name: string, isAll: boolean): Leaf {
  const trees = footer.columns.filter(({ element }) => element.name === name);
  const names = footer.columns.map(({ element }) => element.name);
  const wrong = (found: string) => new TypeError(`Cannot read ${file.name}\n  at column ${quoted(name)}: ${found}`);
  if (trees.length > 1) throw wrong("two columns have that name");
  if (trees.length === 0) throw wrong(`there is no such column${advice(name, names)}`);
  const leaf = leafOf(trees[0]);
  if (typeof leaf !== "string") return leaf;
  const way = isAll ? "name the columns to read without it, columns: [...]" : "write its parts as columns of their own";
  throw wrong(`found ${leaf}, wanted numbers, text or lists of these: ${way}`);
}

/** Makes sure that a column can be read as a kind. */
function checkKind(leaf: Leaf, kind: ParquetKind, fail: (found: string, way: string) => Error): void {
  const { values, listed } = leaf;
  const isText = values.utf8 || values.text !== undefined;
  const possible: ParquetKind[] = listed === undefined
    ? [...(values.numbers ? ["number" as const] : []), ...(isText ? ["text" as const] : [])]
    : [...(values.numbers ? ["numbers" as const] : []), ...(isText ? ["texts" as const] : [])];
  if (possible.includes(typeof kind === "string" ? kind : "text")) return;
  const found = listed === undefined ? values.name : `lists of ${values.name}`;
  throw fail(found, possible.map((one) => quoted(String(one))).join(" or "));
}

/** Returns the row groups of a file as parts of the table. */
function partsOf(
  opened: Opened,
  kinds: ReadonlyMap<string, ParquetKind>,
  isAll: boolean,
  first: Opened,
): TablePart[] {
  const { file, footer } = opened;
  const strange = isAll && footer.columns.find(({ element }) => !kinds.has(element.name));
  if (strange) {
    const found = `there is no such column in ${first.file.name}: name the columns to read, columns: [...]`;
    throw new TypeError(`Cannot read ${file.name}\n  at column ${quoted(strange.element.name)}: ${found}`);
  }
  const wanted = [...kinds].map(([name, kind]): Wanted => {
    const leaf = leafIn(opened, name, isAll);
    checkKind(leaf, kind, (found, way) => {
      const as = typeof kind === "string" ? quoted(kind) : "words";
      const than = opened === first
        ? `to be read as ${way}`
        : `${as} as in ${first.file.name}, or to be read as ${way}`;
      return new TypeError(
        `Cannot read ${file.name}\n  at column ${
          quoted(name)
        }: found ${found}, which cannot be read as ${as}: wanted ${than}`,
      );
    });
    return { leaf, kind };
  });
  return footer.groups.map((group: Group, place) => ({
    name: `${file.name}, row group ${place}`,
    read: (from, signal) => groupRows(file, group, place, wanted, from, signal),
  }));
}

function identityOf(files: readonly Opened[], kinds: ReadonlyMap<string, ParquetKind>): Json {
  return {
    kind: "parquet",
    files: files.map(({ short, file: { size }, footer }) => [short, size, footer.groups.map(({ rows }) => rows)]),
    columns: Object.fromEntries(kinds),
  };
}
