import { assert, assertEquals, assertGreater, assertNotEquals, assertRejects } from "@std/assert";
import {
  adam,
  binary,
  compile,
  cpu,
  type Data,
  define,
  dense,
  type Engine,
  evaluate,
  mlp,
  mmoe,
  type Model,
  pipe,
  type Progress,
  ranking,
  reference,
  regression,
  type Rows,
  rows,
  sgd,
  singleTask,
  type Spec,
  train,
  type TrainOptions,
} from "../mod.ts";
import { log } from "../lib/ops.ts";
import { sliceRows } from "../lib/data/rows.ts";
import { feedsOf } from "../lib/train/feeds.ts";
import { stepsOf } from "../lib/train/steps.ts";
import { architectures, base, sample, tasks, tower } from "./models.ts";
import { storeOf } from "./insides.ts";

const spec = architectures.mmoe;
const noisy = define(mmoe({ ...base, experts: 2, expert: mlp([4], { dropout: 0.3 }) }));

Deno.test("train() gives the same numbers for the same seed, and others for another", async () => {
  const options = { epochs: 2, batch: 8 };
  for (const some of [spec, noisy]) {
    const [one, same, other] = await Promise.all([7, 7, 8].map((seed) => trained(some, sample(20), options, seed)));
    assertEquals(same.parameters, one.parameters);
    assertEquals(same.records.map(lasting), one.records.map(lasting));
    assertNotEquals(other.parameters, one.parameters);
  }
});

Deno.test("train() shuffles and draws by the seed, whatever the initial values", async () => {
  const { parameters } = await trained(spec, sample(20), { steps: 1 });
  const from = (seed: number) => trained(spec, sample(20), { epochs: 2, batch: 8 }, seed, parameters);
  assertEquals((await from(1)).parameters, (await from(1)).parameters);
  assertNotEquals((await from(1)).parameters, (await from(2)).parameters);
});

Deno.test("train() draws other noise for every step", async () => {
  const data = sample(4);
  const still = { optimiser: sgd(1e-30), steps: 4, shuffle: false };
  const { records } = await trained(noisy, data, still);
  assertEquals(new Set(records.map(({ total }) => total)).size, 4);
  assertEquals(new Set((await trained(spec, data, still)).records.map(({ total }) => total)).size, 1);
});

Deno.test("train() takes every row once an epoch, in another order each", async () => {
  const data = doubling(10);
  const sets = async (shuffle: boolean) => {
    const seen = await rowsSeen(data, { epochs: 2, shuffle });
    return [seen.slice(0, 10), seen.slice(10)];
  };
  const order = Array.from({ length: 10 }, (_, row) => row);
  assertEquals(await sets(false), [order, order]);
  const shuffled = await sets(true);
  for (const epoch of shuffled) assertEquals([...epoch].sort((a, b) => a - b), order);
  assertNotEquals(shuffled[0], order);
  assertNotEquals(shuffled[0], shuffled[1]);
});

Deno.test("train() shuffles every piece of a source in another order, the first as rows in memory", async () => {
  const data = doubling(10);
  const source = async function* () {
    for (let piece = 0; piece < 3; piece++) yield await Promise.resolve(data);
  };
  const seen = await rowsSeen(source, { epochs: 2 });
  const pieces = Array.from({ length: 6 }, (_, piece) => seen.slice(10 * piece, 10 * piece + 10));
  const order = Array.from({ length: 10 }, (_, row) => row);
  for (const piece of pieces) assertEquals([...piece].sort((a, b) => a - b), order);
  assertEquals(new Set(pieces.map(String)).size, 6, pieces.join("; "));
  assertEquals([...pieces[0], ...pieces[3]], await rowsSeen(data, { epochs: 2 }));
});

Deno.test("train() reports the losses of each batch before its step", async () => {
  const data = sample(10);
  const model = await compile(spec, { engine: reference(), seed: 1 });
  const parameters = [await model.parameters()];
  const seen: Progress[] = [];
  for await (const at of train(model, data, { batch: 4, shuffle: false, optimiser: adam(0.05) })) {
    seen.push(at);
    parameters.push(await model.parameters());
  }
  assertEquals(seen.map(({ epoch, step, steps, rows }) => [epoch, step, steps, rows]), [
    [1, 1, 3, 4],
    [1, 2, 3, 8],
    [1, 3, 3, 10],
  ]);
  for (const [at, [start, count]] of [[0, 4], [4, 4], [8, 2]].entries()) {
    model.assign(parameters[at]);
    const { loss } = await evaluate(model, sliceRows(data, start, count));
    assertAlmost(seen[at].loss.income, loss.income);
    assertAlmost(seen[at].loss.marital, loss.marital);
    assertAlmost(seen[at].total, loss.income + loss.marital);
    assertNotEquals(parameters[at + 1], parameters[at]);
  }
  model.dispose();
});

