import type { Rows } from "../data/rows.ts";
import type { Engine } from "../engines/engine.ts";
import { isRecord } from "../errors/kinds.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Spec } from "../spec/spec.ts";
import type { Calibration } from "./calibration.ts";

/** The options of {@linkcode Model.predict}. */
export interface PredictOptions {
  /**
   * True if probabilities are calibrated by what was saved with the model, or the calibration itself, as `calibrate`
   * returns it. Default false: they are the model's own.
   */
  readonly calibrated?: boolean | Calibration;
}

/** A model on an engine: its parameters live there, and it predicts, trains and is saved. */
export interface Model<Tasks extends string = string> {
  /** The model's table in its normal form. */
  readonly spec: Spec<Tasks>;
  /** The engine that it runs on. */
  readonly engine: Engine;
  /** The seed of its initial values, and of the order of rows in training. */
  readonly seed: number;
  /**
   * Predictions by task, one a row: probabilities, numbers, or for `categorical` tasks class probabilities, row-major
   * `[rows x classes]`. Rows are run some at a time, so any number can be given.
   *
   * @throws {TypeError | RangeError} if rows do not fit the model.
   * @throws {RangeError} if a prediction is not finite, naming row and task, or if a sum or product that leads to one is
   * beyond float32, naming the row.
   */
  predict(rows: Rows, options?: PredictOptions): Promise<Record<Tasks, Float32Array>>;
  /** Predictions for a stream of rows, one record for each piece that comes, at bounded memory. */
  predictEach(source: AsyncIterable<Rows>, options?: PredictOptions): AsyncIterable<Record<Tasks, Float32Array>>;
  /** Predictions and gate weights, row-major `[rows x experts]`, by `<level>/<stream>`. */
  inspect(rows: Rows): Promise<Inspection<Tasks>>;
  /**
   * The parameters by path. Of a model with features they carry a mark of these, under a symbol, which `{ ...parameters }`
   * and saved files keep.
   */
  parameters(): Promise<Record<string, Tensor>>;
  /**
   * Replaces all parameters.
   *
   * @throws {TypeError} listing all that are missing, unexpected and misshapen, or if they carry the mark of other features.
   */
  assign(parameters: Readonly<Record<string, Tensor>>): void;
  /** The calibration that was saved with the parameters which the model has; undefined once these change. */
  readonly calibration?: Calibration;
  /** Frees what the model holds on its engine. */
  dispose(): void;
}

/** The result of {@linkcode Model.inspect}. */
export interface Inspection<Tasks extends string> {
  /** As {@linkcode Model.predict} returns them. */
  readonly predictions: Record<Tasks, Float32Array>;
  /** Gate weights, row-major `[rows x experts]`, by `<level>/<stream>`. */
  readonly gates: Record<string, Float32Array>;
}

/** Returns true if a model is given, not a spec. */
export function isModel<Tasks extends string>(from: Spec<Tasks> | Model<Tasks>): from is Model<Tasks> {
  return isRecord(from) && typeof (from as Partial<Model>).predict === "function";
}
