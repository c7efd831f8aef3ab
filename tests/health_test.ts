import { assert, assertAlmostEquals, assertEquals, assertGreater, assertLess, assertRejects } from "@std/assert";
import {
  adam,
  binary,
  categorical,
  category,
  type Columns,
  compile,
  count,
  csvParts,
  dataset,
  define,
  dense,
  embed,
  encode,
  fit,
  type Health,
  healthOf,
  inits,
  labels,
  leakyRelu,
  mmoe,
  type Model,
  type NumberColumn,
  pipe,
  ranking,
  reference,
  regression,
  relu,
  type Rows,
  rows,
  rowwiseAdagrad,
  train,
  type TrainOptions,
} from "../mod.ts";
import { sliceRows } from "../lib/data/rows.ts";
import { initialise } from "../lib/graph.ts";

const engine = reference();

/** Rows of two numbers, on which their labels depend. */
function points(count: number, like = true): Rows {
  const x = Array.from({ length: count }, (_, i) => [Math.sin(i), Math.cos(7 * i)]);
  const click = x.map(([a, b]) => a > b ? 1 : 0);
  return rows(x, { labels: { click, ...like && { like: x.map(([a, b]) => a * b > 0.2 ? 1 : 0) } } });
}

const tasks = { click: binary(pipe(dense(8), relu)), like: binary(pipe(dense(8), relu)) };
const spec = define(mmoe({ input: 2, expert: pipe(dense(16), relu), experts: 3, tasks }));

/** The healths of a training's evaluations. */
async function healths(model: Model, data: Rows, options: TrainOptions): Promise<Health[]> {
  const found: Health[] = [];
  for await (const { health } of train(model, data, options)) if (health !== undefined) found.push(health);
  return found;
}

const kindsOf = ({ warnings }: Health) => warnings.map(({ kind, path }) => `${kind}: ${path}`);

Deno.test("healthOf() and train() warn of nothing in a healthy run", async () => {
  const [data, validation] = [sliceRows(points(5000), 0, 4000), sliceRows(points(5000), 4000, 1000)];
  const model = await compile(spec, { engine, seed: 7 });
  const found = await healths(model, data, { epochs: 3, batch: 64, optimiser: adam(5e-3), validation });
  assertEquals(found.map(({ warnings }) => warnings), [[], [], []]);
  assertEquals(found.map(({ rows }) => rows), [80, 80, 80]); // a fiftieth of an epoch
  assertEquals(found[0].units.map(({ path }) => path), [
    "levels/0/experts/shared/0/0",
    "levels/0/experts/shared/1/0",
    "levels/0/experts/shared/2/0",
    "tasks/click/tower/0",
    "tasks/like/tower/0",
  ]);
  assertEquals((await healthOf(model, validation, { training: data })).warnings, []);
  model.dispose();
});

Deno.test("units that are 0 in every row are counted as plain loops count them", async () => {
  const model = await compile(define({ input: 2, tasks: { click: binary(pipe(dense(8), relu)) } }), {
    engine,
    seed: 3,
  });
  const data = points(200, false);
  const { "tasks/click/tower/0/kernel": kernel } = await model.parameters();
  const x = data.inputs.input as Float32Array;
  const dead = Array.from(
    { length: 8 },
    (_, unit) =>
      Array.from({ length: 200 }, (_, row) => x[2 * row] * kernel.data[unit] + x[2 * row + 1] * kernel.data[8 + unit])
        .every((sum) => sum <= 0),
  ).filter((is) => is).length;
  const { units } = await healthOf(model, sliceRows(data, 0, 200));
  assertEquals(units, [{ path: "tasks/click/tower/0", units: 8, dead }]);
  model.dispose();
});

Deno.test("a tower whose units died is named, with what helps, and one of leakyRelu never is", async () => {
  const data = points(4000);
  const died = initialise(spec, 7)["tasks/click/tower/0/bias"];
  const begin = { "tasks/click/tower/0/bias": { shape: died.shape, data: new Float32Array(8).fill(-50) } };
  const model = await compile(spec, { engine, seed: 7, begin });
  const [{ warnings, units }] = await healths(model, data, { batch: 64, validation: data });
  assertEquals(units.filter(({ path }) => path.includes("click")), [{
    path: "tasks/click/tower/0",
    units: 8,
    dead: 8,
  }]);
  assertEquals(warnings.map(({ path }) => path), ["tasks/click/tower/0", "tasks/click"]);
  assertEquals(
    warnings[0].message,
    "8 of 8 units of tasks/click/tower/0 are 0 for each of 80 rows, and no gradient moves them any more: begin again " +
      "with another seed, a lower rate or warmUp(100, rate), or with leakyRelu in the place of relu",
  );
  assert(warnings[1].message.startsWith('task "click" stands still: its loss is '), warnings[1].message);
  model.dispose();
  const leaky = define({
    input: 2,
    tasks: { click: binary(pipe(dense(8, { biasInit: inits.value(-50) }), leakyRelu)) },
  });
  const other = await compile(leaky, { engine });
  assertEquals((await healthOf(other, points(200, false))).units, []);
  other.dispose();
});

