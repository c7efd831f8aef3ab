import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import {
  adagrad,
  adam,
  binary,
  category,
  compile,
  define,
  dense,
  encode,
  featuresOf,
  fit,
  inits,
  layer,
  mmoe,
  momentum,
  type Net,
  numeric,
  pipe,
  reference,
  relu,
  rows,
  sgd,
  type Spec,
  train,
} from "../mod.ts";
import { add, concat, matmul, mul, relu as relued, sigmoid, slice, sum } from "../lib/ops.ts";
import { initialise, parametersOf, plan, prediction } from "../lib/graph.ts";
import { join } from "../lib/model/parameters.ts";
import { random } from "../lib/data/random.ts";
import { architecturesOver, tasks, tower } from "./models.ts";

const source = random("reserved");
const words = (of: readonly string[]) => Array.from({ length: 60 }, () => of[Math.floor(of.length * source.uniform())]);
const known = {
  age: Array.from({ length: 60 }, () => 40 + 10 * source.normal()),
  job: words(["clerk", "smith", "baker"]),
  device: words(["phone", "desk"]),
  town: words(["north", "south", "east"]),
};
const input = fit(
  { age: numeric(), job: category(), device: category(), town: category({ missing: "unknown" }) },
  known,
);

/** A first layer whose matrix is made of others, or whose columns are not multiplied with one. */
const nets: Readonly<Record<string, Net>> = {
  "a shared matrix times an own one": layer((parameter, x) =>
    matmul(x, mul(parameter("shared", [14, 4], inits.glorotUniform), parameter("own", [14, 4], inits.ones)))
  ),
  "a sum of matrices": layer((parameter, x) =>
    matmul(x, add(parameter("shared", [14, 4], inits.glorotUniform), parameter("own", [14, 4], inits.ones)))
  ),
  "a product of matrices": layer((parameter, x) =>
    matmul(x, matmul(parameter("left", [14, 14], inits.glorotUniform), parameter("right", [14, 4], inits.ones)))
  ),
  "a weight for each column": layer((parameter, x) =>
    sum(mul(x, parameter("weight", [14], inits.uniform(1))), { keep: true })
  ),
  "columns that are gated, cut, put together and cut off below 0": (x) => {
    const gated = mul(x, sigmoid(dense(14)(x)));
    return dense(4)(relued(concat([slice(gated, 3, 8), slice(x, 0, 5)])));
  },
};

const specs: Readonly<Record<string, Spec>> = {
  ...architecturesOver(input, ["device"]),
  "heads without towers, and nets that add": define({
    input,
    streams: { place: ["town", "device"] },
    tasks: {
      income: binary(),
      marital: binary(tower, { adds: { place: dense(1), input: pipe(dense(3), relu, dense(1)) } }),
    },
  }),
  ...Object.fromEntries(
    Object.entries(nets).map(([name, expert]) => [name, define(mmoe({ input, experts: 2, expert, tasks }))]),
  ),
};

for (const [name, spec] of Object.entries(specs)) {
  Deno.test(`what no row has trained adds nothing to a prediction: ${name}`, async () => {
    const begun = initialise(spec, 12);
    const empty = await outputsOf(spec, begun, [-1, -1, -1]);
    for (const codes of [[0, 0, 0], [1, 1, 0], [0, 1, -1], [-1, 0, 0]]) {
      assertClose(await outputsOf(spec, begun, codes), empty);
    }
    const words = await outputsOf(spec, begun, [2, 3, 2]);
    assert(Object.keys(empty).some((key) => Math.abs(words[key][0] - empty[key][0]) > 1e-6), "words add nothing");

    const model = await compile(spec, { engine: reference(), seed: 12 });
    const optimiser = adam(0.02, { weightDecay: 0.1 });
    await trained(model, known, optimiser);
    const learnt = await model.parameters();
    const reserved = parametersOf(spec).filter(({ zeros }) => zeros !== undefined);
    assert(reserved.length > 0);
    const numbers = () =>
      reserved.flatMap(({ path, shape, zeros = [] }) => {
        const width = learnt[path].data.length / shape[0];
        return zeros.flatMap((row) => [...learnt[path].data.subarray(row * width, (row + 1) * width)]);
      });
    assertEquals(numbers().filter((number) => number !== 0), []);
    assertClose(await outputsOf(spec, learnt, [1, 0, 0]), await outputsOf(spec, learnt, [-1, -1, -1]));
    model.dispose();
  });
}

Deno.test("reserved codes are trained by the rows that have them, and by no others under any optimiser", async () => {
  const spec = specs.mmoe;
  const some = { ...known, job: known.job.map((word, row) => row % 3 === 0 ? null : word) };
  for (const optimiser of [adam(0.02), adam(0.02, { weightDecay: 0.1 }), sgd(0.1), momentum(0.1), adagrad(0.1)]) {
    for (const [table, moved] of [[known, [false, false]], [some, [true, false]]] as [typeof some, boolean[]][]) {
      const model = await compile(spec, { engine: reference(), seed: 3 });
      await trained(model, table, optimiser);
      const { "levels/0/experts/shared/0/0/kernel": { data, shape } } = await model.parameters();
      const [missing, unknown] = [1, 2].map((row) => data.subarray(row * shape[1], (row + 1) * shape[1]));
      assertEquals([missing, unknown].map((row) => row.some((number) => number !== 0)), moved, optimiser.name);
      model.dispose();
    }
  }
});

