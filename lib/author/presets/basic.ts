import { optionsOf } from "../../errors/kinds.ts";
import { softmax } from "../gates.ts";
import { binary, product } from "../heads.ts";
import type { Net } from "../net.ts";
import { forEvery, type IdsPreset, type MixturePreset, overIds, type Preset, recordOf } from "./preset.ts";
import { bank, type Input, level, mix, type Table } from "../table.ts";

/**
 * A model for each task, side by side: every task has an expert of its own, and nothing is shared.
 *
 * @throws {TypeError} if an option is unknown.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense, singleTask } from "@gatehouse/gatehouse";
 * import { parametersOf } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define(singleTask({ input: 4, expert: dense(3), tasks: { click: binary(), like: binary() } }));
 * assertEquals(parametersOf(spec)[0].path, "levels/0/experts/click/0/0/kernel");
 * ```
 */
export function singleTask<const Tasks extends string>(preset: Preset<Tasks>): Table<Tasks> {
  const action = "define single-task model";
  const { input, embed, expert, tasks } = optionsOf(action, preset, ["input", "embed", "expert", "tasks"]);
  const experts = forEvery(tasks, () => bank(1, expert));
  const gates = forEvery(tasks, (task) => mix(task));
  return overIds(action, embed, { input, levels: [level(experts, gates)], tasks });
}

/**
 * One expert for all tasks, the shared bottom: `y_k = h_k(f(x))` (Caruana 1997; Ma et al. 2018, eq. 1).
 *
 * @throws {TypeError} if an option is unknown.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense, sharedBottom } from "@gatehouse/gatehouse";
 *
 * const { levels } = define(sharedBottom({ input: 4, expert: dense(3), tasks: { click: binary(), like: binary() } }));
 * assertEquals(levels[0].experts.shared.count, 1);
 * assertEquals(levels[0].gates.shared.gate, null);
 * ```
 */
export function sharedBottom<const Tasks extends string>(preset: Preset<Tasks>): Table<Tasks> {
  const action = "define shared-bottom model";
  const { input, embed, expert, tasks } = optionsOf(action, preset, ["input", "embed", "expert", "tasks"]);
  const levels = [level({ shared: bank(1, expert) }, { shared: mix("shared") })];
  return overIds(action, embed, { input, levels, tasks });
}

/**
 * A mixture of experts with one gate for all tasks: `y_k = h_k(sum_i g(x)_i f_i(x))` (Ma et al. 2018, eq. 5).
 *
 * @throws {TypeError} if an option is unknown.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense, omoe } from "@gatehouse/gatehouse";
 *
 * const spec = define(omoe({ input: 4, expert: dense(3), tasks: { click: binary(), like: binary() } }));
 * assertEquals(spec.levels[0].experts.shared.count, 8);
 * assertEquals(Object.keys(spec.levels[0].gates), ["shared"]);
 * assertEquals([spec.tasks.click.reads, spec.tasks.like.reads], ["shared", "shared"]);
 * ```
 */
export function omoe<const Tasks extends string>(preset: MixturePreset<Tasks>): Table<Tasks> {
  const action = "define OMoE model";
  const { input, embed, expert, experts = 8, gate = softmax, tasks } = optionsOf(action, preset, [
    "input",
    "embed",
    "expert",
    "experts",
    "gate",
    "tasks",
  ]);
  const levels = [level({ shared: bank(experts, expert) }, { shared: mix("shared", gate) })];
  return overIds(action, embed, { input, levels, tasks });
}

/**
 * A mixture of experts with a gate for each task: `y_k = h_k(sum_i g^k(x)_i f_i(x))` (Ma et al. 2018, eqs 6 and 7).
 *
 * @throws {TypeError} if an option is unknown.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense, mmoe } from "@gatehouse/gatehouse";
 *
 * const spec = define(mmoe({ input: 4, expert: dense(3), tasks: { click: binary(), like: binary() } }));
 * assertEquals(spec.levels[0].experts.shared.count, 8);
 * assertEquals(Object.keys(spec.levels[0].gates), ["click", "like"]);
 * assertEquals([spec.tasks.click.reads, spec.tasks.like.reads], ["click", "like"]);
 * ```
 */
