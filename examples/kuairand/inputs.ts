import {
  bag,
  category,
  type Columns,
  encode,
  type Features,
  fit,
  labels,
  numeric,
  type Rows,
  rows,
  sortBy,
  take,
  type UnfittedFeature,
} from "@gatehouse/gatehouse";
import {
  count,
  type History,
  history,
  type HistoryState,
  type PastFeature,
  rate,
  timeSince,
} from "@gatehouse/gatehouse/history";
import { tasks, text, userTexts } from "./log.ts";

/** The inputs of models: the log and its tables, or beside them the past of earlier days or of earlier moments. */
export const inputNames = ["raw", "lag", "online"] as const;

/** The name of inputs. */
export type Inputs = typeof inputNames[number];

/** The parts of the log by their first and last day. */
export type Days = Readonly<Record<"train" | "validation" | "test", readonly [first: string, last: string]>>;

/** The parts of the log in which models are trained and judged. */
export const days: Days = {
  train: ["20220425", "20220504"],
  validation: ["20220505", "20220505"],
  test: ["20220506", "20220506"],
};

/** A log as models read it. */
export interface Prepared {
  readonly train: Rows;
  readonly validation: Rows;
  readonly test: Rows;
  /** The features, fitted on the rows to train on. */
  readonly features: Features;
  /** The past of all keys after all rows; undefined for raw inputs. */
  readonly past: HistoryState | undefined;
}

/**
 * Returns a log as models read it, split by days. History is carried on from part to part, and of each row it is that of
 * earlier days or moments alone.
 *
 * @throws {SyntaxError} if a row is of a day that is in no part, or a part has no row.
 */
export function prepare(log: Columns, inputs: Inputs, parts: Days = days): Prepared {
  const past = inputs === "raw" ? undefined : pastOf(inputs);
  const { table, state } = withPast(log, inputs);
  const split = rowsByDay(table, parts);
  const [train, validation, test] = [split.train, split.validation, split.test].map((rows) => take(table, rows));
  const outcomes = past?.outcomes ?? tasks;
  const features = fit({ ...raw, ...past && featuresOfPast(past) }, train, { outcomes }) as Features;
  return {
    train: rowsOf(features, train),
    validation: rowsOf(features, validation),
    test: rowsOf(features, test),
    features,
    past: state,
  };
}

/** Returns rows of a log that a model with these features reads, with labels, and users and tabs to judge them by. */
export function rowsOf(features: Features, log: Columns): Rows {
  const { user_id: user, tab } = log.columns;
  const labelled = labels(log, Object.fromEntries(tasks.map((task) => [task, task])));
  return rows(encode(features, log), { labels: labelled, by: { user, tab } });
}

const amount = numeric({ transform: "log1p", missing: "mean" });

const raw: Readonly<Record<string, UnfittedFeature>> = {
  user_id: category({ minCount: 2 }),
  video_id: category({ minCount: 2 }),
  author_id: category({ minCount: 2 }),
  music_id: category({ minCount: 2, missing: "unknown" }),
  tag: bag({ separator: "," }),
  ...Object.fromEntries(
    ["hourmin", "tab", "video_type", "upload_type", "upload_dt", "music_type"].map((name) => [name, category()]),
  ),
  ...Object.fromEntries(userTexts.map((name) => [name, category({ minCount: name.startsWith("onehot") ? 5 : 1 })])),
  ...Object.fromEntries(
    ["follow_user_num", "fans_user_num", "friend_user_num", "register_days", "duration_ms"].map((n) => [n, amount]),
  ),
};

/** The keys of the past, alone and in pairs, and the rows that the rate of all weighs in theirs. */
const keys: Readonly<Record<string, { readonly by: readonly string[]; readonly weight: number }>> = {
  user: { by: ["user_id"], weight: 10 },
  video: { by: ["video_id"], weight: 20 },
  author: { by: ["author_id"], weight: 20 },
  music: { by: ["music_id"], weight: 20 },
  tag: { by: ["tag"], weight: 50 },
  tab: { by: ["tab"], weight: 50 },
  "tag in tab": { by: ["tag", "tab"], weight: 50 },
  "video in tab": { by: ["video_id", "tab"], weight: 10 },
  "user and author": { by: ["user_id", "author_id"], weight: 5 },
  "user and tag": { by: ["user_id", "tag"], weight: 5 },
  "user in tab": { by: ["user_id", "tab"], weight: 5 },
  "user and video": { by: ["user_id", "video_id"], weight: 3 },
  "user at this hour": { by: ["user_id", "hourmin"], weight: 5 },
};

