import { checkRecord } from "../errors/kinds.ts";
import { apply, ops } from "../ops/table.ts";
import { concat, mul, multiHot, reshape, slice, sum } from "../ops/functions.ts";
import { sameShape } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import type { Fused } from "./fuse.ts";
import { computed, type Recipe, recipeOf } from "./recipe.ts";
import type { Rules } from "./rules.ts";
import { type Stack, take } from "./stack.ts";
import { grouped, type Mixture, mixtureOf, type Users, usersOf } from "./users.ts";
import { checkValues, leaves, type Values } from "./values.ts";
import { inOrder, merged, rewritten } from "./walk.ts";

/**
 * Returns values in which rows are sent to the experts that their gates choose, and the others are not computed for
 * them: sparse experts. Where all that mix like experts weigh only the k largest, `topMask` in front of the weights,
 * each row goes to those k. Rows for which a bank has no room are sent too, and weigh nothing. Gates over the same
 * experts send their rows together.
 *
 * The numbers are the same up to rounding. Experts are alike if they are made of products with a matrix of their own,
 * vectors of their own, and ops that run along their units; others stay as they were, as do those that gates mix with
 * different others: the shared ones of `cgc` and `ple`. Fuse and differentiate after.
 *
 * @param values Values whose parameters are named by their paths.
 * @param least The least profit for which experts are routed; see {@linkcode Rules.routeFrom}.
 * @param known The stacks that may be used, as found when the model's layout was made. Default: any.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, binary, define, dense, level, mix, topK } from "@gatehouse/gatehouse";
 * import { route, trace } from "@gatehouse/gatehouse/graph";
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
  checkValues("route values", values);
  checkRecord("route values", "least", least);
  if (!inOrder(leaves(values)).some(({ op }) => op === "topMask")) return { values, stacks: [] };
  const { values: once, order } = merged(values);
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
    const recipe = recipeOf(experts);
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
  /** The logits that experts are chosen by, `[batch, experts]`. */
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

/** Returns mixtures of the same experts, `[batch, units]` each, with only the chosen experts computed. */
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