Deno.test("a task without labels is named, in these rows and in those that train", async () => {
  const [data, validation] = [points(4000), points(500)];
  const { labels: all, ...rest } = data;
  const none = { ...rest, labels: { ...all, like: new Float32Array(4000).fill(NaN) } };
  const model = await compile(spec, { engine, seed: 7 });
  const options = { batch: 64, optimiser: adam(5e-3) };
  const [first] = await healths(model, none, { ...options, validation });
  assertEquals(kindsOf(first), ["unlabelled: tasks/like"]);
  assertEquals(
    first.warnings[0].message,
    'task "like" has no label in the training rows, so nothing trains it: ' +
      "give them, or leave the task out",
  );
  const [second] = await healths(model, data, { ...options, validation: sliceRows(none, 0, 500) });
  assertEquals(kindsOf(second), ["unlabelled: tasks/like"]);
  assertEquals(second.losses.like, {
    loss: null,
    constant: null,
    training: second.losses.like.training,
    trainingConstant: null,
  });
  model.dispose();
});

Deno.test("vectors that run away are named, at rate 100 and not at the default", async () => {
  const users = Array.from({ length: 4000 }, (_, i) => `user ${i % 49}`);
  const input = fit({ user: category() }, { user: users });
  const some = define({ input, tasks: { click: binary(embed(4)) } });
  const clicks = { click: users.map((_, i) => (i % 49) % 3 === 0) };
  const data = rows(encode(input, { user: users }), { labels: clicks });
  for (const [rate, wanted] of [[0.1, [] as string[]], [100, ["growing: tasks/click/tower/0/user"]]] as const) {
    const model = await compile(some, { engine, seed: 7 });
    const [{ vectors, ...found }] = await healths(model, data, {
      batch: 64,
      vectors: rowwiseAdagrad(rate),
      validation: data,
    });
    assertEquals(kindsOf({ ...found, vectors }).filter((text) => text.startsWith("growing")), wanted);
    const { data: all } = (await model.parameters())["tasks/click/tower/0/user"];
    const known = [...all].slice(4); // the first row is that of unknown words, of which the rows have none
    const size = Math.sqrt(known.reduce((sum, number) => sum + number * number, 0) / known.length);
    assertAlmostEquals(vectors[0].size / size, 1, 0.15); // of 80 rows, in which some users are twice
    model.dispose();
  }
});

Deno.test("a task that overfits is named: its loss rises while that in training falls, or little of what it gains holds", async () => {
  const x = Array.from({ length: 600 }, (_, i) => Array.from({ length: 20 }, (_, at) => Math.sin(1000 * i * (at + 1))));
  const click = x.map(([a], i) => a + 2 * Math.sin(777 * i) > 0);
  const [data, validation] = [[0, 100], [100, 600]].map(([from, to]) => {
    return rows(x.slice(from, to), { labels: { click: click.slice(from, to) } });
  });
  const wide = define({ input: 20, tasks: { click: binary(pipe(dense(32), relu)) } });
  const model = await compile(wide, { engine, seed: 7 });
  const found = await healths(model, data, { epochs: 20, batch: 20, optimiser: adam(2e-2), validation });
  const last = found.at(-1)!;
  const warning = last.warnings.find(({ kind }) => kind === "overfitting")!;
  assertEquals(warning.path, "tasks/click");
  assert(
    /its loss is \S+, and was \S+ before, while that in training fell from \S+ to \S+: stop earlier/.test(
      warning.message,
    ),
  );
  const { losses, warnings } = await healthOf(model, validation, { training: data });
  assert(warnings.some(({ kind, path }) => kind === "overfitting" && path === "tasks/click"));
  assertLess(losses.click.training!, losses.click.loss!);
  assertGreater(losses.click.trainingConstant!, losses.click.training!);
  model.dispose();
});

