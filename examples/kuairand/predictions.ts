import { readCsv } from "@gatehouse/gatehouse";
import { writeFileAtomic } from "../../lib/files/atomic.ts";

/** The predictions of a model on a part of the rows: which ones. */
export interface Predicted {
  /** The model's name. */
  readonly model: string;
  /** The inputs that it reads, such as `raw`. */
  readonly inputs: string;
  /** The seed of its training. */
  readonly seed: number;
  /** The part of the rows, such as `test`. */
  readonly split: string;
}

/** Probabilities by task, `[rows]` in the order of the log. */
export type Predictions = Readonly<Record<string, ArrayLike<number>>>;

/** Returns the path of predictions in a folder: a CSV file with a column a task. */
export function predictionsPath(folder: string, { model, inputs, seed, split }: Predicted): string {
  return `${folder}/${model},${inputs},${seed}.${split}.csv`;
}

/** Writes predictions into a folder, whole or not at all. */
export async function writePredictions(folder: string, of: Predicted, predictions: Predictions): Promise<void> {
  const tasks = Object.keys(predictions);
  const rows = Array.from(predictions[tasks[0]], (_, row) => tasks.map((task) => predictions[task][row]).join());
  await writeFileAtomic(predictionsPath(folder, of), [tasks.join(), ...rows, ""].join("\n"), "write predictions");
}

/**
 * Returns predictions that are in a folder, those of the peers in `tests/bench/peers` among them; undefined if there are
 * none.
 *
 * @throws {SyntaxError} if they are malformed.
 */
export async function readPredictions(
  folder: string,
  of: Predicted,
  tasks: readonly string[],
): Promise<Record<string, Float64Array> | undefined> {
  const path = predictionsPath(folder, of);
  try {
    await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const { columns } = await readCsv(path, { columns: Object.fromEntries(tasks.map((task) => [task, "number"])) });
  return Object.fromEntries(
    tasks.map((task) => {
      const column = columns[task];
      return [task, column.kind === "number" ? column.values : new Float64Array(0)];
    }),
  );
}
