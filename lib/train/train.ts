import { flatName } from "../graph/layout.ts";
import { checkRows } from "../model/check_rows.ts";
import { anyCounts } from "../model/feed.ts";
import { insidesOf } from "../model/insides.ts";
import { checkJudges, checkKeysOf } from "../model/judges.ts";
import type { Model } from "../model/model.ts";
import { type Data, isDataset, isInMemory } from "../model/pieces.ts";
import type { Spec } from "../spec/spec.ts";
import { type ByChanges, byChanges } from "./changes.ts";
import { epochsOf } from "./epochs.ts";
import { unlabelled } from "./feeds.ts";
import { observer } from "./health.ts";
import { identityOf } from "./identity.ts";
import { type Keeper, keeperOf } from "./keeper.ts";
import { type Onward, onward } from "./onward.ts";
import type { TrainOptions } from "./options.ts";
import type { Progress } from "./progress.ts";
import { type Begun, resumed, warmed } from "./resume.ts";
import type { Now, Run } from "./run.ts";
import { type Settings, settings } from "./settings.ts";
import { type Steps, stepsOf } from "./steps.ts";
import { watcher } from "./stopping.ts";
import { stopwatch } from "./stopwatch.ts";
import { unseenWords } from "./unseen.ts";

/**
 * Trains a model: takes one step after the other and yields a record of each. Leaving the loop ends the training.
 *
 * Where rows in memory lack words that a feature knows, a line on standard error says so once, when a model is first
 * trained: nothing trains the weights of these words.
 *
 * The same seed, engine, data and kind of machine give the same parameters. A step whose losses, gradients or new
 * parameters are not finite changes nothing and ends the training with an error.
 *
 * @throws {TypeError | RangeError} if rows do not fit the model, or an option is out of range.
 * @throws {RangeError} if a loss is not finite, naming the step, the task and the largest parameter.
 * @throws {Error} if a checkpoint cannot be written, or the one to go on from is damaged or of something else: the message
 * has the path, what is wrong and the way out.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { adam, binary, compile, define, reference, rows, train } from "@gatehouse/gatehouse";
 *
 * const spec = define({ input: 1, tasks: { click: binary() } });
 * const model = await compile(spec, { engine: reference() });
 * const data = rows([[-1], [1]], { labels: { click: [0, 1] } });
 * const losses: number[] = [];
 * for await (const at of train(model, data, { steps: 20, optimiser: adam(0.1) })) losses.push(at.loss.click);
 * assert(losses[19] < losses[0]);
 * model.dispose();
 * ```
 */
export function train<Tasks extends string>(
  model: Model<Tasks>,
  data: Data,
  options: TrainOptions<NoInfer<Tasks>> = {}, // the model alone says which tasks there are
): AsyncGenerator<Progress<Tasks>, void, void> {
  return trainBy(model, data, options, byChanges);
}

/**
 * Trains a model as {@linkcode train} does.
 *
 * @param form The way in which checkpoints are written by changes.
 */
export async function* trainBy<Tasks extends string>(
  model: Model<Tasks>,
  data: Data,
  options: TrainOptions<NoInfer<Tasks>>,
  form: ByChanges,
): AsyncGenerator<Progress<Tasks>, void, void> {
  const insides = insidesOf(model, "train");
  const { state } = insides;
  if (state.training) {
    throw new TypeError("Cannot train: the model is being trained already: wanted that loop to end first");
  }
  const given = settings(options);
  const { stopping, validation, judges } = given;
  checkData(model, data, given);
  const watch = stopping === undefined ? undefined : watcher(stopping, model.spec as Spec, validation, judges);
  let keeper: Keeper | undefined;
  let steps: Steps | undefined;
  let reading: Onward | undefined;
  const outdated = { largest: undefined, bests: undefined, calibration: undefined };
  Object.assign(state, { training: true, trained: true, ...outdated });
  try {
    const isKept = given.checkpoint !== undefined || given.resume !== undefined;
    const identity = isKept ? identityOf(model, data, given) : {};
    keeper = given.checkpoint && await keeperOf(given.checkpoint, given.resume, form);
    const begun = given.resume === undefined ? undefined : await resumed(model, given.resume, given, identity);
    const isWarm = begun === undefined && given.warm !== undefined;
    const warm = isWarm ? await warmed(model, given.warm!, given) : undefined;
    const { from } = begun ?? warm ?? given;
    const decay = given.average;
    const average = decay === undefined ? undefined : { decay, first: await insides.store.read(flatName) };
    steps = stepsOf(model, { ...given, average }, begun?.steps ?? warm?.steps);
    if (keeper !== undefined) await steps.state(); // a weighting that cannot be saved is refused at once
    if (begun?.facts.stopping !== undefined) watch?.begin(begun.facts.stopping);
    reading = isDataset(data) ? onward(data, from.epoch + given.epochs) : undefined;
    const run: Run<Tasks> = {
      ...{
        model,
        insides,
        data: reading ?? data,
        given: { ...given, from },
        steps,
        clock: stopwatch(begun?.facts.seconds),
        watch,
      },
      now: nowOf(begun, warm?.count),
      identity: { ...identity, from },
      observer: given.health && validation !== undefined ? observer(model, begun?.facts.health) : undefined,
      before: { rows: begun?.facts.rows ?? 0, seconds: begun?.facts.seconds ?? 0 },
      bests: begun?.bests ?? new Map(),
    };
    yield* epochsOf(run, keeper);
  } finally {
    if (!state.disposed) await steps?.averages?.enter();
    state.training = false;
    await reading?.close();
    steps?.dispose();
    await keeper?.release();
  }
}

/** Makes sure that rows in memory, those to evaluate on among them, and judges fit a model, and reports words that none has. */
function checkData<Tasks extends string>(model: Model<Tasks>, data: Data, given: Settings): void {
  const { validation, judges, from } = given;
  checkJudges(judges, model.spec, "train");
  if (validation !== undefined && isInMemory(validation)) {
    checkRows(model.spec, validation, "evaluate");
    checkKeysOf(validation, judges, {}, "evaluate");
  }
  if (!isInMemory(data)) return;
  checkRows(model.spec, data, "train");
  if (data.count > 0 && !anyCounts(model.spec, data)) throw new RangeError(unlabelled("no row"));
  if (!insidesOf(model, "train").state.trained && from.step === 0) {
    unseenWords(model.spec.input, data).forEach((note) => console.error(note));
  }
}

/** Returns the place at which a training begins or goes on. */
function nowOf<Tasks extends string>(begun: Begun | undefined, count = 0): Now<Tasks> {
  const first = { step: 0, rows: 0, count, epoch: 1, position: undefined, validated: false, last: undefined };
  if (begun === undefined) return first;
  const { step, rows, count: taken, epoch, position, validated, last } = begun.facts;
  return { step, rows, count: taken, epoch, position, validated, last: last as Progress<Tasks> | undefined };
}
