import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import {
  binary,
  categorical,
  compile,
  define,
  dense,
  encode,
  evaluate,
  featuresOf,
  mmoe,
  reference,
  regression,
  type Rows,
  rows,
  type Spec,
  train,
} from "../mod.ts";
import { broadcast, constant, inTraining, log, type Value } from "../lib/ops.ts";
import { initialise, layoutOf, optimise, parametersOf, prediction } from "../lib/graph.ts";
import { random } from "../lib/data/random.ts";
import { sliceRows } from "../lib/data/rows.ts";
import { valuesOf } from "../lib/graph/graph.ts";
import { inOrder } from "../lib/graph/walk.ts";
import { plan } from "../lib/graph.ts";
import { heads as table } from "../lib/heads/heads.ts";
import { architectures, expert, sample, tower } from "./models.ts";
import { layoutIn, storeOf } from "./insides.ts";

const heads = define(mmoe({
  input: 5,
  experts: 3,
  expert,
  tasks: { click: binary(tower), time: regression(tower), kind: categorical(4, tower) },
}));

const many = sample(2500);

Deno.test("predict() gives the same numbers for any number of rows as row by row", async () => {
  const model = await compile(heads, { engine: reference(), seed: 3 });
  const all = await model.predict(many);
  assertEquals([all.click.length, all.time.length, all.kind.length], [2500, 2500, 10_000]);
  for (const [start, count] of [[0, 0], [0, 1], [1023, 1], [1024, 1], [2047, 1], [2048, 1], [2499, 1], [1000, 100]]) {
    const some = await model.predict(sliceRows(many, start, count));
    assertEquals(some.click, all.click.subarray(start, start + count));
    assertEquals(some.time, all.time.subarray(start, start + count));
    assertEquals(some.kind, all.kind.subarray(4 * start, 4 * (start + count)));
  }
  for (const count of [1023, 1024, 1025, 2048]) {
    assertEquals((await model.predict(sliceRows(many, 0, count))).click, all.click.subarray(0, count));
  }
  assertEquals(await model.predict(rows([])), {
    click: new Float32Array(),
    time: new Float32Array(),
    kind: new Float32Array(),
  });
  model.dispose();
});

Deno.test("predict() gives probabilities that sum to 1 for every class", async () => {
  const model = await compile(heads, { engine: reference(), seed: 3 });
  const { click, kind } = await model.predict(sliceRows(many, 0, 100));
  model.dispose();
  assert(click.every((p) => p > 0 && p < 1));
  for (let row = 0; row < 100; row++) {
    assertAlmostEquals(kind.subarray(4 * row, 4 * row + 4).reduce((a, b) => a + b), 1, 1e-6);
  }
});

Deno.test("predictEach() predicts piece by piece, and takes no more pieces than are asked for", async () => {
  const model = await compile(heads, { engine: reference() });
  const all = await model.predict(many);
  let taken = 0;
  async function* pieces(): AsyncGenerator<Rows> {
    for (const [start, count] of [[0, 10], [10, 0], [10, 1], [11, 1500]]) {
      taken++;
      await Promise.resolve();
      yield sliceRows(many, start, count);
    }
  }
  const found: number[] = [];
  const counts: number[] = [];
  for await (const { click } of model.predictEach(pieces())) {
    counts.push(click.length);
    found.push(...click);
  }
  assertEquals(counts, [10, 0, 1, 1500]);
  assertEquals(Float32Array.from(found), all.click.subarray(0, 1511));
  taken = 0;
  for await (const _ of model.predictEach(pieces())) break;
  assertEquals(taken, 1);
  model.dispose();
});

