import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import * as f from "../lib/ops/functions.ts";
import { apply } from "../lib/ops/table.ts";
import type { Op, Value } from "../lib/ops/value.ts";
import { type Graph, graphOf } from "../lib/graph/graph.ts";
import type { Engine, Store } from "../lib/engines/engine.ts";
import type { Tensor } from "../lib/ops/tensor.ts";
import { onnxModel } from "../lib/formats/onnx_model.ts";
import { translations } from "../lib/formats/onnx_ops.ts";
import { engineOf } from "../lib/engines/onnx/onnx.ts";
import { binding } from "../lib/engines/onnx/binding.ts";
import { library } from "../lib/engines/onnx/library.ts";
import { explained, start } from "../lib/engines/onnx/runtime.ts";
import type { Region } from "../lib/engines/onnx/regions.ts";
import type { Open } from "../lib/engines/onnx/session.ts";
import { reference } from "../lib/engines/reference/reference.ts";
import {
  adam,
  binary,
  categorical,
  category,
  compile,
  define,
  dense,
  embed,
  encode,
  evaluate,
  fit,
  mmoe,
  momentum,
  numeric,
  pipe,
  regression,
  relu,
  rows,
  type Spec,
  train,
} from "../mod.ts";
import { forward, plan } from "../lib/graph.ts";
import { onnx, saveOnnx } from "../lib/onnx.ts";
import { sliceRows } from "../lib/data/rows.ts";
import { cases } from "./cases.ts";
import { architectures, everyHead, predictions, sample, sampleFor } from "./models.ts";
import { once, withGradients } from "./on_engines.ts";
import { fieldsOf } from "./protobuf.ts";
import { withTemp } from "./temp.ts";

const engine = await onnx({ threads: 2 });

Deno.test("onnx() computes every case and its gradients as reference() does", async () => {
  const seen = new Set<Op>();
  for (const { name, build, inputs, store } of cases) {
    const graph = withGradients(build());
    graph.nodes.forEach(({ op }) => seen.add(op));
    const want = await once(reference(), graph, inputs(), store);
    const found = await once(engine, graph, inputs(), store);
    assertEquals(Object.keys(found), Object.keys(want));
    for (const [output, { shape, data }] of Object.entries(want)) {
      assertEquals(found[output].shape, shape, `${name}: ${output}`);
      assertClose(found[output].data, data, `${name}: ${output}`);
    }
  }
  assertEquals(Object.keys(translations).filter((op) => !seen.has(op as Op)), []);
});

Deno.test("compile() on onnx predicts as on the reference engine, fused or not", async () => {
  const data = sample(33);
  for (const [name, spec] of Object.entries<Spec>({ ...architectures, everyHead })) {
    const wanted = await predictions<string>(spec, data, { seed: 3 });
    for (const fuse of [true, false]) {
      const model = await compile(spec, { engine, seed: 3, fuse });
      for (const count of [33, 1, 33]) {
        const found = await model.predict(sliceRows(data, 0, count));
        for (const [task, numbers] of Object.entries(found)) {
          const first = wanted[task].subarray(0, numbers.length);
          assertClose(numbers, first, `${name}, ${task}`, 1e-5);
        }
      }
      model.dispose();
    }
  }
});

Deno.test("train() on onnx follows the reference engine step by step, fused or not", async () => {
  for (const [name, spec] of Object.entries<Spec>({ ...architectures, everyHead })) {
    const wanted = await trained(spec, reference(), true);
    for (const fuse of [true, false]) {
      const found = await trained(spec, engine, fuse);
      assertClose(found.losses, wanted.losses, `${name}: losses`, 1e-4);
      for (const [path, { data }] of Object.entries(wanted.parameters)) {
        assertClose(found.parameters[path].data, data, `${name}: ${path}`, 1e-3);
      }
      assertClose(found.predictions, wanted.predictions, `${name}: predictions after training`, 1e-3);
      assertEquals(found.evaluated, found.predictions); // a program loaded before the training sees it too
    }
  }
});

Deno.test("onnx() with one thread and with more gives the same losses", async () => {
  const single = await trained(architectures.mmoe, await onnx({ threads: 1 }), true);
  assertClose(single.losses, (await trained(architectures.mmoe, engine, true)).losses, "losses", 1e-6);
});