Deno.test("train() learns from a last partial batch, a batch of 1 and a single row as from any", async () => {
  const table: [rows: number, batch: number, sizes: number[]][] = [
    [7, 3, [3, 3, 1]],
    [7, 5, [5, 2]],
    [3, 1, [1, 1, 1]],
    [1, 256, [1]],
    [1, 1, [1]],
    [256, 256, [256]],
    [257, 256, [256, 1]],
  ];
  for (const [count, batch, sizes] of table) {
    const data = sample(count);
    const { records, parameters } = await trained(spec, data, { batch, shuffle: false });
    const ends = sizes.map((_, at) => sizes.slice(0, at + 1).reduce((sum, size) => sum + size));
    assertEquals(records.map((at) => at.rows), ends);
    const pieces = () => parts(data, sizes);
    assertEquals((await trained(spec, pieces, { batch: 1000, shuffle: false })).parameters, parameters);
    assertFinite(parameters);
  }
});

Deno.test("train() runs as many steps and epochs as were asked for, whichever come first", async () => {
  const table: [options: { steps?: number; epochs?: number }, steps: number, epochs: number, known: number][] = [
    [{}, 3, 1, 3],
    [{ epochs: 2 }, 6, 2, 6],
    [{ steps: 1 }, 1, 1, 1],
    [{ steps: 3 }, 3, 1, 3],
    [{ steps: 4 }, 4, 2, 4],
    [{ steps: 4, epochs: 1 }, 3, 1, 3],
    [{ steps: 4, epochs: 9 }, 4, 2, 4],
    [{ steps: 10 }, 10, 4, 10],
  ];
  for (const [options, steps, epochs, known] of table) {
    for (const data of [sample(10), () => parts(sample(10), [4, 4, 2])]) {
      const { records } = await trained(spec, data, { batch: 4, ...options });
      const text = JSON.stringify(options);
      assertEquals(records.map(({ step }) => step), Array.from({ length: steps }, (_, at) => at + 1), text);
      assertEquals(records.at(-1)?.epoch, epochs, text);
      assertEquals(records[0].steps, typeof data === "function" ? undefined : known, text);
      assert(records.every(({ ended }) => ended === undefined));
    }
  }
});

Deno.test("train() takes rows from an async source as from memory", async () => {
  const data = sample(20);
  const options = { epochs: 3, batch: 4, shuffle: false };
  for (const some of [spec, noisy]) {
    const whole = await trained(some, data, options);
    for (const sizes of [[20], [4, 4, 4, 4, 4], [8, 12], [16, 4], [4, 0, 16]]) {
      const pieces = await trained(some, () => parts(data, sizes), options);
      assertEquals(pieces.parameters, whole.parameters);
      assertEquals(pieces.records.map(lasting), whole.records.map((at) => ({ ...lasting(at), steps: undefined })));
    }
  }
  const shuffled = { epochs: 2, batch: 4 };
  const source = () => parts(data, [12, 8]);
  assertEquals((await trained(spec, source, shuffled)).parameters, (await trained(spec, source, shuffled)).parameters);
});

Deno.test("train() ends with an error where a source begins no new pass", async () => {
  const once = parts(sample(8), [8]);
  await assertRejects(
    () => trained(spec, () => once, { steps: 5, batch: 4 }),
    RangeError,
    "Cannot train: epoch 2 of the data has no rows: wanted a function that begins a new pass at each call",
  );
  await assertRejects(() => trained(spec, sample(0), {}), RangeError, "Cannot train: epoch 1 of the data has no rows");
});

Deno.test("train() closes its source however it ends, and passes on its errors", async () => {
  const data = sample(8);
  let closed = 0;
  const source = async function* () {
    try {
      for (let piece = 0; piece < 4; piece++) {
        await Promise.resolve();
        yield data;
      }
      throw new Deno.errors.BrokenPipe("the line is cut");
    } finally {
      closed++;
    }
  };
  const stop = new AbortController();
  const ends: (() => Promise<unknown>)[] = [
    () => trained(spec, source, { steps: 1, batch: 4 }),
    async () => {
      const model = await compile(spec, { engine: reference() });
      for await (const at of train(model, source, { batch: 4 })) if (at.step === 3) break;
    },
    async () => {
      const model = await compile(spec, { engine: reference() });
      for await (const _ of train(model, source, { batch: 4, signal: stop.signal })) stop.abort();
    },
    () => assertRejects(() => trained(spec, source, { epochs: 9 }), Deno.errors.BrokenPipe, "the line is cut"),
  ];
  for (const [at, end] of ends.entries()) {
    await end();
    assertEquals(closed, at + 1);
  }
});

Deno.test("train() trains without a label for one task, and leaves that task as it is", async () => {
  const data = sample(12);
  const labels = data.labels!;
  const none = new Float32Array(12).fill(NaN);
  const table: [name: string, data: Rows][] = [
    ["no list", { ...data, labels: { income: labels.income } }],
    ["no label", { ...data, labels: { ...labels, marital: none } }],
    ["no weight", { ...data, weights: { marital: new Float32Array(12) } }],
  ];
  const fresh = await compile(spec, { engine: reference(), seed: 1 });
  const before = await fresh.parameters();
  fresh.dispose();
  const found = [];
  for (const [name, some] of table) {
    const { records, parameters } = await trained(spec, some, { epochs: 2, batch: 5, shuffle: false }, 1);
    assert(records.every(({ loss, norm }) => loss.marital === 0 && loss.income > 0 && norm > 0), name);
    assertFinite(parameters);
    for (const [path, { data }] of Object.entries(parameters)) {
      const own = path.startsWith("tasks/marital/") || path.includes("/gates/marital/");
      assertEquals(String(data) === String(before[path].data), own, `${name}: ${path}`);
    }
    found.push(parameters);
  }
  assertEquals(found[1], found[0]);
  assertEquals(found[2], found[0]);
});

