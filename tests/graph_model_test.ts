import * as tf from "@tensorflow/tfjs";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import * as f from "../lib/ops/functions.ts";
import { apply } from "../lib/ops/table.ts";
import { withBatch } from "../lib/ops/shape.ts";
import type { Op, Value } from "../lib/ops/value.ts";
import { type Graph, graphOf } from "../lib/graph/graph.ts";
import type { Tensor } from "../lib/ops/tensor.ts";
import { graphModel, writeGraphModel } from "../lib/formats/graph_model.ts";
import { translations } from "../lib/formats/graph_model_ops.ts";
import { reference } from "../lib/engines/reference/reference.ts";
import { cpu, wasm } from "../lib/engines/tfjs/tfjs.ts";
import { fillUniform, random } from "../lib/data/random.ts";
import { category } from "../lib/features/category.ts";
import { encode } from "../lib/features/encode.ts";
import { fit } from "../lib/features/fit.ts";
import { numeric } from "../lib/features/numeric.ts";
import type { Tabular } from "../lib/features/tabular.ts";
import type { Rows } from "../lib/data/rows.ts";
import { compile } from "../lib/model/compile.ts";
import type { Model } from "../lib/model/model.ts";
import { saveGraphModel } from "../lib/model/save.ts";
import type { ExportOptions } from "../lib/model/exported.ts";
import { bank, binary, define, dense, embed, level, mix, mmoe, pipe, softmax, type Spec } from "../mod.ts";
import { trace } from "../lib/trace/trace.ts";
import { optimise } from "../lib/graph/optimise.ts";
import { cases } from "./cases.ts";
import { architectures, base, everyHead, sample, tasks } from "./models.ts";
import { withTemp } from "./temp.ts";

await cpu(); // registers both backends, and starts them without a word
await wasm();

for (const backend of ["cpu", "wasm"]) {
  Deno.test(`graphModel() computes every case as reference() does, for batches of 1 and 7 too, on ${backend}`, async () => {
    await tf.setBackend(backend);
    const before = tf.memory().numTensors;
    const seen = new Set<Op>();
    for (const { name, build, inputs, store = {} } of cases) {
      const graph = graphOf({ y: build() });
      graph.nodes.forEach(({ op }) => seen.add(op));
      const model = await loaded(files(graph, store));
      for (const given of [inputs(), drawn(graph, 1, name), drawn(graph, 7, name)]) {
        const [found, want] = [predicted(model, given), await computed(graph, given, store)];
        assertEquals(found.y.shape, want.y.shape, name);
        assertClose(found.y.data, want.y.data, name);
      }
      model.dispose();
    }
    assertEquals(tf.memory().numTensors, before);
    assertEquals(Object.keys(translations).filter((op) => !seen.has(op as Op)), []);
  });
}

Deno.test("graphModel() of every architecture predicts as the model does, one output a task", async () => {
  await tf.setBackend("cpu");
  for (const [name, spec] of Object.entries(architectures)) {
    const model = await compile(spec, { engine: await cpu(), seed: 3 });
    const graph = optimise(graphOf(trace(spec, false).predictions));
    const served = await loaded(files(graph, await model.parameters()));
    assertEquals(served.outputNodes, ["income", "marital"]);
    for (const count of [1, 7]) {
      const data = sample(count);
      const want = await model.predict(data);
      const found = predicted(served, { input: { shape: [count, 5], data: data.inputs.input } });
      for (const task of ["income", "marital"] as const) {
        assertEquals(found[task].shape, [count]);
        assertClose(found[task].data, want[task], `${name}: ${task}`);
      }
    }
    served.dispose();
    model.dispose();
  }
});

Deno.test("graphModel() stretches and counts batches of which no constant knows", async () => {
  await tf.setBackend("cpu");
  const x = input("x", "batch", 2);
  const graph = graphOf({
    rows: f.broadcast(f.constant([1, 2, 3]), ["batch", 3]),
    square: f.reshape(f.broadcast(f.constant(2), [3, "batch", "batch"]), ["batch", "batch", 3]),
    sums: f.sum(f.broadcast(x, [2, "batch", 2]), { axes: [0] }),
  });
  const model = await loaded(files(graph, {}));
  for (const batch of [1, 4]) {
    const given = drawn(graph, batch, "x");
    const [found, want] = [predicted(model, given), await computed(graph, given, {})];
    for (const name of Object.keys(graph.outputs)) {
      assertEquals(found[name].shape, want[name].shape);
      assertClose(found[name].data, want[name].data, name);
    }
  }
});

