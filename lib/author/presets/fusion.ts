import { add, constant, pad, softmax as softmaxOf } from "../../ops/functions.ts";
import { checkCount, checkText, optionsOf } from "../../errors/kinds.ts";
import { softmax } from "../gates.ts";
import { inits } from "../inits.ts";
import { type Gate, layer } from "../net.ts";
import { dense } from "../nets.ts";
import { forEvery, type LevelsPreset, netsOf, numbered, overIds, recordOf, untaken, vectorsOf } from "./preset.ts";
import { type Bank, bank, level, mix, type Table } from "../table.ts";

/** The parts of {@linkcode multiLevelMmoe}. */
export interface MultiLevelPreset<Tasks extends string> extends LevelsPreset<Tasks> {
  /** The number of experts of each level. Default 8. */
  readonly experts?: number;
  /** The gate. Default `softmax`. */
  readonly gate?: Gate;
  /** The stream that all gates read. Default `shared` over vectors of ids, else `input`. */
  readonly reads?: string;
}

/**
 * MMoE over MMoE: every expert of an upper level has a gate of its own that mixes the experts below it; in the last
 * level every task has one. All gates read the input, or another stream by the option `reads` (a baseline of Tang et al. 2020 and of Li et al. 2023, whose
 * published code this follows: the papers have no equations of it).
 *
 * ```text
 * level 0: experts   shared: experts                               all read the input
 *          gates     0: mix shared   1: mix shared   ...           one for each expert above
 * level 1: experts   0 (reads 0)     1 (reads 1)     ...
 *          gates     click: mix 0 + 1 + ...     like: mix 0 + 1 + ...      by softmax of the input
 * ```
 *
 * Parameters: of each level `experts e` with `e` those of an expert over the width that it reads, and
 * `input experts ** 2` of its gates, in the last level `input experts tasks`. Of one level it is `mmoe`.
 *
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if a number of levels or experts is not a whole number in its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense, mmoe, multiLevelMmoe } from "@gatehouse/gatehouse";
 *
 * const base = { input: 4, expert: dense(3), experts: 2, tasks: { click: binary(), like: binary() } };
 * const { levels } = define(multiLevelMmoe({ ...base, levels: 2 }));
 * assertEquals(Object.keys(levels[0].gates), ["0", "1"]);
 * assertEquals(levels[1].gates.click, { ...levels[1].gates.click, reads: "input", mix: ["0", "1"] });
 * assertEquals(define(multiLevelMmoe({ ...base, levels: 1 })), define(mmoe(base)));
 * ```
 */
export function multiLevelMmoe<const Tasks extends string>(preset: MultiLevelPreset<Tasks>): Table<Tasks> {
  const action = "define multi-level MMoE model";
  const { input, expert, levels: depth, experts: count = 8, gate = softmax, tasks, ...rest } = optionsOf(
    action,
    preset,
    ["input", "embed", "expert", "levels", "experts", "gate", "reads", "tasks"],
  );
  const ids = vectorsOf(action, input, rest.embed);
  const { reads = ids === undefined ? "input" : "shared" } = rest;
  checkText(action, "reads", reads);
  const nets = netsOf(action, expert, depth);
  const names = nets.length === 1 ? [] : numbered(action, "experts", count);
  const levels = nets.map((net, at) => {
    const experts = at === 0 ? { shared: bank(count, net) } : recordOf(names, () => bank(1, net));
    const one = mix(at === 0 ? "shared" : names, gate, { reads });
    return level(experts, at === nets.length - 1 ? forEvery(tasks, () => one) : recordOf(names, () => one));
  });
  return overIds(action, ids ?? "none", { input, levels, tasks });
}

/** The parts of {@linkcode adatt}. */
export interface AdattPreset<Tasks extends string> extends LevelsPreset<Tasks> {
  /** The number of experts that each task has to itself. Default 1. */
  readonly own?: number;
  /** The number of experts that belong to no task. Default 0: AdaTT-sp of the paper; with more, the general AdaTT. */
  readonly shared?: number;
}

