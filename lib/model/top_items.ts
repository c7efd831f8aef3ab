import type { Columns } from "../data/columns.ts";
import { checkCount, checkRecord, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { encode } from "../features/encode.ts";
import { featuresOf } from "../features/input.ts";
import { columnsOfEach } from "../features/table.ts";
import type { PlainColumn, Tabular } from "../features/tabular.ts";
import { insidesOf } from "./insides.ts";
import type { Model, PredictOptions } from "./model.ts";
import { rank, type Scoring, scoringOf } from "./rank.ts";

/** The columns of a user, or of a moment: one value for each column, as lists of a table hold it. */
export type UserColumns = Readonly<Record<string, PlainColumn[number]>>;

/** The options of {@linkcode topItems}. */
export interface TopItemsOptions<Tasks extends string = string> extends PredictOptions {
  /** The number of items, at least 1. Default 10; of fewer candidates all. */
  readonly k?: number;
  /** The rule that makes one score of the tasks' predictions. Needed unless the model has one task, whose prediction it is. */
  readonly scoring?: Scoring<Tasks>;
  /** The column of the candidates that names an item, such as `video_id`. Default: none, items are known by their rows. */
  readonly item?: string;
  /** The candidates that are encoded and scored at a time. Default 8192. */
  readonly batch?: number;
}

/** An item of a list. */
export interface TopItem<Tasks extends string = string> {
  /** The candidate's row, counted from 0 over all pieces. */
  readonly row: number;
  /** The candidate's value in the column `item`, if one is named; null where it is missing. */
  readonly item?: string | number | null;
  /** The score, by which the list is sorted. */
  readonly score: number;
  /** The prediction of each task that predicts one number, calibrated if that is asked for. */
  readonly predictions: Readonly<Record<Tasks, number>>;
}

/**
 * Returns the best of a user's candidates, the best first: each with its score and the predictions of all tasks. Of equal
 * scores the candidate of the earlier row comes first.
 *
 * Columns of the user and columns of the candidates together are the features of the model: the user's are given once, and
 * go with every candidate, encoded as in training. Candidates may be more than memory holds: of a stream of tables, such as
 * `csvParts` returns, a piece and `k` items are in memory at a time.
 *
 * @param user The columns of the user and the moment: `{ user_id: "ann", tab: "home", watched: ["a", "b"] }`.
 * @param candidates The items: a table, lists by name, or a stream of either.
 * @throws {TypeError | RangeError} if a column is there twice, or missing, or holds what the feature refuses; if the rule has
 * a task that the model has not, or an option is malformed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, category, compile, define, fit, numeric, powers, reference, topItems } from "@gatehouse/gatehouse";
 *
 * const seen = { user: ["ann", "bob"], video: ["a", "b"], length: [10, 20] };
 * const input = fit({ user: category(), video: category(), length: numeric({ standardise: false }) }, seen);
 * const kernel = { shape: [9, 1], data: Float32Array.of(0.1, 0, 0, 0, 0, 0, 0, 0, 0) }; // the longer the better
 * const parameters = { "tasks/click/head/0/kernel": kernel, "tasks/click/head/0/bias": { shape: [1], data: Float32Array.of(0) } };
 * const model = await compile(define({ input, tasks: { click: binary() } }), { engine: reference(), parameters });
 * const videos = { video: ["a", "b", "c"], length: [10, 20, 15] };
 * const list = await topItems(model, { user: "ann" }, videos, { k: 2, item: "video", scoring: powers({ click: 1 }) });
 * assertEquals(list.map(({ item, row }) => [item, row]), [["b", 1], ["c", 2]]);
 * assertEquals(list[0].predictions.click.toFixed(4), (1 / (1 + Math.exp(-2))).toFixed(4));
 * model.dispose();
 * ```
 */
export async function topItems<Tasks extends string>(
  model: Model<Tasks>,
  user: UserColumns,
  candidates: Tabular | AsyncIterable<Tabular>,
  options: TopItemsOptions<NoInfer<Tasks>> = {},
): Promise<TopItem<Tasks>[]> {
  const { spec } = insidesOf(model, action).plan;
  const features = featuresOf(spec);
  checkRecord(action, "user", user);
  const given = optionsOf(action, options, ["k", "scoring", "item", "batch", "calibrated"]);
  const { k = 10, item, batch = 8192, calibrated } = given;
  checkCount(action, "k", k, 1);
  checkCount(action, "batch", batch, 1);
  const scoresOf = scorer(spec.tasks, given.scoring as Scoring<Tasks> | undefined);
  const wanted = columnsOfEach(features).flatMap(([, names]) => names);
  const best = firstOf<TopItem<Tasks>>(k, ({ score }) => score);
  let before = 0;
  for await (const piece of piecesOf(candidates)) {
    const { count, columns } = plain(piece, item === undefined ? wanted : [...wanted, item], before);
    checkTogether(user, Object.keys(columns), wanted, item);
    for (let start = 0; start < count; start += batch) {
      const some = Math.min(batch, count - start);
      const table = Object.fromEntries([
        ...Object.entries(columns).map(([name, column]) => [name, column(start, some)] as const),
        ...Object.entries(user).map(([name, value]) => [name, Array<typeof value>(some).fill(value)] as const),
      ]);
      const predictions = await model.predict(encode(features, table), { calibrated });
      const scores = scoresOf(predictions);
      const single = Object.keys(predictions).filter((task) => predictions[task as Tasks].length === some) as Tasks[];
      for (let at = 0; at < some; at++) {
        const score = scores[at];
        best.add(score, () => ({
          row: before + start + at,
          ...(item !== undefined && { item: table[item][at] as string | number ?? null }),
          score,
          predictions: Object.fromEntries(single.map((task) => [task, predictions[task][at]])) as Record<Tasks, number>,
        }));
      }
    }
    before += count;
  }
  return best.list;
}

const action = "find top items";

/** Returns the function from predictions to scores: by the given rule, or those of the only task as they are. */
function scorer<Tasks extends string>(
  tasks: Readonly<Record<Tasks, unknown>>,
  given: Scoring<Tasks> | undefined,
): (predictions: Readonly<Record<Tasks, Float32Array>>) => ArrayLike<number> {
  const names = Object.keys(tasks) as Tasks[];
  if (given === undefined) {
    if (names.length === 1) return (predictions) => predictions[names[0]];
    const wanted = `wanted scoring, such as powers({ ${names[0]}: 1 })`;
    throw new TypeError(`Cannot ${action}: the model predicts ${names.length} tasks: ${wanted}`);
  }
  const scoring = scoringOf(action, given);
  const strange = Object.keys(scoring.weights).find((task) => !Object.hasOwn(tasks, task));
  if (strange === undefined) return (predictions) => rank(predictions, scoring);
  throw new TypeError(`Cannot ${action}: the model has no task ${quoted(strange)}${advice(strange, names)}`);
}

/** Yields tables one after the other: the only one, or those of a stream. */
async function* piecesOf(candidates: Tabular | AsyncIterable<Tabular>): AsyncGenerator<Tabular> {
  if (typeof Object(candidates)[Symbol.asyncIterator] !== "function") return yield candidates as Tabular;
  yield* candidates as AsyncIterable<Tabular>;
}

/** The number of candidates, and their columns, each as a function that returns some rows. */
interface Candidates {
  readonly count: number;
  readonly columns: Readonly<Record<string, (start: number, count: number) => PlainColumn>>;
}

/** Returns the columns of a piece that are wanted, as lists. */
function plain(piece: Tabular, wanted: readonly string[], before: number): Candidates {
  if (!isRecord(piece)) throw new TypeError(`Cannot ${action}: wanted candidates by column, found ${kindOf(piece)}`);
  const table = isTable(piece) ? piece : undefined;
  const given: Readonly<Record<string, unknown>> = table === undefined
    ? piece as Readonly<Record<string, PlainColumn>>
    : { ...table.columns, ...table.lists };
  const columns = Object.entries(given).filter(([name]) => wanted.includes(name))
    .map(([name, column]) => [name, columnOf(name, column)] as const);
  const count = table?.count ?? columns[0]?.[1].length ?? 0;
  const odd = columns.find(([, { length }]) => length !== count);
  if (odd !== undefined) {
    const where = before === 0 ? "" : ` after row ${before}`;
    throw new RangeError(
      `Cannot ${action}\n  at ${quoted(odd[0])}${where}: found ${odd[1].length} rows, wanted ${count}`,
    );
  }
  return { count, columns: Object.fromEntries(columns.map(([name, { some }]) => [name, some])) };
}

function isTable(piece: Tabular): piece is Columns {
  return typeof piece.count === "number" && isRecord(piece.columns);
}

/** Returns the length of a column, and a function that returns some of its rows as a list. */
function columnOf(name: string, column: unknown): {
  readonly length: number;
  readonly some: (start: number, count: number) => PlainColumn;
} {
  if (isRecord(column) && column.kind === "text") {
    const { codes, words } = column as { codes: Int32Array; words: readonly string[] };
    const wordOf = (code: number) => code < 0 ? null : words[code];
    return { length: codes.length, some: (start, count) => Array.from(codes.subarray(start, start + count), wordOf) };
  }
  const values: unknown = isRecord(column) && column.kind === "number" ? column.values : column;
  const isList = Array.isArray(values) || ArrayBuffer.isView(values) && "length" in values;
  if (!isList) throw new TypeError(`Cannot ${action}\n  at ${quoted(name)}: wanted a column, found ${kindOf(column)}`);
  const list = values as unknown as PlainColumn;
  return {
    length: list.length,
    some: (start, count) => Array.from({ length: count }, (_, at) => list[start + at]),
  };
}

/** Makes sure that the columns of the user and those of the candidates are all that a model reads, each once. */
function checkTogether(
  user: UserColumns,
  columns: readonly string[],
  wanted: readonly string[],
  item: string | undefined,
): void {
  const twice = Object.keys(user).find((name) => columns.includes(name));
  if (twice !== undefined) {
    throw new TypeError(
      `Cannot ${action}: the column ${quoted(twice)} is both the user's and the candidates': wanted it once`,
    );
  }
  const missing = wanted.find((name) => !Object.hasOwn(user, name) && !columns.includes(name));
  if (missing !== undefined) {
    throw new TypeError(`Cannot ${action}: neither the user nor the candidates have the column ${quoted(missing)}`);
  }
  if (item === undefined || columns.includes(item)) return;
  throw new TypeError(`Cannot ${action}: the candidates have no column ${kindOf(item)}, which item names`);
}

/** The first items by score, of those that were added: of equal ones those that came earlier. */
function firstOf<Item>(most: number, scoreOf: (item: Item) => number) {
  const list: Item[] = [];
  return {
    list,
    add: (score: number, make: () => Item): void => {
      if (list.length === most && !(score > scoreOf(list[most - 1]))) return;
      let [low, high] = [0, list.length]; // the first item that is worse
      while (low < high) {
        const middle = (low + high) >> 1;
        if (scoreOf(list[middle]) >= score) low = middle + 1;
        else high = middle;
      }
      list.splice(low, 0, make());
      if (list.length > most) list.pop();
    },
  };
}
