import type { Tensor } from "../ops/tensor.ts";
import type { Graph } from "../graph/graph.ts";
import type { TableGradient } from "./table_gradients.ts";
import type { Vectors } from "./vectors.ts";

/** Arrays by name. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** A program of a step. */
export interface Loaded {
  readonly graph: Graph;
  readonly run: (inputs: Tensors) => Promise<Tensors>;
}

/** The first half of a step, up to its gradients. */
export interface Forward {
  /** The outputs of its graph, of one number each, and `products`, `[tasks, tasks]`, if tasks' gradients come apart. */
  readonly outputs: Tensors;
  /** Returns the gradient of vectors of all losses, or where they come apart of one task's; undefined without vectors. */
  readonly vectors: (task?: string) => TableGradient | undefined;
}

/**
 * Runs the first half of a step.
 *
 * @param batches The inputs of each batch of the step, and all others; those that a graph does not read are ignored.
 * @param factors The factors of the tasks' losses, `factor/<task>`.
 */
export type RunForward = (batches: readonly Tensors[], factors: Tensors) => Promise<Forward>;

/** Returns the run of the first half of steps that have one batch each, which may be the whole step. */
export function onBatch(first: Loaded, looked: Vectors | undefined): RunForward {
  return async ([batch], factors) => {
    const [outputs, found] = parted(await first.run({ ...batch, ...looked?.read(batch), ...factors }));
    return { outputs, vectors: (task) => looked?.summed(task === undefined ? found : ofTask(found, task)) };
  };
}

/**
 * Returns the run of the first half of steps of several batches, one after the other: as if they were one batch. The
 * gradients add up on the engine and, of vectors, beside it.
 *
 * The loss of a task is a mean, so that of a batch counts by its share in the weights of the task's rows, or pairs, in all;
 * losses of gates and banks, by its share in the rows.
 *
 * @param weights The program that returns the sum of the weights that each task's loss is a mean over, `weight/<task>`.
 * @param apart The tasks whose gradients of vectors come apart.
 */
export function onBatches(
  first: Loaded,
  weights: Loaded,
  looked: Vectors | undefined,
  apart: readonly string[],
): RunForward {
  return async (batches, factors) => {
    const shares = await sharesOf(batches, weights);
    const sums: Record<string, Tensor> = {};
    const gradients = new Map<string | undefined, TableGradient>();
    for (const [at, batch] of batches.entries()) {
      const { byTask, ofRows } = shares[at];
      const scaled = Object.entries(factors).map(([name, { data: [factor] }]) => {
        return [name, numberTensor(factor * byTask[name.slice("factor/".length)])] as const;
      });
      const own = { carry: numberTensor(at === 0 ? 0 : 1), share: numberTensor(ofRows), ...Object.fromEntries(scaled) };
      const [outputs, found] = parted(await first.run({ ...batch, ...looked?.read(batch, at > 0), ...own }));
      if (!areFiniteNumbers(outputs)) return { outputs, vectors: () => undefined };
      for (const [name, output] of Object.entries(outputs)) {
        sums[name] = name === "products"
          ? output
          : numberTensor((sums[name]?.data[0] ?? 0) + partOf(name, output, shares[at]));
      }
      if (looked === undefined) continue;
      for (const task of [undefined, ...apart]) {
        const more = looked.summed(task === undefined ? found : ofTask(found, task));
        gradients.set(task, plus(more, gradients.get(task)));
      }
    }
    return { outputs: sums, vectors: (task) => gradients.get(task) };
  };
}

/** The shares of a batch in a step. */
interface Shares {
  /** In the weights of each task; 0 where no row of the step counts for it. */
  readonly byTask: Readonly<Record<string, number>>;
  readonly ofRows: number;
}

async function sharesOf(batches: readonly Tensors[], weights: Loaded): Promise<Shares[]> {
  const sums: Tensors[] = [];
  for (const batch of batches) sums.push(await weights.run(batch));
  const rows = batches.map((batch) => Object.entries(batch).find(([name]) => name.startsWith("weights/"))![1].shape[0]);
  const total = rows.reduce((sum, count) => sum + count, 0);
  return batches.map((_, at) => ({
    byTask: Object.fromEntries(
      Object.entries(sums[at]).map(([name, { data: [own] }]) => {
        const all = sums.reduce((sum, other) => sum + other[name].data[0], 0);
        return [name.slice("weight/".length), all > 0 ? own / all : 0];
      }),
    ),
    ofRows: rows[at] / total,
  }));
}

/** Returns the part of a batch's output in that of the step. */
function partOf(name: string, { data: [value] }: Tensor, { byTask, ofRows }: Shares): number {
  if (name.startsWith("loss/")) return value * byTask[name.slice("loss/".length)];
  return name.startsWith("auxiliary/") || name.startsWith("dropped/") ? value * ofRows : value; // others are sums
}

/** Returns the sum of a gradient of tables and one of the first of their rows. */
function plus(gradient: TableGradient, before: TableGradient | undefined): TableGradient {
  for (const [path, sums] of before ?? []) {
    const to = gradient.get(path)!;
    for (let at = 0; at < sums.length; at++) to[at] += sums[at];
  }
  return gradient;
}

/** Returns what a step reports, and its gradients of vectors by the names of their inputs, with or without a task. */
function parted(outputs: Tensors): readonly [reported: Tensors, gradients: Tensors] {
  const word = "gradient/";
  const [found, reported] = [true, false].map((is) =>
    Object.entries(outputs).filter(([name]) => name.startsWith(word) === is)
  );
  const gradients = found.map(([name, gradient]) => [name.slice(word.length), gradient] as const);
  return [Object.fromEntries(reported), Object.fromEntries(gradients)];
}

/** Returns the gradients of one task by the names of the inputs. */
function ofTask(gradients: Tensors, task: string): Tensors {
  const own = Object.entries(gradients).filter(([name]) => name.endsWith(`/${task}`));
  return Object.fromEntries(own.map(([name, gradient]) => [name.slice(0, -task.length - 1), gradient]));
}

/** Returns true if the first number of each is finite. */
export function areFiniteNumbers(outputs: Tensors): boolean {
  return Object.values(outputs).every(({ data }) => Number.isFinite(data[0]));
}

/** Returns a number as an input. */
export function numberTensor(value: number): Tensor {
  return { shape: [], data: Float64Array.of(value) };
}
