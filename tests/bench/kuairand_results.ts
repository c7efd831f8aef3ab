import { type AucComparison, compareAuc } from "../../lib/metrics.ts";

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
  /** Our model. */
  readonly model: string;
  /** The inputs of both. */
  readonly inputs: string;
  /** The task. */
  readonly task: string;
  /** The peer whose AUC on the rows to test on is highest. */
  readonly peer: string;
  /** Ours less the peer's, and the interval of 95 percent: the mean over seeds. */
  readonly difference: number;
  /** The lower and the upper end of the interval. */
  readonly interval: readonly [lower: number, upper: number];
}

/** Returns a function of a model, its inputs, a task and a seed, of which undefined means that there are no predictions. */
export type Scores = (model: string, inputs: string, task: string, seed: number) => ArrayLike<number> | undefined;

/**
 * Returns how far our models are from the best peer of each task on the rows to test on, by DeLong's paired test. Seeds are
 * paired in their order, and the last one of a model stands for those that it lacks.
 *
 * @param lines How all models did.
 * @param ours Our models.
 * @param scores What they predicted.
 * @param labels The labels of the rows, by task.
 */
export function differences(
  lines: readonly Judged[],
  ours: readonly string[],
  scores: Scores,
  labels: Readonly<Record<string, ArrayLike<number>>>,
): Difference[] {
  const found: Difference[] = [];
  for (const { model, inputs, task, lines: own } of grouped(tested(lines))) {
    if (!ours.includes(model)) continue;
    const rivals = grouped(tested(lines)).filter((other) =>
      !ours.includes(other.model) && other.inputs === inputs && other.task === task
    );
    const [best] = rivals.toSorted((a, b) => mean(b.lines, "auc") - mean(a.lines, "auc"));
    if (best === undefined) continue;
    const tests: AucComparison[] = [];
    for (let at = 0; at < Math.max(own.length, best.lines.length); at++) {
      const pair = [own, best.lines].map((some) => {
        const line = some[Math.min(at, some.length - 1)];
        return scores(line.model, inputs, task, line.seed);
      });
      if (pair[0] !== undefined && pair[1] !== undefined) tests.push(compareAuc(pair[0], pair[1], labels[task]));
    }
    if (tests.length === 0) continue;
    const over = (of: (test: AucComparison) => number) => tests.reduce((sum, test) => sum + of(test), 0) / tests.length;
    found.push({
      model,
      inputs,
      task,
      peer: best.model,
      difference: over(({ difference }) => difference),
      interval: [over(({ interval }) => interval[0]), over(({ interval }) => interval[1])],
    });
  }
  return found;
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
    ...differences.length === 0 ? [] : [differenceText(differences)],
  ].join("\n\n") + "\n";
}

function differenceText(differences: readonly Difference[]): string {
  const signed = (value: number) => `${value < 0 ? "-" : "+"}${digits(Math.abs(value), 4)}`;
  const rows = differences.map(({ inputs, task, model, peer, difference, interval: [lower, upper] }) => {
    return [inputs, task, model, peer, signed(difference), `${signed(lower)} to ${signed(upper)}`];
  });
  return "## Ours less the best peer\n\nAUC by task, with the interval of 95 percent of DeLong's paired test, means over " +
    `seeds.\n\n${grid(["inputs", "task", "ours", "peer", "difference", "interval"], rows)}`;
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
