import { pickRows, type Rows } from "../data/rows.ts";
import { optionsOf } from "../errors/kinds.ts";
import { checkRows } from "../model/check_rows.ts";
import { evaluate } from "../model/evaluate.ts";
import type { Evaluation } from "../model/evaluation.ts";
import { insidesOf } from "../model/insides.ts";
import type { Model } from "../model/model.ts";
import type { Spec } from "../spec/spec.ts";
import { mapEntries } from "../trace/entries.ts";
import { differ } from "./expert_outputs.ts";
import {
  deadLayers,
  fewestRows,
  grownVectors,
  type HealthWarning,
  lossWarnings,
  type TaskLosses,
  unlabelledTask,
} from "./health_warnings.ts";
import { addLabels, constantLoss, noTallies, type Tally } from "./tally.ts";
import { type LayerUnits, unitsOf } from "./units.ts";
import { type VectorSize, vectorSizes } from "./vector_sizes.ts";

/** The health of a model in training. Plain JSON. */
export interface Health<Tasks extends string = string> {
  /** The number of rows by which units and vectors were looked at; 0 where they were not. */
  readonly rows: number;
  /** The layers of relus of experts and towers. */
  readonly units: readonly LayerUnits[];
  /** The tables of vectors that rows look up. */
  readonly vectors: readonly VectorSize[];
  /** The losses of each task. */
  readonly losses: Readonly<Record<Tasks, TaskLosses>>;
  /** The warnings, layer by layer, table by table and task by task; empty where nothing goes wrong. */
  readonly warnings: readonly HealthWarning[];
}

/** The options of {@linkcode healthOf}. */
export interface HealthOptions {
  /** Rows that the model was trained on, with labels: losses on them are compared with those on the others. */
  readonly training?: Rows;
}

/** The largest number of rows by which units and vectors are looked at. */
export const mostSampled = 1024;

/**
 * Returns a report on the health of a model, with warnings: relus of experts and towers that are 0 for every row, vectors
 * that run away, and tasks that have no labels, whose loss is not below that of the best constant prediction (of a
 * probability the entropy of the base rate), or which overfit. `train` reports the same at every evaluation, see its option
 * `health`.
 *
 * Units and vectors are looked at by 1,024 rows that lie evenly among them, if there are 64 or more and not all are the
 * same; losses by all.
 *
 * @param data At least one row with labels.
 * @throws {TypeError | RangeError} if rows do not fit the model, or there are none.
 *
 * @example A tower of two relus that are 0 for every row
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, compile, define, dense, healthOf, inits, pipe, reference, relu, rows } from "@gatehouse/gatehouse";
 *
 * const tower = pipe(dense(2, { biasInit: inits.value(-9) }), relu);
 * const model = await compile(define({ input: 1, tasks: { click: binary(tower) } }), { engine: reference() });
 * const x = Array.from({ length: 64 }, (_, i) => [i / 64]);
 * const { units, losses, warnings } = await healthOf(model, rows(x, { labels: { click: x.map((_, i) => i % 2) } }));
 * assertEquals(units, [{ path: "tasks/click/tower/0", units: 2, dead: 2 }]);
 * assertEquals(losses.click.constant, Math.log(2)); // as much as the model has, which says 0.5 of every row
 * assertEquals(warnings.map(({ kind, path }) => `${kind}: ${path}`), ["dead: tasks/click/tower/0", "standing: tasks/click"]);
 * model.dispose();
 * ```
 */
export async function healthOf<Tasks extends string>(
  model: Model<Tasks>,
  data: Rows,
  options: HealthOptions = {},
): Promise<Health<Tasks>> {
  const action = "report health";
  insidesOf(model, action);
  const { training } = optionsOf(action, options, ["training"]);
  const spec = model.spec as Spec;
  for (const rows of [data, ...training === undefined ? [] : [training]]) {
    checkRows(spec, rows, "evaluate");
    if (rows.count === 0) throw new RangeError(`Cannot ${action}: there are no rows, wanted at least one`);
  }
  const tallied = (rows: Rows) => {
    const tallies = noTallies(spec);
    addLabels(tallies, spec, rows);
    return tallies;
  };
  const evaluation = await evaluate(model, data);
  const before = training && { loss: (await evaluate(model, training)).loss, tallies: tallied(training) };
  return await health(model, {
    sample: sampled(data, mostSampled),
    evaluation,
    tallies: tallied(data),
    training: before,
  });
}

/** The facts about a model by which its health is judged. */
export interface Examined<Tasks extends string> {
  /** The rows by which units and vectors are looked at, if they are. */
  readonly sample: Rows | undefined;
  /** The evaluation of rows, and the sums of their labels. */
  readonly evaluation: Evaluation<Tasks>;
  readonly tallies: Readonly<Record<string, Tally>>;
  /** The losses in training, and the sums of the labels there, where they are known. */
  readonly training?: {
    readonly loss: Readonly<Record<Tasks, number>>;
    readonly tallies?: Readonly<Record<string, Tally>>;
  };
}

/** Returns the health of a model by what is known of it. */
export async function health<Tasks extends string>(
  model: Model<Tasks>,
  { sample, evaluation, tallies, training }: Examined<Tasks>,
): Promise<Health<Tasks>> {
  const spec = model.spec as Spec;
  const looksAt = sample !== undefined && sample.count >= fewestRows && differ(sample, spec.input);
  const units = looksAt ? await unitsOf(model, sample, "report health") : [];
  const vectors = looksAt ? vectorSizes(model, sample, "report health") : [];
  const losses = mapEntries(spec.tasks, (task, { head }): TaskLosses => {
    const before = training?.tallies?.[task];
    return {
      loss: numberOf(evaluation.loss[task as Tasks]),
      constant: numberOf(constantLoss(head, tallies[task])),
      training: numberOf(training?.loss[task as Tasks]),
      trainingConstant: before === undefined ? null : numberOf(constantLoss(head, before)),
    };
  });
  const warnings = [
    ...deadLayers(units, sample?.count ?? 0),
    ...grownVectors(vectors),
    ...Object.entries(losses).flatMap(([task, of]) =>
      tallies[task].rows === 0 ? [unlabelledTask(task, "these rows")] : lossWarnings(task, of, tallies[task].rows)
    ),
  ];
  return { rows: looksAt ? sample.count : 0, units, vectors, losses: losses as Health<Tasks>["losses"], warnings };
}

/** Returns rows that lie evenly among others, no more than so many. */
export function sampled(rows: Rows, most: number): Rows {
  const count = Math.min(most, rows.count);
  return pickRows(rows, Uint32Array.from({ length: count }, (_, at) => Math.floor(at * rows.count / count)));
}

function numberOf(number: number | undefined): number | null {
  return number === undefined || !Number.isFinite(number) ? null : number;
}
