import type { Json } from "../data/dataset.ts";
import { type Random, random } from "../data/random.ts";
import { insidesOf } from "../model/insides.ts";
import type { Model } from "../model/model.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Optimiser } from "../optimisers/optimiser.ts";
import { mapEntries } from "../trace/entries.ts";
import { tasksOf } from "../trace/sharing.ts";
import { checkWeights, type LossWeights, type Products, type Weighting } from "../weighting/weighting.ts";
import { areFiniteNumbers, type Loaded, numberTensor, type RunForward, type Tensors } from "./forward.ts";
import type { VectorRates } from "./rates.ts";
import { innerProduct, mixed, normOf, type TableGradient } from "./table_gradients.ts";
import type { Vectors } from "./vectors.ts";

/** The place of a step in its training. */
export interface At {
  readonly epoch: number;
  readonly step: number;
  /** The number of steps since optimisers have begun, this one counted. */
  readonly count: number;
}

/**
 * The run of one step. It changes nothing if an output is not finite.
 *
 * @param batches The inputs of a step's graphs, of each batch of the step; others are ignored.
 */
export type RunStep = (batches: readonly Tensors[], at: At) => Promise<Stepped>;

/** The result of one step. */
export interface Stepped {
  /** The outputs of its graphs, of one number each. */
  readonly outputs: Tensors;
  /** The weight of each task. */
  readonly weights: Readonly<Record<string, number>>;
}

/** Returns the run of steps by static weights. */
export function plainSteps(
  { spec }: Model,
  looked: Looked | undefined,
  forward: RunForward,
  second?: Loaded,
): RunStep {
  const weights = mapEntries(spec.tasks, (_, { weight }) => weight);
  const ones = Object.fromEntries(Object.keys(spec.tasks).map((task) => [`factor/${task}`, numberTensor(1)]));
  return async (batches, at) => {
    const rates = looked?.rates(at);
    const { outputs: reported, vectors } = await forward(batches, ones);
    if (!areFiniteNumbers(reported)) return { outputs: reported, weights };
    const gradient = vectors();
    const outputs = { ...reported, ...await second?.run({ ...batches[0], vectors: numberTensor(normOf(gradient)) }) };
    return { outputs: followed(looked, gradient, outputs, second !== undefined, { count: at.count, rates }), weights };
  };
}

/** Returns the run of steps whose losses are weighed, or their gradients between two graphs. */
export function weightedSteps(
  model: Model,
  chain: Chain,
  looked: Looked | undefined,
  forward: RunForward,
  second?: Loaded,
): RunStep {
  const { weighting } = chain;
  const tasks = Object.keys(model.spec.tasks);
  const ones = tasks.map(() => 1);
  const statics = tasks.map((task) => model.spec.tasks[task].weight);
  const shared = sharedPaths(model);
  const shares = tasks.map((task) => [...shared.values()].some((list) => list.includes(task)));
  const apart = weighting.gradients !== undefined || weighting.norms === true; // gradients of tasks come one by one
  return async (batches, at) => {
    const { epoch, step } = at;
    const { state } = chain;
    const rates = looked?.rates(at);
    const checked: Checked = (weights, count) => checkWeights(weights, count, weighting.name, step);
    const factors = state === undefined ? ones : checked(state.weights(epoch), tasks.length);
    const fed = tasks.map((task, i) => [`factor/${task}`, numberTensor(factors[i])] as const);
    const { outputs: { products, ...reported }, vectors } = await forward(batches, Object.fromEntries(fed));
    if (!areFiniteNumbers(reported)) return { outputs: reported, weights: {} };
    const labelled = tasks.map((task, i) => reported[`weight/${task}`].data[0] > 0 && statics[i] > 0);
    const each = looked === undefined || !apart ? [] : tasks.map((task) => vectors(task)!);
    const inner = apart ? productsOf(products, each, shared) : [];
    let parts: readonly number[] = ones;
    if (apart) {
      const norm = numberTensor(inner.flat().reduce((sum, number) => sum + Math.abs(number), 0));
      if (!areFiniteNumbers({ ...reported, norm })) return { outputs: { ...reported, norm }, weights: {} };
      const counts = tasks.map((_, i) => labelled[i] && shares[i]);
      const given = partsOf(weighting, inner, counts, random(`${model.seed}:weighting:${step}`), checked);
      parts = given === undefined ? ones : given.map((part, i) => labelled[i] ? part : 0);
    }
    const others = vectors();
    const gradient = others && mixed(others, each, (path, task) => shared.has(path) ? parts[task] : 1);
    const weights = { shape: [1, tasks.length], data: Float64Array.from(parts) };
    const norm = numberTensor(normOf(gradient));
    const outputs = { ...reported, ...await second?.run({ ...batches[0], weights, vectors: norm }) };
    const seen = followed(looked, gradient, outputs, second !== undefined, { count: at.count, rates });
    if (state !== undefined && areFiniteNumbers(seen)) {
      const losses = tasks.map((task) => reported[`loss/${task}`].data[0]);
      const norms = inner.map((row, i) => Math.sqrt(row[i]));
      const known = labelled.map((is, i) => is && (!apart || shares[i]));
      chain.state = await state.next({ epoch, step, losses, labelled: known, norms });
    }
    const weighed = tasks.map((task, i) => [task, statics[i] * factors[i] * parts[i]]);
    return { outputs: seen, weights: Object.fromEntries(weighed) };
  };
}

