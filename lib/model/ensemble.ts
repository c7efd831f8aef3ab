import type { Engine } from "../engines/engine.ts";
import { checkList, checkRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { differenceFrom, encodingOf } from "../features/encoding.ts";
import type { InputSpec } from "../features/input.ts";
import type { Tensor } from "../ops/tensor.ts";
import { combinedSpec } from "../spec/combine.ts";
import type { Spec } from "../spec/spec.ts";
import { mapEntries } from "../trace/entries.ts";
import { parametersOf } from "../trace/parameters.ts";
import { compiled } from "./compile.ts";
import { insidesOf } from "./insides.ts";
import type { Model } from "./model.ts";

/** The options of {@linkcode ensemble}. */
export interface EnsembleOptions<Tasks extends string = string> {
  /**
   * The weights of the models' logits by task, one a model in their order, as they are, not scaled to a sum of 1; a model
   * of weight 0 is left out of the task. Default: 1 over the number of models, their mean.
   */
  readonly weights?: { readonly [task in Tasks]?: readonly number[] };
  /** The engine that runs the ensemble. Default: that of the first model. */
  readonly engine?: Engine;
}

/**
 * Returns one model that is several of the same tasks: the logits of each task are the mean of theirs, or a weighted sum. Of
 * a regression it is the mean of predictions, of probabilities their logits' mean, which is their geometric mean, scaled.
 *
 * It is an ordinary model: it predicts, evaluates, reports gates, saves, loads and exports as one graph. Banks, gates and
 * streams of the second model are named `shared@2` in it; each keeps its own table of vectors. It takes the memory and the
 * time of all models together, like experts of several computed as one. The given models stay as they are.
 *
 * Models that differ in their seed alone are a deep ensemble (Lakshminarayanan et al. 2017, but for the mean of
 * probabilities there): train one after the other on the same data.
 *
 * @param models Models that read the same input, with the same tasks; at least one.
 * @throws {TypeError} if they do not, or an option is unknown.
 * @throws {RangeError} if a weight is not a finite number, or all of a task are 0.
 * @throws {SpecError} if a task reads logits of other tasks by parameters of its own; a `product` is one of the sums.
 *
 * @example The mean of two lines
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, define, ensemble, reference, regression, rows } from "@gatehouse/gatehouse";
 *
 * const engine = reference();
 * const line = (slope: number, intercept: number) =>
 *   compile(define({ input: 1, tasks: { y: regression() } }), {
 *     engine,
 *     parameters: {
 *       "tasks/y/head/0/kernel": { shape: [1, 1], data: Float32Array.of(slope) },
 *       "tasks/y/head/0/bias": { shape: [1], data: Float32Array.of(intercept) },
 *     },
 *   });
 * const models = [await line(1, 0), await line(3, 2)];
 * const both = await ensemble(models);
 * assertEquals([...(await both.predict(rows([[1], [2]]))).y], [3, 5]);
 * const second = await ensemble(models, { weights: { y: [0, 1] } });
 * assertEquals([...(await second.predict(rows([[1], [2]]))).y], [5, 8]);
 * [...models, both, second].forEach((model) => model.dispose());
 * ```
 */
export async function ensemble<Tasks extends string>(
  models: readonly Model<Tasks>[],
  options: EnsembleOptions<NoInfer<Tasks>> = {},
): Promise<Model<Tasks>> {
  const action = "make ensemble";
  const { weights = {}, engine } = optionsOf(action, options, ["weights", "engine"]);
  checkList(action, "models", models);
  if (models.length === 0) throw new TypeError(`Cannot ${action}: there are no models, wanted at least one`);
  for (const model of models) insidesOf(model, action);
  const [{ spec, seed, engine: first }] = models;
  models.forEach((model, at) => checkAlike(action, spec, model.spec, at + 1));
  const all = weightsOf(action, Object.keys(spec.tasks) as Tasks[], models.length, weights);
  const { plan: { fuse } } = insidesOf(models[0], action);
  const parts: Part<Tasks>[] = [];
  for (const model of models) parts.push({ spec: model.spec, parameters: await model.parameters() });
  return await combinedModel(parts, all, { engine: engine ?? first, seed, fuse }, action);
}

/**
 * Returns a model that predicts each task by the parameters that were best for it in the model's last training, with
 * `stopping: { best: "each" }`; tasks that were not watched by those that were best for the sum. It is one model of several
 * parts, as {@linkcode ensemble} returns; tasks that were at their best together share one. A `product` of tasks follows
 * these.
 *
 * @param model The model that was trained, which stays as it is: it holds the parameters until it is trained again or
 * disposed.
 * @throws {TypeError} if its last training kept none, or did not come to its end.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { bestByTask, binary, compile, define, evaluate, reference, rows, train } from "@gatehouse/gatehouse";
 *
 * const model = await compile(define({ input: 1, tasks: { a: binary(), b: binary() } }), { engine: reference() });
 * const data = rows([[-1], [1]], { labels: { a: [0, 1], b: [0, 1] } });
 * const validation = rows([[-1], [1]], { labels: { a: [1, 0], b: [0, 1] } }); // the contrary of what a learns
 * const stopping = { task: { a: 1, b: 1 }, best: "each", patience: 3 } as const;
 * const seen: { a: number; b: number }[] = [];
 * for await (const at of train(model, data, { epochs: 3, validation, stopping })) seen.push(at.validation!.loss);
 * const best = await bestByTask(model);
 * const { loss } = await evaluate(best, validation);
 * assertAlmostEquals(loss.a, seen[0].a, 1e-6); // the first epoch's
 * assertAlmostEquals(loss.b, seen[2].b, 1e-6); // the last one's
 * [model, best].forEach((model) => model.dispose());
 * ```
 */
export async function bestByTask<Tasks extends string>(model: Model<Tasks>): Promise<Model<Tasks>> {
  const action = "take the best by task";
  const { plan: { fuse }, state: { bests } } = insidesOf(model, action);
  if (bests === undefined) {
    const wanted = 'wanted a training that has come to its end, with stopping: { best: "each" }';
    throw new TypeError(`Cannot ${action}: the model holds none: ${wanted}`);
  }
  const { spec, engine, seed } = model;
  const weights = Object.keys(spec.tasks).map((task) => [task, bests.map(({ tasks }) => tasks.includes(task) ? 1 : 0)]);
  const parts = bests.map(({ parameters }) => {
    return { spec, parameters: mapEntries(parameters, (_, { shape, data }) => ({ shape, data: data.slice() })) };
  });
  return await combinedModel(parts, Object.fromEntries(weights), { engine, seed, fuse }, action);
}

/** A part of a combined model. */
export interface Part<Tasks extends string> {
  readonly spec: Spec<Tasks>;
  readonly parameters: Readonly<Record<string, Tensor>>;
}

/**
 * Returns one model that is several, the logits of each task a weighted sum of theirs. The arrays of the parameters become
 * its own.
 */
async function combinedModel<Tasks extends string>(
  parts: readonly Part<Tasks>[],
  weights: Readonly<Record<Tasks, readonly number[]>>,
  options: { readonly engine: Engine; readonly seed: number; readonly fuse: boolean },
  action: string,
): Promise<Model<Tasks>> {
  const [{ spec: alone, parameters }] = parts;
  const isAlone = parts.length === 1 && Object.values<readonly number[]>(weights).every(([weight]) => weight === 1);
  if (isAlone) return await compiled(alone, { ...options, parameters }, true);
  const { spec, from } = combinedSpec(parts.map(({ spec }) => spec), weights, action);
  const all = parametersOf(spec).map(({ path: now }) => {
    const { part, path } = from.get(now)!;
    return [now, parts[part].parameters[path]] as const;
  });
  return await compiled(spec, { ...options, parameters: Object.fromEntries(all) }, true);
}

/** Makes sure that a model reads and predicts what the first one does. */
function checkAlike(action: string, first: Spec, { input, streams = {}, tasks }: Spec, number: number): void {
  const wrong = (what: string) => new TypeError(`Cannot ${action}\n  at model ${number}: ${what}`);
  const difference = differenceOf(first.input, input);
  if (difference !== undefined) throw wrong(`it reads another input than the first: ${difference}`);
  const parts = Object.entries(first.streams ?? {});
  const part = parts.find(([name, own]) => Object.hasOwn(streams, name) && !isSame(own, streams[name]))?.[0];
  if (part !== undefined) throw wrong(`stream ${quoted(part)} is another part of the input than in the first`);
  const names = [...new Set([...Object.keys(first.tasks), ...Object.keys(tasks)])];
  for (const name of names) {
    const [a, b] = [first.tasks, tasks].map((all) => Object.hasOwn(all, name) ? all[name] : undefined);
    if (a === undefined || b === undefined) {
      throw wrong(`task ${quoted(name)} is in one of it and the first alone: wanted the same tasks`);
    }
    const [one, other] = [a, b].map(({ head: { net: _, ...head }, only }) => ({ head, only }));
    if (!isSame(one, other)) throw wrong(`task ${quoted(name)} has another head or sample space than in the first`);
  }
}

/** Returns the difference of an input from another, in words; undefined if there is none. */
function differenceOf(one: InputSpec, other: InputSpec): string | undefined {
  if ("width" in one || "width" in other) return isSame(one, other) ? undefined : "another width, or features";
  return differenceFrom(encodingOf(other.features), one.features);
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Returns the weights of all tasks, one a model. */
function weightsOf<Tasks extends string>(
  action: string,
  tasks: readonly Tasks[],
  count: number,
  given: { readonly [task in Tasks]?: readonly number[] },
): Record<Tasks, readonly number[]> {
  checkRecord(action, "weights", given);
  const strange = Object.keys(given).find((name) => !tasks.includes(name as Tasks));
  if (strange !== undefined) {
    throw new TypeError(
      `Cannot ${action}: weights: the models have no task ${quoted(strange)}${advice(strange, tasks)}`,
    );
  }
  const all = tasks.map((task) => {
    const weights: unknown = (given as Readonly<Record<string, unknown>>)[task] ?? Array(count).fill(1 / count);
    if (!Array.isArray(weights) || weights.length !== count) {
      const found = Array.isArray(weights) ? `${weights.length}` : kindOf(weights);
      throw new TypeError(`Cannot ${action}: weights of ${quoted(task)}: found ${found}, wanted ${count}, one a model`);
    }
    if (!weights.every((weight) => typeof weight === "number" && Number.isFinite(Math.fround(weight)))) {
      throw new RangeError(`Cannot ${action}: weights of ${quoted(task)} must be finite numbers`);
    }
    if (weights.every((weight) => weight === 0)) {
      throw new RangeError(`Cannot ${action}: all weights of ${quoted(task)} are 0: wanted one that is not`);
    }
    return [task, weights];
  });
  return Object.fromEntries(all) as Record<Tasks, readonly number[]>;
}