Deno.test("resident memory does not grow over steps, whatever the sizes of batches", async () => {
  const data = sample(300);
  const model = await compile(architectures.mmoe, { engine });
  const resident: number[] = [];
  for await (const { step } of train(model, data, { steps: 1200, batch: 32 })) {
    if (step % 300 === 0) resident.push(Deno.memoryUsage().rss);
    if (step % 10 === 0) await model.predict(sliceRows(data, 0, 1 + step % 7));
  }
  model.dispose();
  assert(resident[3] < resident[1] + 16 * 2 ** 20, `${resident.map((bytes) => Math.round(bytes / 2 ** 20))} MiB`);
});

Deno.test("Program.run() on onnx changes the store only if every output is finite", async () => {
  const store = engine.store({ w: vector(1, 2), slot: vector(0, 0) });
  const program = engine.load(step(), store);
  const held = async () => [...(await store.read("w")).data, ...(await store.read("slot")).data];
  const run = async (...numbers: number[]) => (await program.run({ x: { shape: [1, 2], data: f32(numbers) } })).loss;
  for (const bad of [NaN, Infinity, -Infinity]) {
    assert(!Number.isFinite((await run(bad, 1)).data[0]));
    assertEquals(await held(), [1, 2, 0, 0]);
  }
  assertEquals([...(await run(1, 1)).data], [3]);
  assertEquals(await held(), [0, 1, 1, 2]);
  await run(NaN, 1);
  assertEquals(await held(), [0, 1, 1, 2]);
});

// But max, of which ONNX does not say what it is.
Deno.test("onnx() keeps NaN, op by op", async () => {
  const x = input("x", "batch", 3);
  const kept: Readonly<Record<string, Value>> = {
    matmul: f.matmul(x, f.constant([1, 1, 1], [3, 1])),
    add: f.add(x, 1),
    mul: f.mul(x, 0),
    div: f.div(x, 2),
    neg: f.neg(x),
    exp: f.exp(x),
    log: f.log(x),
    sqrt: f.sqrt(x),
    relu: f.relu(x),
    sigmoid: f.sigmoid(x),
    tanh: f.tanh(x),
    softplus: f.softplus(x),
    sum: f.sum(x),
    softmax: f.softmax(x),
    greater: f.greater(x, 0),
    equal: f.equal(x, x),
    select: f.select(x, 1, 0),
  };
  for (const numbers of [[NaN, 1, 2], [1, NaN, -1], [-1, -2, NaN]]) {
    const given = { x: { shape: [1, 3], data: f32(numbers) } };
    const [found, want] = [await once(engine, graphOf(kept), given), await once(reference(), graphOf(kept), given)];
    for (const [op, { data }] of Object.entries(want)) {
      assertEquals([...found[op].data].map(Number.isNaN), [...data].map(Number.isNaN), `${op} of ${numbers}`);
    }
  }
});

Deno.test("programs of one onnx store see what the others, and the store's owner, have written", async () => {
  const kernel = f.matmul(f.reshape(parameter("w", 2), [1, 2]), f.constant([1, 0, 0, 1], [2, 2]));
  const store = engine.store({ w: vector(1, 2), slot: vector(0, 0) });
  const writes = engine.load(step(), store);
  const reads = engine.load(graphOf({ y: f.matmul(input("x", "batch", 1), kernel), w: parameter("w", 2) }), store);
  const one = { x: { shape: [1, 1], data: f32([1]) } };
  const read = async () => [...(await reads.run(one)).y.data];
  assertEquals(await read(), [1, 2]);
  await writes.run({ x: { shape: [1, 2], data: f32([1, 1]) } });
  assertEquals(await read(), [0, 1]);
  const given = vector(7, 8);
  store.write("w", given);
  given.data[0] = 0;
  assertEquals(await read(), [7, 8]);
  const taken = await reads.run(one);
  taken.w.data[0] = 9;
  (await store.read("w")).data[0] = 9;
  assertEquals(await read(), [7, 8]);
  store.remove("slot");
  store.write("slot", vector(5, 5));
  await writes.run({ x: { shape: [1, 2], data: f32([1, 1]) } });
  assertEquals([...(await store.read("slot")).data], [12, 13]);
});

