import { adam, type Engine, type Model, train } from "../../mod.ts";
import { against, type Bench, type Line, own } from "./lines.ts";
import { type Contestant, measure, timesOf } from "./measure.ts";
import { modelsOf, routes, rowsOf, type Size } from "./sparse.ts";

/** The name of the time of all experts beside that of the chosen ones. */
export const allExperts = "ours, all experts";

/** The numbers of experts, and of those that a row's gate chooses. */
export const axes = { experts: [8, 16, 32, 64, 128, 256], k: [1, 2, 4] } as const;

/** The settings that all sizes of the sweep share. */
export const base = { tasks: 1, units: 64, input: 512, batch: 1024 } as const;

/** The one of large experts. */
export const large: Size = { ...base, experts: 64, k: 2, units: 256 };

/** The sizes at which a prediction of all experts would take a minute: fewer rows, and fewer sizes. */
const slow: Readonly<Record<string, { readonly batch: number; readonly experts: readonly number[] }>> = {
  cpu: { batch: 128, experts: [8, 32, 128] },
};

/** The rows of a batch on an engine. */
export function batchOn(engine: string): number {
  return slow[engine]?.batch ?? base.batch;
}

/** Returns true if a line is of the sweep. */
export function isSwept({ case: of }: Pick<Line, "case">): boolean {
  return / of \d+, k \d+$/.test(of);
}

/** The case of a size, as lines name it. */
export function nameOf({ experts, units, k }: Pick<Size, "experts" | "units" | "k">): string {
  return `${experts} of ${units}, k ${k}`;
}

/**
 * Times of predictions and training steps in which the experts that gates choose are computed alone, whatever the
 * engine's rules say, against those in which all are, in turns.
 */
export async function sweep(
  engines: Readonly<Record<string, Engine>>,
  experts: readonly number[],
  bench: Bench,
): Promise<void> {
  for (const [key, engine] of Object.entries(engines)) {
    const batch = batchOn(key);
    const some = experts.filter((count) => slow[key]?.experts.includes(count) ?? true);
    const sizes: Size[] = some.flatMap((experts) => axes.k.map((k) => ({ ...base, experts, k, batch })));
    if (experts.includes(large.experts) && slow[key] === undefined) sizes.push(large);
    for (const size of sizes) {
      bench.note(`${key}: ${nameOf(size)}`);
      await compare(key, engine, size, bench);
    }
  }
}

async function compare(key: string, engine: Engine, size: Size, bench: Bench): Promise<void> {
  const models = await modelsOf(engine, size, true);
  const effort = { repeats: Math.min(5, bench.repeats), warm: 100, timed: 500, signal: bench.signal };
  const rows = rowsOf(size);
  const ends: (() => Promise<unknown>)[] = [];
  const runs = {
    predict_ms: (model: Model): Contestant["times"] => (count) => timesOf(count, () => model.predict(rows)),
    train_step_ms: (model: Model): Contestant["times"] => {
      const steps = train(model, rows, { steps: Number.MAX_SAFE_INTEGER, batch: size.batch, optimiser: adam() });
      ends.push(() => steps.return());
      return (count) => timesOf(count, () => steps.next());
    },
  };
  try {
    bench.write(own(nameOf(size), key, "routed", [Number(routes(size, engine.rules))]));
    for (const [metric, run] of Object.entries(runs)) {
      const contestants = Object.entries(models).map(([name, model]) => ({ name, times: run(model) }));
      const found = await measure(contestants, effort);
      const [sparse, dense] = [found.get("sparse")!, found.get("dense")!];
      bench.write(own(nameOf(size), key, metric, sparse));
      bench.write(against(nameOf(size), key, metric, allExperts, dense, sparse));
    }
  } finally {
    for (const end of ends) await end();
    Object.values(models).forEach((model) => model.dispose());
  }
}
