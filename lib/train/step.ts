import { checkFunction, kindOf } from "../errors/kinds.ts";
import { gradients as gradientsOf } from "../graph/differentiate.ts";
import { type Graph, graphOf } from "../graph/graph.ts";
import { type Layout, piecesOf } from "../graph/layout.ts";
import type { Lookup } from "../graph/lookups.ts";
import { narrow } from "../graph/narrow.ts";
import { optimise } from "../graph/optimise.ts";
import { leaves, type Values } from "../graph/values.ts";
import { mostFloat } from "../graph/overflow.ts";
import { inOrder } from "../graph/walk.ts";
import { onPieces } from "../model/graphs.ts";
import { add, concat, div, greater, mul, pad, reshape, sum } from "../ops/functions.ts";
import { type Shape, sizeOf } from "../ops/shape.ts";
import { apply, isValue } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import { checkOptimiser, type Optimiser } from "../optimisers/optimiser.ts";
import { mapEntries } from "../trace/entries.ts";
import { losses } from "../trace/losses.ts";
import { checkPlan, type Plan } from "../trace/plan.ts";
import { checkAverage } from "./averages.ts";
import { checkParts } from "./parts.ts";
import { array, scalar, updateOf } from "./update.ts";

/** The losses of a step, and their gradients. */
export interface Gradients {
  /** The losses of tasks by task, times their weight and their factor, `[]`. */
  readonly tasks: Readonly<Record<string, Value>>;
  /** The losses of gates and banks, which nothing weighs anew, `[]`. */
  readonly others: readonly Value[];
  /** The sum of all, `[]`. */
  readonly total: Value;
  /** Returns the gradient of a loss with respect to each piece of the flat array, in the order of the layout. */
  readonly of: (loss: Value) => readonly Value[];
  /** Returns the gradient of a loss as one array, `[size]`. */
  readonly flat: (loss: Value) => Value;
  /** Returns the gradient of a loss with respect to the vectors that are looked up, by the name of their input. */
  readonly vectors: (loss: Value) => Readonly<Record<string, Value>>;
}

/** A step cut in two: the values that pass from the first half to the second. */
export interface Cut {
  /**
   * Leaves a value of the first half on the engine, and returns it as the second half reads it: where a step has several
   * batches, the sum over them.
   */
  readonly keep: (name: string, value: Value) => Value;
  /** Returns what the first half leaves under a name: the value, or where a step has several batches the sum so far. */
  readonly soFar: (name: string, value: Value) => Value;
  /** Makes a value of the first half an output of its graph, for the caller to read. */
  readonly ask: (name: string, value: Value) => void;
  /** Returns an input of the second half, for the caller to give. */
  readonly give: (name: string, shape: Shape) => Value;
}

/**
 * A function between the gradients of a step and its update: from the gradients to the one gradient `[size]`, with
 * respect to the flat array, that the parameters follow. A weighting of gradients is one, a mean over workers another.
 */
export type Between = (gradients: Gradients, cut: Cut) => Value;