Deno.test("Program.run() on onnx takes inputs and parameters as they are when it is called", async () => {
  const store = engine.store({ w: vector(1, 1) });
  const program = engine.load(graphOf({ y: f.add(input("x", 2), parameter("w", 2)) }), store);
  const x = vector(1, 2);
  const found = program.run({ x });
  x.data[0] = 9;
  store.write("w", vector(5, 5));
  assertEquals([...(await found).y.data], [2, 3]);
});

Deno.test("updates on onnx may exchange, share and copy parameters", async () => {
  const [w, slot] = [parameter("w", 2), parameter("slot", 2)];
  const sum = f.add(w, slot);
  const graph = graphOf({ sum, again: sum }, { w: slot, slot: w, other: sum, copy: sum });
  const store = engine.store({ w: vector(1, 2), slot: vector(3, 4), other: vector(0, 0), copy: vector(0, 0) });
  const program = engine.load(graph, store);
  for (let i = 0; i < 3; i++) assertEquals([...(await program.run({})).again.data], [4, 6]);
  const found = await Promise.all(
    ["w", "slot", "other", "copy"].map(async (name) => [...(await store.read(name)).data]),
  );
  assertEquals(found, [[3, 4], [1, 2], [4, 6], [4, 6]]);
});

Deno.test("parts of parameters are read where they lie, in any shape", async () => {
  const w = parameter("w", 24);
  const cube = f.reshape(f.slice(w, 4, 12), [3, 2, 2]);
  const graph = graphOf({
    rows: f.slice(cube, 1, 2, 0),
    inner: f.slice(cube, 1, 1, 1),
    product: f.matmul(f.reshape(f.slice(cube, 2, 1, 0), [2, 2]), f.reshape(f.slice(w, 20, 4), [2, 2])),
    all: w,
  }, { w: f.concat([f.slice(w, 12, 12), f.slice(w, 0, 12)], 0) });
  const held = { w: vector(...Array.from({ length: 24 }, (_, i) => i)) };
  const [mine, theirs] = [engine, reference()].map((engine) => engine.load(graph, engine.store(held)));
  for (let i = 0; i < 3; i++) {
    const [found, want] = [await mine.run({}), await theirs.run({})];
    for (const [name, { shape, data }] of Object.entries(want)) {
      assertEquals([found[name].shape, ...found[name].data], [shape, ...data], `${name} in run ${i}`);
    }
  }
});

Deno.test("onnx() takes real numbers in any array, and codes in one of their own", async () => {
  const graph = graphOf({ y: f.mul(input("x", 2), 2), c: input("c", 2) });
  const codes = apply("input", [], { name: "c", shape: ["batch"], type: "int" });
  for (const data of [f32([1, 2]), Float64Array.of(1, 2), Int32Array.of(1, 2)]) {
    assertEquals([...(await once(engine, graph, { x: { shape: [2], data }, c: vector(3, 4) })).y.data], [2, 4]);
  }
  const given = { codes: { shape: [2, 1], data: Int32Array.of(1, 2) } };
  const named = apply("input", [], { name: "codes", shape: ["batch", 1], type: "int" });
  const found = await once(
    engine,
    graphOf({ y: f.gatherSum(f.constant([5, 6, 7], [3, 1]), named, [3]), named }),
    given,
  );
  assertEquals([found.y.data, found.named.data], [f32([6, 7]), Int32Array.of(1, 2)]);
  await assertRejects(
    () => once(engine, graphOf({ codes }), { c: vector(1, 2) }),
    TypeError,
    'the input "c" holds codes: wanted an Int32Array, found a Float32Array',
  );
});

