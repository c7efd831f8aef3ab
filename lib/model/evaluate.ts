import { type Rows, sliceRows } from "../data/rows.ts";
import { part } from "../graph/values.ts";
import { lossOverAll, measuresOf } from "../heads/heads.ts";
import { mapEntries } from "../trace/entries.ts";
import { checkRows } from "./check_rows.ts";
import { batchTensors, judged, mostRows, scalesOf } from "./feed.ts";
import { evaluation } from "./graphs.ts";
import { insidesOf } from "./insides.ts";
import type { Model } from "./model.ts";
import { checkInside } from "./overflow.ts";

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

/**
 * Returns the losses and metrics of a model on rows with labels. Rows without a label for a task, or outside its sample
 * space, do not count for it.
 *
 * @throws {TypeError | RangeError} if rows do not fit the model.
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
 * model.dispose();
 * ```
 */
export async function evaluate<Tasks extends string>(model: Model<Tasks>, rows: Rows): Promise<Evaluation<Tasks>> {
  const insides = insidesOf(model, "evaluate");
  const { plan, programOf, fed } = insides;
  const { spec } = plan;
  checkRows(spec, rows, "evaluate");
  const tasks = Object.keys(spec.tasks) as Tasks[];
  const columns = () => mapEntries(spec.tasks, (_, { head }) => new Float32Array(rows.count * head.units));
  const [predictions, logits] = [columns(), columns()];
  const sums = mapEntries(spec.tasks, () => ({ loss: 0, weight: 0 }));
  const auxiliary: Record<string, number> = {};
  const scales = scalesOf(spec, rows); // the same for all pieces, whose losses are weighed by their weights
  const { graph, program } = programOf("evaluate", () => evaluation(plan));
  for (let start = 0; start < rows.count; start += mostRows) {
    const piece = sliceRows(rows, start, Math.min(mostRows, rows.count - start));
    insidesOf(model, "evaluate"); // it may be disposed meanwhile
    const outputs = await program.run(fed(graph, batchTensors(spec, piece, scales)));
    for (const [path, { data }] of Object.entries(part(outputs, "auxiliary", Object.keys(plan.evaluation.auxiliary)))) {
      auxiliary[path] = (auxiliary[path] ?? 0) + data[0] * (piece.count / rows.count);
    }
    for (const task of tasks) {
      const [weight] = outputs[`weight/${task}`].data;
      sums[task].loss += outputs[`loss/${task}`].data[0] * weight;
      sums[task].weight += weight;
      predictions[task].set(outputs[task].data, start * spec.tasks[task].head.units);
      logits[task].set(outputs[`logits/${task}`].data, start * spec.tasks[task].head.units);
    }
  }
  await checkInside("Cannot evaluate", insides, ["evaluate", graph], rows);
  const known = mapEntries(spec.tasks, (task) => judged(spec, rows, task));
  const loss = mapEntries(sums, (task, { loss, weight }) => {
    const { labels, weights, groups } = known[task];
    return lossOverAll(spec.tasks[task].head)?.(logits[task], labels, weights, groups) ?? loss / weight;
  });
  const metrics = mapEntries(spec.tasks, (task, { head }) => {
    const { labels, weights, groups } = known[task];
    return mapEntries(measuresOf(head), (_, { metric, of }) => {
      if (of === "loss") return loss[task];
      return metric((of === "logits" ? logits : predictions)[task], labels, weights, groups);
    });
  });
  return { loss, auxiliary, metrics };
}
