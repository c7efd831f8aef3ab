import { assert, assertEquals, assertRejects } from "@std/assert";
import { random } from "../lib/data/random.ts";
import { pickRows } from "../lib/data/rows.ts";
import { entropy, zLoss } from "../lib/author/gate_losses.ts";
import {
  adam,
  bank,
  binary,
  cagrad,
  categorical,
  category,
  compile,
  count,
  cpu,
  define,
  dense,
  dwa,
  embed,
  encode,
  type Engine,
  fit,
  gradNorm,
  level,
  loadBalance,
  mgda,
  mix,
  momentum,
  type Optimiser,
  pcgrad,
  pipe,
  type Progress,
  ranking,
  reference,
  regression,
  relu,
  type Rows,
  rows,
  rowwiseAdagrad,
  sgd,
  softmax,
  type Spec,
  train,
  type TrainOptions,
  uncertainty,
  upgrad,
  wasm,
  type Weighting,
} from "../mod.ts";

const source = random("accumulate");
const uniform = () => source.bits() / 2 ** 32;
const size = 50;
const some = (of: () => number) => Array.from({ length: size }, () => uniform() < 0.4 ? NaN : of());

const labels = {
  click: some(() => source.bits() % 2),
  price: some(uniform),
  kind: some(() => source.bits() % 3),
};
const weights = {
  click: Array.from({ length: size }, (_, row) => row < 16 ? 0 : 1e-3 * 2 ** (source.bits() % 12)),
  price: Array.from({ length: size }, uniform),
};
const data = rows(Array.from({ length: size }, () => [uniform(), uniform() - 0.5]), { labels, weights });
const tasks = { click: binary(), price: regression(undefined, { weight: 0.7 }), kind: categorical(3) };
const spec = define({
  input: 2,
  tasks,
  levels: [level({ shared: bank(3, pipe(dense(4), relu)) }, {
    click: mix("shared", zLoss(0.1, softmax)),
    price: mix("shared", entropy(0.2, softmax)),
    kind: mix("shared", softmax),
  })],
});

/** Trains, and returns what can be compared. */
async function trained(engine: Engine, of: Spec, on: Rows, options: TrainOptions) {
  const model = await compile(of, { engine, seed: 5 });
  const records = await Array.fromAsync(train(model, on, options)) as Progress[];
  const parameters = await model.parameters();
  model.dispose();
  return { records, parameters };
}

const flat = (parameters: Awaited<ReturnType<typeof trained>>["parameters"]) =>
  Object.values(parameters).flatMap(({ data }) => [...data]);

function assertNear(found: readonly number[], wanted: readonly number[], by: number, what: string): void {
  assertEquals(found.length, wanted.length);
  const most = Math.max(...wanted.map(Math.abs));
  const off = Math.max(...found.map((number, at) => Math.abs(number - wanted[at])));
  assert(off <= by * most, `${what}: ${off} of ${most}`);
}

/** Asserts that some batches a step are one batch of as many rows. */
async function assertAlike(
  engine: Engine,
  of: Spec,
  on: Rows,
  options: TrainOptions,
  by: number,
  what: string,
  cuts = [[4, 3], [5, 2], [16, 4]],
) {
  for (const [batch, accumulate] of cuts) {
    const one = await trained(engine, of, on, { ...options, batch: batch * accumulate });
    const more = await trained(engine, of, on, { ...options, batch, accumulate });
    const text = `${what}, ${accumulate} batches of ${batch}`;
    assertEquals(more.records.length, one.records.length, text);
    for (const [at, record] of more.records.entries()) {
      const wanted = one.records[at];
      assertEquals([record.step, record.epoch, record.rows, record.steps], [
        wanted.step,
        wanted.epoch,
        wanted.rows,
        wanted.steps,
      ]);
      const numbers = ({ loss, auxiliary, dropped, weights, total, norm }: Progress) =>
        [loss, auxiliary, dropped, weights].flatMap((part) => Object.values<number>(part)).concat(total, norm);
      assertNear(numbers(record), numbers(wanted), by, `${text}, step ${record.step}`);
    }
    assertNear(flat(more.parameters), flat(one.parameters), by, text);
  }
}

const weightings: Readonly<Record<string, Weighting | undefined>> = {
  none: undefined,
  uncertainty: uncertainty(),
  dwa: dwa(),
  gradNorm: gradNorm(),
  pcgrad: pcgrad(),
  mgda: mgda(),
  cagrad: cagrad(),
  upgrad: upgrad(),
};