Deno.test("inputs too large to be copied are read where they are, or as real numbers", async () => {
  const [count, columns] = [64, 100];
  const graph = graphOf({ y: f.sum(input("x", "batch", columns), { axes: [1] }) });
  const whole = Float32Array.from({ length: count * columns + 7 }, (_, i) => i % 13);
  const part = whole.subarray(3, 3 + count * columns);
  const want = Array.from(
    { length: count },
    (_, row) => part.subarray(row * columns, (row + 1) * columns).reduce((a, b) => a + b),
  );
  for (const open of [(await library(1))!, await binding(1)]) {
    for (const data of [part, Float64Array.from(part), Int32Array.from(part)]) {
      const { y } = await once(engineOf(open), graph, { x: { shape: [count, columns], data } });
      assertEquals([...y.data], want);
    }
  }
});

Deno.test("arrays that were put in a store again and again are not all kept", async () => {
  const size = 250_000;
  const graph = graphOf({ y: f.sum(parameter("w", size), { axes: [0] }) });
  const held = (number: number) => ({ shape: [size], data: new Float32Array(size).fill(number) });
  const store = engine.store({ w: held(0) });
  const program = engine.load(graph, store);
  const resident: number[] = [];
  for (let round = 1; round <= 400; round++) {
    store.remove("w");
    store.write("w", held(round));
    assertEquals((await program.run({})).y.data[0], size * round);
    if (round % 100 === 0) resident.push(Deno.memoryUsage().rss / 2 ** 20);
  }
  program.dispose();
  assert(resident[3] < resident[0] + 100, `${resident.map(Math.round)} MiB`); // all together 400 MiB
});

Deno.test("rows that many threads add to one row are all counted", async () => {
  const batch = 20_000;
  const codes = apply("input", [], { name: "codes", shape: ["batch", 1], type: "int" });
  const graph = graphOf({ y: apply("scatterAdd", [codes, input("x", "batch", 3)], { sizes: [2] }) });
  const program = engine.load(graph, engine.store({}));
  const given = {
    codes: { shape: [batch, 1], data: new Int32Array(batch) },
    x: { shape: [batch, 3], data: new Float32Array(3 * batch).fill(1) },
  };
  for (let i = 0; i < 10; i++) assertEquals([...(await program.run(given)).y.data], [batch, batch, batch, 0, 0, 0]);
});

Deno.test("onnx() says what is wrong", async () => {
  for (const threads of [0, 1.5, -1, NaN]) {
    await assertRejects(() => onnx({ threads }), RangeError, "threads must be a whole number of at least 1");
  }
  const store = engine.store({ w: vector(1, 2) });
  const y = f.mul(input("x", "batch", 2), parameter("w", 2));
  const refused: [graph: Graph, store: Store, message: string][] = [
    [graphOf({ y }), reference().store({ w: vector(1, 2) }), "Cannot load graph: the store is of another engine"],
    [graphOf({ y: parameter("v", 2) }), store, 'Cannot load graph: the store lacks the parameter "v"'],
    [graphOf({ y: parameter("w", 3) }), store, 'Cannot load graph: the parameter "w" must be [3], found [2]'],
    [
      graphOf({ y }, { v: parameter("w", 2) }),
      store,
      'Cannot load graph: the store lacks "v", which the graph updates',
    ],
    [graphOf({ y: f.inTraining(y, y) }), store, "Cannot load graph: the op inTraining is left"],
  ];
  for (const [graph, store, message] of refused) assertThrows(() => engine.load(graph, store), TypeError, message);
  const short = { w: { shape: [3], data: new Float32Array(2) } };
  assertThrows(() => engine.store(short), RangeError, 'Cannot hold "w": [3] needs 3 numbers, found 2');
  assertThrows(() => store.write("w", vector(1)), RangeError, 'Cannot write "w": its shape is [2], found [1]');
  await assertRejects(() => store.read("v"), TypeError, 'Cannot read "v": the store holds no array of that name');

  const program = engine.load(graphOf({ y }), store);
  const given = { x: { shape: [1, 2], data: f32([1, 2]) } };
  await assertRejects(() => program.run({}), TypeError, 'Cannot run graph: the input "x" is missing');
  store.remove("w");
  await assertRejects(() => program.run(given), TypeError, 'Cannot run graph: the parameter "w" is missing');
  store.write("w", vector(1, 2, 3));
  await assertRejects(() => program.run(given), RangeError, 'the parameter "w" must be [2], found [3]');
  const trained = engine.store({ w: vector(1, 2), slot: vector(0, 0) });
  const updating = engine.load(step(), trained);
  await updating.run(given);
  trained.dispose();
  await assertRejects(() => updating.run(given), TypeError, 'Cannot run graph: the parameter "');
  program.dispose();
  program.dispose();
  await assertRejects(() => program.run(given), TypeError, "Cannot run graph: the program is disposed");
});

