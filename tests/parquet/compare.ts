import { assertEquals } from "@std/assert";
import { type Column, type Columns, type ListColumn, readCsv } from "../../mod.ts";
import { type ParquetKind, parquetParts } from "../../lib/parquet.ts";

/** The kinds of the columns of the files that write.py writes. */
export type Kinds = Readonly<Record<string, ParquetKind>>;

/** Reads what write.py wrote as CSV: the columns of a file as text, value by value; undefined where one is missing. */
export async function csvTexts(path: string, kinds: Kinds): Promise<Readonly<Record<string, readonly Text[]>>> {
  const columns = Object.fromEntries(
    Object.entries(kinds).map(([name, kind]) => [name, kind === "number" ? kind : "text"] as const),
  );
  const table = await readCsv(path, { columns, missing: ["NULL"] });
  return Object.fromEntries(
    Object.entries(kinds).map(([name, kind]) => {
      const texts = textsOf(table.columns[name]);
      if (kind !== "numbers" && kind !== "texts") return [name, texts];
      const read = (item: string | null) => item !== null && kind === "numbers" ? String(Number(item)) : item;
      return [name, texts.map((text) => text && JSON.stringify(JSON.parse(text).map(read)))];
    }),
  );
}

/** A value as text; undefined if it is missing. */
type Text = string | undefined;

function textsOf(column: Column): Text[] {
  if (column.kind === "number") {
    return Array.from(column.values, (value) => Number.isNaN(value) ? undefined : String(value));
  }
  return Array.from(column.codes, (code) => column.words[code]);
}

function listTexts(column: ListColumn): Text[] {
  const read = (item: number | string | null) => typeof item === "number" ? String(item) : item;
  return column.map((list) => list === null ? undefined : JSON.stringify(Array.from(list, read)));
}

/** Reads a Parquet file as text, value by value, each row group from a row on. */
export async function parquetTexts(
  source: string | Uint8Array,
  kinds: Kinds,
  from = 0,
): Promise<Readonly<Record<string, readonly Text[]>>> {
  const texts: Record<string, Text[]> = Object.fromEntries(Object.keys(kinds).map((name) => [name, []]));
  const { parts } = await parquetParts(source, { columns: kinds });
  for (const part of await parts()) {
    for await (const table of part.read(from)) add(texts, table);
  }
  return texts;
}

function add(texts: Record<string, Text[]>, { count, columns, lists = {} }: Columns): void {
  for (const name of [...Object.keys(columns), ...Object.keys(lists)]) {
    const own = name in columns ? textsOf(columns[name]) : listTexts(lists[name]);
    assertEquals(own.length, count, name);
    texts[name].push(...own);
  }
}

/** Makes sure that a Parquet file is read as the CSV of its rows, whatever the row of each row group begun with. */
export async function assertSame(path: string, wanted: Readonly<Record<string, readonly Text[]>>, kinds: Kinds) {
  const names = Object.keys(kinds);
  const found = await parquetTexts(path, kinds);
  for (const name of names) assertEqual(found[name], wanted[name], `${path}, column ${name}`);
  for (const from of [1, 7, 1000, 1e9]) {
    const { parts, identity } = await parquetParts(path, { columns: kinds });
    const rows = (identity as { readonly files: readonly [string, number, number[]][] }).files[0][2];
    assertEquals((await parts()).length, rows.length);
    const starts = rows.map((_, at) => rows.slice(0, at).reduce((sum, count) => sum + count, 0));
    const later = await parquetTexts(path, kinds, from);
    for (const name of names) {
      const left = rows.flatMap((count, at) =>
        wanted[name].slice(starts[at] + Math.min(from, count), starts[at] + count)
      );
      assertEqual(later[name], left, `${path}, column ${name}, from row ${from} of each row group`);
    }
  }
}

/** Compares two columns; of long ones only the first difference is shown. */
function assertEqual(found: readonly Text[], wanted: readonly Text[], where: string): void {
  assertEquals(found.length, wanted.length, where);
  const at = found.findIndex((text, at) => text !== wanted[at]);
  if (at >= 0) assertEquals(found[at], wanted[at], `${where}, row ${at}`);
}
