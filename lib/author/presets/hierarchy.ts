import { add, mul, pad, sigmoid, softmax, swish } from "../../ops/functions.ts";
import { isRecord, kindOf, optionsOf } from "../../errors/kinds.ts";
import { keyText } from "../../errors/issues.ts";
import { advice } from "../../errors/nearest.ts";
import { type Gate, type Net, widthOf } from "../net.ts";
import { dense, layerNorm, pipe } from "../nets.ts";
import { netsOf, overIds, type Preset, recordOf, untaken } from "./preset.ts";
import { bank, level, mix, type Table } from "../table.ts";

/** The parts of {@linkcode home}. */
export interface HomePreset<Tasks extends string> extends Omit<Preset<Tasks>, "expert"> {
  /** The net of each expert before it is normalised, linear in its last layer; a list holds those of the two levels. */
  readonly expert: Net | readonly [Net, Net];
  /** The tasks that belong together, by the name of their group; each task is in one. */
  readonly groups: Readonly<Record<string, readonly NoInfer<Tasks>[]>>;
  /** The number of experts that all gates read. Default 1. */
  readonly shared?: number;
  /** The number of experts that each group, and each task, has to itself. Default 1. */
  readonly own?: number;
  /** The rank of the feature gates. Default 8. */
  readonly rank?: number;
}

/**
 * HoME, the hierarchy of multi-gate experts: a level of groups of tasks below one of tasks, in which masks say which
 * experts a gate can see; experts are normalised, read through feature gates, and own experts pass self gates beside
 * the mixture (Wang et al. 2024).
 *
 * ```text
 * level 0: experts   watch: own     talk: own     shared: shared                  all read the input
 *          gates     watch: mix watch + shared    talk: mix talk + shared         shared: mix all
 * level 1: experts   watch (reads watch)   talk (reads talk)   shared (reads shared)   click: own (reads its group) ...
 *          gates     click: mix click + watch + shared     like: ...              each by its group's stream
 * ```
 *
 * An expert is `swish(norm(expert(x * 2 sigmoid(x B A))))` with `B [width, rank]` and `A [rank, width]`, its feature
 * gate. A gate's weights are `softmax(x W)` over what it sees and, added on its own experts, the self gate:
 * `softmax(x V)` over them, or `sigmoid(x V)` of a single one.
 *
 * Differences to the paper: its expert normalisation is batch norm, each unit over the rows of a batch, and then Swish;
 * here it is layer norm, each row over its units, and then Swish, so that a prediction depends on its row alone and no
 * running means are kept; one feature gate for each expert, not a mixture of several; the gate of a task
 * reads the stream of its group, where the paper joins that of all tasks to it.
 *
 * Parameters: `e + 2 width rank + 2 units` for each expert, with `e` those of the given net, the number of experts
 * being `shared + groups own` in level 0 and `shared + (groups + tasks) own` in level 1. Gates of level 0:
 * `width groups (2 own + shared) + width (2 shared + groups own)`; of level 1: `units tasks (3 own + shared)`.
 *
 * @throws {TypeError} if an option is unknown, or tasks and groups do not fit each other.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense, home } from "@gatehouse/gatehouse";
 *
 * const tasks = { click: binary(), long: binary(), like: binary() };
 * const groups = { watch: ["click", "long"], talk: ["like"] } as const;
 * const { levels } = define(home({ input: 4, expert: dense(3), groups, tasks }));
 * assertEquals(levels[0].gates.watch.mix, ["watch", "shared"]);
 * assertEquals(levels[1].gates.long, { ...levels[1].gates.long, reads: "watch", mix: ["long", "watch", "shared"] });
 * ```
 */
export function home<const Tasks extends string>(preset: HomePreset<Tasks>): Table<Tasks> {
  const action = "define HoME model";
  const { input, embed, expert, groups, shared = 1, own = 1, rank = 8, tasks } = optionsOf(action, preset, [
    "input",
    "embed",
    "expert",
    "groups",
    "shared",
    "own",
    "rank",
    "tasks",
  ]);
  const groupOf = grouped(action, groups, tasks);
  const names = Object.keys(groups);
  const common = shared === 0 ? [] : ["shared"];
  const [below, above] = netsOf(action, expert, 2).map((net) => pipe(featureGate(rank), net, layerNorm(), swish));
  const banksOf = (names: readonly string[], net: Net) => recordOf(names, () => bank(own, net));
  const all = (net: Net) => recordOf(common, () => bank(shared, net));
  const everything = mix([...common, ...names], selfGated(shared));
  const levels = [
    level({ ...banksOf(names, below), ...all(below) }, {
      ...recordOf(names, (group) => mix([group, ...common], selfGated(own))),
      ...recordOf(common, () => everything),
    }),
    level(
      {
        ...banksOf(names, above),
        ...all(above),
        ...recordOf(Object.keys(groupOf), (task) => bank(own, above, { reads: groupOf[task] })),
      },
      recordOf(Object.keys(groupOf), (task) => {
        return mix([task, groupOf[task], ...common], selfGated(own), { reads: groupOf[task] });
      }),
    ),
  ];
  return overIds(action, embed, { input, levels, tasks });
}

/** Returns the group of every task. */
function grouped(action: string, groups: unknown, tasks: unknown): Record<string, string> {
  if (!isRecord(groups)) throw new TypeError(`Cannot ${action}: groups must be an object, found ${kindOf(groups)}`);
  const found = new Map<string, string>();
  const names = Object.keys(isRecord(tasks) ? tasks : {});
  const known = new Set(names);
  untaken(action, tasks as Record<string, never>, "shared", ...Object.keys(groups));
  for (const [group, members] of Object.entries(groups)) {
    if (!Array.isArray(members)) {
      throw new TypeError(
        `Cannot ${action}: groups${keyText(group)} must be a list of tasks, found ${kindOf(members)}`,
      );
    }
    for (const task of members) {
      const before = found.get(task);
      const where = `Cannot ${action}: groups${keyText(group)} names ${kindOf(task)}`;
      if (!known.has(task)) throw new TypeError(`${where}, which is not a task${advice(task, names)}`);
      if (before !== undefined) throw new TypeError(`${where}, which is in group ${kindOf(before)} already`);
      found.set(task, group);
    }
  }
  const left = names.find((task) => !found.has(task));
  if (left !== undefined) throw new TypeError(`Cannot ${action}: task ${kindOf(left)} is in no group: wanted one`);
  return Object.fromEntries(names.map((task) => [task, found.get(task)!]));
}

/** Returns the net `x * 2 sigmoid(x B A)`, the identity where the matrices are 0. */
function featureGate(rank: number): Net {
  return (x) => {
    const low = dense(rank, { bias: false })(x);
    return mul(x, mul(sigmoid(dense(widthOf(x), { bias: false })(low)), 2));
  };
}

/** Returns a gate: softmax over all experts, to which the self gate of the first of them is added. */
function selfGated(own: number): Gate {
  return (x, experts) => {
    const self = dense(own, { bias: false })(x);
    const weights = own === 1 ? sigmoid(self) : softmax(self); // [batch, own]
    return add(softmax(dense(experts, { bias: false })(x)), pad(weights, 0, experts - own));
  };
}