Deno.test("train() trains on batches without a label for one task or all, and refuses rows without any", async () => {
  const data = sample(12);
  const labels = { income: data.labels!.income, marital: data.labels!.marital.map((y, row) => row < 4 ? NaN : y) };
  const { records, parameters } = await trained(spec, { ...data, labels }, { batch: 4, shuffle: false });
  assertEquals(records.map(({ loss }) => loss.marital > 0), [false, true, true]);
  assertFinite(parameters);
  const none = { income: new Float32Array(12).fill(NaN), marital: new Float32Array(12).fill(NaN) };
  const late = { income: none.income.with(11, 1), marital: none.marital };
  const bare = await trained(spec, { ...data, labels: late }, { batch: 4, shuffle: false });
  assertEquals(bare.records.map(({ total, norm }) => total === 0 && norm === 0), [true, true, false]);
  const unlabelled = trained(spec, { ...data, labels: none }, { batch: 4 });
  await assertRejects(() => unlabelled, RangeError, "no row has a label of any task");
});

Deno.test("train() trains a task by its own labels only, in single-task models", async () => {
  const data = sample(12);
  const only = (task: "income" | "marital") => ({ ...data, labels: { [task]: data.labels![task] } });
  const both = define(singleTask(base));
  const together = await trained(both, data, { epochs: 2, batch: 5 }, 4);
  for (const task of ["income", "marital"] as const) {
    const alone = await trained(both, only(task), { epochs: 2, batch: 5 }, 4);
    for (const [path, value] of Object.entries(together.parameters)) {
      if (path.includes(`/${task}/`)) assertEquals(alone.parameters[path], value, path);
    }
  }
});

Deno.test("train() validates after every epoch", async () => {
  const [data, validation] = [sample(10), sample(7, 5, "validation")];
  const model = await compile(spec, { engine: reference() });
  const seen: (number | undefined)[] = [];
  for await (const at of train(model, data, { epochs: 3, batch: 4, validation })) {
    seen.push(at.validation && at.step);
    if (at.validation) assertEquals(at.validation, await evaluate(model, validation));
  }
  model.dispose();
  assertEquals(seen, [undefined, undefined, 3, undefined, undefined, 6, undefined, undefined, 9]);
});

Deno.test("train() knows all tasks of the model where stopping names one alone", async () => {
  const [data, validation] = [sample(16), sample(40, 5, "validation")];
  const model = await compile(spec, { engine: reference() });
  const options = { epochs: 2, batch: 8, validation };
  for await (const at of train(model, data, { ...options, stopping: { task: "income" } })) {
    assertEquals(typeof at.loss.marital, "number"); // compiles
  }
  // @ts-expect-error: no task is named so
  await assertRejects(() => train(model, data, { ...options, stopping: { task: "incom" } }).next());
  model.dispose();
});

Deno.test("train() stops early, on a task or a weighted sum, with the parameters of the best epoch", async () => {
  const [data, validation] = [sample(16), sample(40, 5, "validation")];
  const table: [stopping: TrainOptions<"income" | "marital">["stopping"], score: (at: Progress) => number][] = [
    [{ task: "income" }, ({ validation }) => -validation!.loss.income],
    [{ task: "marital", patience: 3 }, ({ validation }) => -validation!.loss.marital],
    [
      { task: { income: 1, marital: 0.25 }, patience: 2 },
      ({ validation }) => -validation!.loss.income - validation!.loss.marital / 4,
    ],
    [{ task: "income", metric: "auc", patience: 2 }, ({ validation }) => validation!.metrics.income.auc],
    [
      { task: { income: 3, marital: 1 }, metric: "accuracy", patience: 2 },
      ({ validation }) => 3 * validation!.metrics.income.accuracy + validation!.metrics.marital.accuracy,
    ],
  ];
  for (const [stopping, score] of table) {
    const text = JSON.stringify(stopping);
    const options = { batch: 8, optimiser: adam(0.2), validation };
    const { records, parameters } = await trained(spec, data, { ...options, epochs: 100, stopping }, 5);
    const scores = records.filter((at) => at.validation).map(score);
    const best = scores.indexOf(Math.max(...scores)) + 1;
    assertEquals(records.at(-1)?.ended, "stopped early", text);
    assertEquals(scores.length, best + (stopping!.patience ?? 1), text);
    assertGreater(100, scores.length, text);
    assertEquals(parameters, (await trained(spec, data, { ...options, epochs: best }, 5)).parameters, text);
    const last = await trained(spec, data, { ...options, epochs: scores.length }, 5);
    assertNotEquals(parameters, last.parameters, text);
  }
});

