import type { Rows } from "../data/rows.ts";
import type { Sorting } from "../files/sorter.ts";
import { part } from "../graph/values.ts";
import type { Judgement } from "../heads/judge.ts";
import { lossOverAll, measuresOf } from "../heads/heads.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Spec } from "../spec/spec.ts";
import { mapEntries } from "../trace/entries.ts";
import type { Plan } from "../trace/plan.ts";
import type { Evaluation, SegmentEvaluation } from "./evaluation.ts";
import { judged } from "./feed.ts";
import type { Judges } from "./judges.ts";
import { keyNumbering } from "./key_numbers.ts";
import { segmentsOf } from "./segments.ts";
import { taskJudge, type TaskRows } from "./task_judge.ts";

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

/** The judges and segments, beside the metrics of heads. */
interface Asked {
  readonly judges: Judges;
  readonly segments: Readonly<Record<string, string>>;
}

/** Returns an evaluation of no rows so far. */
export function judging<Tasks extends string>(
  { spec, evaluation }: Plan<Tasks>,
  sorting: Sorting,
  asked: Asked,
): Judging<Tasks> {
  const tasks = mapEntries(spec.tasks, (_, task) => ({
    sums: { loss: 0, weight: 0 },
    overAll: lossOverAll(task.head)?.begin(sorting),
    judge: taskJudge(task, asked.judges, sorting, false),
  }));
  const cuts = cutting(spec, sorting, asked);
  const auxiliary: Record<string, number> = {};
  let count = 0;
  return {
    add: async (piece, outputs, scales) => {
      count += piece.count;
      for (const [path, { data }] of Object.entries(part(outputs, "auxiliary", Object.keys(evaluation.auxiliary)))) {
        auxiliary[path] = (auxiliary[path] ?? 0) + data[0] * piece.count;
      }
      const keys = cuts.keysOf(piece);
      const rows = mapEntries(tasks, (task): TaskRows => {
        const [predictions, logits] = [outputs[task].data, outputs[`logits/${task}`].data];
        return { ...judged(spec, piece, task), keys, predictions, logits };
      });
      for (const task of Object.keys(tasks) as Tasks[]) {
        const { sums, overAll, judge } = tasks[task];
        const weight = outputs[`weight/${task}`].data[0] / scales[task];
        sums.loss += outputs[`loss/${task}`].data[0] * weight;
        sums.weight += weight;
        await overAll?.add({ ...rows[task], predictions: rows[task].logits });
        await judge.add(rows[task]);
      }
      await cuts.add(keys, rows);
    },
    end: async () => {
      const loss: Record<string, number> = {};
      const metrics: Record<string, Record<string, number>> = {};
      const details: Record<string, Readonly<Record<string, Judgement>>> = {};
      for (const [task, { sums, overAll, judge }] of Object.entries<typeof tasks[Tasks]>(tasks)) {
        loss[task] = await overAll?.end() ?? sums.loss / sums.weight;
        const verdict = await judge.end();
        const own = Object.keys(measuresOf(spec.tasks[task as Tasks].head));
        metrics[task] = Object.fromEntries(own.map((name) => [name, verdict.metrics[name] ?? loss[task]]));
        Object.assign(metrics[task], verdict.metrics);
        details[task] = verdict.judged;
      }
      const found = { loss, auxiliary: mapEntries(auxiliary, (_, sum) => sum / count), metrics };
      const isJudged = Object.keys(asked.judges).length > 0;
      return { ...found, ...(isJudged && { judged: details }), ...await cuts.end() } as Evaluation<Tasks>;
    },
    dispose: async () => {
      for (const { overAll, judge } of Object.values<typeof tasks[Tasks]>(tasks)) {
        await overAll?.dispose?.();
        await judge.dispose();
      }
      await cuts.dispose();
    },
  };
}

/** Returns the keys of rows by name, as numbers, and what cuts rows into segments by them. */
function cutting(spec: Spec, sorting: Sorting, { judges, segments }: Asked) {
  const cuts = Object.entries(segments).map(([name, by]) => {
    return { name, by, segments: segmentsOf(spec, judges, sorting, name) };
  });
  const names = new Set([...Object.values(judges).flatMap(({ by }) => by ?? []), ...Object.values(segments)]);
  const numbering = keyNumbering();
  return {
    keysOf: (piece: Rows) => {
      return Object.fromEntries(Array.from(names, (name) => [name, numbering.numbersOf(piece, name)]));
    },
    add: async (keys: TaskRows["keys"], rows: Readonly<Record<string, TaskRows>>) => {
      for (const { by, segments } of cuts) await segments.add(keys[by], rows);
    },
    end: async (): Promise<Pick<Evaluation, "segments">> => {
      if (cuts.length === 0) return {};
      const found: Record<string, Readonly<Record<string, SegmentEvaluation>>> = {};
      for (const { name, by, segments } of cuts) {
        found[name] = await segments.end((number) => numbering.textOf(by, number));
      }
      return { segments: found };
    },
    dispose: async () => {
      for (const { segments } of cuts) await segments.dispose();
    },
  };
}
