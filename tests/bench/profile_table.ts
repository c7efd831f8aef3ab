import { bars, standing } from "./bars.ts";
import { type Line, number } from "./lines.ts";
import { find, grid, percent } from "./result_tables.ts";

const pattern = /^(train|predict)_op_(ms|count|gflops), (.*)$/;

/** Returns true if a line is part of a profile. */
export function isProfiled({ metric }: Line): boolean {
  return pattern.test(metric);
}

/** A table for each profile, and what bars ask for that are not met. */
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

/** The text that profiles need beside them. */
const notes: Readonly<Record<string, string>> = {
  "W1, inference on onnx": `Ops of this size take little longer than handing them to a second thread.`,
  "W2, training step on onnx":
    `Adam and the norms are passes of one op each over all parameters, which no op of ONNX Runtime for processors joins
(PyTorch's fused Adam is one pass), and thin products, those of gates and mixtures, run at a fraction of the speed of wide
ones. Runs differ by more than the bars: two others gave 1.82 and 2.03 of torch eager, 1.34 and 1.57 of the best.`,
  "W2, inference on onnx":
    `Gates as columns of the same product were tried: no faster, for parts of a product are copies
and relu is a pass of its own then.`,
  "W2, inference on wasm": `The product is a kernel of this package's own, near the most that 128 bits at a time allow:
tf.layers computes it by XNNPACK's, at two thirds of the speed.`,
  "W3, training step on onnx":
    `Adam in 4 to 64 blocks that fit into a cache was tried: no faster in 4, slower in more, for every op costs some
microseconds. Parameters and slots are written where they stay: nothing is copied after the last op.`,
  "W3, inference on onnx": `Nine tenths are one product.`,
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

/** The bars that are not met, next to the time of the large products alone. */
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