Deno.test("onnx() names the action that ONNX Runtime refuses", async () => {
  const ends = { inputs: ["x"], outputs: ["y"], plan: false };
  for (const open of [(await library(1))!, await binding(1)]) {
    assertThrows(() => open(new Uint8Array([1, 2, 3]), ends), Error, "Cannot load graph: ONNX Runtime says: ");
    const session = open(onnxModel(graphOf({ y: f.neg(input("x", 2)) })), ends);
    const [two, three] = [[1, 2], [1, 2, 3]].map((numbers) => ({ shape: [numbers.length], data: f32(numbers) }));
    const refused = () => session.run([three], [three]);
    assertThrows(refused, Error, "Cannot run graph: ONNX Runtime says: Got invalid dimensions for input: x");
    const y = { shape: [2], data: f32([0, 0]) };
    session.run([two], [y]);
    assertEquals([...y.data], [-1, -2]); // what went wrong before changes nothing
    session.dispose();
  }
});

Deno.test("ONNX Runtime's library and the package's binding compute the same", async () => {
  const [mine, theirs] = [(await library(2))!, await binding(2)].map(engineOf);
  for (const name of ["shared-bottom", "mmoe", "ple"]) {
    const [found, want] = [
      await trained(architectures[name], mine, true),
      await trained(architectures[name], theirs, true),
    ];
    assertEquals(found, want, name);
  }
});

Deno.test("a session reads what it keeps as it is at every run, and numbers that it has forgotten as new ones", async () => {
  for (const open of [(await library(1))!, await binding(1)]) {
    const graph = graphOf({ y: f.add(input("x", "batch"), parameter("w", 1)) });
    const session = open(onnxModel(graph), { inputs: ["x", "w"], outputs: ["y"], plan: true });
    const [x, w, y] = [[1, 2], [5], [0, 0]].map((numbers) => ({ shape: [numbers.length], data: f32(numbers) }));
    [w, y].forEach(session.keep);
    session.keep(w);
    session.run([x, w], [y]);
    assertEquals([...y.data], [6, 7]);
    w.data[0] = 10;
    session.run([x, w], [y]);
    assertEquals([...y.data], [11, 12]);
    session.forget(y);
    session.forget(y);
    const longer = [{ shape: [3], data: f32([1, 2, 3]) }, { shape: [3], data: f32([0, 0, 0]) }];
    session.run([longer[0], w], [longer[1]]);
    session.run([x, w], [y]);
    assertEquals([...longer[1].data, ...y.data], [11, 12, 13, 11, 12]);
    session.dispose();
  }
});

Deno.test("onnx() says what helps where ONNX Runtime does not start", () => {
  const explanations: readonly (readonly [Partial<Error> & { code?: string }, string])[] = [
    [{ code: "ERR_MODULE_NOT_FOUND" }, "the package onnxruntime-node is missing: add it with `deno add npm:"],
    [{ name: "NotCapable" }, "the library of ONNX Runtime may not be loaded: run with --allow-ffi"],
    [
      { code: "MODULE_NOT_FOUND", message: "Cannot find module '../bin/sunos'\nRequire stack" },
      "the library of ONNX Runtime does not load on this machine, wasm() needs none: Cannot find module '../bin/sunos'",
    ],
  ];
  for (const [error, message] of explanations) {
    const found = explained({ name: "Error", message: "", ...error });
    assertEquals(found.slice(0, message.length), message);
  }
  const [named] = /npm:onnxruntime-node@[\d.]+/.exec(Deno.readTextFileSync("lib/engines/onnx/library.ts"))!;
  assert(explained({ name: "Error", message: "", code: "ERR_MODULE_NOT_FOUND" }).includes(named));
});

