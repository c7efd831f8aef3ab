import { flatName } from "../graph/layout.ts";
import type { Best, Insides } from "../model/insides.ts";
import { split } from "../model/parameters.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Run } from "./run.ts";
import type { Steps } from "./steps.ts";

/** Puts the model where a training leaves it: at its best evaluation, if there is one, or else at its averages, if they are taken. */
export async function finish<Tasks extends string>({ insides, steps, bests, watch }: Run<Tasks>): Promise<void> {
  const best = bests.get("");
  if (best === undefined) return await steps.averages?.enter();
  if (bests.size > 1) insides.state.bests = bestsIn(insides, steps, bests, watch!.bests());
  insides.store.write(flatName, best);
  steps.restore("");
  steps.averages?.stay();
}

/** Returns the parameters that were best for each task, one set for tasks that were at their best together. */
function bestsIn<Tasks extends string>(
  { plan: { layout, spec }, tables }: Insides<Tasks>,
  steps: Steps,
  flats: ReadonlyMap<string, Tensor>,
  at: ReadonlyMap<string, number>,
): Best[] {
  const together = new Map<number | undefined, { readonly own: string; readonly tasks: string[] }>();
  for (const task of Object.keys(spec.tasks)) {
    const own = at.has(task) ? task : "";
    const alike = together.get(at.get(own)) ?? { own, tasks: [] };
    together.set(at.get(own), alike);
    alike.tasks.push(task);
  }
  return Array.from(together.values(), ({ own, tasks }) => {
    const kept = steps.wholes(own);
    const vectors = [...tables].map(([path, { rows, units, vectors }]) => {
      return [path, { shape: [rows, units], data: kept.get(path) ?? vectors.slice() }] as const;
    });
    const parameters = { ...split(layout, flats.get(own)!), ...Object.fromEntries(vectors) };
    return { tasks, parameters };
  });
}
