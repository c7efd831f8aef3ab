import { compareAuc, compareGauc } from "../../lib/metrics.ts";

/** How a model did on a task, as `tests/bench/peers/kuairand.py` and `deno task kuairand --json` write it. */
export interface Judged {
  /** The model's name. */
  readonly model: string;
  /** Its inputs. */
  readonly inputs: string;
  /** The task. */
  readonly task: string;
  /** The part of the rows. */
  readonly split: string;
  /** The AUC. */
  readonly auc: number;
  /** The AUC within users, weighted by their rows. */
  readonly gauc: number;
  /** The seed of the training. */
  readonly seed: number;
  /** The seconds of the training. */
  readonly seconds: number;
  /** The most memory of the process. */
  readonly mib: number;
}

/** Returns what a line of JSON says of a model; undefined if it says something else. */
export function judgedIn(line: string): Judged | undefined {
  if (!line.startsWith("{")) return undefined;
  const { model, inputs, task, split, auc, gauc, seed, seconds, mib } = JSON.parse(line);
  const words = [model, inputs, task, split].every((found) => typeof found === "string");
  const numbers = [auc, seed, seconds, mib].every((found) => typeof found === "number");
  return words && numbers ? { model, inputs, task, split, auc, gauc: gauc ?? NaN, seed, seconds, mib } : undefined;
}

/** The difference of a model of ours to the best peer of a task. */
export interface Difference {
  /** What is compared. */
  readonly of: "auc" | "gauc";
  /** Our model. */
  readonly model: string;
  /** The inputs of both. */
  readonly inputs: string;
  /** The task. */
  readonly task: string;
  /** The peer that is best by it on the rows to test on. */
  readonly peer: string;
  /** Ours less the peer's, its standard error, and the interval of 95 percent: means over seeds. */
  readonly difference: number;
  /** The standard error. */
  readonly error: number;
  /** The lower and the upper end of the interval. */
  readonly interval: readonly [lower: number, upper: number];
}

/** The rows to test on. */
export interface Tested {
  /** Their labels by task, `[rows]`. */
  readonly labels: Readonly<Record<string, ArrayLike<number>>>;
  /** Their users, `[rows]`; without them GAUC is not compared. */
  readonly users?: ArrayLike<number>;
}

/** Returns a function of a model, its inputs, a task and a seed, of which undefined means that there are no predictions. */
export type Scores = (model: string, inputs: string, task: string, seed: number) => ArrayLike<number> | undefined;

/**
 * Returns how far our models are from the best peer of each task on the rows to test on, in AUC by DeLong's paired test, and
 * in GAUC by a paired bootstrap over users. Seeds are paired in their order, and the last one of a model stands for those
 * that it lacks.
 *
 * @param lines How all models did.
 * @param ours Our models.
 * @param scores What they predicted.
 * @param rows The rows to test on.
 */
export function differences(
  lines: readonly Judged[],
  ours: readonly string[],
  scores: Scores,
  { labels, users }: Tested,
): Difference[] {
  const groups = grouped(tested(lines));
  const measures = users === undefined ? ["auc"] as const : ["auc", "gauc"] as const;
  return measures.flatMap((of) =>
    groups.filter(({ model }) => ours.includes(model)).flatMap(({ model, inputs, task, lines: own }) => {
      const rivals = groups.filter((other) =>
        !ours.includes(other.model) && other.inputs === inputs && other.task === task
      );
      const [best] = rivals.toSorted((a, b) => mean(b.lines, of) - mean(a.lines, of));
      if (best === undefined) return [];
      const tests = paired(own, best.lines, scores).map(([a, b]) =>
        of === "auc" ? compareAuc(a, b, labels[task]) : compareGauc(a, b, labels[task], users!)
      );
      if (tests.length === 0) return [];
      const over = (number: (test: typeof tests[number]) => number) => {
        return tests.reduce((sum, test) => sum + number(test), 0) / tests.length;
      };
      return [{
        ...{ of, model, inputs, task, peer: best.model },
        difference: over(({ difference }) => difference),
        error: over(({ error }) => error),
        interval: [over(({ interval }) => interval[0]), over(({ interval }) => interval[1])],
      }];
    })
  );
}

/** Returns what two models predicted, seed by seed, where both are there. */
function paired(
  own: readonly Judged[],
  rival: readonly Judged[],
  scores: Scores,
): (readonly [ArrayLike<number>, ArrayLike<number>])[] {
  return Array.from({ length: Math.max(own.length, rival.length) }, (_, at) => {
    return [own, rival].map((lines) => {
      const { model, inputs, task, seed } = lines[Math.min(at, lines.length - 1)];
      return scores(model, inputs, task, seed);
    });
  }).flatMap(([a, b]) => a === undefined || b === undefined ? [] : [[a, b] as const]);
}

