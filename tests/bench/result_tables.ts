import { type Case, type CaseName, cases, specOf } from "./cases.ts";
import { axes, base } from "./growth.ts";
import { isIds } from "./ids.ts";
import { type Line, number } from "./lines.ts";
import { grown, nameOf, sizes } from "./vocabulary.ts";
import { multiplyAdds } from "./multiply_adds.ts";

/** The cases and their sizes. */
export function caseList(): string {
  const rows = Object.entries(cases).map(([name, { about, input, experts, units, tasks, tower, batch }]) =>
    [
      name,
      about,
      inputText(input),
      `${experts} of ${units.join(", ")}`,
      tasks,
      tower,
      batch,
    ]
      .map(String)
  );
  return grid(["case", "", "input", "experts", "tasks", "towers", "batch"], rows);
}

function inputText(input: Case["input"]): string {
  if (input === "census") return "7 numbers, 31 categories";
  if (!isIds(input)) return String(input);
  const { numbers, vocabularies, k, bag, sequence } = input;
  return [
    ...numbers === 0 ? [] : [`${numbers} numbers`],
    `${vocabularies.length} ids of ${k}`,
    ...bag ? [`a bag of ${bag.most}`] : [],
    ...sequence ? [`a sequence of ${sequence.most}`] : [],
  ].join(", ");
}

/** Times of a metric, those of ids apart: a row for every case and engine, a column for every peer. */
export function timeGrids(lines: readonly Line[], metric: string): string {
  const some = lines.filter((line) => line.metric === metric && line.case in cases);
  const parts = [false, true].map((ids) => some.filter((line) => isIds(cases[line.case as CaseName].input) === ids));
  return parts.filter((part) => part.length > 0).map(timeGrid).join("\n\n");
}

function timeGrid(some: readonly Line[]): string {
  const peers = [...new Set(some.flatMap(({ peer }) => peer === null ? [] : [peer]))];
  const rows = some.filter(({ peer }) => peer === null).map((mine) => [
    mine.case,
    mine.engine,
    cell(mine),
    ...peers.map((peer) => {
      const line = find(some, mine.case, mine.engine, mine.metric, peer);
      return line === undefined ? "" : `${cell(line)}: ${times(line.ratio)}`;
    }),
  ]);
  return grid(["case", "engine", "ours", ...peers], rows);
}

/** The shares of the peak and of the input pipeline, by case and engine. */
export function shareGrid(lines: readonly Line[]): string {
  const mine = lines.filter(({ metric, peer, case: of }) => metric === "train_step_ms" && peer === null && of in cases);
  const share = (line: Line, metric: string) => percent(find(lines, line.case, line.engine, metric)?.median);
  return grid(
    ["case", "engine", "training step", "inference", "input share"],
    mine.map((line) => [
      line.case,
      line.engine,
      share(line, "train_peak_share"),
      share(line, "predict_peak_share"),
      share(line, "input_share"),
    ]),
  );
}

/** Time and memory of a step by the size of a vocabulary, and the growth of both. */
export function vocabularyGrid(lines: readonly Line[]): string {
  const engines = ["wasm", "onnx"];
  const row = (name: string, of: string, metrics: readonly string[]) => [
    name,
    ...engines.flatMap((engine) =>
      metrics.map((metric) => {
        const line = find(lines, of, engine, metric);
        return line === undefined ? "" : cell(line);
      })
    ),
  ];
  return grid(["ids", ...engines.flatMap((engine) => [`${engine} step ms`, "MiB"])], [
    ...sizes.map((size) => row(size.toLocaleString("en-US"), nameOf(size), ["train_step_ms", "memory_mib"])),
    row("growth", grown, ["step_growth", "memory_growth"]),
  ]);
}

/** Returns true if a line is of reading. */
export function isRead({ case: of }: Line): boolean {
  return of.startsWith("reading, ") || of.includes(" epoch over ");
}

/** Rows a second from files to encoded windows. */
export function readingGrid(lines: readonly Line[]): string {
  const mine = lines.filter(({ case: of, peer }) => of.startsWith("reading, ") && peer === null);
  return grid(
    ["", "rows/s", "times as fast as CSV"],
    mine.map((line) => [
      line.case.slice("reading, ".length),
      cell(line),
      times(find(lines, line.case, line.engine, line.metric, "csv")?.ratio ?? null),
    ]),
  );
}

