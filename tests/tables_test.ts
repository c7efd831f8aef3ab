import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  adagrad,
  adam,
  bag,
  bank,
  binary,
  category,
  compile,
  define,
  dense,
  embed,
  encode,
  type Engine,
  evaluate,
  fit,
  gateReport,
  gradNorm,
  inits,
  lazyAdam,
  level,
  mgda,
  mix,
  type Net,
  numeric,
  type Optimiser,
  pcgrad,
  pipe,
  reference,
  regression,
  relu,
  rows,
  rowwiseAdagrad,
  sgd,
  softmax,
  type Spec,
  train,
  type TrainOptions,
  uncertainty,
  type VectorOptimiser,
  wasm,
} from "../mod.ts";
import { concat, slice } from "../lib/ops.ts";
import { initialise, plan } from "../lib/graph.ts";
import { onnx } from "../lib/onnx.ts";
import { random } from "../lib/data/random.ts";
import { vectorsIn } from "../lib/train/vectors.ts";
import type { Lookup } from "../lib/graph/lookups.ts";

const { uniform } = random("vectors");
const pick = <T>(of: readonly T[]) => Array.from({ length: 40 }, () => of[Math.floor(of.length * uniform())]);
const table = {
  user: pick(["ann", "bob", "cid"]),
  item: pick(["a", "b", "c", "d"]),
  age: Array.from({ length: 40 }, () => 20 + 50 * uniform()),
};
const input = fit({ user: category(), item: category(), age: numeric() }, table);
const labels = { click: table.user.map((user) => user < "c"), like: table.age.map((age) => age > 50) };
const data = rows(encode(input, table), { labels });
const engines: Readonly<Record<string, () => Engine | Promise<Engine>>> = { reference, wasm, onnx };

/** A model whose tasks share vectors, beside vectors of one task alone. */
const over = (ids: Net, own: Net): Spec =>
  define({
    input,
    levels: [
      level({ ids: bank(1, ids), own: bank(1, own) }, { shared: mix("ids"), like: mix("own") }),
      level({ shared: bank(2, pipe(dense(3), relu), { reads: "shared" }) }, { click: mix("shared", softmax) }),
    ],
    tasks: {
      click: binary(),
      like: binary(undefined, { adds: { shared: dense(1) } }),
    },
  });

/** What `embed(3)` is, by `dense` over the columns of user and item, after that of age. */
const byDense = (): Net => {
  const nets = [dense(3, { bias: false }), dense(3, { bias: false })];
  return (x) => concat([nets[0](slice(x, 1, 5)), nets[1](slice(x, 6, 6)), slice(x, 0, 1)]);
};
const [sparse, full] = [over(embed(3), embed(3)), over(byDense(), byDense())];

/** Parameters of the model with vectors as those of the other, whose rows of missing ids are 0. */
function asFull(parameters: Readonly<Record<string, { shape: readonly number[]; data: ArrayLike<number> }>>) {
  return Object.fromEntries(
    Object.entries(parameters).map(([path, { shape, data }]) => {
      const [net, name] = [path.slice(0, path.lastIndexOf("/")), path.slice(path.lastIndexOf("/") + 1)];
      const at = ["user", "item"].indexOf(name);
      if (at < 0) return [path, { shape, data: Float32Array.from(data) }];
      const grown = new Float32Array(data.length + shape[1]);
      grown.set(Float32Array.from(data), shape[1]);
      const group = net.slice(0, net.lastIndexOf("/"));
      return [`${group}/${at}/kernel`, { shape: [shape[0] + 1, shape[1]], data: grown }];
    }),
  );
}

