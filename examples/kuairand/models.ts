import {
  adam,
  bank,
  binary,
  crossNet,
  define,
  dense,
  embed,
  type Features,
  level,
  mix,
  mlp,
  mmoe,
  pipe,
  ple,
  relu,
  rowwiseAdagrad,
  sharedBottom,
  softmax,
  type Spec,
  type TrainOptions,
} from "@gatehouse/gatehouse";
import { type Task, tasks } from "./log.ts";

/** The models, from the simplest to the recipe that was chosen on the validation day. */
export const names = ["logistic", "shared-bottom", "mmoe", "ple", "best"] as const;

/** The name of a model. */
export type Name = typeof names[number];

/** Returns a model of the table. */
export function specOf(name: Name, input: Features): Spec<Task> {
  if (name === "logistic") return define({ input, tasks: each(() => binary()) });
  const net = { input, embed: 8, expert: mlp([64, 32]), tasks: each(() => binary(mlp([16]))) };
  switch (name) {
    case "best":
      return best(input);
    case "shared-bottom":
      return define(sharedBottom(net));
    case "mmoe":
      return define(mmoe(net));
    case "ple":
      return define(ple({ ...net, expert: [mlp([64]), mlp([32])], shared: 2, own: 1 }));
  }
}

/**
 * Returns one of the three nets of the recipe: an MMoE whose experts interact. Two are deep nets and two are cross networks,
 * which multiply features, and each has an embedding of its own, as ids of few rows are learnt in one pass and by chance:
 * experts that learnt them apart are an ensemble, which the gates weigh for each task.
 */
function best(input: Features): Spec<Task> {
  const experts = level({
    deep: bank(2, pipe(embed(8), mlp([128, 64]))),
    crossed: bank(2, pipe(embed(8), crossNet(2, { rank: 16 }), dense(64), relu)),
  }, each(() => mix(["deep", "crossed"], softmax)));
  return define({ input, levels: [experts], tasks: each(() => binary(mlp([16]))) });
}

/**
 * Returns the number of nets that a model is: 1, but 3 of the recipe, trained one after the other from seeds of their own
 * and then made one model, whose logits are the mean of theirs. What one net learnt by chance weighs a third in it.
 */
export function membersOf(name: Name): number {
  return name === "best" ? 3 : 1;
}

/** The way in which a model is trained. */
export interface Training extends Pick<TrainOptions<Task>, "batch" | "optimiser" | "vectors" | "stopping"> {
  readonly epochs: number;
}

/**
 * Returns the way in which a model is trained.
 *
 * The recipe takes one pass, for vectors of ids overfit in a second, at rates that do not change: rates that begin higher and
 * fall to 0 leave it too sure of itself on a day that is not the next one. The others stop once the losses of the tasks, in
 * sum, do not improve any more on the validation day.
 *
 * @param most The most passes over the rows. Default: as the model has it.
 */
export function trainingOf(name: Name, most?: number): Training {
  const batch = 512;
  const stopping = { task: each(() => 1) };
  if (name === "logistic") return { epochs: most ?? 8, batch, optimiser: adam(2e-3), stopping };
  if (name !== "best") {
    return { epochs: most ?? 3, batch, optimiser: adam(1e-3), vectors: rowwiseAdagrad(0.05), stopping };
  }
  return { epochs: most ?? 1, batch, optimiser: adam(1e-3), vectors: rowwiseAdagrad(0.1) };
}

/** Returns something for each task. */
function each<T>(of: (task: Task) => T): Record<Task, T> {
  return Object.fromEntries(tasks.map((task) => [task, of(task)])) as Record<Task, T>;
}