Deno.test("the loss of the best constant is the lowest that a model of biases alone has", async () => {
  const x = Array.from({ length: 300 }, () => [0]);
  const given = {
    yes: x.map((_, i) => i % 5 === 0 ? 1 : i % 7 === 0 ? null : 0),
    weighed: x.map((_, i) => i % 5 === 0 ? 1 : 0),
    size: x.map((_, i) => 3 + Math.sin(i)),
    kind: x.map((_, i) => i % 4 === 0 ? 2 : i % 2),
    visits: x.map((_, i) => i % 3),
    order: x.map((_, i) => i % 3),
  };
  const heads = {
    yes: binary(),
    weighed: binary(undefined, { positive: 3 }),
    size: regression(),
    kind: categorical(3),
    visits: count(),
    order: ranking(),
  };
  const weights = { size: x.map((_, i) => 1 + i % 2) };
  const some = define({ input: 1, tasks: heads });
  const logit = (share: number) => Math.log(share / (1 - share));
  const [yes, size] = [
    60 / (300 - given.yes.filter((label) => label === null).length),
    weighted(given.size, weights.size),
  ];
  const best: Readonly<Record<string, readonly number[]>> = {
    ...{ yes: [logit(yes)], weighed: [logit(0.2 * 3 / (0.2 * 3 + 0.8))], size: [size] },
    ...{ kind: [0.25, 0.5, 0.25].map(Math.log), visits: [Math.log(1)] },
  };
  const lossesAt = async (step: number) => {
    const parameters = Object.fromEntries(
      Object.entries(initialise(some, 0)).map(([path, { shape }]) => {
        const constants = path.endsWith("/bias") ? best[path.split("/")[1]] : Array(shape[0] * shape[1]).fill(0);
        const data = Float32Array.from(constants);
        if (path.endsWith("/bias")) data[0] += step;
        return [path, { shape, data }];
      }),
    );
    const model = await compile(some, { engine, parameters });
    const { losses } = await healthOf(model, rows(x, { labels: given, weights }));
    model.dispose();
    return losses;
  };
  const [here, ...beside] = [await lossesAt(0), await lossesAt(0.1), await lossesAt(-0.1)];
  for (const [task, { loss, constant }] of Object.entries(here)) {
    assertAlmostEquals(loss!, constant!, 1e-6, task);
    for (const other of beside) if (task !== "order") assertGreater(other[task as "yes"].loss!, constant!, task);
  }
});

/** The weighted mean of some numbers. */
function weighted(numbers: readonly number[], weights: readonly number[]): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return numbers.reduce((sum, number, at) => sum + number * weights[at], 0) / total;
}

Deno.test("train() gives the same validation with health as without, of rows in memory, a dataset and a function", async () => {
  const data = points(4000);
  const [x, { click, like }] = [data.inputs.input, data.labels!];
  const lines = Array.from({ length: 4000 }, (_, i) => `${x[2 * i]},${x[2 * i + 1]},${click[i]},${like[i]}\n`);
  const columns = { a: "number", b: "number", click: "number", like: "number" } as const;
  const read = ({ count, columns }: Columns): Rows => {
    const [a, b] = [columns.a, columns.b] as NumberColumn[];
    const input = Float32Array.from({ length: 2 * count }, (_, at) => (at % 2 === 0 ? a : b).values[at >> 1]);
    return { count, inputs: { input }, labels: labels({ count, columns }, { click: "click", like: "like" }) };
  };
  const files = dataset(await csvParts(new Blob(["a,b,click,like\n", ...lines]), { columns }), read, { buffer: 1500 });
  const pass = async function* () {
    for (const from of [0, 1500, 3000]) yield sliceRows(data, from, Math.min(1500, 4000 - from));
  };
  for (const validation of [data, files, pass]) {
    const found: unknown[] = [];
    const seen: Health[] = [];
    for (const health of [true, false]) {
      const model = await compile(spec, { engine, seed: 7 });
      for await (const at of train(model, data, { batch: 64, steps: 63, validation, health })) {
        if (at.validation) found.push(at.validation);
        if (at.health) seen.push(at.health);
      }
      model.dispose();
    }
    assertEquals(found[0], found[1]);
    assertEquals(seen.map(({ rows }) => rows), [80]);
    const yes = Array.from(click).filter((label) => label === 1).length / 4000;
    assertAlmostEquals(seen[0].losses.click.constant!, -yes * Math.log(yes) - (1 - yes) * Math.log(1 - yes), 1e-12);
  }
});

Deno.test("nothing is concluded from few rows, nor from rows that are all the same", async () => {
  const model = await compile(spec, { engine, seed: 7 });
  const few = await healthOf(model, points(63));
  assertEquals([few.rows, few.units, few.warnings], [0, [], []]);
  const same = rows(Array.from({ length: 100 }, () => [1, 2]), {
    labels: { click: Array(100).fill(1), like: Array(100).fill(0) },
  });
  assertEquals((await healthOf(model, same)).rows, 0);
  await assertRejects(() => healthOf(model, points(0)), RangeError, "Cannot report health: there are no rows");
  model.dispose();
});
