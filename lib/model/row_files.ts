import type { Safetensors } from "../formats/safetensors.ts";
import type { Parameter } from "../graph/layout.ts";
import type { Tensor } from "../ops/tensor.ts";

/**
 * Reads tables whose rows are in several files, row r of a table in the file at place `r mod files` there, as machines that
 * share a table write it. Memory is that of the tables and of one file.
 *
 * @param filesOf The files of each table, by path.
 * @param read Reads a file that must hold these parameters and no others.
 */
export async function joinedRows(
  tables: readonly Parameter[],
  filesOf: ReadonlyMap<string, readonly string[]>,
  read: (file: string, own: readonly Parameter[]) => Promise<Safetensors>,
): Promise<Safetensors> {
  const tensors: Record<string, Tensor> = {};
  let metadata: Safetensors["metadata"] = {};
  for (const file of new Set(tables.flatMap(({ path }) => filesOf.get(path)!))) {
    const own = tables.map((table) => ({ table, files: filesOf.get(table.path)! })).filter(({ files }) =>
      files.includes(file)
    );
    const parts = own.map(({ table, files }) => {
      const [rows, ...rest] = table.shape;
      const place = files.indexOf(file);
      return { table, place, apart: files.length, shape: [Math.ceil((rows - place) / files.length), ...rest] };
    });
    const found = await read(file, parts.map(({ table, shape }) => ({ ...table, shape })));
    metadata = found.metadata;
    for (const { table: { path, shape: [rows, units] }, place, apart } of parts) {
      const whole = (tensors[path] ??= { shape: [rows, units], data: new Float32Array(rows * units) }).data;
      const { data } = found.tensors[path];
      for (let from = 0, to = place * units; from < data.length; from += units, to += apart * units) {
        whole.set(data.subarray(from, from + units), to);
      }
    }
  }
  return { tensors, metadata };
}