/**
 * Adaptive task-to-task fusion: in every level, each task mixes the experts of all tasks by a softmax of its own
 * stream, and adds a learned linear combination of its own experts (Li et al. 2023: `AllExpertGF` and
 * `NativeExpertLF`).
 *
 * ```text
 * level 0: experts   click: own     like: own     (shared: shared)          all read the input
 *          gates     click: mix click + like + shared, by softmax + v on click
 *                    like:  mix click + like + shared, by softmax + v on like
 *                    (shared: mix click + like + shared, by softmax + v on shared)   not in the last level
 * level 1: the same, each bank and each gate over the stream of its own name
 * ```
 *
 * Weights do not sum to 1: `softmax(x W)` and the residual `v [own]`, of the shared stream `v [shared]`, which is not a
 * function of the input. Where every bank has one expert, it is added as it is (`v = 1`, without a parameter). As soon as
 * one has another number, `v` is learned in all streams, and begins uniform in ±1 / sqrt(own), as in the published code
 * (AdaTT, mtl_lib.py); the paper adds a single expert as it is in any case. Logits have no bias here; in that code they
 * have one.
 *
 * Parameters: of each level `n e + streams width n + tasks own` with `n = tasks own + shared` experts of `e` parameters,
 * and `streams` the tasks; in all levels but the last `shared` is a stream too, with `shared` more. Those of residuals,
 * `own` and `shared`, are left out where both are 1. Without the residual, one level is `mmoe`.
 *
 * @throws {TypeError} if an option is unknown, or a task is named `shared`.
 * @throws {RangeError} if a number of levels or experts is not a whole number in its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { adatt, binary, compile, define, dense, reference, rows } from "@gatehouse/gatehouse";
 *
 * const spec = define(adatt({ input: 2, expert: dense(3), levels: 1, tasks: { click: binary(), like: binary() } }));
 * const model = await compile(spec, { engine: reference() });
 * const { gates } = await model.inspect(rows([[0, 0]]));
 * assertEquals([gates["0/click"], gates["0/like"]], [Float32Array.of(1.5, 0.5), Float32Array.of(0.5, 1.5)]);
 * model.dispose();
 * ```
 */
export function adatt<const Tasks extends string>(preset: AdattPreset<Tasks>): Table<Tasks> {
  const action = "define AdaTT model";
  const { input, embed, expert, levels: depth, own = 1, shared = 0, tasks } = optionsOf(action, preset, [
    "input",
    "embed",
    "expert",
    "levels",
    "own",
    "shared",
    "tasks",
  ]);
  untaken(action, tasks, "shared");
  for (const [name, count] of Object.entries({ own, shared })) checkCount(action, name, count);
  const nets = netsOf(action, expert, depth);
  const banks = [...Object.keys(tasks ?? {}), ...(shared === 0 ? [] : ["shared"])];
  const learned = own !== 1 || shared > 1;
  const fused = (stream: string, at: number) => {
    return mix(banks, fusion({ start: at * own, count: stream === "shared" ? shared : own, learned }));
  };
  const levels = nets.map((net, at) => {
    const experts: Record<string, Bank> = recordOf(banks, (name) => bank(name === "shared" ? shared : own, net));
    const streams = banks.filter((name) => name !== "shared" || at < nets.length - 1);
    return level(experts, recordOf(streams, fused));
  });
  return overIds(action, embed, { input, levels, tasks });
}

/** Softmax over all experts, and a number more, learned or 1, on each of `count` experts from position `start` on. */
function fusion({ start, count, learned }: {
  readonly start: number;
  readonly count: number;
  readonly learned: boolean;
}): Gate {
  return (x, experts) => {
    const all = softmaxOf(dense(experts, { bias: false })(x));
    const numbers = layer((parameter) => parameter("residual", [count], inits.uniform(1 / Math.sqrt(count))));
    const residual = learned ? numbers(x) : constant(Array(count).fill(1)); // [count]
    return add(all, pad(residual, start, experts - start - count));
  };
}
