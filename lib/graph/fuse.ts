import { checkValues } from "./values.ts";
import type { Value } from "../ops/value.ts";
import { familiesOf, type Family } from "./families.ts";
import { profitable } from "./profit.ts";
import type { Stack } from "./stack.ts";
import type { Values } from "./values.ts";
import { merged, rewritten } from "./walk.ts";
import { wholesOf } from "./wholes.ts";

/** The values of a model with its like parts fused, and the stacks that they need. */
export interface Fused<V extends Values> {
  /** The same values, made of fused ones. */
  readonly values: V;
  /** The stacks of parameters, each the name of a parameter in the fused values. */
  readonly stacks: readonly Stack[];
}

/**
 * Returns values with their like parts fused: horizontal fusion. Products of one value with several parameters become
 * one wide product, and what follows alike in each of them (biases, activations, further layers, softmax) follows once;
 * so do the mixtures that several gates make of the same experts, and the towers that read them. The experts of a bank,
 * the gates that read one stream and the towers of one shape become a few large ops in the place of many small ones.
 *
 * The numbers are the same up to rounding. What is not alike in all members stays as it was.
 *
 * @param values Values whose parameters are named by their paths.
 * @param known The stacks that may be used, as found when the model's layout was made. Default: any.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense, mmoe } from "@gatehouse/gatehouse";
 * import { fuse, trace } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define(mmoe({ input: 4, experts: 3, expert: dense(2), tasks: { click: binary(), like: binary() } }));
 * const { stacks } = fuse(trace(spec, true).logits);
 * assertEquals(stacks.map(({ name, member, arranged }) => [name, member, arranged]), [
 *   ["levels/0/experts/shared/0/0/kernel x 3", [4, 2], "side"],
 *   ["levels/0/experts/shared/0/0/bias x 3", [2], "depth"],
 *   ["levels/0/gates/click/0/kernel x 2", [4, 3], "side"],
 *   ["tasks/click/head/0/kernel x 2", [2, 1], "depth"],
 *   ["tasks/click/head/0/bias x 2", [1], "depth"],
 * ]);
 * ```
 */
export function fuse<V extends Values>(values: V, known?: readonly Stack[]): Fused<V> {
  checkValues("fuse values", values);
  const { values: once, order } = merged(values);
  const families = profitable(familiesOf(order, known), order);
  const fused = rewritten(once, wholesOf(families, order)); // undefined where families need one another
  return fused === undefined ? { values, stacks: [] } : { values: fused, stacks: stacksOf(families, order) };
}

/** The stacks of families, in the order in which values need them. */
function stacksOf(families: readonly Family[], order: readonly Value[]): Stack[] {
  const family = new Map(families.flatMap((family) => family.members.map((value) => [value, family] as const)));
  const needed = new Set(order.flatMap((value) => family.get(value) ?? []));
  const stacks = [...needed].flatMap(({ of }) =>
    of.flatMap((source) => source.kind === "parameters" ? [source.stack] : [])
  );
  return [...new Map(stacks.map((stack) => [stack.name, stack])).values()];
}