Deno.test("inspect() gives the weights of all gates beside the same predictions", async () => {
  for (const [name, spec] of Object.entries<Spec>({ ...architectures, heads })) {
    const model = await compile(spec, { engine: reference(), seed: 2 });
    const { predictions, gates } = await model.inspect(many);
    assertEquals(predictions, await model.predict(many), name);
    const wanted = spec.levels.flatMap((level, at) =>
      Object.entries(level.gates).flatMap(([stream, { gate, mix }]) => {
        const experts = mix.reduce((total, bank) => total + level.experts[bank].count, 0);
        return gate === null ? [] : [[`${at}/${stream}`, 2500 * experts]];
      })
    );
    assertEquals(Object.entries(gates).map(([gate, { length }]) => [gate, length]), wanted, name);
    for (const [gate, weights] of Object.entries(gates)) {
      const experts = weights.length / 2500;
      const [level, stream] = gate.split("/");
      const { nodes, outputs } = spec.levels[Number(level)].gates[stream].gate!;
      for (const row of [0, 1023, 1024, 2499]) {
        const alone = (await model.inspect(sliceRows(many, row, 1))).gates[gate];
        assertEquals(alone, weights.subarray(row * experts, (row + 1) * experts), `${name} ${gate}`);
        if (nodes[outputs.weights].op === "softmax") assertAlmostEquals(alone.reduce((a, b) => a + b), 1, 1e-6);
      }
    }
    const none = await model.inspect(rows([]));
    assertEquals(Object.keys(none.gates), Object.keys(gates));
    model.dispose();
  }
});

Deno.test("evaluate() gives the metrics of each head over the labelled rows", async () => {
  const source = random("evaluate");
  const labels = (of: () => number) => Float32Array.from({ length: 2500 }, () => source.uniform() < 0.1 ? NaN : of());
  const data: Rows = {
    ...many,
    labels: {
      click: labels(() => Number(source.uniform() < 0.3)),
      time: labels(() => source.normal()),
      kind: labels(() => Math.floor(4 * source.uniform())),
    },
    weights: { time: Float32Array.from({ length: 2500 }, () => 2 * source.uniform()) },
  };
  const model = await compile(heads, { engine: reference(), seed: 3 });
  const predictions = await model.predict(data);
  const { loss, metrics } = await evaluate(model, data);
  for (const task of ["click", "time", "kind"] as const) {
    const wanted = Object.entries(table[heads.tasks[task].head.kind].measures).map(([name, { metric }]) => {
      return [name, metric(predictions[task], data.labels![task], data.weights?.[task])];
    });
    assertEquals(Object.keys(metrics[task]), wanted.map(([name]) => name));
    for (const [name, value] of wanted as [string, number][]) {
      assertAlmostEquals(metrics[task][name], value, 1e-6, `${name} of ${task}`);
    }
  }
  assertAlmostEquals(loss.click, metrics.click.logloss, 1e-6); // no prediction is so sure that it would be clipped
  assertAlmostEquals(loss.kind, metrics.kind.logloss, 1e-6);
  assertAlmostEquals(loss.time, metrics.time.mse, 1e-6);
  const one = await evaluate(model, { ...data, labels: { click: data.labels!.click }, weights: {} });
  assertEquals(one.metrics.click, metrics.click);
  assertEquals([one.loss.time, one.metrics.time.mse, one.metrics.kind.accuracy], [NaN, NaN, NaN]);
  model.dispose();
});

Deno.test("predict() encodes features as their Spec says, numbers first", async () => {
  const spec = define({
    input: {
      age: { kind: "numeric", transform: "none", mean: 40, scale: 12.5 },
      job: { kind: "category", words: ["clerk", "smith"] },
      gain: { kind: "numeric", transform: "log1p", mean: 1.5, scale: 0.5 },
      town: { kind: "category", words: [], missing: "unknown" },
      loss: { kind: "numeric", transform: "log1p", mean: 0, scale: 2 },
      weeks: { kind: "numeric", transform: "none", mean: 0, scale: 1 },
    },
    tasks: { y: regression() },
  });
  const numeric = [[30, 0, 5, -3], [40, 99, -0.5, 0], [71.5, 2.5, 0, 52], [1, 2, 3, 4]];
  const category = [[0, 0], [3, 0], [2, 0], [1, 0]];
  const slots = [[1, 0, 0, 0, 1], [0, 0, 0, 1, 1], [0, 0, 1, 0, 1], [0, 1, 0, 0, 1]];
  const [age, gain, loss] = [(x: number) => (x - 40) / 12.5, (x: number) => (Math.log1p(x) - 1.5) / 0.5, Math.log1p];
  const weights = [1, -2, 0.5, 0.25, 10, 20, 40, 80, 160];
  const model = await compile(spec, {
    engine: reference(),
    parameters: {
      "tasks/y/head/0/kernel": { shape: [9, 1], data: Float32Array.from(weights) },
      "tasks/y/head/0/bias": { shape: [1], data: Float32Array.of(100) },
    },
  });
  const words = { job: [null, "smith", "clerk", "pilot"], town: ["", "", "", ""] };
  const numbers = ["age", "gain", "loss", "weeks"].map((name, at) => [name, numeric.map((x) => x[at])]);
  const { inputs } = encode(featuresOf(spec), { ...words, ...Object.fromEntries(numbers) });
  assertEquals([...inputs.category], category.flat());
  const { y } = await model.predict({ count: 4, inputs });
  numeric.forEach((x, row) => {
    const encoded = [age(x[0]), gain(x[1]), loss(x[2]) / 2, x[3], ...slots[row]];
    assertAlmostEquals(y[row], encoded.reduce((sum, number, i) => sum + number * weights[i], 100), 1e-4);
  });
  for (const [at, feature, wanted] of [[1, "gain", NaN], [6, "loss", Infinity]] as const) {
    const bad = { ...inputs, numeric: inputs.numeric.with(at, wanted) };
    await assertRejects(
      () => model.predict({ count: 4, inputs: bad }),
      RangeError,
      `Cannot predict\n  at row ${at < 4 ? 0 : 1}, feature "${feature}": ${wanted} is not a finite number`,
    );
  }
  model.dispose();
});

