import { type Rows, sliceRows } from "../data/rows.ts";
import { optionsOf } from "../errors/kinds.ts";
import { checkSorting, type Sorting } from "../files/sorter.ts";
import { part } from "../graph/values.ts";
import { lossOverAll, measuresOf } from "../heads/heads.ts";
import type { Tensor } from "../ops/tensor.ts";
import { mapEntries } from "../trace/entries.ts";
import type { Plan } from "../trace/plan.ts";
import { checkRows } from "./check_rows.ts";
import { batchTensors, judged, mostRows, scalesOf } from "./feed.ts";
import { evaluation } from "./graphs.ts";
import { insidesOf } from "./insides.ts";
import type { Model } from "./model.ts";
import { checkInside } from "./overflow.ts";
import { type Data, isInMemory, piecesOf } from "./pieces.ts";

/** Losses and metrics of a model on rows with labels. */
export interface Evaluation<Tasks extends string = string> {
  /**
   * The mean loss over the labelled rows, by task, of a ranking over all pairs of a group, whatever the order of rows;
   * NaN where no row is labelled, or there is no pair.
   */
  readonly loss: Readonly<Record<Tasks, number>>;
  /** The losses of gates and banks, by path: the mean over all rows, of banks over pieces of 1024 rows. */
  readonly auxiliary: Readonly<Record<string, number>>;
  /**
   * The metrics of each task's head, by name: `auc`, `logloss`, `accuracy`; `mse`, `mae`, `r2`, and `huber` or `pinball`
   * with that loss; `deviance` of a count; `auc` over the pairs of a ranking. AUC ranks by logits, and `logloss` is the
   * loss itself or computed from logits, so that probabilities which round to 0 or 1 distort neither.
   */
  readonly metrics: Readonly<Record<Tasks, Readonly<Record<string, number>>>>;
}

/** The options of {@linkcode evaluate}. */
export interface EvaluateOptions {
  /**
   * The way to sort scores for AUC and for losses of pairs, of data that is not in memory: those of more rows than `most`, by
   * default 2^22 a metric, are sorted in files that are removed afterwards. Rows in memory are sorted in memory.
   */
  readonly sorting?: Sorting;
}

/**
 * Returns the losses and metrics of a model on rows with labels. Rows without a label for a task, or outside its sample
 * space, do not count for it.
 *
 * Data may be larger than memory: of a {@linkcode Dataset}, or of a function that begins a pass over pieces, one piece is
 * in memory at a time, and all numbers are exact all the same, AUC too. Of a dataset they have the same bits as of its
 * rows in memory; of pieces that do not hold 1024 rows each, or a multiple of it, losses may differ in rounding. Of a ranking
 * the rows of one group are in memory at once.
 *
 * @throws {TypeError | RangeError} if rows do not fit the model.
 * @throws {Error} if scores are to be sorted in files, and none can be written.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, define, evaluate, reference, regression, rows } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({ input: 1, tasks: { y: regression() } });
 * const kernel = { shape: [1, 1], data: Float32Array.of(1) };
 * const parameters = { ...initialise(spec, 0), "tasks/y/head/0/kernel": kernel };
 * const model = await compile(spec, { engine: reference(), parameters });
 * const { loss, metrics } = await evaluate(model, rows([[1], [2], [3]], { labels: { y: [1, 2, 6] } }));
 * assertEquals([loss.y, metrics.y.mse, metrics.y.mae], [3, 3, 1]);
 * const pieces = async function* () {
 *   yield rows([[1], [2]], { labels: { y: [1, 2] } });
 *   yield rows([[3]], { labels: { y: [6] } });
 * };
 * assertEquals(await evaluate(model, pieces), { loss, metrics, auxiliary: {} });
 * model.dispose();
 * ```
 */
