import type { QueueWatch } from "./queue.ts";

/** Counts of what a server does, as Prometheus reads them. */
export interface Meters {
  /** Counts what a version of a model does. */
  of(model: string, version: string): ModelMeters;
  /** Counts an answered request. */
  answered(labels: Labels, seconds: number): void;
  /** Returns all counts as text, in Prometheus's exposition format 0.0.4. */
  text(): string;
}

/** Counts of a version of a model. */
export interface ModelMeters extends QueueWatch {
  /** Counts the encoding of a request. */
  encoded(milliseconds: number): void;
  /** Counts predictions of a task, whose mean says whether the rows drift. */
  saw(task: string, predictions: Float32Array): void;
}

/** The labels of a number. */
type Labels = Readonly<Record<string, string>>;

/** The upper ends of histograms' buckets. */
const buckets = {
  seconds: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  rows: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096],
} as const;

/** The numbers that are counted: what each is, and of which kind. */
const measures = {
  gatehouse_requests_total: { help: "Requests by status", type: "counter" },
  gatehouse_request_seconds: {
    help: "From a request's arrival to its answer",
    type: "histogram",
    ends: buckets.seconds,
  },
  gatehouse_queue_seconds: { help: "The wait of a request for its turn", type: "histogram", ends: buckets.seconds },
  gatehouse_encode_seconds: { help: "From raw values to codes and numbers", type: "histogram", ends: buckets.seconds },
  gatehouse_predict_seconds: { help: "The prediction of a batch", type: "histogram", ends: buckets.seconds },
  gatehouse_batch_rows: { help: "Rows that are predicted together", type: "histogram", ends: buckets.rows },
  gatehouse_prediction: { help: "Predictions: their sum over their count is the mean", type: "summary" },
} as const satisfies Record<string, Measure>;

interface Measure {
  readonly help: string;
  readonly type: "counter" | "histogram" | "summary";
  readonly ends?: readonly number[];
}

/** The count, the sum, and of a histogram the counts by bucket. */
interface Sums {
  count: number;
  sum: number;
  readonly below: number[];
}

/** Returns counts that are all 0. */
export function meters(): Meters {
  const found = new Map<string, Map<string, Sums>>(Object.keys(measures).map((name) => [name, new Map()]));
  const sumsOf = (name: keyof typeof measures, labels: Labels): Sums => {
    const key = Object.entries(labels).map(([label, value]) => `${label}="${escaped(value)}"`).join(",");
    const known = found.get(name)!.get(key);
    if (known !== undefined) return known;
    const { ends = [] }: Measure = measures[name];
    const fresh = { count: 0, sum: 0, below: Array<number>(ends.length).fill(0) };
    found.get(name)!.set(key, fresh);
    return fresh;
  };
  const adding = (name: keyof typeof measures, labels: Labels) => {
    const sums = sumsOf(name, labels);
    const { ends = [] }: Measure = measures[name];
    return (value: number) => {
      sums.count++;
      sums.sum += value;
      for (let at = ends.length - 1; at >= 0 && value <= ends[at]; at--) sums.below[at]++;
    };
  };
  return {
    of: (model, version) => {
      const labels = { model, version };
      const [queue, encode, predict, rows] = [
        adding("gatehouse_queue_seconds", labels),
        adding("gatehouse_encode_seconds", labels),
        adding("gatehouse_predict_seconds", labels),
        adding("gatehouse_batch_rows", labels),
      ];
      return {
        waited: (milliseconds) => queue(milliseconds / 1000),
        encoded: (milliseconds) => encode(milliseconds / 1000),
        predicted: (count, milliseconds) => {
          rows(count);
          predict(milliseconds / 1000);
        },
        saw: (task, predictions) => {
          const sums = sumsOf("gatehouse_prediction", { ...labels, task });
          sums.count += predictions.length;
          for (const prediction of predictions) sums.sum += prediction;
        },
      };
    },
    answered: (labels, seconds) => {
      sumsOf("gatehouse_requests_total", labels).count++;
      const { status: _, ...others } = labels;
      adding("gatehouse_request_seconds", others)(seconds);
    },
    text: () =>
      [...found].filter(([, all]) => all.size > 0).map(([name, all]) => {
        const { help, type, ends = [] }: Measure = measures[name as keyof typeof measures];
        const lines = [...all].flatMap(([labels, sums]) => linesOf(name, { type, ends }, labels, sums));
        return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("\n")}\n`;
      }).join(""),
  };
}

function linesOf(
  name: string,
  { type, ends }: { readonly type: Measure["type"]; readonly ends: readonly number[] },
  labels: string,
  { count, sum, below }: Sums,
): readonly string[] {
  if (type === "counter") return [`${name}{${labels}} ${count}`];
  const more = labels === "" ? "" : `${labels},`;
  return [
    ...ends.map((end, at) => `${name}_bucket{${more}le="${end}"} ${below[at]}`),
    ...(type === "histogram" ? [`${name}_bucket{${more}le="+Inf"} ${count}`] : []),
    `${name}_sum{${labels}} ${sum}`,
    `${name}_count{${labels}} ${count}`,
  ];
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (letter) => letter === "\n" ? "\\n" : `\\${letter}`);
}