Deno.test("weights of an indicator begin at 0 and stay there unless numbers are missing: then the mean answers", async () => {
  const features = { rank: numeric(), age: numeric({ indicator: true }), job: category() };
  const full = { ...known, rank: known.age.map((age) => age ** 2) };
  const some = { ...full, age: full.age.map((age, row) => row % 3 === 0 ? null : age) };
  for (const [table, moved] of [[full, false], [some, true]] as [typeof some, boolean][]) {
    const input = fit(features, table);
    const spec = define(mmoe({ input, experts: 2, expert: dense(4), tasks }));
    const model = await compile(spec, { engine: reference(), seed: 3 });
    const path = "levels/0/experts/shared/0/0/kernel";
    const weights = async () => [...(await model.parameters())[path].data.subarray(8, 12)]; // of column 2
    assertEquals(await weights(), [0, 0, 0, 0]);
    await trained(model, table, adam(0.02, { weightDecay: 0.1 }));
    assertEquals((await weights()).some((weight) => weight !== 0), moved);
    const { age } = input;
    assert(age.kind === "numeric");
    const [none, mean] = [NaN, age.mean].map((age) => encode(input, { rank: [1600], age: [age], job: ["clerk"] }));
    const [{ income: missing }, { income: average }] = [await model.predict(none), await model.predict(mean)];
    assertEquals(missing[0] !== average[0], moved);
    model.dispose();
  }
});

Deno.test("all other initial values depend on seed and path alone, and given ones stay", () => {
  const one = define({ input, tasks: { income: binary(dense(3)) } });
  const wide = define({ input: 14, tasks: { income: binary(dense(3)) } });
  const path = "tasks/income/tower/0/kernel";
  const [zeroed, drawn] = [one, wide].map((spec) => initialise(spec, 5)[path].data);
  const zeros = parametersOf(one).find((parameter) => parameter.path === path)?.zeros;
  assertEquals(zeros, [1, 2, 6, 7, 10]); // of age, job (two, three words), device (two, two), town (one, three)
  assertEquals([...zeroed], [...drawn].map((number, at) => zeros!.includes(Math.floor(at / 3)) ? 0 : number));
  const values = Array.from({ length: 14 }, (_, at) => at + 1);
  const given = define({ input, tasks: { income: binary(dense(1, { init: inits.values(values) })) } });
  assertEquals([...initialise(given, 5)[path].data], values);
});

Deno.test("train() reports words that no row has, once, and nothing where there are none, or rows are streamed", async () => {
  const wide = { ...known, job: [...known.job.slice(5), "cook", "baker", "judge", "king", "lord"], town: known.town };
  const spec = define({ input: fit({ job: category(), town: category() }, wide), tasks });
  const features = featuresOf(spec);
  const labels = { income: known.age.map((age) => age > 40), marital: known.age.map(() => true) };
  const data = rows(encode(features, { ...known, town: known.town.map((town) => town === "north" ? "south" : town) }), {
    labels,
  });
  const model = () => compile(spec, { engine: reference() });
  const run = async (
    of: Awaited<ReturnType<typeof model>>,
    rows: Parameters<typeof train>[1],
    from?: { epoch: number; step: number },
  ) => {
    for await (const _ of train(of, rows, { from })) { /* goes on */ }
  };
  const one = await model();
  const wanted = [
    'Training: feature "job" knows 4 words that no row has ("cook", "judge", "king" and 1 more): nothing trains their ' +
    "weights. Fit features to the rows that train",
    'Training: feature "town" knows 1 word that no row has ("north"): nothing trains their weights. Fit features to the ' +
    "rows that train",
  ];
  assertEquals(await reported(() => run(one, data)), wanted);
  assertEquals(await reported(() => run(one, data)), []);
  assertEquals(await reported(async () => run(await model(), data, { epoch: 1, step: 1 })), []);
  const streamed = async function* () {
    yield await Promise.resolve(data);
  };
  assertEquals(await reported(async () => run(await model(), streamed)), []);
  const all = rows(encode(features, wide), { labels });
  assertEquals(await reported(async () => run(await model(), all)), []);
});

/** Returns the predictions and gate weights of a row whose features have these codes; -1 leaves a part empty. */
async function outputsOf(
  spec: Spec,
  parameters: Parameters<typeof join>[1],
  codes: readonly number[],
): Promise<Record<string, ArrayLike<number>>> {
  const engine = reference();
  const plans = plan(spec);
  const store = engine.store({ parameters: join(plans.layout, parameters) });
  const found = await engine.load(prediction(plans, true), store).run({
    numeric: { shape: [1, 1], data: Float32Array.of(47) },
    category: { shape: [1, 3], data: Int32Array.from(codes) },
  });
  store.dispose();
  return Object.fromEntries(Object.entries(found).map(([name, { data }]) => [name, data]));
}

function assertClose(found: Record<string, ArrayLike<number>>, wanted: Record<string, ArrayLike<number>>): void {
  for (const [name, numbers] of Object.entries(wanted)) {
    for (let at = 0; at < numbers.length; at++) assertAlmostEquals(found[name][at], numbers[at], 1e-7, name);
  }
}

/** Trains a model for two epochs on rows of a table. */
async function trained(
  model: Awaited<ReturnType<typeof compile>>,
  table: Parameters<typeof encode>[1],
  optimiser: ReturnType<typeof adam>,
): Promise<void> {
  const labels = { income: known.age.map((age) => age > 40), marital: known.job.map((word) => word === "clerk") };
  const data = rows(encode(featuresOf(model.spec), table), { labels });
  for await (const _ of train(model, data, { epochs: 2, batch: 16, optimiser })) { /* goes on */ }
}

/** Returns what is written on standard error while something runs. */
async function reported(run: () => Promise<void>): Promise<string[]> {
  const lines: string[] = [];
  const write = console.error;
  console.error = (line: string) => void lines.push(line);
  try {
    await run();
  } finally {
    console.error = write;
  }
  return lines;
}