Deno.test("train() stops early by metrics of which less is better, and by those of which more is", async () => {
  const [inputs, more] = [sample(24), sample(40, 5, "validation")];
  const priced = ({ inputs, labels, ...rest }: Rows): Rows => {
    const price = labels!.income.map((label, row) => 3 + label + Math.sin(2 * inputs.input[5 * row + 1]));
    return { ...rest, inputs, labels: { price, tax: price.map((price) => Math.abs(price - 2)), sold: labels!.income } };
  };
  const heads = { price: regression(tower), tax: regression(tower), sold: binary(tower) };
  const selling = define(mmoe({ ...base, experts: 2, tasks: heads }));
  const options = { batch: 8, optimiser: adam(0.1), validation: priced(more) };
  type Watched = NonNullable<TrainOptions<"price" | "tax" | "sold">["stopping"]>;
  const table: [stopping: Watched, sign: 1 | -1][] = [
    [{ task: "sold", metric: "logloss", patience: 2 }, -1],
    [{ task: "price", metric: "mse" }, -1],
    [{ task: "tax", metric: "mae", patience: 3 }, -1],
    [{ task: { price: 2, tax: 1 }, metric: "mae", patience: 2 }, -1],
    [{ task: "price", metric: "r2", patience: 2 }, 1],
  ];
  for (const [stopping, sign] of table) {
    const text = JSON.stringify(stopping);
    const { task, metric, patience = 1 } = stopping;
    const weights = Object.entries(typeof task === "string" ? { [task]: 1 } : task);
    const { records, parameters } = await trained(selling, priced(inputs), { ...options, epochs: 60, stopping }, 6);
    const scores = records.flatMap(({ validation }) => {
      const metrics: Readonly<Record<string, Readonly<Record<string, number>>>> | undefined = validation?.metrics;
      return metrics ? [weights.reduce((sum, [name, weight]) => sum + weight * metrics[name][metric!], 0)] : [];
    });
    const best = scores.indexOf(sign > 0 ? Math.max(...scores) : Math.min(...scores)) + 1;
    assertGreater(best, 1, text);
    assertEquals([records.at(-1)?.ended, scores.length], ["stopped early", best + patience], text);
    assertEquals(
      parameters,
      (await trained(selling, priced(inputs), { ...options, epochs: best }, 6)).parameters,
      text,
    );
    const last = await trained(selling, priced(inputs), { ...options, epochs: scores.length }, 6);
    assertNotEquals(parameters, last.parameters, text);
  }
});