Deno.test("onnxModel() stores parameters, and an ONNX runtime computes from the file what the model predicts", async () => {
  const open = await start(1);
  for (const [name, spec] of Object.entries<Spec>({ ...architectures, everyHead })) {
    const model = await compile(spec, { engine: reference(), seed: 3 });
    const file = onnxModel(forward(plan(spec), true), await model.parameters());
    for (const count of [1, 7]) {
      const data = sample(count);
      const { predictions, gates } = await model.inspect(data);
      const wanted = [
        ...Object.entries<Float32Array>(predictions),
        ...Object.entries(gates).map(([gate, data]) => [`gates/${gate}`, data] as const),
      ];
      const outputs = Object.fromEntries(wanted.map(([output, { length }]) => [output, shaped(length, count)]));
      const found = served(open, file, { input: { shape: [count, 5], data: own(data.inputs.input) } }, outputs);
      for (const [output, numbers] of wanted) assertClose(found[output], numbers, `${name}: ${output}`, 1e-6);
    }
    model.dispose();
  }
});

Deno.test("onnxModel() writes names, shapes and versions as ONNX has them", () => {
  const [x, w] = [input("x", "batch", 2), parameter("w", 2)];
  const codes = apply("input", [], { name: "codes", shape: ["batch", 1], type: "int" });
  const graph = graphOf({ x: f.add(x, w), w, sum: f.sum(x, { axes: [0, 1] }) }, { w: f.mul(w, w) });
  assertEquals(summary(onnxModel(graph)), {
    version: [7, 13],
    inputs: ["x: float [batch, 2]", "w: float [2]"],
    outputs: ["x_1: float [batch, 2]", "w_1: float [2]", "sum: float []", "w/next: float [2]"],
    stored: ["constant: int64 [2]"],
    nodes: ["x_1 = Add(x, w)", "sum = ReduceSum(x, constant)", "w/next = Mul(w, w)", "w_1 = Identity(w)"],
  });
  const inference = graphOf({ y: f.gatherSum(f.mul(parameter("table", 3, 2), 2), codes, [3]) });
  const { inputs, stored, version } = summary(
    onnxModel(inference, { table: { shape: [3, 2], data: f32([1, 2, 3, 4, 5, 6]) } }),
  );
  assertEquals(inputs, ["codes: int32 [batch, 1]"]);
  assertEquals(stored[0], "table: float [3, 2]");
  assertEquals(version, [7, 13]);
  const trained = graphOf({ y: apply("scatterAdd", [codes, x], { sizes: [2] }) });
  assertEquals(summary(onnxModel(trained)).version, [8, 16]);
});

Deno.test("onnxModel() says what is wrong", () => {
  const w = parameter("w", 2);
  const refused: [graph: Graph, parameters: Record<string, Tensor>, message: string][] = [
    [graphOf({ w }), {}, 'the parameter "w" is missing'],
    [graphOf({ w }), { w: vector(1) }, 'the parameter "w" must be [2], found [1] with 1 numbers'],
    [graphOf({ w }, { w }), { w: vector(1, 2) }, 'the graph updates "w", which cannot be stored in the model'],
    [graphOf({ w: f.inTraining(w, w) }), { w: vector(1, 2) }, "the op inTraining is left"],
    [graphOf({ y: f.broadcast(w, ["batch", 2]) }), { w: vector(1, 2) }, "no input has the number of rows"],
  ];
  for (const [graph, parameters, message] of refused) {
    assertThrows(() => onnxModel(graph, parameters), TypeError, `Cannot write ONNX model: ${message}`);
  }
});

