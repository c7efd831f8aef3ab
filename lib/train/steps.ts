import type { Json } from "../data/dataset.ts";
import { type Random, random } from "../data/random.ts";
import type { Program } from "../engines/engine.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Graph } from "../graph/graph.ts";
import { readBy } from "../model/feed.ts";
import { insidesOf } from "../model/insides.ts";
import type { Model } from "../model/model.ts";
import { sizeOf } from "../ops/shape.ts";
import type { Optimiser, VectorOptimiser } from "../optimisers/optimiser.ts";
import { mapEntries } from "../trace/entries.ts";
import { tasksOf } from "../trace/sharing.ts";
import { checkWeights, type LossWeights, type Products, type Weighting } from "../weighting/weighting.ts";
import { averageName, type Averages, averagesIn } from "./averages.ts";
import {
  areFiniteNumbers,
  type Loaded,
  numberTensor,
  onBatch,
  onBatches,
  type RunForward,
  type Tensors,
} from "./forward.ts";
import { type ByPath, partitioned, tableOptimisers } from "./parts.ts";
import { type VectorRates, vectorRatesOf } from "./rates.ts";
import { type Between, openStep, trainingStep, weightsOf } from "./step.ts";
import { slotName } from "./update.ts";
import { innerProduct, mixed, normOf, type TableGradient } from "./table_gradients.ts";
import { type Vectors, vectorsIn, type VectorStates } from "./vectors.ts";
import { askVectors, weighted } from "./weighted.ts";

/** The steps of a training: one function runs them, another ends them. */
export interface Steps {
  /** The graph that reads the batch and its noise. */
  readonly graph: Graph;
  /**
   * Runs one step. It changes nothing if an output is not finite.
   *
   * @param batches The inputs of a step's graphs, of each batch of the step; others are ignored.
   */
  readonly run: (batches: readonly Tensors[], at: At) => Promise<Stepped>;
  /** Keeps the vectors that are looked up as they are now under a name, for {@linkcode Steps.restore}. */
  readonly keep: (name: string) => void;
  /** Returns the vectors of tables that were kept under a name, by path. */
  readonly wholes: (name: string) => ReadonlyMap<string, Float32Array>;
  /** Brings back what was kept under a name. */
  readonly restore: (name: string) => void;
  /** From here on, rows of tables that change are marked. */
  readonly mark: () => void;
  /**
   * Returns what the steps keep from one to the next, valid until the next one.
   *
   * @throws {TypeError} if the weighting cannot be saved.
   */
  readonly state: () => Promise<StepState>;
  /** The averages of parameters and vectors, if they are taken. */
  readonly averages: Averages | undefined;
  /** Frees what the steps hold on the engine. */
  readonly dispose: () => void;
}

/** The state of steps between two of them, beside the parameters and vectors of the model. */
export interface StepState {
  /** The arrays of a number for each parameter, in the order of the flat array `[size]`, by their names on the engine. */
  readonly flats: Tensors;
  /** The numbers beside vectors that are looked up, by the path of their table. */
  readonly vectors: VectorStates;
  /** The state of the weighting's losses, if it has one. */
  readonly weighting?: Json;
}

/** The place of a step in its training. */
export interface At {
  readonly epoch: number;
  readonly step: number;
  /** The number of steps since optimisers have begun, this one counted. */
  readonly count: number;
}

/** The result of one step. */
export interface Stepped {
  /** The outputs of its graphs, of one number each. */
  readonly outputs: Tensors;
  /** The weight of each task. */
  readonly weights: Readonly<Record<string, number>>;
}

/** The rules by which a training moves parameters. */
export interface Moving {
  /** The optimiser of parameters. */
  readonly optimiser: Optimiser;
  /** Those of parts of the parameters, by the beginning of their paths. Default: all follow the one. */
  readonly parts?: ByPath<Optimiser>;
  /** The optimiser of vectors which are looked up. */
  readonly vectors: VectorOptimiser;
  /** Those of tables by feature or the beginning of their paths. Default: all follow the one. */
  readonly tables?: ByPath<VectorOptimiser>;
  /** The weighting of losses or gradients. Default: none. */
  readonly weighting?: Weighting;
  /** The batches of a step. Default 1. */
  readonly accumulate?: number;
  /** The decay of averages, and the parameters `[size]` with which those on the engine begin. Default: none are taken. */
  readonly average?: { readonly decay: number; readonly first: Tensor };
}

/**
 * Returns the steps of a model by optimisers and a weighting. They are one graph, or two where gradients are weighed
 * between them, clipped by a norm of which vectors are a part, or summed over batches; without a weighting, or nothing to
 * weigh, losses have their static weights.
 *
 * @param begun The state to go on from, whose arrays become those of the steps. Default: optimisers and weighting begin.
 */