Deno.test("graphModel() keeps the names of inputs and outputs, whatever they are", async () => {
  await tf.setBackend("cpu");
  const names = ["income", "x", "a:b", "MatMul", "Mul", "Const", "^a", "näme", "levels/0/w", "2", " "];
  const values = names.map((name) => f.mul(input(name, "batch"), parameter("levels/0/w")));
  const graph = graphOf(Object.fromEntries(values.map((value, i) => [names[names.length - 1 - i], value])));
  const model = await loaded(files(graph, { "levels/0/w": { shape: [], data: new Float32Array([3]) } }));
  const given = Object.fromEntries(names.map((name, i) => [name, { shape: [1], data: new Float32Array([i]) }]));
  const found = predicted(model, given);
  assertEquals(Object.keys(found).sort(), [...names].sort());
  names.forEach((name, i) => assertEquals([...found[name].data], [3 * (names.length - 1 - i)], name));
  assertEquals(new Set(model.inputNodes), new Set(names));
});

Deno.test("graphModel() gives one name to what has one, and stores a constant once", () => {
  const [x, w] = [input("x", "batch", 2), parameter("levels/0/w", 2)];
  const graph = graphOf({ income: f.mul(f.add(f.add(x, w), 1), 1), x });
  const { model, weights } = graphModel(graph, { "levels/0/w": vector(1, 2), other: vector(1, 2, 3) });
  const { node } = model.modelTopology as { node: { name: string; op: string; input: string[] }[] };
  assertEquals(node.map(({ name, op, input }) => `${name} = ${op}(${input})`), [
    "x = Placeholder()",
    "levels/0/w = Const()",
    "AddV2 = AddV2(x,levels/0/w)",
    "Const = Const()",
    "AddV2_1 = AddV2(AddV2,Const)",
    "Mul = Mul(AddV2_1,Const)",
    "income = Identity(Mul)",
    "x_1 = Identity(x)",
  ]);
  assertEquals(model.weightsManifest as unknown, [{
    paths: ["group1-shard1of1.bin"],
    weights: [
      { name: "levels/0/w", shape: [2], dtype: "float32" },
      { name: "Const", shape: [], dtype: "float32" },
    ],
  }]);
  assertEquals([...new Float32Array(weights.buffer)], [1, 2, 1]);
});

Deno.test("writeGraphModel() writes a folder that tf.loadGraphModel reads, in shards, and replaces no other folder", () =>
  withTemp(async (dir) => {
    await tf.setBackend("cpu");
    const size = 2_500_000;
    const data = Float32Array.from({ length: size }, (_, i) => i % 1000);
    const graph = graphOf({ last: f.slice(parameter("w", size), size - 3, 3) });
    const path = `${dir}/served`;
    await writeGraphModel(path, graphOf({ y: f.constant([1]) }), {});
    await writeGraphModel(path, graph, { w: { shape: [size], data } });
    const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).sort();
    assertEquals(names, ["group1-shard1of3.bin", "group1-shard2of3.bin", "group1-shard3of3.bin", "model.json"]);
    const read: Record<string, Uint8Array<ArrayBuffer>> = {};
    for (const name of names) read[name] = await Deno.readFile(`${path}/${name}`);
    for (const name of names.slice(0, 3)) assert(read[name].length <= 4 * 2 ** 20);
    assertEquals([...predicted(await loaded(read), {}).last.data], [997, 998, 999]);

    await Deno.writeTextFile(`${path}/notes.txt`, "mine");
    await assertRejects(
      () => writeGraphModel(path, graph, { w: { shape: [size], data } }),
      Deno.errors.AlreadyExists,
      "Cannot save GraphModel",
    );
    assertEquals(await Deno.readTextFile(`${path}/notes.txt`), "mine");
  }));

Deno.test("writeGraphModel() tidies up after a save that was cut off, when model.json names the weights of that time", () =>
  withTemp(async (dir) => {
    const path = `${dir}/served`;
    const weight = parameter("w", 2);
    await writeGraphModel(path, graphOf({ weight }), { w: vector(1, 2) });
    const text = await Deno.readTextFile(`${path}/model.json`);
    const [plain, between] = ["group1-shard1of1.bin", "group1-shard1of1-0a1b2c3d.bin"];
    await Deno.rename(`${path}/${plain}`, `${path}/${between}`);
    await Deno.writeTextFile(`${path}/model.json`, text.replace(plain, between));
    await writeGraphModel(path, graphOf({ weight }), { w: vector(3, 4) });
    assertEquals([...Deno.readDirSync(path)].map(({ name }) => name).sort(), [plain, "model.json"]);
    assertEquals(await Deno.readTextFile(`${path}/model.json`), text);
    assertEquals(await Deno.readFile(`${path}/${plain}`), new Uint8Array(Float32Array.of(3, 4).buffer));
  }));

