import { random } from "../data/random.ts";
import type { Program } from "../engines/engine.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Graph } from "../graph/graph.ts";
import { readBy } from "../model/feed.ts";
import { slotName, trainingStep } from "../model/graphs.ts";
import type { Model } from "../model/model.ts";
import type { Optimiser } from "../optimisers/optimiser.ts";
import { tasksOf } from "../trace/sharing.ts";
import { combinedStep, gradientArrays, gradientStep, weightedStep } from "./weighted_graphs.ts";
import { checkWeights, type LossWeights, type Weighting } from "../weighting/weighting.ts";

/** How the steps of a training are run. */
export interface Steps {
  /** The graph that reads the batch and its noise. */
  readonly graph: Graph;
  /**
   * Runs one step. It changes nothing if an output is not finite.
   *
   * @param inputs What the graphs of a step read, or more.
   */
  readonly run: (inputs: Tensors, at: { readonly epoch: number; readonly step: number }) => Promise<Stepped>;
  /** Frees what the steps hold on the engine. */
  readonly dispose: () => void;
}

/** What one step gives. */
export interface Stepped {
  /** The outputs of its graphs, of one number each. */
  readonly outputs: Tensors;
  /** The weight of each task. */
  readonly weights: Readonly<Record<string, number>>;
}

type Tensors = Readonly<Record<string, Tensor>>;

/**
 * The steps of a model by an optimiser and a weighting; with none, or nothing to weigh, in one graph by static weights.
 */
export function stepsOf(model: Model, optimiser: Optimiser, weighting: Weighting | undefined): Steps {
  const { spec, layout, store, engine } = model;
  const { losses, gradients, norms } = weighting ?? {};
  const arrays = gradients !== undefined || norms === true ? gradientArrays(spec, layout) : {};
  const apart = Object.keys(arrays).length > 0;
  const names = [...Object.keys(optimiser.slots).map(slotName), ...(apart ? Object.keys(arrays) : [])];
  const programs: Program[] = [];
  const load = (graph: Graph): Loaded => {
    const program = engine.load(graph, store);
    programs.push(program);
    return { graph, run: (inputs) => program.run(readBy(graph, inputs)) };
  };
  const dispose = () => {
    if (!model.state.disposed) names.forEach((name) => store.remove(name));
    programs.forEach((program) => program.dispose());
  };
  try {
    for (const [name, first] of Object.entries(optimiser.slots)) {
      store.write(slotName(name), { shape: [layout.size], data: new Float32Array(layout.size).fill(first) });
    }
    const plain = weighting === undefined || !apart && (losses === undefined || norms === true);
    if (plain) return { ...plainSteps(model, load(trainingStep(spec, layout, optimiser, engine.rules))), dispose };
    if (!apart) {
      const whole = load(weightedStep(spec, layout, optimiser, engine.rules));
      return { ...weightedSteps(model, weighting, optimiser, whole, undefined), dispose };
    }
    for (const [name, shape] of Object.entries(arrays)) {
      store.write(name, { shape, data: new Float32Array(shape.reduce((size, length) => size * length)) });
    }
    const first = load(gradientStep(spec, layout, engine.rules));
    const second = load(combinedStep(spec, layout, optimiser));
    return { ...weightedSteps(model, weighting, optimiser, first, second), dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

interface Loaded {
  readonly graph: Graph;
  readonly run: (inputs: Tensors) => Promise<Tensors>;
}

function plainSteps({ spec }: Model, { graph, run }: Loaded): Omit<Steps, "dispose"> {
  const weights = Object.fromEntries(Object.entries(spec.tasks).map(([task, { weight }]) => [task, weight]));
  return { graph, run: async (inputs) => ({ outputs: await run(inputs), weights }) };
}

/** Steps in one graph or, where gradients are weighed, in two with the weights found between them. */
function weightedSteps(
  { spec, seed }: Model,
  weighting: Weighting,
  optimiser: Optimiser,
  first: Loaded,
  second: Loaded | undefined,
): Omit<Steps, "dispose"> {
  const tasks = Object.keys(spec.tasks);
  const ones = tasks.map(() => 1);
  const statics = tasks.map((task) => spec.tasks[task].weight);
  const lists = Object.values<readonly string[]>(tasksOf(spec)).filter((list) => list.length > 1);
  const shares = tasks.map((task) => lists.some((list) => list.includes(task)));
  let state: LossWeights | undefined = weighting.losses?.(tasks.length, optimiser);
  return {
    graph: first.graph,
    run: async (inputs, { epoch, step }) => {
      const checked = (weights: readonly number[], count: number) => checkWeights(weights, count, weighting.name, step);
      const factors = state === undefined ? ones : checked(state.weights(epoch), tasks.length);
      const given = tasks.map((task, i) => [`factor/${task}`, scalarTensor(factors[i])] as const);
      const { products, ...found } = await first.run({ ...inputs, ...Object.fromEntries(given) });
      const labelled = tasks.map((task, i) => found[`weight/${task}`].data[0] > 0 && statics[i] > 0);
      const squares = products === undefined ? [] : rowsOf(products);
      let [outputs, parts]: [Tensors, readonly number[]] = [found, ones];
      if (second !== undefined) {
        const norm = scalarTensor(squares.flat().reduce((sum, number) => sum + Math.abs(number), 0));
        if (!finite({ ...found, norm })) return { outputs: { ...found, norm }, weights: {} };
        if (weighting.gradients !== undefined) {
          const present = tasks.map((_, i) => i).filter((i) => labelled[i] && shares[i]);
          const among = present.map((i) => present.map((j) => squares[i][j]));
          const source = random(`${seed}:weighting:${step}`);
          const some = present.length === 0 ? [] : checked(weighting.gradients(among, source), present.length);
          parts = tasks.map((_, i) => labelled[i] ? some[present.indexOf(i)] ?? 1 : 0);
        }
        const weights = { shape: [1, tasks.length], data: Float64Array.from(parts) };
        outputs = { ...found, ...await second.run({ ...inputs, weights }) };
      }
      if (state !== undefined && finite(outputs)) {
        const losses = tasks.map((task) => found[`loss/${task}`].data[0]);
        const norms = squares.map((row, i) => Math.sqrt(row[i]));
        const known = labelled.map((is, i) => is && (second === undefined || shares[i]));
        state = await state.next({ epoch, step, losses, labelled: known, norms });
      }
      const weights = tasks.map((task, i) => [task, statics[i] * factors[i] * parts[i]]);
      return { outputs, weights: Object.fromEntries(weights) };
    },
  };
}

function rowsOf({ shape: [rows, columns], data }: Tensor): number[][] {
  return Array.from({ length: rows }, (_, row) => [...data.subarray(row * columns, (row + 1) * columns)]);
}

function finite(outputs: Tensors): boolean {
  return Object.values(outputs).every(({ data }) => Number.isFinite(data[0]));
}

function scalarTensor(value: number): Tensor {
  return { shape: [], data: Float64Array.of(value) };
}