Deno.test("train() leaves evaluation out of the rows a second", async () => {
  const inner = reference();
  let time = 0;
  const engine: Engine = {
    ...inner,
    load: (graph, store) => {
      const { run, dispose } = inner.load(graph, store);
      const takes = Object.keys(graph.updates).length > 0 ? 1000 : 7_000_000; // a step, an evaluation
      return { run: (inputs) => (time += takes, run(inputs)), dispose };
    },
  };
  const now = performance.now;
  performance.now = () => time;
  try {
    const model = await compile(spec, { engine });
    const records = await Array.fromAsync(train(model, sample(10), { epochs: 3, batch: 4, validation: sample(5) }));
    assertEquals(records.map(({ rows }) => rows), [4, 8, 10, 14, 18, 20, 24, 28, 30]);
    for (const { rows, rate, step } of records) assertAlmost(rate, rows / step); // a second a step
    assertEquals(records.map(({ seconds }) => seconds), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assertEquals(time, 9 * 1000 + 3 * 7_000_000);
    model.dispose();
  } finally {
    performance.now = now;
  }
});

Deno.test("train() restores the best parameters too where the epochs end first", async () => {
  const [data, validation] = [sample(16), sample(40, 5, "validation")];
  const options = { batch: 8, optimiser: adam(0.2), validation };
  const stopping = { task: "income", patience: 50 } as const;
  const { records, parameters } = await trained(spec, data, { ...options, epochs: 30, stopping }, 5);
  const losses = records.flatMap(({ validation }) => validation ? [validation.loss.income] : []);
  const best = losses.indexOf(Math.min(...losses)) + 1;
  assertEquals([records.at(-1)?.ended, losses.length], [undefined, 30]);
  assertGreater(30, best);
  assertEquals(parameters, (await trained(spec, data, { ...options, epochs: best }, 5)).parameters);
});

Deno.test("train() ends after the running step when it is aborted, and keeps what was learnt", async () => {
  const data = sample(20);
  const stop = new AbortController();
  const model = await compile(spec, { engine: reference(), seed: 1 });
  const records: Progress[] = [];
  for await (const at of train(model, data, { epochs: 50, batch: 4, signal: stop.signal, validation: data })) {
    records.push(at);
    if (at.step === 8) stop.abort();
  }
  const { step, ended, validation } = records.at(-1)!;
  assertEquals([step, ended, validation], [8, undefined, undefined]);
  const cut = await trained(spec, data, { steps: step, batch: 4 }, 1);
  assertEquals(await model.parameters(), cut.parameters);
  for await (const _ of train(model, data, { signal: stop.signal })) throw new Error("a step was taken");
  assertEquals(await model.parameters(), cut.parameters);
  model.dispose();
});

Deno.test("train() says that it was aborted where that came before the record", async () => {
  const data = sample(8);
  for (const validation of [undefined, data]) {
    const stop = new AbortController();
    const source = async function* () {
      yield* parts(data, [4, 4]);
      stop.abort();
    };
    const { records, parameters } = await trained(spec, source, {
      epochs: 9,
      batch: 4,
      signal: stop.signal,
      validation,
    });
    assertEquals(records.map(({ ended }) => ended), [undefined, "aborted"]);
    const cut = await trained(spec, () => parts(data, [4, 4]), { batch: 4 });
    assertEquals(parameters, cut.parameters);
  }
});

Deno.test("train() keeps the latest parameters where it is aborted or left, though others were better", async () => {
  const [data, validation] = [sample(16), sample(40, 5, "validation")];
  const options = { epochs: 60, batch: 8, optimiser: adam(0.2), validation };
  const stopping = { task: "income", patience: 99 } as const;
  const cut = await trained(spec, data, { ...options, epochs: 30 }, 5);
  for (const how of ["aborted", "left"]) {
    const stop = new AbortController();
    const model = await compile(spec, { engine: reference(), seed: 5 });
    for await (const at of train(model, data, { ...options, stopping, signal: stop.signal })) {
      if (at.validation === undefined || at.epoch < 30) continue;
      if (how === "left") break;
      stop.abort();
    }
    assertEquals(await model.parameters(), cut.parameters, how);
    model.dispose();
  }
});

Deno.test("train() goes on from an epoch and a step as if it had never ended", async () => {
  const data = sample(10);
  const rate = (step: number) => 0.1 / step;
  for (const some of [spec, noisy]) {
    const whole = await trained(some, data, { epochs: 4, batch: 4, optimiser: sgd(rate) }, 3);
    const first = await trained(some, data, { epochs: 2, batch: 4, optimiser: sgd(rate) }, 3);
    const { epoch, step } = first.records.at(-1)!;
    const rest = { epochs: 2, batch: 4, optimiser: sgd(rate), from: { epoch, step } };
    const second = await trained(some, data, rest, 3, first.parameters);
    for (const [path, { data }] of Object.entries(whole.parameters)) {
      data.forEach((number, at) => assertAlmost(second.parameters[path].data[at], number));
    }
    const numbers = ({ epoch, step, steps }: Progress) => [epoch, step, steps];
    assertEquals(second.records.map(numbers), whole.records.slice(6).map(numbers));
  }
  for (const from of [3, { epoch: 1 }, { epoch: -1, step: 0 }, { epoch: 0, step: 0.5 }]) {
    const options = { from } as TrainOptions<"income" | "marital">;
    await assertRejects(() => trained(spec, data, options), RangeError, "Cannot train: from must be { epoch, step }");
  }
});

Deno.test("train() frees what it holds when it ends, is left, or fails", async () => {
  const { engine, open } = watched();
  const model = await compile(spec, { engine });
  const before = await model.parameters();
  const data = sample(20);
  await evaluate(model, data); // its program stays, for the next time
  const ends: [name: string, run: () => Promise<void>][] = [
    ["ends", () => drained(train(model, data, { epochs: 2, validation: data }))],
    ["left", async () => {
      for await (const at of train(model, data, { batch: 2, validation: data })) if (at.step === 3) break;
    }],
    ["thrown out of", async () => {
      await assertRejects(
        async () => {
          for await (const at of train(model, data, { batch: 2 })) if (at.step === 3) throw new Error("enough");
        },
        Error,
        "enough",
      );
    }],
    ["fails", async () => {
      await assertRejects(() => drained(train(model, data, { optimiser: sgd(1e20), epochs: 20 })), RangeError);
    }],
    ["stops early", () => {
      return drained(train(model, data, { epochs: 9, validation: data, stopping: { task: "income" } }));
    }],
  ];
  for (const [name, run] of ends) {
    await run();
    model.assign(before);
    assertEquals(open.programs, 1, name);
    await assertRejects(() => storeOf(model).read("optimiser/mean"), TypeError, "optimiser/mean", name);
  }
  for (let time = 0; time < 2; time++) {
    await evaluate(model, data);
    await model.predict(data);
    await model.inspect(data);
  }
  assertEquals(open, { programs: 3, stores: 1 });
  model.dispose();
  assertEquals(open, { programs: 0, stores: 0 });
});

Deno.test("train() ends at a loss that is not finite, before its step", async () => {
  const data = rows([[1, 2], [3, -1]], { labels: { price: [1, 2], click: [1, 0] } });
  const linear = define({ input: 2, tasks: { click: binary(), price: regression() } });
  const options = { optimiser: sgd(1e20), shuffle: false };
  const model = await compile(linear, { engine: reference(), seed: 1 });
  let steps = 0;
  const error = await assertRejects(async () => {
    for await (const at of train(model, data, { ...options, steps: 50 })) steps = at.step;
  }, RangeError);
  const found = await storeOf(model).read("parameters");
  model.dispose();
  const failed = Number(/^Cannot train\n {2}at step (\d+): /.exec(error.message)?.[1]);
  assertEquals(failed, steps + 1, error.message);
  assertGreater(steps, 1);
  const size = Math.max(...found.data.map(Math.abs)).toPrecision(3);
  assertEquals(
    error.message.split("\n").slice(1),
    [
      `  at step ${failed}: the loss of task "price" is Infinity`,
      `  the largest parameter is tasks/price/head/0/kernel, ${size} in size`,
      `  the step was not taken: try a smaller learning rate, or clipNorm`,
    ],
  );
  const cut = await compile(linear, { engine: reference(), seed: 1 });
  await drained(train(cut, data, { ...options, steps: failed - 1 }));
  assertEquals(await storeOf(cut).read("parameters"), found);
  cut.dispose();
});

Deno.test("train() ends at a loss that is not a number at its first step", async () => {
  const logarithm = define({ input: 1, tasks: { other: regression(), price: regression((x) => log(dense(1)(x))) } });
  const data = rows([[1], [-1]], { labels: { price: [1, 2], other: [0, 0] } });
  const model = await compile(logarithm, { engine: reference(), seed: 1 });
  const before = await storeOf(model).read("parameters");
  const error = await assertRejects(() => drained(train(model, data)), RangeError);
  assert(error.message.startsWith('Cannot train\n  at step 1: the loss of task "price" is NaN\n'), error.message);
  assertEquals(await storeOf(model).read("parameters"), before);
  model.dispose();
});

Deno.test("train() refuses a learning rate that is not a number, before its step", async () => {
  for (const [rate, found] of [[NaN, "NaN"], [-1, "-1"], [undefined, "nothing"], [Infinity, "Infinity"]] as const) {
    const model = await compile(spec, { engine: reference() });
    const before = await storeOf(model).read("parameters");
    const optimiser = adam((step) => step === 1 ? 0 : rate as number);
    await assertRejects(
      () => drained(train(model, sample(4), { steps: 3, optimiser })),
      RangeError,
      `Cannot train\n  at step 2: the learning rate must be at least 0, found ${found}`,
    );
    assertEquals(await storeOf(model).read("parameters"), before);
    model.dispose();
  }
});

Deno.test("train() trains on any names of tasks", async () => {
  const names = ["constructor", "toString", "hasOwnProperty", "valueOf", "0", "loss", "norm", "gates", "never married"];
  const some = define(
    mmoe({ ...base, experts: 2, tasks: Object.fromEntries(names.map((name) => [name, binary(tower)])) }),
  );
  const inputs = Array.from({ length: 6 }, (_, row) => [row, 1, -row, 0, 1]);
  const label = [0, 1, 0, 1, null, 1];
  for (const labelled of [names, ["toString"], ["norm"]]) {
    const data = rows(inputs, { labels: Object.fromEntries(labelled.map((name) => [name, label])) });
    const { records, parameters } = await trained(some, data, { epochs: 2, batch: 4, validation: data });
    assertEquals(Object.keys(records[0].loss).sort(), [...names].sort());
    for (const name of names) {
      assertEquals(records[0].loss[name] > 0, labelled.includes(name), name);
      assertEquals(Number.isNaN(records.at(-1)!.validation!.metrics[name].auc), !labelled.includes(name), name);
    }
    const model = await compile(some, { engine: reference(), parameters });
    for (const count of [0, 6]) {
      const { predictions, gates } = await model.inspect(rows(inputs.slice(0, count)));
      assertEquals(Object.keys(predictions).sort(), [...names].sort());
      assertEquals(Object.keys(gates).sort(), names.map((name) => `0/${name}`).sort());
      assert(Object.values(predictions).every(({ length }) => length === count));
      assert(Object.values(gates).every(({ length }) => length === 2 * count));
    }
    model.dispose();
  }
});

Deno.test("train() with weights of 0 for a task trains as without its labels", async () => {
  const data = sample(12);
  const weighted = define(mmoe({ ...base, experts: 3, tasks: { ...tasks, marital: binary(tower, { weight: 0 }) } }));
  const found = await trained(weighted, data, { epochs: 2, batch: 5 }, 3);
  const wanted = await trained(spec, { ...data, labels: { income: data.labels!.income } }, { epochs: 2, batch: 5 }, 3);
  assertEquals(found.parameters, wanted.parameters);
  assertGreater(found.records[0].loss.marital, 0);
});

/** A model trained on the reference engine: every record, and the parameters at the end. */
async function trained<Tasks extends string>(
  spec: Spec<Tasks>,
  data: Data,
  options: TrainOptions<Tasks>,
  seed = 0,
  parameters?: Awaited<ReturnType<Model["parameters"]>>,
) {
  const model = await compile(spec, { engine: reference(), seed, parameters });
  try {
    const records = await Array.fromAsync(train(model, data, options));
    return { records, parameters: await model.parameters() };
  } finally {
    model.dispose();
  }
}

/** Rows of a task `price` with labels 1, 2, 4 and so on, by which rows can be distinguished. */
function doubling(count: number): Rows {
  return rows(Array.from({ length: count }, () => [0]), {
    labels: { price: Array.from({ length: count }, (_, row) => 2 ** row) },
  });
}

/** The rows of {@linkcode doubling} in the order of their steps. */
async function rowsSeen(data: Data, options: TrainOptions<"price">): Promise<number[]> {
  // With weights of 0 and a rate of next to 0 the loss of a batch of 1 is the square of the row's label.
  const zero = { "tasks/price/head/0/kernel": [[1, 1], [0]], "tasks/price/head/0/bias": [[1], [0]] } as const;
  const parameters = Object.fromEntries(
    Object.entries(zero).map(([path, [shape, data]]) => [path, { shape, data: Float32Array.from(data) }]),
  );
  const linear = define({ input: 1, tasks: { price: regression() } });
  const { records } = await trained(linear, data, { batch: 1, optimiser: sgd(1e-30), ...options }, 3, parameters);
  return records.map(({ loss }) => Math.round(Math.log2(Math.sqrt(loss.price))));
}

async function drained(records: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of records);
}

