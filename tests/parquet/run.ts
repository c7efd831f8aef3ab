/**
 * Writes Parquet files by pyarrow and DuckDB in `out/parquet`, of every compression, page version and encoding, and reads
 * them: `deno task test:parquet`. Installs both packages in `out/parquet/venv`, and says so where that cannot be done.
 */
import { assert, assertEquals } from "@std/assert";
import { pythonOf, ran } from "../environment.ts";
import { assertSame, csvTexts, type Kinds, parquetTexts } from "./compare.ts";

const folder = "out/parquet";
const python = await pythonOf(`${folder}/venv`, ["pyarrow==26.0.1", "duckdb==2.0.1"]);
const ignore = python === undefined;

/** A file that was written, the CSV of its rows, and the columns that it has not. */
interface Written {
  readonly file: string;
  readonly csv: string;
  readonly without: readonly string[];
}

/** Writes files of so many rows in a folder of their own; returns what was written. */
async function written(
  rows: number,
): Promise<{ readonly at: string; readonly files: Written[]; readonly kinds: Kinds }> {
  const at = `${folder}/${rows}`;
  await Deno.mkdir(at, { recursive: true });
  const found = await ran(python!, ["tests/parquet/write.py", at, String(rows)]);
  if ("failed" in found) throw new Error(`Cannot write Parquet: ${found.failed}`);
  const read = async (name: string) => JSON.parse(await Deno.readTextFile(`${at}/${name}`));
  return { at, files: await read("files.json"), kinds: await read("kinds.json") };
}

function only(kinds: Kinds, { without }: Written): Kinds {
  return Object.fromEntries(Object.entries(kinds).filter(([name]) => !without.includes(name)));
}

Deno.test(
  "files of every compression, page version and encoding read equal to the CSV of their rows",
  { ignore },
  async () => {
    const { at, files, kinds } = await written(3000);
    const tables: Record<string, Awaited<ReturnType<typeof csvTexts>>> = {};
    for (const { csv } of files) tables[csv] ??= await csvTexts(`${at}/${csv}`, kinds);
    for (const one of files) await assertSame(`${at}/${one.file}`, tables[one.csv], only(kinds, one));
    assert(files.length > 40);
  },
);

Deno.test("files that are damaged at every 97th byte are read as errors, or right where they have checksums", {
  ignore,
}, async () => {
  const { at, files, kinds } = await written(30);
  let held = 0, missed = 0;
  const counts = { errors: 0, same: 0, others: 0 };
  const half = files.filter(({ file }) => !/v1-plain|v2-dictionary|V2|deltas\.|splits\.|groups|old/.test(file));
  for (const one of half) {
    const some = only(kinds, one);
    const bytes = await Deno.readFile(`${at}/${one.file}`);
    const wanted = JSON.stringify(await parquetTexts(bytes, some));
    for (let byte = 0; byte < bytes.length; byte += 97) {
      const flipped = bytes.slice();
      flipped[byte] ^= 1 << byte % 8;
      for (const damaged of [bytes.slice(0, byte), flipped]) {
        const found = await parquetTexts(damaged, some).then(JSON.stringify, ({ message }: Error) => {
          assert(message.startsWith("Cannot read "), `${one.file}, byte ${byte}: ${message}`);
          return undefined;
        });
        counts[found === undefined ? "errors" : found === wanted ? "same" : "others"]++;
        assert(damaged === flipped || found === undefined || found === wanted, `${one.file}, cut at ${byte}`);
        if (!/^pyarrow-(?!no-)/.test(one.file)) continue;
        held++;
        if (found !== undefined && found !== wanted) missed++;
      }
    }
  }
  console.log({ ...counts, held, missed });
  assert(missed <= held / 1000); // headers of pages and the end of a file have no checksum
});

Deno.test(
  "an address is read by ranges of bytes from a server, and one without ranges is an error",
  { ignore },
  async () => {
    const { at, files, kinds } = await written(30);
    const bytes = await Deno.readFile(`${at}/${files[0].file}`);
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
      const range = request.headers.get("range");
      if (range === null || request.url.endsWith("whole.parquet")) return new Response(bytes);
      const [start, end] = range.slice(6).split("-").map(Number);
      const headers = { "content-range": `bytes ${start}-${end}/${bytes.length}` };
      return new Response(bytes.slice(start, end + 1), { status: 206, headers });
    });
    try {
      const address = `http://127.0.0.1:${server.addr.port}`;
      assertEquals(await parquetTexts(`${address}/log.parquet`, kinds), await parquetTexts(bytes, kinds));
      const error = await parquetTexts(`${address}/whole.parquet`, kinds).catch(({ message }: Error) => message);
      assert(String(error).includes("the server answers with the whole file"), String(error));
    } finally {
      await server.shutdown();
    }
  },
);
