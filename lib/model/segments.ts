import { quoted } from "../errors/quoted.ts";
import type { Sorting } from "../files/sorter.ts";
import type { Judgement } from "../heads/judge.ts";
import type { Spec } from "../spec/spec.ts";
import { mapEntries } from "../trace/entries.ts";
import type { Judges } from "./judges.ts";
import type { SegmentEvaluation } from "./evaluation.ts";
import { type TaskJudge, taskJudge, type TaskRows } from "./task_judge.ts";

/** Segments of rows that come in pieces. */
export interface Segments {
  /**
   * Adds rows.
   *
   * @param numbers The number of each row's key, NaN for rows in no segment.
   */
  readonly add: (numbers: ArrayLike<number>, tasks: Readonly<Record<string, TaskRows>>) => Promise<void>;
  /** Returns the evaluation of each segment, by the text of its key: numbers grow, texts stand in their order. */
  readonly end: (textOf: (number: number) => string) => Promise<Record<string, SegmentEvaluation>>;
  readonly dispose: () => Promise<void>;
}

/** The most segments: each has metrics of its own, and a share of the memory to sort in. */
const mostSegments = 256;

/** Begins segments by the keys of a name. */
export function segmentsOf({ tasks }: Pick<Spec, "tasks">, judges: Judges, sorting: Sorting, name: string): Segments {
  const { most = 2 ** 22 } = sorting;
  const share = { ...sorting, most: Math.ceil(most / mostSegments) };
  const segments = new Map<number, { rows: number; readonly tasks: Readonly<Record<string, TaskJudge>> }>();
  const segmentAt = (number: number) => {
    const known = segments.get(number);
    if (known !== undefined) return known;
    if (segments.size === mostSegments) {
      const wanted = "wanted keys of fewer values: put some of them together";
      throw new RangeError(`Cannot evaluate: the segments ${quoted(name)} are more than ${mostSegments}, ${wanted}`);
    }
    const made = { rows: 0, tasks: mapEntries(tasks, (_, task) => taskJudge(task, judges, share, true)) };
    segments.set(number, made);
    return made;
  };
  return {
    add: async (numbers, rowsOf) => {
      const places = new Map<number, number[]>();
      for (let row = 0; row < numbers.length; row++) {
        const rows = places.get(numbers[row]) ?? [];
        if (rows.push(row) === 1) places.set(numbers[row], rows);
      }
      places.delete(NaN);
      for (const [number, rows] of places) {
        const segment = segmentAt(number);
        segment.rows += rows.length;
        for (const [task, judge] of Object.entries(segment.tasks)) await judge.add(picked(rowsOf[task], rows));
      }
    },
    end: async (textOf) => {
      const found: [text: string, evaluation: SegmentEvaluation][] = [];
      const order = [...segments].map(([number, segment]) => ({ number, text: textOf(number), segment }));
      order.sort((a, b) => Number(a.text) - Number(b.text) || (a.text < b.text ? -1 : 1));
      for (const { text, segment: { rows, tasks } } of order) {
        const metrics: Record<string, Readonly<Record<string, number>>> = {};
        const judged: Record<string, Readonly<Record<string, Judgement>>> = {};
        for (const [task, judge] of Object.entries(tasks)) {
          ({ metrics: metrics[task], judged: judged[task] } = await judge.end());
        }
        found.push([text, { rows, metrics, ...(Object.keys(judges).length > 0 && { judged }) }]);
      }
      return Object.fromEntries(found); // a text may be "__proto__"
    },
    dispose: async () => {
      for (const { tasks } of segments.values()) for (const judge of Object.values(tasks)) await judge.dispose();
    },
  };
}

/** Returns some of the rows of a task. */
function picked({ labels, weights, groups, predictions, logits, keys }: TaskRows, rows: readonly number[]): TaskRows {
  const all = labels.length;
  const pick = (numbers: ArrayLike<number>) => {
    const width = numbers.length / all;
    if (width === 1) return Float64Array.from(rows, (row) => numbers[row]);
    return Float64Array.from({ length: rows.length * width }, (_, at) => {
      return numbers[rows[Math.floor(at / width)] * width + at % width];
    });
  };
  return {
    labels: pick(labels),
    weights: pick(weights),
    ...(groups && { groups: pick(groups) }),
    predictions: pick(predictions),
    logits: pick(logits),
    keys: mapEntries(keys, (_, numbers) => pick(numbers)),
  };
}
