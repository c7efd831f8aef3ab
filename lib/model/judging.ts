import type { Rows } from "../data/rows.ts";
import type { Sorting } from "../files/sorter.ts";
import { part } from "../graph/values.ts";
import type { Judgement } from "../heads/judge.ts";
import { lossOverAll, measuresOf } from "../heads/heads.ts";
import type { Tensor } from "../ops/tensor.ts";
import { mapEntries } from "../trace/entries.ts";
import type { Plan } from "../trace/plan.ts";
import type { Evaluation } from "./evaluation.ts";
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
  const segments = mapEntries(asked.segments, (name) => segmentsOf(spec, asked.judges, sorting, name));
  const names = [...Object.values(asked.judges).flatMap(({ by }) => by ?? []), ...Object.values(asked.segments)];
  const numbering = keyNumbering();
  const auxiliary: Record<string, number> = {};
  let count = 0;
  return {
    add: async (piece, outputs, scales) => {
      count += piece.count;
      for (const [path, { data }] of Object.entries(part(outputs, "auxiliary", Object.keys(evaluation.auxiliary)))) {
        auxiliary[path] = (auxiliary[path] ?? 0) + data[0] * piece.count;
      }
      const keys = Object.fromEntries([...new Set(names)].map((name) => [name, numbering.numbersOf(piece, name)]));
      const rows = mapEntries(tasks, (task): TaskRows => {
        return {
          ...judged(spec, piece, task),
          keys,
          predictions: outputs[task].data,
          logits: outputs[`logits/${task}`].data,
        };
      });
      for (const task of Object.keys(tasks) as Tasks[]) {
        const { sums, overAll, judge } = tasks[task];
        const weight = outputs[`weight/${task}`].data[0] / scales[task];
        sums.loss += outputs[`loss/${task}`].data[0] * weight;
        sums.weight += weight;
        await overAll?.add({ ...rows[task], predictions: rows[task].logits });
        await judge.add(rows[task]);
      }
      for (const [name, one] of Object.entries(segments)) await one.add(keys[asked.segments[name]], rows);
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
      const found: Record<string, unknown> = {};
      for (const [name, one] of Object.entries(segments)) {
        found[name] = await one.end((number) => numbering.textOf(asked.segments[name], number));
      }
      return {
        loss,
        auxiliary: mapEntries(auxiliary, (_, sum) => sum / count),
        metrics,
        ...(Object.keys(asked.judges).length > 0 && { judged: details }),
        ...(Object.keys(segments).length > 0 && { segments: found }),
      } as Evaluation<Tasks>;
    },
    dispose: async () => {
      for (const { overAll, judge } of Object.values<typeof tasks[Tasks]>(tasks)) {
        await overAll?.dispose?.();
        await judge.dispose();
      }
      for (const one of Object.values(segments)) await one.dispose();
    },
  };
}
