import { adam, compile, cpu, type Engine, train } from "../../mod.ts";
import { cases, specOf } from "./cases.ts";
import { readCensus } from "./census.ts";
import { against, type Bench, own } from "./lines.ts";
import { watched } from "./watch.ts";

/** The epochs that are timed. */
const epochs = 3;
/** The steps from which the time of an epoch on cpu is estimated. */
const plainSteps = 10;

/**
 * Rows a second over whole epochs of Census-Income (W4), the engines in turns, against cpu without fusion; and the
 * share of an epoch in which the engine does not run: rows are chosen and handed over, records are made.
 */
export async function epoch(engines: Readonly<Record<string, Engine>>, bench: Bench): Promise<void> {
  const { train: rows, features, invented } = await readCensus();
  const name = `${invented ? "invented " : ""}census epoch`;
  const of = { name: "W4", ...cases.W4 };
  const spec = specOf(of, features);
  const rates: Record<string, number[]> = {};
  const shares: Record<string, number[]> = {};
  for (let round = 0; round < epochs; round++) {
    for (const [key, given] of Object.entries(engines)) {
      bench.note(`${name}: ${round + 1} of ${epochs} on ${key}`);
      const { engine, running } = watched(given);
      const model = await compile(spec, { engine, seed: bench.seed });
      const start = performance.now();
      for await (const _ of train(model, rows, { batch: of.batch, optimiser: adam(1e-3), signal: bench.signal }));
      const time = performance.now() - start;
      bench.signal.throwIfAborted();
      model.dispose();
      (rates[key] ??= []).push(rows.count / time * 1000);
      (shares[key] ??= []).push(1 - running() / time);
    }
  }
  const bases: Record<string, readonly number[]> = {};
  for (
    const [peer, engine] of Object.entries({ "ours, cpu, plain": plain(await cpu()), "ours, cpu, fuse off": cpu() })
  ) {
    bench.note(`${name}: ${plainSteps} steps of ${peer}`);
    const model = await compile(spec, { engine, seed: bench.seed, fuse: false });
    const times: number[] = [];
    let start = performance.now();
    for await (const _ of train(model, rows, { steps: plainSteps + 2, batch: of.batch, signal: bench.signal })) {
      times.push(performance.now() - start);
      start = performance.now();
    }
    bench.signal.throwIfAborted();
    model.dispose();
    bases[peer] = times.slice(2).map((time) => of.batch / time * 1000);
  }
  for (const key of Object.keys(rates)) {
    bench.write(own(name, key, "rows_per_s", rates[key]));
    for (const [peer, some] of Object.entries(bases)) {
      bench.write(against(name, key, "rows_per_s", peer, some, rates[key]));
    }
    bench.write(own(name, key, "input_share", shares[key]));
  }
}

/** An engine that is given graphs as they are written, one-hot inputs as products. */
function plain({ rules: _, ...engine }: Engine): Engine {
  return engine;
}