export async function evaluate<Tasks extends string>(
  model: Model<Tasks>,
  data: Data,
  options: EvaluateOptions = {},
): Promise<Evaluation<Tasks>> {
  const insides = insidesOf(model, "evaluate");
  const { sorting = {} } = optionsOf("evaluate", options, ["sorting"]);
  checkSorting(sorting, "evaluate");
  const { plan, programOf, fed } = insides;
  const { graph, program } = programOf("evaluate", () => evaluation(plan));
  const judge = judging(plan, isInMemory(data) ? { most: Infinity } : sorting);
  try {
    for await (const rows of piecesOf(data, "evaluate")) {
      checkRows(plan.spec, rows, "evaluate");
      for (let start = 0; start < rows.count; start += mostRows) {
        const piece = sliceRows(rows, start, Math.min(mostRows, rows.count - start));
        insidesOf(model, "evaluate"); // it may be disposed meanwhile
        const scales = scalesOf(plan.spec, piece);
        await judge.add(piece, await program.run(fed(graph, batchTensors(plan.spec, piece, scales))), scales);
      }
      await checkInside("Cannot evaluate", insides, ["evaluate", graph], rows);
    }
    return await judge.end();
  } finally {
    await judge.dispose();
  }
}

/** An evaluation that is going on. */
interface Judging<Tasks extends string> {
  /** Adds a piece of the rows, what the graph returned of it, and the factors of its weights. */
  readonly add: (
    piece: Rows,
    outputs: Readonly<Record<string, Tensor>>,
    scales: Readonly<Record<string, number>>,
  ) => Promise<void>;
  readonly end: () => Promise<Evaluation<Tasks>>;
  readonly dispose: () => Promise<void>;
}

/** Returns an evaluation of no rows so far. */
function judging<Tasks extends string>({ spec, evaluation }: Plan<Tasks>, sorting: Sorting): Judging<Tasks> {
  const tasks = mapEntries(spec.tasks, (_, { head }) => ({
    sums: { loss: 0, weight: 0 },
    overAll: lossOverAll(head)?.begin(sorting),
    folds: mapEntries(measuresOf(head), (_, { begin, of }) => of === "loss" ? undefined : { of, fold: begin(sorting) }),
  }));
  const auxiliary: Record<string, number> = {};
  let count = 0;
  return {
    add: async (piece, outputs, scales) => {
      count += piece.count;
      for (const [path, { data }] of Object.entries(part(outputs, "auxiliary", Object.keys(evaluation.auxiliary)))) {
        auxiliary[path] = (auxiliary[path] ?? 0) + data[0] * piece.count;
      }
      for (const task of Object.keys(tasks) as Tasks[]) {
        const { sums, overAll, folds } = tasks[task];
        const weight = outputs[`weight/${task}`].data[0] / scales[task];
        sums.loss += outputs[`loss/${task}`].data[0] * weight;
        sums.weight += weight;
        const known = judged(spec, piece, task);
        const [predictions, logits] = [outputs[task].data, outputs[`logits/${task}`].data];
        await overAll?.add({ ...known, predictions: logits });
        for (const one of Object.values(folds)) {
          await one?.fold.add({ ...known, predictions: one.of === "logits" ? logits : predictions });
        }
      }
    },
    end: async () => {
      const loss: Record<string, number> = {};
      const metrics: Record<string, Record<string, number>> = {};
      for (const [task, { sums, overAll, folds }] of Object.entries<typeof tasks[Tasks]>(tasks)) {
        loss[task] = await overAll?.end() ?? sums.loss / sums.weight;
        metrics[task] = {};
        for (const [name, one] of Object.entries(folds)) metrics[task][name] = await one?.fold.end() ?? loss[task];
      }
      return { loss, auxiliary: mapEntries(auxiliary, (_, sum) => sum / count), metrics } as Evaluation<Tasks>;
    },
    dispose: async () => {
      for (const { overAll, folds } of Object.values<typeof tasks[Tasks]>(tasks)) {
        await overAll?.dispose?.();
        for (const one of Object.values(folds)) await one?.fold.dispose?.();
      }
    },
  };
}
