/**
 * Gatehouse on Parquet: files of columns as tables in parts, of which the columns that are named are read, row group by row
 * group.
 *
 * @example The rows of a file
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parquetParts } from "@gatehouse/gatehouse/parquet";
 *
 * const table = await parquetParts("tests/parquet/clicks.parquet", { columns: ["age"] });
 * const ages = [];
 * for await (const { columns } of table) if (columns.age.kind === "number") ages.push(...columns.age.values);
 * assertEquals(ages, [73, 58, 18, NaN, 31]);
 * ```
 *
 * @module
 */
export { type ParquetOptions, parquetParts } from "./data/parquet/parquet.ts";
export { parquetDataset, type ParquetDatasetOptions } from "./model/parquet_dataset.ts";
export type { ParquetKind } from "./data/parquet/columns.ts";
export type { Ranged } from "./files/source.ts";
export type { S3Options } from "./files/s3.ts";
export type { StoredSource } from "./files/stored.ts";
