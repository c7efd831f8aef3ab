/**
 * Writes RESULTS.md and growth.svg from the lines of a run:
 * `deno task bench --peers --json > out/bench.jsonl && deno task bench:results`.
 */
import { page } from "../../lib/svg.ts";
import { type Bar, bars, standing } from "./bars.ts";
import { cases } from "./cases.ts";
import { axes, base } from "./growth.ts";
import { growthChart, type Panel } from "./growth_chart.ts";
import { type Line, number } from "./lines.ts";
import type { Machine } from "./machine.ts";
import { isProfiled, profileText } from "./profile_table.ts";
import { base as swept, isSwept } from "./sweep.ts";
import { sweepText } from "./sweep_table.ts";
import { grown, nameOf as sizeName, sizes } from "./vocabulary.ts";
import {
  caseList,
  cell,
  find,
  grid,
  growthText,
  isRead,
  percent,
  readingGrid,
  shareGrid,
  timeGrids,
  times,
  vocabularyGrid,
  waitingGrid,
} from "./result_tables.ts";

/** A whole run. */
export interface Run {
  /** The machine that it ran on. */
  readonly machine: Machine;
  /** The results. */
  readonly lines: readonly Line[];
  /** The way the peers were run where they had a choice. */
  readonly settings: Readonly<Record<string, string>>;
}

/** The names of the sections of the page; all others, and what comes before them, are of the training steps too. */
const sections: Readonly<Record<string, (line: Line) => boolean>> = {
  "Training step and inference": ({ case: of, metric }) => of in cases && metric === "train_step_ms",
  "Where the time goes": isProfiled,
  "Sparse experts": isSwept,
  "Census epoch": ({ case: of, metric }) => of.endsWith("census epoch") && metric === "rows_per_s",
  Growth: ({ case: of }) => Object.keys(axes).some((axis) => of.startsWith(`${axis} `)),
  "Growth by vocabulary": ({ case: of }) => of === grown || sizes.some((size) => of === sizeName(size)),
  Encoding: ({ case: of }) => of.startsWith("encoding"),
  Reading: isRead,
  Memory: ({ metric }) => inMemory.test(metric),
};

/** The metrics of memory. */
const inMemory = /resident|arrays|needed|peak_mib|peak_over|process_mib|training_mib/;

if (import.meta.main) {
  const run = read(Deno.readTextFileSync("out/bench.jsonl"));
  const before = Deno.readTextFileSync("tests/bench/RESULTS.md");
  Deno.writeTextFileSync("tests/bench/RESULTS.md", merged(document(run), before, run.lines));
  if (run.lines.some(sections.Growth)) Deno.writeTextFileSync("tests/bench/growth.svg", chart(run.lines));
}

