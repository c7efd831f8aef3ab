import { broadcast, constant, greater, inTraining, mul } from "../../ops/functions.ts";
import { checkCount, checkList, isRecord, kindOf, optionsOf } from "../../errors/kinds.ts";
import { type Net, noise } from "../net.ts";
import { dense, pipe } from "../nets.ts";
import { type MixturePreset, recordOf, vectorsOf } from "./preset.ts";
import { mmoe } from "./basic.ts";
import type { Input, Table } from "../table.ts";
import { misapplied } from "../../errors/misapplied.ts";

/** The parts of {@linkcode youtube}. */
export interface YoutubePreset<Tasks extends string> extends MixturePreset<Tasks> {
  /** The features that only the shallow towers read, or columns where the input is a width: position, device. */
  readonly position: readonly string[] | readonly number[];
  /** The net of a shallow tower before its logits. Default: none, the tower is linear. */
  readonly shallow?: Net;
  /** The share of rows whose position is missing in training, in [0, 1). Default 0.1, as in the paper. */
  readonly drop?: number;
  /** The tasks that have a shallow tower. Default: all; in the paper those of engagement, such as clicks. */
  readonly biased?: readonly NoInfer<Tasks>[];
}

/**
 * MMoE with shallow towers against selection bias: the logit of a task is that of its tower plus that of a shallow
 * tower, which alone reads where an item was shown, and which is not there when items are ranked (Zhao et al. 2019, on
 * position and selection biases).
 *
 * ```text
 * streams   position: its features     shared: all others of the input
 * level 0:  experts   shared: experts (reads shared)
 *           gates     click: mix shared, by softmax of shared     like: ...
 * tasks     click: tower over click, adds a shallow tower over position
 * ```
 *
 * In training, the position of each row is missing with probability `drop`; in evaluation and prediction it is missing
 * in all rows, whatever the data hold: all its columns are 0, which is not the same as an unknown word. Parameters:
 * those of `mmoe` over the other features, and of each shallow tower those of its net and `units` of its logits,
 * without bias.
 *
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if `drop` is out of range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, compile, define, dense, reference, rows, youtube } from "@gatehouse/gatehouse";
 *
 * const tasks = { click: binary(), like: binary() };
 * const spec = define(youtube({ input: 3, position: [2], expert: dense(4), experts: 2, tasks, biased: ["click"] }));
 * assertEquals(spec.streams, { shared: [0, 1], position: [2] });
 * const model = await compile(spec, { engine: reference() });
 * const [first, tenth] = (await model.predict(rows([[5, 7, 1], [5, 7, 10]]))).click;
 * assertEquals(first, tenth);
 * model.dispose();
 * ```
 */
export function youtube<const Tasks extends string>(preset: YoutubePreset<Tasks>): Table<Tasks> {
  const action = "define YouTube model";
  const own = ["position", "shallow", "drop", "biased"];
  const { position, shallow = pipe(), drop = 0.1, biased, ...rest } = optionsOf(action, preset, [
    "input",
    "embed",
    "expert",
    "experts",
    "gate",
    "tasks",
    ...own,
  ]);
  const { input, tasks } = rest;
  const net = (units: number) => pipe(trainingOnly(drop), shallow, dense(units, { bias: false }));
  const names = Object.keys(tasks ?? {}) as Tasks[];
  checkList(action, "position", position);
  if (!isRecord(input)) checkCount(action, "input", input, 1);
  const left = others(input, position);
  const read = isRecord(input) ? Object.fromEntries(left.map((name) => [name, input[name]])) : input;
  const { levels } = mmoe({ ...rest, embed: vectorsOf(action, read, rest.embed) ?? "none" }); // they read shared
  if (biased !== undefined) checkList(action, "biased", biased);
  const some = new Set(biased ?? names);
  const wrong = (biased ?? []).filter((task) => typeof task !== "string" || !Object.hasOwn(tasks ?? {}, task));
  if (wrong.length > 0) throw new TypeError(`Cannot ${action}: biased names ${kindOf(wrong[0])}, which is not a task`);
  const towers = recordOf(names, (name) => {
    const task = tasks[name as Tasks];
    return !some.has(name as Tasks) || !isRecord(task)
      ? task
      : { ...task, adds: { ...task.adds, position: net(task.units) } };
  });
  return { input, streams: { shared: left, position }, levels, tasks: towers as typeof tasks };
}

/** Returns all features or columns but some. */
function others(input: Input, some: readonly (string | number)[]): readonly string[] | readonly number[] {
  const left = new Set(some);
  if (isRecord(input)) return Object.keys(input).filter((name) => !left.has(name));
  return Array.from({ length: input }, (_, column) => column).filter((column) => !left.has(column));
}

/**
 * A net that passes its input in training alone: there each row is 0 with probability `rate`, in evaluation all are. It
 * is for inputs that are unknown when predictions are made. Unlike `dropout`, it does not scale the rows that are left.
 *
 * @param rate The probability, in [0, 1).
 * @returns A net from `[batch, width]` to `[batch, width]`.
 * @throws {RangeError} if `rate` is not in [0, 1).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, define, reference, regression, rows, trainingOnly } from "@gatehouse/gatehouse";
 * import { add } from "@gatehouse/gatehouse/ops";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({ input: 1, tasks: { y: regression((x) => add(x, trainingOnly(0.5)(x))) } });
 * const kernel = { shape: [1, 1], data: Float32Array.of(1) };
 * const parameters = { ...initialise(spec, 0), "tasks/y/head/0/kernel": kernel };
 * const model = await compile(spec, { engine: reference(), parameters });
 * assertEquals((await model.predict(rows([[3], [-2]]))).y, Float32Array.of(3, -2));
 * model.dispose();
 * ```
 */
export function trainingOnly(rate: number): Net {
  if (!(Number.isFinite(rate) && rate >= 0 && rate < 1)) {
    throw misapplied(new RangeError(`Cannot apply trainingOnly: rate must be in [0, 1), found ${kindOf(rate)}`));
  }
  return (x) => {
    const known = rate === 0 ? x : mul(x, greater(noise(["batch", 1]), rate));
    return inTraining(known, broadcast(constant(0), x.shape));
  };
}
