import { quoted } from "../errors/quoted.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import { type Stored, storedIn, type StoredSource } from "../files/stored.ts";
import { csvApart, paysApart } from "./csv_apart.ts";
import { csvFrom, csvHeader, type CsvOptions } from "./csv.ts";
import { type Json, type TablePart, type TableParts, tableParts } from "./dataset.ts";
import { Malformed } from "./malformed.ts";

/** Options of {@linkcode csvParts}: those of `streamCsv`, but for what is about one file or one reading. */
export interface CsvPartsOptions extends Omit<CsvOptions, "name" | "sha256" | "signal"> {
  /** The rows that are read at a time, by default 8192. It changes nothing else. */
  readonly rows?: number;
}

/**
 * Opens CSV, plain or gzip, in one file or many, as a table in parts, which `dataset` makes rows to train on of and `fit`
 * takes as it is. Each file is a part; it is read anew at each pass, some rows at a time.
 *
 * To begin in the middle of a file the lines before are passed over, which takes a fraction of the time of reading them; of
 * gzip they are decompressed too. Text columns have words of their own in each file, and a new list of them after
 * 1,048,576 words (2 ** 20), so that memory is bounded: encode a chunk before the next one comes, as `dataset` does.
 *
 * @param source A path, a URL, bytes or a `Blob`, a list of these or of what `s3Files` finds, or a pattern such as
 * `log/part-*.csv.gz`, in which `*` stands for any characters but `/`. Its files are in the order of their paths, in which
 * numbers count as numbers: `part-2` comes before `part-10`.
 * @param options The columns to read, and the format, as of `readCsv`.
 * @returns The table. Its `identity` holds names without folders, sizes, columns and format.
 * @throws {SyntaxError} naming the file, if one lacks a column or its first line is unlike that of the first file; while it
 * is read, as `readCsv`.
 * @throws {TypeError | RangeError} if an option is wrong.
 * @throws {Error} if there is no file, or one cannot be read.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { csvParts } from "@gatehouse/gatehouse";
 *
 * const files = [new Blob(["age\n73\n58\n"]), new Blob(["age\n18\n"])];
 * const counts = [];
 * for await (const { count } of await csvParts(files, { columns: { age: "number" } })) counts.push(count);
 * assertEquals(counts, [2, 1]);
 * ```
 */
export async function csvParts(
  source: StoredSource | readonly StoredSource[],
  options: CsvPartsOptions,
): Promise<TableParts> {
  const wrong = isRecord(options) ? ["name", "sha256", "signal"].find((name) => options[name] !== undefined) : "none";
  if (wrong !== undefined) {
    const found = wrong === "none" ? kindOf(options) : `option ${quoted(wrong)}, which is about one reading`;
    throw new TypeError(`Cannot open CSV: found ${found}, wanted options such as { columns: { age: "number" } }`);
  }
  const files = await storedIn("open CSV", "csv", source);
  await checkHeaders(files, options);
  const parts = files.map((file) => partOf(file, options));
  return tableParts(identityOf(files, options), () => Promise.resolve(parts));
}

/** Makes sure that all files have the same columns. */
async function checkHeaders(files: readonly Stored[], { rows: _, ...options }: CsvPartsOptions): Promise<void> {
  let first: readonly string[] | undefined;
  for (const { source, name } of files) {
    const names = await csvHeader(source, { ...options, name });
    first ??= names;
    const at = Array.from({ length: Math.max(names.length, first.length) }).findIndex((_, at) =>
      names[at] !== first![at]
    );
    if (at < 0) continue;
    const [found, wanted] = [names, first].map((list) => at < list.length ? quoted(list[at]) : "the end of the line");
    throw new Malformed(
      { name, line: 1 },
      `found ${found} as column ${at + 1}, wanted ${wanted} as in ${files[0].name}`,
    );
  }
}

function identityOf(files: readonly Stored[], options: CsvPartsOptions): Json {
  const { columns, header, separator, trim, missing, malformed } = options;
  const format = Object.entries({ header, separator, trim, missing }).filter(([, value]) => value !== undefined);
  return {
    kind: "csv",
    files: files.map(({ short, size }) => [short, size]),
    columns,
    ...Object.fromEntries(format) as Readonly<Record<string, Json>>,
    ...(typeof malformed === "function" && { malformed: "skipped" }),
  };
}

function partOf({ source, name, size }: Stored, options: CsvPartsOptions): TablePart {
  return {
    name,
    read: async function* (from, signal) {
      const all = { ...options, name, signal };
      const apart = await paysApart(source, size);
      yield* apart ? csvApart(source as string | URL, all, from, mostWords) : csvFrom(source, all, from, mostWords);
    },
  };
}

/** The number of words of a column after which a new list of words begins. */
const mostWords = 2 ** 20;
