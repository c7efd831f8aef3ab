import { adam, compile, type Engine, train, wasm } from "../../mod.ts";
import { sliceRows } from "../../lib/data/rows.ts";
import type { Loaded } from "./cases.ts";
import { type Form, type Layers, layers } from "./layers.ts";
import { against, type Bench, own } from "./lines.ts";
import { type Contestant, measure, spread } from "./measure.ts";
import { isIds } from "./ids.ts";
import { multiplyAdds, peakShare } from "./multiply_adds.ts";
import { ours } from "./ours.ts";
import { dimsOf, type Peers, variantsOf } from "./python.ts";

/** The settings with which a case is measured. */
export interface Field {
  /** Our engines by name. */
  readonly engines: Readonly<Record<string, Engine>>;
  /** PyTorch, where it is. */
  readonly peers: Peers | undefined;
  /** True if ours are measured alone, fused: without tf.layers. */
  readonly alone?: boolean;
}

/** The contestants: our model, or a peer of the engines that are named. */
interface Entrant {
  readonly name: string;
  readonly peer: string | null;
  readonly engines: readonly string[];
  readonly train: Contestant["times"];
  readonly predict: Contestant["times"];
  readonly shares?: readonly number[];
  readonly close: () => Promise<void> | void;
}

/**
 * Training steps and predictions of a case: ours on every engine, fused and not, those of the peers, and a large native
 * product, in turns.
 */
export async function steps(of: Loaded, field: Field, bench: Bench): Promise<void> {
  const entrants: Entrant[] = [];
  try {
    bench.note(`${of.name} (${of.about}): preparing`);
    for await (const entrant of entrantsOf(of, field, bench.seed)) entrants.push(entrant);
    const work = multiplyAdds(of.spec);
    for (const run of ["train", "predict"] as const) {
      bench.note(`${of.name}: ${run} of ${entrants.map(({ name }) => name).join("; ")}`);
      const metric = run === "train" ? "train_step_ms" : "predict_ms";
      const contestants = entrants.map((entrant) => ({ name: entrant.name, times: entrant[run] }));
      const found = await measure([...contestants, ...field.peers ? [blas(field.peers)] : []], bench);
      for (const engine of Object.keys(field.engines)) report(engine, metric, entrants, found);
      const products = found.get("blas");
      if (products !== undefined) shares(metric, work[run], entrants, found, gflopsOf(spread(products).median));
    }
  } finally {
    for (const { close } of entrants) await close();
  }

  function report(
    engine: string,
    metric: string,
    entrants: readonly Entrant[],
    found: ReadonlyMap<string, readonly number[]>,
  ): void {
    const [mine, ...rivals] = entrants.filter(({ engines }) => engines.includes(engine));
    const times = found.get(mine.name)!;
    bench.write(own(of.name, engine, metric, times));
    if (metric === "train_step_ms") bench.write(own(of.name, engine, "input_share", mine.shares!.slice(-times.length)));
    for (const { name, peer } of rivals) {
      bench.write(against(of.name, engine, metric, peer!, found.get(name)!, times));
    }
    for (const kind of ["tf.layers", "torch"]) {
      const some = rivals.filter(({ peer }) => peer!.startsWith(kind)).map(({ name }) => found.get(name)!);
      const [best] = some.toSorted((a, b) => spread(a).median - spread(b).median);
      if (best !== undefined) bench.write(against(of.name, engine, metric, `best of ${kind}`, best, times));
    }
  }

  function shares(
    metric: string,
    work: number,
    entrants: readonly Entrant[],
    found: ReadonlyMap<string, readonly number[]>,
    gflops: number,
  ): void {
    for (const { name, peer, engines: [engine] } of entrants) {
      if (peer !== null) continue;
      const values = found.get(name)!.map((time) => peakShare(work * of.batch, time, gflops));
      bench.write(own(of.name, engine, metric.replace(/(_step)?_ms$/, "_peak_share"), values));
    }
  }
}

/** The side of the square matrices whose product is the peak of this machine. */
const side = 2048;

/** A large product by the fastest native library, so that shares of the peak are of the machine as it is in a round. */
function blas(peers: Peers): Contestant {
  return { name: "blas", times: async () => [2 * side ** 3 / (await peers.blas(side)).gflops / 1e6] };
}

/** The speed of the product of matrices of that side in so many milliseconds, in 10^9 operations a second. */
function gflopsOf(milliseconds: number): number {
  return 2 * side ** 3 / milliseconds / 1e6;
}

/** Our models first, engine by engine. */
async function* entrantsOf(
  of: Loaded,
  { engines, peers, alone = false }: Field,
  seed: number,
): AsyncGenerator<Entrant> {
  for (const [name, engine] of Object.entries(engines)) {
    for (const fuse of alone ? [undefined] : [undefined, false]) {
      const one = await ours(of, engine, seed, fuse);
      const peer = fuse === undefined ? null : "ours, fuse off";
      yield { name: `${name}${peer === null ? "" : ", fuse off"}`, peer, engines: [name], ...one };
    }
  }
  if (engines.wasm !== undefined) {
    const peer = "ours, 1 thread";
    yield { name: `wasm, ${peer}`, peer, engines: ["wasm"], ...await ours(of, await wasm({ threads: 1 }), seed) };
  }
  if (engines.wasm !== undefined && !alone) {
    for (const form of formsOf(of)) {
      const peer = `tf.layers, ${form}`;
      yield { name: peer, peer, engines: ["wasm"], ...await equal(of, form, engines.wasm, seed) };
    }
  }
  for (const variant of peers?.variants ?? []) {
    if (!variantsOf(of).includes(variant)) continue;
    const times = (metric: "train_step_ms" | "predict_ms") => (count: number) =>
      peers!.time(dimsOf(of), variant, metric, count);
    const [train, predict] = [times("train_step_ms"), times("predict_ms")];
    yield { name: variant, peer: variant, engines: Object.keys(engines), train, predict, close: () => {} };
  }
}

/**
 * The forms that are measured: where a step takes seconds the faster one alone, which was tried. Of ids none: the gradient
 * of an embedding of tf.layers has the size of its table.
 */
function formsOf({ name, input }: Loaded): readonly Form[] {
  if (isIds(input)) return [];
  return ["W1", "W2"].includes(name) ? ["loop", "wide"] : ["loop"];
}

/** The model of tf.layers, once it is known to compute what ours computes: the losses of three steps are the same. */
async function equal(of: Loaded, form: Form, engine: Engine, seed: number): Promise<Layers> {
  const model = await compile(of.spec, { engine, seed });
  const peer = await layers(of, form, "wasm", await model.parameters());
  await peer.train(3);
  const some = sliceRows(of.rows, 0, of.batch);
  const options = { steps: 3, batch: of.batch, optimiser: adam(1e-3), shuffle: false };
  for await (const { step, total } of train(model, some, options)) {
    const found = peer.losses[step - 1];
    if (!(Math.abs(found - total) <= 1e-4)) {
      throw new Error(
        `Cannot compare with tf.layers\n  at ${of.name}, step ${step}: its loss is ${found}, ours ${total}`,
      );
    }
  }
  model.dispose();
  return peer;
}
