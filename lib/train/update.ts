import { flatName, type Layout, piecesOf } from "../graph/layout.ts";
import { add, concat, div, greater, max, mul, neg, select, slice, sqrt, sub, sum } from "../ops/functions.ts";
import type { Shape } from "../ops/shape.ts";
import { apply } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import type { Optimiser } from "../optimisers/optimiser.ts";
import { averageName } from "./averages.ts";
import { type ByPath, type Part, partitioned, type Parts } from "./parts.ts";

/** An update of parameters after a step. */
export interface Update {
  /** The norm of the whole gradient, before clipping, `[]`. */
  readonly norm: Value;
  /** The sum of the new parameters, `[]`: not finite if one of them is not. */
  readonly moved: Value;
  /** The new flat array and optimiser's slots, by their names on the engine. */
  readonly updates: Readonly<Record<string, Value>>;
}

/** The parts of an update beside its gradient. */
interface UpdateOptions {
  /** Numbers to add to the parameters besides, `[size]`. Default: none. */
  readonly moves?: Value;
  /** The flat array. Default: the one on the engine. */
  readonly flat?: Value;
  /** The norm of the gradient of vectors that are looked up, `[]`, which counts as part of the whole. Default: none. */
  readonly vectors?: Value;
  /** The decay of averages of the parameters, which stay on the engine. Default: none are taken. */
  readonly average?: number;
  /** The optimisers of parts of the parameters, by the beginning of their paths. Default: all follow the one. */
  readonly parts?: ByPath<Optimiser>;
}

/**
 * Returns the second half of a training step: the update of the parameters and the optimiser's slots by a gradient. The
 * learning rate and the optimiser's scalars are inputs, those of a part as `parts/<its name>/<scalar>`.
 *
 * @param gradient The gradient with respect to the flat array, `[size]`.
 */
export function updateOf(
  layout: Layout,
  optimiser: Optimiser,
  gradient: Value,
  { moves, flat = piecesOf(layout).flat, vectors, average, parts: others = {} }: UpdateOptions = {},
): Update {
  const { norm, clipped } = clip(gradient, optimiser.clipNorm, vectors);
  const parts = partitioned(layout, optimiser, others);
  const whole = Object.fromEntries(parts.slotNames.map((name) => [name, array(slotName(name), [layout.size])]));
  const after = new Map(
    parts.all.map((part) => [part, followed(part, parts, { flat, gradient: clipped, slots: whole })]),
  );
  const joined = (of: (one: Followed, part: Part) => Value) =>
    parts.joined(new Map([...after].map(([part, one]) => [part, of(one, part)])));
  const descended = joined(({ descended }) => descended);
  const moved = moves === undefined ? descended : add(descended, moves);
  const updates = parts.slotNames.map((name) => {
    return [slotName(name), joined(({ slots }, part) => slots[name] ?? parts.taken(whole[name], part))] as const;
  });
  if (average !== undefined) {
    const before = array(averageName, [layout.size]);
    updates.push([averageName, add(before, mul(sub(moved, before), 1 - average))]);
  }
  return { norm, moved: sum(moved, { axes: [0] }), updates: { [flatName]: moved, ...Object.fromEntries(updates) } };
}

/** The parameters of a part after a step, and the slots of their optimiser. */
interface Followed {
  readonly descended: Value;
  readonly slots: Readonly<Record<string, Value>>;
}

/** Returns the parameters of a part after they have followed their optimiser. */
function followed(
  part: Part,
  { taken }: Parts,
  whole: { readonly flat: Value; readonly gradient: Value; readonly slots: Readonly<Record<string, Value>> },
): Followed {
  const { optimiser, name } = part;
  const scalars = Object.fromEntries(
    ["rate", ...Object.keys(optimiser.scalars(1, 1))].map((own) => [own, scalar(scalarName(name, own))]),
  );
  const before = Object.fromEntries(Object.keys(optimiser.slots).map((own) => [own, taken(whole.slots[own], part)]));
  const { change, slots } = optimiser.update(taken(whole.gradient, part), before, scalars);
  return { descended: sub(decayed(taken(whole.flat, part), part, scalars.rate), change), slots };
}

/** Returns the name of a scalar of the optimiser of a part, as an input; that of all others has the scalar's own name. */
export function scalarName(part: string | undefined, name: string): string {
  return part === undefined ? name : `parts/${part}/${name}`;
}

/** Returns the name of an optimiser's slot on an engine. */
export function slotName(name: string): string {
  return `optimiser/${name}`;
}

/** Returns an array that stays on the engine between runs. */
export function array(name: string, shape: Shape): Value {
  return apply("parameter", [], { name, shape, init: { kind: "constant", value: 0 } });
}

/** Returns an input of one number. */
export function scalar(name: string): Value {
  return apply("input", [], { name, shape: [], type: "float" });
}

/**
 * Returns the norm of a gradient, and the gradient scaled down if its norm is larger than the limit.
 *
 * @param vectors The norm of another part of the same gradient, `[]`.
 */
function clip(
  gradient: Value,
  limit: number | undefined,
  vectors?: Value,
): { readonly norm: Value; readonly clipped: Value } {
  if (limit === undefined) return { norm: length(gradient, vectors), clipped: gradient };
  const [top, bottom] = [max(gradient), max(neg(gradient))];
  const inside = select(greater(top, bottom), top, bottom);
  const largest = vectors === undefined ? inside : select(greater(vectors, inside), vectors, inside);
  const unit = select(greater(largest, 0), largest, 1);
  const scaled = div(gradient, unit); // in [-1, 1]: its squares do not overflow
  const size = length(scaled, vectors && div(vectors, unit));
  const norm = mul(size, unit);
  return { norm, clipped: mul(scaled, select(greater(norm, limit), div(limit, size), unit)) };
}

/** Returns the Euclidean norm of a gradient `[size]`, and of another part of it, whose norm is known. */
function length(gradient: Value, vectors?: Value): Value {
  const squares = sum(mul(gradient, gradient), { axes: [0] });
  return sqrt(vectors === undefined ? squares : add(squares, mul(vectors, vectors)));
}

/** Returns the parameters of a part, `[size]`, the matrices among them shrunk. */
function decayed(flat: Value, { optimiser: { weightDecay }, size, matrices: count }: Part, rate: Value): Value {
  if (weightDecay === 0 || count === 0) return flat;
  const matrices = mul(slice(flat, 0, count), sub(1, mul(rate, weightDecay)));
  const others = size - count;
  return others === 0 ? matrices : concat([matrices, slice(flat, count, others)], 0);
}
