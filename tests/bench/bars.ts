import type { Line } from "./lines.ts";
import { grown } from "./vocabulary.ts";

/** A bar that the project holds itself to, and its place among the results. */
export interface Bar {
  /** The subject of the bar. */
  readonly what: string;
  /** The line of it: its case, engine and metric, and its peer where the ratio counts. */
  readonly of: readonly [of: string, engine: string, metric: string, peer?: string];
  /** The least ratio (with a peer) or value. */
  readonly least?: number;
  /** The most. */
  readonly most?: number;
}

/** The names of metrics. */
const metrics: Readonly<Record<string, string>> = {
  train_step_ms: "training step",
  predict_ms: "inference",
  rows_per_s: "rows a second",
};

/** The bars. */
export const bars: readonly Bar[] = [
  ...ratios("wasm", "train_step_ms", "best of tf.layers", { W1: 5, W2: 5 }),
  ...ratios("wasm", "predict_ms", "best of tf.layers", { W1: 1.3, W2: 1.3 }),
  ...ratios("wasm", "train_step_ms", "torch eager", { W1: 1 }),
  ...ratios("onnx", "train_step_ms", "torch eager", { W1: 4, W2: 1.8, W3: 1.4 }),
  ...ratios("onnx", "predict_ms", "torch eager", { W1: 2, W2: 1.3, W3: 1.3 }),
  ...ratios("onnx", "train_step_ms", "best of torch", { W1: 1.7, W2: 1.3, W3: 1.15 }),
  ...ratios("onnx", "predict_ms", "best of torch", { W1: 1, W2: 1, W3: 1 }),
  ...ratios("onnx", "train_step_ms", "best of torch", { W4: 1, W6: 1.4, W7: 1.4 }),
  ...ratios("onnx", "predict_ms", "best of torch", { W4: 0.6, W6: 1.3 }),
  ...ratios("wasm", "train_step_ms", "best of torch", { W4: 0.6, W6: 0.5 }),
  ...ratios("onnx", "train_step_ms", "torch-rechub", { W8: 1.5 }),
  ...ratios("wasm", "train_step_ms", "torch-rechub", { W8: 0.8 }),
  ...["onnx", "wasm"].map((engine): Bar => {
    return { what: "torch-rechub's memory over ours", of: ["W8", engine, "process_mib", "torch-rechub"], least: 2 };
  }),
  ...["wasm", "onnx"].flatMap((engine) =>
    ratios(engine, "train_step_ms", "ours, fuse off", { W1: 0.95, W2: 0.95, W3: 0.95, W4: 0.95, W5: 0.95 })
  ),
  ...ratios("wasm", "train_step_ms", "ours, 1 thread", { W1: 1, W2: 1.7, W3: 1.7, W4: 1, W5: 1.7, W6: 1.7 }),
  ...ratios("wasm", "predict_ms", "ours, 1 thread", { W2: 1.8, W3: 1.8 }),
  { what: "share of the BLAS peak", of: ["W3", "onnx", "train_peak_share"], least: 0.5 },
  ...ratios("onnx", "rows_per_s", "ours, cpu, plain", { "census epoch": 20 }),
  ...ratios("wasm", "rows_per_s", "ours, cpu, plain", { "census epoch": 5 }),
  ...["onnx", "wasm"].flatMap((engine): Bar[] => [
    { what: "share of the input pipeline", of: ["census epoch", engine, "input_share"], most: 0.1 },
    { what: "resident memory at the end over that at a tenth", of: ["W1", engine, "resident_growth"], most: 1.05 },
    { what: "peak memory of a step over what it needs", of: ["W3", engine, "peak_over_needed"], most: 1.5 },
  ]),
  ...["onnx", "wasm"].flatMap((engine): Bar[] => [
    { what: "step with 10,000,000 ids over that with 10,000", of: [grown, engine, "step_growth"], most: 1.15 },
    { what: "memory of more ids over that of vectors and state", of: [grown, engine, "memory_growth"], most: 1.2 },
  ]),
  { what: "rows a second, 10 columns of ids", of: ["encoding, 10 ids", "encode", "rows_per_s"], least: 500_000 },
  { what: "rows a second, 10 columns of a log", of: ["reading, log, plain", "csv", "rows_per_s"], least: 300_000 },
  ...["snappy", "zstd"].map((codec): Bar => ({
    what: "rows a second of Parquet, times those of CSV",
    of: [`reading, log, ${codec}`, "parquet", "rows_per_s", "csv"],
    least: 2,
  })),
  ...["W4", "W6"].flatMap((name) =>
    ["csv", "parquet"].flatMap((form) =>
      ["onnx", "wasm"].map((engine): Bar => ({
        what: "share of an epoch that the engine waits for rows",
        of: [`${name} epoch over ${form}`, engine, "waiting_share"],
        most: 0.1,
      }))
    )
  ),
  { what: "arrays gained from a tenth to the end", of: ["W1", "wasm", "arrays_gained"], most: 0 },
];

/** Returns the number measured for a bar; undefined if it was not measured. */
export function standing(
  bar: Bar,
  lines: readonly Line[],
): { readonly found: number; readonly met: boolean } | undefined {
  const [of, engine, metric, peer] = bar.of;
  const line = lines.find((line) =>
    line.case === of && line.engine === engine && line.metric === metric && line.peer === (peer ?? null)
  );
  if (line === undefined) return undefined;
  const found = peer === undefined ? line.median : line.ratio!;
  return { found, met: found >= (bar.least ?? -Infinity) && found <= (bar.most ?? Infinity) };
}

function ratios(engine: string, metric: string, peer: string, least: Readonly<Record<string, number>>): Bar[] {
  const what = `${metrics[metric]}, times as fast as ${peer}`;
  return Object.entries(least).map(([of, ratio]) => ({ what, of: [of, engine, metric, peer], least: ratio }));
}
