/**
 * Writes KuaiRand-Pure with the inputs of our models for those of others: of `raw`, `lag` and `online`, or those that are
 * named, `out/kuairand/INPUTS.csv` and what it holds, `INPUTS.json`.
 */
import {
  bag,
  category,
  type Columns,
  type Features,
  fit,
  numeric,
  readCsv,
  sequence,
  take,
  type TextColumn,
  type UnfittedFeature,
} from "../../mod.ts";
import { count, history, lastItems, type PastFeature, rate, timeSince } from "../../lib/history.ts";
import { findKuairand, kuairandFiles } from "../../examples/paper/kuairand_files.ts";
import { partOf, writeChunks } from "../../lib/datasets/unpack.ts";
import { type Log, type Table, tableOf } from "./kuairand_table.ts";

/** The tasks. */
export const tasks = ["is_click", "long_view", "is_like", "is_profile_enter"] as const;

/** The parts of the rows, and the last day of each. */
export const days = { train: "20220504", validation: "20220505", test: "20220506" } as const;

const amount = numeric({ transform: "log1p" });

/** The features of a showing, of its user and of its video, by the file that has them. */
const raw = {
  log: {
    user_id: category({ minCount: 2 }),
    video_id: category({ minCount: 2 }),
    hourmin: category(),
    tab: category(),
    duration_ms: amount,
  },
  users: {
    user_active_degree: category(),
    is_lowactive_period: category(),
    is_live_streamer: category(),
    is_video_author: category(),
    follow_user_num_range: category(),
    fans_user_num_range: category(),
    friend_user_num_range: category(),
    register_days_range: category(),
    ...Object.fromEntries(Array.from({ length: 18 }, (_, i) => [`onehot_feat${i}`, category({ minCount: 5 })])),
    follow_user_num: amount,
    fans_user_num: amount,
    friend_user_num: amount,
    register_days: amount,
  },
  videos: {
    author_id: category({ minCount: 2 }),
    music_id: category({ minCount: 2 }),
    video_type: category(),
    upload_type: category(),
    visible_status: category(),
    music_type: category(),
    tag: bag({ separator: "," }),
  },
} as const;

/** The inputs: without history, with that of earlier days, and with that of earlier moments. */
export const inputNames = ["raw", "lag", "online"] as const;

/** What history is of: columns whose values are keys, alone and in pairs. */
const keys: Readonly<Record<string, readonly string[]>> = {
  user: ["user_id"],
  video: ["video_id"],
  author: ["author_id"],
  music: ["music_id"],
  tags: ["tag"],
  "user and author": ["user_id", "author_id"],
  "user and music": ["user_id", "music_id"],
  "user and tags": ["user_id", "tag"],
  "user and tab": ["user_id", "tab"],
  "video and tab": ["video_id", "tab"],
};

/** The features of the past: counts and smoothed rates of all tasks by key, times since, and the last clicked videos. */
const past: Readonly<Record<string, PastFeature>> = {
  ...Object.fromEntries(
    Object.entries(keys).flatMap(([name, by]) => {
      const key = { by, ...by.includes("tag") && { separator: "," } };
      const rates = tasks.map((task): [string, PastFeature] => [`${task} by ${name}`, rate({ ...key, of: task })]);
      return [[`shown by ${name}`, count(key)] as const, ...rates];
    }),
  ),
  "since user": timeSince({ by: "user_id" }),
  "since video": timeSince({ by: "video_id" }),
  "since user and author": timeSince({ by: ["user_id", "author_id"] }),
  clicked: lastItems({ by: "user_id", item: "video_id", where: "is_click", most: 10 }),
};

/**
 * KuaiRand-Pure with the raw inputs: ids, tables of users and videos, when and where; or with history beside them.
 *
 * @param folder The folder of the files. By default GATEHOUSE_DATA, then `data`.
 * @throws {Error} if the files are not found, or others.
 */
