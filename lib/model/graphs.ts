import { type Graph, graphOf } from "../graph/graph.ts";
import { gradients } from "../graph/differentiate.ts";
import { optimise } from "../graph/optimise.ts";
import { fuse } from "../graph/fuse.ts";
import { gathered } from "../graph/gather.ts";
import { routed } from "../graph/route.ts";
import { cautious, type Rules } from "../graph/rules.ts";
import { flatName, type Layout, layoutOf, packed, unpacked } from "../graph/layout.ts";
import { parametersOf } from "../trace/parameters.ts";
import { trace } from "../trace/trace.ts";
import {
  add,
  concat,
  div,
  greater,
  max,
  mul,
  neg,
  pad,
  reshape,
  select,
  slice,
  sqrt,
  sub,
  sum,
} from "../ops/functions.ts";
import { apply } from "../ops/table.ts";
import { sizeOf } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import type { Spec } from "../spec/spec.ts";
import { auxiliaryPrefix, losses } from "../trace/losses.ts";
import type { Optimiser } from "../optimisers/optimiser.ts";

/**
 * A training step as one graph: a batch, the learning rate and the optimiser's scalars in; losses out; parameters and
 * the optimiser's slots replaced.
 *
 * Inputs: those of the model, `labels/<task>`, `weights/<task>`, `groups/<task>` of rankings within groups, `rate` and
 * the optimiser's scalars. Outputs: `loss/<task>`, `auxiliary/<path>` of gates and banks that have losses,
 * `dropped/<level>/<stream>` of gates over banks with a capacity, `loss` (the sum of all, those of tasks weighted), `norm`
 * (of the whole gradient, before clipping) and `moved` (the sum of the parameters after the step, which is not finite if
 * one of them is not: then an engine replaces nothing).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, layout, momentum, trainingStep } from "@gatehouse/gatehouse";
 *
 * const spec = define({ input: 4, tasks: { click: binary(), like: binary() } });
 * const { outputs, updates } = trainingStep(spec, layout(spec), momentum(0.1));
 * assertEquals(Object.keys(outputs), ["loss/click", "loss/like", "loss", "norm", "moved"]);
 * assertEquals(Object.keys(updates), ["parameters", "optimiser/velocity"]);
 * ```
 */
export function trainingStep(spec: Spec, layout: Layout, optimiser: Optimiser, rules: Rules = cautious): Graph {
  const { flat, pieces } = unpacked(layout);
  const traced = onPieces(trained(spec, true), layout, rules, pieces);
  const { byTask, auxiliary, total } = losses(spec.tasks, traced);
  const reported = { ...prefixed("loss/", byTask), ...auxiliary, ...beginning(droppedPrefix, traced) };
  const gradient = flatGradient(total, layout, pieces);
  const { norm, moved, updates } = descended(gradient, flat, layout, optimiser, movesOf(traced, layout));
  return optimise(graphOf({ ...reported, loss: total, norm, moved }, updates));
}

/** The gradient of a loss with respect to all parameters, as one flat array. */
export function flatGradient(loss: Value, layout: Layout, pieces: Readonly<Record<string, Value>>): Value {
  return concat(gradients(loss, layout.pieces.map(({ name }) => pieces[name])).map(flattened), 0);
}

/** The elements of an array one after the other. */
export function flattened(value: Value): Value {
  return reshape(value, [sizeOf(value.shape)]);
}

/** The moves among what was traced as one value for the whole flat array, undefined if there are none. */
export function movesOf(traced: Readonly<Record<string, Value>>, layout: Layout): Value | undefined {
  const places = new Map(layout.places.map((place) => [place.path, place]));
  const found = Object.entries(traced).filter(([name]) => name.startsWith(movesPrefix)).map(([name, move]) => {
    const { start, size } = places.get(name.slice(movesPrefix.length))!;
    return pad(move, start, layout.size - start - size);
  });
  return found.length === 0 ? undefined : found.reduce((sum, move) => add(sum, move));
}

const movesPrefix = "moves/";

/**
 * What a gradient makes of the parameters and the optimiser's slots, its norm, and the sum of the new parameters.
 *
 * @param moves What is added to parameters beside.
 */
