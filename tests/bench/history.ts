import { type Columns, csvParts, type CsvPartsOptions } from "../../mod.ts";
import { random } from "../../lib/datasets.ts";
import { findFile } from "../../lib/datasets/find.ts";
import { count, history, lastItems, rate, sum, timeSince } from "../../lib/history.ts";
import { type Bench, own } from "./lines.ts";
import { type Contestant, measure } from "./measure.ts";

/** Ten features of three kinds of keys, one of them lists. */
const features = {
  user_clicks: rate({ by: "user_id", of: "is_click" }),
  user_likes: rate({ by: "user_id", of: "is_like" }),
  user_views: rate({ by: "user_id", of: "long_view" }),
  user_since: timeSince({ by: "user_id" }),
  user_played: sum({ by: "user_id", of: "play_time_ms" }),
  video_clicks: rate({ by: "video_id", of: "is_click" }),
  video_likes: rate({ by: "video_id", of: "is_like" }),
  video_shown: count({ by: "video_id" }),
  tab_clicks: rate({ by: ["user_id", "tab"], of: "is_click" }),
  clicked: lastItems({ by: "user_id", item: "video_id", where: "is_click", most: 20 }),
};

/** The logs that are measured: KuaiRand's if it is to be, and invented ones of each of these sizes. */
export interface Logs {
  readonly log: boolean;
  readonly rows: readonly number[];
  readonly users: readonly number[];
}

/**
 * Rows a second of ten features of the past, on one thread: of KuaiRand's log in memory, where `GATEHOUSE_DATA` has it; and
 * of invented logs in pieces of 8192 rows, with the bytes that their keys take.
 */
export async function pasts(
  bench: Bench,
  { log: wanted, rows, users }: Logs = { log: true, rows: [500_000, 2_000_000], users: [10_000, 1_000_000] },
): Promise<void> {
  const log = wanted ? await logOf() : undefined;
  if (log !== undefined) {
    const contestants = (["row", "day"] as const).map((before) => contestantOf(log, before));
    bench.note("history: KuaiRand's log");
    for (const [name, times] of await measure(contestants, { ...bench, repeats: Math.min(bench.repeats, 10) })) {
      bench.write(own(`history, log, ${name}`, "history", "rows_per_s", times.map((time) => log.count / time * 1000)));
    }
  }
  for (const some of users) {
    for (const many of rows) {
      bench.note(`history: ${many} rows of ${some} users`);
      const { ms, bytes } = invented(many, some);
      const name = `history, ${many} rows of ${some} users`;
      bench.write(own(name, "history", "rows_per_s", [many / ms * 1000]));
      bench.write(own(name, "history", "mib", [bytes / 2 ** 20]));
    }
  }
}

function contestantOf(log: Columns, before: "row" | "day"): Contestant {
  const past = history(features, { time: "time_ms", before, zone: "+08:00" });
  const once = () => {
    const start = performance.now();
    past.begin().over(log);
    return performance.now() - start;
  };
  return { name: before, times: (count) => Promise.resolve(Array.from({ length: count }, once)) };
}

/** The log with ids as texts, in one piece. */
async function logOf(): Promise<Columns | undefined> {
  const { path } = await findFile("kuairand", "log_standard_4_25_to_5_06_pure.csv");
  if (path === undefined) return undefined;
  const columns: CsvPartsOptions["columns"] = {
    ...{ user_id: "text", video_id: "text", tab: "text", time_ms: "number", play_time_ms: "number" },
    ...{ is_click: "number", is_like: "number", long_view: "number" },
  };
  for await (const piece of await csvParts(path, { columns, rows: 2 ** 24 })) return piece;
}

/** The time of an invented log, and the bytes of the arrays of its state. */
function invented(rows: number, users: number): { readonly ms: number; readonly bytes: number } {
  const run = history(features, { time: "time_ms", before: "day" }).begin();
  const { bits } = random("bench:history");
  let [time, ms] = [0, 0];
  for (let at = 0; at < rows; at += 8192) {
    const count = Math.min(8192, rows - at);
    const numbers = (of: () => number) =>
      ({ kind: "number", values: Float64Array.from({ length: count }, of) }) as const;
    const columns = {
      time_ms: numbers(() => time += 1000),
      user_id: numbers(() => bits() % users),
      video_id: numbers(() => bits() % Math.ceil(users / 4)),
      tab: numbers(() => bits() % 3),
      play_time_ms: numbers(() => bits() % 60_000),
      is_click: numbers(() => bits() % 2),
      is_like: numbers(() => bits() % 50 === 0 ? 1 : 0),
      long_view: numbers(() => bits() % 3 === 0 ? 1 : 0),
    };
    const start = performance.now();
    run.over({ count, columns });
    ms += performance.now() - start;
  }
  const { arrays } = run.state();
  return { ms, bytes: Object.values(arrays).reduce((sum, { byteLength }) => sum + byteLength, 0) };
}
