import { type Random, random } from "../data/random.ts";
import type { Program } from "../engines/engine.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Graph } from "../graph/graph.ts";
import { readBy } from "../model/feed.ts";
import { insidesOf } from "../model/insides.ts";
import type { Model } from "../model/model.ts";
import { sizeOf } from "../ops/shape.ts";
import type { Optimiser } from "../optimisers/optimiser.ts";
import { mapEntries } from "../trace/entries.ts";
import { tasksOf } from "../trace/sharing.ts";
import { checkWeights, type LossWeights, type Products, type Weighting } from "../weighting/weighting.ts";
import { openStep, trainingStep } from "./step.ts";
import { slotName } from "./update.ts";
import { weighted } from "./weighted.ts";

/** The steps of a training: one function runs them, another ends them. */
export interface Steps {
  /** The graph that reads the batch and its noise. */
  readonly graph: Graph;
  /**
   * Runs one step. It changes nothing if an output is not finite.
   *
   * @param inputs The inputs of a step's graphs; others are ignored.
   */
  readonly run: (inputs: Tensors, at: { readonly epoch: number; readonly step: number }) => Promise<Stepped>;
  /** Frees what the steps hold on the engine. */
  readonly dispose: () => void;
}

/** The result of one step. */
export interface Stepped {
  /** The outputs of its graphs, of one number each. */
  readonly outputs: Tensors;
  /** The weight of each task. */
  readonly weights: Readonly<Record<string, number>>;
}

type Tensors = Readonly<Record<string, Tensor>>;

/**
 * Returns the steps of a model by an optimiser and a weighting. They are one graph, or two where gradients are weighed
 * between them; without a weighting, or nothing to weigh, losses have their static weights.
 */
export function stepsOf(model: Model, optimiser: Optimiser, weighting?: Weighting): Steps {
  const { plan } = insidesOf(model, "train");
  const { losses, gradients, norms } = weighting ?? {};
  const between = gradients !== undefined || norms === true ? weighted(plan) : undefined;
  const held = holder(model);
  try {
    for (const [name, first] of Object.entries(optimiser.slots)) held.write(slotName(name), [plan.layout.size], first);
    const { dispose } = held;
    if (weighting !== undefined && between !== undefined) {
      const { gradients, update, arrays } = openStep(plan, optimiser, between);
      for (const [name, shape] of Object.entries(arrays)) held.write(name, shape, 0);
      return { ...weightedSteps(model, weighting, optimiser, held.load(gradients), held.load(update)), dispose };
    }
    const weighs = weighting !== undefined && losses !== undefined && norms !== true;
    const step = held.load(trainingStep(plan, optimiser, weighs));
    return { ...(weighs ? weightedSteps(model, weighting, optimiser, step) : plainSteps(model, step)), dispose };
  } catch (error) {
    held.dispose();
    throw error;
  }
}

/** A program of a step. */
interface Loaded {
  readonly graph: Graph;
  readonly run: (inputs: Tensors) => Promise<Tensors>;
}

/** Returns a holder of what steps keep on the engine: arrays beside the parameters, and programs. */
function holder(model: Model): {
  readonly write: (name: string, shape: readonly number[], value: number) => void;
  readonly load: (graph: Graph) => Loaded;
  readonly dispose: () => void;
} {
  const { store, state } = insidesOf(model, "train");
  const names: string[] = [];
  const programs: Program[] = [];
  return {
    write: (name, shape, value) => {
      names.push(name);
      store.write(name, { shape, data: new Float32Array(sizeOf(shape)).fill(value) });
    },
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

/** Returns steps in one graph by static weights. */
function plainSteps({ spec }: Model, { graph, run }: Loaded): Omit<Steps, "dispose"> {
  const weights = mapEntries(spec.tasks, (_, { weight }) => weight);
  return { graph, run: async (inputs) => ({ outputs: await run(inputs), weights }) };
}

/** Returns steps in one graph or, if gradients are weighed, in two, whose weights are computed between them. */
function weightedSteps(
  model: Model,
  weighting: Weighting,
  optimiser: Optimiser,
  first: Loaded,
  second?: Loaded,
): Omit<Steps, "dispose"> {
  const tasks = Object.keys(model.spec.tasks);
  const ones = tasks.map(() => 1);
  const statics = tasks.map((task) => model.spec.tasks[task].weight);
  const shares = sharing(model);
  let state: LossWeights | undefined = weighting.losses?.(tasks.length, optimiser);
  return {
    graph: first.graph,
    run: async (inputs, { epoch, step }) => {
      const checked: Checked = (weights, count) => checkWeights(weights, count, weighting.name, step);
      const factors = state === undefined ? ones : checked(state.weights(epoch), tasks.length);
      const fed = tasks.map((task, i) => [`factor/${task}`, scalarTensor(factors[i])] as const);
      const { products, ...reported } = await first.run({ ...inputs, ...Object.fromEntries(fed) });
      const labelled = tasks.map((task, i) => reported[`weight/${task}`].data[0] > 0 && statics[i] > 0);
      const inner = products === undefined ? [] : rowsOf(products);
      let [outputs, parts]: [Tensors, readonly number[]] = [reported, ones];
      if (second !== undefined) {
        const norm = scalarTensor(inner.flat().reduce((sum, number) => sum + Math.abs(number), 0));
        if (!finite({ ...reported, norm })) return { outputs: { ...reported, norm }, weights: {} };
        const counts = tasks.map((_, i) => labelled[i] && shares[i]);
        const given = partsOf(weighting, inner, counts, random(`${model.seed}:weighting:${step}`), checked);
        parts = given === undefined ? ones : given.map((part, i) => labelled[i] ? part : 0);
        const weights = { shape: [1, tasks.length], data: Float64Array.from(parts) };
        outputs = { ...reported, ...await second.run({ ...inputs, weights }) };
      }
      if (state !== undefined && finite(outputs)) {
        const losses = tasks.map((task) => reported[`loss/${task}`].data[0]);
        const norms = inner.map((row, i) => Math.sqrt(row[i]));
        const known = labelled.map((is, i) => is && (second === undefined || shares[i]));
        state = await state.next({ epoch, step, losses, labelled: known, norms });
      }
      const weights = tasks.map((task, i) => [task, statics[i] * factors[i] * parts[i]]);
      return { outputs, weights: Object.fromEntries(weights) };
    },
  };
}

/** Returns the weights that a weighting gave, as many as wanted and finite; throws if they are not. */
type Checked = (weights: readonly number[], count: number) => readonly number[];

/** Returns, for each task, true if it shares parameters with another. */
function sharing(model: Model): boolean[] {
  const lists = Object.values(tasksOf(insidesOf(model, "train").plan)).filter((list) => list.length > 1);
  return Object.keys(model.spec.tasks).map((task) => lists.some((list) => list.includes(task)));
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
