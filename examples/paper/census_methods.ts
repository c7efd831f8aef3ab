import {
  binary,
  crossStitch,
  define,
  dense,
  type Features,
  l2Constrained,
  mmoe,
  omoe,
  pipe,
  relu,
  sharedBottom,
  singleTask,
  type Spec,
  tensorFactorisation,
} from "@gatehouse/gatehouse";
import type { Method, Trial } from "./census_space.ts";

/** A method with the hyper-parameters of a trial. */
export function censusModel(method: Method, trial: Trial, input: Features, labels: readonly string[]): Spec {
  const tasks = Object.fromEntries(labels.map((task) => [task, binary(layer(trial.tower))]));
  const units = unitsOf(method, trial, labels.length);
  const nets = units.map(layer);
  const base = { input, expert: pipe(...nets), tasks };
  switch (method) {
    case "single-task":
      return define(singleTask(base));
    case "shared-bottom":
      return define(sharedBottom(base));
    case "l2-constrained":
      return define(l2Constrained({ ...base, near: trial.near }));
    case "cross-stitch":
      return define(crossStitch({ input, expert: nets, same: trial.same, tasks }));
    case "tensor-factorisation":
      return define(tensorFactorisation({ input, units: units[0], ranks: [units[0], units[0], trial.rank], tasks }));
    case "omoe":
      return define(omoe({ ...base, experts: trial.experts }));
    case "mmoe":
      return define(mmoe({ ...base, experts: trial.experts }));
  }
}

/** The model without a hidden layer. */
export function logistic(input: Features, labels: readonly string[]): Spec {
  return define({ input, tasks: Object.fromEntries(labels.map((task) => [task, binary()])) });
}

/** The number of experts that share the hidden units of a layer. */
export function expertsOf(method: Method, trial: Trial, tasks: number): number {
  if (method === "omoe" || method === "mmoe") return trial.experts;
  return method === "shared-bottom" ? 1 : tasks;
}

/** The units of each layer of an expert. */
export function unitsOf(method: Method, trial: Trial, tasks: number): readonly number[] {
  const units = trial.hidden / expertsOf(method, trial, tasks);
  return Array.from({ length: trial.layers ?? 1 }, (_, at) => units / 2 ** at);
}

const layer = (units: number) => pipe(dense(units), relu);