Deno.test("graphModel() says what is wrong", () => {
  const w = parameter("w", 2);
  const refused: [graph: Graph, parameters: Record<string, Tensor>, message: string][] = [
    [graphOf({ w }), {}, 'the parameter "w" is missing'],
    [graphOf({ w }), { w: vector(1) }, 'the parameter "w" must be [2], found [1] with 1 numbers'],
    [
      graphOf({ w }),
      { w: { shape: [2], data: new Float32Array(3) } },
      'the parameter "w" must be [2], found [2] with 3 numbers',
    ],
    [graphOf({ w }, { w }), { w: vector(1, 2) }, 'the graph updates "w": a GraphModel computes outputs only'],
    [graphOf({ w: f.inTraining(w, w) }), { w: vector(1, 2) }, "the op inTraining is left: trace for evaluation first"],
    [graphOf({ y: f.broadcast(w, ["batch", 2]) }), { w: vector(1, 2) }, "no input has the number of rows"],
  ];
  for (const [graph, parameters, message] of refused) {
    assertThrows(() => graphModel(graph, parameters), TypeError, `Cannot write GraphModel: ${message}`);
  }
});

const tasksServed: readonly ExportOptions<"income" | "marital">[] = [
  {},
  { gates: false },
  { gates: true },
  { tasks: ["income"] },
  { tasks: ["marital"] },
  { tasks: ["marital", "income"] },
];

Deno.test("saveGraphModel() serves the tasks and gates that it is asked for, as predict() and inspect() give them", () =>
  withTemp(async (dir) => {
    await tf.setBackend("cpu");
    const path = `${dir}/served`;
    for (const [name, spec] of Object.entries(architectures)) {
      const model = await compile(spec, { engine: reference(), seed: 3 });
      for (const options of tasksServed) {
        await saveGraphModel(model, path, options);
        const text = `${name}, ${JSON.stringify(options)}`;
        for (const count of [1, 7]) await assertServed(path, model, sample(count), options, text);
      }
      model.dispose();
    }
    const heads = await compile(everyHead, { engine: reference(), seed: 3 });
    for (const options of [{}, { tasks: ["visits", "kind", "rare"] as const }]) {
      await saveGraphModel(heads, path, options);
      await assertServed(path, heads, sample(7), options, "every head");
    }
    heads.dispose();
    const model = await compile(architectures["two levels"], { engine: reference(), seed: 3 });
    const { predictions, gates } = await model.inspect(sample(4));
    assertEquals(Object.keys(gates), ["0/shared", "0/income", "1/income", "1/marital"]);
    assertEquals(predictions, await model.predict(sample(4)));
    model.dispose();
  }));

Deno.test("saveGraphModel() leaves out what only other tasks need", () =>
  withTemp(async (dir) => {
    const model = await compile(architectures.mmoe, { engine: reference() });
    const paths = Object.keys(await model.parameters());
    await saveGraphModel(model, dir, { tasks: ["income"] });
    const { weightsManifest } = await description(dir);
    const names = weightsManifest.flatMap(({ weights }) => weights.map(({ name }) => name));
    const others = /^tasks\/marital|\/gates\/marital/;
    assertEquals(paths.filter((path) => names.includes(path)), paths.filter((path) => !others.test(path)));
    assert(names.every((name) => !others.test(name)), names.join());
    model.dispose();
  }));

