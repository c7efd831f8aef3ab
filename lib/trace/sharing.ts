import { inOrder } from "../graph/walk.ts";
import type { Lookup } from "../graph/lookups.ts";
import { ops } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import { losses } from "./losses.ts";
import { checkPlan, type Plan } from "./plan.ts";

/**
 * Returns the tasks whose losses depend on each parameter, by the parameter's path, in the order of the model. A
 * parameter of several tasks is shared. The values of training decide, not names: in MMoE experts are shared and each
 * gate is a task's own, in OMoE the one gate is shared, and in a model of single tasks nothing is.
 *
 * A parameter that reaches losses through `stopGradient` or a comparison alone serves no task.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense, mmoe } from "@gatehouse/gatehouse";
 * import { plan, tasksOf } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define(mmoe({ input: 4, experts: 2, expert: dense(3), tasks: { click: binary(), like: binary() } }));
 * const found = tasksOf(plan(spec));
 * assertEquals(found["levels/0/experts/shared/1/0/kernel"], ["click", "like"]);
 * assertEquals(found["levels/0/gates/like/0/kernel"], ["like"]);
 * ```
 */
export function tasksOf<Tasks extends string>(plan: Plan<Tasks>): Record<string, readonly Tasks[]> {
  checkPlan("find tasks", plan);
  const { spec, training, lookups, parameters } = plan;
  const { byTask } = losses(spec.tasks, training);
  const reached = (Object.keys(spec.tasks) as Tasks[]).map((task) =>
    [task, parametersBehind(byTask[task], lookups)] as const
  );
  return Object.fromEntries(parameters.map(({ path }) => {
    return [path, reached.filter(([, paths]) => paths.has(path)).map(([task]) => task)];
  }));
}

/** Returns the paths of the parameters to which a value's gradient flows, tables that are looked up among them. */
function parametersBehind(value: Value, lookups: readonly Lookup[]): Set<string> {
  const reached = new Set(inOrder([value], ({ op, of }) => ops[op].gradient === undefined ? [] : of));
  const inside = [...reached].flatMap(({ op, attrs }) => op === "parameter" ? [attrs.name as string] : []);
  const tables = lookups.filter(({ value }) => reached.has(value)).flatMap(({ parts }) => parts);
  return new Set([...inside, ...tables.map(({ table }) => table)]);
}