Deno.test("saveOnnx() writes one file that an ONNX runtime serves, its tasks and gates as asked for", () =>
  withTemp(async (dir) => {
    const columns = { age: Float32Array.of(20, 40, 30), job: ["smith", "clerk", "smith"] };
    const features = fit({ age: numeric(), job: category() }, columns);
    const tasks = { click: binary(dense(3)), numeric: categorical(3), age: regression() };
    const spec = define(mmoe({ input: features, experts: 2, expert: pipe(dense(4), relu), tasks }));
    const model = await compile(spec, { engine: reference(), seed: 3 });
    const data = rows(encode(features, { age: Float32Array.of(25, 50), job: ["clerk", "unseen"] }));
    const want = await model.predict(data);
    const path = `${dir}/served.onnx`;
    await Deno.writeTextFile(path, "an older file");
    await saveOnnx(model, path, { gates: true });
    const { numeric: numbers, category: codes } = data.inputs;
    const found = served(await start(1), await Deno.readFile(path), {
      numeric: { shape: [2, 1], data: own(numbers) },
      category: { shape: [2, 1], data: codes as Int32Array<ArrayBuffer> },
    }, { click: [2], numeric_1: [2, 3], age: [2], "gates/0/click": [2, 2] });
    assertClose(found.click, want.click, "click", 1e-6);
    assertClose(found.numeric_1, want.numeric, "numeric", 1e-6);
    assertClose(found.age, want.age, "age", 1e-6);
    assertClose(found["gates/0/click"], (await model.inspect(data)).gates["0/click"], "gates/0/click", 1e-6);

    await saveOnnx(model, path, { tasks: ["age"] });
    const { outputs, stored } = summary(await Deno.readFile(path));
    assertEquals(outputs, ["age: float [batch]"]);
    assertEquals(stored.filter((name) => name.includes("click")), []);
    assertEquals((await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name), ["served.onnx"]);
    await assertRejects(
      () => saveOnnx(model, path, { tasks: ["clik" as "click"] }),
      TypeError,
      'Cannot save ONNX model: the model has no task "clik": did you mean "click"?',
    );
    await assertRejects(() => saveOnnx(model, dir), Deno.errors.AlreadyExists, "Cannot save ONNX model");
    model.dispose();
  }));

Deno.test("saveOnnx() writes embeddings and parts of the input that an ONNX runtime looks up, as predict() does", () =>
  withTemp(async (dir) => {
    const users = Array.from({ length: 90 }, (_, at) => `user ${at}`);
    const columns = {
      user: users,
      day: users.map((_, at) => at % 3 === 0 ? "mon" : "tue"),
      age: users.map((_, at) => at),
    };
    const input = fit({ user: category(), day: category(), age: numeric() }, columns);
    const tasks = { click: binary(embed(4)), like: binary(dense(3)), age: regression(dense(2), { reads: "part" }) };
    const spec = define({ input, streams: { part: ["user", "age"] }, tasks });
    const model = await compile(spec, { engine: reference(), seed: 3 });
    const given = { user: [null, "user 7", "nobody", "user 89"], day: ["mon", null, "sun", "tue"], age: [1, 2, 3, 4] };
    const data = encode(input, given);
    const want = await model.predict(data);
    await saveOnnx(model, `${dir}/served.onnx`);
    const found = served(await start(1), await Deno.readFile(`${dir}/served.onnx`), {
      numeric: { shape: [4, 1], data: own(data.inputs.numeric) },
      category: { shape: [4, 2], data: data.inputs.category as Int32Array<ArrayBuffer> },
    }, { click: [4], like: [4], age: [4] });
    for (const task of ["click", "like", "age"] as const) assertClose(found[task], want[task], task, 1e-6);
    model.dispose();
  }));

/** Returns the outputs of a model in a file, computed into memory of the shapes that its outputs are said to have. */
function served(
  open: Open,
  file: Uint8Array<ArrayBuffer>,
  inputs: Readonly<Record<string, Region>>,
  outputs: Readonly<Record<string, readonly number[]>>,
): Record<string, Float32Array> {
  const session = open(file, { inputs: Object.keys(inputs), outputs: Object.keys(outputs), plan: true });
  const found = Object.values(outputs).map((shape) => ({
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b)),
  }));
  session.run(Object.values(inputs), found);
  session.dispose();
  return Object.fromEntries(Object.keys(outputs).map((name, i) => [name, found[i].data]));
}

/** The shape of an output that has some numbers for each row, or one. */
function shaped(length: number, count: number): readonly number[] {
  return length === count ? [count] : [count, length / count];
}

function own(numbers: ArrayLike<number>): Float32Array<ArrayBuffer> {
  return Float32Array.from(numbers);
}