export function mmoe<const Tasks extends string>(preset: MixturePreset<Tasks>): Table<Tasks> {
  const action = "define MMoE model";
  const { input, embed, expert, experts = 8, gate = softmax, tasks } = optionsOf(action, preset, [
    "input",
    "embed",
    "expert",
    "experts",
    "gate",
    "tasks",
  ]);
  const gates = forEvery(tasks, () => mix("shared", gate));
  return overIds(action, embed, { input, levels: [level({ shared: bank(experts, expert) }, gates)], tasks });
}

/** The parts of {@linkcode l2Constrained}. */
export interface L2Preset<Tasks extends string> extends Preset<Tasks> {
  /** The weight of the squared distance between two tasks' parameters in the loss, at least 0. Default 1e-3. */
  readonly near?: number;
}

/**
 * Single-task models whose experts are held near each other: to the losses of the tasks comes
 * `near ||theta_a - theta_b|| ** 2` for every two tasks, over all parameters of their experts (Duong et al. 2015, of
 * two parsers; the baseline L2-Constrained of Ma et al. 2018).
 *
 * ```text
 * level 0: experts   click: 1     like: 1, near click     share: 1, near click and like     all read the input
 *          gates     click: mix click (weight 1)          like: mix like                    share: mix share
 * ```
 *
 * Parameters: `tasks e` below the towers, with `e` those of an expert. With `near: 0` it is {@linkcode singleTask}; the
 * larger it is, the more like {@linkcode sharedBottom}. Each distance is reported as a loss of its own,
 * `levels/0/experts/like/near/click`.
 *
 * @throws {TypeError} if an option is unknown.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense, l2Constrained } from "@gatehouse/gatehouse";
 *
 * const spec = define(l2Constrained({ input: 4, expert: dense(3), tasks: { click: binary(), like: binary() } }));
 * assertEquals(spec.levels[0].experts.like.near, { click: 1e-3 });
 * ```
 */
export function l2Constrained<const Tasks extends string>(preset: L2Preset<Tasks>): Table<Tasks> {
  const action = "define L2-constrained model";
  const { input, embed, expert, near = 1e-3, tasks } = optionsOf(action, preset, [
    "input",
    "embed",
    "expert",
    "near",
    "tasks",
  ]);
  const names = Object.keys(tasks ?? {});
  const experts = recordOf(names, (_, at) => {
    const before = recordOf(near === 0 ? [] : names.slice(0, at), () => near);
    return bank(1, expert, Object.keys(before).length === 0 ? {} : { near: before });
  });
  return overIds(action, embed, { input, levels: [level(experts, recordOf(names, (task) => mix(task)))], tasks });
}

/** The parts of {@linkcode esmm}. */
export interface EsmmPreset extends IdsPreset {
  /** A width, or fitted features. */
  readonly input: Input;
  /** The net whose result both towers read, the shared embedding of the paper. */
  readonly expert: Net;
  /** The tower of each of the two probabilities. */
  readonly tower: Net;
}

/**
 * The entire space multi-task model: the probability of a click, `ctr`, of a conversion after a click, `cvr`, and of
 * both, `ctcvr = ctr cvr` (Ma et al. 2018, ESMM, eq. 1). The losses are those of `ctr` and `ctcvr` over all rows that
 * were shown, so `cvr` is learnt where nobody clicked too, without a loss of its own.
 *
 * Labels are `ctr` (was clicked) and `ctcvr` (was clicked and converted). Those of `cvr`, if given, are for evaluation
 * alone, over the rows that were clicked. Other names, gates or longer chains of events are three lines of a table:
 * `{ click: binary(tower), order: binary(tower, { weight: 0, only: "click" }), both: product(["click", "order"]) }`.
 *
 * @throws {TypeError} if an option is unknown.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { define, dense, esmm } from "@gatehouse/gatehouse";
 *
 * const { tasks } = define(esmm({ input: 4, expert: dense(3), tower: dense(2) }));
 * assertEquals(tasks.ctcvr.of, ["ctr", "cvr"]);
 * assertEquals([tasks.ctr.weight, tasks.cvr.weight, tasks.ctcvr.weight], [1, 0, 1]);
 * ```
 */
export function esmm(preset: EsmmPreset): Table<"ctr" | "cvr" | "ctcvr"> {
  const { input, embed, expert, tower } = optionsOf("define ESMM model", preset, ["input", "embed", "expert", "tower"]);
  const tasks = {
    ctr: binary(tower),
    cvr: binary(tower, { weight: 0, only: "ctr" }),
    ctcvr: product(["ctr", "cvr"]),
  };
  return sharedBottom({ input, embed, expert, tasks });
}
