import { bars, standing } from "./bars.ts";
import { type Line, number } from "./lines.ts";
import { find, grid, percent } from "./result_tables.ts";

const pattern = /^(train|predict)_op_(ms|count|gflops), (.*)$/;

/** Whether a line is part of a profile. */
export function isProfiled({ metric }: Line): boolean {
  return pattern.test(metric);
}

/** A table for each profile, what the bars that are not met ask for, and why they are out of reach. */
export function profileText(lines: readonly Line[]): string {
  const wholes = lines.filter(({ metric }) => metric.endsWith("_op_ms, whole"));
  return wholes.map((whole) => {
    const run = whole.metric.split("_")[0];
    const what = run === "train" ? "training step" : "inference";
    const key = `${whole.case}, ${what} on ${whole.engine}`;
    return [`### ${key}`, partGrid(lines, whole, run), `${asked(lines, whole, run)}${notes[key] ?? ""}`]
      .filter((text) => text !== "").join("\n\n");
  }).join("\n\n");
}

/** What profiles do not say by themselves. */
const notes: Readonly<Record<string, string>> = {
  "W1, inference on onnx":
    `Ops of this size take little longer than handing them to a second thread: on one thread a run
takes 0.157 ms, on two 0.12 or 0.20, for minutes each, by how fast the machine's processors reach each other. A graph of two
ops with as many inputs and outputs takes 0.015 ms, so that fewer of them would gain little.`,
  "W2, training step on onnx":
    `Products of experts run as fast as PyTorch's. Adam and the norms are passes of one op each
over all parameters, which no op of ONNX Runtime for processors joins (PyTorch's fused Adam is one pass), and thin products,
those of gates and mixtures, run at a fraction of the speed of wide ones.`,
  "W2, inference on onnx": `The one product of the experts is as fast as PyTorch's. Gates as columns of the same product
were tried: 0.1 ms slower here and no faster on W3, for parts of a product are copies and relu is a pass of its own then.`,
  "W2, inference on wasm": `tf.layers computes the experts' product by the same kernel, XNNPACK's on one thread with 128
bits at a time. What is left to gain is all else, a seventh.`,
  "W3, training step on onnx":
    `Adam in 4 to 64 blocks that fit into a cache was tried: no faster in 4, slower in more, for every op costs some
microseconds. Outside of ops, ONNX Runtime's binding copies what replaces parameters and slots, 26 MB a step.`,
  "W3, inference on onnx": `Nine tenths are one product, as fast as PyTorch's own.`,
};

function partGrid(lines: readonly Line[], whole: Line, run: string): string {
  const parts = partsOf(lines, whole, run);
  const value = (metric: string, name: string, peer: string | null = null) =>
    find(lines, whole.case, whole.engine, `${run}_op_${metric}, ${name}`, peer)?.median ?? null;
  const rows = parts.map(({ name, ms }) => [
    name,
    number(value("count", name)),
    number(ms),
    percent(ms / whole.median),
    number(value("gflops", name)),
    number(value("ms", name, "torch, this product")),
  ]);
  const outside = whole.median - parts.reduce((sum, { ms }) => sum + ms, 0);
  const rest = outside > 0 ? [["outside of ops", "", number(outside), percent(outside / whole.median), "", ""]] : [];
  return grid(["", "ops", "ms", "share", "GFLOP/s", "PyTorch ms"], [
    ...rows,
    ...rest,
    ["whole", "", number(whole.median), "", "", ""],
  ]);
}

/** What the bars ask for that are not met, next to what the large products alone take. */
function asked(lines: readonly Line[], whole: Line, run: string): string {
  const products = partsOf(lines, whole, run).filter(({ name }) =>
    find(lines, whole.case, whole.engine, `${run}_op_gflops, ${name}`) !== undefined
  );
  const least = products.reduce((sum, { ms }) => sum + ms, 0);
  const metric = run === "train" ? "train_step_ms" : "predict_ms";
  const wanted = bars.flatMap((bar) => {
    const [of, engine, name, peer] = bar.of;
    const mine = of === whole.case && engine === whole.engine && name === metric && peer !== undefined;
    if (!mine || standing(bar, lines)?.met !== false) return [];
    const theirs = find(lines, of, engine, metric, peer)!.median;
    return [`${bar.least}x of ${peer} is ${number(theirs / bar.least!)} ms`];
  });
  if (wanted.length === 0) return "";
  return `Asked for and not met: ${wanted.join("; ")}. The products that are listed take ${number(least)} ms. `;
}

function partsOf(lines: readonly Line[], whole: Line, run: string): { readonly name: string; readonly ms: number }[] {
  return lines.flatMap(({ case: of, engine, metric, peer, median }) => {
    const [, found, what, name] = pattern.exec(metric) ?? [];
    const fits = of === whole.case && engine === whole.engine && found === run && what === "ms" && peer === null;
    return fits && name !== "whole" ? [{ name, ms: median }] : [];
  });
}