/**
 * Returns a training step as one graph: a batch, the learning rate and the optimiser's scalars in; losses out;
 * parameters and the optimiser's slots replaced.
 *
 * Inputs: those of the model, `labels/<task>`, `weights/<task>`, `groups/<task>` of rankings within groups, `rate`, the
 * optimiser's scalars and, where vectors are read by weights, `heaviest`, the largest of these. Outputs: `loss/<task>`, `auxiliary/<path>` of gates and banks that have losses,
 * `dropped/<level>/<stream>` of gates over banks with a capacity, `loss` (the sum of all, those of tasks weighted),
 * `norm` (of the whole gradient, before clipping, but for that of vectors) and `moved` (the sum of the parameters after the
 * step, which is not finite if one of them is not: then an engine replaces nothing). Of a model that looks vectors up
 * also their gradients `[batch, width]`, `gradient/<input>`, and `vectors`, which is not finite if their sums may not be.
 *
 * @param factors True if losses of tasks are weighed anew in each step: then `factor/<task>`, by which they are
 * multiplied beside their static weights, are inputs too, and `weight/<task>`, 0 if no row is labelled, outputs. Default
 * false.
 * @param average The decay of averages of the parameters, `average/parameters`, which the step replaces too. Default: none.
 * @param parts The optimisers of parts of the parameters, by the beginning of their paths; their scalars are inputs too,
 * `parts/<beginning>/rate` and the like. Default: all follow the one.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 * import { define, reference, regression, sgd } from "@gatehouse/gatehouse";
 * import { plan, trainingStep } from "@gatehouse/gatehouse/graph";
 *
 * const engine = reference();
 * const store = engine.store({ parameters: { shape: [2], data: Float32Array.of(1, 0) } }); // y = 1 x + 0
 * const step = trainingStep(plan(define({ input: 1, tasks: { y: regression() } })), sgd(0.1));
 * const { loss } = await engine.load(step, store).run({
 *   input: { shape: [1, 1], data: Float32Array.of(2) },
 *   "labels/y": { shape: [1], data: Float32Array.of(1) },
 *   "weights/y": { shape: [1], data: Float32Array.of(1) },
 *   rate: { shape: [], data: Float32Array.of(0.1) },
 * });
 * assertEquals(loss.data[0], 1); // (2 - 1) ** 2
 * const [slope, intercept] = (await store.read("parameters")).data;
 * assertAlmostEquals(slope, 1 - 0.1 * 4, 1e-6);
 * assertAlmostEquals(intercept, 0 - 0.1 * 2, 1e-6);
 * store.dispose();
 * ```
 */
export function trainingStep(
  plan: Plan,
  optimiser: Optimiser,
  factors = false,
  average?: number,
  parts: Readonly<Record<string, Optimiser>> = {},
): Graph {
  checkPlan("write step", plan);
  checkOptimiser("write step", optimiser);
  checkAverage("write step", average);
  checkParts("write step", parts);
  const { flat, reported, gradients, moves } = firstHalf(plan, factors);
  const { norm, moved, updates } = updateOf(plan.layout, optimiser, gradients.flat(gradients.total), {
    moves,
    flat,
    average,
    parts,
  });
  const gradient = gradients.vectors(gradients.total);
  const outputs = {
    ...reported,
    gradient,
    "": { loss: gradients.total, norm, moved, ...bounded(gradient, plan.lookups) },
  };
  return optimise(graphOf(outputs, updates));
}

/** The two graphs of a step that is cut, and the arrays that pass between them. */
export interface OpenStep {
  /** The graph of losses and gradients. Inputs as of a step with factors; outputs likewise, and those asked for. */
  readonly gradients: Graph;
  /**
   * The graph of the update. Inputs: those given, `rate`, the optimiser's scalars and, of a model that looks vectors up,
   * `vectors`, the norm of their gradient; outputs: `norm`, `moved`.
   */
  readonly update: Graph;
  /** The shapes of the arrays on the engine that pass from the one to the other, by name. */
  readonly arrays: Readonly<Record<string, readonly number[]>>;
}

