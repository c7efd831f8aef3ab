import type { Engine } from "../../mod.ts";
import { type Case, prepared } from "./cases.ts";
import { type Bench, own } from "./lines.ts";
import { measure } from "./measure.ts";
import { peakOf } from "./memory.ts";
import { ours } from "./ours.ts";

/** The setting that stays while one of its numbers grows. */
export const base: Case = {
  ...{ name: "growth", about: "one number at a time" },
  ...{ input: 100, experts: 8, units: [64], tasks: 2, tower: 16, batch: 1024 },
};

/** The numbers that grow, and how far: powers of two. */
export const axes = {
  experts: powers(1, 128),
  tasks: powers(1, 32),
  batch: powers(32, 8192),
} as const satisfies Readonly<Record<string, readonly number[]>>;

/**
 * Times and memory against experts, tasks and rows of a batch, one at a time.; memory is
 * the most that a process of its own takes in training steps above what it took before the model.
 */
export async function growth(engines: Readonly<Record<string, Engine>>, bench: Bench): Promise<void> {
  for (const [axis, values] of Object.entries(axes)) {
    for (const value of values) {
      const name = `${axis} ${value}`;
      bench.note(`growth: ${name}`);
      const of = prepared({ ...base, name, [axis]: value });
      const found: (Awaited<ReturnType<typeof ours>> & { readonly name: string })[] = [];
      for (const [key, engine] of Object.entries(engines)) {
        bench.write(own(name, key, "memory_mib", [await peakOf({ ...base, name, [axis]: value }, key, bench)]));
        found.push({ name: key, ...await ours(of, engine, bench.seed) });
      }
      const effort = { ...bench, warm: 100, timed: 200 };
      for (const run of ["train", "predict"] as const) {
        const times = await measure(found.map((one) => ({ name: one.name, times: one[run] })), effort);
        const metric = run === "train" ? "train_step_ms" : "predict_ms";
        for (const [key, some] of times) bench.write(own(name, key, metric, some));
      }
      for (const { close } of found) await close();
    }
  }
}

function powers(from: number, to: number): number[] {
  return Array.from({ length: Math.log2(to / from) + 1 }, (_, at) => from * 2 ** at);
}