/** Trains both models with the same options, and makes sure that they agree in every record and parameter. */
async function assertAlike(
  engine: Engine,
  options: TrainOptions,
  vectors: VectorOptimiser,
  tolerance: number,
): Promise<void> {
  const begun = initialise(sparse, 5);
  const [one, other] = [
    await compile(sparse, { engine, parameters: begun }),
    await compile(full, { engine, parameters: asFull(begun) }),
  ];
  const [found, wanted] = [
    await Array.fromAsync(train(one, data, { ...options, vectors })),
    await Array.fromAsync(train(other, data, options)),
  ];
  found.forEach(({ loss, norm, weights }, step) => {
    for (const task of ["click", "like"]) {
      assertAlmostEquals(loss[task], wanted[step].loss[task], tolerance, `loss of ${task}, step ${step}`);
      assertAlmostEquals(weights[task], wanted[step].weights[task], 30 * tolerance, `weight of ${task}, step ${step}`);
    }
    assertAlmostEquals(norm, wanted[step].norm, 10 * tolerance, `norm, step ${step}`);
  });
  const [grown, given] = [asFull(await one.parameters()), await other.parameters()];
  for (const [path, { data }] of Object.entries(grown)) {
    data.forEach((number, at) => assertAlmostEquals(number, given[path].data[at], 20 * tolerance, `${path} at ${at}`));
  }
  one.dispose();
  other.dispose();
}

const optimisers: Readonly<Record<string, readonly [Optimiser, VectorOptimiser, number]>> = {
  "sgd": [sgd(0.3), sgd(0.3), 1],
  "sgd, clipped": [sgd(0.3, { clipNorm: 0.05 }), sgd(0.3), 1],
  "adagrad": [adagrad(0.1), adagrad(0.1), 1],
  "adam": [adam(0.01), lazyAdam(0.01), 5], // epsilon is added elsewhere
};

for (const [name, start] of Object.entries(engines)) {
  for (const [rule, [optimiser, vectors, loose]] of Object.entries(optimisers)) {
    Deno.test(`vectors that every batch reads follow ${rule} on ${name} as a dense layer's weights do`, async () => {
      const tolerance = loose * (name === "reference" ? 1e-6 : 4e-6);
      await assertAlike(await start(), { epochs: 4, batch: 40, optimiser }, vectors, tolerance);
    });
  }
  Deno.test(`vectors are shared parameters to weightings on ${name}, as a dense layer's weights are`, async () => {
    const engine = await start();
    const tolerance = name === "reference" ? 2e-6 : 1e-5;
    for (
      const weighting of [pcgrad(), mgda(), gradNorm({ optimiser: sgd(0.02) }), uncertainty({ optimiser: sgd(0.02) })]
    ) {
      for (const clipNorm of [undefined, 0.1]) {
        const optimiser = sgd(0.2, { clipNorm });
        await assertAlike(engine, { epochs: 3, batch: 20, optimiser, weighting }, sgd(0.2), tolerance);
      }
    }
  });
}

Deno.test("predictions, evaluations and gates of vectors are those of a dense layer", async () => {
  const begun = initialise(sparse, 5);
  const one = await compile(sparse, { engine: reference(), parameters: begun });
  const other = await compile(full, { engine: reference(), parameters: asFull(begun) });
  const [found, wanted] = [await evaluate(one, data), await evaluate(other, data)];
  for (const task of ["click", "like"]) assertAlmostEquals(found.loss[task], wanted.loss[task], 1e-6);
  const [report, given] = [await gateReport(one, data), await gateReport(other, data)];
  assertEquals(
    report.gates.map(({ mean }) => mean.map((x) => x.toFixed(5))),
    given.gates.map(({ mean }) => mean.map((x) => x.toFixed(5))),
  );
  const [seen, meant] = [await one.inspect(data), await other.inspect(data)];
  seen.predictions.like.forEach((number, row) => assertAlmostEquals(number, meant.predictions.like[row], 1e-6));
  one.dispose();
  other.dispose();
});