/** A record without what depends on the machine. */
function lasting({ rate: _, seconds: _seconds, ...rest }: Progress): Omit<Progress, "rate" | "seconds"> {
  return rest;
}

/** Rows in pieces of the given sizes, the last as large as rows are left. */
async function* parts(data: Rows, sizes: readonly number[]): AsyncGenerator<Rows> {
  let start = 0;
  for (const size of sizes) {
    await Promise.resolve();
    yield sliceRows(data, start, size);
    start += size;
  }
  assertEquals(start, data.count);
}

/** The reference engine, and how much of what it gave is not disposed. */
function watched(): { engine: Engine; open: { programs: number; stores: number } } {
  const open = { programs: 0, stores: 0 };
  const inner = reference();
  const engine: Engine = {
    name: "watched",
    store: (values) => {
      const store = inner.store(values);
      open.stores++;
      const dispose = store.dispose;
      return Object.assign(store, { dispose: () => (open.stores--, dispose()) });
    },
    load: (graph, store) => {
      const program = inner.load(graph, store);
      open.programs++;
      return { run: program.run, dispose: () => (open.programs--, program.dispose()) };
    },
  };
  return { engine, open };
}

function assertFinite(parameters: Awaited<ReturnType<Model["parameters"]>>): void {
  for (const [path, { data }] of Object.entries(parameters)) assert(data.every(Number.isFinite), path);
}

