import { quoted } from "../errors/quoted.ts";
import { flatName, type Layout } from "../graph/layout.ts";
import type { Insides } from "../model/insides.ts";
import { runs } from "../model/parameters.ts";
import type { Tables } from "../model/tables.ts";
import type { Tensor } from "../ops/tensor.ts";

/**
 * Makes sure that the losses, the gradient and the parameters after a step are finite. If not, the step has changed
 * nothing.
 *
 * @throws {RangeError} naming the step, what is not finite and the largest parameter.
 */
export async function checkStep(
  outputs: Readonly<Record<string, Tensor>>,
  step: number,
  { plan: { layout }, store, tables }: Insides,
): Promise<void> {
  const wrong = Object.keys(outputs).filter((name) => !Number.isFinite(outputs[name].data[0]));
  if (wrong.length === 0) return;
  const what = whatIs(wrong[0]);
  const { path, size } = largest(layout, await store.read(flatName), tables);
  throw new RangeError(
    `Cannot train\n  at step ${step}: ${what} is ${outputs[wrong[0]].data[0]}` +
      `\n  the largest parameter is ${path}, ${size.toPrecision(3)} in size` +
      `\n  the step was not taken: try a smaller learning rate, or clipNorm`,
  );
}

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
