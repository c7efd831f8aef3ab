import { adam, compile, type Engine, lazyAdam, type Model, type Progress, rowwiseAdagrad, train } from "../../mod.ts";
import { sliceRows } from "../../lib/data/rows.ts";
import type { Loaded } from "./cases.ts";
import { isIds } from "./ids.ts";
import { timesOf } from "./measure.ts";
import { watched } from "./watch.ts";

/** A case on an engine, as its users run it. */
export interface Ours {
  /** The model. */
  readonly model: Model;
  /**
   * Takes training steps of `train`: choosing the rows of the batch, uploading them, forward, backward, Adam, and
   * reading the losses. Returns how long each took, in milliseconds.
   */
  train(count: number): Promise<readonly number[]>;
  /** Predicts one batch by `predict`, numbers read. Returns how long each took, in milliseconds. */
  predict(count: number): Promise<readonly number[]>;
  /** The total loss of every step so far. */
  readonly losses: readonly number[];
  /** Of every step so far, the share of its time in which the engine did not run. */
  readonly shares: readonly number[];
  /** Ends the training and frees the model. */
  close(): Promise<void>;
}

/**
 * Compiles a case.
 *
 * @param fuse True if like parts are computed as one. Default: as `compile` does.
 */
export async function ours(of: Loaded, on: Engine, seed: number, fuse?: boolean): Promise<Ours> {
  const { engine, running } = watched(on);
  const model = await compile(of.spec, fuse === undefined ? { engine, seed } : { engine, seed, fuse });
  const some = sliceRows(of.rows, 0, of.batch);
  const vectors = isIds(of.input) && of.input.vectors === "all" ? lazyAdam(1e-3) : rowwiseAdagrad();
  const losses: number[] = [];
  const shares: number[] = [];
  let steps: AsyncGenerator<Progress, void, void> | undefined;
  return {
    model,
    train: async (count) => {
      const options = { steps: Number.MAX_SAFE_INTEGER, batch: of.batch, optimiser: adam(1e-3), vectors };
      steps ??= train(model, of.rows, options);
      const found: number[] = [];
      for (let step = 0; step < count; step++) {
        const [start, before] = [performance.now(), running()];
        const { value } = await steps.next();
        const time = performance.now() - start;
        found.push(time);
        losses.push((value as Progress).total);
        shares.push(1 - (running() - before) / time);
      }
      return found;
    },
    predict: (count) => timesOf(count, () => model.predict(some)),
    losses,
    shares,
    close: async () => {
      await steps?.return();
      model.dispose();
    },
  };
}
