import { quoted } from "../errors/quoted.ts";
import { partsOf } from "../features/parts.ts";
import { flatName, type Layout } from "../graph/layout.ts";
import type { Insides } from "../model/insides.ts";
import { runs } from "../model/parameters.ts";
import type { Tables } from "../model/tables.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Spec } from "../spec/spec.ts";
import type { Tensors } from "./forward.ts";

/**
 * Makes sure that the losses, the gradient and the parameters after a step are finite. If not, the step has changed
 * nothing.
 *
 * @param batches The batches of the step.
 * @throws {RangeError} naming the step, what is not finite, the largest parameter, and the largest input if it is large.
 */
export async function checkStep(
  outputs: Readonly<Record<string, Tensor>>,
  step: number,
  { plan: { layout, spec }, store, tables }: Insides,
  batches: readonly Tensors[],
): Promise<void> {
  const wrong = Object.keys(outputs).filter((name) => !Number.isFinite(outputs[name].data[0]));
  if (wrong.length === 0) return;
  const what = whatIs(wrong[0]);
  const { path, size } = largest(layout, await store.read(flatName), tables);
  const found = largestInput(spec, batches);
  const isLarge = found.size >= large;
  throw new RangeError(
    `Cannot train\n  at step ${step}: ${what} is ${outputs[wrong[0]].data[0]}` +
      `\n  the largest parameter is ${path}, ${size.toPrecision(3)} in size` +
      (isLarge ? `\n  the largest input is that of ${found.at}, ${found.size.toPrecision(3)} in size` : "") +
      `\n  the step was not taken: try ${isLarge ? "smaller inputs, " : ""}a smaller learning rate, or clipNorm`,
  );
}

/** The size of inputs that are named: those of features that are scaled are far below. */
const large = 1e6;

/** Returns an output of a training step in words. */
function whatIs(name: string): string {
  const others: Readonly<Record<string, string>> = {
    loss: "the sum of the losses",
    norm: "the gradient",
    vectors: "the gradient of vectors",
    moved: "the sum of the parameters after it",
  };
  if (name.startsWith("loss/")) return `the loss of task ${quoted(name.slice("loss/".length))}`;
  return others[name] ?? `the loss ${name.slice("auxiliary/".length)}`;
}

/** Returns the parameter with the largest element, and the size of that; NaN counts as infinite. */
function largest({ extents }: Layout, { data }: Tensor, tables: Tables): { path: string; size: number } {
  let most = { path: "", size: -1 };
  const look = (path: string, numbers: Float32Array | Float64Array | Int32Array) => {
    for (let at = 0; at < numbers.length; at++) {
      const size = Number.isNaN(numbers[at]) ? Infinity : Math.abs(numbers[at]);
      if (size > most.size) most = { path, size };
    }
  };
  for (const extent of extents) {
    for (const { start, end } of runs(extent)) look(extent.path, data.subarray(start, end));
  }
  for (const { path, vectors } of tables.values()) look(path, vectors);
  return most;
}

/** Returns the size of the largest number among the inputs of some batches, and its feature or column. */
function largestInput({ input }: Spec, batches: readonly Tensors[]): { readonly at: string; readonly size: number } {
  let most = { at: "", size: -1 };
  for (const { inputs, lists, wrong } of partsOf(input)) {
    const names = lists === undefined ? inputs.filter(({ type }) => type === "float").map(({ name }) => name) : [];
    for (const [name, data] of batches.flatMap((batch) => names.map((name) => [name, batch[name].data] as const))) {
      let at = 0;
      for (let one = 0; one < data.length; one++) if (Math.abs(data[one]) > Math.abs(data[at])) at = one;
      if (Math.abs(data[at]) <= most.size) continue;
      const marked = new Float32Array(data.length).fill(NaN, at, at + 1); // a part names the place of what is wrong
      most = { at: wrong({ inputs: { [name]: marked } })!.at, size: Math.abs(data[at]) };
    }
  }
  return most;
}
