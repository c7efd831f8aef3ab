import type { Health } from "../inspect/health.ts";
import type { Evaluation } from "../model/evaluation.ts";

/** The record of a step. */
export interface Progress<Tasks extends string = string> {
  /** The epoch, from 1. */
  readonly epoch: number;
  /** The step, from 1, counted over all epochs. */
  readonly step: number;
  /** The number of steps in all, where it is known. */
  readonly steps: number | undefined;
  /** The mean loss of the batch by task, before the step; 0 for a task without a labelled row in the batch. */
  readonly loss: Readonly<Record<Tasks, number>>;
  /**
   * The losses of gates and banks, by path: `levels/0/gates/click/zLoss`, `levels/0/experts/shared/balance`. Each is
   * added to the total as it is, its weight included.
   */
  readonly auxiliary: Readonly<Record<string, number>>;
  /**
   * The share of a gate's uses of experts that found no room in the batch, 0 to 1, by `<level>/<stream>`. Only of gates
   * over banks with a capacity.
   */
  readonly dropped: Readonly<Record<string, number>>;
  /**
   * The weight of each task in the step, its static weight included; under a weighting of gradients that of its gradient
   * with respect to shared parameters, 0 without a labelled row in the batch.
   */
  readonly weights: Readonly<Record<Tasks, number>>;
  /** The weighted sum of the losses, those of gates and banks included; weights of gradients do not count. */
  readonly total: number;
  /** The norm of the gradient over all parameters, before clipping. */
  readonly norm: number;
  /** The rows seen so far. */
  readonly rows: number;
  /**
   * The seconds that training has taken, evaluation left out, those before a checkpoint that it went on from counted.
   * Absent on Ray.
   */
  readonly seconds?: number;
  /** Rows a second since the training began or went on, evaluation left out. */
  readonly rate: number;
  /** The evaluation of the validation rows, if there are any, after the last step of an epoch and those of `evaluate`. */
  readonly validation?: Evaluation<Tasks>;
  /**
   * The health of the model at that evaluation, with warnings, unless the option `health` is false. Units and vectors are
   * looked at by at most 1,024 of the validation rows and no more than a fiftieth of the rows in training since the last
   * look, if these are 64 or more.
   */
  readonly health?: Health<Tasks>;
  /** The reason why this is the last record, if training ends early. An abort after a record was given leaves none. */
  readonly ended?: "aborted" | "stopped early";
}