/**
 * Returns what is read of the past: of each key how often it was shown, and smoothed rates of all tasks and of the share
 * that was watched, each twice, as a number and to be read in buckets; of users and videos the time since.
 *
 * @param inputs `lag`: that of earlier days, `online`: of earlier moments.
 */
export function pastOf(inputs: "lag" | "online"): History {
  const features = Object.entries(keys).flatMap(([name, { by, weight }]): [string, PastFeature][] => {
    const key = { by, ...by.includes("tag") && { separator: "," } };
    const rates = [...tasks, "watched"].flatMap((of): [string, PastFeature][] => {
      const smoothed = rate({ ...key, of, weight });
      return [[`${of} of ${name}`, smoothed], [bucketOf(`${of} of ${name}`), smoothed]];
    });
    const since = ["user", "video", "user and author"].includes(name);
    return [
      [`shown to ${name}`, count(key)],
      ...rates,
      ...since ? [[`since ${name}`, timeSince(key)] as [string, PastFeature]] : [],
    ];
  });
  const before = inputs === "lag" ? "day" : "row";
  return history(Object.fromEntries(features), { time: timeOfPast[inputs], before });
}

/**
 * Returns rows as models of these inputs read them, with what was known of each, and what is known after them.
 *
 * @param state What is known before them. Default: nothing.
 */
export function withPast(
  log: Columns,
  inputs: Inputs,
  state?: HistoryState,
): { readonly table: Columns; readonly state: HistoryState | undefined } {
  if (inputs === "raw") return { table: log, state: undefined };
  const past = pastOf(inputs);
  return past.over(sortBy(log, timeOfPast[inputs]), state);
}

/**
 * Returns candidates, at prediction time and of no known outcome, as models of these inputs read them.
 *
 * @param state What is known.
 */
export function asked(candidates: Columns, inputs: "lag" | "online", state: HistoryState): Columns {
  return pastOf(inputs).at(state, candidates);
}

/** The columns of time: of days, whose hours may overlap a little, and of moments. */
export const timeOfPast = { lag: "day", online: "time_ms" } as const;

/** Returns the name under which a model reads a rate in buckets. */
function bucketOf(name: string): string {
  return `${name}, in buckets`;
}

/** Returns the features that columns of the past are read as: numbers, and vectors of buckets of the rates. */
function featuresOfPast({ features }: History): Record<string, UnfittedFeature> {
  return Object.fromEntries(
    Object.entries(features).map(([name, { kind }]): [string, UnfittedFeature] => {
      if (kind !== "rate") return [name, amount];
      return [name, name.endsWith(bucketOf("")) ? numeric({ quantiles: 16 }) : numeric({ missing: "mean" })];
    }),
  );
}

/** Returns the rows of each part of a log. */
function rowsByDay(log: Columns, parts: Days): Record<keyof Days, Int32Array> {
  const { codes, words } = text(log, "date");
  const of = Object.entries(parts);
  const partOf = words.map((day) => of.findIndex(([, [first, last]]) => first <= day && day <= last));
  const odd = words.find((_, code) => partOf[code] < 0);
  if (odd !== undefined) {
    const wanted = `wanted ${parts.train[0]} to ${parts.test[1]}`;
    throw new SyntaxError(`Cannot split KuaiRand\n  at the log: found date ${JSON.stringify(odd)}, ${wanted}`);
  }
  const rows = of.map(([name, [first, last]], part) => {
    const found = Int32Array.from(codes.keys()).filter((row) => partOf[codes[row]] === part);
    if (found.length > 0) return [name, found];
    throw new SyntaxError(`Cannot split KuaiRand\n  at the log: found no row of ${name}, of date ${first} to ${last}`);
  });
  return Object.fromEntries(rows);
}
