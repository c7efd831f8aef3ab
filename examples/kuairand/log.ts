import { type Columns, concatTables, join, readCsv, sortBy, timeOf, withColumns } from "@gatehouse/gatehouse";
import { findKuairand, kuairandFiles } from "../paper/kuairand_files.ts";

/** The tasks: a video is played, for long, it is liked, and the profile of its author is opened. */
export const tasks = ["is_click", "long_view", "is_like", "is_profile_enter"] as const;

/** A task of KuaiRand. */
export type Task = typeof tasks[number];

/** The numbers of the tables of users and videos; all else in them is text. */
const userNumbers = ["follow_user_num", "fans_user_num", "friend_user_num", "register_days"] as const;

/** The texts of a user that models read. */
export const userTexts: readonly string[] = [
  ...["user_active_degree", "is_live_streamer", "is_video_author", "follow_user_num_range", "fans_user_num_range"],
  ...["friend_user_num_range", "register_days_range"],
  ...Array.from({ length: 18 }, (_, i) => `onehot_feat${i}`),
];

const videoTexts = ["author_id", "video_type", "upload_dt", "upload_type", "music_id", "music_type", "tag"] as const;

/** The tables of users and videos. */
export interface Tables {
  readonly users: Columns;
  readonly videos: Columns;
}

/** Options of reading. */
export interface Reading {
  /** The folder of the files. By default GATEHOUSE_DATA, then `data`. */
  readonly folder?: string;
  /** True if the files must be those that we describe, by their SHA-256. */
  readonly verify: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Reads the tables of users and videos.
 *
 * @throws {SyntaxError} with file and line, if a row is malformed.
 * @throws {Error} if the files are not found, which says where to get them, or are others.
 */
export async function readTables({ folder, verify, signal }: Reading): Promise<Tables> {
  const load = async (of: "users" | "videos", columns: Readonly<Record<string, "text" | "number">>) => {
    const { name, sha256 } = kuairandFiles[of];
    const missing = of === "videos" ? [""] : []; // of users an empty text says something
    const path = await findKuairand(name, folder);
    return await readCsv(path, { columns, missing, sha256: verify ? sha256 : undefined, signal });
  };
  return {
    users: await load("users", { user_id: "text", ...of(userTexts, "text"), ...of(userNumbers, "number") }),
    videos: await load("videos", { video_id: "text", ...of(videoTexts, "text") }),
  };
}

/**
 * Reads the log of twelve days in which models are trained and judged.
 *
 * @throws {SyntaxError} with file and line, if a row is malformed.
 * @throws {Error} if the file is not found, which says where to get it, or is another.
 */
export async function readLog(tables: Tables, { folder, verify, signal }: Reading): Promise<Columns> {
  const { name, sha256 } = kuairandFiles.log;
  return await readLogs([await findKuairand(name, folder)], tables, { sha256: verify ? sha256 : undefined, signal });
}

/**
 * Reads files of the log, of any days, as one table in the order of time, with what is known of users and videos; what the
 * tables lack is missing. Beside its columns it has `day`, the time at which the row's date begins, and `watched`, the share
 * of the video that was played, at most 1.
 *
 * @throws {SyntaxError} with file and line, if a row is malformed.
 */
export async function readLogs(
  paths: readonly string[],
  { users, videos }: Tables,
  options: { readonly sha256?: string; readonly signal?: AbortSignal } = {},
): Promise<Columns> {
  const columns = {
    ...{ user_id: "text", video_id: "text", hourmin: "text", tab: "text", date: "text" } as const,
    ...{ time_ms: "number", duration_ms: "number", play_time_ms: "number" } as const,
    ...Object.fromEntries(tasks.map((task) => [task, ["0", "1"]])),
  };
  const files: Columns[] = [];
  for (const path of paths) files.push(await readCsv(path, { columns, ...options }));
  const log = concatTables(files);
  const [played, length] = [numbers(log, "play_time_ms"), numbers(log, "duration_ms")];
  const watched = played.map((time, row) => Math.min(1, time / Math.max(1, length[row])));
  const known = withColumns(log, { day: timeOf(log, "date"), watched: { kind: "number", values: watched } });
  const missing = { missing: "missing" } as const;
  return join(join(sortBy(known, "time_ms"), users, "user_id", missing), videos, "video_id", missing);
}

/** Returns a column of numbers of a table that was read with it. */
export function numbers({ columns }: Columns, name: string): Float64Array {
  const column = columns[name];
  return column.kind === "number" ? column.values : Float64Array.from(column.codes);
}

/** Returns a column of text of a table that was read with it. */
export function text(
  { columns }: Columns,
  name: string,
): { readonly codes: Int32Array; readonly words: readonly string[] } {
  const column = columns[name];
  if (column.kind === "text") return column;
  throw new TypeError(`Cannot read KuaiRand: column ${name} holds numbers, wanted text`);
}

function of<Kind extends string>(names: readonly string[], kind: Kind): Record<string, Kind> {
  return Object.fromEntries(names.map((name) => [name, kind]));
}
