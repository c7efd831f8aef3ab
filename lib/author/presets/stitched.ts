import { kindOf, optionsOf } from "../../errors/kinds.ts";
import { inits } from "../inits.ts";
import { hardConcrete } from "../hard_concrete.ts";
import { fixed } from "../gates.ts";
import { type Gate, type Net, widthOf } from "../net.ts";
import { dense } from "../nets.ts";
import { forEvery, type LevelsPreset, netsOf, numbered, overIds, recordOf } from "./preset.ts";
import { bank, level, mix, type Table } from "../table.ts";

/** The parts of {@linkcode crossStitch}. */
export interface CrossStitchPreset<Tasks extends string> extends LevelsPreset<Tasks> {
  /** The first weight of each task's expert for the task itself. Default 0.9; the others share what is left of 1. */
  readonly same?: number;
}

/**
 * Cross-stitch networks: one expert for each task and level; after each level every task's stream is a linear
 * combination of all of them, by a learned matrix that does not depend on the input and is not normalised (Misra et al.
 * 2016, eq. 1, `x'_A = a_AA x_A + a_AB x_B`).
 *
 * ```text
 * level 0: experts   click: 1     like: 1                                   all read the input
 *          gates     click: mix click + like, by a row of the matrix        like: mix click + like, by another
 * level 1: the same, each expert over the stream of its own name
 * ```
 *
 * Parameters: of each level `tasks e + tasks ** 2`, with `e` those of an expert over the width that it reads. One
 * number for each pair of tasks; the paper has also one for each channel. It begins at 0.9 for the task's own expert,
 * the best that the paper tries. With the identity as matrix it is `singleTask`.
 *
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if the number of levels is not a whole number of at least 1, or is not that of the nets, or
 * `same` is not a finite number.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, crossStitch, define, dense } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const tasks = { click: binary(), like: binary(), share: binary() };
 * const parameters = initialise(define(crossStitch({ input: 4, expert: dense(3), tasks, same: 0.5 })), 7);
 * assertEquals(parameters["levels/1/gates/like/0/weights"].data, Float32Array.of(0.25, 0.5, 0.25));
 * ```
 */
export function crossStitch<const Tasks extends string>(preset: CrossStitchPreset<Tasks>): Table<Tasks> {
  const action = "define cross-stitch model";
  const { input, embed, expert, levels: depth, same = 0.9, tasks } = optionsOf(action, preset, [
    "input",
    "embed",
    "expert",
    "levels",
    "same",
    "tasks",
  ]);
  if (!Number.isFinite(same)) {
    throw new RangeError(`Cannot ${action}: same must be a finite number, found ${kindOf(same)}`);
  }
  const names = Object.keys(tasks ?? {});
  const row = (at: number) => names.map((_, other) => other === at ? same : (1 - same) / (names.length - 1));
  const levels = netsOf(action, expert, depth).map((net) =>
    level(
      forEvery(tasks, () => bank(1, net)),
      recordOf(names, (_, at) => mix(names, fixed({ softmax: false, init: inits.values(row(at)) }))),
    )
  );
  return overIds(action, embed, { input, levels, tasks });
}

/** The parts of {@linkcode snr}. */
export interface SnrPreset<Tasks extends string> extends LevelsPreset<Tasks> {
  /** The number of sub-networks of each level. Default 2. */
  readonly experts?: number;
  /** The kind of the ways: each with a matrix of its own (`transform`, SNR-Trans), or as they are (`average`). */
  readonly ways?: "transform" | "average";
  /** The gate that opens and closes ways. Default {@linkcode hardConcrete} without its penalty. */
  readonly gate?: Gate;
}

/**
 * Sub-network routing: every sub-network of a level, and every task above the last, reads what ways from all
 * sub-networks below bring; gates that do not depend on the input open and close the ways (Ma et al. 2019:
 * `v_i = sum_j z_ij W_ij u_j` of SNR-Trans, `v_i = sum_j z_ij u_j` of SNR-Aver).
 *
 * ```text
 * level 0: experts   0: 1     1: 1     ...      the sub-networks, all read the input
 *          gates     0: mix 0 (weight 1)        1: mix 1        ...
 * level 1: experts   0 to click: 1 (reads 0)    1 to click: 1 (reads 1)    0 to like ...      matrices, SNR-Trans alone
 *          gates     click: mix 0 to click + 1 to click, by hard concrete numbers       like: ...
 * ```
 *
 * With `ways: "average"` level 0 mixes by those numbers itself. Between two levels of sub-networks, `0`, `1`, ... stand
 * in the place of the tasks.
 *
 * Parameters: of each level `experts e`, and of its ways `experts targets (units ** 2 + 1)`, or `experts targets` where
 * they transform nothing; the targets are the sub-networks above, at last the tasks. The paper's L0 penalty on the
 * number of open ways is a loss of each gate: `gate: hardConcrete({ penalty: 1e-4 })`. With all ways open and nothing
 * transformed, it is {@linkcode crossStitch} with ones as matrix.
 *
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if a number of levels or experts is not a whole number in its range, or `ways` is an unknown
 * word.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense, snr } from "@gatehouse/gatehouse";
 *
 * const base = { input: 4, expert: dense(3), levels: 1, tasks: { click: binary(), like: binary() } };
 * assertEquals(define(snr({ ...base, ways: "average" })).levels.length, 1);
 * const { levels } = define(snr(base));
 * assertEquals(levels[1].gates.click.mix, ["0 to click", "1 to click"]);
 * ```
 */
export function snr<const Tasks extends string>(preset: SnrPreset<Tasks>): Table<Tasks> {
  const action = "define SNR model";
  const { input, embed, expert, levels: depth, experts: count = 2, ways = "transform", gate = hardConcrete(), tasks } =
    optionsOf(action, preset, ["input", "embed", "expert", "levels", "experts", "ways", "gate", "tasks"]);
  if (ways !== "transform" && ways !== "average") {
    throw new RangeError(`Cannot ${action}: ways must be "transform" or "average", found ${kindOf(ways)}`);
  }
  const names = numbered(action, "experts", count);
  const nets = netsOf(action, expert, depth);
  const levels = nets.flatMap((net, at) => {
    const targets = at === nets.length - 1 ? Object.keys(tasks ?? {}) : names;
    const experts = recordOf(names, () => bank(1, net));
    if (ways === "average") return [level(experts, recordOf(targets, () => mix(names, gate)))];
    const way = (target: string) => (name: string) => `${name} to ${target}`;
    const matrices = targets.flatMap((target) =>
      names.map((name) => [way(target)(name), bank(1, square, { reads: name })] as const)
    );
    return [
      level(experts, recordOf(names, (name) => mix(name))),
      level(Object.fromEntries(matrices), recordOf(targets, (target) => mix(names.map(way(target)), gate))),
    ];
  });
  return overIds(action, embed, { input, levels, tasks });
}

/** A net that multiplies by a matrix and keeps the width. */
const square: Net = (x) => dense(widthOf(x), { bias: false })(x);
