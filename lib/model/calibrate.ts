import { checkList, checkRecord, checkWord, kindOf, optionsOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { room } from "../files/room.ts";
import { isotonic, platt } from "../heads/calibrators.ts";
import { heads } from "../heads/heads.ts";
import { mapEntries } from "../trace/entries.ts";
import type { Calibration } from "./calibration.ts";
import { checkRows } from "./check_rows.ts";
import { labelled } from "./feed.ts";
import { insidesOf } from "./insides.ts";
import type { Model } from "./model.ts";
import { type Data, piecesOf } from "./pieces.ts";

/** The options of {@linkcode calibrate}. */
export interface CalibrateOptions<Tasks extends string = string> {
  /**
   * The kind of map: `"platt"`, a line over logits, which keeps the order of rows and needs few of them, or `"isotonic"`,
   * any function that never falls, for some thousands of positive rows. Default `"platt"`.
   */
  readonly method?: "platt" | "isotonic";
  /** The tasks that are calibrated, of binary heads. Default: all of them. */
  readonly tasks?: readonly Tasks[];
  /**
   * The share of negative rows that were kept in these rows as in those of training, by task, in (0, 1]: calibrated
   * probabilities are those of all rows. Default: all were kept.
   */
  readonly sampled?: { readonly [task in Tasks]?: number };
}

/**
 * Returns maps from a model's predictions to calibrated probabilities, fitted to rows that it was not trained on, those of
 * validation; a label y between 0 and 1 is y of a positive row and 1 - y of a negative one.
 *
 * Nothing is calibrated by itself: `model.predict(rows, { calibrated: calibration })` does it, `save(model, folder, {
 * calibration })` keeps the maps with the model, and `calibrated: true` uses those that a loaded model has. Metrics of
 * `evaluate` stay those of the model alone.
 *
 * @param data The rows, in memory or in pieces; of each task 24 bytes a row are held. Rows count with their weights, as in
 * evaluation.
 * @throws {TypeError | RangeError} if rows do not fit the model, a task has no probability, or none of its rows is
 * positive, or negative.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { binary, calibrate, compile, define, reference, rows } from "@gatehouse/gatehouse";
 *
 * const zeros = { "tasks/click/head/0/kernel": { shape: [1, 1], data: Float32Array.of(0) }, "tasks/click/head/0/bias": { shape: [1], data: Float32Array.of(0) } };
 * const model = await compile(define({ input: 1, tasks: { click: binary() } }), { engine: reference(), parameters: zeros });
 * const data = rows([[1], [2], [3], [4]], { labels: { click: [1, 0, 0, 0] } }); // of which it says 0.5 each
 * const calibration = await calibrate(model, data);
 * const { click } = await model.predict(data, { calibrated: calibration });
 * assertAlmostEquals(click[0], (2 / 3 + 3 * (1 / 5)) / 4, 1e-6); // by labels smoothed as Platt does
 * model.dispose();
 * ```
 */
export async function calibrate<Tasks extends string>(
  model: Model<Tasks>,
  data: Data,
  options: CalibrateOptions<NoInfer<Tasks>> = {},
): Promise<Calibration> {
  insidesOf(model, action);
  const { method = "platt", tasks, sampled = {} } = optionsOf(action, options, ["method", "tasks", "sampled"]);
  checkWord(action, "method", method, ["platt", "isotonic"]);
  const names = calibratedTasks(model, tasks);
  checkShares(sampled, names);
  const held = names.map((task) => ({ task, rows: columnsOfRows() }));
  for await (const rows of piecesOf(data, action)) {
    checkRows(model.spec, rows, "calibrate");
    const predictions = await model.predict(rows);
    for (const { task, rows: own } of held) own.add(predictions[task as Tasks], labelled(model.spec, rows, task));
  }
  const fitted = held.map(({ task, rows }) => {
    const { probabilities, labels, weights } = rows.end();
    const share = (sampled as Readonly<Record<string, number>>)[task];
    try {
      const map = (method === "platt" ? platt : isotonic)(probabilities, labels, weights);
      return [task, { ...map, ...(share !== undefined && { sampled: share }) }];
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new RangeError(`Cannot ${action}\n  at task ${quoted(task)}: ${error.message}`, { cause: error });
    }
  });
  return { tasks: Object.fromEntries(fitted) };
}

const action = "calibrate";

/** Returns the tasks that are calibrated. */
function calibratedTasks({ spec }: Model, tasks: unknown): readonly string[] {
  const yesNo = Object.keys(spec.tasks).filter((task) => heads[spec.tasks[task].head.kind].yesNo);
  if (tasks === undefined) {
    if (yesNo.length > 0) return yesNo;
    throw new TypeError(`Cannot ${action}: the model has no binary task, which alone predicts a probability`);
  }
  checkList(action, "tasks", tasks);
  for (const task of tasks as readonly string[]) {
    if (!Object.hasOwn(spec.tasks, task)) {
      throw new TypeError(`Cannot ${action}: the model has no task ${kindOf(task)}${advice(String(task), yesNo)}`);
    }
    if (!yesNo.includes(task)) {
      const { kind } = spec.tasks[task].head;
      throw new TypeError(`Cannot ${action}: task ${quoted(task)} has a ${kind} head: wanted a binary one`);
    }
  }
  return tasks as readonly string[];
}

function checkShares(sampled: unknown, tasks: readonly string[]): void {
  checkRecord(action, "sampled", sampled);
  for (const [task, share] of Object.entries(sampled as Record<string, unknown>)) {
    if (!tasks.includes(task)) {
      throw new TypeError(`Cannot ${action}: sampled names ${quoted(task)}, no task that is calibrated`);
    }
    if (typeof share === "number" && share > 0 && share <= 1) continue;
    throw new RangeError(`Cannot ${action}: sampled of ${quoted(task)} must be in (0, 1], found ${kindOf(share)}`);
  }
}

/** The rows of a task, piece after piece. */
function columnsOfRows() {
  let columns = {
    probabilities: new Float64Array(1024),
    labels: new Float64Array(1024),
    weights: new Float64Array(1024),
  };
  let count = 0;
  return {
    add: (
      probabilities: Float32Array,
      rows: { readonly labels: ArrayLike<number>; readonly weights: ArrayLike<number> },
    ): void => {
      const needed = count + probabilities.length;
      columns = mapEntries(columns, (_, numbers) => room(numbers, needed));
      columns.probabilities.set(probabilities, count);
      columns.labels.set(rows.labels, count);
      columns.weights.set(rows.weights, count);
      count = needed;
    },
    end: () => mapEntries(columns, (_, numbers) => numbers.subarray(0, count)),
  };
}
