import type { Bench } from "./lines.ts";

/** The Python that writes Parquet, which needs pyarrow and duckdb, as `.ci/run` installs them. */
export const writer = "out/parquet/venv/bin/python";

/** Returns the paths of a CSV file as Parquet by codec, written now; undefined, with a note, where pyarrow is missing. */
export async function parquetOf(
  csv: string,
  name: string,
  { note, signal }: Bench,
): Promise<Readonly<Record<"snappy" | "zstd", string>> | undefined> {
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
  if (!success) throw new Error(`Cannot write Parquet of ${name}: ${new TextDecoder().decode(stderr)}`);
  return { snappy: `out/parquet/${name}-snappy.parquet`, zstd: `out/parquet/${name}-zstd.parquet` };
}