export function descended(
  gradient: Value,
  flat: Value,
  layout: Layout,
  optimiser: Optimiser,
  moves?: Value,
): Descended {
  const { norm, clipped } = clip(gradient, optimiser.clipNorm);
  const slots = Object.fromEntries(Object.keys(optimiser.slots).map((name) => [name, slot(name, layout.size)]));
  const scalars = Object.fromEntries(
    ["rate", ...Object.keys(optimiser.scalars(1, 1))].map((name) => [name, scalar(name)]),
  );
  const { change, slots: next } = optimiser.update(clipped, slots, scalars);
  const descended = sub(decayed(flat, layout, scalars.rate, optimiser.weightDecay), change);
  const moved = moves === undefined ? descended : add(descended, moves);
  const updates = Object.entries(next).map(([name, value]) => [slotName(name), value] as const);
  return { norm, moved: sum(moved, { axes: [0] }), updates: { [flatName]: moved, ...Object.fromEntries(updates) } };
}

interface Descended {
  readonly norm: Value;
  readonly moved: Value;
  readonly updates: Readonly<Record<string, Value>>;
}

/**
 * What a model computes from a batch: predictions by task and, if asked for, gate weights as `gates/<level>/<stream>`.
 * Its parameters have their paths as names: it is what other programs are given.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { define, forward, reference, regression } from "@gatehouse/gatehouse";
 *
 * const graph = forward(define({ input: 2, tasks: { y: regression() } }));
 * const engine = reference();
 * const store = engine.store({
 *   "tasks/y/head/0/kernel": { shape: [2, 1], data: Float32Array.of(10, 100) },
 *   "tasks/y/head/0/bias": { shape: [1], data: Float32Array.of(7) },
 * });
 * const { y } = await engine.load(graph, store).run({ input: { shape: [1, 2], data: Float32Array.of(3, 4) } });
 * assertEquals([...y.data], [437]);
 * store.dispose();
 * ```
 */
export function forward(spec: Spec, gates = false): Graph {
  return optimise(graphOf(results(spec, gates)));
}

/**
 * As {@linkcode forward}, with the parameters in one flat array.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { define, layout, prediction, reference, regression } from "@gatehouse/gatehouse";
 *
 * const spec = define({ input: 2, tasks: { y: regression() } });
 * const engine = reference();
 * const store = engine.store({ parameters: { shape: [3], data: Float32Array.of(10, 100, 7) } });
 * const program = engine.load(prediction(spec, layout(spec)), store);
 * const { y } = await program.run({ input: { shape: [1, 2], data: Float32Array.of(3, 4) } });
 * assertEquals([...y.data], [437]);
 * store.dispose();
 * ```
 */
export function prediction(spec: Spec, layout: Layout, gates = false, rules: Rules = cautious): Graph {
  return optimise(graphOf(onPieces(results(spec, gates), layout, rules)));
}

/**
 * Predictions as `<task>`, losses as `loss/<task>`, what these are means over as `weight/<task>` and logits
 * `[batch, units]` as `logits/<task>`, in evaluation.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { define, evaluation, layout, reference, regression } from "@gatehouse/gatehouse";
 *
 * const spec = define({ input: 1, tasks: { y: regression() } });
 * const engine = reference();
 * const store = engine.store({ parameters: { shape: [2], data: Float32Array.of(1, 0) } }); // y = 1 x + 0
 * const found = await engine.load(evaluation(spec, layout(spec)), store).run({
 *   input: { shape: [2, 1], data: Float32Array.of(3, 5) },
 *   "labels/y": { shape: [2], data: Float32Array.of(1, 5) },
 *   "weights/y": { shape: [2], data: Float32Array.of(1, 1) },
 * });
 * assertEquals([[...found.y.data], [...found["loss/y"].data]], [[3, 5], [2]]);
 * store.dispose();
 * ```
 */
export function evaluation(spec: Spec, layout: Layout, rules: Rules = cautious): Graph {
  const { predictions, logits } = trace(spec, false);
  const { byTask, auxiliary, weights } = losses(spec.tasks, trained(spec, false));
  const outputs = {
    ...predictions,
    ...prefixed("loss/", byTask),
    ...auxiliary,
    ...prefixed("weight/", weights),
    ...prefixed("logits/", logits),
  };
  return optimise(graphOf(onPieces(outputs, layout, rules)));
}

/**
 * The layout of a model, with like parameters together so that its graphs are fused, as an engine's rules say; or each
 * on its own.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense, layout, mmoe } from "@gatehouse/gatehouse";
 *
 * const spec = define(mmoe({ input: 4, experts: 3, expert: dense(2), tasks: { click: binary(), like: binary() } }));
 * assertEquals(layout(spec).pieces.length < layout(spec, false).pieces.length, true);
 * assertEquals([layout(spec).size, layout(spec, false).size], [60, 60]);
 * ```
 */
