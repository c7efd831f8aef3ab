import { gradients } from "../graph/differentiate.ts";
import { type Graph, graphOf } from "../graph/graph.ts";
import { optimise } from "../graph/optimise.ts";
import { type Layout, unpacked } from "../graph/layout.ts";
import { cautious, type Rules } from "../graph/rules.ts";
import { trace } from "../trace/trace.ts";
import { add, concat, constant, matmul, mul, reshape, slice, sub, transpose } from "../ops/functions.ts";
import { apply } from "../ops/table.ts";
import { sizeOf } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import type { Spec } from "../spec/spec.ts";
import {
  beginning,
  descended,
  droppedPrefix,
  flatGradient,
  flattened,
  movesOf,
  onPieces,
  prefixed,
  scalar,
  trained,
} from "../model/graphs.ts";
import { losses } from "../trace/losses.ts";
import type { Optimiser } from "../optimisers/optimiser.ts";
import { type SharedPiece, sharedPieces } from "../trace/sharing.ts";

/**
 * A training step whose losses are weighed anew in each: as `trainingStep`, with the inputs `factor/<task>`, by which
 * the losses are multiplied beside their static weights, and the outputs `weight/<task>`, 0 where no row is labelled.
 */
export function weightedStep(spec: Spec, layout: Layout, optimiser: Optimiser, rules: Rules = cautious): Graph {
  const { flat, pieces } = unpacked(layout);
  const { reported, weighted, others, moves } = weightedLosses(spec, layout, rules, pieces);
  const total = [...weighted, ...others].reduce((sum, loss) => add(sum, loss));
  const gradient = flatGradient(total, layout, pieces);
  const { norm, moved, updates } = descended(gradient, flat, layout, optimiser, moves);
  return optimise(graphOf({ ...reported, loss: total, norm, moved }, updates));
}

/**
 * The arrays that a gradient step leaves on the engine for its second half, and their shapes; none if nothing is
 * shared.
 */
export function gradientArrays(spec: Spec, layout: Layout): Readonly<Record<string, readonly number[]>> {
  const { shared, own } = partsOf(sharedPieces(layout, spec));
  if (shared.length === 0) return {};
  return {
    [sharedName]: [Object.keys(spec.tasks).length, lengthOf(shared)],
    ...(own.length > 0 && { [ownName]: [lengthOf(own)] }),
    ...(hasAuxiliary(spec) && { [othersName]: [layout.size] }),
    ...(hasMoves(spec) && { [movesName]: [layout.size] }),
  };
}

/**
 * The first half of a step whose gradients are weighed: the gradient of each task's loss with respect to the shared
 * parameters stays on the engine, one row a task, and so does the sum of the tasks' gradients for all others, and the
 * gradient of the losses of gates and banks, which is not weighed.
 *
 * Inputs and outputs are those of {@linkcode weightedStep}, without what concerns the optimiser; the output `products`
 * `[tasks, tasks]` are the inner products of the rows.
 */
export function gradientStep(spec: Spec, layout: Layout, rules: Rules = cautious): Graph {
  const { pieces } = unpacked(layout);
  const { reported, weighted, others, moves } = weightedLosses(spec, layout, rules, pieces);
  const parts = sharedPieces(layout, spec);
  const { shared, own } = partsOf(parts);
  const tasks = Object.keys(spec.tasks);
  const byTask = weighted.map((loss) => {
    const found = gradients(loss, parts.map(({ name }) => pieces[name]));
    return new Map(parts.map((part, at) => [part, found[at]]));
  });
  const rows = byTask.map((found) => {
    const row = concat(shared.map((part) => flattened(masked(found.get(part)!, part, "shared"))), 0);
    return reshape(row, [1, lengthOf(shared)]);
  });
  const stacked = concat(rows, 0); // [tasks, shared]
  const sums = own.map((part) => {
    const found = byTask.filter((_, task) => part.tasks.includes(tasks[task])).map((gradients) => gradients.get(part)!);
    if (found.length === 0) return apply("broadcast", [constant(0)], { shape: [sizeOf(part.shape)] });
    return flattened(masked(found.reduce((sum, value) => add(sum, value)), part, "own"));
  });
  const unweighed = (losses: readonly Value[]) =>
    flatGradient(losses.reduce((sum, loss) => add(sum, loss)), layout, pieces);
  const outputs = {
    ...reported,
    loss: [...weighted, ...others].reduce((sum, loss) => add(sum, loss)),
    products: matmul(stacked, transpose(stacked)),
  };
  return optimise(graphOf(outputs, {
    [sharedName]: stacked,
    ...(own.length > 0 ? { [ownName]: concat(sums, 0) } : {}),
    ...(moves !== undefined && { [movesName]: moves }),
    ...(others.length > 0 ? { [othersName]: unweighed(others) } : {}),
  }));
}

