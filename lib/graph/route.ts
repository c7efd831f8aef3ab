import { apply, ops } from "../ops/table.ts";
import { broadcast, concat, constant, mul, multiHot, reshape, slice, sum } from "../ops/functions.ts";
import { sameShape, sizeOf } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import type { Fused } from "./fuse.ts";
import type { Rules } from "./rules.ts";
import { type Stack, stackOf, stackValue, take } from "./stack.ts";
import { grouped, type Mixture, mixtureOf, type Users, usersOf } from "./users.ts";
import { leaves, type Values } from "./values.ts";
import { inOrder, merged, rewritten } from "./walk.ts";

/**
 * Sparse experts: where all that mix like experts weigh only the k largest, `topMask` in front of the weights, each row
 * is sent to those k and the others are not computed for it. Rows for which a bank has no room are sent too, and weigh
 * nothing. Gates over the same experts send their rows together.
 *
 * The numbers are the same up to rounding. Experts are alike if they are made of products with a matrix of their own,
 * vectors of their own, and ops that run along their units; others stay as they were, as do those that gates mix with
 * different others: the shared ones of `cgc` and `ple`. Fuse and differentiate after.
 *
 * @param values Values whose parameters are named by their paths.
 * @param least Where experts are left as they are; see {@linkcode Rules.routeFrom}.
 * @param known The stacks that may be used, as found when the model's layout was made. Default: any.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, binary, define, dense, level, mix, route, topK, trace } from "@gatehouse/gatehouse";
 *
 * const shared = bank(8, dense(3));
 * const levels = [level({ shared }, { click: mix("shared", topK(2)) })];
 * const { logits } = trace(define({ input: 4, levels, tasks: { click: binary() } }), true);
 * const stacks = (ratio: number) => route(logits, { ratio, saved: 0 }).stacks.map(({ name }) => name);
 * assertEquals(stacks(4), ["levels/0/experts/shared/0/0/kernel x 8", "levels/0/experts/shared/0/0/bias x 8"]);
 * assertEquals(stacks(5), []);
 * ```
 */
export function route<V extends Values>(
  values: V,
  least: Rules["routeFrom"],
  known?: readonly Stack[],
): Fused<V> {
  const once = merged(values);
  const order = inOrder(leaves(once));
  const users = usersOf(order);
  const ends = new Set(leaves(once));
  const claimed = new Map<string, Stack>();
  const others = new Map<Value, Value>();
  for (const mixtures of grouped(order.flatMap((value) => mixtureOf(value) ?? []), ({ experts }) => [experts])) {
    const sparse = mixtures.flatMap((found) => chosenBy(found) ?? []);
    const experts = expertsOf(mixtures[0].experts, users, ends);
    if (sparse.length < mixtures.length || experts === undefined) continue;
    const sent = sparse.reduce((total, { k }) => total + k, 0);
    if (experts.length < least.ratio * sent) continue;
    const recipe = alike(experts);
    if (recipe === undefined || recipe.size * (experts.length / sent - 1) < least.saved) continue;
    if (!take(recipe.stacks, claimed, known)) continue;
    for (const group of grouped(sparse, ({ k }) => [k])) {
      mixed(recipe, experts.length, group).forEach((value, at) => others.set(group[at].value, value));
    }
  }
  const routed = others.size === 0 ? undefined : rewritten(once, others);
  return routed === undefined ? { values, stacks: [] } : { values: routed, stacks: [...new Set(claimed.values())] };
}

/** A mixture that weighs only the experts whose logits are among the k largest. */
interface Sparse extends Mixture {
  readonly k: number;
  /** What the experts are chosen by, `[batch, experts]`. */
  readonly logits: Value;
}

function chosenBy(found: Mixture): Sparse | undefined {
  const mask = maskOf(found.weights);
  return mask && { ...found, k: mask.attrs.k as number, logits: mask.of[0] };
}

/** The mask outside which weights are 0. */
function maskOf(weights: Value): Value | undefined {
  const { op, of, shape } = weights;
  if (op === "topMask") return weights;
  const within = (value: Value) => sameShape(value.shape, shape) ? maskOf(value) : undefined;
  for (const positions of ops[op].zeros ?? []) {
    const [mask, ...others] = positions.map((position) => within(of[position]));
    if (mask !== undefined && others.every((other) => other === mask)) return mask;
  }
  return undefined;
}

/** The values that a mixture has side by side, if nothing else uses them: else all are computed anyway. */
function expertsOf(stacked: Value, users: Users, ends: ReadonlySet<Value>): readonly Value[] | undefined {
  const [joined] = stacked.of;
  if (stacked.op !== "reshape" || joined.op !== "concat" || joined.attrs.axis !== 1) return undefined;
  const only = (value: Value, user: Value) =>
    !ends.has(value) && (users.get(value) ?? []).every((use) => use.value === user);
  const mixing = (users.get(stacked) ?? []).every(({ value }) =>
    (users.get(value) ?? []).every(({ value }) => mixtureOf(value)?.experts === stacked)
  );
  const own = mixing && !ends.has(stacked) && only(joined, stacked) && joined.of.every((value) => only(value, joined));
  const parts = new Set(joined.of).size === joined.of.length && joined.of.length === stacked.shape[1];
  return own && parts ? joined.of : undefined;
}

/** How an expert is computed, its parameters those of all experts. */
interface Recipe {
  readonly steps: readonly Step[];
  readonly stacks: readonly Stack[];
  /** The number of elements of an expert's matrices. */
  readonly size: number;
}