const codes = (numbers: readonly number[], columns = 1) => {
  return { codes: { shape: [numbers.length / columns, columns], data: Int32Array.from(numbers) } };
};
const part = { table: "t", units: 2, codes: "codes", columns: [0], first: 1 };
const lookup = (parts: Lookup["parts"]): Lookup => {
  return { name: "v", value: undefined as unknown as Lookup["value"], width: 2 * parts.length, parts };
};
const newTable = () => {
  const vectors = Float32Array.from({ length: 12 }, (_, at) => at + 1);
  return { path: "t", rows: 6, units: 2, vectors, largest: undefined };
};
const gradient = (data: readonly number[], width = 2) => {
  return { v: { shape: [data.length / width, width], data: Float32Array.from(data) } };
};
const rules = { sgd: sgd(0.5), adagrad: adagrad(0.5), rowwise: rowwiseAdagrad(0.5), lazy: lazyAdam(0.5) };

Deno.test("a vector that a batch reads twice moves once, by the sum of its gradients", () => {
  for (const optimiser of Object.values(rules)) {
    const [twice, once] = [newTable(), newTable()];
    const [a, b] = [twice, once].map((table) => vectorsIn([lookup([part])], new Map([["t", table]]), optimiser));
    a.read(codes([3, 5, 3]));
    a.update(a.summed(gradient([1, 2, 8, 8, 10, 20])), 1, { rate: 0.5, step: 1 });
    b.read(codes([5, 3]));
    b.update(b.summed(gradient([8, 8, 11, 22])), 1, { rate: 0.5, step: 1 });
    assertEquals(twice.vectors, once.vectors);
  }
});

Deno.test("a code without a row reads zeros and moves nothing, and neither does a row that no code names", () => {
  for (const optimiser of Object.values(rules)) {
    const table = newTable();
    const vectors = vectorsIn([lookup([part])], new Map([["t", table]]), optimiser);
    const { v } = vectors.read(codes([0, 2, 7, 6]));
    assertEquals([...v.data], [0, 0, 3, 4, 0, 0, 11, 12]);
    vectors.update(vectors.summed(gradient(Array(8).fill(1))), 1, { rate: 0.5, step: 1 });
    const moved = [...table.vectors].map((number, at) => number !== newTable().vectors[at]);
    assertEquals(moved, [false, false, true, true, false, false, false, false, false, false, true, true]);
  }
});

Deno.test("a sum of vectors is read by weight, and one table may be read in several places", () => {
  const table = newTable();
  const bag = { ...part, columns: [0, 1], weights: { input: "weights", from: 0 } };
  const vectors = vectorsIn([lookup([bag, part])], new Map([["t", table]]), sgd(1));
  const tensors = { ...codes([1, 2, 3, 0], 2), weights: { shape: [2, 2], data: Float32Array.of(2, 10, 0.5, 7) } };
  const { v } = vectors.read(tensors);
  assertEquals([...v.data], [2 * 1 + 10 * 3, 2 * 2 + 10 * 4, 1, 2, 0.5 * 5, 0.5 * 6, 5, 6]);
  vectors.update(vectors.summed(gradient([1, 0, 0, 1, 1, 0, 0, 0], 4)), 1, { rate: 1, step: 1 });
  assertEquals([...table.vectors].slice(0, 6), [1 - 2, 2 - 1, 3 - 10, 4, 5 - 0.5, 6]);
});

/** A number of every step and place, with both signs. */
const slope = (step: number, at: number) => Math.sin(3 * step + at) / 4;

Deno.test("row-wise Adagrad is FBGEMM's formula in float64", () => {
  const table = newTable();
  const vectors = vectorsIn([lookup([part])], new Map([["t", table]]), rowwiseAdagrad(0.1, { touchedDecay: 0.2 }));
  const [wanted, state] = [Float64Array.from(newTable().vectors), new Float64Array(6)];
  for (let step = 1; step <= 5; step++) {
    const read = [1 + step % 3, 4];
    vectors.read(codes(read));
    const slopes = Array.from({ length: 4 }, (_, at) => slope(step, at));
    vectors.update(vectors.summed(gradient(slopes)), 0.5, { rate: 0.1, step });
    read.forEach((code, place) => {
      const [a, b] = [slopes[2 * place] / 2, slopes[2 * place + 1] / 2]; // clipped to the half
      const row = code - 1;
      state[row] += (a * a + b * b) / 2;
      [a, b].forEach((g, unit) => {
        const w = wanted[2 * row + unit] * (1 - 0.1 * 0.2);
        wanted[2 * row + unit] = w - 0.1 * g / (Math.sqrt(state[row]) + 1e-8);
      });
    });
  }
  wanted.forEach((number, at) => assertAlmostEquals(table.vectors[at], number, 1e-5));
});

