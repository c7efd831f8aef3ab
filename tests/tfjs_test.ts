import * as tf from "@tensorflow/tfjs";
import { assert, assertEquals, assertMatch, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { binary, compile, define } from "../mod.ts";
import * as f from "../lib/ops/functions.ts";
import { apply } from "../lib/ops/table.ts";
import type { Value } from "../lib/ops/value.ts";
import { type Graph, graphOf } from "../lib/graph/graph.ts";
import type { Engine } from "../lib/engines/engine.ts";
import type { Tensor } from "../lib/ops/tensor.ts";
import { reference } from "../lib/engines/reference/reference.ts";
import { start } from "../lib/engines/tfjs/backend.ts";
import { bestEngine, cpu, engineOf, tfjs, wasm } from "../lib/engines/tfjs/tfjs.ts";
import { cases } from "./cases.ts";
import { once, withGradients } from "./on_engines.ts";

// What starting the engines leaves behind is seen only where they start for the first time: here.
const printed: unknown[] = [];
const before = { flags: { ...tf.env().getFlags() }, backend: tf.getBackend() };
const restore = captured(printed);
const engines = { wasm: await wasm(), cpu: await cpu() };
const after = { flags: { ...tf.env().getFlags() }, backend: tf.getBackend() };
restore();

/** Engines that compute few rows as they do many. */
const many = {
  wasm: engineOf({ ...await start("wasm"), memory: undefined }),
  cpu: engineOf({ ...await start("cpu"), memory: undefined }),
};
const ways = [...Object.entries(engines), ...Object.entries(many)];
const everyWay = ways.map(([, engine]) => engine);

Deno.test("tfjs() leaves the current backend and the flags of tfjs alone, and prints nothing", async () => {
  assertEquals(printed, []);
  assertEquals(after.backend, before.backend);
  const one = async () => await once(engines.wasm, graphOf({ y: f.exp(input("x", 1)) }), { x: vector(0) });
  assertEquals([...(await one()).y.data], [1]);
  const backend = tf.findBackend("wasm");
  await tf.ready(); // a program that chooses none
  assertStrictEquals(tf.backend(), backend);
  assertEquals([...(await one()).y.data], [1]);
  assertEquals({ ...after.flags, ...before.flags }, after.flags);
  assert(!("PROD" in after.flags));
  await tf.setBackend("cpu");
  tf.env().set("PROD", false);
  await tfjs("wasm");
  await tfjs("cpu");
  assertEquals(tf.getBackend(), "cpu");
  assertEquals(tf.env().getBool("PROD"), false);
});

Deno.test("tfjs() shares its backends with a program that uses tfjs itself", async () => {
  const graph = graphOf({ y: f.matmul(input("x", 2, 2), input("x", 2, 2)) });
  const inputs = { x: { shape: [2, 2], data: new Float32Array([1, 2, 3, 4]) } };
  for (const [name, engine] of ways) {
    await tf.setBackend(name);
    const own = tf.tensor([[1, 2], [3, 4]]);
    const { y } = await once(engine, graph, inputs);
    assertEquals([...y.data], [...own.matMul(own).dataSync()]);
    own.dispose();
  }
});

Deno.test("tfjs() computes every case and its gradients as reference() does, by loops and by kernels alone", async (t) => {
  const all = { ...engines, "wasm, as many rows": many.wasm, "cpu, as many rows": many.cpu, bare: await bare() };
  for (const [name, engine] of Object.entries(all)) {
    await t.step(name, async () => {
      for (const { name, build, inputs, store } of cases) {
        const graph = withGradients(build());
        const want = await once(reference(), graph, inputs(), store);
        const found = await once(engine, graph, inputs(), store);
        for (const [output, { shape, data }] of Object.entries(want)) {
          assertEquals(found[output].shape, shape, `${name}: ${output}`);
          const scale = Math.max(1, ...data.map(Math.abs));
          data.forEach((number, i) => {
            const difference = Math.abs(found[output].data[i] - number);
            assert(
              difference <= 2e-6 * scale || Object.is(found[output].data[i], number),
              `${name}: ${output}[${i}] is ${found[output].data[i]}, not ${number}`,
            );
          });
        }
      }
    });
  }
});

Deno.test("tfjs() keeps nothing on the backend but stores and constants, however often a program runs", async () => {
  for (const [name, engine] of [...ways, ["bare", await bare()] as const]) {
    const backend = tf.findBackend(name);
    const start = backend.numDataIds();
    const store = engine.store({ w: vector(1, 2), slot: vector(0, 0), other: vector(5) });
    const programs = [engine.load(step(), store), engine.load(graphOf({ y: f.mul(parameter("w", 2), 3) }), store)];
    const run = async (i: number) => {
      await programs[0].run({ x: batchOf(1 + i % 20) });
      await programs[1].run({});
    };
    for (let i = 0; i < 40; i++) await run(i);
    const count = backend.numDataIds();
    for (let i = 0; i < 200; i++) await run(i);
    assertEquals(backend.numDataIds(), count, name);
    assert(count - start < 30, `${name} holds ${count - start} arrays`);
    programs.forEach((program) => program.dispose());
    programs.forEach((program) => program.dispose());
    assertEquals(backend.numDataIds(), start + 3, name);
    store.dispose();
    assertEquals(backend.numDataIds(), start, name);
  }
});

Deno.test("tfjs() frees what a run has made when a kernel fails", async () => {
  for (const [name, engine] of Object.entries(many)) {
    const backend = tf.findBackend(name);
    const x = input("x", "batch", 2);
    const graph = graphOf({ y: f.softmax(f.reshape(f.exp(f.neg(x)), ["batch", 2])) });
    const store = engine.store({});
    const program = engine.load(graph, store);
    await program.run({ x: batchOf(3) });
    const count = backend.numDataIds();
    const write = backend.write;
    let calls = 0;
    backend.write = (...given) => {
      if (++calls === 4) throw new Error("out of memory");
      return write.apply(backend, given);
    };
    try {
      await assertRejects(() => program.run({ x: batchOf(3) }), Error, "out of memory");
    } finally {
      backend.write = write;
    }
    assertEquals(backend.numDataIds(), count, name);
    await program.run({ x: batchOf(3) });
    assertEquals(backend.numDataIds(), count, name);
    program.dispose();
  }
});

Deno.test("Program.run() changes the store only if every output is finite", async () => {
  for (const engine of [...everyWay, await bare()]) {
    const store = engine.store({ w: vector(1, 2), slot: vector(0, 0), other: vector(5) });
    const program = engine.load(step(), store);
    const bad = { shape: [1, 2], data: new Float32Array([NaN, 1]) };
    assertEquals(await program.run({ x: bad }).then(({ loss }) => loss.data[0]), NaN, engine.name);
    assertEquals([...(await store.read("w")).data, ...(await store.read("slot")).data], [1, 2, 0, 0]);
    await program.run({ x: { shape: [1, 2], data: new Float32Array([1, 1]) } });
    assertEquals([...(await store.read("w")).data, ...(await store.read("slot")).data], [0, 1, 1, 2], engine.name);
  }
});

Deno.test("programs of one store see what the others, and the store's owner, have written", async () => {
  for (const engine of [...everyWay, await bare()]) {
    const kernel = f.matmul(f.reshape(parameter("w", 2), [1, 2]), f.constant([1, 0, 0, 1], [2, 2]));
    const reader = graphOf({ y: f.matmul(input("x", "batch", 1), kernel), w: parameter("w", 2) });
    const store = engine.store({ w: vector(1, 2), slot: vector(0, 0), other: vector(5) });
    const [writes, reads] = [engine.load(step(), store), engine.load(reader, store)];
    const read = async () => [...(await reads.run({ x: { shape: [1, 1], data: new Float32Array([1]) } })).y.data];
    assertEquals(await read(), [1, 2]);
    await writes.run({ x: { shape: [1, 2], data: new Float32Array([1, 1]) } });
    assertEquals(await read(), [0, 1], engine.name);
    const given = vector(7, 8);
    store.write("w", given);
    given.data[0] = 0;
    assertEquals(await read(), [7, 8], engine.name);
    const taken = await reads.run({ x: { shape: [1, 1], data: new Float32Array([1]) } });
    taken.w.data[0] = 9;
    (await store.read("w")).data[0] = 9;
    assertEquals(await read(), [7, 8], engine.name);
  }
});

Deno.test("Program.run() takes inputs as they are when it is called", async () => {
  for (const engine of [...everyWay, await bare()]) {
    const x = vector(1, 2);
    const found = engine.load(graphOf({ y: input("x", 2) }), engine.store({})).run({ x });
    x.data[0] = 9;
    assertEquals([...(await found).y.data], [1, 2], engine.name);
  }
});

Deno.test("updates may exchange, share and copy parameters", async () => {
  for (const engine of [...everyWay, await bare()]) {
    const [w, slot] = [parameter("w", 2), parameter("slot", 2)];
    const sum = f.add(w, slot);
    const graph = graphOf({ sum }, { w: slot, slot: w, other: sum, copy: sum });
    const store = engine.store({ w: vector(1, 2), slot: vector(3, 4), other: vector(0, 0), copy: vector(0, 0) });
    const program = engine.load(graph, store);
    await program.run({});
    await program.run({});
    await program.run({});
    const found = await Promise.all(
      ["w", "slot", "other", "copy"].map(async (name) => [...(await store.read(name)).data]),
    );
    assertEquals(found, [[3, 4], [1, 2], [4, 6], [4, 6]], engine.name);
  }
});

Deno.test("one program runs batches of any size", async () => {
  const x = input("x", "batch", 2);
  const y = f.concat([
    f.sum(f.mul(x, 2), { axes: [0], keep: true }),
    f.sum(f.transpose(f.transpose(x)), { axes: [0], keep: true }),
  ], 0);
  for (const engine of everyWay) {
    const backend = tf.findBackend(engine.name.slice("tfjs:".length));
    const program = engine.load(graphOf({ y }), engine.store({}));
    const counts: number[] = [];
    for (const rows of [1, 7, 1, 300, 2, 3, 4, 5, 6, 8, 9, 7, 10, 11, 12, 13]) {
      const { y } = await program.run({ x: { shape: [rows, 2], data: new Float32Array(2 * rows).fill(1) } });
      assertEquals([...y.data], [2 * rows, 2 * rows, rows, rows], `${engine.name}, ${rows} rows`);
      counts.push(backend.numDataIds());
    }
    assertEquals(counts[15], counts[11], engine.name); // the schedules of sizes long unused are gone
  }
});

Deno.test("greater() is 0 where a number is missing", async () => {
  const graph = graphOf({ y: f.greater(input("x", "batch"), 0) });
  const numbers = Array.from({ length: 19 }, (_, i) => [NaN, 1e-30, -1e-30, Infinity, -Infinity, 0, -0][i % 7]);
  for (const engine of [...everyWay, await bare()]) {
    const { y } = await once(engine, graph, { x: { shape: [19], data: new Float32Array(numbers) } });
    assertEquals([...y.data], numbers.map((number) => number > 0 ? 1 : 0), engine.name);
  }
});

Deno.test("one product per leading index is exact, also where it is cut into several", async () => {
  const [a, b] = [input("a", 3, "batch", 40), input("b", 3, 40, 32)];
  const data = (size: number) => Float32Array.from({ length: size }, (_, i) => (i * 7) % 11 - 5);
  const inputs = {
    a: { shape: [3, 16, 40], data: data(3 * 16 * 40) },
    b: { shape: [3, 40, 32], data: data(3 * 40 * 32) },
  };
  const want = await once(reference(), graphOf({ y: f.matmul(a, b) }), inputs);
  for (const [name, engine] of ways) {
    const count = tf.findBackend(name).numDataIds();
    const { y } = await once(engine, graphOf({ y: f.matmul(a, b) }), inputs);
    assertEquals([...y.data], [...want.y.data], name);
    assertEquals(tf.findBackend(name).numDataIds(), count, name);
  }
});

Deno.test("an array is summed and multiplied in several shapes by one program, on few rows of many columns too", async () => {
  const x = input("x", 5, 5, 2);
  const [row, wide, kernel] = [input("row", 1, 70), input("wide", 1, 140), f.exp(input("kernel", 70, 140))];
  const graph = graphOf({
    one: f.sum(x, { axes: [0] }),
    both: f.sum(x, { axes: [0, 1] }),
    again: f.sum(x, { axes: [0] }),
    product: f.matmul(row, kernel),
    turned: f.matmul(wide, f.reshape(kernel, [140, 70])),
  });
  const numbers = (...shape: number[]) => {
    const length = shape.reduce((size, length) => size * length, 1);
    return { shape, data: Float32Array.from({ length }, (_, at) => at % 7 / 8) };
  };
  const inputs = {
    x: numbers(5, 5, 2),
    row: numbers(1, 70),
    wide: numbers(1, 140),
    kernel: { ...numbers(70, 140), data: new Float32Array(70 * 140) },
  };
  const wanted = await once(reference(), graph, inputs);
  for (const [name, engine] of [...ways, ["bare", await bare()] as const]) {
    const found = await once(engine, graph, inputs);
    for (const output of Object.keys(wanted)) {
      assertEquals([...found[output].data], [...wanted[output].data], `${output} on ${name}`);
    }
  }
});

Deno.test("products and sums of matrices too large for the cache are exact, with an uneven last part", async () => {
  const [rows, wide] = [1500, 1601];
  const [a, b] = [input("a", "batch", rows), input("b", rows, wide)];
  const data = (size: number) => Float32Array.from({ length: size }, (_, i) => (i * 7) % 11 - 5);
  const inputs = { a: { shape: [2, rows], data: data(2 * rows) }, b: { shape: [rows, wide], data: data(rows * wide) } };
  const graph = graphOf({ product: f.matmul(a, b), sum: f.sum(b, { axes: [0] }) });
  const want = await once(reference(), graph, inputs);
  const count = tf.findBackend("wasm").numDataIds();
  const found = await once(engines.wasm, graph, inputs);
  for (const name of ["product", "sum"]) assertEquals([...found[name].data], [...want[name].data], name);
  assertEquals(tf.findBackend("wasm").numDataIds(), count);
});

Deno.test("bestEngine() is wasm where its file may be read, and asks for nothing", async () => {
  assertEquals((await bestEngine()).name, "tfjs:wasm");
  const restore = captured([]);
  try {
    for (const state of ["prompt", "denied"] as const) {
      await withReading(state, async () => assertEquals((await bestEngine()).name, "tfjs:cpu"));
    }
  } finally {
    restore();
  }
  await withReading("denied", async () => {
    await assertRejects(
      () => wasm(),
      Error,
      "Cannot start the tfjs engine: the .wasm file may not be read: run with --allow-read",
    );
  });
  const own = Object.getOwnPropertyDescriptor(globalThis, "Deno")!;
  Reflect.deleteProperty(globalThis, "Deno");
  try {
    assertEquals((await bestEngine()).name, "tfjs:wasm");
  } finally {
    Object.defineProperty(globalThis, "Deno", own);
  }
});

Deno.test("compile() reports once why it falls to cpu, and its engine notes it", async () => {
  const written: unknown[] = [];
  const notes: (string | undefined)[] = [];
  const { registry, registryFactory } = tf.engine();
  const [running, { factory }] = [registry.wasm, registryFactory.wasm];
  const restore = captured(written);
  try {
    const noted = async () => notes.push((await compile(define({ input: 1, tasks: { a: binary() } }))).engine.note);
    await noted(); // on wasm
    await withReading("prompt", async () => void await noted());
    await withReading("denied", async () => void await noted());
    delete registry.wasm;
    registryFactory.wasm.factory = () => Promise.reject(new Error("no memory"));
    await noted();
  } finally {
    restore();
    registry.wasm = running;
    registryFactory.wasm.factory = factory;
  }
  const [none, unread, denied, broken] = notes;
  assertEquals([none, denied, written], [undefined, unread, [[unread]]]);
  assertMatch(
    unread!,
    /^Running on cpu\(\), up to ten times slower than wasm\(\): the \.wasm file may not be read: run with --allow-read=\S+wasm/,
  );
  assertMatch(broken!, /: the backend "wasm" does not start: no memory$/);
});

Deno.test("tfjs() says what is wrong", async () => {
  const unknown = await assertRejects(() => tfjs("wsam"), TypeError);
  assertEquals(
    unknown.message,
    'Cannot start the tfjs engine: no backend is named "wsam": did you mean "wasm"?',
  );
  const { wasm } = engines;
  const store = wasm.store({ w: vector(1, 2) });
  const y = f.mul(input("x", "batch", 2), parameter("w", 2));
  const refused: [graph: Graph, store: typeof store, message: string][] = [
    [graphOf({ y }), engines.cpu.store({ w: vector(1, 2) }), "Cannot load graph: the store is of another engine"],
    [graphOf({ y: parameter("v", 2) }), store, 'Cannot load graph: the store lacks the parameter "v"'],
    [graphOf({ y: parameter("w", 3) }), store, 'Cannot load graph: the parameter "w" must be [3], found [2]'],
    [
      graphOf({ y }, { v: parameter("w", 2) }),
      store,
      'Cannot load graph: the store lacks "v", which the graph updates',
    ],
    [graphOf({ y: f.inTraining(y, y) }), store, "Cannot load graph: the op inTraining is left"],
  ];
  for (const [graph, store, message] of refused) assertThrows(() => wasm.load(graph, store), TypeError, message);
  assertThrows(
    () => wasm.store({ w: { shape: [3], data: new Float32Array(2) } }),
    RangeError,
    'Cannot hold "w": [3] needs 3 numbers, found 2',
  );
  assertThrows(() => store.write("w", vector(1)), RangeError, 'Cannot write "w": its shape is [2], found [1]');
  await assertRejects(() => store.read("v"), TypeError, 'Cannot read "v": the store holds no array of that name');

  const program = wasm.load(graphOf({ y }), store);
  await assertRejects(() => program.run({}), TypeError, 'Cannot run graph: the input "x" is missing');
  store.remove("w");
  await assertRejects(
    () => program.run({ x: batchOf(1) }),
    TypeError,
    'Cannot run graph: the parameter "w" is missing',
  );
  program.dispose();
  await assertRejects(() => program.run({ x: batchOf(1) }), TypeError, "Cannot run graph: the program is disposed");

  tf.registerBackend("empty", () => tf.findBackend("cpu"));
  const empty = await tfjs("empty");
  assertThrows(
    () => empty.load(graphOf({ y: f.exp(1) }), empty.store({})),
    TypeError,
    'Cannot load graph: the tfjs backend "empty" has no kernel',
  );
});

/** A training step on the loss sum(x w): the parameter less its slot's change. */
function step(): Graph {
  const [w, slot] = [parameter("w", 2), parameter("slot", 2)];
  const loss = f.sum(f.mul(input("x", "batch", 2), w), { axes: [0, 1] });
  const half = f.mul(f.constant([2, 2]), 0.5);
  return graphOf({ loss }, { w: f.sub(w, half), slot: f.add(slot, f.mul(w, half)) });
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

function batchOf(rows: number): Tensor {
  return { shape: [rows, 2], data: new Float32Array(2 * rows).fill(0.5) };
}

/** Catches what is printed until the returned function is called. */
function captured(into: unknown[]): () => void {
  const levels = ["log", "info", "warn", "error", "debug"] as const;
  const before = levels.map((level) => console[level]);
  levels.forEach((level) => console[level] = (...words) => into.push(words));
  return () => levels.forEach((level, i) => console[level] = before[i]);
}

/** Runs with another answer to whether files may be read. */
async function withReading(state: "prompt" | "denied", test: () => Promise<void>): Promise<void> {
  const { query, request } = Deno.permissions;
  Deno.permissions.query = Deno.permissions.request = () => Promise.resolve({ state } as Deno.PermissionStatus);
  try {
    await test();
  } finally {
    Object.assign(Deno.permissions, { query, request });
  }
}

/** A backend that this project knows nothing of, with asynchronous memory: the cpu backend's kernels under another name. */
async function bare(): Promise<Engine> {
  if (!tf.engine().backendNames().includes("bare")) {
    const { constructor } = tf.engine().findBackend("cpu");
    tf.registerBackend("bare", () => new (constructor as new () => tf.KernelBackend)());
    for (const kernel of tf.getKernelsForBackend("cpu")) tf.registerKernel({ ...kernel, backendName: "bare" });
  }
  return await tfjs("bare");
}

Deno.test("wasm() refuses a batch that its memory cannot hold, and goes on", async () => {
  const engine = await wasm();
  const x = apply("input", [], { name: "x", shape: ["batch", 1], type: "float" });
  const wide = apply("broadcast", [x], { shape: ["batch", 2 ** 20] });
  const program = engine.load(graphOf({ y: apply("sum", [wide], { axes: [1], keep: false }) }), engine.store({}));
  const rows = (count: number) => ({ x: { shape: [count, 1], data: new Float32Array(count).fill(1) } });
  const found = "a batch of 1000 rows needs 4001 MiB at once, wasm has 1536: wanted smaller batches, or cpu()";
  await assertRejects(() => program.run(rows(1000)), RangeError, found);
  assertEquals([...(await program.run(rows(2))).y.data], [2 ** 20, 2 ** 20]);
  program.dispose();
});

Deno.test("wasm() names what is wrong with the folder of its files, and reads none once it runs", async () => {
  for (const path of [5, "", {}, new URL("https://example.org/"), "https://example.org/assets"]) {
    const error = await assertRejects(() => wasm({ path } as never), TypeError);
    assertMatch(
      error.message,
      /^Cannot start the tfjs engine: path must be the path or the URL of a folder of files, /,
    );
  }
  assertEquals((await wasm({ path: "out/none" })).name, "tfjs:wasm");
  const { registry } = tf.engine();
  const running = registry.wasm;
  delete registry.wasm;
  try {
    await assertRejects(
      () => wasm({ path: new URL(`file://${Deno.cwd()}/out/no%20folder`) }),
      Error,
      `Cannot start the tfjs engine: no file ${Deno.cwd()}/out/no folder/tfjs-backend-wasm-simd.wasm found: copy it`,
    );
  } finally {
    registry.wasm = running;
  }
});

Deno.test("wasm() refuses more threads than it can have, and fewer than one", async () => {
  await assertRejects(() => wasm({ threads: 1e9 }), RangeError, "threads must be at most 121, found 1000000000");
  await assertRejects(() => wasm({ threads: 122 }), RangeError, "threads must be at most 121, found 122");
  await assertRejects(() => wasm({ threads: 122 }), RangeError, "Cannot start the tfjs engine on wasm: threads");
  await assertRejects(() => wasm({ threads: 0 }), RangeError, "threads must be a whole number of at least 1, found 0");
});
