import type { Tensor } from "../ops/tensor.ts";
import type { CodedColumn } from "./form.ts";
import { widthOf } from "./columns.ts";

/** A Parquet file of encoded rows that is being written. */
export interface CodedFile {
  /** Adds a row group: each column's numbers by the name of the input. */
  readonly add: (tensors: Readonly<Record<string, Tensor>>) => void;
  /** Returns the bytes of the file. */
  readonly end: () => Uint8Array<ArrayBuffer>;
}

/**
 * Returns a new Parquet file of encoded rows: a column of one number a row is FLOAT or INT32, one of several is
 * FIXED_LEN_BYTE_ARRAY, the row's numbers as little-endian bytes, which readers take as they lie. Nothing is null. Pages
 * are compressed by Snappy.
 */
export async function codedFile(columns: Readonly<Record<string, CodedColumn>>): Promise<CodedFile> {
  const { ByteWriter, ParquetWriter } = await import("hyparquet-writer"); // loaded by who writes such files alone
  const writer = new ByteWriter();
  const all = Object.entries(columns);
  const schema = [{ name: "rows", num_children: all.length }, ...all.map(([, column]) => elementOf(column))];
  const file = new ParquetWriter({ writer, schema, statistics: false, createdBy: "gatehouse" });
  return {
    add: (tensors) => {
      const columnData = all.map(([name, column]) => {
        const { data } = tensors[name];
        const plain = { name: column.column, encoding: "PLAIN", offsetIndex: false } as const;
        return column.stored === "bytes"
          ? { ...plain, data: rowsOf(data, widthOf(column.shape)) }
          : { name: column.column, offsetIndex: false, data };
      });
      file.write({ columnData, rowGroupSize: columnData[0].data.length });
    },
    end: () => {
      file.finish();
      return new Uint8Array(writer.getBuffer());
    },
  };
}

/** Returns the element of a file's schema that is a column. */
function elementOf({ column: name, dtype, shape, stored }: CodedColumn) {
  const required = { name, repetition_type: "REQUIRED" } as const;
  if (stored === "bytes") {
    return { ...required, type: "FIXED_LEN_BYTE_ARRAY", type_length: 4 * widthOf(shape) } as const;
  }
  return { ...required, type: dtype === "int32" ? "INT32" : "FLOAT" } as const;
}

/** Returns the bytes of each row of numbers. */
function rowsOf(data: Tensor["data"], width: number): Uint8Array[] {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength); // machines of today are little-endian
  const length = 4 * width;
  return Array.from({ length: bytes.length / length }, (_, row) => bytes.subarray(row * length, (row + 1) * length));
}
