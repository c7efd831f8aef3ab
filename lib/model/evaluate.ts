import { sliceRows } from "../data/rows.ts";
import { checkRecord, checkText, optionsOf } from "../errors/kinds.ts";
import { checkSorting, type Sorting } from "../files/sorter.ts";
import type { Judge } from "../heads/judge.ts";
import { checkRows } from "./check_rows.ts";
import { batchTensors, mostRows, scalesOf } from "./feed.ts";
import { evaluation } from "./graphs.ts";
import type { Evaluation } from "./evaluation.ts";
import { insidesOf } from "./insides.ts";
import { checkJudges, checkKeysOf } from "./judges.ts";
import { judging } from "./judging.ts";
import type { Model } from "./model.ts";
import { checkInside } from "./overflow.ts";
import { type Data, isInMemory, piecesOf } from "./pieces.ts";

/** The options of {@linkcode evaluate}. */
export interface EvaluateOptions {
  /**
   * The way to sort scores for AUC and for losses of pairs, of data that is not in memory: those of more rows than `most`, by
   * default 2^22 a metric, are sorted in files that are removed afterwards. Rows in memory are sorted in memory.
   */
  readonly sorting?: Sorting;
  /**
   * Judges by name, such as `{ gauc: gauc({ by: "user" }) }`, from the door `./metrics`: each judges all tasks of the heads that
   * it fits, binary ones most often, by their logits or probabilities.
   */
  readonly judges?: Readonly<Record<string, Judge>>;
  /**
   * Segments by name, such as `{ tab: "tab" }`: keys of the rows, of at most 256 values, or a column of their labels. Metrics
   * and judges are reported of the rows of each value too; rows without a key are in no segment.
   */
  readonly segments?: Readonly<Record<string, string>>;
}

/**
 * Returns the losses and metrics of a model on rows with labels. Rows without a label for a task, or outside its sample
 * space, do not count for it.
 *
 * Data may be larger than memory: of a {@linkcode Dataset}, or of a function that begins a pass over pieces, one piece is
 * in memory at a time, and all numbers are exact all the same, AUC too. Of a dataset they have the same bits as of its
 * rows in memory; of pieces that do not hold 1024 rows each, or a multiple of it, losses may differ in rounding. Of a ranking
 * the rows of one group are in memory at once, and of judges by groups.
 *
 * @throws {TypeError | RangeError} if rows do not fit the model, lack keys that judges or segments group them by, or a judge
 * cannot judge them.
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
 *
 * @example Judged within users, and by tab
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, compile, define, evaluate, reference, rows } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 * import { gauc } from "@gatehouse/gatehouse/metrics";
 *
 * const spec = define({ input: 1, tasks: { click: binary() } });
 * const kernel = { shape: [1, 1], data: Float32Array.of(1) };
 * const parameters = { ...initialise(spec, 0), "tasks/click/head/0/kernel": kernel };
 * const model = await compile(spec, { engine: reference(), parameters });
 * const by = { user: ["ann", "ann", "bob", "bob", "eve"], tab: [1, 2, 1, 1, 2] };
 * const data = rows([[1], [2], [9], [8], [5]], { labels: { click: [0, 1, 0, 1, 1] }, by });
 * const judges = { gauc: gauc({ by: "user" }) };
 * const { metrics, judged, segments } = await evaluate(model, data, { judges, segments: { tab: "tab" } });
 * assertEquals(metrics.click.gauc, 0.5); // of ann 1, of bob 0; eve's rows are of one class
 * assertEquals(judged?.click.gauc.left, { groups: 1, rows: 1 });
 * assertEquals([segments?.tab[1].rows, segments?.tab[1].metrics.click.gauc], [3, 0]);
 * model.dispose();
 * ```
 */
export async function evaluate<Tasks extends string>(
  model: Model<Tasks>,
  data: Data,
  options: EvaluateOptions = {},
): Promise<Evaluation<Tasks>> {
  const insides = insidesOf(model, "evaluate");
  const given = optionsOf("evaluate", options, ["sorting", "judges", "segments"]);
  const { sorting = {}, judges = {}, segments = {} } = given;
  checkSorting(sorting, "evaluate");
  const { plan, programOf, fed } = insides;
  checkJudges(judges, plan.spec, "evaluate");
  checkSegments(segments);
  const { graph, program } = programOf("evaluate", () => evaluation(plan));
  const judge = judging(plan, isInMemory(data) ? { most: Infinity } : sorting, { judges, segments });
  try {
    for await (const rows of piecesOf(data, "evaluate")) {
      checkRows(plan.spec, rows, "evaluate");
      checkKeysOf(rows, judges, segments, "evaluate");
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

/** Makes sure that segments are names of keys. */
function checkSegments(segments: Readonly<Record<string, string>>): void {
  checkRecord("evaluate", "segments", segments);
  for (const [name, by] of Object.entries(segments)) checkText("evaluate", `segments.${name}`, by);
}
