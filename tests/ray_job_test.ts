import { assert, assertEquals } from "@std/assert";
import {
  adagrad,
  adam,
  bank,
  binary,
  categorical,
  category,
  compile,
  cosineDecay,
  define,
  dense,
  dropout,
  dwa,
  embed,
  encode,
  fit,
  lazyAdam,
  level,
  loadBalance,
  mix,
  mmoe,
  numeric,
  pipe,
  regression,
  relu,
  type Rows,
  rows,
  rowwiseAdagrad,
  sequence,
  sgd,
  type Spec,
  topK,
  train,
  type TrainOptions,
  uncertainty,
} from "../mod.ts";
import { onnx } from "../lib/onnx.ts";
import { random } from "../lib/data/random.ts";
import { writeJob } from "../lib/ray/job.ts";
import { inGroups } from "./coded_rows.ts";
import { type Driven, driven } from "./ray_driver.ts";
import { withTemp } from "./temp.ts";

const engine = await onnx({ threads: 1 });
const source = random("ray");
const uniform = () => source.bits() / 2 ** 32;
const size = 400;
const some = <T>(of: (row: number) => T, labelled = 0.5) =>
  Array.from({ length: size }, (_, row) => uniform() < labelled ? of(row) : null);

// Of the task "kind" the row groups from 200 on have no label: whole batches of a worker lack one.
const labels = {
  click: some(() => source.bits() % 2),
  price: some(uniform),
  kind: some((row) => row < 200 ? source.bits() % 3 : null),
};
const weights = { price: Array.from({ length: size }, () => 0.5 + uniform()) };
const tasks = {
  click: binary(pipe(dense(3), relu)),
  price: regression(undefined, { weight: 0.7 }),
  kind: categorical(3),
};

const numbers = rows(Array.from({ length: size }, () => [uniform(), uniform() - 0.5, uniform()]), { labels, weights });
const plain = define(
  mmoe({ input: 3, experts: 3, expert: pipe(dense(6), relu, dropout(0.2)), gate: topK(2, { noise: true }), tasks }),
);
const balanced = define({
  input: 3,
  tasks,
  levels: [level({ shared: bank(3, pipe(dense(4), relu), { losses: { even: loadBalance(0.1) }, capacity: 1.5 }) }, {
    click: mix("shared", topK(2)),
    price: mix("shared", topK(2)),
    kind: mix("shared", topK(2)),
  })],
});

const users = Array.from({ length: size }, () => `u${source.bits() % 50}`);
const items = Array.from(
  { length: size },
  () => Array.from({ length: source.bits() % 4 }, () => `i${source.bits() % 30}`),
);
const table = { user: users, items, age: Array.from({ length: size }, uniform) };
const features = fit({ user: category(), items: sequence(), age: numeric() }, table);
const ids = rows(encode(features, table), { labels, weights });
const looked = define(
  mmoe({ input: features, experts: 2, expert: pipe(embed(4), dense(6), relu, dropout(0.1)), tasks }),
);

/** Trains here, and by jobs of one lane and of four on one, two and four workers. */
async function compared(spec: Spec, data: Rows, options: TrainOptions, steps = 200) {
  const given = { ...options, steps, batch: 40 };
  const model = await compile(spec, { engine, seed: 5 });
  const records = await Array.fromAsync(train(model, inGroups(data, 50, 120), given));
  const parameters = Object.fromEntries(
    Object.entries(await model.parameters()).map(([path, { data }]) => [path, data]),
  );
  model.dispose();
  const wanted = { parameters, steps: records } as unknown as Driven;
  return await withTemp(async (dir) => {
    const job = async (lanes: number) => {
      const folders = { job: `${dir}/job-${lanes}`, storage: `${dir}/storage-${lanes}` };
      await writeJob(spec, data, { ...given, seed: 5, lanes, groupRows: 50, window: 120 } as never, folders);
      return folders;
    };
    const one = await job(1);
    const alone = await driven(one.job, one.storage, 1);
    const four = await job(4);
    const split = [];
    for (const workers of [1, 2, 4]) split.push(await driven(four.job, four.storage, workers));
    return { wanted, alone, split };
  });
}

function assertSame(found: Driven, wanted: Driven, name: string): void {
  assertEquals(found.steps.length, wanted.steps.length);
  for (const [at, { loss, total, norm }] of wanted.steps.entries()) {
    const near = (a: number, b: number, what: string) =>
      assert(Math.abs(a - b) <= 1e-4 * Math.max(1, Math.abs(b)), `${name}: step ${at + 1}: ${what}: ${a}, ${b}`);
    for (const [task, value] of Object.entries(loss)) near(found.steps[at].loss[task], value, task);
    near(found.steps[at].total, total, "total");
    near(found.steps[at].norm, norm, "norm");
  }
  for (const [path, data] of Object.entries(wanted.parameters)) {
    const own = found.parameters[path];
    assertEquals(own.length, data.length, path);
    const far = data.reduce((most, value, at) => Math.max(most, Math.abs(value - own[at])), 0);
    assert(far <= 1e-5, `${name}: ${path} differs by ${far}`);
  }
}

const laws: Readonly<Record<string, readonly [Spec, Rows, TrainOptions]>> = {
  "dropout and noisy gates": [plain, numbers, {
    optimiser: adam(cosineDecay(3e-3, 200), { weightDecay: 1e-3, clipNorm: 0.5 }),
  }],
  "losses of banks": [balanced, numbers, { optimiser: sgd(0.05) }],
  "parts, each with its optimiser": [plain, numbers, { optimiser: sgd(0.05), parts: { tasks: adagrad(0.01) } }],
  "uncertainty": [plain, numbers, { optimiser: adam(1e-3), weighting: uncertainty() }],
  "dwa": [plain, numbers, { optimiser: adam(1e-3), weighting: dwa() }],
  "vectors, clipped": [looked, ids, {
    optimiser: adam(1e-3, { clipNorm: 0.3 }),
    vectors: rowwiseAdagrad(0.02, { touchedDecay: 0.01 }),
  }],
  "vectors of two optimisers": [looked, ids, {
    optimiser: adam(1e-3),
    vectors: { default: lazyAdam(1e-3), user: adagrad((step) => step % 3 === 0 ? 0 : 0.01) },
  }],
};

for (const [name, [spec, data, options]] of Object.entries(laws)) {
  Deno.test(`a job gives what train() does, and the same on one, two and four workers: ${name}`, async () => {
    const { wanted, alone, split } = await compared(spec, data, options);
    assertSame(alone, wanted, "one lane and train()");
    for (const [at, other] of split.entries()) assertSame(other, split[0], `${[1, 2, 4][at]} workers and one`);
  });
}
