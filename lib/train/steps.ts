import type { Json } from "../data/dataset.ts";
import type { Program } from "../engines/engine.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Graph } from "../graph/graph.ts";
import { readBy } from "../model/feed.ts";
import { insidesOf } from "../model/insides.ts";
import type { Model } from "../model/model.ts";
import { sizeOf } from "../ops/shape.ts";
import type { Optimiser, VectorOptimiser } from "../optimisers/optimiser.ts";
import type { Weighting } from "../weighting/weighting.ts";
import { averageName, type Averages, averagesIn } from "./averages.ts";
import { type Loaded, onBatch, onBatches, type Tensors } from "./forward.ts";
import { type ByPath, partitioned, tableOptimisers } from "./parts.ts";
import { vectorRatesOf } from "./rates.ts";
import { type At, chainOf, plainSteps, type RunStep, weightedSteps } from "./run_step.ts";
import { type Between, openStep, trainingStep, weightsOf } from "./step.ts";
import { slotName } from "./update.ts";
import { vectorsIn, type VectorStates } from "./vectors.ts";
import { askVectors, weighted } from "./weighted.ts";

/** The steps of a training: one function runs them, another ends them. */
export interface Steps {
  /** The graph that reads the batch and its noise. */
  readonly graph: Graph;
  /** Runs one step. */
  readonly run: RunStep;
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
