import type { QueueWatch } from "./queue.ts";

/** Counts of what a server does, as Prometheus reads them. */
export interface Meters {
  /** Returns the counts of a version of a model, which go with it. */
  of(model: string, version: string): VersionMeters;
  /** Counts an answered request that asked no model. */
  answered(status: number, seconds: number): void;
  /** Returns all counts as text, in Prometheus's exposition format 0.0.4. */
  text(): string;
}

/** Counts of a version of a model. */
export interface VersionMeters extends QueueWatch {
  /** Counts an answered request. */
  answered(status: number, seconds: number): void;
  /** Counts the encoding of a request. */
  encoded(milliseconds: number): void;
  /** Counts predictions of a task, `[rows]` or `[rows x classes]`, whose means say whether the rows drift. */
  saw(task: string, rows: number, predictions: Float32Array): void;
  /** Leaves its counts out of the text from now on, but for those of its model. */
  forget(): void;
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
  gatehouse_requests_total: { help: "Requests by version and status", type: "counter" },
  gatehouse_request_seconds: {
    help: "From a request's arrival to its answer, of all versions of a model",
    type: "histogram",
    ends: buckets.seconds,
  },
  gatehouse_queue_seconds: { help: "The wait of a request for its turn", type: "histogram", ends: buckets.seconds },
  gatehouse_encode_seconds: { help: "From raw values to codes and numbers", type: "histogram", ends: buckets.seconds },
  gatehouse_predict_seconds: { help: "The prediction of a batch", type: "histogram", ends: buckets.seconds },
  gatehouse_batch_rows: { help: "Rows that are predicted together", type: "histogram", ends: buckets.rows },
  gatehouse_prediction: { help: "Predictions: their sum over their count is the mean", type: "summary" },
} as const satisfies Record<string, Measure>;

type Name = keyof typeof measures;

interface Measure {
  readonly help: string;
  readonly type: "counter" | "histogram" | "summary";
  readonly ends?: readonly number[];
}

/** The count, the sum, and of a histogram the counts by bucket: of those above the end before. */
interface Sums {
  count: number;
  sum: number;
  readonly within: number[];
}

/** Counts that come and go together, by name and labels. */
type Group = Map<Name, Map<string, Sums>>;

/** Returns counts that are all 0. */
export function meters(): Meters {
  const kept: Group = new Map(); // models and the server: they stay
  const groups = new Set([kept]);
  const requests = (group: Group, labels: Labels, lasting: Labels) => {
    const byStatus = new Map<number, Sums>();
    const took = sumsOf(kept, "gatehouse_request_seconds", lasting);
    return (status: number, seconds: number) => {
      const sums = byStatus.get(status) ??
        sumsOf(group, "gatehouse_requests_total", { ...labels, status: `${status}` });
      byStatus.set(status, sums);
      sums.count++;
      add(took, "gatehouse_request_seconds", seconds);
    };
  };
  let unasked: ReturnType<typeof requests> | undefined;
  return {
    of: (model, version) => {
      const group: Group = new Map();
      groups.add(group);
      const labels = { model, version };
      return {
        ...versionMeters(group, labels),
        answered: requests(group, labels, { model }),
        forget: () => void groups.delete(group),
      };
    },
    answered: (status, seconds) => {
      unasked ??= requests(kept, { model: "", version: "" }, { model: "" });
      unasked(status, seconds);
    },
    text: () => (Object.keys(measures) as Name[]).map((name) => textOf(name, [...groups])).join(""),
  };
}

function versionMeters(group: Group, labels: Labels): Omit<VersionMeters, "answered" | "forget"> {
  const adding = (name: Name) => {
    const sums = sumsOf(group, name, labels);
    return (value: number) => add(sums, name, value);
  };
  const [queue, encode] = [adding("gatehouse_queue_seconds"), adding("gatehouse_encode_seconds")];
  const [predict, rows] = [adding("gatehouse_predict_seconds"), adding("gatehouse_batch_rows")];
  const seen = new Map<string, readonly Sums[]>();
  const seenOf = (task: string, width: number) => {
    const known = seen.get(task);
    if (known !== undefined) return known;
    const fresh = Array.from({ length: width }, (_, at) => {
      return sumsOf(group, "gatehouse_prediction", { ...labels, task, ...(width > 1 && { class: `${at}` }) });
    });
    seen.set(task, fresh);
    return fresh;
  };
  return {
    waited: (milliseconds) => queue(milliseconds / 1000),
    encoded: (milliseconds) => encode(milliseconds / 1000),
    predicted: (count, milliseconds) => {
      rows(count);
      predict(milliseconds / 1000);
    },
    saw: (task, rows, predictions) => {
      const width = predictions.length / rows;
      if (!(width <= mostClasses)) return; // no rows, or too many classes
      const sums = seenOf(task, width);
      for (let at = 0; at < predictions.length; at++) sums[at % width].sum += predictions[at];
      for (const one of sums) one.count += rows;
    },
  };
}

/** The most classes of a task whose predictions are counted each. */
const mostClasses = 100;

/** Returns the numbers of a name and labels, 0 at first. */
function sumsOf(group: Group, name: Name, labels: Labels): Sums {
  const key = Object.entries(labels).map(([label, value]) => `${label}="${escaped(value)}"`).join(",");
  const known = group.get(name)?.get(key);
  if (known !== undefined) return known;
  const { ends = [] }: Measure = measures[name];
  const fresh = { count: 0, sum: 0, within: Array<number>(ends.length).fill(0) };
  if (!group.has(name)) group.set(name, new Map());
  group.get(name)!.set(key, fresh);
  return fresh;
}

function add(sums: Sums, name: Name, value: number): void {
  const { ends = [] }: Measure = measures[name];
  sums.count++;
  sums.sum += value;
  let at = 0;
  while (at < ends.length && value > ends[at]) at++;
  if (at < ends.length) sums.within[at]++;
}

/** Returns the lines of a name: those of all groups, for a name is described once. */
function textOf(name: Name, groups: readonly Group[]): string {
  const { help, type, ends = [] }: Measure = measures[name];
  const lines = groups.flatMap((group) =>
    [...group.get(name) ?? []].flatMap(([labels, sums]) => linesOf(name, { type, ends }, labels, sums))
  );
  return lines.length === 0 ? "" : `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("\n")}\n`;
}

function linesOf(
  name: string,
  { type, ends }: { readonly type: Measure["type"]; readonly ends: readonly number[] },
  labels: string,
  { count, sum, within }: Sums,
): readonly string[] {
  if (type === "counter") return [`${name}{${labels}} ${count}`];
  let below = 0;
  return [
    ...ends.map((end, at) => `${name}_bucket{${labels},le="${end}"} ${below += within[at]}`),
    ...(type === "histogram" ? [`${name}_bucket{${labels},le="+Inf"} ${count}`] : []),
    `${name}_sum{${labels}} ${sum}`,
    `${name}_count{${labels}} ${count}`,
  ];
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (letter) => letter === "\n" ? "\\n" : `\\${letter}`);
}
