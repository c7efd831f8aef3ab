import { checkCount, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { holding, isNumber, maybe, type Test } from "../errors/shapes.ts";
import type { Evaluation, SegmentEvaluation } from "../model/evaluation.ts";
import { textTable } from "./text_table.ts";

/**
 * An evaluation as text: a line for each task, and below it for each of its segments, a column for each metric and judge, with
 * the standard error where there is one; then, of judges by groups, the rows and groups that they are of, and those left out.
 *
 * @param evaluation What `evaluate` returns, or the `validation` of a record of `train`.
 * @param options.digits The digits after the point, 4 by default.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, compile, define, evaluate, judgeTable, reference, rows } from "@gatehouse/gatehouse";
 * import { gauc } from "@gatehouse/gatehouse/metrics";
 *
 * const model = await compile(define({ input: 1, tasks: { click: binary() } }), { engine: reference() });
 * const by = { user: ["ann", "ann", "bob", "bob", "eve"], tab: [1, 2, 1, 2, 2] };
 * const data = rows([[0], [0], [0], [0], [0]], { labels: { click: [0, 1, 0, 1, 1] }, by });
 * const judged = await evaluate(model, data, { judges: { gauc: gauc({ by: "user" }) }, segments: { tab: "tab" } });
 * assertEquals(
 *   judgeTable(judged, { digits: 2 }),
 *   `task   segment  rows   auc  logloss  accuracy         gauc
 * ─────  ───────  ────  ────  ───────  ────────  ───────────
 * click                 0.50     0.69      0.40  0.50 ± 0.00
 *        tab 1       2   NaN     0.69      1.00          NaN
 *        tab 2       3   NaN     0.69      0.00          NaN
 *
 * task   judge  rows  groups  groups left out  rows left out
 * ─────  ─────  ────  ──────  ───────────────  ─────────────
 * click  gauc      4       2                1              1`,
 * );
 * model.dispose();
 * ```
 */
export function judgeTable<Tasks extends string>(
  evaluation: Evaluation<Tasks>,
  options: { readonly digits?: number } = {},
): string {
  if (!isEvaluation(evaluation)) {
    const found = kindOf(evaluation);
    throw new TypeError(`Cannot show an evaluation: wanted one, as await evaluate(...) returns it, found ${found}`);
  }
  const { digits = 4 } = optionsOf("show an evaluation", options, ["digits"]);
  checkCount("show an evaluation", "digits", digits);
  const { metrics, judged, segments = {} } = evaluation;
  const tasks = Object.keys(metrics) as Tasks[];
  const lines = tasks.flatMap((task) => [
    { task, ...cellsOf(evaluation, task, digits) },
    ...Object.entries(segments).flatMap(([name, values]) =>
      Object.entries(values).map(([value, segment]) => {
        return { segment: `${name} ${value}`, rows: segment.rows, ...cellsOf(segment, task, digits) };
      })
    ),
  ]);
  const cut = Object.keys(segments).length > 0;
  const whole = textTable(cut ? lines.map((line) => ({ task: "", segment: "", rows: "", ...line })) : lines, {
    digits,
  });
  const left = tasks.flatMap((task) =>
    Object.entries(judged?.[task] ?? {}).flatMap(([judge, { rows, groups, left }]) => {
      if (groups === undefined || left === undefined) return [];
      return [{ task, judge, rows, groups, "groups left out": left.groups, "rows left out": left.rows }];
    })
  );
  return left.length === 0 ? whole : `${whole}\n\n${textTable(left)}`;
}

/** The numbers of a task by metric, those with an error as texts. */
function cellsOf<Tasks extends string>(
  { metrics, judged }: Pick<SegmentEvaluation<Tasks>, "metrics" | "judged">,
  task: Tasks,
  digits: number,
): Record<string, string | number> {
  const cells = Object.entries(metrics[task] ?? {}).map(([name, value]) => {
    const error = judged?.[task]?.[name]?.error;
    const hasError = error !== undefined && Number.isFinite(error);
    return [name, hasError ? `${value.toFixed(digits)} ± ${error.toFixed(digits)}` : value];
  });
  return Object.fromEntries(cells);
}

const recordOf = (item: Test): Test => (found) => isRecord(found) && Object.values(found).every(item);

const judgement = holding({
  value: isNumber,
  rows: isNumber,
  groups: maybe(isNumber),
  left: maybe(holding({ groups: isNumber, rows: isNumber })),
  error: maybe(isNumber),
});

const isJudged = { metrics: recordOf(recordOf(isNumber)), judged: maybe(recordOf(recordOf(judgement))) };
const isEvaluation = holding({
  ...isJudged,
  segments: maybe(recordOf(recordOf(holding({ rows: isNumber, ...isJudged })))),
});