for (const [name, weighting] of Object.entries(weightings)) {
  Deno.test(`steps of several batches are those of one batch of as many rows, weighting ${name}`, async () => {
    // Minima of other weightings are found to some digits.
    const by = ["mgda", "cagrad", "upgrad", "pcgrad"].includes(name) ? 1e-8 : 1e-12;
    for (const optimiser of [sgd(0.3), momentum(0.1, 0.9, { clipNorm: 0.05, weightDecay: 0.1 })]) {
      await assertAlike(reference(), spec, data, { epochs: 3, optimiser, weighting }, by, optimiser.name);
    }
  });
}

Deno.test("steps of several batches are those of one batch on other engines, to float32", async () => {
  for (const engine of [await cpu(), await wasm()]) {
    await assertAlike(
      engine,
      spec,
      data,
      { epochs: 2, optimiser: adam(1e-2), weighting: gradNorm() },
      2e-4,
      engine.name,
    );
  }
});

Deno.test("steps of several batches move vectors as one batch does", async () => {
  const table = {
    user: Array.from({ length: size }, () => `u${source.bits() % 17}`),
    tag: some(uniform).map((x) => `${x > 0.5}`),
  };
  const features = fit({ user: category(), tag: category() }, table);
  const on = rows(encode(features, table), { labels, weights });
  const looked = define({
    input: features,
    tasks: {
      click: binary(pipe(embed(3), dense(4), relu)),
      price: regression(pipe(embed(2), dense(3), relu)),
      kind: categorical(3, embed(2)),
    },
  });
  const shared = define({
    input: features,
    tasks,
    levels: [level({ shared: bank(2, pipe(embed(3), dense(4), relu)) }, {
      click: mix("shared", softmax),
      price: mix("shared", softmax),
      kind: mix("shared", softmax),
    })],
  });
  const clipped: Optimiser = sgd(0.3, { clipNorm: 0.05 });
  for (const weighting of [undefined, pcgrad(), gradNorm()]) {
    for (const of of weighting === undefined ? [looked, shared] : [shared]) {
      for (const optimiser of [sgd(0.3), clipped]) {
        const options = { epochs: 3, optimiser, vectors: rowwiseAdagrad(0.1), weighting };
        await assertAlike(reference(), of, on, options, 2e-5, `${weighting?.name}, ${optimiser.clipNorm}`);
      }
    }
  }
});

Deno.test("steps of several batches take pairs within batches, and losses of banks as the mean over batches", async () => {
  const search = Array.from({ length: size }, (_, row) => Math.floor(row / 5));
  const ranked = rows(Array.from({ length: size }, () => [uniform(), uniform()]), {
    labels: { place: Array.from({ length: size }, () => source.bits() % 3), visits: Array(size).fill(2), search },
    weights: { place: Array.from({ length: size }, uniform) },
  });
  const places = define({ input: 2, tasks: { place: ranking(undefined, { within: "search" }), visits: count() } });
  const options = { epochs: 2, shuffle: false, optimiser: sgd(0.1) };
  await assertAlike(reference(), places, ranked, options, 1e-12, "groups", [[10, 2], [5, 4], [15, 3]]);
  const balanced = define({
    input: 2,
    tasks: { click: binary(), price: regression(), kind: categorical(3) },
    levels: [level({ shared: bank(3, dense(4), { losses: { even: loadBalance(0.5) } }) }, {
      click: mix("shared", softmax),
      price: mix("shared", softmax),
      kind: mix("shared", softmax),
    })],
  });
  const path = "levels/0/experts/shared/even";
  const part = async (from: number, to: number) => {
    const own = pickRows(data, Uint32Array.from({ length: to - from }, (_, at) => from + at));
    return (await trained(reference(), balanced, own, { ...options, epochs: 1 })).records[0].auxiliary[path];
  };
  const all = await trained(reference(), balanced, data, { ...options, epochs: 1, batch: 20, accumulate: 3 });
  const wanted = 0.4 * await part(0, 20) + 0.4 * await part(20, 40) + 0.2 * await part(40, 50);
  assertNear([all.records[0].auxiliary[path]], [wanted], 1e-12, "balance");
});

Deno.test("a step whose second batch is not finite changes nothing, vectors included", async () => {
  const features = fit({ user: category() }, { user: ["a", "b"] });
  const on = rows(encode(features, { user: ["a", "a", "b", "b"] }), { labels: { y: [1, 2, 1e30, 1e30] } });
  for (const accumulate of [1, 2]) {
    const model = await compile(define({ input: features, tasks: { y: regression(embed(2)) } }), {
      engine: cpu(),
      seed: 1,
    });
    const options = { batch: 2, accumulate, shuffle: false, optimiser: sgd(0.1, { clipNorm: 1 }), steps: 2 };
    let before = await model.parameters();
    await assertRejects(
      async () => {
        for await (const _ of train(model, on, options)) before = await model.parameters();
      },
      RangeError,
      `at step ${accumulate === 1 ? 2 : 1}: the`,
    );
    assertEquals(await model.parameters(), before);
    model.dispose();
  }
});
