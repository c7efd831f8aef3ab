import { optionsOf } from "../../errors/kinds.ts";
import { softmax } from "../gates.ts";
import type { Gate } from "../net.ts";
import { type LevelsPreset, netsOf, overIds, type Preset, recordOf, untaken } from "./preset.ts";
import { bank, level, mix, type Table } from "../table.ts";

/** The experts of a level, and its gate. */
export interface ExtractionOptions {
  /** The number of experts that all tasks read. Default 1; with 0, every task has its own alone. */
  readonly shared?: number;
  /** The number of experts that each task has to itself. Default 1; with 0, only the shared ones. */
  readonly own?: number;
  /** The gate. Default `softmax`. */
  readonly gate?: Gate;
}

/** The parts of {@linkcode cgc}. */
export interface CgcPreset<Tasks extends string> extends Preset<Tasks>, ExtractionOptions {}

/** The parts of {@linkcode ple}. */
export interface PlePreset<Tasks extends string> extends LevelsPreset<Tasks>, ExtractionOptions {}

/**
 * Customised gate control: experts of each task's own beside shared ones; a task's gate mixes its own and the shared
 * ones, never another task's (Tang et al. 2020, section 4.1).
 *
 * ```text
 * level 0: experts   click: own     shared: shared    like: own            all read the input
 *          gates     click: mix click + shared        like: mix like + shared
 * ```
 *
 * Parameters: `(shared + tasks own) e + tasks width (own + shared)` below the towers, with `e` those of an expert.
 * Without own experts it is `mmoe`, without shared ones `singleTask` of several experts; it is {@linkcode ple} of one
 * level. The logits have no bias, as in the paper.
 *
 * @throws {TypeError} if an option is unknown, or a task is named `shared`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, cgc, define, dense, mmoe } from "@gatehouse/gatehouse";
 *
 * const base = { input: 4, expert: dense(3), tasks: { click: binary(), like: binary() } };
 * const { levels } = define(cgc({ ...base, shared: 2, own: 1 }));
 * assertEquals(levels[0].gates.click.mix, ["click", "shared"]);
 * assertEquals(define(cgc({ ...base, shared: 8, own: 0 })), define(mmoe(base)));
 * ```
 */
export function cgc<const Tasks extends string>(preset: CgcPreset<Tasks>): Table<Tasks> {
  const action = "define CGC model";
  const options = optionsOf(action, preset, ["input", "embed", "expert", "shared", "own", "gate", "tasks"]);
  return extraction(action, { ...options, levels: 1 });
}

/**
 * Progressive layered extraction: levels of {@linkcode cgc}, in which a stream `shared` beside those of the tasks mixes
 * all experts of its level; each bank and each gate reads the stream of its own name from the level below (Tang et al.
 * 2020, section 4.2).
 *
 * ```text
 * level 0: experts   click: own     shared: shared             like: own     all read the input
 *          gates     click: mix click + shared                 like: mix like + shared
 *                    shared: mix click + like + shared
 * level 1: experts   click (reads click)   shared (reads shared)   like (reads like)
 *          gates     click: mix click + shared, by softmax of click      like: ...     no shared one in the last level
 * ```
 *
 * Parameters: of each level those of {@linkcode cgc} over the width that it reads, and
 * `width (shared + tasks own)` of the shared gate in all levels but the last. Some implementations let every gate read
 * the input; here, as in the paper, they read what is below.
 *
 * @throws {TypeError} if an option is unknown, or a task is named `shared`.
 * @throws {RangeError} if the number of levels is not a whole number of at least 1, or is not that of the nets.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, cgc, define, dense, ple } from "@gatehouse/gatehouse";
 *
 * const base = { input: 4, tasks: { click: binary(), like: binary() } };
 * const { levels } = define(ple({ ...base, expert: [dense(6), dense(3)], shared: 2 }));
 * assertEquals(levels[0].gates.shared.mix, ["click", "like", "shared"]);
 * assertEquals(levels[1].gates.click.reads, "click");
 * assertEquals(define(ple({ ...base, expert: dense(6), levels: 1 })), define(cgc({ ...base, expert: dense(6) })));
 * ```
 */
export function ple<const Tasks extends string>(preset: PlePreset<Tasks>): Table<Tasks> {
  const action = "define PLE model";
  return extraction(
    action,
    optionsOf(action, preset, ["input", "embed", "expert", "levels", "shared", "own", "gate", "tasks"]),
  );
}

function extraction<Tasks extends string>(action: string, preset: PlePreset<Tasks>): Table<Tasks> {
  const { input, embed, expert, shared = 1, own = 1, gate = softmax, tasks } = preset;
  untaken(action, tasks, "shared");
  const nets = netsOf(action, expert, preset.levels);
  const names = Object.keys(tasks ?? {});
  const [special, common] = [own === 0 ? [] : names, shared === 0 ? [] : ["shared"]];
  const levels = nets.map((net, at) => {
    const experts = recordOf([...special, ...common], (name) => bank(name === "shared" ? shared : own, net));
    const streams = at === nets.length - 1 ? names : [...names, ...common];
    const read = (stream: string) => [...special.filter((bank) => bank === stream || stream === "shared"), ...common];
    return level(experts, recordOf(streams, (stream) => mix(read(stream), gate)));
  });
  return overIds(action, embed, { input, levels, tasks });
}