/** The shares of epochs in which the engine waits, and does not run, by case, form of the data and engine. */
export function waitingGrid(lines: readonly Line[]): string {
  const mine = lines.filter(({ metric }) => metric === "waiting_share");
  return grid(
    ["case", "rows", "engine", "waits", "does not run", "rows/s"],
    mine.map((line) => {
      const [name, form] = line.case.split(" epoch over ");
      const of = (metric: string) => find(lines, line.case, line.engine, metric);
      const rate = of("rows_per_s");
      const beside = percent(of("beside_engine_share")?.median);
      return [name, form, line.engine, percent(line.median), beside, rate === undefined ? "" : cell(rate)];
    }),
  );
}

/** The axis along which something grows, and the cost of its doublings. */
export function growthText(lines: readonly Line[], axis: keyof typeof axes): string {
  const engines = ["wasm", "onnx"];
  const rows = axes[axis].map((size) => {
    const of = { ...base, [axis]: size };
    const work = multiplyAdds(specOf(of, base.input as number)).train * of.batch;
    const cells = engines.flatMap((engine) => {
      const [train, predict, memory] = ["train_step_ms", "predict_ms", "memory_mib"].map((metric) =>
        find(lines, `${axis} ${size}`, engine, metric)
      );
      if (train === undefined) return ["", "", "", ""];
      return [cell(train), cell(predict!), number(2 * work / train.median / 1e6), number(memory?.median ?? null)];
    });
    return [String(size), ...cells];
  });
  const heads = engines.flatMap((engine) => [`${engine} step ms`, `predict ms`, "GFLOP/s", "MiB"]);
  const text = [doublings(lines, axis, engines), bends[axis]].filter((text) => text !== "").join("\n\n");
  return `### ${axis}\n\n${grid([axis, ...heads], rows)}\n\n${text}`;
}

/** The bends, and their reasons. */
const bends: Readonly<Record<keyof typeof axes, string>> = {
  experts:
    `With few experts the parts that stay as they are weigh most: towers, heads, and what every op costs whatever its
size. With many, the products of the experts and the passes over their outputs [batch, experts, units] are all that
counts, and both double.`,
  tasks:
    `A task adds few multiply-adds, a gate and a tower, but passes over the outputs of all experts: its weighted sum,
and in the backward pass the gradients of weights and experts. These move memory and are not counted as multiply-adds, so
that GFLOP/s fall while time comes to double.`,
  batch: `Small batches pay for what does not depend on the rows: what every op costs, and Adam over all parameters. The
curve bends to a straight line of slope 1 where the products outweigh it.`,
};

/** The cost of each doubling. */
function doublings(lines: readonly Line[], axis: keyof typeof axes, engines: readonly string[]): string {
  const sizes = axes[axis];
  const words = engines.flatMap((engine) => {
    const costs = sizes.map((size) => find(lines, `${axis} ${size}`, engine, "train_step_ms")?.median);
    if (costs.some((cost) => cost === undefined)) return [];
    const steps = costs.slice(1).map((cost, at) => cost! / costs[at]!);
    return [`on ${engine} ${steps.map((step) => step.toFixed(2)).join(", ")}`];
  });
  return words.length === 0 ? "" : `Each doubling multiplies the time of a training step ${words.join("; ")}.`;
}

/** The result of a case, engine, metric and peer. */
export function find(lines: readonly Line[], of: string, engine: string, metric: string, peer: string | null = null) {
  return lines.find((line) =>
    line.case === of && line.engine === engine && line.metric === metric && line.peer === peer
  );
}

/** `11.6 (11.2 to 12.4)` */
export function cell({ median, p10, p90 }: Line): string {
  return p10 === null ? number(median) : `${number(median)} (${number(p10)} to ${number(p90)})`;
}

/** `5.20x` */
export function times(ratio: number | null): string {
  return ratio === null ? "" : `${ratio.toFixed(2)}x`;
}

/** `12.5 %` */
export function percent(share: number | undefined): string {
  return share === undefined ? "" : `${(100 * share).toFixed(1)} %`;
}

/** A table of Markdown. */
export function grid(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}
