import { adatt, bank, binary, categorical, cgc, check, compile, count, crossStitch, define, dense } from "../../mod.ts";
import {
  describe,
  dselectK,
  importance,
  level,
  mix,
  mlp,
  mmoe,
  omoe,
  ple,
  regression,
  relu,
  sharedBottom,
} from "../../mod.ts";
import { singleTask, softmax, type Task, topK, youtube } from "../../mod.ts";
import type { Engine } from "../../mod.ts";
import type { Random } from "../../lib/data/random.ts";
import { attempt, type End, ensure, type Kind, pick } from "./kind.ts";
import { textOf, withWrong } from "./wrong.ts";

/** Tables of models as authors write them: presets and levels, with their options. */
export const models: Kind = { share: 100, run };

type Options = Readonly<Record<string, unknown>>;

/** The functions that return a table, each with options that it takes. */
const presets: Readonly<
  Record<string, readonly [table: (options: never) => unknown, options: (source: Random) => Options]>
> = {
  sharedBottom: [sharedBottom, () => ({})],
  singleTask: [singleTask, () => ({})],
  omoe: [omoe, (source) => ({ experts: size(source), gate: gate(source) })],
  mmoe: [mmoe, (source) => ({ experts: size(source), gate: gate(source) })],
  cgc: [cgc, (source) => ({ shared: size(source), own: size(source), gate: softmax })],
  ple: [ple, (source) => ({ levels: size(source), shared: size(source), own: 1, gate: softmax })],
  crossStitch: [crossStitch, (source) => ({ levels: size(source), same: 0.9 })],
  adatt: [adatt, (source) => ({ levels: size(source), own: size(source), shared: 1 })],
  youtube: [youtube, (source) => ({ experts: size(source), position: [1], gate: softmax, drop: 0.1 })],
  levels: [(table) => table, (source) => ({ levels: levelsOf(source) })],
};

const size = (source: Random) => 1 + source.bits() % 3;
const gate = (source: Random) => pick(source, [softmax, softmax, topK(1), dselectK(1), undefined]);

function levelsOf(source: Random): readonly unknown[] {
  const banks = {
    shared: bank(2, dense(3), source.uniform() < 0.5 ? { capacity: 1.5 } : { losses: { even: importance(0.1) } }),
    other: bank(1, mlp([3]), { reads: "input" }),
  };
  return [level(banks, { shared: mix(["shared", "other"], softmax), a: mix("other") })];
}

function tasksOf(source: Random): Readonly<Record<string, Task>> {
  const task = (): Task =>
    pick(source, [
      () => binary(),
      () => binary(mlp([2]), { positive: 3, weight: 0.5 }),
      () => regression(relu),
      () => categorical(3, dense(2)),
      () => count(undefined, { adds: { input: dense(1) } }),
    ])();
  return source.uniform() < 0.5 ? { a: task() } : { a: task(), b: task() };
}

async function run(source: Random, engine: Engine): Promise<End> {
  const name = pick(source, Object.keys(presets));
  const [preset, options] = presets[name];
  const expert = name === "levels" ? {} : { expert: mlp([3]) };
  const given = { input: 4, tasks: tasksOf(source), ...expert, ...options(source) };
  const damaged = source.uniform() < 0.8;
  const used = damaged ? withWrong(given, source) : given;
  const input = `${name} ${textOf(used)}`;
  const place = /^Cannot (?:define|apply|compile|describe|predict)\b/;
  const spec = await attempt(input, place, () => define((preset as (options: unknown) => never)(used)));
  ensure(spec !== undefined || damaged, "a valid table was refused", input);
  if (spec === undefined) return "refused";
  const again = check(JSON.parse(JSON.stringify(spec)));
  ensure(JSON.stringify(again) === JSON.stringify(spec), "the spec is another after JSON", input);
  ensure(describe(spec).length > 0, "there is no description", input);
  const width = "width" in spec.input ? spec.input.width : 0;
  if (width > 1000) return "valid";
  const model = await compile(spec, { engine, seed: 1 });
  try {
    const rows = { count: 2, inputs: { input: new Float32Array(2 * width).fill(0.5) } };
    const predictions = await attempt(input, place, () => model.predict(rows));
    if (predictions === undefined) return "refused";
    for (const [task, { head }] of Object.entries(spec.tasks)) {
      ensure(
        predictions[task as never].length === 2 * head.units,
        `the predictions of ${task} are of other rows`,
        input,
      );
    }
    return "valid";
  } finally {
    model.dispose();
  }
}