/**
 * Returns a training step that is open in the middle: the graph of gradients, and that of the update.
 *
 * @param between The function that makes one gradient of the gradients, and names what passes from half to half.
 * @param accumulates True if the first half is run on several batches before the second: then what passes on the engine is
 * the sum over them. More inputs of the first half are `carry`, 0 for the first batch and 1 for others, and `share`, the
 * batch's share in the rows, by which the losses of gates and banks are multiplied; the factors of tasks are to hold their
 * shares. Default false.
 * @param average The decay of averages of the parameters, as of {@linkcode trainingStep}. Default: none.
 * @param parts The optimisers of parts of the parameters, as of {@linkcode trainingStep}. Default: all follow the one.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 * import { define, reference, regression, sgd } from "@gatehouse/gatehouse";
 * import { openStep, plan } from "@gatehouse/gatehouse/graph";
 *
 * // The whole gradient leaves the first half and comes back to the second one: what a mean over workers needs.
 * const spec = define({ input: 1, tasks: { y: regression() } });
 * const { gradients, update } = openStep(plan(spec), sgd(0.1), ({ flat, total }, { ask, give }) => {
 *   ask("gradient", flat(total));
 *   return give("mean", [2]);
 * });
 * const engine = reference();
 * const store = engine.store({ parameters: { shape: [2], data: Float32Array.of(1, 0) } }); // y = 1 x + 0
 * const { gradient } = await engine.load(gradients, store).run({
 *   input: { shape: [1, 1], data: Float32Array.of(2) },
 *   "labels/y": { shape: [1], data: Float32Array.of(1) },
 *   "weights/y": { shape: [1], data: Float32Array.of(1) },
 *   "factor/y": { shape: [], data: Float32Array.of(1) },
 * });
 * assertEquals([...gradient.data], [4, 2]);
 * await engine.load(update, store).run({ mean: gradient, rate: { shape: [], data: Float32Array.of(0.1) } });
 * assertAlmostEquals((await store.read("parameters")).data[0], 0.6, 1e-6);
 * store.dispose();
 * ```
 */
export function openStep(
  plan: Plan,
  optimiser: Optimiser,
  between: Between,
  accumulates = false,
  average?: number,
  parts: Readonly<Record<string, Optimiser>> = {},
): OpenStep {
  checkPlan("write step", plan);
  checkOptimiser("write step", optimiser);
  checkAverage("write step", average);
  checkParts("write step", parts);
  checkFunction("write step", "between", between);
  const { reported, gradients, moves } = firstHalf(plan, true, accumulates ? scalar("share") : undefined);
  const [kept, asked] = [new Map<string, Value>(), new Map<string, Value>()];
  const soFar: Cut["soFar"] = (name, value) => {
    return accumulates ? add(mul(array(`between/${name}`, value.shape), scalar("carry")), value) : value;
  };
  const cut: Cut = {
    soFar,
    keep: (name, value) => {
      kept.set(`between/${name}`, soFar(name, value));
      return array(`between/${name}`, value.shape);
    },
    ask: (name, value) => asked.set(name, value),
    give: (name, shape) => apply("input", [], { name, shape, type: "float" }),
  };
  const gradient = between(gradients, cut);
  if (!isValue(gradient)) {
    throw new TypeError(`Cannot write step: between must return a value, found ${kindOf(gradient)}`);
  }
  const moving = moves && cut.keep("moves", moves);
  const vectors = plan.lookups.length > 0 ? scalar("vectors") : undefined;
  const { norm, moved, updates } = updateOf(plan.layout, optimiser, gradient, {
    moves: moving,
    vectors,
    average,
    parts,
  });
  const outputs = { ...reported, "": { loss: gradients.total, ...Object.fromEntries(asked) } };
  const first = narrow({ outputs, kept: Object.fromEntries(kept) });
  return {
    gradients: optimise(graphOf(first.outputs, first.kept)),
    update: optimise(graphOf({ norm, moved }, updates)),
    arrays: Object.fromEntries([...kept].map(([name, { shape }]) => [name, shape as readonly number[]])),
  };
}

/**
 * Returns the graph of the sums of weights that the losses of tasks are means over, `weight/<task>`, which reads labels and
 * weights of rows alone.
 */
export function weightsOf(plan: Plan): Graph {
  const { weights } = losses(plan.spec.tasks, plan.training);
  return optimise(graphOf({ weight: weights }));
}

/** Returns the elements of arrays one after the other, `[size]`. */
export function flattened(pieces: readonly Value[]): Value {
  return concat(pieces.map((piece) => reshape(piece, [sizeOf(piece.shape)])), 0);
}

