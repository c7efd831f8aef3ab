import { advice } from "../spec/nearest.ts";
import type { Spec } from "../spec/spec.ts";
import type { Evaluation } from "./evaluate.ts";
import { metricsOf } from "./metrics.ts";

/** When training stops before its time: once what is watched has not improved for some epochs. */
export interface Stopping<Tasks extends string = string> {
  /** The task that is watched, or several with their weights in the sum: tasks disagree on when they are at their best. */
  readonly task: Tasks | { readonly [task in Tasks]?: number };
  /** What is watched of them: `loss`, or a metric of their heads such as `auc`. Default `loss`. */
  readonly metric?: string;
  /** The epochs without improvement after which training stops. Default 1. */
  readonly patience?: number;
}

/** The metrics of which less is better; of the others more is. */
const lessIsBetter: readonly string[] = ["loss", "logloss", "mse", "mae"];

/**
 * Judges one evaluation after the other: whether it is the best so far, and whether training should stop.
 *
 * @throws {TypeError} for unknown tasks and metrics.
 * @throws {RangeError} for weights and patience out of range, or if there is nothing to validate on.
 */
export function watcher<Tasks extends string>(
  { task, metric = "loss", patience = 1 }: Stopping<Tasks>,
  spec: Spec<Tasks>,
  validated: boolean,
): (found: Evaluation<Tasks>) => { readonly best: boolean; readonly stop: boolean } {
  const weights = (typeof task === "string" ? { [task]: 1 } : task) as Record<Tasks, number>;
  if (!validated) throw new RangeError("Cannot stop early: there are no validation rows to watch");
  if (!(Number.isSafeInteger(patience) && patience >= 1)) {
    throw new RangeError(`Cannot stop early: patience must be a whole number of at least 1, found ${patience}`);
  }
  const watched = Object.entries<number>(weights) as [Tasks, number][];
  if (watched.length === 0) throw new RangeError("Cannot stop early: no task is watched");
  for (const [name, weight] of watched) {
    const near = advice(name, Object.keys(spec.tasks));
    if (!Object.hasOwn(spec.tasks, name)) {
      throw new TypeError(`Cannot stop early: the model has no task ${JSON.stringify(name)}${near}`);
    }
    if (!(weight > 0 && Number.isFinite(weight))) {
      throw new RangeError(
        `Cannot stop early: the weight of task ${JSON.stringify(name)} must be above 0, found ${weight}`,
      );
    }
    const known = ["loss", ...Object.keys(metricsOf(spec.tasks[name].head.kind))];
    if (!known.includes(metric)) {
      const head = `task ${JSON.stringify(name)} has no metric ${JSON.stringify(metric)}`;
      throw new TypeError(`Cannot stop early: ${head}${advice(metric, known)}`);
    }
  }
  const sign = lessIsBetter.includes(metric) ? -1 : 1;
  let best = -Infinity;
  let since = 0;
  return ({ loss, metrics }) => {
    const score = watched.reduce((total, [name, weight]) => {
      return total + weight * sign * (metric === "loss" ? loss[name] : metrics[name][metric]);
    }, 0);
    const better = score > best;
    if (better) best = score;
    since = better ? 0 : since + 1;
    return { best: better, stop: since >= patience };
  };
}
