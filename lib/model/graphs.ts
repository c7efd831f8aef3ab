import { fuse } from "../graph/fuse.ts";
import { gather } from "../graph/gather.ts";
import { type Graph, graphOf } from "../graph/graph.ts";
import { pack, piecesOf } from "../graph/layout.ts";
import { optimise } from "../graph/optimise.ts";
import { route } from "../graph/route.ts";
import { mixtureOf } from "../graph/users.ts";
import type { Values } from "../graph/values.ts";
import { rewritten } from "../graph/walk.ts";
import { concat, matmul, reshape } from "../ops/functions.ts";
import { apply } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import { mapEntries } from "../trace/entries.ts";
import { losses } from "../trace/losses.ts";
import { checkPlan, type Plan } from "../trace/plan.ts";
import type { Traced } from "../trace/trace.ts";

/**
 * Returns the forward graph of a model, from a batch to predictions by task and, if asked for, gate weights as
 * `gates/<level>/<stream>`. Its parameters have their paths as names, as in exports. Where codes
 * have at least 32 places on average, they gather rows of tables: a run costs the same however many words there are.
 *
 * @param gates True if gate weights are outputs too. Default false.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { define, reference, regression } from "@gatehouse/gatehouse";
 * import { forward, plan } from "@gatehouse/gatehouse/graph";
 *
 * const graph = forward(plan(define({ input: 2, tasks: { y: regression() } })));
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
export function forward(plan: Plan, gates = false): Graph {
  checkPlan("write graph", plan);
  return optimise(graphOf(gather(predicted(plan.exported, gates), 32)));
}

/**
 * Returns the graph of {@linkcode forward} for a format: mixtures are products there.
 *
 * @param gatherFrom The places of a code, on average, from which programs that read the format gather rows faster than they
 * multiply one-hot columns.
 */
export function exported(plan: Plan, gates: boolean, gatherFrom: number): Graph {
  return optimise(graphOf(gather(asProducts(predicted(plan.exported, gates)), gatherFrom)));
}

/**
 * Returns the graph of {@linkcode forward} with the parameters in one flat array, computed as the plan's engine does.
 *
 * @param gates True if gate weights are outputs too. Default false.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { define, reference, regression } from "@gatehouse/gatehouse";
 * import { plan, prediction } from "@gatehouse/gatehouse/graph";
 *
 * const engine = reference();
 * const store = engine.store({ parameters: { shape: [3], data: Float32Array.of(10, 100, 7) } });
 * const program = engine.load(prediction(plan(define({ input: 2, tasks: { y: regression() } }))), store);
 * const { y } = await program.run({ input: { shape: [1, 2], data: Float32Array.of(3, 4) } });
 * assertEquals([...y.data], [437]);
 * store.dispose();
 * ```
 */
export function prediction(plan: Plan, gates = false): Graph {
  checkPlan("write graph", plan);
  return optimise(graphOf(onPieces(predicted(plan.evaluation, gates), plan)));
}

/**
 * Returns the graph of an evaluation: predictions as `<task>`, losses as `loss/<task>` and those of gates and banks as
 * `auxiliary/<path>`, the weights that losses of tasks are means over as `weight/<task>`, and logits `[batch, units]` as
 * `logits/<task>`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { define, reference, regression } from "@gatehouse/gatehouse";
 * import { evaluation, plan } from "@gatehouse/gatehouse/graph";
 *
 * const engine = reference();
 * const store = engine.store({ parameters: { shape: [2], data: Float32Array.of(1, 0) } }); // y = 1 x + 0
 * const graph = evaluation(plan(define({ input: 1, tasks: { y: regression() } })));
 * const outputs = await engine.load(graph, store).run({
 *   input: { shape: [2, 1], data: Float32Array.of(3, 5) },
 *   "labels/y": { shape: [2], data: Float32Array.of(1, 5) },
 *   "weights/y": { shape: [2], data: Float32Array.of(1, 1) },
 * });
 * assertEquals([[...outputs.y.data], [...outputs["loss/y"].data]], [[3, 5], [2]]);
 * store.dispose();
 * ```
 */
export function evaluation(plan: Plan): Graph {
  checkPlan("write graph", plan);
  const { predictions, logits } = plan.evaluation;
  const { byTask, auxiliary, weights } = losses(plan.spec.tasks, plan.evaluation);
  return optimise(graphOf(onPieces({ "": predictions, loss: byTask, auxiliary, weight: weights, logits }, plan)));
}

/** Returns the graph of expert outputs, side by side, `[batch, experts * units]`, as `experts/<level>/<bank>`. */
export function expertOutputs(plan: Plan): Graph {
  const experts = mapEntries(plan.evaluation.experts, (_, values) => concat(values));
  return optimise(graphOf(onPieces({ experts }, plan)));
}

/** Returns values on the pieces of the flat array, fused as the layout allows and rewritten as the engine's rules say. */
export function onPieces<V extends Values>(
  values: V,
  { layout, rules }: Pick<Plan, "layout" | "rules">,
  pieces: Readonly<Record<string, Value>> = piecesOf(layout).pieces,
): V {
  const { stacks } = layout;
  if (stacks.length === 0) return gather(pack(values, layout, pieces), rules.gatherFrom);
  const fused = fuse(route(values, rules.routeFrom, stacks).values, stacks);
  return gather(pack(fused.values, layout, pieces), rules.gatherFrom);
}

/** Returns values in which mixtures are products: other programs stretch weights and sum over experts slowly. */
function asProducts(values: Values): Values {
  return rewritten(values, ({ op, attrs }, of) => {
    const mixture = op === "sum" ? mixtureOf(apply(op, of, attrs)) : undefined;
    if (mixture === undefined) return undefined;
    const { experts, weights, value } = mixture;
    const [rows, count] = weights.shape;
    return reshape(matmul(reshape(weights, [rows, 1, count]), experts), value.shape);
  });
}

function predicted({ predictions, gates }: Traced, withGates: boolean): Values {
  return withGates ? { "": predictions, gates } : { "": predictions };
}