export function layout(spec: Spec, fused = true, rules: Rules = cautious): Layout {
  if (!fused) return layoutOf(parametersOf(spec));
  const sparse = routed(trained(spec, true), rules.routeFrom);
  return layoutOf(parametersOf(spec), [...sparse.stacks, ...fuse(sparse.values).stacks]);
}

/**
 * Logits by task, the losses of gates and banks as `auxiliary/<path>` and, in training, moves as `moves/<parameter>` and
 * what is dropped as `dropped/<level>/<stream>`.
 */
export function trained(spec: Spec, training: boolean): Record<string, Value> {
  const { logits, auxiliary, moves, dropped } = trace(spec, training);
  const further = training ? { ...prefixed(movesPrefix, moves), ...prefixed(droppedPrefix, dropped) } : {};
  return { ...logits, ...prefixed(auxiliaryPrefix, auxiliary), ...further };
}

/** What the names of dropped shares begin with, which no task's does. */
export const droppedPrefix = "dropped/";

/** What of some values has names that begin alike. */
export function beginning<T>(prefix: string, values: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => name.startsWith(prefix)));
}

/** Values on the pieces of the flat array, fused as its layout allows and rewritten as the engine's rules say. */
export function onPieces<Names extends string>(
  values: Readonly<Record<Names, Value>>,
  layout: Layout,
  rules: Rules,
  pieces: Readonly<Record<string, Value>> = unpacked(layout).pieces,
): Record<Names, Value> {
  const { stacks } = layout;
  if (stacks.length === 0) return gathered(packed(values, layout, pieces), rules.gatherFrom);
  const fused = fuse(routed(values, rules.routeFrom, stacks).values, stacks);
  return gathered(packed(fused.values, layout, pieces), rules.gatherFrom);
}

/** What the experts of each bank compute, side by side, `[batch, experts * units]`, as `experts/<level>/<bank>`. */
export function expertOutputs(spec: Spec, layout: Layout, rules: Rules = cautious): Graph {
  const { experts } = trace(spec, false);
  const outputs = Object.fromEntries(
    Object.entries(experts).map(([bank, values]) => [`experts/${bank}`, concat(values)]),
  );
  return optimise(graphOf(onPieces(outputs, layout, rules)));
}

function results(spec: Spec, gates: boolean): Record<string, Value> {
  const { predictions, gates: weights } = trace(spec, false);
  return gates ? { ...predictions, ...prefixed("gates/", weights) } : { ...predictions };
}

/** The name of an optimiser's slot on an engine. */
export function slotName(name: string): string {
  return `optimiser/${name}`;
}

/** The norm of a gradient, and the gradient scaled down where its norm is larger than the limit. */
function clip(gradient: Value, limit: number | undefined): { readonly norm: Value; readonly clipped: Value } {
  if (limit === undefined) return { norm: length(gradient), clipped: gradient };
  const [top, bottom] = [max(gradient), max(neg(gradient))];
  const largest = select(greater(top, bottom), top, bottom);
  const unit = select(greater(largest, 0), largest, 1);
  const scaled = div(gradient, unit); // in [-1, 1]: its squares do not overflow
  const norm = mul(length(scaled), unit);
  return { norm, clipped: mul(scaled, select(greater(norm, limit), div(limit, length(scaled)), unit)) };
}

function length(gradient: Value): Value {
  return sqrt(sum(mul(gradient, gradient), { axes: [0] }));
}

/** The parameters, the matrices among them shrunk. */
function decayed(flat: Value, layout: Layout, rate: Value, decay: number): Value {
  if (decay === 0 || layout.matrices === 0) return flat;
  const matrices = mul(slice(flat, 0, layout.matrices), sub(1, mul(rate, decay)));
  const others = layout.size - layout.matrices;
  return others === 0 ? matrices : concat([matrices, slice(flat, layout.matrices, others)], 0);
}

function slot(name: string, size: number): Value {
  return apply("parameter", [], { name: slotName(name), shape: [size], init: { kind: "constant", value: 0 } });
}

/** An input of one number. */
export function scalar(name: string): Value {
  return apply("input", [], { name, shape: [], type: "float" });
}

/** Values with the same prefix before their names. */
export function prefixed(prefix: string, values: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [prefix + name, value]));
}