/** A value of every expert. */
type Step =
  | { readonly kind: "same"; readonly value: Value }
  | { readonly kind: "stack"; readonly stack: Stack }
  | { readonly kind: "own"; readonly value: Value; readonly of: readonly number[] };

/** What experts compute, if it is the same with other parameters; the last step is their result. */
function alike(experts: readonly Value[]): Recipe | undefined {
  const orders = experts.map((expert) => inOrder([expert]));
  const places = orders.map((order) => new Map(order.map((value, at) => [value, at])));
  if (orders.some(({ length }) => length !== orders[0].length)) return undefined;
  const steps: Step[] = [];
  for (const [at, first] of orders[0].entries()) {
    const column = orders.map((order) => order[at]);
    const step = column.every((value) => value === first)
      ? { kind: "same", value: first } as const
      : stepOf(column, places, steps);
    if (step === undefined) return undefined;
    steps.push(step);
  }
  const stacks = steps.flatMap((step) => step.kind === "stack" ? [step.stack] : []);
  const size = stacks.reduce((total, { member }) => total + (member.length === 2 ? sizeOf(member) : 0), 0);
  return steps[steps.length - 1].kind === "own" && size > 0 ? { steps, stacks, size } : undefined;
}

function stepOf(
  column: readonly Value[],
  places: readonly ReadonlyMap<Value, number>[],
  steps: readonly Step[],
): Step | undefined {
  const [first] = column;
  if (column.some(({ op, shape }) => op !== first.op || !sameShape(shape, first.shape))) return undefined;
  if (first.op === "parameter") {
    const stack = stackOf(column, "depth");
    return stack.member.length === 1 || stack.member.length === 2 ? { kind: "stack", stack } : undefined;
  }
  const of = first.of.map((argument) => places[0].get(argument)!);
  const same = column.every((value, expert) =>
    JSON.stringify(value.attrs) === JSON.stringify(first.attrs) &&
    value.of.every((argument, position) => places[expert].get(argument) === of[position])
  );
  const fits = first.op === "matmul" ? isProduct(of.map((at) => steps[at])) : runsAlongUnits(first, steps, of);
  return same && fits ? { kind: "own", value: first, of } : undefined;
}

/** Whether rows are multiplied with a matrix of each expert. One-hot columns are not sent: their rows are gathered. */
function isProduct([left, right]: readonly Step[]): boolean {
  if (right.kind !== "stack" || right.stack.member.length !== 2 || left.kind === "stack") return false;
  const { value } = left;
  const parts = value.op === "concat" ? value.of : [value];
  return isRows(value) && parts.every(({ op }) => op !== "multiHot");
}

function runsAlongUnits(value: Value, steps: readonly Step[], of: readonly number[]): boolean {
  const { inPlace, along } = ops[value.op];
  return inPlace && isRows(value) && along(value).every((axis) => axis === 1) && of.every((at) => {
    const step = steps[at];
    if (step.kind === "stack") return step.stack.member.length === 1;
    return isRows(step.value) || step.value.shape.every((dim) => dim !== "batch") && step.value.shape.length < 2;
  });
}

function isRows({ shape }: Value): boolean {
  return shape.length === 2 && shape[0] === "batch" && shape[1] !== "batch";
}

/** What mixtures of the same experts are, with only the chosen ones computed: `[batch, units]` each. */
function mixed(recipe: Recipe, experts: number, mixtures: readonly Sparse[]): readonly Value[] {
  const [gates, k] = [mixtures.length, mixtures[0].k];
  const codes = apply("topPlaces", mixtures.map(({ logits }) => logits), { k }); // [batch, gates k]
  const outputs = computed(recipe, experts, codes); // [batch, gates k, units]
  const units = outputs.shape[2] as number;
  const marks = reshape(multiHot(codes, Array(gates * k).fill(experts)), ["batch", gates, k, experts]);
  const weights = reshape(concat(mixtures.map(({ weights }) => weights)), ["batch", gates, 1, experts]);
  const chosen = reshape(sum(mul(marks, weights), { axes: [3] }), ["batch", gates, k, 1]);
  const sums = sum(mul(reshape(outputs, ["batch", gates, k, units]), chosen), { axes: [2] }); // [batch, gates, units]
  return mixtures.map((_, gate) => reshape(slice(sums, gate, 1, 1), ["batch", units]));
}

/** The results of the experts that codes name, `[batch, k]` to `[batch, k, units]`. */
function computed({ steps }: Recipe, experts: number, codes: Value): Value {
  const ones = broadcast(constant(1), ["batch", 1]);
  const values: Value[] = [];
  const argument = (at: number): Value => {
    const step = steps[at];
    if (step.kind === "own") return values[at];
    if (step.kind === "same") {
      return isRows(step.value) ? reshape(step.value, ["batch", 1, step.value.shape[1]]) : step.value;
    }
    return apply("routed", [ones, reshape(stackValue(step.stack), [experts, 1, step.stack.member[0]]), codes]);
  };
  steps.forEach((step, at) => {
    if (step.kind !== "own") return;
    const { value: { op, attrs }, of } = step;
    if (op === "matmul") {
      const [left, right] = of.map((at) => steps[at]);
      const rows = left.kind === "same" ? left.value : values[of[0]];
      values[at] = apply("routed", [rows, stackValue((right as Step & { kind: "stack" }).stack), codes]);
    } else {
      values[at] = apply(op, of.map(argument), ops[op].kind === "reduction" ? { ...attrs, axes: [2] } : attrs);
    }
  });
  return values[steps.length - 1];
}
