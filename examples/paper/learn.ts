import type { Data, Model, TrainOptions } from "@gatehouse/gatehouse";
import { digestOf } from "../digest.ts";
import { keptAs, type Taken, taken } from "../resumable.ts";
import type { Tools } from "./study.ts";

/**
 * Trains a model of a run by the run's tools, and gives the records of its steps.
 *
 * @param name The name of the model among those of the run.
 * @throws {DOMException} if the run was stopped, where it is kept once a checkpoint is there.
 */
export async function* learn(
  name: string,
  model: Model,
  data: Data,
  options: TrainOptions,
  { keeping, signal, trained }: Tools,
): AsyncGenerator<Taken, void, void> {
  yield* taken(model, data, { ...options, signal }, keptAs(name, keeping));
  signal?.throwIfAborted();
  trained?.(name, await digestOf(model));
}