Deno.test("saveGraphModel() serves models with features, which its metadata tells", () =>
  withTemp(async (dir) => {
    await tf.setBackend("cpu");
    const path = `${dir}/served`;
    const fitted: Tabular = {
      age: [20, 31.5, 47, 80],
      gain: [0, 12, 1e5, 0],
      debt: [1e-9, 3, 0.5, 200],
      rest: [1, null, 3, 8],
      job: ["smith", "clerk", "smith", "baker"],
      code: [3, 1, 1, 7],
    };
    const given: Tabular = {
      age: [33, -4, 0, 1e4, 47],
      gain: [-0.5, 0, 1e-6, 7e5, 12],
      debt: [0, 1e-12, 2, 1e9, 3],
      rest: [null, 2, NaN, 5, -8],
      job: ["clerk", "pilot", "", "baker", "smith"],
      code: [7, 2, 1, 0, 3],
    };
    const numbers = {
      age: numeric(),
      gain: numeric({ transform: "log1p" }),
      debt: numeric({ transform: "log1p", standardise: false }),
      rest: numeric({ missing: "mean", indicator: true }),
    };
    const words = { job: category(), code: category({ minCount: 2 }) };
    const kinds = [numbers, words, { job: words.job, ...numbers, code: words.code }];
    for (const [kind, unfitted] of kinds.entries()) {
      const features = fit(unfitted, fitted);
      const model = await compile(define(mmoe({ ...base, input: features, experts: 3 })), {
        engine: reference(),
        seed: 4,
      });
      await saveGraphModel(model, path, { gates: true });
      const { input } = (await description(path)).userDefinedMetadata.gatehouse;
      assertEquals(input, model.spec.input);
      assertEquals(Object.keys(input.features), Object.keys(unfitted));
      const options = { gates: true };
      await assertServed(path, model, encode(input.features, given), options, `features ${kind}`);
      const one = Object.fromEntries(Object.entries(given).map(([name, list]) => [name, Array.from(list).slice(1, 2)]));
      await assertServed(path, model, encode(features, one as Tabular), options, `features ${kind}, a row`);
      model.dispose();
    }
    const input = fit({ ...numbers, ...words }, fitted);
    for (const net of [embed(3), embed(40, { features: ["code", "age"] })]) {
      const spec = define(mmoe({ ...base, input, experts: 3, expert: pipe(net, dense(4)) }));
      const model = await compile(spec, { engine: reference(), seed: 4 });
      await saveGraphModel(model, path, { gates: true });
      const absent = { ...given, job: ["clerk", null, null, "pilot", "smith"], code: [7, null, 2, 2, null] } as Tabular;
      await assertServed(path, model, encode(input, absent), { gates: true }, "embed");
      model.dispose();
    }
    const model = await compile(architectures.linear, { engine: reference() });
    await saveGraphModel(model, path);
    assertEquals((await description(path)).userDefinedMetadata.gatehouse, { input: { width: 5 } });
    model.dispose();
  }));

Deno.test("saveGraphModel() refuses unknown options and tasks, and names that TensorFlow.js cannot return", () =>
  withTemp(async (dir) => {
    const odd = define(mmoe({ ...base, experts: 2, tasks: { ...tasks, constructor: binary() } }));
    const linear = define({
      input: 5,
      levels: [level({ all: bank(2, dense(3)) }, { a: mix("all", softmax) })],
      tasks: { a: binary() },
    });
    const refused: [spec: Spec, options: unknown, message: string][] = [
      [odd, {}, 'TensorFlow.js cannot return an output named "constructor"'],
      [odd, { tasks: ["income", "constructor"] }, 'TensorFlow.js cannot return an output named "constructor"'],
      [odd, { tasks: ["toString"] }, 'the model has no task "toString"'],
      [odd, { tasks: ["incme"] }, 'the model has no task "incme": did you mean "income"?'],
      [odd, { tasks: ["income", "0/income"] }, 'the model has no task "0/income"'],
      [linear, { tasks: [] }, "no task is named"],
      [linear, { gate: true }, 'option "gate" is unknown: did you mean "gates"?'],
    ];
    for (const [spec, options, message] of refused) {
      const model = await compile(spec, { engine: reference() });
      const path = `${dir}/refused`;
      const run = () => saveGraphModel(model, path, options as ExportOptions);
      await assertRejects(run, TypeError, `Cannot save GraphModel: ${message}`);
      assertEquals([...Deno.readDirSync(dir)], []);
      model.dispose();
    }
    const model = await compile(odd, { engine: reference(), seed: 2 });
    await saveGraphModel(model, `${dir}/served`, { tasks: ["income"] });
    await assertServed(`${dir}/served`, model, sample(3), { tasks: ["income"] }, "constructor left out");
    model.dispose();
  }));