/**
 * Returns a number, `vectors`, that is not finite if a sum of gradients of vectors over a batch, by the weights with which
 * they were read, or the square of one, may not be: then a step must change nothing, neither on the engine nor beside it. There is none of no gradients.
 */
function bounded(
  gradients: Readonly<Record<string, Value>>,
  lookups: readonly Lookup[],
): { readonly vectors?: Value } {
  const squares = Object.values(gradients).map((gradient) => sum(mul(gradient, gradient), { axes: [0, 1] }));
  if (squares.length === 0) return {};
  const all = mul(squares.reduce((total, square) => add(total, square)), mostPlaces);
  const areWeighted = lookups.some(({ parts }) => parts.some(({ weights }) => weights !== undefined));
  const heaviest = scalar("heaviest");
  const most = areWeighted ? mul(mul(all, heaviest), heaviest) : all;
  return { vectors: div(most, greater(mostFloat, most)) }; // infinite on engines that compute beyond float32 too
}

/** More places of a batch than read one vector: the square of a sum is at most that of the terms times their number. */
const mostPlaces = 2 ** 24;

/**
 * Returns the losses of a step on the pieces of the flat array, their gradients, and the values that it reports.
 *
 * @param share The factor of what is not of a task, `[]`. Default: none.
 */
function firstHalf(plan: Plan, factors: boolean, share?: Value): {
  readonly flat: Value;
  readonly reported: Readonly<Record<string, Values>>;
  readonly gradients: Gradients;
  readonly moves: Value | undefined;
} {
  const { layout, spec: { tasks } } = plan;
  const { flat, pieces } = piecesOf(layout);
  const { logits, auxiliary, moves, dropped } = plan.training;
  const placed = onPieces({ logits, auxiliary, moves, dropped }, plan, pieces);
  const shared = (value: Value) => share === undefined ? value : mul(value, share);
  const others = mapEntries(placed.auxiliary, (_, loss) => shared(loss));
  const { byTask, weights, weighted, total } = losses(
    tasks,
    { logits: placed.logits, auxiliary: others },
    factors ? mapEntries(tasks, (task) => scalar(`factor/${task}`)) : undefined,
  );
  const read = new Set(inOrder(leaves({ logits: placed.logits, auxiliary: placed.auxiliary })));
  const looked = plan.lookups.filter(({ value }) => read.has(value));
  const wrt = [...layout.pieces.map(({ name }) => pieces[name]), ...looked.map(({ value }) => value)];
  const known = new Map<Value, readonly Value[]>();
  const all = (loss: Value) => {
    const found = known.get(loss) ?? gradientsOf(loss, wrt);
    known.set(loss, found);
    return found;
  };
  const of = (loss: Value) => all(loss).slice(0, layout.pieces.length);
  return {
    flat,
    reported: {
      loss: byTask,
      auxiliary: placed.auxiliary,
      dropped: placed.dropped,
      ...(factors && { weight: weights }),
    },
    gradients: {
      tasks: weighted,
      others: Object.values(others),
      total,
      of,
      flat: (loss) => flattened(of(loss)),
      vectors: (loss) => {
        const [read, found] = [new Set(inOrder([loss])), all(loss).slice(layout.pieces.length)];
        return Object.fromEntries(
          looked.flatMap(({ name, value }, at) => read.has(value) ? [[name, found[at]] as const] : []),
        );
      },
    },
    moves: movesOf(mapEntries(placed.moves, (_, move) => shared(move)), layout),
  };
}

/** Returns the moves of parameters as one value, `[size]`; undefined if there are none. */
function movesOf(moves: Readonly<Record<string, Value>>, layout: Layout): Value | undefined {
  const extents = new Map(layout.extents.map((extent) => [extent.path, extent]));
  const padded = Object.entries(moves).map(([path, move]) => {
    const { start, size } = extents.get(path)!;
    return pad(move, start, layout.size - start - size); // [size of the layout]
  });
  return padded.length === 0 ? undefined : padded.reduce((sum, move) => add(sum, move));
}
