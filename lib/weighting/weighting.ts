import type { Json } from "../data/dataset.ts";
import type { Random } from "../data/random.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import type { Optimiser } from "../optimisers/optimiser.ts";
import type { WrittenWeighting } from "./written.ts";

/**
 * A weighting: how the losses of several tasks make one step, beside the static weights of the tasks. It is weights of
 * whole losses that follow from earlier steps, weights of the tasks' gradients with respect to shared parameters, or
 * both. All weights of a task multiply its loss, and tasks come in the order of the model.
 *
 * Shared are the parameters on which the losses of more than one task depend; see `tasksOf`. The gradient of a
 * parameter of one task alone is that task's, whatever the weights of gradients are.
 */
export interface Weighting {
  /** The method's name. */
  readonly name: string;
  /** The numbers and texts by which it differs from others of its name, as checkpoints compare them. Default: none. */
  readonly settings?: Json;
  /**
   * The weights of the losses, as a chain of states that begins anew with every training, or goes on from what a state
   * has `saved`.
   */
  readonly losses?: (tasks: number, optimiser: Optimiser, saved?: Json) => LossWeights;
  /** True if the chain needs the norm of every task's gradient. It costs what weights of gradients cost. */
  readonly norms?: boolean;
  /**
   * The weights of the gradients, from their inner products. Only tasks that share parameters and have a labelled row
   * in the batch, and a weight above 0, are among them.
   */
  readonly gradients?: (products: Products, random: Random) => readonly number[];
  /** The same as data, for programs that train the model elsewhere. Absent: they refuse the weighting. */
  readonly written?: (tasks: number, optimiser: Optimiser) => WrittenWeighting;
}

/**
 * The inner products `g_i . g_j` of the tasks' gradients with respect to shared parameters, other weights included,
 * `[tasks][tasks]`.
 */
export type Products = readonly (readonly number[])[];

/** One state of a chain of weights. Later states do not change it. */
export interface LossWeights {
  /** The weights of a step of an epoch, which counts from 1: what each loss is multiplied by. */
  readonly weights: (epoch: number) => readonly number[];
  /** The state after a step. */
  readonly next: (seen: Seen) => LossWeights | Promise<LossWeights>;
  /**
   * Returns the state as JSON, which holds float64 exactly, from which `losses` makes the same one. Checkpoints need it:
   * where it is absent, training with checkpoints is refused.
   */
  readonly saved?: () => Json;
}

/** Numbers of one step, as a weighting sees them. */
export interface Seen {
  /** The epoch, from 1. */
  readonly epoch: number;
  /** The step, from 1, counted over all epochs. */
  readonly step: number;
  /** The loss of each task, without its weights; 0 where no row is labelled. */
  readonly losses: readonly number[];
  /**
   * True for each task with a labelled row and a static weight above 0 (and with shared parameters, where norms are
   * asked for). The state of any other task stays as it is.
   */
  readonly labelled: readonly boolean[];
  /** The norm of each task's gradient with respect to shared parameters, weights included; where it was asked for. */
  readonly norms: readonly number[];
}

/**
 * Makes sure that something is a weighting.
 *
 * @throws {TypeError} if it is not.
 */
export function checkWeighting(found: unknown): void {
  const parts = isRecord(found) ? [found.losses, found.gradients] : [];
  const fits = parts.every((part) => part === undefined || typeof part === "function");
  if (fits && parts.some((part) => part !== undefined)) return;
  throw new TypeError(`Cannot train: wanted a weighting, such as pcgrad(), found ${kindOf(found)}`);
}

/**
 * Makes sure that a weighting gives every task a weight.
 *
 * @throws {TypeError} if it gives more or fewer.
 * @throws {RangeError} if one is not finite.
 */
export function checkWeights(weights: readonly number[], tasks: number, name: string, step: number): readonly number[] {
  const failed = `Cannot train\n  at step ${step}: the weighting ${name}`;
  if (!Array.isArray(weights) || weights.length !== tasks) {
    const found = Array.isArray(weights) ? `${weights.length} weights` : kindOf(weights);
    throw new TypeError(`${failed} must give ${tasks} weights, one a task, found ${found}`);
  }
  const wrong = weights.findIndex((weight) => !Number.isFinite(Math.fround(weight)));
  if (wrong >= 0) throw new RangeError(`${failed} must give finite weights, found ${kindOf(weights[wrong])}`);
  return weights;
}
