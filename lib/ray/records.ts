import { isRecord } from "../errors/kinds.ts";
import { holding, isNumber, isText, maybe, type Test } from "../errors/shapes.ts";
import type { Evaluation } from "../model/evaluation.ts";
import type { Progress } from "../train/progress.ts";
import { parsed } from "./client.ts";

/** An event of a job beside its steps: a warning, a worker that was lost, a checkpoint that it goes on from. */
export interface RayEvent {
  /** Its kind: `warning`, `worker lost`, `resumed` and the like. */
  readonly event: string;
  /** Facts about it, as the cluster's program writes them. */
  readonly [fact: string]: unknown;
}

/** The end of a job. */
export interface Ended {
  /** The folder of the model, as the cluster names it. */
  readonly model: string;
  readonly steps: number;
  readonly rows: number;
}

/** The reason why a job failed, as the cluster's program writes it. */
export interface Failed {
  readonly message: string;
  readonly where?: string;
  readonly remedy?: string;
}

/** A line of a job's log that is a record. */
export type LogRecord<Tasks extends string> =
  | { readonly kind: "step"; readonly at: Progress<Tasks> }
  | { readonly kind: "event"; readonly event: RayEvent }
  | { readonly kind: "ended"; readonly ended: Ended }
  | { readonly kind: "failed"; readonly failed: Failed };

/** Numbers as JSON has them, which knows neither NaN nor infinities. */
const numeric: Test = (found) => found === null || isNumber(found);
const numbers: Test = (found) => isRecord(found) && Object.values(found).every(numeric);

const isStep = holding({
  epoch: isNumber,
  step: isNumber,
  loss: numbers,
  weights: maybe(numbers),
  auxiliary: maybe(numbers),
  dropped: maybe(numbers),
  validation: (found) => found == null || isValidation(found),
});
const isValidation = holding({
  loss: numbers,
  metrics: (found) => isRecord(found) && Object.values(found).every(numbers),
});
const isEnded = holding({ model: isText });
const isFailed = holding({ error: holding({ message: isText }) });
const isEvent = holding({ event: isText });
const isWarning = holding({ warning: isText });

/** Returns the record that a line of a log is; undefined if it is anything else. */
export function recordOf<Tasks extends string>(line: string): LogRecord<Tasks> | undefined {
  if (!line.startsWith("{")) return undefined;
  const found = parsed(line);
  if (!isRecord(found)) return undefined;
  if (isStep(found)) return { kind: "step", at: progressOf(found) };
  if (isFailed(found)) return { kind: "failed", failed: found.error as Failed };
  if (isEvent(found)) return { kind: "event", event: found as { event: string } };
  if (isWarning(found)) return { kind: "event", event: { event: "warning", message: found.warning } };
  if (!isEnded(found)) return undefined;
  return { kind: "ended", ended: { model: String(found.model), steps: count(found.steps), rows: count(found.rows) } };
}

/** Returns a record of a step as `train` yields it. */
function progressOf<Tasks extends string>(found: Readonly<Record<string, unknown>>): Progress<Tasks> {
  const loss = given(found.loss);
  const weights = given(found.weights ?? Object.fromEntries(Object.keys(loss).map((task) => [task, 1])));
  const auxiliary = given(found.auxiliary ?? {});
  const sum = Object.entries(loss).reduce((sum, [task, value]) => sum + weights[task] * value, 0) +
    Object.values(auxiliary).reduce((sum, value) => sum + value, 0);
  return {
    epoch: count(found.epoch),
    step: count(found.step),
    steps: isNumber(found.steps) ? count(found.steps) : undefined,
    loss: loss as Progress<Tasks>["loss"],
    auxiliary,
    dropped: given(found.dropped ?? {}),
    weights: weights as Progress<Tasks>["weights"],
    total: isNumber(found.total) ? count(found.total) : sum,
    norm: isNumber(found.norm) ? count(found.norm) : NaN,
    rows: count(found.rows),
    rate: count(found.rate),
    ...(found.validation != null && { validation: validationOf<Tasks>(found.validation as Evaluation) }),
  };
}

function validationOf<Tasks extends string>({ loss, auxiliary, metrics }: Partial<Evaluation>): Evaluation<Tasks> {
  const byTask = Object.fromEntries(Object.entries(metrics!).map(([task, values]) => [task, given(values)]));
  return { loss: given(loss), auxiliary: given(auxiliary ?? {}), metrics: byTask } as Evaluation<Tasks>;
}

/** Returns numbers by name, NaN where JSON has null. */
function given(found: unknown): Readonly<Record<string, number>> {
  const entries = Object.entries(found as Readonly<Record<string, number | null>>);
  return Object.fromEntries(entries.map(([name, value]) => [name, value ?? NaN]));
}

function count(found: unknown): number {
  return isNumber(found) ? found as number : 0;
}
