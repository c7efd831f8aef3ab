import { compile, ensemble, type Model, progressBar } from "@gatehouse/gatehouse";
import { keptAs, taken } from "../resumable.ts";
import type { Prepared } from "./inputs.ts";
import type { Judged } from "./judged.ts";
import type { Task } from "./log.ts";
import { membersOf, type Name, specOf, trainingOf } from "./models.ts";
import type { Plan } from "./plan.ts";

/**
 * Trains a model, and returns it with the time and memory that it took: several, one after the other, of which one model is
 * made, where its name stands for several. A run that is stopped makes it of those that it came to.
 */
export async function learn(
  name: Name,
  data: Prepared,
  plan: Plan,
): Promise<{ readonly model: Model<Task>; readonly how: Judged }> {
  const { inputs, seed, context: { signal } } = plan;
  const began = performance.now();
  const models: Model<Task>[] = [];
  try {
    for (let member = 0; member < membersOf(name) && (member === 0 || !signal.aborted); member++) {
      models.push(await trained({ name, member, data, plan }));
    }
    const model = await ensemble(models);
    const seconds = (performance.now() - began) / 1000;
    return { model, how: { model: name, inputs, seed, seconds, mib: memoryNow() } };
  } finally {
    models.forEach((model) => model.dispose());
  }
}

/** A model that is trained, alone or as one of several: which, of what, and how. */
interface Member {
  readonly name: Name;
  /** Its place among the models that its name stands for, from 0. */
  readonly member: number;
  readonly data: Prepared;
  readonly plan: Plan;
}

/** Trains one model. */
async function trained(
  { name, member, data: { features, train, validation }, plan }: Member,
): Promise<Model<Task>> {
  const { seed, epochs: most, engine, context: { signal, keeping } } = plan;
  const title = membersOf(name) === 1 ? name : `${name}-${member + 1}`;
  const model = await compile(specOf(name, features), { engine, seed: seed + 1000 * member });
  try {
    const training = trainingOf(name, most);
    const { epochs } = training;
    const progress = progressBar(title.padEnd("shared-bottom".length));
    const watched = training.stopping && { validation };
    for await (const at of taken(model, train, { ...training, ...watched, signal }, keptAs(title, keeping))) {
      progress.update({ ...at, epochs });
    }
    progress.end(signal.aborted ? "stopped" : "done");
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** Returns the memory of the program, in MiB. */
export function memoryNow(): number {
  return Math.round(Deno.memoryUsage().rss / 2 ** 20);
}
