import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { flatName } from "../lib/graph/layout.ts";
import {
  adam,
  binary,
  category,
  compile,
  cpu,
  define,
  dense,
  embed,
  encode,
  evaluate,
  fit,
  type Model,
  pipe,
  reference,
  regression,
  relu,
  rows,
  rowwiseAdagrad,
  sgd,
  train,
  type TrainOptions,
} from "../mod.ts";
import { insidesOf } from "../lib/model/insides.ts";
import { withTemp } from "./temp.ts";

const users = Array.from({ length: 40 }, (_, row) => `u${(row * row) % 23}`);
const features = fit({ user: category() }, { user: users });
const spec = define({
  input: features,
  tasks: { y: regression(pipe(embed(3), dense(2), relu)), click: binary(embed(2)) },
});
const y = users.map((_, row) => Math.sin(row));
const data = rows(encode(features, { user: users }), { labels: { y, click: y.map((y) => y > 0) } });
const held = rows(encode(features, { user: users.slice(7, 19) }), {
  labels: { y: y.slice(7, 19), click: y.slice(7, 19).map((y) => y > 0.2) },
});

/** Returns the parameters and vectors of a model, one after the other. */
async function numbersOf(model: Model): Promise<number[]> {
  const { store, tables } = insidesOf(model, "test");
  return [...(await store.read(flatName)).data, ...[...tables.values()].flatMap(({ vectors }) => [...vectors])];
}

const begun = () => compile(spec, { engine: reference(), seed: 3 });
const options: TrainOptions<"y" | "click"> = {
  epochs: 3,
  batch: 6, // of 23 users: most steps leave most vectors as they are
  optimiser: adam(0.05),
  vectors: rowwiseAdagrad(0.2),
};

/** Trains without averages, and computes them by plain loops after every step. */
async function byLoops(decay: number): Promise<{ readonly raw: number[][]; readonly averages: number[][] }> {
  const model = await begun();
  let average = await numbersOf(model);
  const [raw, averages]: number[][][] = [[], []];
  for await (const _ of train(model, data, options)) {
    const now = await numbersOf(model);
    average = average.map((a, at) => a + (1 - decay) * (now[at] - a));
    raw.push(now);
    averages.push(average);
  }
  model.dispose();
  return { raw, averages };
}

function assertNear(found: readonly number[], wanted: readonly number[], what: string): void {
  found.forEach((number, at) => assertAlmostEquals(number, wanted[at], 3e-7, `${what}, number ${at}`));
  assertEquals(found.length, wanted.length);
}

Deno.test("averages are those of plain loops over all steps, of vectors that are seldom read too", async () => {
  for (const decay of [0.5, 0.9, 0.999]) {
    const { raw, averages } = await byLoops(decay);
    const model = await begun();
    let at = 0;
    for await (const { step } of train(model, data, { ...options, average: decay })) {
      const last = step === raw.length;
      assertNear(await numbersOf(model), last ? averages[at] : raw[at], `step ${step} by ${decay}`);
      at++;
    }
    assertNear(await numbersOf(model), averages.at(-1)!, `after all steps by ${decay}`);
    model.dispose();
  }
});

Deno.test("a model holds averages however its training ends", async () => {
  const { averages } = await byLoops(0.9);
  const stop = new AbortController();
  const ends: readonly ((step: number) => boolean)[] = [(step) => step === 4, (step) => {
    if (step === 4) stop.abort();
    return false;
  }];
  for (const leaves of ends) {
    const model = await begun();
    for await (const { step } of train(model, data, { ...options, average: 0.9, signal: stop.signal })) {
      if (leaves(step)) break;
    }
    assertNear(await numbersOf(model), averages[3], "after step 4");
    model.dispose();
  }
});

Deno.test("validation and stopping see averages, and the best epoch's are restored", async () => {
  const { raw, averages } = await byLoops(0.7);
  const each = 7; // steps an epoch
  const model = await begun();
  const judge = await begun();
  const seen: number[] = [];
  const stopping = { task: "y", patience: 1 } as const;
  const fast = { ...options, average: 0.7, validation: held, stopping };
  for await (const { validation, step } of train(model, data, fast)) {
    if (validation === undefined) continue;
    seen.push(validation.loss.y);
    const flat = insidesOf(judge, "test");
    const length = (await flat.store.read(flatName)).data.length;
    const wanted = averages[step - 1];
    flat.store.write(flatName, { shape: [length], data: Float64Array.from(wanted.slice(0, length)) });
    let at = length;
    for (const { vectors } of flat.tables.values()) vectors.set(wanted.slice(at, at += vectors.length));
    assertAlmostEquals(validation.loss.y, (await evaluate(judge, held)).loss.y, 1e-5);
  }
  const best = seen.indexOf(Math.min(...seen));
  assertNear(await numbersOf(model), averages[each * (best + 1) - 1], "the best epoch");
  assert(raw.length === 3 * each && seen.length > 1);
  model.dispose();
  judge.dispose();
});

Deno.test("averages of a training that fails are those of the steps before", async () => {
  const model = await compile(define({ input: 1, tasks: { y: regression() } }), { engine: cpu(), seed: 1 });
  const failing = rows([[1], [2], [3]], { labels: { y: [1, 2, 1e38] } });
  const first = await numbersOf(model);
  let after: number[] = [];
  await assertRejects(
    async () => {
      for await (
        const _ of train(model, failing, { batch: 1, shuffle: false, optimiser: sgd(0.1), average: 0.5, epochs: 1 })
      ) after = await numbersOf(model);
    },
    RangeError,
    "at step 3",
  );
  const found = await numbersOf(model);
  assert(found.every(Number.isFinite) && found.some((number, at) => number !== after[at] && number !== first[at]));
  model.dispose();
  const again = await compile(define({ input: 1, tasks: { y: regression() } }), { engine: cpu(), seed: 1 });
  await assertRejects(
    () => train(again, failing, { average: 1 }).next(),
    RangeError,
    "Cannot train: average must be a decay between 0 and 1, found 1",
  );
  again.dispose();
});

Deno.test("averages have the same bits whether and wherever they are evaluated", async () => {
  const one = await begun();
  for await (const _ of train(one, data, { ...options, average: 0.9 })) { /* trains */ }
  await withTemp(async (dir) => {
    const folder = `${dir}/run`;
    for (const steps of [2, 5, 16, undefined]) {
      const model = await begun();
      const given = { ...options, average: 0.9, validation: held, checkpoint: { folder }, resume: folder, steps };
      for await (const _ of train(model, data, given)) { /* trains */ }
      if (steps === undefined) assertEquals(await numbersOf(model), await numbersOf(one));
      model.dispose();
    }
  });
  one.dispose();
});
