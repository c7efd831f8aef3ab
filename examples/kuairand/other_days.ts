import { type Columns, featuresOf, take } from "@gatehouse/gatehouse";
import type { HistoryState } from "@gatehouse/gatehouse/history";
import { type Inputs, rowsOf, timeOfPast, withPast } from "./inputs.ts";
import { type Measure, measured, measureTable, recordOf } from "./judged.ts";
import { memoryNow } from "./learn.ts";
import { numbers, text } from "./log.ts";
import type { Plan } from "./plan.ts";
import { loadWithPast } from "./saved.ts";

/**
 * Judges saved models on other days of the log, day by day and in all, with what is known of the past carried on from where
 * it was saved.
 *
 * @throws {Error} if a model is not saved there, which says how to train it.
 * @throws {RangeError} if no row is later than what a model knows.
 */
export async function judgeSaved(log: Columns, plan: Plan): Promise<void> {
  const { wanted, inputs, save, engine, seed, context: { say, record, signal } } = plan;
  for (const name of wanted) {
    if (signal.aborted) break;
    const path = `${save}/${inputs}/${name}`;
    const { model, past } = await loadWithPast(path, inputs !== "raw", engine).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      const trains = `deno task kuairand --inputs ${inputs} --model ${name} --save ${save}`;
      throw new Error(`Cannot test ${name}\n  at ${path}: found no saved model: ${trains} trains one`);
    });
    try {
      const { rows, passed } = later(log, inputs, past, path);
      if (passed > 0) say(`${passed} rows are passed over: ${path} knows them, or later ones`);
      const { table } = withPast(rows, inputs, past);
      const how = { model: name, inputs, seed, seconds: 0, mib: memoryNow() };
      const measures: Measure[] = [];
      for (const [split, part] of partsOf(table)) {
        measures.push(...await measured(model, rowsOf(featuresOf(model.spec), take(table, part)), split, how));
      }
      measures.forEach((measure) => record(recordOf(measure)));
      say(`\n${path}\n${measureTable(measures)}`);
    } finally {
      model.dispose();
    }
  }
}

/** Returns the rows that are later than what is known of the past, and how many are not. */
export function later(
  log: Columns,
  inputs: Inputs,
  past: HistoryState | undefined,
  path: string,
): { readonly rows: Columns; readonly passed: number } {
  if (log.count === 0) throw new RangeError(`Cannot test ${path}\n  at --test: found no row`);
  if (inputs === "raw" || past === undefined) return { rows: log, passed: 0 };
  const times = numbers(log, timeOfPast[inputs]);
  const rows = Int32Array.from(times.keys()).filter((row) => times[row] > past.time);
  if (rows.length > 0) return { rows: take(log, rows), passed: log.count - rows.length };
  const known = new Date(past.time).toISOString().slice(0, 10);
  const wanted = inputs === "lag" ? "wanted rows of later days" : "wanted later rows";
  throw new RangeError(`Cannot test ${path}\n  at --test: the saved model knows all days to ${known}, ${wanted}`);
}

/** Returns the rows of all days, and of each day if there are several. */
function partsOf(table: Columns): (readonly [name: string, rows: Int32Array])[] {
  const { codes, words } = text(table, "date");
  const all = Int32Array.from(codes.keys());
  const days = words.map((day, code) => [day, all.filter((row) => codes[row] === code)] as const)
    .filter(([_, rows]) => rows.length > 0);
  return [["test", all], ...days.length > 1 ? days.toSorted(([a], [b]) => a < b ? -1 : 1) : []];
}
