import { kindOf } from "../errors/kinds.ts";
import type { Store } from "../engines/engine.ts";
import { flatName } from "../graph/layout.ts";
import type { Table } from "../model/tables.ts";

/** The name of the averages of parameters on an engine, in the order of the flat array. */
export const averageName = "average/parameters";

/**
 * Makes sure that something is the decay of averages, or undefined.
 *
 * @throws {RangeError} if it is not.
 */
export function checkAverage(action: string, average: unknown): void {
  if (average === undefined || typeof average === "number" && average > 0 && average < 1) return;
  throw new RangeError(`Cannot ${action}: average must be a decay between 0 and 1, found ${kindOf(average)}`);
}

/** The averages of a training's parameters and vectors. */
export interface Averages {
  /** Puts the averages in the place of the parameters and vectors, if they are not there; those are kept. */
  readonly enter: () => Promise<void>;
  /** Puts the parameters and vectors back, if averages are in their place. */
  readonly leave: () => Promise<void>;
  /** Leaves the model as it is from here on: averages were put in the place of its parameters and vectors for good. */
  readonly stay: () => void;
}

/**
 * Returns what puts averages in the place of parameters and vectors.
 *
 * @param vectors The averages of tables.
 */
export function averagesIn(store: Store, vectors: readonly VectorAverage[]): Averages {
  let isIn = false;
  const swap = async () => {
    const [flat, average] = [await store.read(flatName), await store.read(averageName)];
    store.write(flatName, average);
    store.write(averageName, flat);
    for (const { enter, leave } of vectors) isIn ? leave() : enter();
    isIn = !isIn;
  };
  return {
    enter: async () => isIn ? undefined : await swap(),
    leave: async () => isIn ? await swap() : undefined,
    stay: () => isIn = true,
  };
}

/** The averages of a table's vectors, and of each the step up to which it is brought; the last number is the last step. */
export interface AverageState {
  /** `[rows, units]`. */
  readonly vectors: Float32Array;
  /** `[rows + 1]`. */
  readonly steps: Int32Array;
}

/** The averages of the vectors of a table. */
export interface VectorAverage {
  /** Brings the averages of some rows up to the step before one that changes them. */
  readonly before: (rows: Int32Array, count: number, step: number) => void;
  /** Adds a step that has changed some rows. */
  readonly after: (rows: Int32Array, count: number) => void;
  /** Puts the averages, brought up to the last step, in the place of the vectors, of which it keeps a copy. */
  readonly enter: () => void;
  /** Puts the vectors back. The averages go on as if they had not been looked at. */
  readonly leave: () => void;
  /** Returns the averages, each after its last change, valid until the next one. */
  readonly state: () => AverageState;
}

/**
 * Returns the averages of a table's vectors: `a += (1 - decay) (v - a)` after every step, also those that did not read a
 * vector. They are caught up with at once, `a = v + decay^k (a - v)` for k steps in which v stayed as it was, so that a
 * step costs its batch, not the vocabulary.
 */
export function averageOf(
  { vectors, rows, units }: Table,
  decay: number,
  begun: AverageState | undefined,
): VectorAverage {
  const average = begun?.vectors ?? vectors.slice();
  const steps = begun?.steps ?? new Int32Array(rows + 1);
  let held: Float32Array | undefined; // the vectors while averages are in their place
  const write = (row: number, step: number, to: Float32Array) => {
    const factor = decay ** Math.max(0, step - steps[row]);
    for (let at = row * units; at < (row + 1) * units; at++) {
      to[at] = factor === 1 ? average[at] : vectors[at] + factor * (average[at] - vectors[at]);
    }
  };
  const upTo = (row: number, step: number) => {
    if (steps[row] < step) write(row, step, average);
    steps[row] = step;
  };
  return {
    before: (changing, count, step) => {
      steps[rows] = step;
      for (let at = 0; at < count; at++) upTo(changing[at], step - 1);
    },
    after: (changed, count) => {
      for (let at = 0; at < count; at++) upTo(changed[at], steps[rows]);
    },
    enter: () => {
      held = vectors.slice();
      for (let row = 0; row < rows; row++) write(row, steps[rows], vectors); // rounding them here would change later ones
    },
    leave: () => {
      if (held !== undefined) vectors.set(held);
      held = undefined;
    },
    state: () => ({ vectors: average, steps }),
  };
}
