import { labels } from "../data/columns.ts";
import type { Dataset } from "../data/dataset.ts";
import type { ParquetKind } from "../data/parquet/columns.ts";
import { type ParquetFile, parquetPartsBy } from "../data/parquet/parquet.ts";
import { rows } from "../data/rows.ts";
import { dataset } from "../data/windows.ts";
import { checkRecord, checkSignal, optionsOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { encode } from "../features/encode.ts";
import { type Features, featuresOf } from "../features/input.ts";
import { rawColumns } from "../features/table.ts";
import { kindAt } from "../files/place.ts";
import { system } from "../files/runtime.ts";
import type { S3Options } from "../files/s3.ts";
import { pathOf, urlOf } from "../files/source.ts";
import type { StoredSource } from "../files/stored.ts";
import { groupsOf } from "../heads/heads.ts";
import { check } from "../spec/check.ts";
import type { Spec } from "../spec/spec.ts";
import { mapEntries } from "../trace/entries.ts";

/** Options of {@linkcode parquetDataset}. */
export interface ParquetDatasetOptions {
  /**
   * The kinds of columns that are to be read otherwise than the model's features and tasks say: `{ click: ["no", "yes"] }`
   * reads words as the labels 0 and 1.
   */
  readonly columns?: Readonly<Record<string, ParquetKind>>;
  /** The rows of a window, within which rows are shuffled, as of `dataset`. Default 131,072. */
  readonly buffer?: number;
  /** The store of addresses that begin with `s3://`, and the key. Default: what the environment says. */
  readonly s3?: Omit<S3Options, "signal">;
  /** Stops the opening. */
  readonly signal?: AbortSignal;
}

/**
 * Opens Parquet files as rows to train and evaluate on of a model: the columns that its features are made of are its input,
 * and those with the names of its tasks are their labels, missing where a file has null.
 *
 * @param spec The model, whose features are fitted.
 * @param source The files: paths, addresses (`https:`, `s3:`), bytes or Blobs, a list of these, a pattern such as
 * `log/part-*.parquet`, or a folder, whose files `*.parquet` are meant. A folder in S3 ends with a slash.
 * @throws {TypeError} if a file lacks a column, or has another kind of values there: before rows are read.
 * @throws {TypeError | RangeError} if an option is wrong; or, while rows are read, they do not fit the features.
 * @throws {Error} if there is no file, or one cannot be read.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, compile, define, evaluate, fit, numeric } from "@gatehouse/gatehouse";
 * import { parquetDataset, parquetParts } from "@gatehouse/gatehouse/parquet";
 *
 * const files = "tests/parquet/clicks.parquet";
 * const age = numeric({ missing: "mean" });
 * const features = await fit({ age }, await parquetParts(files, { columns: ["age"] }));
 * const spec = define({ input: features, tasks: { click: binary() } });
 * const data = await parquetDataset(spec, files, { columns: { click: ["no", "yes"] } });
 * const model = await compile(spec, { seed: 7 });
 * assertEquals((await evaluate(model, data)).metrics.click.accuracy > 0, true);
 * model.dispose();
 * ```
 */
export async function parquetDataset(
  spec: Spec,
  source: StoredSource | readonly StoredSource[],
  options: ParquetDatasetOptions = {},
): Promise<Dataset> {
  const { columns = {}, buffer, s3, signal } = optionsOf(action, options, ["columns", "buffer", "s3", "signal"]);
  checkRecord(action, "columns", columns);
  checkSignal(action, signal);
  const { input, tasks: heads } = check(spec);
  const features = featuresOf({ input });
  const tasks = mapEntries(heads, (task) => task);
  const within = Object.values(heads).flatMap(({ head }) => groupsOf(head) ?? []);
  const groups = Object.fromEntries(within.map((name) => [name, name]));
  const read = { ...featureColumns(features), ...labelColumns(Object.keys({ ...tasks, ...groups })) };
  checkNames(Object.keys(columns), Object.keys(read));
  const sources = await filesAt(source, { ...s3, signal });
  const parts = await parquetPartsBy(sources, (first) => ({ ...kindsIn(first, read), ...columns }), signal);
  return dataset(
    parts,
    (table) => rows(encode(features, table), { labels: labels(table, tasks, groups) }),
    buffer === undefined ? {} : { buffer },
  );
}

const action = "open rows of Parquet";

/** A column that a model reads. */
interface ReadColumn {
  /** The features or the task that read it, for errors. */
  readonly by: string;
  /** The kind of a value. */
  readonly holds: "number" | "text";
  /** True if a row may be a list of values. */
  readonly lists: boolean;
}

/** Returns the columns of features, by name. */
function featureColumns(features: Features): Readonly<Record<string, ReadColumn>> {
  return mapEntries(rawColumns(features), (_, { holds, lists, features }) => {
    return { by: `the feature ${features.map(quoted).join(" and ")}`, holds, lists };
  });
}

/** Returns the columns of labels, and of groups of rankings, by name. */
function labelColumns(names: readonly string[]): Readonly<Record<string, ReadColumn>> {
  return Object.fromEntries(
    names.map((name) => [name, { by: `the labels ${quoted(name)}`, holds: "number", lists: false }]),
  );
}

/** Makes sure that the columns whose kinds are given are read. */
function checkNames(given: readonly string[], read: readonly string[]): void {
  const wrong = given.find((name) => !read.includes(name));
  if (wrong === undefined) return;
  throw new TypeError(
    `Cannot ${action}\n  at columns: the model reads no column ${quoted(wrong)}${advice(wrong, read)}`,
  );
}

/**
 * Returns the kinds as which a model's columns are read.
 *
 * @throws {TypeError} naming all columns that the file lacks.
 */
function kindsIn(
  { name, columns, hasLists }: ParquetFile,
  read: Readonly<Record<string, ReadColumn>>,
): Readonly<Record<string, ParquetKind>> {
  const missing = Object.entries(read).filter(([column]) => !columns.includes(column)).map(([column, { by }]) => {
    return `  at ${name}: there is no column ${quoted(column)}, which is of ${by}${advice(column, columns)}`;
  });
  if (missing.length > 0) throw new TypeError([`Cannot ${action}`, ...missing].join("\n"));
  return mapEntries(read, (column, { holds, lists }) => {
    if (!lists) return holds;
    return hasLists(column) ? `${holds}s` as const : "text"; // which a separator splits
  });
}

/** Returns files as `parquetParts` takes them: those that a folder or an address in S3 means. */
async function filesAt(
  source: StoredSource | readonly StoredSource[],
  s3: S3Options,
): Promise<readonly StoredSource[]> {
  const list: readonly StoredSource[] = Array.isArray(source) ? source : [source as StoredSource];
  const found: StoredSource[] = [];
  for (const one of list) {
    if (typeof one === "string" && /^s3:\/\//i.test(one)) {
      const { s3Files } = await import("../files/s3.ts"); // loaded where S3 is read alone
      found.push(...await s3Files(one.replace(/^(s3:\/\/[^/].*)\/$/s, "$1/*.parquet"), s3));
    } else {
      const path = pathIn(one);
      found.push(path !== undefined && await isFolder(path) ? `${path.replace(/\/+$/, "")}/*.parquet` : one);
    }
  }
  return found;
}

/** Returns the path of what lies on disk; undefined of other sources. */
function pathIn(source: StoredSource): string | undefined {
  const url = urlOf(source);
  if (url === undefined) return typeof source === "string" ? source : undefined;
  return url.protocol === "file:" && system() !== undefined ? pathOf(url) : undefined;
}

async function isFolder(path: string): Promise<boolean> {
  return path !== "" && !path.includes("*") && system() !== undefined && await kindAt(path) === "folder";
}
