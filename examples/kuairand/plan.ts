import type { Engine } from "@gatehouse/gatehouse";
import type { Context } from "../cli.ts";
import type { Inputs } from "./inputs.ts";
import type { Name } from "./models.ts";

/** The models that are trained or tested, and the way in which they are. */
export interface Plan {
  readonly wanted: readonly Name[];
  readonly inputs: Inputs;
  readonly seed: number;
  /** The most passes over the rows; by default as the model has it. */
  readonly epochs: number | undefined;
  readonly engine: Engine;
  /** The folder of saved models. */
  readonly save: string;
  /** The folder of predictions, if they are to be written. */
  readonly predictions: string | undefined;
  readonly context: Context;
}
