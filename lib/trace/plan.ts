import { isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { fuse } from "../graph/fuse.ts";
import { type Layout, layoutOf, type Parameter } from "../graph/layout.ts";
import { type Lookup, lookUp } from "../graph/lookups.ts";
import { route } from "../graph/route.ts";
import { cautious, type Rules } from "../graph/rules.ts";
import type { Stack } from "../graph/stack.ts";
import { check } from "../spec/check.ts";
import type { Spec } from "../spec/spec.ts";
import { parametersIn } from "./parameters.ts";
import { trace, type Traced } from "./trace.ts";

/** A spec as it is computed: its values in training and in evaluation. Models, graphs and reports are made of it. */
export interface Plan<Tasks extends string = string> {
  /** The spec, checked. */
  readonly spec: Spec<Tasks>;
  /** The rules of the engine that it is made for. */
  readonly rules: Rules;
  /** True if like experts, gates and towers are computed as one. */
  readonly fuse: boolean;
  /** The values in training. */
  readonly training: Traced;
  /** The values in evaluation and prediction. */
  readonly evaluation: Traced;
  /** The same with the tables that are looked up, as files of a graph hold them. */
  readonly exported: Traced;
  /** The vectors that training and evaluation read as inputs, of tables that are looked up outside of the engine. */
  readonly lookups: readonly Lookup[];
  /** The parameters, in the order of the model. */
  readonly parameters: readonly Parameter[];
  /** Those of them that are tables of vectors which are looked up, and are no part of the flat array. */
  readonly tables: readonly Parameter[];
  /** The parameters that are computed together: of experts that run for chosen rows alone, and of fused entries. */
  readonly stacks: Readonly<Record<"routed" | "fused", readonly Stack[]>>;
  /** Their places in the flat array, like ones together so that they are computed as one. */
  readonly layout: Layout;
}

/** Options of {@linkcode plan}. */
export interface PlanOptions {
  /** The rules of an engine. Default: entries are fused, and nothing else is rewritten. */
  readonly rules?: Rules;
  /** True if like experts, gates and towers are computed as one. Default true. */
  readonly fuse?: boolean;
}

/**
 * Returns the plan of a spec: checked once, traced once for training and once for evaluation.
 *
 * @throws {SpecError} if the spec is malformed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense, mmoe } from "@gatehouse/gatehouse";
 * import { plan } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define(mmoe({ input: 4, experts: 3, expert: dense(2), tasks: { click: binary(), like: binary() } }));
 * const [fused, apart] = [true, false].map((fuse) => plan(spec, { fuse }).layout);
 * assertEquals([fused.size, apart.size], [60, 60]);
 * assertEquals([fused.pieces.length, apart.pieces.length], [5, 12]);
 * ```
 */
export function plan<Tasks extends string>(given: Spec<Tasks>, options: PlanOptions = {}): Plan<Tasks> {
  const { rules = cautious, fuse: isFused = true } = optionsOf("plan model", options, ["rules"], ["fuse"]);
  checkRules(rules);
  const spec = check(given) as Spec<Tasks>;
  const phases = { training: { ...trace(spec, true) }, evaluation: { ...trace(spec, false) } };
  const parameters = parametersIn(spec, [phases.training, phases.evaluation]);
  const { values: { training, evaluation }, lookups } = lookUp(phases);
  const paths = new Set(lookups.flatMap(({ parts }) => parts.map(({ table }) => table)));
  const [tables, others] = [true, false].map((is) => parameters.filter(({ path }) => paths.has(path) === is));
  const stacks = isFused ? stacksOf(training, rules) : { routed: [], fused: [] };
  const layout = layoutOf(others, [...stacks.routed, ...stacks.fused]);
  const values = { training, evaluation, exported: phases.evaluation, lookups };
  return kept({ spec, rules, fuse: isFused, ...values, parameters, tables, stacks, layout });
}

/** Returns the stacks of parameters that training computes together. */
function stacksOf({ logits, auxiliary, moves, dropped }: Traced, rules: Rules): Plan["stacks"] {
  const sparse = route({ logits, auxiliary, moves, dropped }, rules.routeFrom);
  return { routed: sparse.stacks, fused: fuse(sparse.values).stacks };
}

/** The plans that {@linkcode plan} returned: what is made of one trusts its parts. */
const plans = new WeakSet<object>();

function kept<P extends object>(plan: P): P {
  plans.add(plan);
  return plan;
}

/**
 * Makes sure that something is a plan.
 *
 * @throws {TypeError} if {@linkcode plan} did not return it.
 */
export function checkPlan(action: string, found: unknown): void {
  if (typeof found === "object" && found !== null && plans.has(found)) return;
  throw new TypeError(`Cannot ${action}: wanted a plan, as plan() returns it, found ${kindOf(found)}`);
}

/** Makes sure that rules are those of an engine. */
function checkRules(found: unknown): void {
  const limits = isRecord(found) && isRecord(found.routeFrom) ? { ...found.routeFrom, from: found.gatherFrom } : {};
  const { ratio, saved, from } = limits as Record<string, unknown>;
  if ([ratio, saved, from].every((limit) => typeof limit === "number")) return;
  const wanted = "rules must be { gatherFrom, routeFrom: { ratio, saved } }, such as cautious";
  throw new TypeError(`Cannot plan model: ${wanted}, found ${kindOf(found)}`);
}
