/**
 * Gatehouse on S3: files in stores that speak it, at AWS and elsewhere, which are read in ranges of bytes.
 *
 * @example Parquet files of a bucket
 * ```ts ignore
 * import { parquetParts } from "@gatehouse/gatehouse/parquet";
 * import { s3Files } from "@gatehouse/gatehouse/s3";
 *
 * const table = await parquetParts(await s3Files("s3://logs/clicks/part-*.parquet"), { columns: ["user", "click"] });
 * ```
 *
 * @module
 */
export { s3Files, type S3Options } from "./files/s3.ts";
export type { Ranged } from "./files/source.ts";
