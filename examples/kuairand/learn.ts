import { compile, type Model, progressBar } from "@gatehouse/gatehouse";
import { keptAs, taken } from "../resumable.ts";
import type { Prepared } from "./inputs.ts";
import type { Judged } from "./judged.ts";
import type { Task } from "./log.ts";
import { type Name, specOf, trainingOf } from "./models.ts";
import type { Plan } from "./plan.ts";

/** Trains a model, and returns it with the time and memory that it took. */
export async function learn(
  name: Name,
  { features, train, validation }: Prepared,
  { inputs, seed, epochs: most, engine, context: { signal, keeping } }: Plan,
): Promise<{ readonly model: Model<Task>; readonly how: Judged }> {
  const began = performance.now();
  const model = await compile(specOf(name, features), { engine, seed });
  try {
    const training = trainingOf(name, train.count, most);
    const { epochs } = training;
    const progress = progressBar(name.padEnd("shared-bottom".length));
    const watched = training.stopping && { validation };
    for await (const at of taken(model, train, { ...training, ...watched, signal }, keptAs(name, keeping))) {
      progress.update({ ...at, epochs });
    }
    progress.end(signal.aborted ? "stopped" : "done");
  } catch (error) {
    model.dispose();
    throw error;
  }
  const seconds = (performance.now() - began) / 1000;
  return { model, how: { model: name, inputs, seed, seconds, mib: memoryNow() } };
}

/** Returns the memory of the program, in MiB. */
export function memoryNow(): number {
  return Math.round(Deno.memoryUsage().rss / 2 ** 20);
}