function assertAlmost(found: number, wanted: number): void {
  assert(Math.abs(found - wanted) <= 1e-6 * Math.max(1, Math.abs(wanted)), `${found}, wanted ${wanted}`);
}

Deno.test("train() keeps the rows of a group in one batch", async () => {
  const spec = define({ input: 1, tasks: { place: ranking(undefined, { within: "search" }) } });
  const [count, batch] = [100, 16];
  const search = Array.from({ length: count }, (_, i) => i % 7 === 0 ? NaN : i % 3 === 0 ? 2 : 10 + i % 23);
  const size = (group: number) => search.filter((other) => other === group).length;
  const data = rows(search.map((_, i) => [i]), { labels: { place: search.map((_, i) => i), search } });
  const model = await compile(spec, { engine: reference() });
  const { graph } = stepsOf(model, { optimiser: sgd(0.1), vectors: sgd(0.1) });
  const orders: number[][] = [];
  for (const epoch of [1, 2]) {
    const order = { batch, shuffle: true, epoch, signal: undefined, enough: () => false };
    const inputs: number[][] = [];
    for await (const { batches: [tensors] } of feedsOf(model, graph, data, order, 0)) {
      inputs.push([...tensors.input.data]);
    }
    assertEquals(inputs.length, Math.ceil(count / batch));
    assert(inputs.every(({ length }) => length > 0 && length < 2 * batch));
    assertEquals(inputs.flat().toSorted((a, b) => a - b), search.map((_, i) => i));
    for (const group of new Set(search)) {
      const parts = inputs.filter((rows) => rows.some((row) => search[row] === group)).length;
      if (!Number.isNaN(group)) assert(parts <= Math.ceil(size(group) / batch), `group ${group} in ${parts} batches`);
    }
    orders.push(inputs.flat());
  }
  assertEquals(size(2) > batch, true);
  assertNotEquals(orders[0], orders[1]);
  model.dispose();
});

Deno.test("train() leaves rows where they are if they are not shuffled, and ends batches with groups", async () => {
  const spec = define({ input: 1, tasks: { place: ranking(undefined, { within: "search" }) } });
  const ends = async (search: number[], batch: number) => {
    const data = rows(search.map((_, i) => [i]), { labels: { place: search.map((_, i) => i), search } });
    const model = await compile(spec, { engine: reference() });
    const order = { batch, shuffle: false, epoch: 1, signal: undefined, enough: () => false };
    const batches = await Array.fromAsync(
      feedsOf(model, stepsOf(model, { optimiser: sgd(0.1), vectors: sgd(0.1) }).graph, data, order, 0),
    );
    assertEquals(batches.flatMap(({ batches: [tensors] }) => [...tensors.input.data]), search.map((_, i) => i));
    return batches.map(({ count }) => count);
  };
  assertEquals(await ends([1, 1, 1, 2, 2, 3, 3, 3, 4], 4), [3, 5, 1]);
  assertEquals(await ends([1, 2, 3, 1, 2, 3, NaN, NaN, 4], 4), [4, 4, 1]);
  assertEquals(await ends([1, 1, 1, 1, 1, 1, 1, 2, 2], 3), [3, 3, 3]);
});