/** Returns the records and the parameters of twelve steps of training. */
async function trained(spec: Spec, engine: Engine, fuse: boolean) {
  const data = spec === everyHead ? sampleFor(spec, 50) : sample(50);
  const model = await compile(spec, { engine, seed: 5, fuse });
  await model.predict(data);
  const losses: number[] = [];
  const options = { batch: 16, optimiser: adam(0.01, { clipNorm: 1, weightDecay: 0.1 }) };
  for await (const { total } of train(model, data, { ...options, steps: 8 })) losses.push(total);
  for await (const { total } of train(model, data, { ...options, steps: 4, optimiser: momentum(0.01) })) {
    losses.push(total);
  }
  const parameters = await model.parameters();
  const flat = (found: Record<string, Float32Array>) => Object.values(found).flatMap((numbers) => [...numbers]);
  const predicted = flat(await model.predict(data));
  const evaluated = flat((await model.inspect(data)).predictions);
  await evaluate(model, data);
  model.dispose();
  return { losses, parameters, predictions: predicted, evaluated };
}

/** A training step on the loss sum(x w): the parameter less its slot's change. */
function step(): Graph {
  const [w, slot] = [parameter("w", 2), parameter("slot", 2)];
  const loss = f.sum(f.mul(input("x", "batch", 2), w), { axes: [0, 1] });
  const half = f.mul(f.constant([2, 2]), 0.5);
  return graphOf({ loss }, { w: f.sub(w, half), slot: f.add(slot, f.mul(w, half)) });
}

/** Returns the content of an ONNX file, in words. */
function summary(file: Uint8Array) {
  const all = (bytes: Uint8Array, field: number) => fieldsOf(bytes).filter((found) => found.field === field);
  const one = (bytes: Uint8Array, ...path: number[]): Uint8Array =>
    path.reduce((bytes, field) => all(bytes, field)[0]?.bytes ?? new Uint8Array(), bytes);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const dtype = (number: number) => ({ 1: "float", 6: "int32", 7: "int64" })[number];
  const value = (bytes: Uint8Array) => {
    const tensor = one(bytes, 2, 1);
    const dims = all(one(tensor, 2), 1).map(({ bytes }) => text(one(bytes, 2)) || all(bytes, 1)[0].number);
    return `${text(one(bytes, 1))}: ${dtype(all(tensor, 1)[0].number)} [${dims.join(", ")}]`;
  };
  const stored = (bytes: Uint8Array) => {
    const dims = all(bytes, 1).map(({ number }) => number);
    return `${text(one(bytes, 8))}: ${dtype(all(bytes, 2)[0].number)} [${dims.join(", ")}]`;
  };
  const node = (bytes: Uint8Array) => {
    const inputs = all(bytes, 1).map(({ bytes }) => text(bytes));
    return `${text(one(bytes, 2))} = ${text(one(bytes, 4))}(${inputs.join(", ")})`;
  };
  const graph = one(file, 7);
  return {
    version: [all(file, 1)[0].number, all(one(file, 8), 2)[0].number],
    inputs: all(graph, 11).map(({ bytes }) => value(bytes)),
    outputs: all(graph, 12).map(({ bytes }) => value(bytes)),
    stored: all(graph, 5).map(({ bytes }) => stored(bytes)),
    nodes: all(graph, 1).map(({ bytes }) => node(bytes)),
  };
}

function assertClose(found: ArrayLike<number>, want: ArrayLike<number>, name: string, tolerance = 2e-6): void {
  assertEquals(found.length, want.length, name);
  const numbers = Array.from(want);
  const scale = Math.max(1, ...numbers.map(Math.abs));
  numbers.forEach((number, i) =>
    assert(
      Math.abs(found[i] - number) <= tolerance * scale || Object.is(found[i], number),
      `${name}[${i}] is ${found[i]}, not ${number}`,
    )
  );
}

function input(name: string, ...shape: ("batch" | number)[]): Value {
  return apply("input", [], { name, shape, type: "float" });
}

function parameter(name: string, ...shape: number[]): Value {
  return apply("parameter", [], { name, shape, init: { kind: "constant", value: 0 } });
}

function vector(...numbers: number[]): Tensor {
  return { shape: [numbers.length], data: f32(numbers) };
}

function f32(numbers: readonly number[]): Float32Array<ArrayBuffer> {
  return Float32Array.from(numbers);
}