/**
 * The second half: the input `weights` `[1, tasks]` makes one gradient of the rows, and the parameters and slots follow
 * it and the sums for all others. Outputs: `norm` and `moved`, as of `trainingStep`.
 */
export function combinedStep(spec: Spec, layout: Layout, optimiser: Optimiser): Graph {
  const parts = sharedPieces(layout, spec);
  const { shared, own } = partsOf(parts);
  const tasks = Object.keys(spec.tasks).length;
  const { flat } = unpacked(layout);
  const weights = apply("input", [], { name: "weights", shape: [1, tasks], type: "float" });
  const mixed = reshape(matmul(weights, array(sharedName, [tasks, lengthOf(shared)])), [lengthOf(shared)]);
  const halves = [{ held: shared, whole: mixed }];
  if (own.length > 0) halves.push({ held: own, whole: array(ownName, [lengthOf(own)]) });
  const gradients = parts.map((part) => {
    const found = halves.filter(({ held }) => held.includes(part)).map(({ held, whole }) => {
      return slice(whole, lengthOf(held.slice(0, held.indexOf(part))), sizeOf(part.shape), 0);
    });
    return found.reduce((sum, value) => add(sum, value));
  });
  const weighed = concat(gradients, 0);
  const gradient = hasAuxiliary(spec) ? add(weighed, array(othersName, [layout.size])) : weighed;
  const moves = hasMoves(spec) ? array(movesName, [layout.size]) : undefined;
  const { norm, moved, updates } = descended(gradient, flat, layout, optimiser, moves);
  return optimise(graphOf({ norm, moved }, updates));
}

const sharedName = "weighting/shared";
const ownName = "weighting/own";
const othersName = "weighting/others";
const movesName = "weighting/moves";

/** The losses of a batch as they are; those of tasks times their static weight and factor; those of gates and banks. */
function weightedLosses(
  spec: Spec,
  layout: Layout,
  rules: Rules,
  pieces: Readonly<Record<string, Value>>,
): {
  readonly reported: Readonly<Record<string, Value>>;
  readonly weighted: readonly Value[];
  readonly others: readonly Value[];
  readonly moves: Value | undefined;
} {
  const traced = onPieces(trained(spec, true), layout, rules, pieces);
  const { byTask, auxiliary, weights } = losses(spec.tasks, traced);
  const weighted = Object.entries(spec.tasks).map(([task, { weight }]) =>
    mul(mul(byTask[task], weight), scalar(`factor/${task}`))
  );
  const dropped = beginning(droppedPrefix, traced);
  const reported = { ...prefixed("loss/", byTask), ...auxiliary, ...dropped, ...prefixed("weight/", weights) };
  return { reported, weighted, others: Object.values(auxiliary), moves: movesOf(traced, layout) };
}

/** Whether parameters of gates move by a rule. */
function hasMoves(spec: Spec): boolean {
  return Object.keys(trace(spec, true).moves).length > 0;
}

/** Whether gates or banks have losses. */
function hasAuxiliary(spec: Spec): boolean {
  return Object.keys(trace(spec, true).auxiliary).length > 0;
}

/** The pieces that hold shared parameters, and those that hold others. */
function partsOf(parts: readonly SharedPiece[]): Record<"shared" | "own", SharedPiece[]> {
  return {
    shared: parts.filter(({ holds }) => holds !== "own"),
    own: parts.filter(({ holds }) => holds !== "shared"),
  };
}

function lengthOf(parts: readonly SharedPiece[]): number {
  return parts.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** A gradient, 0 for what is not asked for. */
function masked(gradient: Value, { holds, mask }: SharedPiece, wanted: "shared" | "own"): Value {
  if (holds !== "both") return gradient;
  const ones = constant(mask.data, mask.shape);
  return mul(gradient, wanted === "shared" ? ones : sub(1, ones));
}

function array(name: string, shape: readonly number[]): Value {
  return apply("parameter", [], { name, shape, init: { kind: "constant", value: 0 } });
}
