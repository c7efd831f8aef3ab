import { type Random, random } from "../lib/data/random.ts";

const [users, videos, shown] = [40, 30, 220];

/**
 * Invented files in the format of KuaiRand-Pure, whose outcomes depend on user and video; no row is of the data set.
 * `deno run --allow-write=examples tests/kuairand_sample.ts` writes examples/sample/kuairand.
 */
export function kuairandSample(): Record<string, string> {
  const source = random("kuairand sample");
  const world = worldOf(source);
  const days = Array.from({ length: shown }, (_, row) => dayOf(row / shown));
  return {
    "log_standard_4_25_to_5_06_pure.csv": log(days.map((day) => showing(source, day, world))),
    ...tables(source, world),
  };
}

/**
 * Invented files in the format of KuaiRand-Pure.tar.gz, by their paths in it: the standard logs of 8 April to 8 May and
 * the log of videos that were shown by chance, each sorted by user and time, and not by time.
 */
export function kuairandPure(): Record<string, string> {
  const source = random("kuairand archive");
  const world = worldOf(source);
  const rows = (count: number, first: number, last: number, isRandom: 0 | 1) => {
    const found = Array.from({ length: count }, () => {
      const row = showing(source, first + whole(source, last + 1 - first), world);
      const entered = row[5] === 1 && source.uniform() < 0.2 ? 1 : 0;
      return row.with(-3, entered).with(-2, isRandom);
    });
    return log(found.sort((a, b) => Number(a[0]) - Number(b[0]) || Number(a[4]) - Number(b[4])));
  };
  const [april8, april21, april22, may8] = [-17, -4, -3, 13];
  const files = {
    "log_random_4_22_to_5_08_pure.csv": rows(150, april22, may8, 1),
    "log_standard_4_08_to_4_21_pure.csv": rows(300, april8, april21, 0),
    "log_standard_4_22_to_5_08_pure.csv": rows(500, april22, may8, 0),
    ...tables(source, world),
    "video_features_statistic_pure.csv": csv(
      "video_id,counts,show_cnt",
      world.good.map((_, id) => [id, `${1 + whole(source, 30)}.0`, `${whole(source, 9000)}.5`]),
    ),
  };
  const inside = Object.entries(files).map(([name, text]) => [`KuaiRand-Pure/data/${name}`, text]);
  return { "KuaiRand-Pure/LICENSE": "Invented rows.\n", ...Object.fromEntries(inside) };
}

/** How much users and videos please, from -1 to 1, and the lengths of videos in milliseconds. */
interface World {
  readonly keen: readonly number[];
  readonly good: readonly number[];
  readonly lengths: readonly number[];
}

function worldOf(source: Random): World {
  return {
    keen: Array.from({ length: users }, () => 2 * source.uniform() - 1),
    good: Array.from({ length: videos }, () => 2 * source.uniform() - 1),
    lengths: Array.from({ length: videos }, () => Math.floor(5000 + 60_000 * source.uniform() ** 2)),
  };
}

/** A day of the twelve from 25 April on, of which the last two have a third of the rows. */
function dayOf(time: number): number {
  return time < 0.66 ? Math.floor(time / 0.66 * 10) : time < 0.83 ? 10 : 11;
}

function csv(header: string, rows: readonly (readonly (string | number)[])[]): string {
  return [header, ...rows.map((row) => row.join(","))].join("\n") + "\n";
}

function log(rows: readonly (readonly (string | number)[])[]): string {
  return csv(
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view," +
      "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab",
    rows,
  );
}

function tables(source: Random, { keen, good, lengths }: World): Record<string, string> {
  return {
    "user_features_pure.csv": csv(
      "user_id,user_active_degree,is_lowactive_period,is_live_streamer,is_video_author,follow_user_num," +
        "follow_user_num_range,fans_user_num,fans_user_num_range,friend_user_num,friend_user_num_range,register_days," +
        `register_days_range,${Array.from({ length: 18 }, (_, i) => `onehot_feat${i}`).join()}`,
      keen.map((keen, id) => user(source, id, keen)),
    ),
    "video_features_basic_pure.csv": csv(
      "video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,server_width,server_height," +
        "music_id,music_type,tag",
      good.map((good, id) => video(source, id, good, lengths[id])),
    ),
  };
}

/** Somebody is shown a video, a number of days after 25 April. */
function showing(source: Random, day: number, { keen, good, lengths }: World): (string | number)[] {
  const chance = (logit: number) => source.uniform() < 1 / (1 + Math.exp(-logit)) ? 1 : 0;
  const [user, item] = [whole(source, users), whole(source, videos)];
  const date = new Date(Date.UTC(2022, 3, 25 + day)).toISOString().slice(0, 10).replaceAll("-", "");
  const hour = whole(source, 24);
  const tab = pick(source, 1, 1, 1, 0, 4);
  const click = chance(2 * keen[user] + good[item] + (tab === 1 ? 0.3 : -0.5));
  const like = click === 1 ? chance(2 * good[item] - 1) : 0;
  const long = click === 1 ? chance(1 + keen[user]) : 0;
  const played = Math.floor(lengths[item] * (long === 1 ? 1.1 : click === 1 ? 0.4 : 0.02));
  const at = 1_650_812_400_000 + day * 86_400_000 + hour * 3_600_000 + whole(source, 3_600_000);
  return [user, item, date, 100 * hour, at, click, like, 0, 0, 0, 0, long, played, lengths[item], 0, 0, 0, 0, tab];
}

function user(source: Random, id: number, keen: number): (string | number)[] {
  const [follows, fans, friends] = [whole(source, 400), whole(source, 90), whole(source, 25)];
  const days = 20 + whole(source, 1500);
  const flag = () => pick(source, "0.0", "0.0", "1.0");
  return [
    ...[id, keen > 0 ? "full_active" : pick(source, "middle_active", "low_active"), 0, pick(source, -124, 1)],
    ...[pick(source, 0, 1), follows, follows < 250 ? '"(150,250]"' : '"(250,500]"'],
    ...[fans, fans === 0 ? "0" : '"[10,100)"', friends, '"[5,30)"', days, days > 730 ? "730+" : "366-730"],
    ...Array.from({ length: 12 }, (_, i) => i === 4 ? pick(source, "0.0", "1.0") : whole(source, 2 + i % 4)),
    ...(id % 20 === 0 ? Array(6).fill("") : Array.from({ length: 6 }, flag)),
  ];
}

function video(source: Random, id: number, good: number, length: number): (string | number)[] {
  const tag = pick(source, "39", "3", '"12,65"');
  const place = [pick(source, "LongImport", "Web"), "0.0", id % 10 === 0 ? "" : `${length}.0`, "720.0", "1280.0"];
  return [id, 1000 + (id >> 1), good > -0.9 ? "NORMAL" : "AD", "2022-04-10", ...place, 500 + id % 7, "9.0", tag];
}

function whole(source: Random, below: number): number {
  return Math.floor(source.uniform() * below);
}

function pick<T>(source: Random, ...list: readonly T[]): T {
  return list[whole(source, list.length)];
}

if (import.meta.main) {
  Deno.mkdirSync("examples/sample/kuairand", { recursive: true });
  for (const [name, text] of Object.entries(kuairandSample())) {
    Deno.writeTextFileSync(`examples/sample/kuairand/${name}`, text);
  }
}