Deno.test("lazy Adam is PyTorch's SparseAdam in float64: the step counts all, also those that did not read a vector", () => {
  const table = newTable();
  const vectors = vectorsIn([lookup([part])], new Map([["t", table]]), lazyAdam(0.1));
  const wanted = Float64Array.from(newTable().vectors);
  const [mean, square] = [new Float64Array(12), new Float64Array(12)];
  for (let step = 1; step <= 6; step++) {
    const read = [1 + step % 3, 4];
    vectors.read(codes(read));
    const slopes = Array.from({ length: 4 }, (_, at) => slope(step, at));
    vectors.update(vectors.summed(gradient(slopes)), 1, { rate: 0.1, step });
    read.forEach((code, place) =>
      [0, 1].forEach((unit) => {
        const [at, g] = [2 * (code - 1) + unit, slopes[2 * place + unit]];
        mean[at] = 0.9 * mean[at] + 0.1 * g;
        square[at] = 0.999 * square[at] + 0.001 * g * g;
        const size = 0.1 * Math.sqrt(1 - 0.999 ** step) / (1 - 0.9 ** step);
        wanted[at] -= size * mean[at] / (Math.sqrt(square[at]) + 1e-8);
      })
    );
  }
  wanted.forEach((number, at) => assertAlmostEquals(table.vectors[at], number, 1e-5));
});

Deno.test("vectors begin by their word: another order of a vocabulary is another order of vectors", () => {
  const words = ["cid", "ann", "bob"];
  const spec = (words: readonly string[]) =>
    define({ input: { user: { kind: "category", words } }, tasks: { y: binary(embed(2)) } });
  const [one, other] = [spec(words), spec(["bob", "new", "ann"])].map((spec) =>
    initialise(spec, 3)["tasks/y/tower/0/user"].data
  );
  assertEquals([...one.slice(0, 2)], [0, 0]);
  assertEquals([...other.slice(2, 4)], [...one.slice(6, 8)]);
  assertEquals([...other.slice(6, 8)], [...one.slice(4, 6)]);
  assert(other[4] !== one[2]);
});

Deno.test("a step that is refused leaves vectors and parameters as they were", async () => {
  for (const [engine, clipNorm] of [[reference(), undefined], [await wasm(), undefined], [await wasm(), 1]] as const) {
    const model = await compile(sparse, { engine, seed: 2 });
    const begun = await model.parameters();
    const huge = Object.fromEntries(
      Object.entries(begun).map(([path, { shape, data }]) => {
        return [path, {
          shape,
          data: path.endsWith("head/0/kernel") ? data.map(() => clipNorm === undefined ? 3e37 : 3e38) : data,
        }];
      }),
    );
    model.assign(huge);
    const options = { steps: 3, optimiser: sgd(1, { clipNorm }), vectors: sgd(1) };
    await assertRejects(() => Array.fromAsync(train(model, data, options)), RangeError, "step 1");
    for (const [path, { data }] of Object.entries(await model.parameters())) assertEquals(data, huge[path].data, path);
    model.dispose();
  }
});

Deno.test("a step is refused whole whose gradients of vectors are beyond float32 by the weights of a bag", async () => {
  const table = { tags: [["a", "b"], ["a"]], shares: [[3e37, 3e37], [3e37]] };
  const input = fit({ tags: bag({ weights: "shares", pooling: "sum" }) }, table);
  const spec = define({ input, tasks: { y: regression(embed(1)) } });
  const data = rows(encode(input, table), { labels: { y: [1e6, 1e5] } });
  for (const engine of [reference(), await wasm(), await onnx()]) {
    const model = await compile(spec, { engine });
    const begun = Object.entries(await model.parameters()).map(([path, { shape, data }]) => {
      return [path, { shape, data: data.fill(path.includes("tower") ? 1e-37 : 10) }] as const;
    });
    model.assign(Object.fromEntries(begun));
    const options = { steps: 1, optimiser: sgd(0.1), vectors: sgd(0.1) };
    await assertRejects(() => Array.fromAsync(train(model, data, options)), RangeError, "the gradient of vectors is");
    const now = await model.parameters();
    for (const [path, { data }] of begun) assertEquals(now[path].data, data, path);
    const light = encode(input, { ...table, shares: [[3, 1], [2]] });
    await Array.fromAsync(train(model, rows(light, { labels: { y: [1, 2] } }), options));
    model.dispose();
  }
});

