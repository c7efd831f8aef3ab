import { category, csvParts, type CsvPartsOptions, dataset, encode, type Engine } from "../../mod.ts";
import { fit, labels, numeric, rows, type TableParts } from "../../mod.ts";
import { random } from "../../lib/datasets.ts";
import { parquetParts } from "../../lib/parquet.ts";
import { findFile } from "../../lib/datasets/find.ts";
import { gunzip } from "../../lib/data/gzip.ts";
import { zipf } from "./ids.ts";
import { against, type Bench, own } from "./lines.ts";
import { type Contestant, measure } from "./measure.ts";
import { parquetOf } from "./parquet.ts";
import { shares } from "./shares.ts";

/** The columns of KuaiRand's log that are read. */
const columns: CsvPartsOptions["columns"] = {
  ...{ user_id: "text", video_id: "text", date: "text", hourmin: "number", time_ms: "number" },
  ...{ is_click: "number", is_like: "number", long_view: "number", duration_ms: "number", tab: "text" },
};

/** The features that the log's ten columns have beside three labels. */
const unfitted = {
  ...{ user_id: category(), video_id: category(), date: category(), tab: category() },
  ...{ hourmin: numeric(), time_ms: numeric({ quantiles: 32 }), duration_ms: numeric() },
};

/**
 * Rows a second from ten columns of KuaiRand's log to encoded windows, on one thread, the plain file, gzip and Parquet in
 * turns; invented rows of the same form where `GATEHOUSE_DATA` has no log. Then the share of an epoch in which the engine
 * waits for rows, over rows in memory, CSV and Parquet.
 */
export async function reading(engines: Readonly<Record<string, Engine>>, bench: Bench): Promise<void> {
  const { plain, gzip, path } = await logOf();
  const tables: Record<string, TableParts> = {};
  for (const [name, file] of Object.entries({ plain, gzip })) tables[name] = await csvParts(file, { columns });
  const written = path === undefined ? undefined : await parquetOf(path, "log", bench);
  for (const [codec, file] of Object.entries(written ?? {})) tables[codec] = await parquetParts(file, { columns });
  const contestants: Contestant[] = [];
  const counts: Record<string, number> = {};
  for (const [name, parts] of Object.entries(tables)) {
    bench.note(`reading: fitting ${name}`);
    contestants.push(await contestantOf(name, parts, (count) => counts[name] = count));
  }
  bench.note("reading");
  const times = await measure(contestants, { ...bench, repeats: Math.min(bench.repeats, 10) });
  const rates = (form: string) => times.get(form)!.map((time) => counts[form] / time * 1000);
  const name = `reading, ${path === undefined ? "invented " : ""}log`;
  for (const form of csvForms) bench.write(own(`${name}, ${form}`, "csv", "rows_per_s", rates(form)));
  for (const form of Object.keys(tables).filter((form) => !csvForms.includes(form))) {
    bench.write(own(`${name}, ${form}`, "parquet", "rows_per_s", rates(form)));
    bench.write(against(`${name}, ${form}`, "parquet", "rows_per_s", "csv", rates("plain"), rates(form)));
  }
  for (const name of ["W4", "W6"] as const) await shares(name, engines, bench);
}

/** The forms of the log that are CSV. */
const csvForms: readonly string[] = ["plain", "gzip"];

/** A reader of the log: features are fitted once, and each run is a pass to encoded rows in memory. */
async function contestantOf(name: string, parts: TableParts, counted: (rows: number) => void): Promise<Contestant> {
  const tasks = { click: "is_click", like: "is_like", view: "long_view" };
  const features = await fit(unfitted, parts);
  const data = dataset(parts, (table) => rows(encode(features, table), { labels: labels(table, tasks) }));
  const once = async () => {
    let count = 0;
    const start = performance.now();
    for await (const { rows } of data.pass({ seed: 7, epoch: 1, shuffle: true, batch: 1024 })) count += rows.count;
    counted(count);
    return performance.now() - start;
  };
  return { name, times: async (count: number) => await Array.fromAsync({ length: count }, once) };
}

/** The log as plain bytes and as gzip, and its path if it is not invented. */
async function logOf(): Promise<{ readonly plain: Blob; readonly gzip: Blob; readonly path: string | undefined }> {
  const { path } = await findFile("kuairand", "log_standard_4_25_to_5_06_pure.csv");
  if (path?.endsWith(".gz")) {
    const gzip = new Blob([await Deno.readFile(path)]);
    return { plain: new Blob(await Array.fromAsync(gunzip(gzip.stream())) as BlobPart[]), gzip, path };
  }
  const plain = path === undefined ? inventedLog(200_000) : new Blob([await Deno.readFile(path)]);
  const gzip = await new Response(plain.stream().pipeThrough(new CompressionStream("gzip"))).blob();
  return { plain, gzip, path };
}

/** A log of the same columns, others among them. */
function inventedLog(count: number): Blob {
  const source = random("bench:log");
  const below = (most: number) => Math.floor(most * source.uniform());
  const lines = Array.from({ length: count }, (_, row) => {
    const [user, video, day] = [zipf(27_000, source), zipf(7500, source), 20220425 + Math.floor(row / count * 6)];
    const time = 1650812741436 + row * 5000 + below(5000);
    const outcome = `${below(2)},${below(50) === 0 ? 1 : 0},0,0,0,0,${below(2)},${below(60_000)},${below(90_000)}`;
    return `${user},${video},${day},${below(24)}00,${time},${outcome},0,0,0,0,${below(8)}\n`;
  });
  const header = "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate," +
    "long_view,play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab\n";
  return new Blob([header, ...lines]);
}
