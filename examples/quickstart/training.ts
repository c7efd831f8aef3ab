import { adam, compile, evaluate, type GateReport, gateReport, type Model, save } from "@gatehouse/gatehouse";
import { synthetic } from "@gatehouse/gatehouse/datasets";
import { digestOf } from "../digest.ts";
import { type EngineName, engineOf } from "../engine.ts";
import { type Keeping, taken } from "../resumable.ts";
import { keepOutcome, keptOutcome } from "./kept.ts";
import { type ModelName, models, type Task } from "./models.ts";

/** One run: a model that learns from the data of a seed. */
export interface Run {
  readonly model: ModelName;
  /** The learning rate of Adam. */
  readonly rate: number;
  /** The seed of the data, the initial values and the order of rows. */
  readonly seed: number;
}

/** A run, and how it is made. */
export interface Request extends Run {
  readonly engine: EngineName;
  readonly correlation: number;
  /** The training rows. */
  readonly rows: number;
  /** The rows of a step. */
  readonly batch: number;
  readonly steps: number;
  /** The folder in which the model is saved, with a report on its gates in the outcome. */
  readonly keep?: string;
  /** The way in which the training is kept, so that it can go on. */
  readonly keeping?: Keeping;
}

/** A number for each task. */
export type PerTask = Readonly<Record<Task, number>>;

/** The mean training losses of the steps since the moment before, up to one of them. */
export interface Moment {
  readonly step: number;
  readonly loss: PerTask;
}

/** The result of a run. */
export interface Outcome {
  /** The steps done: fewer than asked for if the run was stopped. */
  readonly steps: number;
  /** Training losses, about 50. */
  readonly curve: readonly Moment[];
  /** The losses on rows that the model did not learn from. */
  readonly held: PerTask;
  /** The digest of the model's parameters. */
  readonly digest: string;
  /** The report of the gates on these rows, of a model that is kept. */
  readonly gates?: GateReport;
}

/**
 * Trains a model, and evaluates it on 10,000 rows that it has not seen; or finds what that came to before, where the
 * training is kept and the model is not to be saved.
 *
 * @param progress Called with the losses of late, ten times a second at most.
 * @param signal Stops the training, after which what was learnt is kept.
 * @returns undefined if it was stopped before its first step.
 */
export async function trained(
  request: Request,
  progress: (moment: Moment) => void,
  signal: AbortSignal,
): Promise<Outcome | undefined> {
  const { correlation, rows, seed, keep } = request;
  const before = await keptOutcome(request);
  if (before !== undefined) return before;
  const model = await compile(models[request.model], { engine: await engineOf(request.engine), seed });
  try {
    const data = synthetic({ correlation, rows, seed });
    const curve: Moment[] = [];
    const steps = await learn(model, data, request, { progress, signal, keep: (moment) => curve.push(moment) });
    if (steps === 0) return undefined;
    if (keep !== undefined) await save(model, keep);
    const held = synthetic({ correlation, rows: 10_000, seed, part: "validation" });
    const { loss } = await evaluate(model, held);
    const found = { steps, curve, held: loss, digest: await digestOf(model) };
    if (keep !== undefined) return { ...found, gates: await gateReport(model, held) };
    if (steps === request.steps) await keepOutcome(request, found);
    return found;
  } finally {
    model.dispose();
  }
}

/** Runs the steps of a training, and returns how many were done. */
async function learn(
  model: Model<Task>,
  data: ReturnType<typeof synthetic>,
  { steps, batch, rate, keeping }: Request,
  to: {
    readonly progress: (moment: Moment) => void;
    readonly keep: (moment: Moment) => void;
    readonly signal: AbortSignal;
  },
): Promise<number> {
  const every = Math.max(1, Math.round(steps / 50));
  let [sinceKept, sinceShown, shown, done] = [nothing, nothing, performance.now(), 0];
  const how = { steps, batch, optimiser: adam(rate), signal: to.signal };
  for await (const { step, loss } of taken(model, data, how, keeping)) {
    done = step;
    sinceKept = added(sinceKept, loss);
    sinceShown = added(sinceShown, loss);
    if (step % every === 0 || step === steps) {
      to.keep({ step, loss: meanOf(sinceKept) });
      sinceKept = nothing;
    }
    if (performance.now() - shown >= 100 || step === steps) {
      to.progress({ step, loss: meanOf(sinceShown) });
      [sinceShown, shown] = [nothing, performance.now()];
    }
  }
  return done;
}

/** Losses that are summed. */
interface Sum {
  readonly count: number;
  readonly loss: PerTask;
}

const nothing: Sum = { count: 0, loss: { first: 0, second: 0 } };

function added({ count, loss }: Sum, more: PerTask): Sum {
  return { count: count + 1, loss: { first: loss.first + more.first, second: loss.second + more.second } };
}

function meanOf({ count, loss }: Sum): PerTask {
  return { first: loss.first / count, second: loss.second / count };
}
