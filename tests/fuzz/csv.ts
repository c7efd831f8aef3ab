import { type Columns, type CsvOptions, type MalformedRow, readCsv, streamCsv } from "../../mod.ts";
import type { Random } from "../../lib/data/random.ts";
import { edited } from "./bytes.ts";
import { attempt, type End, ensure, type Kind, pick, several } from "./kind.ts";

/** CSV files, plain and gzip, most of them damaged. */
export const csv: Kind = { share: 300, run };

const texts = [
  "",
  "a",
  "clerk",
  "ä€😀",
  " a",
  "a ",
  "x y",
  "né,e",
  'a "b"',
  "two\nlines",
  "\ufeffa",
  "\u00a0",
  "-1",
  "no",
];

async function run(source: Random): Promise<End> {
  const { text, options } = fileOf(source);
  const plain = new TextEncoder().encode(text);
  const damaged = source.uniform() < 0.85;
  const zipped = source.uniform() < 0.1;
  let bytes = damaged && !(zipped && source.uniform() < 0.5) ? edited(plain, source) : plain;
  if (zipped) {
    bytes = await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))).bytes();
    if (damaged && source.uniform() < 0.7) bytes = edited(bytes, source);
  }
  const skipped: MalformedRow[] = [];
  const skips = source.uniform() < 0.3;
  const given: CsvOptions = skips
    ? { ...options, malformed: (row) => void skipped.push(row), mostMalformed: source.bits() % 6 }
    : options;
  const size = pick(source, [1, 7, 64, 1 << 16]);
  const input = JSON.stringify({ text: new TextDecoder().decode(bytes), options: given, size, zipped });
  const table = await attempt(
    input,
    /^Cannot read f(?:\n {2}at line \d+|: )/,
    () => readCsv(pieces(bytes, size), given),
  );
  if (table === undefined) {
    ensure(damaged, "a valid file was refused", input);
    return "refused";
  }
  checkTable(table, given, input);
  if (skips) ensure(table.skipped === skipped.length, "the number of skipped rows is another", input);
  if (source.uniform() < 0.3) {
    const counts = { rows: 0, skipped: 0 };
    for await (const chunk of streamCsv(pieces(bytes, size), { ...given, rows: 1 + source.bits() % 4 })) {
      counts.rows += chunk.count;
      counts.skipped += chunk.skipped ?? 0;
    }
    ensure(counts.rows === table.count && counts.skipped === (table.skipped ?? 0), "chunks are of other rows", input);
  }
  return "valid";
}

/** Returns a valid file, and options to read it by. */
function fileOf(source: Random): { readonly text: string; readonly options: CsvOptions } {
  const separator = pick(source, [",", ",", ";", "\t", "|"]);
  const trim = separator !== "\t" && source.uniform() < 0.3;
  const missing = source.uniform() < 0.3 ? ["", "?"] : undefined;
  const kinds = several(1 + source.bits() % 4, () => pick(source, ["number", "text", "words", "skip"]));
  const names = kinds.map((kind, at) => `${kind} ${at}`);
  const words = ["no", "yes", "né,e"];
  const blank = () => trim ? pick(source, ["", "", " ", "\t "]) : "";
  const written = (field: string) => {
    const mustQuote = field.includes(separator) || /["\n\r]/.test(field) || trim && field.trim() !== field;
    const quotes = mustQuote || source.uniform() < 0.3 || field === "" && kinds.length === 1;
    return `${blank()}${quotes ? `"${field.replaceAll('"', '""')}"` : field}${blank()}`;
  };
  const fieldOf = (kind: string) => {
    if (missing !== undefined && kind !== "text" && source.uniform() < 0.2) return pick(source, missing);
    if (kind === "number") return pick(source, ["0", "-1.5", "1e3", "123456789.123456789", ".5", "7"]);
    return pick(source, kind === "words" ? words : texts);
  };
  const record = (fields: readonly string[]) => fields.map(written).join(separator);
  const header = source.uniform() < 0.3;
  const lines = several(source.bits() % 7, () => record(kinds.map(fieldOf)));
  const line = pick(source, ["\n", "\r\n"]);
  const text = [...header ? [] : [record(names)], ...lines].join(line) + pick(source, ["", line]);
  const of = { number: "number", text: "text", words } as const;
  const columns = Object.fromEntries(
    names.flatMap((name, at) => kinds[at] === "skip" ? [] : [[name, of[kinds[at] as keyof typeof of]]]),
  );
  const options = { columns, separator, trim, missing, header: header ? names : undefined, name: "f" };
  return { text: header && text.startsWith("\ufeff") ? text.slice(1) : text, options };
}

/** Makes sure that a table is whole: columns of as many rows, finite or missing numbers, codes of words. */
function checkTable({ count, columns }: Columns, options: CsvOptions, input: string): void {
  ensure(Object.keys(columns).length === Object.keys(options.columns).length, "columns are missing", input);
  for (const column of Object.values(columns)) {
    const values = column.kind === "number" ? column.values : column.codes;
    ensure(values.length === count, "a column has another length", input);
    const may = options.missing !== undefined;
    if (column.kind === "number") {
      ensure(
        column.values.every((number) => Number.isFinite(number) || may && Number.isNaN(number)),
        "a number",
        input,
      );
    } else {
      const { codes, words } = column;
      const least = may ? -1 : 0;
      ensure(codes.every((code) => code >= least && code < words.length), "a code of no word", input);
      ensure(new Set(words).size === words.length, "a word stands twice", input);
    }
  }
}

function pieces(bytes: Uint8Array<ArrayBuffer>, size: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at += size));
    },
  });
}