Deno.test("the best epoch's vectors are brought back with its parameters", async () => {
  const model = await compile(sparse, { engine: reference(), seed: 2 });
  const seen: (readonly [number, Awaited<ReturnType<typeof model.parameters>>])[] = [];
  const rate = 0.3;
  const third = rows(encode(input, table), {
    labels: { ...labels, click: labels.click.map((is, row) => is !== row % 3 > 0) },
  });
  const options = {
    epochs: 12,
    batch: 8,
    optimiser: sgd(rate),
    vectors: sgd(rate),
    validation: third,
    stopping: { task: "click", patience: 3 },
  };
  let last: string | undefined;
  for await (const { validation, ended } of train(model, data, options)) {
    last = ended;
    if (validation !== undefined) seen.push([validation.loss.click, await model.parameters()]);
  }
  const best = seen.slice(0, -1).reduce((best, one) => one[0] < best[0] ? one : best);
  assertEquals(last, "stopped early");
  const found = await model.parameters();
  for (const [path, { data }] of Object.entries(found)) assertEquals(data, best[1][path].data, path);
  model.dispose();
});

Deno.test("tables are no part of the flat array, and a table that is read in another way is", () => {
  const { tables, layout, lookups } = plan(sparse);
  const paths = ["ids", "own"].flatMap((bank) =>
    ["user", "item"].map((name) => `levels/0/experts/${bank}/0/0/${name}`)
  );
  assertEquals(tables.map(({ path }) => path), paths);
  assertEquals(layout.extents.some(({ path }) => paths.includes(path)), false);
  assertEquals(lookups.map(({ parts }) => parts.map(({ table }) => table)), [paths.slice(0, 2), paths.slice(2)]);
});

Deno.test("optimisers that cannot move vectors alone are refused as such, and rates that could not be taken back", async () => {
  const model = await compile(sparse, { engine: reference() });
  const refused = async (vectors: unknown, message: string) => {
    const options = { steps: 1, vectors } as TrainOptions;
    await assertRejects(() => Array.fromAsync(train(model, data, options)), Error, message);
  };
  await refused(adam(), "vectors cannot follow adam");
  await refused(sgd(1, { weightDecay: 0.1 }), "touchedDecay");
  await refused(adagrad(1, { clipNorm: 1 }), "clipNorm");
  await refused(0.1, "found 0.1");
  await refused(rowwiseAdagrad((step) => step > 0 ? NaN : 1), "the learning rate must be at least 0, found NaN");
  await refused(rowwiseAdagrad(2e6), "at most 1000000");
  await refused(rowwiseAdagrad(2, { touchedDecay: 1 }), "at most 1, found 2 * 1");
  assertThrows(() => rowwiseAdagrad(0.1, { touchedDecay: -1 }), RangeError, "touchedDecay");
  assertThrows(() => lazyAdam(0.1, { beta1: 1 }), RangeError, "beta1");
  model.dispose();
});

Deno.test("banks that are held together have no vectors of their own", () => {
  const near = { own: 0.1 };
  const held = (net: Net) =>
    define({
      input,
      levels: [level({ own: bank(1, net), other: bank(1, net, { near }) }, { y: mix(["own", "other"], softmax) })],
      tasks: { y: binary() },
    });
  assertThrows(() => held(embed(2)), Error, "near");
  held(dense(2, { init: inits.zeros }));
});