export function stepsOf(
  model: Model,
  { optimiser, parts: others = {}, vectors, tables: own = {}, weighting, accumulate = 1, average }: Moving,
  begun?: StepState,
): Steps {
  const { plan, tables, store } = insidesOf(model, "train");
  const { losses, gradients, norms } = weighting ?? {};
  const weighing = gradients !== undefined || norms === true ? weighted(plan) : undefined;
  const parts = partitioned(plan.layout, optimiser, others, plan.tables);
  const byTable = tableOptimisers(plan.tables, own, plan.layout.extents);
  const looked = plan.lookups.length === 0 ? undefined : {
    ...vectorsIn(plan.lookups, tables, vectors, begun?.vectors, average?.decay, byTable),
    rates: (at: At) => vectorRatesOf(vectors, byTable, at),
    limit: optimiser.clipNorm,
  };
  const several = accumulate > 1;
  const between = weighing ?? (looked?.limit === undefined && !several ? undefined : unweighed);
  const held = holder(model);
  try {
    const slots = Object.entries(parts.slots()).map(([name, first]) => [slotName(name), first] as const);
    const flats = [...slots, ...average === undefined ? [] : [[averageName, average.first] as const]];
    for (const [name, first] of flats) held.write(name, begun?.flats[name] ?? first);
    const weighs = weighting !== undefined && (weighing !== undefined || losses !== undefined && norms !== true);
    const load = (): readonly [Loaded, Loaded?] => {
      if (between === undefined) return [held.load(trainingStep(plan, optimiser, weighs, average?.decay, others))];
      const { gradients, update, arrays } = openStep(plan, optimiser, between, several, average?.decay, others);
      for (const [name, shape] of Object.entries(arrays)) held.write(name, filled(shape, 0));
      return [held.load(gradients), held.load(update)];
    };
    const [first, second] = load();
    const apart = weighing === undefined ? [] : Object.keys(model.spec.tasks);
    const forward = several ? onBatches(first, held.load(weightsOf(plan)), looked, apart) : onBatch(first, looked);
    const weighed = weighs
      ? chainOf(weighting, Object.keys(model.spec.tasks).length, optimiser, begun?.weighting)
      : undefined;
    return {
      graph: first.graph,
      run: weighed === undefined
        ? plainSteps(model, looked, forward, second)
        : weightedSteps(model, weighed, looked, forward, second),
      keep: (name) => looked?.keep(name),
      wholes: (name) => looked?.wholes(name) ?? new Map(),
      restore: (name) => looked?.restore(name),
      mark: () => looked?.mark(),
      state: async () => {
        const weighting = weighed?.saved();
        const read = await Promise.all(flats.map(async ([name]) => [name, await held.read(name)] as const));
        return { flats: Object.fromEntries(read), vectors: looked?.states() ?? new Map(), weighting };
      },
      averages: average && averagesIn(store, looked?.averages ?? []),
      dispose: held.dispose,
    };
  } catch (error) {
    held.dispose();
    throw error;
  }
}

/** The whole gradient stays on the engine, until the norm of that of vectors is known. */
const unweighed: Between = ({ total, flat, vectors }, { keep, ask }) => {
  askVectors(ask, vectors(total));
  return keep("gradient", flat(total));
};

/** The vectors that a model looks up, in training. */
interface Looked extends Vectors {
  /** Returns their learning rates in a step. */
  readonly rates: (at: At) => VectorRates;
  /** The largest norm of the whole gradient, if there is a limit. */
  readonly limit: number | undefined;
}

/** A weighting, and the state of its losses, which moves on from step to step. */
interface Chain {
  readonly weighting: Weighting;
  state: LossWeights | undefined;
  /** Returns the state as JSON; undefined if losses are not weighed. */
  readonly saved: () => Json | undefined;
}

/** Returns the chain of a weighting, which begins or goes on from a state. */
function chainOf(weighting: Weighting, tasks: number, optimiser: Optimiser, begun: Json | undefined): Chain {
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

/** Returns an array of one value. */
function filled(shape: readonly number[], value: number): Tensor {
  return { shape, data: new Float32Array(sizeOf(shape)).fill(value) };
}

/** Returns a holder of what steps keep on the engine: arrays beside the parameters, and programs. */
function holder(model: Model): {
  readonly write: (name: string, value: Tensor) => void;
  readonly read: (name: string) => Promise<Tensor>;
  readonly load: (graph: Graph) => Loaded;
  readonly dispose: () => void;
} {
  const { store, state } = insidesOf(model, "train");
  const names: string[] = [];
  const programs: Program[] = [];
  return {
    write: (name, value) => {
      names.push(name);
      store.write(name, value);
    },
    read: (name) => store.read(name),
    load: (graph) => {
      const program = model.engine.load(graph, store);
      programs.push(program);
      return {
        graph,
        run: (inputs) => {
          insidesOf(model, "train"); // it may be disposed in the loop
          return program.run(readBy(graph, inputs));
        },
      };
    },
    dispose: () => {
      if (!state.disposed) names.forEach((name) => store.remove(name));
      programs.forEach((program) => program.dispose());
    },
  };
}

/** Returns the run of steps by static weights. */
function plainSteps(
  { spec }: Model,
  looked: Looked | undefined,
  forward: RunForward,
  second?: Loaded,
): Steps["run"] {
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
function weightedSteps(
  model: Model,
  chain: Chain,
  looked: Looked | undefined,
  forward: RunForward,
  second?: Loaded,
): Steps["run"] {
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