export async function logOf(inputs: typeof inputNames[number], folder?: string, verify = true): Promise<Log> {
  const load = async (of: keyof typeof kuairandFiles, more: Readonly<Record<string, "text" | "number">>) => {
    const { name, sha256 } = kuairandFiles[of];
    const path = await findKuairand(name, folder);
    return await readCsv(path, { columns: { ...kindsOf(raw[of]), ...more }, sha256: verify ? sha256 : undefined });
  };
  const outcomes = Object.fromEntries(tasks.map((task) => [task, "number" as const]));
  const log = await load("log", { ...outcomes, date: "text", time_ms: "number" });
  const users = await load("users", { user_id: "text" });
  const videos = await load("videos", { video_id: "text", upload_dt: "text" });
  const [user, video] = [take(users, places(log, users, "user_id")), take(videos, places(log, videos, "video_id"))];
  const joined: Columns = {
    count: log.count,
    columns: { ...user.columns, ...video.columns, ...log.columns, age: ages(log, video) },
  };
  const before = { raw: undefined, lag: "day", online: "row" } as const;
  const columns = inputs === "raw"
    ? joined
    : history(past, { time: "time_ms", zone: "+08:00", before: before[inputs] }).over(joined).table;
  const split = splitOf(log);
  const trained = take(columns, Uint32Array.from(split.keys()).filter((row) => split[row] === 0));
  const unfitted = { ...raw.log, ...raw.users, ...raw.videos, age: numeric(), ...inputs === "raw" ? {} : ofPast() };
  const features = fit(unfitted, trained) as Features;
  return { inputs, columns, features, splits: Object.keys(days), split, tasks, group: "user_id" };
}

/** The features that columns of history are read as: of rates as they are, of counts and times their logarithm. */
function ofPast(): Record<string, UnfittedFeature> {
  const featureOf = ({ kind }: PastFeature): UnfittedFeature => {
    if (kind === "lastItems") return sequence({ most: 10, minCount: 2 });
    return numeric({ transform: kind === "rate" ? "none" : "log1p", indicator: true });
  };
  return Object.fromEntries(Object.entries(past).map(([name, feature]) => [name, featureOf(feature)]));
}

function kindsOf(features: Readonly<Record<string, { readonly kind: string }>>): Record<string, "text" | "number"> {
  return Object.fromEntries(
    Object.entries(features).map(([name, { kind }]) => [name, kind === "numeric" ? "number" : "text"]),
  );
}

/** Returns the row of a table for each row of the log. */
function places(log: Columns, table: Columns, key: string): Int32Array {
  const [own, keys] = [log.columns[key] as TextColumn, table.columns[key] as TextColumn];
  const rowOf = new Map<string, number>();
  keys.codes.forEach((code, row) => rowOf.set(keys.words[code], row));
  return own.codes.map((code) => rowOf.get(own.words[code])!);
}

/** Returns the days from the upload of a video to its showing. */
function ages(log: Columns, video: Columns): Columns["columns"][string] {
  const [date, upload] = [log.columns.date as TextColumn, video.columns.upload_dt as TextColumn];
  const shown = date.words.map((day) => Date.parse(`${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}`));
  const made = upload.words.map((day) => Date.parse(day));
  const values = Float64Array.from({ length: log.count }, (_, row) => {
    return (shown[date.codes[row]] - made[upload.codes[row]]) / 86_400_000;
  });
  return { kind: "number", values };
}

function splitOf(log: Columns): Int32Array {
  const { codes, words } = log.columns.date as TextColumn;
  const of = words.map((day) => Object.values(days).findIndex((last) => day <= last));
  return codes.map((code) => of[code]);
}

/** Writes a table to `FOLDER/INPUTS.csv` and `.json`, which is written last. */
export async function writeTable({ form, csv }: Table, folder: string): Promise<string> {
  await Deno.mkdir(folder, { recursive: true });
  const [path, encoder] = [`${folder}/${form.inputs}`, new TextEncoder()];
  const write = async (path: string, pieces: () => Iterable<string>) => {
    const part = partOf(path);
    try {
      await writeChunks(
        part,
        (async function* () {
          let text = "";
          for (const piece of pieces()) {
            text += piece;
            if (text.length < 2 ** 16) continue;
            yield encoder.encode(text);
            text = "";
          }
          yield encoder.encode(text);
        })(),
      );
      await Deno.rename(part, path);
    } finally {
      await Deno.remove(part).catch(() => {});
    }
  };
  await write(`${path}.csv`, csv);
  await write(`${path}.json`, () => [JSON.stringify(form)]);
  return path;
}

if (import.meta.main) {
  const unknown = Deno.args.find((name) => !inputNames.some((known) => known === name));
  if (unknown !== undefined) {
    throw new TypeError(`Cannot write inputs: found ${unknown}, wanted ${inputNames.join(", ")}`);
  }
  for (const name of inputNames) {
    if (Deno.args.length > 0 && !Deno.args.includes(name)) continue;
    console.log(await writeTable(tableOf(await logOf(name)), "out/kuairand"));
  }
}