/** A page whose sections, and bars, that a run has no lines of are those of the page before, where it has them. */
export function merged(page: string, before: string, lines: readonly Line[]): string {
  const parts = (text: string) =>
    text.split(/^(?=## )/m).map((part) => [/^## (.*)/.exec(part)?.[1] ?? "", part] as const);
  const kept = new Map(parts(before));
  return parts(page).map(([title, part]) => {
    const measured = lines.some(sections[title] ?? sections["Training step and inference"]);
    if (!measured && title === "Bars") return mergedRows(part, kept.get(title));
    return measured ? part : kept.get(title) ?? part;
  }).join("");
}

/** The rows of the bars that were measured, and of all others those of the page before, if it has them. */
function mergedRows(part: string, before: string = ""): string {
  const cells = (row: string) => row.split("|").map((cell) => cell.trim());
  const key = (row: string) => cells(row).slice(1, 5).join("|");
  const known = new Map(before.split("\n").map((row) => [key(row), row]));
  return part.split("\n").map((row) => cells(row).includes("not measured") ? known.get(key(row)) ?? row : row).join(
    "\n",
  );
}

/** A run from its lines of JSON. */
export function read(text: string): Run {
  const records = text.trim().split("\n").map((line) => JSON.parse(line));
  const { machine } = records.find((record) => "machine" in record);
  const settings = records.find((record) => "settings" in record)?.settings ?? {};
  return { machine, settings, lines: records.filter((record) => "case" in record) };
}

/** The results as a page of Markdown. */
export function document({ machine, lines, settings }: Run): string {
  const { cpu, cores, memory, os, versions } = machine;
  const peak = find(lines, "machine", "blas", "gflops");
  return `# Benchmarks

One run of \`deno task bench --peers --json > out/bench.jsonl\`; this page is what \`deno task bench:results\` makes of it.
Of a run with \`--only\` some parts it changes these alone.
PyTorch comes with \`python3 -m venv out/peers && out/peers/bin/pip install -r tests/bench/peers/requirements.txt\`, the
census data with \`deno task census --download\` or GATEHOUSE_DATA.

${cpu}, ${cores} threads, ${memory} GiB, ${os}${
    peak ? `; a large float32 product reaches ${number(peak.median)} GFLOP/s` : ""
  }.
${Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ")}.

## Bars

${grid(["", "case", "engine", "wanted", "found", ""], bars.map((bar) => barRow(bar, lines)))}

## Training step and inference

${caseList()}

Every model begins with the same kind of numbers and computes the same: MMoE, sigmoid cross-entropy, Adam. The losses of
the first three steps of tf.layers are checked to be ours within 1e-4. A training step of ours is one of \`train\`:
it chooses and uploads the rows of its batch, and reads the losses; peers are given one batch that is in place. Inference
is \`predict\`, numbers checked and read. Of W6 and W7 row-wise Adagrad trains the vectors, of W8 Adam, where peers move all of
them, and we those of the batch; \`torch-rechub\` is its own \`MMOE\`, which has batch norms beside, and
\`torch-rechub, plain\` the same without. Milliseconds: median (p10 to p90) of at least 30 runs,
of 10 where a run takes over two seconds, and how many times as fast we are.

### Training step

${timeGrids(lines, "train_step_ms")}

### Inference

${timeGrids(lines, "predict_ms")}

### Share of the machine's peak

Multiply-adds of the model's own layers, two operations each, over the time, as a share of the largest product's speed
by a native BLAS on all threads, measured in the same turns. A category counts as one column. Input share is the part of a training step in which
the engine does not run.

${shareGrid(lines)}
${settingsText(settings)}
## Where the time goes

What training steps and predictions of cases with high bars are made of: large products alone, all other ops by kind.
Times are those of ONNX Runtime's own profile, on wasm of every call of a kernel; \`whole\` is a run that nothing
watches. The last column is PyTorch's time for a product of the same lengths.

${profileText(lines)}

## Sparse experts

\`deno task bench --only sparse --json > out/bench.jsonl\`: how many times as fast predictions and training steps are with
only the experts computed that the gate, \`topK(k)\`, chooses for a row, as with all of them. Experts of ${swept.units} units on
${swept.input} inputs, one task; medians of at least 5 runs, in turns. In brackets where the engine's rules have all experts
computed. The rules do not know the rows of a batch.

${sweepText(lines)}

## Census epoch

W4, whole epochs; cpu is estimated from ten steps: plain, graphs as they are written, nothing fused and one-hot inputs
as products; and with fusion off alone.

${
    grid(
      ["", "engine", "rows/s", "peer", "its rows/s", "times as fast", "input share"],
      lines.filter((line) => sections["Census epoch"](line) && line.peer !== null).map((line) => [
        line.case,
        line.engine,
        number(find(lines, line.case, line.engine, "rows_per_s")!.median),
        line.peer!,
        number(line.median),
        times(line.ratio),
        percent(find(lines, line.case, line.engine, "input_share")?.median),
      ]),
    )
  }

## Growth

${base.experts} experts of ${base.units} on ${base.input} inputs, ${base.tasks} tasks with towers of ${base.tower}, batches
of ${base.batch}; one of them grows. GFLOP/s are of the training step. Memory is that of training steps above what there was
before the model: on wasm the backend's arrays, on onnx that of the process.

![Time and memory by experts, tasks and batch](growth.svg)

${Object.keys(axes).map((axis) => growthText(lines, axis as keyof typeof axes)).join("\n\n")}

## Growth by vocabulary

W6 while its largest vocabulary grows: milliseconds of a training step, the models in turns, and the memory of training
steps above what there was before the model, each in a process of its own. The last row has the time with the largest over
that with the smallest, and the memory that the largest takes more, over that of its vectors and their state.

${vocabularyGrid(lines)}

## Encoding

Rows a second that \`encode\` makes codes of, on one thread: lists of words of which none was hashed before, ten columns of
100,000 words by Zipf's law, and crosses of two of them; \`10 ids\` are 4 categories, 3 hashed ones and 3 crosses.

${
    grid(
      ["", "rows/s"],
      lines.filter(sections.Encoding).map((line) => [line.case.slice("encoding, ".length), cell(line)]),
    )
  }

## Reading

Rows a second of ten columns of KuaiRand's log (invented rows where GATEHOUSE_DATA has none), from the file to encoded
windows, on one thread; of Parquet how many times as many as of plain CSV, where \`deno task test:parquet\` has installed
pyarrow.

${readingGrid(lines)}

Of whole epochs, whose four windows are a quarter each, the share in which the engine waits for the rows of the next step,
and that in which it does not run: then vectors are moved, which W6 has, and records made.

${waitingGrid(lines)}

## Memory

${
    grid(
      ["case", "engine", "", ""],
      lines.filter(({ metric }) => inMemory.test(metric)).map((line) => [
        line.case,
        line.engine,
        `${line.metric.replaceAll("_", " ")}${line.peer === null ? "" : `, ${line.peer}`}`,
        number(line.median),
      ]),
    )
  }

The memory of a process is all that it has, its programs among it: PyTorch's build with CUDA has more of these than the one
without. That of training is what it has above what it had before the model.
Parameters and slots are there twice, as they are read and as they are written; the need counts both. All sessions of onnx
share one arena, which grows by what is asked for: with ONNX Runtime's own, whose pieces double, W3 took 1.55 times its
need. W1 on onnx does not lose memory: a longer run had 166 MiB at 12,000 steps and 166 at 120,000.
`;
}

/** Time and memory of the growth as one SVG. */
export function chart(lines: readonly Line[]): string {
  const panels = (metrics: Readonly<Record<string, string>>): Panel[] =>
    Object.entries(axes).map(([axis, sizes]) => ({
      axis,
      curves: ["wasm", "onnx"].flatMap((engine) =>
        Object.entries(metrics).map(([metric, name]) => ({
          name: `${engine}${name}`,
          points: sizes.flatMap((size) => {
            const line = find(lines, `${axis} ${size}`, engine, metric);
            return line === undefined || line.median <= 0 ? [] : [{ size, cost: line.median }];
          }),
        }))
      ).filter(({ points }) => points.length > 0),
    })).filter(({ curves }) => curves.length > 0);
  return page([
    growthChart("Time", "milliseconds", panels({ train_step_ms: " train", predict_ms: " predict" })),
    growthChart("Memory of training steps", "MiB", panels({ memory_mib: "" })),
  ], "Growth by experts, tasks and batch");
}

function barRow(bar: Bar, lines: readonly Line[]): string[] {
  const [of, engine] = bar.of;
  const found = standing(bar, lines);
  const wanted = bar.least === undefined ? `at most ${bar.most}` : `at least ${bar.least}`;
  const verdict = found === undefined ? "not measured" : found.met ? "met" : "**not met**";
  return [bar.what, of, engine, wanted, found === undefined ? "" : String(Number(found.found.toPrecision(3))), verdict];
}

function settingsText(settings: Run["settings"]): string {
  const list = Object.entries(settings).map(([of, setting]) => `- ${of}: ${setting}`);
  return list.length === 0
    ? ""
    : `\nThe fastest forms of the peers, which were looked for beforehand:\n\n${list.join("\n")}\n`;
}