/** The vectors that a model looks up, in training. */
export interface Looked extends Vectors {
  /** Returns their learning rates in a step. */
  readonly rates: (at: At) => VectorRates;
  /** The largest norm of the whole gradient, if there is a limit. */
  readonly limit: number | undefined;
}

/** A weighting, and the state of its losses, which moves on from step to step. */
export interface Chain {
  readonly weighting: Weighting;
  state: LossWeights | undefined;
  /** Returns the state as JSON; undefined if losses are not weighed. */
  readonly saved: () => Json | undefined;
}

/** Returns the chain of a weighting, which begins or goes on from a state. */
export function chainOf(weighting: Weighting, tasks: number, optimiser: Optimiser, begun: Json | undefined): Chain {
  const chain: Chain = {
    weighting,
    state: weighting.losses?.(tasks, optimiser, begun),
    saved: () => {
      if (chain.state === undefined) return undefined;
      if (chain.state.saved !== undefined) return chain.state.saved();
      const wanted = "wanted states with saved(), and losses(tasks, optimiser, saved) that goes on from its result";
      throw new TypeError(`Cannot take checkpoints: the weighting ${weighting.name} cannot be saved: ${wanted}`);
    },
  };
  return chain;
}

/** Moves vectors after the parameters, if these have moved, and returns the outputs with the norm of the whole gradient. */
function followed(
  looked: Looked | undefined,
  gradient: TableGradient | undefined,
  outputs: Tensors,
  whole: boolean,
  { count, rates }: { readonly count: number; readonly rates: VectorRates | undefined },
): Tensors {
  if (looked === undefined || gradient === undefined || !areFiniteNumbers(outputs)) return outputs;
  const [own] = outputs.norm.data;
  const norm = whole ? own : Math.hypot(own, normOf(gradient));
  const { limit = Infinity } = looked;
  looked.update(gradient, norm > limit ? limit / norm : 1, { ...rates!, step: count });
  return { ...outputs, norm: numberTensor(norm) };
}

/** Returns the inner products of the tasks' gradients with respect to what they share, vectors among it. */
function productsOf(
  products: Tensor | undefined,
  each: readonly TableGradient[],
  shared: ReadonlyMap<string, readonly string[]>,
): number[][] {
  const tables = each.map((gradient) => new Map([...gradient].filter(([path]) => shared.has(path))));
  const inside = products === undefined ? tables.map(() => tables.map(() => 0)) : rowsOf(products);
  if (tables.length === 0) return inside;
  return inside.map((row, i) => row.map((product, j) => product + innerProduct(tables[i], tables[j])));
}

/** Returns the weights that a weighting gave, as many as wanted and finite; throws if they are not. */
type Checked = (weights: readonly number[], count: number) => readonly number[];

/** Returns the tasks of each parameter that several have. */
function sharedPaths(model: Model): ReadonlyMap<string, readonly string[]> {
  return new Map(Object.entries(tasksOf(insidesOf(model, "train").plan)).filter(([, tasks]) => tasks.length > 1));
}

/**
 * Returns the weights of gradients by a weighting, 1 for tasks that do not count; undefined if it weighs no gradients.
 *
 * @param inner The inner products of the tasks' gradients, `[tasks, tasks]`.
 */
function partsOf(
  { gradients }: Weighting,
  inner: Products,
  counts: readonly boolean[],
  source: Random,
  checked: Checked,
): number[] | undefined {
  if (gradients === undefined) return undefined;
  const present = counts.flatMap((count, i) => count ? [i] : []);
  const among = present.map((i) => present.map((j) => inner[i][j]));
  const weights = present.length === 0 ? [] : checked(gradients(among, source), present.length);
  return counts.map((_, i) => weights[present.indexOf(i)] ?? 1);
}

/** Returns the rows of a matrix. */
function rowsOf({ shape: [rows, columns], data }: Tensor): number[][] {
  return Array.from({ length: rows }, (_, row) => [...data.subarray(row * columns, (row + 1) * columns)]);
}
