import { quoted } from "../errors/quoted.ts";
import type { LayerUnits } from "./units.ts";
import type { VectorSize } from "./vector_sizes.ts";

/** A warning about a model in training. Plain JSON. */
export interface HealthWarning {
  /**
   * The fault; each rule is as simple as it can be.
   *
   * - `dead`: three quarters or more of the relus of a layer of an expert or a tower are 0 for every row that was looked at.
   * - `unlabelled`: no row has a label of the task.
   * - `standing`: the loss of a task is not a thousandth below that of the best constant prediction.
   * - `growing`: the vectors of a table have a mean square of more than 10.
   * - `overfitting`: of what a task's loss gains over the best constant in training, less than a quarter is gained here;
   *   or, in a training, its loss is a fiftieth above an earlier one, while that in training fell.
   */
  readonly kind: "dead" | "unlabelled" | "standing" | "growing" | "overfitting";
  /** The layer, task or table, by its path: `tasks/income/tower/0`, `tasks/income`, `levels/0/experts/ids/0/0/user`. */
  readonly path: string;
  /** The warning as a sentence, with what helps. */
  readonly message: string;
}

/** The losses of a task, means over rows. Plain JSON. */
export interface TaskLosses {
  /** The loss on the rows that were looked at; null where none is labelled. */
  readonly loss: number | null;
  /** The loss of the best constant prediction of their labels; null where it is not known. */
  readonly constant: number | null;
  /** The loss in training; null where it is not known. */
  readonly training: number | null;
  /** That of the best constant prediction of the labels in training; null where it is not known. */
  readonly trainingConstant: number | null;
}

/** The number of rows below which nothing is concluded about units, and of labelled ones about a loss. */
export const fewestRows = 64;

/** Returns the warnings about layers that are 0. */
export function deadLayers(layers: readonly LayerUnits[], rows: number): HealthWarning[] {
  return layers.filter(({ units, dead }) => dead >= 0.75 * units).map(({ path, units, dead }) => {
    const way = "no gradient moves them any more: begin again with another seed, a lower rate or warmUp(100, rate), " +
      "or with leakyRelu in the place of relu";
    const message = `${dead} of ${units} units of ${path} are 0 for each of ${rows} rows, and ${way}`;
    return { kind: "dead", path, message };
  });
}

/** Returns the warnings about vectors that have grown. */
export function grownVectors(sizes: readonly VectorSize[]): HealthWarning[] {
  return sizes.filter(({ size }) => !(size <= Math.sqrt(10))).map(({ path, size }) => {
    const way = "give train a lower rate by vectors, such as rowwiseAdagrad(0.05)";
    const message = `the vectors of ${path} run away: their numbers have a mean size of ${size.toPrecision(3)}: ${way}`;
    return { kind: "growing", path, message };
  });
}

/** Returns the warning about a task of which no row has a label. */
export function unlabelledTask(task: string, where: string): HealthWarning {
  const way = "give them, or leave the task out";
  const message = `task ${quoted(task)} has no label in ${where}, so nothing trains it: ${way}`;
  return { kind: "unlabelled", path: `tasks/${task}`, message };
}

/** Returns the warnings about the losses of a task on so many labelled rows. */
export function lossWarnings(task: string, losses: TaskLosses, rows: number): HealthWarning[] {
  const { loss, constant, training, trainingConstant } = losses;
  if (loss === null || constant === null || rows < fewestRows) return [];
  const gain = constant - loss;
  const learned = training === null || trainingConstant === null ? undefined : trainingConstant - training;
  if (learned !== undefined && learned > 0.01 * trainingConstant! && gain < learned / 4) {
    const found =
      `its loss is ${digits(loss)} here and ${digits(training!)} in training, where the best constants have ` +
      `${digits(constant)} and ${digits(trainingConstant!)}`;
    return [overfitting(task, found)];
  }
  if (gain > 0.001 * constant) return [];
  const lower = "it is above that by more than a fiftieth, so try a lower rate first";
  const higher =
    "look whether its labels belong to these rows, and try a higher rate, more steps or a larger weight of it";
  const found = `its loss is ${digits(loss)}, and the best constant prediction has ${digits(constant)}`;
  const message = `task ${quoted(task)} stands still: ${found}: ${gain < -0.02 * constant ? lower : higher}`;
  return [{ kind: "standing", path: `tasks/${task}`, message }];
}

/** Returns the warning about a task that overfits. */
export function overfitting(task: string, found: string): HealthWarning {
  const way = "stop earlier by stopping, or give weightDecay, dropout or fewer units";
  return { kind: "overfitting", path: `tasks/${task}`, message: `task ${quoted(task)} overfits: ${found}: ${way}` };
}

/** Returns a loss of four significant digits. */
export function digits(number: number): string {
  return number.toPrecision(4);
}