/** Returns all as Markdown: a table for each of the inputs, and one of the differences. */
export function resultsText(
  lines: readonly Judged[],
  differences: readonly Difference[],
  ours: readonly string[],
  versions: Readonly<Record<string, string>> = {},
): string {
  const some = tested(lines);
  const tasks = [...new Set(some.map(({ task }) => task))];
  const sections = [...new Set(some.map(({ inputs }) => inputs))].map((inputs) => {
    const groups = grouped(some.filter((line) => line.inputs === inputs));
    const rows = [...new Set(groups.map(({ model }) => model))].map((model) => {
      const of = tasks.map((task) => groups.find((group) => group.model === model && group.task === task)?.lines ?? []);
      const [first] = of.filter((lines) => lines.length > 0);
      const name = ours.includes(model) ? `**${model}**` : model;
      return [
        name,
        ...of.map((lines) => digits(mean(lines, "auc"), 4)),
        ...of.map((lines) => digits(mean(lines, "gauc"), 3)),
        String(Math.round(mean(first, "seconds"))),
        String(Math.max(...first.map(({ mib }) => mib))),
        String(first.length),
      ];
    });
    const names = tasks.map((task) => task.replace(/^is_/, "").replaceAll("_", " "));
    const head = ["", ...names, ...names.map((name) => `GAUC ${name}`), "seconds", "MiB", "seeds"];
    return `## Inputs: ${inputs}\n\n${grid(head, rows)}`;
  });
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ");
  return [
    "# KuaiRand-Pure beside its peers",
    "Written by `deno task bench:kuairand`. AUC, and AUC within users weighted by their rows (GAUC), on the rows of 6 May, " +
    "mean over seeds; models are trained on the rows to 4 May, chosen and stopped on those of 5 May. Seconds are of the " +
    "chosen training, MiB the most of its process. Ours are **bold**.",
    ...packages === "" ? [] : [`Peers: ${packages}.`],
    ...sections,
    ...(["auc", "gauc"] as const).flatMap((of) => differenceText(of, differences.filter((one) => one.of === of))),
  ].join("\n\n") + "\n";
}

function differenceText(of: "auc" | "gauc", differences: readonly Difference[]): string[] {
  if (differences.length === 0) return [];
  const signed = (value: number) => `${value < 0 ? "-" : "+"}${digits(Math.abs(value), 4)}`;
  const rows = differences.map(({ inputs, task, model, peer, difference, interval: [lower, upper], error }) => {
    const least = difference >= -error ? "yes" : "no";
    return [
      inputs,
      task,
      model,
      peer,
      signed(difference),
      `${signed(lower)} to ${signed(upper)}`,
      digits(error, 4),
      least,
    ];
  });
  const head = ["inputs", "task", "ours", "peer", "difference", "interval", "standard error", "at least less one"];
  const how = of === "auc"
    ? "AUC by task, with the interval of 95 percent of DeLong's paired test"
    : "GAUC by task, with the interval of 95 percent of a paired bootstrap over users";
  return [
    `## ${of.toUpperCase()}: ours less the best peer`,
    `${how}, means over seeds. The last column says whether ours is at least the peer's less one standard error of the ` +
    `difference.`,
    grid(head, rows),
  ];
}

function grid(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function tested(lines: readonly Judged[]): Judged[] {
  return lines.filter(({ split }) => split === "test");
}

interface Group {
  readonly model: string;
  readonly inputs: string;
  readonly task: string;
  readonly lines: readonly Judged[];
}

/** Returns the lines of each model, inputs and task, by their seeds, of which the last line counts. */
function grouped(lines: readonly Judged[]): Group[] {
  const found = new Map<string, Map<number, Judged>>();
  for (const line of lines) {
    const key = [line.model, line.inputs, line.task].join("\n");
    found.set(key, (found.get(key) ?? new Map()).set(line.seed, line));
  }
  return [...found.values()].map((bySeed) => {
    const some = [...bySeed.values()].sort((a, b) => a.seed - b.seed);
    return { model: some[0].model, inputs: some[0].inputs, task: some[0].task, lines: some };
  });
}

function mean(lines: readonly Judged[], of: "auc" | "gauc" | "seconds"): number {
  return lines.reduce((sum, line) => sum + line[of], 0) / lines.length;
}

function digits(value: number, count: number): string {
  return Number.isNaN(value) ? "" : value.toFixed(count).replace(/^0/, "");
}
