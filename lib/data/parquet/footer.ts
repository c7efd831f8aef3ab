import { parquetMetadata, parquetSchema } from "hyparquet";
import type { ColumnMetaData, FileMetaData, RowGroup, SchemaTree } from "hyparquet";
import type { Ranged } from "../../files/source.ts";

/** The contents of a file, as its end lists them. */
export interface Footer {
  /** The columns. */
  readonly columns: readonly SchemaTree[];
  /** The row groups. */
  readonly groups: readonly Group[];
}

/** A row group of a file. */
export interface Group {
  /** The number of rows. */
  readonly rows: number;
  /** The number of rows in the groups before. */
  readonly first: number;
  /** The chunk of each column, by its path. */
  readonly chunks: ReadonlyMap<string, Chunk>;
}

/** The values of a column in a row group. */
export interface Chunk {
  /** The compression. */
  readonly codec: ColumnMetaData["codec"];
  /** The position of its first byte in the file, and of the one behind the last. */
  readonly start: number;
  readonly end: number;
  /** The number of values, missing ones too. */
  readonly values: number;
  /** The bytes of all pages, decompressed. */
  readonly bytes: number;
}

/** Returns the name of a path in the schema, by which a chunk is found. */
export function pathName(path: readonly string[]): string {
  return JSON.stringify(path);
}

/**
 * Reads the end of a file.
 *
 * @throws {SyntaxError} if it is no Parquet file, or is damaged.
 * @throws {Error} if it cannot be read.
 */
export async function readFooter(file: Ranged, signal?: AbortSignal): Promise<Footer> {
  const fail = (found: string, cause?: unknown) => new SyntaxError(`Cannot read ${file.name}: ${found}`, { cause });
  const { size } = file;
  if (size < 12) throw fail(`found ${size} bytes, wanted a Parquet file`);
  let end = await file.read(Math.max(0, size - firstRead), size, signal);
  const magic = text(end.subarray(-4));
  if (magic === "PARE") throw fail("the file is encrypted, wanted one that is not");
  if (magic !== "PAR1") {
    const isCut = text(await file.read(0, 4, signal)) === "PAR1";
    throw fail(isCut ? "the file is cut short: its end is missing" : "found no Parquet file");
  }
  const length = new DataView(end.buffer, end.byteOffset).getUint32(end.length - 8, true);
  if (length > size - 12) throw fail("the file is damaged: its end cannot be as long as it says");
  if (length + 8 > end.length) end = await file.read(size - length - 8, size, signal);
  let metadata: FileMetaData;
  let columns: readonly SchemaTree[];
  try {
    metadata = parquetMetadata(end, { geoparquet: false });
    columns = parquetSchema(metadata).children;
  } catch (error) {
    throw fail("the file is damaged: its end cannot be read", error);
  }
  const groups: Group[] = [];
  let first = 0;
  for (const [place, group] of metadata.row_groups.entries()) {
    const { rows, chunks } = groupOf(group, size - length - 8) ?? {};
    if (rows === undefined || chunks === undefined) {
      throw fail(`the file is damaged: row group ${place} is not within it`);
    }
    groups.push({ rows, first, chunks });
    first += rows;
  }
  if (first !== Number(metadata.num_rows)) {
    throw fail(`the file is damaged: its row groups have ${first} rows, wanted ${metadata.num_rows}`);
  }
  return { columns, groups };
}

/** The bytes that are read first: in most files their end is shorter. */
const firstRead = 65536;

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Returns a row group; undefined if a number of it is out of range. */
function groupOf(
  { num_rows, columns }: RowGroup,
  end: number,
): Pick<Group, "rows" | "chunks"> | undefined {
  const rows = Number(num_rows);
  if (!Number.isSafeInteger(rows) || rows < 0) return undefined;
  if (rows === 0) return { rows, chunks: new Map() }; // whose positions mean nothing
  const chunks = new Map<string, Chunk>();
  for (const { meta_data: column, file_path } of columns) {
    if (column === undefined || file_path !== undefined) return undefined;
    const chunk = chunkOf(column);
    const numbers = [chunk.start, chunk.end, chunk.values, chunk.bytes];
    if (!numbers.every((number) => Number.isSafeInteger(number) && number >= 0)) return undefined;
    if (chunk.start < 4 || chunk.end < chunk.start || chunk.end > end) return undefined;
    chunks.set(pathName(column.path_in_schema), chunk);
  }
  return { rows, chunks };
}

function chunkOf(column: ColumnMetaData): Chunk {
  const [data, words] = [Number(column.data_page_offset), Number(column.dictionary_page_offset ?? 0)];
  const start = words > 0 && words < data ? words : data; // some writers put 0 where there is no dictionary
  return {
    codec: column.codec,
    start,
    end: start + Number(column.total_compressed_size),
    values: Number(column.num_values),
    bytes: Number(column.total_uncompressed_size),
  };
}
