import {
  category,
  type Columns,
  encode,
  type Features,
  fit,
  labels,
  numeric,
  readCsv,
  type Rows,
  take,
  type TextColumn,
} from "@gatehouse/gatehouse";
import { findKuairand, type KuairandFile, kuairandFiles } from "./kuairand_files.ts";

/** Options of KuaiRand-Pure: which tasks, and where its files are. */
export interface KuairandOptions {
  /** The label of engagement: whether the video was played at all, or for long. By default `is_click`. */
  readonly engagement?: "is_click" | "long_view";
  /** The folder of the files. By default GATEHOUSE_DATA, then `data`. */
  readonly folder?: string;
  /** True if the files must be those that we describe, by their SHA-256. By default true. */
  readonly verify?: boolean;
}

/** KuaiRand-Pure as a model with named features reads it. */
export interface Kuairand {
  /** 171,671 videos shown from 25 April to 4 May 2022. */
  readonly train: Rows;
  /** 13,390 shown on 5 May. */
  readonly validation: Rows;
  /** 13,834 shown on 6 May. */
  readonly test: Rows;
  /** The named features, fitted on the rows to train on. */
  readonly features: Features;
}

/** The features of a user before a video is shown. */
const ofUser = {
  user_active_degree: category(),
  is_live_streamer: category(),
  is_video_author: category(),
  follow_user_num_range: category(),
  fans_user_num_range: category(),
  friend_user_num_range: category(),
  register_days_range: category(),
  follow_user_num: numeric({ transform: "log1p" }),
  fans_user_num: numeric({ transform: "log1p" }),
  friend_user_num: numeric({ transform: "log1p" }),
  register_days: numeric({ transform: "log1p" }),
  ...Object.fromEntries(Array.from({ length: 18 }, (_, i) => [`onehot_feat${i}`, category({ minCount: 5 })])),
};

/** The features of a video. */
const ofVideo = {
  author_id: category({ minCount: 20 }),
  video_type: category(),
  upload_type: category(),
  music_id: category({ minCount: 20 }),
  music_type: category(),
  tag: category({ minCount: 5 }),
};

/** The features of a showing: who, what, when, where. The length of the video stands with it. */
const ofShowing = {
  user_id: category({ minCount: 2 }),
  video_id: category({ minCount: 2 }),
  hourmin: category(),
  tab: category(),
  duration_ms: numeric({ transform: "log1p" }),
};

const yes = ["0", "1"] as const;

/**
 * Reads KuaiRand-Pure, videos shown to users by the standard policy, with two binary tasks: engagement, and `is_like` as
 * satisfaction. Rows are split by time. What happens after a video is shown is never an input.
 *
 * Numbers are log1p-transformed and standardised, all other inputs one-hot: users, videos, authors and music of few rows
 * are of no word.
 *
 * @throws {SyntaxError} with the file, if a row is malformed, of a day that is not among them, or of a user or a video
 * that is not in their files; with the line too where it is malformed
 * @throws {Error} if the files are not found, which says where to get them, or are others
 *
 * Source: Gao et al., KuaiRand: an unbiased sequential recommendation dataset with randomly exposed videos, CIKM 2022,
 * doi 10.1145/3511808.3557624. CC BY-SA 4.0.
 */
export async function kuairand(options: KuairandOptions = {}): Promise<Kuairand> {
  const { engagement = "is_click", folder, verify = true } = options;
  const load = async (
    { name, sha256 }: KuairandFile,
    columns: Readonly<Record<string, "number" | "text" | typeof yes>>,
  ) => {
    const path = await findKuairand(name, folder);
    return { path, ...await readCsv(path, { columns, sha256: verify ? sha256 : undefined }) };
  };
  const log = await load(kuairandFiles.log, { ...kinds(ofShowing), date: "text", [engagement]: yes, is_like: yes });
  const users = await load(kuairandFiles.users, { user_id: "text", ...kinds(ofUser) });
  const videos = await load(kuairandFiles.videos, { video_id: "text", ...kinds(ofVideo) });
  const joined: Columns = {
    count: log.count,
    columns: {
      ...take(users, places(log, users, "user_id")).columns,
      ...take(videos, places(log, videos, "video_id")).columns,
      ...log.columns,
    },
  };
  const [trained, validated, tested] = splits(log).map((rows) => take(joined, rows));
  const features = fit({ ...ofShowing, ...ofUser, ...ofVideo }, trained);
  const rowsOf = (columns: Columns): Rows => ({
    ...encode(features, columns),
    labels: labels(columns, { [engagement]: engagement, is_like: "is_like" }),
  });
  return { train: rowsOf(trained), validation: rowsOf(validated), test: rowsOf(tested), features };
}

/** The kinds of the columns of some features. */
function kinds(features: Readonly<Record<string, { readonly kind: "numeric" | "category" }>>) {
  return Object.fromEntries(
    Object.entries(features).map((
      [name, { kind }],
    ) => [name, kind === "numeric" ? "number" as const : "text" as const]),
  );
}

interface File extends Columns {
  readonly path: string;
}

/** For every row of the log the row of a table whose key is the same. */
function places(log: File, table: File, key: string): Int32Array {
  const rowOf = new Map<string, number>();
  const own = text(table, key);
  own.codes.forEach((code, row) => rowOf.set(own.words[code], row));
  const { codes, words } = text(log, key);
  const found = words.map((word) => rowOf.get(word) ?? -1);
  const absent = found.indexOf(-1);
  if (absent >= 0) {
    throw new SyntaxError(
      `Cannot read KuaiRand\n  at ${log.path}: ${key} ${JSON.stringify(words[absent])} is not in ${table.path}`,
    );
  }
  return codes.map((code) => found[code]);
}

/** The rows to train on, to validate and to test on. */
function splits(log: File): [number[], number[], number[]] {
  const { codes, words } = text(log, "date");
  const of = words.map((day) => {
    if (day >= "20220425" && day <= "20220504") return 0;
    if (day === "20220505") return 1;
    if (day === "20220506") return 2;
    throw new SyntaxError(
      `Cannot read KuaiRand\n  at ${log.path}: found date ${JSON.stringify(day)}, wanted 20220425 to 20220506`,
    );
  });
  const rows: [number[], number[], number[]] = [[], [], []];
  codes.forEach((code, row) => rows[of[code]].push(row));
  const empty = rows.findIndex((some) => some.length === 0);
  if (empty >= 0) {
    const wanted = ["20220425 to 20220504", "20220505", "20220506"][empty];
    throw new SyntaxError(`Cannot read KuaiRand\n  at ${log.path}: found no row of date ${wanted}`);
  }
  return rows;
}

function text({ columns }: Columns, name: string): TextColumn {
  return columns[name] as TextColumn;
}
