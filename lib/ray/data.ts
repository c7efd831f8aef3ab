import type { S3Options } from "../files/s3.ts";
import type { Data } from "../model/pieces.ts";
import { isModel, type Model } from "../model/model.ts";
import type { Spec } from "../spec/spec.ts";

/**
 * The rows of a training on a cluster: as `train` takes them, or the Parquet files that hold them, by paths, addresses, a
 * pattern such as `s3://logs/clicks/part-*.parquet`, or a folder, which `parquetDataset` opens by what the model reads.
 */
export type RayData = Data | string | readonly string[];

/** Rows, and the store in which they may lie. */
export interface GivenRows {
  readonly data: RayData;
  readonly validation?: RayData;
  /** The store of data whose address begins with `s3://`, and the key. Default: what the environment says. */
  readonly s3?: Omit<S3Options, "signal">;
  readonly signal?: AbortSignal;
}

/** Rows that can be read. */
export interface OpenedRows {
  readonly data: Data;
  readonly validation: Data | undefined;
}

/**
 * Returns the rows to train and to evaluate on, those in files opened.
 *
 * @throws {TypeError} if a file lacks a column that the model reads, or has other values there.
 * @throws {Error} if there is no file, or one cannot be read.
 */
export async function openedRows(
  from: Spec | Model,
  { data, validation, s3, signal }: GivenRows,
): Promise<OpenedRows> {
  const opened = async (given: RayData): Promise<Data> => {
    if (typeof given !== "string" && !Array.isArray(given)) return given as Data;
    const { parquetDataset } = await import("../model/parquet_dataset.ts"); // loaded where such files are read alone
    const spec = isModel(from) ? from.spec : from;
    return await parquetDataset(spec, given, { s3, signal });
  };
  return { data: await opened(data), validation: validation === undefined ? undefined : await opened(validation) };
}
