import { type Rows, sliceRows } from "../data/rows.ts";
import type { Store } from "../engines/engine.ts";
import { flatName } from "../graph/layout.ts";
import type { Graph } from "../graph/graph.ts";
import type { Lookup } from "../graph/lookups.ts";
import { guarded, insideOf, mostFloat, mostInside } from "../graph/overflow.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Value } from "../ops/value.ts";
import { areFinite } from "../ops/finite.ts";
import { inputTensors, mostRows } from "./feed.ts";
import type { Insides } from "./insides.ts";
import { largestIn, largestOf, type Tables } from "./tables.ts";

/**
 * Makes sure that predictions are not made of numbers beyond float32, which `tanh` and the like turn into finite ones
 * that are wrong. The rule is the same on every engine. Nothing is computed where inputs and parameters are so small that
 * it cannot be.
 *
 * @param action The action, for errors.
 * @param name The name of the program that made the predictions, and its graph.
 * @throws {RangeError} naming the first row of which a number is.
 */
export async function checkInside(
  action: string,
  { plan, store, tables, programOf, fed, state }: Insides,
  [name, graph]: readonly [name: string, graph: Graph],
  rows: Rows,
): Promise<void> {
  if (state.disposed) return; // after the predictions were made
  const inside = known.get(graph) ??
    { values: insideOf(graph, Object.keys(plan.spec.tasks)), parameters: -1, safe: -1 };
  known.set(graph, inside);
  const largest = await largestParameter(store, tables, state);
  if (inside.parameters !== largest) {
    inside.parameters = largest;
    inside.safe = safeInputs(inside.values, largest);
  }
  const inputs = Object.values(rows.inputs).map((data) => data instanceof Int32Array ? 0 : sizeOf(data));
  const weights = Object.values(rows.lists ?? {}).map(({ weights }) => weights === undefined ? 1 : sizeOf(weights));
  const vectors = largest * mostSummed(plan.lookups, Math.max(1, ...weights));
  if (Math.max(vectors, ...inputs, ...weights) <= inside.safe) return;
  const guard = programOf(`${name}, guarded`, () => guarded(inside.values));
  const isBeyond = async (start: number, count: number): Promise<boolean> => {
    const tensors = inputTensors(sliceRows(rows, start, count), plan.spec.input);
    const read = fed(guard.graph, tensors);
    if (plan.lookups.some(({ name }) => Object.hasOwn(read, name) && !areFinite(read[name].data))) return true;
    return (await guard.program.run(read)).beyond.data[0] !== 0;
  };
  for (let start = 0; start < rows.count; start += mostRows) {
    const count = Math.min(mostRows, rows.count - start);
    if (!await isBeyond(start, count)) continue;
    let row = start;
    while (row < start + count - 1 && !await isBeyond(row, 1)) row++;
    throw new RangeError(
      `${action}\n  at row ${row}: on the way to the prediction, a number is beyond float32, wanted at most ${mostFloat}: ` +
        "the row's inputs are too large for the model, or its parameters are; other rows can be predicted",
    );
  }
}

/** The values that predictions are made of, and the largest inputs that are safe with parameters so large. */
interface Inside {
  readonly values: readonly Value[];
  parameters: number;
  safe: number;
}

const known = new WeakMap<Graph, Inside>();

/** Returns the largest size of a parameter, which is looked up again where training may have changed it. */
async function largestParameter(store: Store, tables: Tables, state: Insides["state"]): Promise<number> {
  const { training } = state;
  if (!training && state.largest !== undefined) return state.largest;
  const largest = Math.max(largestOf(tables), sizeOf((await store.read(flatName)).data));
  if (!training && !state.training) state.largest = largest;
  return largest;
}

/** Returns a size of inputs with which no number is beyond float32, -1 if none is known. */
function safeInputs(values: readonly Value[], parameters: number): number {
  const sizes = [1e36, 1e30, 1e24, 1e18, 1e15, 1e12, 1e9, 1e6, 1e3, 1, 0];
  return sizes.find((size) => mostInside(values, size, parameters, mostRows) < mostFloat / 2) ?? -1;
}

/**
 * Returns the size of the vectors that a graph reads, at most, as a multiple of the largest number in their tables: above
 * 1 for sums of vectors.
 *
 * @param heaviest The largest weight of a vector in a sum.
 */
function mostSummed(lookups: readonly Lookup[], heaviest: number): number {
  const parts = lookups.flatMap(({ parts }) => parts);
  return Math.max(0, ...parts.map(({ weights, columns }) => weights === undefined ? 1 : heaviest * columns.length));
}

/** Returns the largest size of a number. */
function sizeOf(data: Tensor["data"]): number {
  return largestIn(data, 0, data.length, 0);
}
