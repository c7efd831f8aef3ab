import type { Engine } from "../../mod.ts";
import { cases, prepared } from "../bench/cases.ts";
import { measure, spread } from "../bench/measure.ts";
import { ours } from "../bench/ours.ts";

/**
 * Median milliseconds of a training step and of a prediction of the benchmark's W2, as `deno task bench` takes them.
 */
export async function medians(engine: Engine, seed: number): Promise<Readonly<Record<string, number>>> {
  const of = await ours(prepared({ name: "W2", ...cases.W2 }), engine, seed);
  const found = await measure([{ name: "train", times: of.train }, { name: "predict", times: of.predict }], {
    repeats: 30,
  });
  await of.close();
  return Object.fromEntries([...found].map(([name, times]) => [name, spread(times).median]));
}
