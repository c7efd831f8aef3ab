import { relu } from "../../ops/functions.ts";
import { checkNumbers, optionsOf } from "../../errors/kinds.ts";
import { fixed } from "../gates.ts";
import { inits } from "../inits.ts";
import type { Net } from "../net.ts";
import { dense, pipe } from "../nets.ts";
import { overIds, type Preset, recordOf } from "./preset.ts";
import { bank, level, mix, type Table } from "../table.ts";

/** The parts of {@linkcode tensorFactorisation}. */
export interface FactorPreset<Tasks extends string> extends Omit<Preset<Tasks>, "expert"> {
  /** The width of the layer whose matrices are factorised. */
  readonly units: number;
  /** The ranks over the input, the units and the tasks. Default: `units`, `units` and the number of tasks. */
  readonly ranks?: readonly [input: number, units: number, tasks: number];
  /** The net after the layer. Default `relu`. */
  readonly activation?: Net;
}

/**
 * Tensor factorisation: the matrices of one layer of all tasks are a tensor `[width, units, tasks]` in Tucker form, so
 * that tasks share factors: `W_k = sum_r3 U3[k, r3] U1 S_r3 U2` (Yang and Hospedales 2017; the baseline
 * Tensor-Factorization of Ma et al. 2018).
 *
 * ```text
 * level 0: experts   shared: 1, U1 [width, r1]              reads the input
 *          gates     shared: mix shared (weight 1)
 * level 1: experts   shared: r3, S [r1, r2] each            reads shared
 *          gates     click: mix shared, by a row of U3      like: mix shared, by another
 * level 2: experts   click: 1, U2 [r2, units]               like: the same, tied to click
 *          gates     click: mix click (weight 1)            like: mix like
 * ```
 *
 * Parameters: `width r1 + r1 r2 r3 + tasks r3 + r2 units` below the towers, all of them trained from random numbers.
 * The layer has no bias. With the third rank 1 (and no number for each task) all tasks share one layer, as in
 * `sharedBottom`; with full ranks any matrices can be had, as in `singleTask`.
 *
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if the units or a rank are not a whole number of at least 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, tensorFactorisation } from "@gatehouse/gatehouse";
 * import { parametersOf } from "@gatehouse/gatehouse/graph";
 *
 * const tasks = { click: binary(), like: binary(), share: binary() };
 * const parameters = parametersOf(define(tensorFactorisation({ input: 9, units: 4, ranks: [6, 5, 2], tasks })));
 * assertEquals(parameters.slice(0, 7).map(({ shape }) => shape), [[9, 6], [6, 5], [6, 5], [2], [2], [2], [5, 4]]);
 * ```
 */
export function tensorFactorisation<const Tasks extends string>(preset: FactorPreset<Tasks>): Table<Tasks> {
  const action = "define tensor-factorisation model";
  const { input, embed, units, ranks, activation = relu, tasks } = optionsOf(action, preset, [
    "input",
    "embed",
    "units",
    "ranks",
    "activation",
    "tasks",
  ]);
  const names = Object.keys(tasks ?? {});
  if (ranks !== undefined) checkNumbers(action, "ranks", ranks);
  const [first, second, third] = ranks ?? [units, units, Math.max(names.length, 1)];
  const up = pipe(dense(units, { bias: false }), activation);
  const row = fixed({ softmax: false, init: inits.normal(1 / Math.sqrt(third)) });
  const levels = [
    level({ shared: bank(1, dense(first, { bias: false })) }, { shared: mix("shared") }),
    level({ shared: bank(third, dense(second, { bias: false })) }, recordOf(names, () => mix("shared", row))),
    level(
      recordOf(names, (_, at) => bank(1, up, at === 0 ? {} : { ties: names[0] })),
      recordOf(names, (task) => mix(task)),
    ),
  ];
  return overIds(action, embed, { input, levels, tasks });
}
