/** The memory of training one case on one engine, which nothing else in the process has touched. */
import { compile, train } from "../../mod.ts";
import { type Case, prepared } from "./cases.ts";
import { engineOf } from "./engines.ts";
import { live } from "./live.ts";
import { highest, residentNow } from "./resident.ts";
import { wasmMemory } from "./wasm_memory.ts";
import { watched } from "./watch.ts";

/** A request. */
export interface Asked {
  /** The case, whose input is a width. */
  readonly of: Case;
  /** The engine's name. */
  readonly engine: string;
  /** The steps, a multiple of ten; memory's peak is that of the first ten. */
  readonly steps: number;
}

/** The memory that was found, in bytes. */
export interface Found {
  /** The most memory of the process in steps after the first, above what there was before the model. */
  readonly peak: number;
  /** The most memory of the process, its programs and compiling among it. */
  readonly process: number;
  /** Parameters, slots and live activations, as the graph has them that the engine was given. */
  readonly needed: number;
  /** The memory of the process after a tenth of the steps and after all. */
  readonly resident: { readonly early: number; readonly late: number };
  /** The number of arrays of the wasm backend then, and the most bytes that they took; 0 on other engines. */
  readonly arrays: { readonly early: number; readonly late: number; readonly most: number };
}

if (import.meta.main) console.log(JSON.stringify(await found(JSON.parse(Deno.args[0]))));

async function found({ of, engine: name, steps }: Asked): Promise<Found> {
  const { engine, graphs } = watched(await engineOf(name));
  const { spec, rows, batch } = prepared(of);
  const small = prepared({ name: "small", about: "", input: 8, experts: 2, units: [4], tasks: 2, tower: 4, batch: 8 });
  const learn = async (of: typeof small, steps: number, each: (step: number) => Promise<void>) => {
    const model = await compile(of.spec, { engine });
    for await (const { step } of train(model, of.rows, { steps, batch: of.batch })) await each(step);
    model.dispose();
  };
  await learn(small, 50, () => Promise.resolve()); // what an engine takes once and for all is taken then
  const wasm = name === "wasm" ? wasmMemory() : undefined;
  const loaded = graphs.length;
  const most = await highest();
  const before = await residentNow();
  const kept: number[] = [];
  const arrays: number[] = [];
  let [peak, whole, bytes] = [0, 0, 0];
  await learn({ ...small, spec, rows, batch }, steps, async (step) => {
    if (step === 1) {
      whole = await most.since();
      await residentNow(); // what was needed to compile is no longer
      await most.since();
    }
    if (step === 10) {
      const found = await most.since();
      whole = Math.max(whole, found);
      peak = found - before;
      most.close();
      bytes = wasm?.most() ?? 0;
    }
    if (step !== steps / 10 && step !== steps) return;
    arrays.push(wasm?.arrays() ?? 0);
    kept.push(await residentNow());
  });
  const need = live(graphs[loaded], batch);
  return {
    peak,
    process: whole,
    needed: need.resident + need.activations,
    resident: { early: kept[0], late: kept[kept.length - 1] },
    arrays: { early: arrays[0], late: arrays[arrays.length - 1], most: bytes },
  };
}
