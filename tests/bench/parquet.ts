import type { Bench } from "./lines.ts";

/** The Python that writes Parquet, which needs pyarrow and duckdb, as `.ci/run` installs them. */
export const writer = "out/parquet/venv/bin/python";

/** Returns the path of a CSV file as Parquet, written now; undefined, with a note, where pyarrow is missing. */
export async function parquetOf(
  csv: string,
  name: string,
  codec: "snappy" | "zstd",
  { note, signal }: Bench,
): Promise<string | undefined> {
  const path = `out/parquet/${name}-${codec}.parquet`;
  if (!await Deno.stat(writer).then(() => true, () => false)) {
    note(`reading: Parquet of ${name} is left out: there is no ${writer}, as .ci/run installs it`);
    return undefined;
  }
  const command = new Deno.Command(writer, {
    args: ["tests/parquet/write.py", "out/parquet", csv, name],
    stderr: "piped",
    signal,
  });
  const { success, stderr } = await command.output();
  signal.throwIfAborted();
  if (!success) throw new Error(`Cannot write ${path}: ${new TextDecoder().decode(stderr)}`);
  return path;
}
