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
import { vectorRateOf } from "./rates.ts";
import { type Between, openStep, trainingStep } from "./step.ts";
import { slotName } from "./update.ts";
import {
  innerProduct,
  mixed,
  normOf,
  type TableGradient,
  type Vectors,
  vectorsIn,
  type VectorStates,
} from "./vectors.ts";
import { askVectors, weighted } from "./weighted.ts";

/** The steps of a training: one function runs them, another ends them. */
export interface Steps {
  /** The graph that reads the batch and its noise. */
  readonly graph: Graph;
  /**
   * Runs one step. It changes nothing if an output is not finite.
   *
   * @param inputs The inputs of a step's graphs; others are ignored.
   */
  readonly run: (inputs: Tensors, at: At) => Promise<Stepped>;
  /** Keeps the vectors that are looked up as they are now, for {@linkcode Steps.restore}. */
  readonly keep: () => void;
  /** Brings back what was kept. */
  readonly restore: () => void;
  /**
   * Returns what the steps keep from one to the next, valid until the next one.
   *
   * @throws {TypeError} if the weighting cannot be saved.
   */
  readonly state: () => Promise<StepState>;
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

type Tensors = Readonly<Record<string, Tensor>>;

/** The rules by which a training moves parameters. */
export interface Moving {
  /** The optimiser of parameters. */
  readonly optimiser: Optimiser;
  /** That of vectors which are looked up. */
  readonly vectors: VectorOptimiser;
  /** The weighting of losses or gradients. Default: none. */
  readonly weighting?: Weighting;
}

/**
 * Returns the steps of a model by optimisers and a weighting. They are one graph, or two where gradients are weighed
 * between them, or clipped by a norm of which vectors are a part; without a weighting, or nothing to weigh, losses have
 * their static weights.
 *
 * @param begun The state to go on from, whose arrays become those of the steps. Default: optimisers and weighting begin.
 */
export function stepsOf(model: Model, { optimiser, vectors, weighting }: Moving, begun?: StepState): Steps {
  const { plan, tables } = insidesOf(model, "train");
  const { losses, gradients, norms } = weighting ?? {};
  const weighing = gradients !== undefined || norms === true ? weighted(plan) : undefined;
  const looked = plan.lookups.length === 0
    ? undefined
    : { ...vectorsIn(plan.lookups, tables, vectors, begun?.vectors), optimiser: vectors, limit: optimiser.clipNorm };
  const between = weighing ?? (looked?.limit === undefined ? undefined : unweighed);
  const held = holder(model);
  try {
    const flats = Object.entries(optimiser.slots).map(([name, first]) => [slotName(name), first] as const);
    for (const [name, first] of flats) held.write(name, begun?.flats[name] ?? filled([plan.layout.size], first));
    const weighs = weighting !== undefined && (weighing !== undefined || losses !== undefined && norms !== true);
    const load = (): readonly [Loaded, Loaded?] => {
      if (between === undefined) return [held.load(trainingStep(plan, optimiser, weighs))];
      const { gradients, update, arrays } = openStep(plan, optimiser, between);
      for (const [name, shape] of Object.entries(arrays)) held.write(name, filled(shape, 0));
      return [held.load(gradients), held.load(update)];
    };
    const [first, second] = load();
    const weighed = weighs
      ? chainOf(weighting, Object.keys(model.spec.tasks).length, optimiser, begun?.weighting)
      : undefined;
    return {
      graph: first.graph,
      run: weighed === undefined
        ? plainSteps(model, looked, first, second)
        : weightedSteps(model, weighed, looked, first, second),
      keep: () => looked?.keep(),
      restore: () => looked?.restore(),
      state: async () => {
        const weighting = weighed?.saved();
        const read = await Promise.all(flats.map(async ([name]) => [name, await held.read(name)] as const));
        return { flats: Object.fromEntries(read), vectors: looked?.states() ?? new Map(), weighting };
      },
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
  /** Their optimiser. */
  readonly optimiser: VectorOptimiser;
  /** The largest norm of the whole gradient, if there is a limit. */
  readonly limit: number | undefined;
}

/** A program of a step. */
interface Loaded {
  readonly graph: Graph;
  readonly run: (inputs: Tensors) => Promise<Tensors>;
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
function plainSteps({ spec }: Model, looked: Looked | undefined, first: Loaded, second?: Loaded): Steps["run"] {
  const weights = mapEntries(spec.tasks, (_, { weight }) => weight);
  const ones = Object.fromEntries(Object.keys(spec.tasks).map((task) => [`factor/${task}`, scalarTensor(1)]));
  return async (inputs, at) => {
    const rate = looked && vectorRateOf(looked.optimiser, at.step);
    const [reported, found] = parted(await first.run({ ...inputs, ...ones, ...looked?.read(inputs) }));
    const gradient = finite(reported) ? looked?.summed(found) : undefined;
    const outputs = { ...reported, ...await second?.run({ ...inputs, vectors: scalarTensor(normOf(gradient)) }) };
    return { outputs: followed(looked, gradient, outputs, second !== undefined, { ...at, rate: rate! }), weights };
  };
}

/** Returns the run of steps whose losses are weighed, or their gradients between two graphs. */
function weightedSteps(
  model: Model,
  chain: Chain,
  looked: Looked | undefined,
  first: Loaded,
  second?: Loaded,
): Steps["run"] {
  const { weighting } = chain;
  const tasks = Object.keys(model.spec.tasks);
  const ones = tasks.map(() => 1);
  const statics = tasks.map((task) => model.spec.tasks[task].weight);
  const shared = sharedPaths(model);
  const shares = tasks.map((task) => [...shared.values()].some((list) => list.includes(task)));
  const apart = weighting.gradients !== undefined || weighting.norms === true; // gradients of tasks come one by one
  return async (inputs, at) => {
    const { epoch, step } = at;
    const { state } = chain;
    const rate = looked && vectorRateOf(looked.optimiser, step);
    const checked: Checked = (weights, count) => checkWeights(weights, count, weighting.name, step);
    const factors = state === undefined ? ones : checked(state.weights(epoch), tasks.length);
    const fed = tasks.map((task, i) => [`factor/${task}`, scalarTensor(factors[i])] as const);
    const { products, ...all } = await first.run({ ...inputs, ...looked?.read(inputs), ...Object.fromEntries(fed) });
    const [reported, found] = parted(all);
    const labelled = tasks.map((task, i) => reported[`weight/${task}`].data[0] > 0 && statics[i] > 0);
    const each = looked === undefined || !apart ? [] : tasks.map((task) => looked.summed(ofTask(found, task)));
    const inner = apart ? productsOf(products, each, shared) : [];
    let parts: readonly number[] = ones;
    if (apart) {
      const norm = scalarTensor(inner.flat().reduce((sum, number) => sum + Math.abs(number), 0));
      if (!finite({ ...reported, norm })) return { outputs: { ...reported, norm }, weights: {} };
      const counts = tasks.map((_, i) => labelled[i] && shares[i]);
      const given = partsOf(weighting, inner, counts, random(`${model.seed}:weighting:${step}`), checked);
      parts = given === undefined ? ones : given.map((part, i) => labelled[i] ? part : 0);
    }
    const others = finite(reported) ? looked?.summed(found) : undefined;
    const gradient = others && mixed(others, each, (path, task) => shared.has(path) ? parts[task] : 1);
    const weights = { shape: [1, tasks.length], data: Float64Array.from(parts) };
    const vectors = scalarTensor(normOf(gradient));
    const outputs = { ...reported, ...await second?.run({ ...inputs, weights, vectors }) };
    const seen = followed(looked, gradient, outputs, second !== undefined, { ...at, rate: rate! });
    if (state !== undefined && finite(seen)) {
      const losses = tasks.map((task) => reported[`loss/${task}`].data[0]);
      const norms = inner.map((row, i) => Math.sqrt(row[i]));
      const known = labelled.map((is, i) => is && (!apart || shares[i]));
      chain.state = await state.next({ epoch, step, losses, labelled: known, norms });
    }
    const weighed = tasks.map((task, i) => [task, statics[i] * factors[i] * parts[i]]);
    return { outputs: seen, weights: Object.fromEntries(weighed) };
  };
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

/** Moves vectors after the parameters, if these have moved, and returns the outputs with the norm of the whole gradient. */
function followed(
  looked: Looked | undefined,
  gradient: TableGradient | undefined,
  outputs: Tensors,
  whole: boolean,
  at: { readonly step: number; readonly count: number; readonly rate: number },
): Tensors {
  if (looked === undefined || gradient === undefined || !finite(outputs)) return outputs;
  const [own] = outputs.norm.data;
  const norm = whole ? own : Math.hypot(own, normOf(gradient));
  const { limit = Infinity } = looked;
  looked.update(gradient, norm > limit ? limit / norm : 1, { rate: at.rate, step: at.count });
  return { ...outputs, norm: scalarTensor(norm) };
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

function finite(outputs: Tensors): boolean {
  return Object.values(outputs).every(({ data }) => Number.isFinite(data[0]));
}

function scalarTensor(value: number): Tensor {
  return { shape: [], data: Float64Array.of(value) };
}