/** Asserts that a folder's GraphModel has just the outputs asked for, of the model's numbers. */
async function assertServed<Tasks extends string>(
  path: string,
  model: Model<Tasks>,
  rows: Rows,
  { tasks = Object.keys(model.spec.tasks) as Tasks[], gates = false }: ExportOptions<Tasks>,
  text: string,
): Promise<void> {
  const read: Record<string, Uint8Array<ArrayBuffer>> = {};
  for await (const { name } of Deno.readDir(path)) read[name] = await Deno.readFile(`${path}/${name}`);
  const served = await loaded(read);
  const given = Object.entries(rows.inputs).map(([name, data]): [string, Tensor] => {
    return [name, { shape: [rows.count, data.length / rows.count], data }];
  });
  const found = predicted(served, Object.fromEntries(given));
  served.dispose();
  const inspected = await model.inspect(rows);
  const weights = gates ? Object.keys(inspected.gates) : [];
  const names = [...tasks, ...weights.map((name) => `gates/${name}`)].sort();
  assertEquals(Object.keys(found).sort(), names, text);
  assertEquals([...served.outputNodes].sort(), names, text);
  const predictions = await model.predict(rows);
  for (const task of tasks) {
    const classes = predictions[task].length / rows.count;
    assertEquals(found[task].shape, classes === 1 ? [rows.count] : [rows.count, classes], text);
    assertClose(found[task].data, predictions[task], `${text}: ${task}`);
  }
  for (const name of weights) {
    const { shape, data } = found[`gates/${name}`];
    assertEquals(shape, [rows.count, inspected.gates[name].length / rows.count], text);
    assertClose(data, inspected.gates[name], `${text}: gate ${name}`);
  }
}

/** Returns the content of a folder's `model.json`. */
async function description(path: string) {
  const found = JSON.parse(await Deno.readTextFile(`${path}/model.json`));
  return found as {
    readonly weightsManifest: { readonly weights: { readonly name: string }[] }[];
    // deno-lint-ignore no-explicit-any
    readonly userDefinedMetadata: any;
  };
}

/** The files of a GraphModel, over JSON and back as on a disk. */
function files(graph: Graph, parameters: Readonly<Record<string, Tensor>>): Record<string, Uint8Array<ArrayBuffer>> {
  const { model, weights } = graphModel(graph, parameters);
  const [{ paths }] = model.weightsManifest as unknown as [{ paths: string[] }];
  const shards = paths.map((path, i) => [path, weights.slice(i * 2 ** 22, (i + 1) * 2 ** 22)]);
  return { "model.json": new TextEncoder().encode(JSON.stringify(model)), ...Object.fromEntries(shards) };
}

/** The model as tfjs loads it from a server's folder. */
async function loaded(files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>): Promise<tf.GraphModel> {
  return await tf.loadGraphModel({
    load: () => {
      const json = JSON.parse(new TextDecoder().decode(files["model.json"]));
      return tf.io.getModelArtifactsForJSON(json, (manifest) => {
        const specs = manifest.flatMap(({ weights }) => weights);
        const shards = manifest.flatMap(({ paths }) => paths).map((path) => files[path].slice().buffer);
        return Promise.resolve([specs, tf.io.concatenateArrayBuffers(shards)]);
      });
    },
  });
}

/** Returns the predictions of the model, by name; frees every tensor. */
function predicted(model: tf.GraphModel, inputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const fed = Object.fromEntries(
    Object.entries(inputs).map((
      [name, { data, shape }],
    ) => [name, tf.tensor(data as Float32Array, [...shape], data instanceof Int32Array ? "int32" : "float32")]),
  );
  const found = model.predict(fed) as tf.NamedTensorMap;
  const read = Object.entries(found).map((
    [name, tensor],
  ) => [name, { shape: tensor.shape, data: tensor.dataSync<"float32">() }]);
  tf.dispose([fed, found]);
  return Object.fromEntries(read);
}

async function computed(
  graph: Graph,
  inputs: Readonly<Record<string, Tensor>>,
  values: Readonly<Record<string, Tensor>>,
): Promise<Readonly<Record<string, Tensor>>> {
  const engine = reference();
  return await engine.load(graph, engine.store(values)).run(inputs);
}

/** Numbers for every input of a graph: between 0.5 and 2.5, so that every function is defined, codes from -2 to 5. */
function drawn(graph: Graph, batch: number, seed: string): Record<string, Tensor> {
  const leaves = graph.nodes.filter(({ op }) => op === "input" || op === "noise");
  return Object.fromEntries(leaves.map(({ attrs, shape, type }): [string, Tensor] => {
    const lengths = withBatch(shape, batch);
    const size = lengths.reduce((product, length) => product * length, 1);
    const numbers = fillUniform(new Float32Array(size), random(`${seed} ${attrs.name}`));
    const data = type === "int" ? Int32Array.from(numbers, (x) => 8 * x - 2) : numbers.map((x) => 0.5 + 2 * x);
    return [attrs.name as string, { shape: lengths, data }];
  }));
}

function assertClose(found: Tensor["data"], want: Tensor["data"], name: string): void {
  const scale = Math.max(1, ...want.map(Math.abs));
  want.forEach((number, i) =>
    assert(
      Math.abs(found[i] - number) <= 1e-6 * scale || Object.is(found[i], number),
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
  return { shape: [numbers.length], data: new Float32Array(numbers) };
}