Deno.test("compile() begins with given parameters, and assign() replaces them", async () => {
  const [one, other] = [initialise(heads, 1), initialise(heads, 2)];
  const model = await compile(heads, { engine: reference(), parameters: one });
  assertEquals(await model.parameters(), one);
  const before = await model.predict(sample(3));
  model.assign(other);
  assertEquals(await model.parameters(), other);
  assertNotEquals(await model.predict(sample(3)), before);
  model.assign(one);
  assertEquals(await model.predict(sample(3)), before);
  model.dispose();
});

Deno.test("assign() reports all parameters that do not fit at once, and changes nothing", async () => {
  const model = await compile(define({ input: 2, tasks: { click: binary(dense(3)) } }), { engine: reference() });
  const before = await model.parameters();
  const tensor = (...shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
  const error = assertThrows(() =>
    model.assign({
      "tasks/click/tower/0/kernal": tensor(2, 3),
      "tasks/click/tower/0/bias": tensor(4),
      "tasks/click/head/0/kernel": { shape: [3, 1], data: new Float32Array(2) },
      "tasks/click/head/0/bias": { shape: [1], data: Float32Array.of(NaN) },
      other: tensor(),
      another: undefined as never,
    }), TypeError);
  assertEquals(error.message.split("\n"), [
    "Cannot assign parameters",
    "  missing: tasks/click/tower/0/kernel [2, 3]",
    "  unexpected: tasks/click/tower/0/kernal [2, 3]: did you mean tasks/click/tower/0/kernel?",
    "  misshapen: tasks/click/tower/0/bias is [4], wanted [3]",
    "  misshapen: tasks/click/head/0/kernel has 2 elements, wanted 3",
    "  not finite: tasks/click/head/0/bias at [0] is NaN",
    "  unexpected: other []",
    "  misshapen: another is nothing, wanted a tensor { shape, data }",
  ]);
  assertEquals(await model.parameters(), before);
  model.dispose();
});

Deno.test("parametersOf() are what initialise(), layoutOf() and the graphs are made of", async () => {
  for (const [name, spec] of Object.entries<Spec>({ ...architectures, heads })) {
    const parameters = parametersOf(spec);
    const paths = parameters.map(({ path }) => path);
    assertEquals(new Set(paths).size, paths.length, name);
    assertEquals(Object.keys(initialise(spec, 0)), paths, name);
    for (const { extents, matrices, size } of [layoutOf(parameters), plan(spec).layout]) {
      assertEquals(extents.map(({ path }) => path), paths, name);
      const taken = new Uint8Array(size);
      for (const { start, size, row, shape } of extents) {
        for (let at = 0; at < size; at++) {
          const position = start + Math.floor(at / row.length) * row.apart + at % row.length;
          assertEquals(shape.length > 1, position < matrices, name);
          taken[position]++;
        }
      }
      assert(taken.every((times) => times === 1), name);
    }
    const { size } = plan(spec).layout;
    const model = await compile(spec, { engine: reference() });
    assertEquals((await storeOf(model).read("parameters")).shape, [size], name);
    model.dispose();
  }
});

Deno.test("optimise() serves one task with the same numbers and nothing of the others", async () => {
  const engine = reference();
  const model = await compile(heads, { engine, seed: 3, fuse: false });
  const whole = prediction(plan(heads, { fuse: false }));
  const input = { input: { shape: [10, 5], data: many.inputs.input.subarray(0, 50) } };
  const all = await engine.load(whole, storeOf(model)).run(input);
  for (const task of ["click", "time", "kind"]) {
    const pruned = optimise(whole, [task]);
    assertEquals(Object.keys(pruned.outputs), [task]);
    assertEquals(await engine.load(pruned, storeOf(model)).run(input), { [task]: all[task] });
    assert(pruned.nodes.length < whole.nodes.length);
    const read = inOrder(Object.values(valuesOf(pruned).outputs)).flatMap(({ op, attrs }) => {
      return op === "slice" && attrs.axis === 0 ? [attrs.start as number] : [];
    });
    for (const { path, start } of layoutIn(model).extents) {
      const needed = path.includes("/experts/") || path.includes(`/${task}/`);
      assertEquals(read.includes(start), needed, `${task}: ${path}`);
    }
  }
  assertThrows(
    () => optimise(whole, ["clik"]),
    TypeError,
    'Cannot optimise graph: no output is named "clik": did you mean "click"?',
  );
  model.dispose();
});

Deno.test("predict() sees what training has changed, in the middle of it", async () => {
  const model = await compile(architectures.mmoe, { engine: reference() });
  const seen = [String((await model.predict(sample(3))).income)];
  for await (const _ of train(model, sample(8), { epochs: 3 })) {
    seen.push(String((await model.predict(sample(3))).income));
  }
  assertEquals(new Set(seen).size, 4);
  model.dispose();
  await assertRejects(() => model.predict(sample(3)), TypeError, "Cannot predict: the model is disposed");
  await assertRejects(() => model.parameters(), TypeError, "Cannot read parameters: the model is disposed");
  await assertRejects(() => train(model, sample(8)).next(), TypeError, "Cannot train: the model is disposed");
});

Deno.test("predict() refuses a model that reads nothing of a row, which can be trained and evaluated", async () => {
  const alike = (x: Value) => inTraining(x, broadcast(constant(1), ["batch", 1]));
  const model = await compile(define({ input: 1, tasks: { y: regression(alike) } }), { engine: reference(), seed: 1 });
  const data = rows([[1], [2]], { labels: { y: [1, 2] } });
  for await (const _ of train(model, data, { epochs: 1 })) { /* goes on */ }
  assert(Number.isFinite((await evaluate(model, data)).metrics.y.mse));
  const wanted =
    "Cannot predict: no task reads the rows in evaluation, so that nothing has their number: wanted a tower";
  for (const run of [model.predict, model.inspect]) await assertRejects(() => run(data), TypeError, wanted);
  model.dispose();
});

Deno.test("predict() refuses to return NaN", async () => {
  const spec = define({ input: 1, tasks: { y: regression((x) => log(x)) } });
  const model = await compile(spec, { engine: reference() });
  await model.predict(rows([[1], [2]]));
  const error = await assertRejects(() => model.predict(rows([[1], [2], [-1]])), RangeError);
  assertEquals(error.message, 'Cannot predict\n  at row 2, task "y": the prediction is NaN');
  model.dispose();
});

Deno.test("evaluate() ranks and judges logits whose probabilities round to 0 or 1", async () => {
  const parameters = {
    "tasks/y/head/0/kernel": { shape: [1, 1], data: Float32Array.of(1) },
    "tasks/y/head/0/bias": { shape: [1], data: Float32Array.of(0) },
  };
  const model = await compile(define({ input: 1, tasks: { y: binary() } }), { engine: reference(), parameters });
  const data = rows([[-200], [18], [20], [25], [30], [200]], { labels: { y: [0, 0, 0, 1, 1, 0] } });
  const { loss, metrics } = await evaluate(model, data);
  model.dispose();
  assertEquals(metrics.y.auc, 6 / 8);
  const wanted = (18 + 20 + 200) / 6;
  assert(Math.abs(metrics.y.logloss - wanted) < 1e-5 * wanted, `${metrics.y.logloss}, wanted ${wanted}`);
  assertEquals(metrics.y.logloss, loss.y);
});