Deno.test("train() says why what it watches is NaN", async () => {
  const place = ranking(undefined, { within: "search" });
  const reasons: [task: ReturnType<typeof binary>, metric: string, labels: number[], reason: string][] = [
    [place, "loss", [1, 2, 3, 3], 'no two validation rows of one group in "search" differ in its label'],
    [place, "auc", [1, 1, 1, 1], "its labels are all 1 on the validation rows"],
    [place, "loss", [NaN, NaN, NaN, NaN], 'no validation row has its label, a group in "search" and a weight above 0'],
    [binary(), "auc", [0, 0, NaN, 0], "its labels are all 0 on the validation rows"],
    [binary(), "logloss", [NaN, NaN, NaN, NaN], "no validation row has its label and a weight above 0"],
    [regression(), "r2", [2, 2, 2, NaN], "its labels are all 2 on the validation rows"],
    [
      binary(undefined, { only: "b" }),
      "auc",
      [0, 1, 1, 1],
      'its labels are all 1 on the validation rows where "b" is 1',
    ],
  ];
  for (const [task, metric, labels, reason] of reasons) {
    const spec = define({ input: 1, tasks: { a: task, b: binary(), c: ranking(pipe(), { within: "search" }) } });
    const made = (a: number[], search: number[]) =>
      rows(a.map((_, i) => [i]), { labels: { a, search, b: [0, 1, 1, 1], c: [0, 1, 0, 1] } });
    const model = await compile(spec, { engine: reference() });
    const options = { validation: made(labels, [7, 8, 9, 9]), stopping: { task: "a" as const, metric } };
    const error = await assertRejects(
      () => Array.fromAsync(train(model, made([0, 1, 0, 1], [1, 1, 2, 2]), options)),
      RangeError,
    );
    assertEquals(error.message, `Cannot stop early: the ${metric} of task "a" is NaN: ${reason}`);
    model.dispose();
  }
});

Deno.test("train() leaves no listener on the signal, however the training ends", async () => {
  const model = await compile(spec, { engine: reference() });
  const pass = async function* () {
    yield sample(8);
  };
  const failing = async function* () {
    yield sample(8);
    throw new Error("no more");
  };
  for (
    const [how, data] of Object.entries({ done: pass, left: pass, aborted: pass, failed: failing, none: sample(8) })
  ) {
    const stop = new AbortController();
    const open = new Set<unknown>();
    let most = 0;
    const { signal } = stop;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...given: Parameters<typeof addEventListener>) => {
      most = Math.max(most, open.add(given[1]).size);
      addEventListener.apply(signal, given);
    };
    signal.removeEventListener = (...given: Parameters<typeof removeEventListener>) => {
      open.delete(given[1]);
      removeEventListener.apply(signal, given);
    };
    const training = (async () => {
      for await (const at of train(model, data, { epochs: 12, batch: 4, signal })) {
        if (how === "left") break;
        if (how === "aborted" && at.epoch === 2) stop.abort();
      }
    })();
    if (how === "failed") await assertRejects(() => training, Error, "no more");
    else await training;
    assertEquals([open.size, most], [0, how === "none" ? 0 : 1], how);
  }
  model.dispose();
});

Deno.test("train() pulls no more from a source than its steps need, and an abort ends the waiting for it", async () => {
  const model = await compile(architectures.mmoe, { engine: reference() });
  let closed = 0;
  async function* stalling() {
    try {
      yield sample(8);
      await new Promise(() => {});
    } finally {
      closed++;
    }
  }
  const one = await Array.fromAsync(train(model, stalling, { steps: 1, batch: 8 }));
  assertEquals([one.length, closed], [1, 1]);
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 20);
  const records = await Array.fromAsync(train(model, stalling, { steps: 9, batch: 8, signal: stop.signal }));
  assertEquals(records.map(({ step, ended }) => [step, ended]), [[1, "aborted"]]);
  model.dispose();
});

Deno.test("train() prepares the next batch while the engine computes, and does not wait for it where a step fails", async () => {
  const events: string[] = [];
  let label = 1;
  const own = reference();
  const engine: Engine = {
    ...own,
    load: (graph, store) => {
      const program = own.load(graph, store);
      const run: typeof program.run = async (inputs) => {
        events.push("begins");
        await new Promise((resolve) => setTimeout(resolve, 5));
        events.push("ends");
        return program.run(inputs);
      };
      return { ...program, run };
    },
  };
  async function* source() {
    for (let piece = 1; piece <= 3; piece++) {
      if (label > 1 && piece === 2) await new Promise(() => {}); // never comes
      events.push(`piece ${piece}`);
      yield rows([[1]], { labels: { y: [label] } });
    }
  }
  const model = await compile(define({ input: 1, tasks: { y: regression() } }), { engine });
  await drained(train(model, source, { epochs: 1 }));
  const wanted = ["piece 2", "piece 3"].flatMap((next) => ["begins", next, "ends"]);
  assertEquals(events, ["piece 1", ...wanted, "begins", "ends"]);
  label = 1e30; // whose square is not a float32
  const wide = await compile(define({ input: 1, tasks: { y: regression() } }), { engine: cpu() });
  await assertRejects(() => drained(train(wide, source, { epochs: 1, shuffle: false })), RangeError, "at step 1");
  [model, wide].forEach((model) => model.dispose());
});

Deno.test("train() refuses a model that is being trained already", async () => {
  const model = await compile(architectures.mmoe, { engine: reference() });
  for await (const { step } of train(model, sample(8), { steps: 2, batch: 4 })) {
    if (step > 1) continue;
    const found = "Cannot train: the model is being trained already";
    await assertRejects(() => train(model, sample(8)).next(), TypeError, found);
  }
  await Array.fromAsync(train(model, sample(8)));
  model.dispose();
});
