import type { Engine } from "../../mod.ts";
import { type Case, cases, prepared } from "./cases.ts";
import type { Ids } from "./ids.ts";
import { type Bench, own } from "./lines.ts";
import { measure, spread } from "./measure.ts";
import { peakOf } from "./memory.ts";
import { ours } from "./ours.ts";

/** The sizes that the largest vocabulary of W6 has. */
export const sizes = [10_000, 100_000, 1_000_000, 10_000_000] as const;

/** A case of ids. */
type OfIds = Omit<Case, "input"> & { readonly input: Ids };

/** The name of the whole in results. */
export const grown = "W6 by vocabulary";

/** The case of a size. */
export function nameOf(size: number): string {
  return `vocabulary ${size}`;
}

/**
 * Training steps of W6 while one vocabulary grows: `step_growth` is the time with the largest over that with the smallest,
 * in turns; `memory_growth` is the memory that the largest takes more, over that of its vectors and their state, a number
 * each. Memory is the most that a process of its own takes in training steps above what it took before the model.
 */
export async function vocabulary(
  engines: Readonly<Record<string, Engine>>,
  bench: Bench,
  base: OfIds = { name: "W6", ...cases.W6 },
  of: readonly number[] = sizes,
): Promise<void> {
  const all = of.map((size) => grownTo(base, size));
  for (const [key, engine] of Object.entries(engines)) {
    const memory: number[] = [];
    for (const one of all) {
      bench.note(`${one.name}: memory on ${key}`);
      memory.push(await peakOf(one, key, bench));
      bench.write(own(one.name, key, "memory_mib", memory.slice(-1)));
    }
    bench.note(`${grown}: steps on ${key}`);
    const found = new Map<string, Awaited<ReturnType<typeof ours>>>();
    for (const one of all) found.set(one.name, await ours(prepared(one), engine, bench.seed));
    const times = await measure([...found].map(([name, { train }]) => ({ name, times: train })), bench);
    for (const [name, some] of times) bench.write(own(name, key, "train_step_ms", some));
    for (const { close } of found.values()) await close();
    const medians = all.map(({ name }) => spread(times.get(name)!).median);
    const added = 4 * (base.input.k + 1) * (of[of.length - 1] - of[0]) / 2 ** 20;
    const ratio = (values: readonly number[]) => values[values.length - 1] / values[0];
    bench.write(own(grown, key, "step_growth", [ratio(medians)]));
    bench.write(own(grown, key, "memory_growth", [(memory[memory.length - 1] - memory[0]) / added]));
  }
}

function grownTo(base: OfIds, size: number): Case {
  const { vocabularies } = base.input;
  const input = { ...base.input, vocabularies: [...vocabularies.slice(0, -1), size] };
  return { ...base, name: nameOf(size), input };
}
