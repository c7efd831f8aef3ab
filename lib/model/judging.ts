import type { Rows } from "../data/rows.ts";
import type { Sorting } from "../files/sorter.ts";
import { part } from "../graph/values.ts";
import { lossOverAll, measuresOf } from "../heads/heads.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Spec, TaskSpec } from "../spec/spec.ts";
import { mapEntries } from "../trace/entries.ts";
import type { Plan } from "../trace/plan.ts";
import type { Evaluation, SegmentEvaluation } from "./evaluation.ts";
import { labelled } from "./feed.ts";
import type { Judges } from "./judges.ts";
import { keyNumbering } from "./key_numbers.ts";
import { segmentsOf } from "./segments.ts";
import { taskJudge, type TaskRows, type Verdict } from "./task_judge.ts";

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
  const names = Object.keys(spec.tasks) as Tasks[];
  const tasks = mapEntries(spec.tasks, (_, task) => judgingOf(task, sorting, asked.judges));
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
        return { ...labelled(spec, piece, task), keys, predictions, logits };
      });
      for (const task of names) {
        const weight = outputs[`weight/${task}`].data[0] / scales[task];
        await tasks[task].add(rows[task], outputs[`loss/${task}`].data[0], weight);
      }
      await cuts.add(keys, rows);
    },
    end: async () => {
      const all: [Tasks, Ended][] = [];
      for (const task of names) all.push([task, await tasks[task].end()]);
      const of = <Name extends keyof Ended>(name: Name) =>
        Object.fromEntries(all.map(([task, ended]) => [task, ended[name]])) as Record<Tasks, Ended[Name]>;
      return {
        loss: of("loss"),
        auxiliary: mapEntries(auxiliary, (_, sum) => sum / count),
        metrics: of("metrics"),
        ...(Object.keys(asked.judges).length > 0 && { judged: of("judged") }),
        ...await cuts.end(),
      };
    },
    dispose: async () => {
      for (const task of names) await tasks[task].dispose();
      await cuts.dispose();
    },
  };
}

/** The numbers of a task at the end: its loss beside the verdict, whose metrics have all that its head has. */
interface Ended extends Verdict {
  readonly loss: number;
}

/** Returns the evaluation of a task of no rows so far. */
function judgingOf(task: TaskSpec, sorting: Sorting, judges: Judges) {
  const overAll = lossOverAll(task.head)?.begin(sorting);
  const judge = taskJudge(task, judges, sorting, false);
  const sums = { loss: 0, weight: 0 };
  return {
    /** Adds rows, their mean loss, and their weight in the mean of all. */
    add: async (rows: TaskRows, loss: number, weight: number): Promise<void> => {
      sums.loss += loss * weight;
      sums.weight += weight;
      await overAll?.add({ ...rows, predictions: rows.logits });
      await judge.add(rows);
    },
    end: async (): Promise<Ended> => {
      const loss = await overAll?.end() ?? sums.loss / sums.weight;
      const verdict = await judge.end();
      const own = Object.keys(measuresOf(task.head)).map((name) => [name, verdict.metrics[name] ?? loss]);
      return { loss, ...verdict, metrics: { ...Object.fromEntries(own), ...verdict.metrics } };
    },
    dispose: async (): Promise<void> => {
      await overAll?.dispose?.();
      await judge.dispose();
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
