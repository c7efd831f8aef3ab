import { inOrder } from "../graph/walk.ts";
import type { Piece } from "../graph/layout.ts";
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
  const { spec, training, parameters } = plan;
  const { byTask } = losses(spec.tasks, training);
  const reached = (Object.keys(spec.tasks) as Tasks[]).map((task) => [task, parametersBehind(byTask[task])] as const);
  return Object.fromEntries(parameters.map(({ path }) => {
    return [path, reached.filter(([, paths]) => paths.has(path)).map(([task]) => task)];
  }));
}

/** A piece of the flat array, and the tasks that depend on it. */
export interface SharedPiece extends Piece {
  /** The tasks whose losses depend on some of it. */
  readonly tasks: readonly string[];
  /** Its parameters: of several tasks each (`shared`), of one task at most (`own`), or of both kinds. */
  readonly holds: "shared" | "own" | "both";
  /** 1 where a parameter is shared and 0 elsewhere, of a shape that broadcasts to the piece's. */
  readonly mask: { readonly shape: readonly number[]; readonly data: readonly number[] };
}

/** Returns the pieces of a layout, in its order, each with the tasks that depend on it and a mask of what is shared. */
export function sharedPieces(plan: Plan): SharedPiece[] {
  const { layout, spec } = plan;
  const byPath = new Map(Object.entries(tasksOf(plan)));
  return layout.pieces.map((piece) => {
    const stack = layout.stacks.find(({ name }) => name === piece.name);
    const served = (stack?.paths ?? [piece.name]).map((path) => byPath.get(path) ?? []);
    const tasks = Object.keys(spec.tasks).filter((task) => served.some((names) => names.includes(task)));
    const members = served.map((names) => Number(names.length > 1));
    const holds = members.every((number) => number === 1) ? "shared" : members.includes(1) ? "both" : "own";
    const mask = stack?.arranged === "side"
      ? { shape: [1, piece.shape[1]], data: members.flatMap((number) => Array(stack.member[1]).fill(number)) }
      : { shape: [members.length, ...piece.shape.slice(1).map(() => 1)], data: members };
    return { ...piece, tasks, holds, mask };
  });
}

/** Returns the paths of the parameters to which a value's gradient flows. */
function parametersBehind(value: Value): Set<string> {
  const reached = inOrder([value], ({ op, of }) => ops[op].gradient === undefined ? [] : of);
  return new Set(reached.flatMap(({ op, attrs }) => op === "parameter" ? [attrs.name as string] : []));
}
