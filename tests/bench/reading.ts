import {
  adam,
  category,
  type Columns,
  compile,
  csvParts,
  type CsvPartsOptions,
  dataset,
  encode,
  type Engine,
  type Features,
} from "../../mod.ts";
import { fit, labels, numeric, readCsv, rows, type TableParts, train } from "../../mod.ts";
import { random } from "../../lib/datasets.ts";
import { parquetParts } from "../../lib/parquet.ts";
import { findFile } from "../../lib/datasets/find.ts";
import { gunzip } from "../../lib/data/gzip.ts";
import { type CaseName, cases, specOf } from "./cases.ts";
import { inventedCensus } from "./census.ts";
import { idFeatures, zipf } from "./ids.ts";
import { type Bench, own } from "./lines.ts";
import { type Contestant, measure } from "./measure.ts";
import { watched } from "./watch.ts";

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
 * turns;
 * invented rows of the same form where `GATEHOUSE_DATA` has no log. Then the share of an epoch over CSV in which the
 * engine does not run, beside that over rows in memory.
 */
export async function reading(engines: Readonly<Record<string, Engine>>, bench: Bench): Promise<void> {
  const { plain, gzip, invented } = await logOf();
  const tasks = { click: "is_click", like: "is_like", view: "long_view" };
  const contestants: Contestant[] = [];
  const counts: Record<string, number> = {};
  const tables: Record<string, TableParts> = {};
  for (const [name, file] of Object.entries({ plain, gzip })) tables[name] = await csvParts(file, { columns });
  for (const codec of invented ? [] : ["snappy", "zstd"]) {
    const path = `out/parquet/log-${codec}.parquet`; // as tests/parquet/write.py writes the log
    if (await Deno.stat(path).then(() => true, () => false)) {
      tables[`parquet, ${codec}`] = await parquetParts(path, { columns });
    } else bench.note(`reading: there is no ${path}`);
  }
  for (const [name, parts] of Object.entries(tables)) {
    bench.note(`reading: fitting ${name}`);
    const features = await fit(unfitted, parts);
    const data = dataset(parts, (table) => rows(encode(features, table), { labels: labels(table, tasks) }));
    const once = async () => {
      let count = 0;
      const start = performance.now();
      for await (const { rows } of data.pass({ seed: 7, epoch: 1, shuffle: true, batch: 1024 })) count += rows.count;
      counts[name] = count;
      return performance.now() - start;
    };
    contestants.push({ name, times: async (count: number) => await Array.fromAsync({ length: count }, once) });
  }
  const name = `${invented ? "invented " : ""}log`;
  for (const [form, times] of await measure(contestants, { ...bench, repeats: Math.min(bench.repeats, 10) })) {
    const reader = form.startsWith("parquet") ? "parquet" : "csv";
    bench.write(
      own(`reading, ${name}, ${form}`, reader, "rows_per_s", times.map((time) => counts[form] / time * 1000)),
    );
  }
  for (const name of ["W4", "W6"] as const) await shares(name, engines, bench);
}

/** The log as plain bytes and as gzip. */
async function logOf(): Promise<{ readonly plain: Blob; readonly gzip: Blob; readonly invented: boolean }> {
  const { path } = await findFile("kuairand", "log_standard_4_25_to_5_06_pure.csv");
  if (path?.endsWith(".gz")) {
    const gzip = new Blob([await Deno.readFile(path)]);
    return { plain: new Blob(await Array.fromAsync(gunzip(gzip.stream())) as BlobPart[]), gzip, invented: false };
  }
  const plain = path === undefined ? inventedLog(200_000) : new Blob([await Deno.readFile(path)]);
  const gzip = await new Response(plain.stream().pipeThrough(new CompressionStream("gzip"))).blob();
  return { plain, gzip, invented: path === undefined };
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

/**
 * The share of an epoch in which the engine does not run, over CSV of a case's inputs and over the same rows in memory: what
 * CSV adds to it is reading. Vectors, which W6 has, are moved beside the engine too.
 */
async function shares(
  name: CaseName,
  engines: Readonly<Record<string, Engine>>,
  bench: Bench,
  epochRows = name === "W4" ? 2 ** 17 : 2 ** 15,
): Promise<void> {
  const of = { name, ...cases[name] };
  const features = typeof of.input === "object" ? idFeatures(of.input) : inventedCensus(1).features;
  const tasks = of.input === "census" ? ["income", "marital"] : ["task0", "task1"];
  const { file, columns } = csvOf(features, tasks, epochRows);
  const path = `out/bench-${name}.csv`;
  const buffer = epochRows / 16; // as of a large file, in which the first window is a small part
  await Deno.writeFile(path, file.stream());
  const made = (table: Columns) =>
    rows(encode(features, table), { labels: labels(table, Object.fromEntries(tasks.map((task) => [task, task]))) });
  const forms = {
    "rows in memory": made(await readCsv(file, { columns })),
    "csv, one thread": dataset(await csvParts(file, { columns }), made, { buffer }),
    csv: dataset(await csvParts(path, { columns }), made, { buffer }),
  };
  const spec = specOf(of, features);
  for (const [key, given] of Object.entries(engines)) {
    for (const [form, data] of Object.entries(forms)) {
      const found: number[] = [];
      const rates: number[] = [];
      const { engine, running } = watched(given);
      const model = await compile(spec, { engine, seed: bench.seed });
      bench.note(`reading: epochs of ${name} over ${form} on ${key}`);
      for (let epoch = 0; epoch < 1 + shareEpochs; epoch++) {
        const [start, before] = [performance.now(), running()];
        for await (const _ of train(model, data, { batch: of.batch, optimiser: adam(1e-3), signal: bench.signal }));
        bench.signal.throwIfAborted();
        const time = performance.now() - start;
        if (epoch === 0) continue; // warms up
        found.push(1 - (running() - before) / time);
        rates.push(epochRows / time * 1000);
      }
      model.dispose();
      bench.write(own(`${name} epoch over ${form}`, key, "share_beside_engine", found));
      bench.write(own(`${name} epoch over ${form}`, key, "rows_per_s", rates));
    }
  }
  await Deno.remove(path);
}

/** The epochs that are timed. */
const shareEpochs = 2;

/** A file of invented values of features, and of labels, with the columns to read of it. */
function csvOf(features: Features, tasks: readonly string[], count: number) {
  const source = random("bench:csv");
  const names = [...Object.keys(features), ...tasks];
  const cell = Object.values(features).map((feature) => () => {
    if (feature.kind === "category") return feature.words[Math.floor(source.uniform() * feature.words.length)];
    if (feature.kind === "hashed") return `${zipf(feature.buckets, source)}`;
    return `${Math.floor(90 * source.uniform())}`;
  });
  const lines = Array.from({ length: count }, () => {
    return `${[...cell.map((value) => value()), ...tasks.map(() => source.uniform() < 0.5 ? 1 : 0)].join()}\n`;
  });
  const kinds = Object.entries(features).map(([name, { kind }]) =>
    [name, kind === "numeric" ? "number" : "text"] as const
  );
  const labelled = tasks.map((task) => [task, "number"] as const);
  return { file: new Blob([`${names.join()}\n`, ...lines]), columns: Object.fromEntries([...kinds, ...labelled]) };
}
